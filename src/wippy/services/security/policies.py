"""Policies, groups and scopes (spec 05 §9.1-9.4).

Every policy that was ever registered has a number: scopes that were built with it keep it, also when it is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wippy.compute.identity import Actor, Verdict
from wippy.services.security.conditions import Condition, ConditionError, Request

Applies = Callable[[Request], bool]


def matches(pattern: str, text: str) -> bool:
    """`*` everything; a trailing `.*` or `*` a prefix (the dot is not required); otherwise equality."""
    if pattern == "*" or pattern == text:
        return True
    if pattern.endswith(".*"):
        return text.startswith(pattern[:-2])
    return pattern.endswith("*") and text.startswith(pattern[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """Immutable. `applies` judges what actions and resources leave open."""

    id: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    effect: Verdict
    applies: Applies = lambda request: True
    number: int = 0

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Verdict:
        """Its effect when everything matches, else `undefined`."""
        if not any(matches(p, action) for p in self.actions) or not any(matches(p, resource) for p in self.resources):
            return "undefined"
        return self.effect if self.applies(Request(actor, action, resource, meta)) else "undefined"


def all_hold(conditions: tuple[Condition, ...]) -> Applies:
    """Every condition holds; one that cannot be judged does not."""

    def applies(request: Request) -> bool:
        try:
            return all(condition.holds(request) for condition in conditions)
        except ConditionError:
            return False

    return applies


class PolicyScope:
    """An immutable set of policies by id: any deny wins, then any allow, else undefined."""

    __slots__ = ("_key", "policies")

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self.policies = {policy.id: policy for policy in policies}
        self._key = frozenset(self.policies.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyScope) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Verdict:
        verdict: Verdict = "undefined"
        for policy in self.policies.values():
            found = policy.evaluate(actor, action, resource, meta)
            if found == "deny":
                return "deny"
            if found == "allow":
                verdict = "allow"
        return verdict


class PolicyStore:
    """The policies of a node and the groups they name."""

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.groups: dict[str, set[str]] = {}
        self._numbered: list[Policy] = []

    def put(self, policy: Policy, groups: Iterable[str]) -> None:
        self.remove(policy.id)
        numbered = replace(policy, number=len(self._numbered) + 1)
        self._numbered.append(numbered)
        self.policies[policy.id] = numbered
        for group in groups:
            self.groups.setdefault(group, set()).add(policy.id)

    def remove(self, policy_id: str) -> None:
        self.policies.pop(policy_id, None)
        for group in list(self.groups):
            self.groups[group].discard(policy_id)
            if not self.groups[group]:
                del self.groups[group]

    def numbered(self, number: int) -> Policy:
        """A policy as it once was registered."""
        return self._numbered[number - 1]

    def scope_of(self, numbers: Sequence[int]) -> PolicyScope:
        """The scope of policies by number."""
        return PolicyScope(map(self.numbered, numbers))

    def group(self, group_id: str) -> PolicyScope | None:
        """All policies of a group; None when no policy names it."""
        members = self.groups.get(group_id)
        return PolicyScope(self.policies[p] for p in sorted(members)) if members else None

    def scope(self, policies: Iterable[str], groups: Iterable[str]) -> PolicyScope | None:
        """The scope of a service: unknown ids are passed over; None when nothing is found (spec 05 §9.7)."""
        found: dict[str, Policy] = {}
        for group_id in groups:
            named = self.group(group_id)
            found.update(named.policies if named else {})
        for policy_id in policies:
            if policy_id in self.policies:
                found[policy_id] = self.policies[policy_id]
        return PolicyScope(found.values()) if found else None
