"""The query language of find (spec 01 §14)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from wippy.core.collector import without_collector
from wippy.core.ids import EntryId
from wippy.registry.changes import Create, Delete, Update
from wippy.registry.entry import Entry, entry
from wippy.registry.history import Version
from wippy.registry.state import State

ENTRIES = [
    entry("app:users", "function.lua", {}, {"type": "test", "order": 1.0, "tags": ["alpha", "beta"], "title": "Users"}),
    entry("app:orders", "function.lua", {}, {"type": "tool", "order": 2.0, "active": True, "a.b": "dotted"}),
    entry("app.sub:router", "http.router", {}, {"type": "test", "order": "1", "title": "Router of users"}),
    entry("lib:json", "library.lua", {}, {"one": 1.0}),
]
STATE = State(ENTRIES)


def found(**query: Any) -> list[str]:
    return ids(query)


def ids(query: dict[str, Any]) -> list[str]:
    return [str(each.id) for each in STATE.find(query)]


EVERYTHING = ["app.sub:router", "app:orders", "app:users", "lib:json"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, EVERYTHING),
        ({"kind": "x"}, EVERYTHING),
        ({"type": "x", "~.kind": "y", ".unknown": 1}, EVERYTHING),
        ({".kind": "function.lua"}, ["app:orders", "app:users"]),
        ({".kind": "*.lua"}, ["app:orders", "app:users", "lib:json"]),
        ({".kind": "http.*"}, ["app.sub:router"]),
        ({".ns": "app"}, ["app:orders", "app:users"]),
        ({".ns": "app*"}, ["app.sub:router", "app:orders", "app:users"]),
        ({".id": "app*r"}, ["app.sub:router"]),
        ({".id": "a*:*s"}, ["app:orders", "app:users"]),
        ({".id": "app:users"}, ["app:users"]),
        ({".name": "json"}, ["lib:json"]),
        ({".name": 7}, EVERYTHING),
        ({"meta.type": "test"}, ["app.sub:router", "app:users"]),
        ({"meta.type": "test", ".kind": "function.lua"}, ["app:users"]),
        ({"meta.order": 1}, ["app:users"]),
        ({"meta.order": 1.0}, ["app:users"]),
        ({"meta.order": "1"}, ["app.sub:router"]),
        ({"meta.active": True}, ["app:orders"]),
        ({"meta.active": 1}, []),
        ({"meta.one": True}, []),
        ({"meta.a.b": "dotted"}, ["app:orders"]),
        ({"meta.tags": ["beta"]}, ["app:users"]),
        ({"meta.tags": ["beta", "gamma"]}, []),
        ({"meta.tags": {"x": 1}}, []),
        ({"meta.missing": "x"}, []),
        ({"~meta.title": "^User"}, ["app:users"]),
        ({"~meta.title": "("}, EVERYTHING),
        ({"~meta.order": "1"}, ["app.sub:router"]),
        ({"*meta.title": "sers"}, ["app.sub:router", "app:users"]),
        ({"*meta.tags": "lph"}, ["app:users"]),
        ({"^meta.title": "Rou"}, ["app.sub:router"]),
        ({"$meta.title": "users"}, ["app.sub:router"]),
        ({"^meta.order": "2"}, []),
    ],
)
def test_find(query: dict[str, Any], expected: list[str]) -> None:
    assert ids(query) == expected


def test_namespaces_are_not_hierarchical() -> None:
    assert [str(each.id) for each in STATE.namespace("app")] == ["app:orders", "app:users"]


def test_results_follow_changes_and_old_states_stay_frozen() -> None:
    before = State([*ENTRIES, *(entry(f"pad:{n}", "registry.entry") for n in range(100))])
    assert len(before.find({"meta.type": "test"})) == 2
    new, changed = entry("app:a", "registry.entry", None, {"type": "test"}), entry("app:users", "function.lua", {})
    after = before.after([Create(new), Update(changed), Delete(EntryId("app.sub", "router"))], Version(1, 0))
    assert [str(each.id) for each in after.find({"meta.type": "test"})] == ["app:a"]
    assert len(before.find({"meta.type": "test"})) == 2
    assert after.version.id == 1 and EntryId("app.sub", "router") not in after


def test_an_indexed_find_among_twenty_thousand_entries_takes_microseconds() -> None:
    state = State(
        Entry(EntryId("app", f"e{number}"), "function.lua", {"suite": f"s{number % 2000}", "type": "test"}, {})
        for number in range(20_000)
    )
    state.find({"meta.suite": "s0"})
    with without_collector():  # it would walk what other tests have left behind
        start = time.process_time()
        for number in range(1, 501):
            assert len(state.find({"meta.suite": f"s{number}"})) == 10
        assert (time.process_time() - start) / 500 <= 50e-6
