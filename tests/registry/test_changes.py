"""Squash rules, delta and equality (spec 01 §12, §15 build_delta)."""

from __future__ import annotations

import pytest

from registry.recording import free
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.registry.changes import ChangeSet, Create, Delete, Update, build_delta
from wippy.registry.entry import entry

ONE, TWO = free("app:a", 1), free("app:a", 2)
OTHER = entry("app:a", "registry.entry", {"value": 3})
A = EntryId("app", "a")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Create(ONE), Update(TWO, ONE), [Create(TWO)]),
        (Create(ONE), Delete(A, ONE), []),
        (Update(ONE, OTHER), Update(TWO, ONE), [Update(TWO, OTHER)]),
        (Update(TWO, ONE), Delete(A, TWO), [Delete(A, ONE)]),
        (Delete(A, ONE), Create(TWO), [Update(TWO, ONE)]),
        (Delete(A, ONE), Create(OTHER), [Delete(A, ONE), Create(OTHER)]),
    ],
)
def test_two_operations_on_one_id_become_one(first: object, second: object, expected: list[object]) -> None:
    assert list(ChangeSet([first]).squash(ChangeSet([second]))) == expected  # type: ignore[list-item]


def test_numbers_compare_by_value_and_booleans_do_not() -> None:
    assert free("app:a", 1) == free("app:a", 1.0)
    assert free("app:a", [1, {"x": 2.0}]) == free("app:a", [1.0, {"x": 2}])
    assert free("app:a", True) != free("app:a", 1)
    assert free("app:a", [False]) != free("app:a", [0])


def test_delta_treats_equal_numbers_as_equal_and_a_changed_kind_as_a_pair() -> None:
    before = {A: free("app:a", 1), EntryId("app", "b"): free("app:b")}
    assert len(build_delta(before, {A: free("app:a", 1.0), EntryId("app", "b"): free("app:b")})) == 0
    delta = build_delta(before, {A: OTHER, EntryId("app", "c"): free("app:c")})
    assert [(each.event, str(each.id)) for each in delta] == [
        ("entry.delete", "app:a"),
        ("entry.create", "app:a"),
        ("entry.delete", "app:b"),
        ("entry.create", "app:c"),
    ]


def test_a_change_without_previous_value_cannot_be_reversed() -> None:
    with pytest.raises(Error, match="previous value is unknown"):
        ChangeSet([Delete(A)]).inverse()
