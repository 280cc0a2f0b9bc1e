"""Policies, conditions, scopes by themselves (spec 05 §9.1-9.4)."""

from __future__ import annotations

from typing import Any

import pytest

from wippy.compute.identity import Actor, Identities
from wippy.core.errors import Error
from wippy.services.security.conditions import Condition, ConditionConfig
from wippy.services.security.policies import Policy, PolicyScope, PolicyStore, all_hold, matches

ADA = Actor(
    "ada",
    {
        "team": "red",
        "level": 5,
        "tags": ["a", "b"],
        "nested": {"x": "1"},
        "big": 9007199254740992,
        "small": 0.00001,
        "raw": b"a\xff",
    },
)


def policy(name: str, effect: Any = "allow", action: str = "doc.*", *conditions: dict[str, Any]) -> Policy:
    built = tuple(Condition(ConditionConfig(**c)) for c in conditions)
    return Policy(f"app:{name}", (action,), ("*",), effect, all_hold(built))


def holds(meta: dict[str, Any] | None = None, actor: Actor = ADA, **condition: Any) -> bool:
    one = policy("p", "allow", "*", condition)
    return one.evaluate(actor, "doc.read", "doc:1", meta or {}) == "allow"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "anything", True),
        ("doc.*", "doc", True),
        ("doc.*", "doc.x", True),
        ("doc.*", "docs", True),
        ("doc.edit*", "doc.editor", True),
        ("*.read", "doc.read", False),
        ("doc", "doc.x", False),
    ],
)
def test_pattern_is_equality_or_prefix(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"field": "actor.id", "operator": "eq", "value": "ada"}, True),
        ({"field": "actor.meta.level", "operator": "eq", "value": "5"}, True),
        ({"field": "actor.meta.level", "operator": "gt", "value": "4.5"}, True),
        ({"field": "actor.meta.team", "operator": "gt", "value": 1}, False),
        ({"field": "actor.meta.team", "operator": "in", "value": ["blue", "red"]}, True),
        ({"field": "actor.meta.team", "operator": "nin", "value": ["blue"]}, True),
        ({"field": "actor.meta.team", "operator": "in", "value": 5}, False),
        ({"field": "actor.meta.tags", "operator": "contains", "value": "b"}, True),
        ({"field": "actor.meta.team", "operator": "contains", "value": "re"}, True),
        ({"field": "actor.meta.team", "operator": "ncontains", "value": "x"}, True),
        ({"field": "actor.meta.team", "operator": "matches", "value": "^r.d$"}, True),
        ({"field": "actor.meta.team", "operator": "nmatches", "value": "^b"}, True),
        ({"field": "actor.meta.nested.x", "operator": "eq", "value": 1}, True),
        ({"field": "actor.meta.none", "operator": "exists", "value": False}, True),
        ({"field": "actor.meta.team", "operator": "exists", "value": "yes"}, False),
        ({"field": "actor.meta.level", "operator": "eq", "value": "0_5"}, False),
        ({"field": "actor.meta.level", "operator": "eq", "value": " 5"}, False),
        ({"field": "actor.meta.big", "operator": "eq", "value": 9007199254740993}, False),
        ({"field": "actor.meta.small", "operator": "contains", "value": "0.00001"}, True),
        ({"field": "actor.meta.raw", "operator": "matches", "value": "^a"}, True),
        ({"field": "actor.meta.team", "operator": "exists", "value": True}, True),
        ({"field": "actor.meta.none", "operator": "nexists", "value": True}, True),
        ({"field": "actor.meta.none", "operator": "ne", "value": "x"}, False),
        ({"field": "actor.meta.none", "operator": "nin", "value": ["x"]}, False),
        ({"field": "action", "operator": "eq", "value": "doc.read"}, True),
        ({"field": "resource", "operator": "eq", "value": "doc:1"}, True),
        ({"field": "actor", "operator": "eq", "value": "x"}, False),
    ],
)
def test_condition(condition: dict[str, Any], expected: bool) -> None:
    assert holds(**condition) is expected


def test_value_from_compares_two_fields() -> None:
    condition = {"field": "actor.meta.team", "operator": "eq", "value_from": "meta.team"}
    assert holds({"team": "red"}, **condition)
    assert not holds({"team": "blue"}, **condition)
    assert not holds({"x": "^r"}, field="actor.meta.team", operator="matches", value_from="meta.x")


def test_unprefixed_field_is_looked_up_in_meta() -> None:
    assert holds({"a.b": 1}, field="a.b", operator="eq", value=1)


