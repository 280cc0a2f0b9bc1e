"""Dependency order of change sets (spec 01 §9)."""

from __future__ import annotations

import random
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wippy.core.ids import EntryId
from wippy.registry.changes import Create, Delete, Operation, Update
from wippy.registry.entry import Entry, entry
from wippy.registry.ordering import order


def names(operations: list[Operation]) -> list[str]:
    return [operation.id.name for operation in operations]


def created(*entries: Entry) -> list[str]:
    return names(order([Create(each) for each in entries]))


def deleted(*entries: Entry) -> list[str]:
    return names(order([Delete(each.id, each) for each in entries]))


def node(name: str, data: Any = None, **meta: Any) -> Entry:
    return entry(f"app:{name}", "registry.entry", data, meta)


def test_ties_go_by_namespace_and_name() -> None:
    assert created(node("c"), node("a"), node("b")) == ["a", "b", "c"]


def test_router_waits_for_its_server_in_any_textual_order() -> None:
    router, server = node("a", server="z"), node("z")
    assert created(router, server) == created(server, router) == ["z", "a"]
    assert deleted(router, server) == deleted(server, router) == ["a", "z"]


def test_explicit_forms_of_depends_on() -> None:
    member, other = node("z", groups=["storage"]), entry("lib.x:y", "registry.entry")
    assert created(node("a", depends_on=["group:storage"]), member) == ["z", "a"]
    assert created(node("a", depends_on="ns:lib.x"), other) == ["y", "a"]
    assert created(node("a", depends_on="lib.x:y"), other) == ["y", "a"]
    assert created(node("a", depends_on="z"), member) == ["z", "a"]


def test_implicit_paths_in_data() -> None:
    target = node("z")
    for data in (
        {"lifecycle": {"depends_on": ["z"]}},
        {"anything": {"depends_on": ["app:z"]}},
        {"imports": {"alias": "app:z"}},
        {"middleware": ["x", "z"]},
        {"dead_letter": {"queue": "z"}},
        {"contracts": [{"contract": "z"}]},
        {"contracts": [{"methods": {"run": "app:z"}}]},
        {"lifecycle": {"security": {"policies": ["z"]}}},
        {"driver": {"ns": "app", "name": "z"}},
        {"database": "z"},
    ):
        assert created(node("a", data), target) == ["z", "a"], data


def test_an_import_without_namespace_is_a_built_in_module() -> None:
    assert created(node("a", {"imports": {"json": "z"}}), node("z")) == ["a", "z"]


def test_placeholders_and_env_fields_wait_for_the_variable_and_its_storage() -> None:
    storage = entry("env:zz", "env.storage.os", {})
    variable = entry("env:z", "env.variable", {"variable": "DB_HOST", "storage": "zz"})
    for data in ({"dsn": "db://${env:DB_HOST}/x"}, {"host_env": "DB_HOST"}, {"x": ["${DB_HOST|localhost}"]}):
        assert created(node("a", data), variable, storage) == ["zz", "z", "a"], data


def test_declared_references_of_a_kind_count_too() -> None:
    operations = [Create(node("a", {"special": {"peer": "z"}})), Create(node("z"))]
    assert names(order(operations, {"registry.entry": ("special.peer",)})) == ["z", "a"]


def test_delete_precedes_create_of_the_same_id() -> None:
    old, new = node("a"), node("a", {"new": True})
    assert [type(each) for each in order([Create(new), Delete(old.id, old)])] == [Delete, Create]


def test_an_update_that_drops_a_reference_runs_before_the_delete() -> None:
    old, new, library = node("z", {"func": "a"}), node("z", {}), node("a")
    assert names(order([Delete(library.id, library), Update(new, old)])) == ["z", "a"]


def test_members_of_a_cycle_run_in_tie_order_and_the_rest_stays_ordered() -> None:
    a, b = node("a", depends_on="b"), node("b", depends_on="a")
    router, server = node("c", server="z"), node("z")
    assert created(b, a, router, server) == ["a", "b", "z", "c"]
    assert created(node("0", server="a"), a, b) == ["a", "b", "0"]


def test_delete_precedes_create_of_the_same_id_even_in_a_cycle() -> None:
    old_a, new_a = node("a"), node("a", {"new": True})
    old_b, new_b = node("b", depends_on="c"), node("b", depends_on="a")
    c = node("c", depends_on="a")
    sequence = order([Create(new_a), Update(new_b, old_b), Delete(c.id, c), Delete(old_a.id, old_a)])
    kinds = [type(each) for each in sequence if each.id.name == "a"]
    assert kinds == [Delete, Create] and len(sequence) == 4


@given(st.integers(0, 2**32), st.integers(2, 12))
def test_dependencies_come_first_in_every_acyclic_graph(seed: int, count: int) -> None:
    dice = random.Random(seed)
    labels = [f"n{number}" for number in range(count)]
    dice.shuffle(labels)
    edges = {label: [low for low in labels[:at] if dice.random() < 0.3] for at, label in enumerate(labels)}
    entries = [node(label, depends_on=needs) for label, needs in edges.items()]
    dice.shuffle(entries)
    forward, backward = created(*entries), deleted(*entries)
    for label, needs in edges.items():
        assert all(forward.index(need) < forward.index(label) for need in needs)
        assert all(backward.index(need) > backward.index(label) for need in needs)
    dice.shuffle(entries)
    assert created(*entries) == forward


def test_twenty_thousand_entries_are_ordered_well_under_a_second() -> None:
    entries = [
        Entry(
            EntryId(f"app.n{number % 200}", f"f{number}"),
            "function.lua",
            {"router": f"app:r{number % 50}", "type": "test"},
            {"source": "return 1", "method": "main", "modules": ["json"], "imports": {"lib": f"app.n1:f{number // 2}"}},
        )
        for number in range(20_000)
    ]
    start = time.process_time()
    order([Create(each) for each in entries])
    assert time.process_time() - start < 1.0
