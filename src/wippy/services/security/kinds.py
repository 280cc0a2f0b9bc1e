"""The kinds `security.policy` and `security.policy.expr` (spec 05 §9.2-9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import msgspec

from wippy.compute.service_identity import POLICIES
from wippy.core.config import Ref
from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.security.conditions import Condition, ConditionConfig
from wippy.services.security.expressions import compiled
from wippy.services.security.policies import Applies, Policy, PolicyStore, all_hold

if TYPE_CHECKING:
    from wippy.compute.node import Node


class Rule(msgspec.Struct, frozen=True):
    """What every policy has: where it applies and what it says there."""

    actions: str | list[str]
    """Actions that it is about; `*` at the end stands for anything."""
    resources: str | list[str]
    """Resources that it is about."""
    effect: Literal["allow", "deny"]
    """What it says about them."""


class ConditionRule(Rule, frozen=True):
    conditions: list[ConditionConfig] = []
    """What must hold besides, all of it."""


class ExpressionRule(Rule, frozen=True, kw_only=True):
    expression: str
    """What must be true besides, in the language of `expr`."""


class PolicyConfig(msgspec.Struct, frozen=True):
    policy: ConditionRule
    """The rule."""
    groups: list[Ref] = []
    """Groups that the policy is in."""


class ExpressionPolicyConfig(msgspec.Struct, frozen=True):
    policy: ExpressionRule
    """The rule."""
    groups: list[Ref] = []
    """Groups that the policy is in."""


C = TypeVar("C", PolicyConfig, ExpressionPolicyConfig)


def listed(name: str, value: str | list[str]) -> tuple[str, ...]:
    """A text or a list of texts, not empty. Raises Error(Invalid)."""
    items = (value,) if isinstance(value, str) else tuple(value)
    if not items or not all(items):
        raise invalid(f'field "policy.{name}": must not be empty')
    return items


def store_of(node: Node) -> PolicyStore:
    """The node's policies."""
    found = node.resources.get(POLICIES)
    if found is None:
        found = node.resources[POLICIES] = PolicyStore()
        node.identities.scope_of = found.scope_of
    store: PolicyStore = found
    return store


class _PolicyHandler(KindHandler[C], Generic[C]):
    """What both kinds share; they differ in what decides once action and resource match."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = store_of(node)

    def applies(self, config: C) -> Applies:
        raise NotImplementedError

    async def add(self, entry: Entry, config: C) -> None:
        self._put(entry, config)
        self._announce("register", entry)

    async def update(self, entry: Entry, config: C, previous: Entry) -> None:
        self._put(entry, config)
        self._announce("update", entry)

    async def remove(self, entry: Entry) -> None:
        self._store.remove(str(entry.id))
        self._announce("delete", entry)

    def _put(self, entry: Entry, config: C) -> None:
        rule: Rule = config.policy
        actions, resources = listed("actions", rule.actions), listed("resources", rule.resources)
        policy = Policy(str(entry.id), actions, resources, rule.effect, self.applies(config))
        self._store.put(policy, map(str, config.groups))

    def _announce(self, what: str, entry: Entry) -> None:
        self._node.bus.publish("security", f"policy.{what}", str(entry.id), None)


class PolicyHandler(_PolicyHandler[PolicyConfig]):
    """A rule of who may do what, with conditions."""

    kind = "security.policy"
    config = PolicyConfig

    def applies(self, config: PolicyConfig) -> Applies:
        return all_hold(tuple(Condition(c) for c in config.policy.conditions))


class ExpressionPolicyHandler(_PolicyHandler[ExpressionPolicyConfig]):
    """A rule of who may do what, with an expression."""

    kind = "security.policy.expr"
    config = ExpressionPolicyConfig

    def applies(self, config: ExpressionPolicyConfig) -> Applies:
        return compiled(config.policy.expression)
