"""The identity of a service: `lifecycle.security` (spec 05 §9.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from wippy.compute.identity import Actor, Scope
from wippy.compute.lifecycle import Security

if TYPE_CHECKING:
    from wippy.compute.node import Node

POLICIES = "@policies"
"""The node's resource that keeps its policies."""


class Policies(Protocol):
    """services.security, as the lower layers see it."""

    def scope(self, policies: Iterable[str], groups: Iterable[str]) -> Scope | None: ...
    def scope_of(self, numbers: Sequence[int]) -> Scope: ...


class ServiceIdentity:
    """What everything that a service starts runs under.

    Resolved at every start of the service, by the policies of then; its scope keeps those it was made with.
    """

    def __init__(self, node: Node, security: Security | None) -> None:
        self._node = node
        self._security = security
        self._held = False
        self.number = 0
        """What to start things under. After `release` it is allowed nothing once its last use is gone."""

    def acquire(self) -> int:
        """`number`, resolved anew, to be used until `release`."""
        self.release()
        security = self._security
        if security is not None:
            given = security.actor
            actor = Actor(given.id, given.meta) if given else Actor("", {})
            self.number = self._node.identities.add(actor, self._scope(security))
            self._held = True
        return self.number

    def _scope(self, security: Security) -> Scope | None:
        """Unknown policies and groups are passed over; None when nothing is left."""
        policies: Policies | None = self._node.resources.get(POLICIES)
        if policies is None:
            return None
        return policies.scope(map(str, security.policies), map(str, security.groups))

    def release(self) -> None:
        """Ends the use; what runs under the number goes on."""
        if self._held:
            self._held = False
            self._node.identities.release(self.number)
