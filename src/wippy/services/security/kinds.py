"""The kind `security.policy` (spec 05 §9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from wippy.core.config import Ref
from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.security.conditions import Condition, ConditionConfig
from wippy.services.security.policies import Policy, PolicyStore, all_hold

if TYPE_CHECKING:
    from wippy.compute.node import Node


class Rule(msgspec.Struct, frozen=True):
    actions: str | list[str]
    resources: str | list[str]
    effect: Literal["allow", "deny"]
    conditions: list[ConditionConfig] = []


class PolicyConfig(msgspec.Struct, frozen=True):
    policy: Rule
    groups: list[Ref] = []


def listed(name: str, value: str | list[str]) -> tuple[str, ...]:
    """A text or a list of texts, not empty. Raises Error(Invalid)."""
    items = (value,) if isinstance(value, str) else tuple(value)
    if not items or not all(items):
        raise invalid(f'field "policy.{name}": must not be empty')
    return items


def store_of(node: Node) -> PolicyStore:
    found = node.resources.get("@policies")
    if found is None:
        found = node.resources["@policies"] = PolicyStore()
    store: PolicyStore = found
    return store


class PolicyHandler(KindHandler[PolicyConfig]):
    kind = "security.policy"
    config = PolicyConfig

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = store_of(node)

    async def add(self, entry: Entry, config: PolicyConfig) -> None:
        self._put(entry, config)
        self._node.bus.publish("security", "policy.register", str(entry.id), None)

    async def update(self, entry: Entry, config: PolicyConfig, previous: Entry) -> None:
        self._put(entry, config)
        self._node.bus.publish("security", "policy.update", str(entry.id), None)

    async def remove(self, entry: Entry) -> None:
        self._store.remove(str(entry.id))
        self._node.bus.publish("security", "policy.delete", str(entry.id), None)

    def _put(self, entry: Entry, config: PolicyConfig) -> None:
        rule = config.policy
        conditions = tuple(Condition(c) for c in rule.conditions)
        policy = Policy(
            str(entry.id),
            listed("actions", rule.actions),
            listed("resources", rule.resources),
            rule.effect,
            all_hold(conditions),
        )
        self._store.put(policy, (str(group) for group in config.groups))