def test_actor_fields_of_nobody_cannot_be_judged() -> None:
    assert not holds(actor=Actor("", {}), field="actor.id", operator="ne", value="x")


@pytest.mark.parametrize(
    "config",
    [
        {"field": "", "operator": "eq", "value": 1},
        {"field": "x", "operator": "equals", "value": 1},
        {"field": "x", "operator": "eq"},
        {"field": "x", "operator": "matches", "value": "("},
    ],
)
def test_bad_condition_is_invalid(config: dict[str, Any]) -> None:
    with pytest.raises(Error) as refused:
        Condition(ConditionConfig(**config))
    assert refused.value.kind == "Invalid"


def test_deny_wins_over_allow_and_nothing_is_undefined() -> None:
    allow, deny = policy("allow"), policy("deny", "deny", "doc.delete")
    scope = PolicyScope([allow, deny])
    assert scope.evaluate(ADA, "doc.read", "x", {}) == "allow"
    assert scope.evaluate(ADA, "doc.delete", "x", {}) == "deny"
    assert scope.evaluate(ADA, "other", "x", {}) == "undefined"
    assert PolicyScope().evaluate(ADA, "doc.read", "x", {}) == "undefined"


def test_scopes_of_the_same_policies_are_equal() -> None:
    a, b = policy("a"), policy("b")
    assert PolicyScope([a, b]) == PolicyScope([b, a]) and hash(PolicyScope([a, b])) == hash(PolicyScope([b, a]))
    assert PolicyScope([a]) != PolicyScope([policy("a")])


def test_a_policy_keeps_its_number_when_it_is_replaced() -> None:
    store = PolicyStore()
    store.put(policy("a"), [])
    old = store.policies["app:a"]
    store.put(policy("a", "deny"), [])
    assert store.numbered(old.number) is old
    assert store.scope_of([old.number]).evaluate(ADA, "doc.read", "x", {}) == "allow"
    assert store.scope_of([store.policies["app:a"].number]).evaluate(ADA, "doc.read", "x", {}) == "deny"


def test_group_without_policies_does_not_exist() -> None:
    store = PolicyStore()
    store.put(policy("a"), ["app:readers"])
    assert store.group("app:readers") is not None
    store.put(policy("a"), ["app:writers"])
    assert store.group("app:readers") is None
    store.remove("app:a")
    assert store.group("app:writers") is None


def test_scope_of_a_service_passes_over_unknown_ids() -> None:
    store = PolicyStore()
    store.put(policy("a"), ["app:readers"])
    scope = store.scope(["app:nothing"], ["app:readers", "app:nobody"])
    assert scope is not None
    assert set(scope.policies) == {"app:a"}
    assert store.scope(["app:nothing"], []) is None


@pytest.mark.parametrize("strict", [False, True])
def test_permission_without_actor_or_scope_depends_on_strict_mode(strict: bool) -> None:
    identities = Identities(strict=strict)
    only_actor = identities.add(ADA, None)
    both = identities.add(ADA, PolicyScope([policy("a")]))
    assert identities.permitted(0, "doc.read", "x") is not strict
    assert identities.permitted(only_actor, "doc.read", "x") is not strict
    assert identities.permitted(both, "doc.read", "x")
    assert not identities.permitted(both, "other", "x")


def test_derived_identity_keeps_what_is_not_replaced() -> None:
    identities = Identities()
    scope = PolicyScope([policy("a")])
    first = identities.add(ADA, scope)
    derived = identities.get(identities.derive(first, ("bob", {}), None))
    assert (derived.actor, derived.scope) == (Actor("bob", {}), scope)
    assert identities.add(ADA, scope) == first


def test_identity_is_kept_while_it_has_uses() -> None:
    identities = Identities()
    scope = PolicyScope([policy("a")])
    number = identities.add(ADA, scope)
    assert not identities.hold(number)
    identities.release(number)
    assert identities.permitted(number, "doc.read", "x") and len(identities) == 1
    identities.release(number)
    assert len(identities) == 0
    assert not identities.permitted(number, "doc.read", "x")
    with pytest.raises(Error):
        identities.hold(number)
    assert identities.add(ADA, scope) != number


def test_missing_part_is_named_in_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "wippy.security")
    identities = Identities(strict=True)
    identities.permitted(identities.add(ADA, None), "doc.read", "doc:1")
    identities.permitted(0, "doc.read", "doc:1")
    assert [r.getMessage() for r in caplog.records] == [
        "no scope to check doc.read on doc:1",
        "no actor to check doc.read on doc:1",
    ]
