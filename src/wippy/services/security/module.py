"""The guest module `security` (spec 05 §10): actors, scopes and policies as handles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wippy.compute.identity import Actor
from wippy.core.errors import Error, internal
from wippy.core.ids import EntryId
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module, Permission
from wippy.lua.wire import HandleRef
from wippy.services.security.kinds import store_of
from wippy.services.security.policies import Policy, PolicyScope

if TYPE_CHECKING:
    from wippy.compute.node import Node

CREATE_ACTOR = Permission("security.actor.create", "id", "not allowed to create actor: {resource}", raises=True)
GET_POLICY = Permission("security.policy.get", "id", "not allowed to access policy: {resource}", kind="Invalid")
GET_GROUP = Permission("security.policy_group.get", "id", "not allowed to access group: {resource}", kind="Invalid")


def module(node: Node) -> Module:
    """The declaration of `security` for a node."""
    security = Module("security", "Who acts, and what they may do.", classes=("security",))
    store = store_of(node)
    actors, scopes, policies = security.handle("Actor"), security.handle("Scope"), security.handle("Policy")

    def scope_handle(caller: Caller, scope: PolicyScope) -> HandleRef:
        return caller.keep(scopes, scope)

    @security.function("actor() -> Actor?", caller=True)
    def actor(caller: Caller) -> HandleRef | None:
        """The actor of the running code."""
        found = node.identities.get(caller.identity).actor
        return None if found is None else caller.keep(actors, found)

    @security.function("scope() -> Scope?", caller=True)
    def scope(caller: Caller) -> HandleRef | None:
        """The scope of the running code."""
        found = node.identities.get(caller.identity).scope
        return None if found is None else caller.keep(scopes, found)

    @security.function("can(action: string, resource: string, meta: table?) -> boolean", caller=True)
    def can(caller: Caller, action: str, resource: str, meta: Mapping[str, Any] | None = None) -> bool:
        """Whether the scope allows it; false without actor or scope."""
        who = node.identities.get(caller.identity)
        if who.actor is None or who.scope is None:
            return False
        return who.scope.evaluate(who.actor, action, resource, dict(meta or {})) == "allow"

    @security.function("new_actor(id: string, meta: table?) -> Actor", caller=True, permission=CREATE_ACTOR)
    def new_actor(caller: Caller, actor_id: str, meta: Any = None) -> HandleRef:
        """An actor with text keys in its meta. Denial raises."""
        return caller.keep(actors, Actor(actor_id, _text_keys(meta)))

    @security.function("new_scope(policies: table?) -> Scope", caller=True)
    def new_scope(caller: Caller, given: Any = None) -> HandleRef:
        """A scope of the policies in a list; other items are passed over. Denial raises."""
        _require(caller, "security.scope.create", "custom")
        refs = given if isinstance(given, list) else []
        found = [item for item in (_object(node, ref) for ref in refs) if isinstance(item, Policy)]
        return scope_handle(caller, PolicyScope(found))

    @security.function("policy(id: string) -> Policy", caller=True, permission=GET_POLICY)
    def policy(caller: Caller, policy_id: str) -> HandleRef:
        """A policy by id. Error(Internal) for an unknown one."""
        found = store.policies.get(policy_id)
        if found is None:
            raise internal(f"policy not found: {policy_id}")
        return caller.keep(policies, found)

    @security.function("named_scope(id: string) -> Scope", caller=True, permission=GET_GROUP)
    def named_scope(caller: Caller, group_id: str) -> HandleRef:
        """The scope of a group. Error(Internal) for an unknown one."""
        found = store.group(group_id)
        if found is None:
            raise internal(f"policy group not found: {group_id}")
        return scope_handle(caller, found)

    @actors.method("id() -> string")
    def actor_id(who: Actor) -> str:
        """Its id."""
        return who.id

    @actors.method("meta() -> table")
    def actor_meta(who: Actor) -> dict[str, Any]:
        """A fresh copy of its meta."""
        return dict(who.meta)

    @policies.method("id() -> string")
    def policy_id(one: Policy) -> str:
        """Its id."""
        return one.id

    @policies.method("evaluate(actor: Actor, action: string, resource: string, meta: table?) -> string")
    def evaluate_policy(one: Policy, who: Any, action: str, resource: str, meta: Any = None) -> str:
        """`allow`, `deny` or `undefined`."""
        return one.evaluate(_actor(who), action, resource, dict(meta or {}))

    @scopes.method("evaluate(actor: Actor, action: string, resource: string, meta: table?) -> string")
    def evaluate_scope(one: PolicyScope, who: Any, action: str, resource: str, meta: Any = None) -> str:
        """`allow`, `deny` or `undefined`."""
        return one.evaluate(_actor(who), action, resource, dict(meta or {}))

    @scopes.method("with(policy: Policy) -> Scope", caller=True)
    def including(caller: Caller, one: PolicyScope, added: Any) -> HandleRef:
        """A new scope with the policy. Denial raises."""
        _require(caller, "security.scope.create", "with")
        if not isinstance(added, Policy):
            raise _raised(Error("Invalid", "bad argument #1 to with (policy expected)"))
        return scope_handle(caller, one.including(added))

    @scopes.method("without(policy: any) -> Scope", caller=True)
    def excluding(caller: Caller, one: PolicyScope, removed: Any) -> HandleRef:
        """A new scope without the policy. Denial raises."""
        _require(caller, "security.scope.create", "without")
        return scope_handle(caller, one.excluding(_policy_id(removed)))

    @scopes.method("contains(policy: any) -> boolean")
    def contains(one: PolicyScope, asked: Any) -> bool:
        """Whether the scope holds the policy."""
        return _policy_id(asked) in one.policies

    @scopes.method("policies() -> {Policy}", caller=True)
    def members(caller: Caller, one: PolicyScope) -> list[HandleRef]:
        """Its policies."""
        return [caller.keep(policies, p) for p in one.policies.values()]

    return security


def _raised(error: Error) -> Exception:
    from wippy.lua.modules.declare import Raised

    return Raised(error)


def _require(caller: Caller, action: str, resource: str) -> None:
    if not caller.allowed(action, resource):
        raise _raised(Error("PermissionDenied", f"not allowed: {action} {resource}"))


def _text_keys(meta: Any) -> dict[str, Any]:
    return {k: v for k, v in meta.items() if isinstance(k, str)} if isinstance(meta, Mapping) else {}


def _object(node: Node, value: Any) -> Any:
    return node.bindings.handles.get(value) if isinstance(value, HandleRef) else value


def _actor(value: Any) -> Actor:
    if not isinstance(value, Actor):
        raise _raised(Error("Invalid", "bad argument #1 to evaluate (actor expected)"))
    return value


def _policy_id(value: Any) -> str:
    """An id text, a policy, or {ns, name}."""
    if isinstance(value, Policy):
        return value.id
    if isinstance(value, Mapping):
        return str(EntryId(str(value.get("ns", "")), str(value.get("name", ""))))
    return str(value)
