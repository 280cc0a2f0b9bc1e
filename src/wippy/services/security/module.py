"""The guest module `security` (spec 05 §10): what its handles (module.lua) ask the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wippy.compute.identity import Actor
from wippy.core.errors import INVALID, internal
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module, Permission
from wippy.lua.wire import guest_text
from wippy.services.security.kinds import store_of
from wippy.services.security.policies import PolicyScope

if TYPE_CHECKING:
    from wippy.compute.node import Node

CREATE_ACTOR = Permission("security.actor.create", "id", "not allowed to create actor: {resource}", raises=True)
NEW_SCOPE, ADD_POLICY, DROP_POLICY = (
    Permission("security.scope.create", denial="not allowed to create scope: {resource}", raises=True, fixed=way)
    for way in ("custom", "with", "without")
)
GET_POLICY = Permission("security.policy.get", "id", "not allowed to access policy: {resource}", INVALID)
GET_GROUP = Permission("security.policy_group.get", "id", "not allowed to access group: {resource}", INVALID)


def module(node: Node) -> Module:
    """The declaration of `security` for a node."""
    security = Module(
        "security",
        "Who acts, and what they may do.",
        classes=("security",),
        source=Path(__file__).with_suffix(".lua"),
    )
    security.in_lua(_IN_LUA, _HANDLES_IN_LUA, _PERMISSIONS)
    _declare_running(security, node)
    _declare_policies(security, node)
    return security


def _declare_running(security: Module, node: Node) -> None:
    @security.function("current() -> table", caller=True, private=True)
    def current(caller: Caller) -> dict[str, Any]:
        """Actor and policies (id -> number) of the running code, as far as there are any."""
        actor, scope = node.identities.get(caller.identity)
        return {
            "actor": actor and {"id": guest_text(actor.id), "meta": actor.meta},
            "policies": _ids(scope) if isinstance(scope, PolicyScope) else None,
        }

    @security.function("may(action: string, resource: string, meta: any) -> boolean", caller=True, private=True)
    def may(caller: Caller, action: str, resource: str, meta: Any) -> bool:
        """Whether the scope allows it; false without actor or scope."""
        actor, scope = node.identities.get(caller.identity)
        if actor is None or scope is None:
            return False
        return scope.evaluate(actor, action, resource, _meta(meta)) == "allow"


def _declare_policies(security: Module, node: Node) -> None:
    store = store_of(node)

    @security.function("find_policy(id: string) -> integer", caller=True, permission=GET_POLICY, private=True)
    def find_policy(caller: Caller, policy_id: str) -> int:
        """The number of a policy as it is now."""
        found = store.policies.get(policy_id)
        if found is None:
            raise internal(f"policy not found: {policy_id}")
        return found.number

    @security.function("find_group(id: string) -> table", caller=True, permission=GET_GROUP, private=True)
    def find_group(caller: Caller, group_id: str) -> dict[str, int]:
        """The policies of a group, id -> number."""
        found = store.group(group_id)
        if found is None:
            raise internal(f"policy group not found: {group_id}")
        return _ids(found)

    @security.function(
        "judge(policies: any, actor: string, about: any, action: string, resource: string, meta: any) -> string",
        private=True,
    )
    def judge(numbers: Sequence[int], actor: str, about: Any, action: str, resource: str, meta: Any) -> str:
        """What policies, by number, say."""
        return store.scope_of(list(numbers)).evaluate(Actor(actor, _meta(about)), action, resource, _meta(meta))


def _ids(scope: PolicyScope) -> dict[str, int]:
    return {policy.id: policy.number for policy in scope.policies.values()}


def _meta(meta: Any) -> dict[str, Any]:
    return dict(meta) if isinstance(meta, Mapping) else {}


_IN_LUA = {
    "actor() -> Actor?": "The actor of the running code.",
    "scope() -> Scope?": "The scope of the running code.",
    "can(action: string, resource: string, meta: table?) -> boolean": "Whether the scope allows it; false without "
    "actor or scope.",
    "new_actor(id: string, meta: table?) -> Actor": "An actor; text keys of its meta are kept.",
    "new_scope(policies: table?) -> Scope": "A scope of the policies in a list; other items are passed over.",
    "policy(id: string) -> Policy": "A policy by id. Error(Internal) for an unknown one.",
    "named_scope(id: string) -> Scope": "The scope of a group. Error(Internal) for an unknown one.",
}
_EVALUATE = "evaluate(actor: Actor, action: string, resource: string, meta: table?) -> string"
_HANDLES_IN_LUA = {
    "Actor": {"id() -> string": "Its id.", "meta() -> table": "A fresh copy of its meta."},
    "Policy": {"id() -> string": "Its id.", _EVALUATE: "`allow`, `deny` or `undefined`."},
    "Scope": {
        _EVALUATE: "`allow`, `deny` or `undefined`.",
        "with(policy: Policy) -> Scope": "A new scope with the policy.",
        "without(policy: any) -> Scope": "A new scope without the policy: an id, a policy, or {ns, name}.",
        "contains(policy: any) -> boolean": "Whether the scope holds the policy.",
        "policies() -> {Policy}": "Its policies.",
    },
}
_PERMISSIONS = {
    "new_actor": (CREATE_ACTOR,),
    "new_scope": (NEW_SCOPE,),
    "policy": (GET_POLICY,),
    "named_scope": (GET_GROUP,),
    "Scope.with": (ADD_POLICY,),
    "Scope.without": (DROP_POLICY,),
}
