"""The identity an entry brings itself: `security` of a function, `meta.command.security` of a command (spec 01 §22,
spec 07b §A.1; docs/decisions/020-own-identity.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wippy.compute.identity import Actor
from wippy.compute.service_identity import POLICIES, Policies

if TYPE_CHECKING:
    from wippy.compute.lifecycle import Security
    from wippy.compute.node import Node


def entry_identity(node: Node, security: Security, caller: int = 0) -> int:
    """The number to run an entry under that `caller` starts, with one use that the caller of this gives back.

    Each part that `security` names takes the place of the caller's; a part that it leaves out is inherited. Policies
    and groups are those of now. When none of those it names exists, the entry is allowed nothing.
    """
    known = node.identities.get(caller)
    actor, scope = known.actor, known.scope
    if security.actor is not None:
        actor = Actor(security.actor.id, security.actor.meta)
    policies: Policies | None = node.resources.get(POLICIES)
    if (security.policies or security.groups) and policies is not None:
        named = policies.scope(map(str, security.policies), map(str, security.groups))
        scope = named if named is not None else policies.scope_of(())
    return node.identities.add(actor, scope)
