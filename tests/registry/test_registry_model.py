"""Random change sets against a plain dict: state, handler resources and model always agree (spec 01 §10, §12)."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.recording import Recording, Replacing
from wippy.core.errors import Error, invalid, not_found
from wippy.core.ids import EntryId
from wippy.registry import transaction
from wippy.registry.changes import ChangeSet, Create, Delete, Operation, Update, apply_to, build_delta
from wippy.registry.entry import Entry
from wippy.registry.registry import Registry
from wippy.registry.state import State

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
KINDS = st.sampled_from(["test.free", "test.replacing", "registry.entry"])


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    depends = draw(st.lists(NAMES, max_size=2))
    return Entry(EntryId("app", draw(NAMES)), draw(KINDS), {"depends_on": depends}, {"value": draw(st.integers(0, 3))})


OPERATIONS = st.one_of(
    entries().map(Create), entries().map(Update), NAMES.map(lambda name: Delete(EntryId("app", name)))
)
CHANGES = st.lists(OPERATIONS, min_size=1, max_size=5)


def fits(operation: Operation, state: dict[EntryId, Entry]) -> Operation:
    """An operation that makes sense on `state`, close to the drawn one."""
    live = state.get(operation.id)
    if isinstance(operation, Delete):
        return operation if live else Create(Entry(operation.id, "test.free", {}, {"value": 0}))
    if live is None:
        return Create(operation.entry)
    if live.kind == operation.entry.kind:
        return Update(operation.entry)
    return Delete(operation.id)


def sensible(drawn: list[Operation], state: dict[EntryId, Entry]) -> list[Operation]:
    model, operations = dict(state), []
    for operation in drawn:
        fitting = fits(operation, model)
        apply_to(model, [fitting])
        operations.append(fitting)
    return operations


def check(registry: Registry, handlers: list[Recording], model: dict[EntryId, Entry]) -> None:
    assert dict(registry.state) == model
    assert list(registry.state) == sorted(model, key=str)
    held = {key: (each.kind, config.value) for each in handlers for key, config in each.resources.items()}
    assert held == {key: (e.kind, e.data["value"]) for key, e in model.items() if e.kind != "registry.entry"}
    for kind in ("test.free", "test.replacing", "registry.entry"):
        assert registry.find({".kind": kind}) == tuple(e for e in registry.state.values() if e.kind == kind)
    assert registry.find({".ns": "app"}) == tuple(registry.state.values())


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(CHANGES, st.integers(0, 3), st.booleans()), max_size=8), st.integers(0, 2**32), st.data())
def test_state_resources_and_model_always_agree(steps: list[Any], seed: int, data: st.DataObject) -> None:
    dice = random.Random(seed)
    chance = 0.0

    undoing = False

    def reject(call: str, entry: Entry) -> None:
        if not undoing and dice.random() < chance:
            raise dice.choice([invalid, not_found])("rejected at random")

    original = transaction._undo_all

    async def undo_all(steps: Any) -> None:
        nonlocal undoing
        undoing = True  # a handler may refuse to change, not to go back
        await original(steps)
        undoing = False

    handlers = [Recording(reject), Replacing(reject)]

    async def scenario() -> None:
        nonlocal chance
        registry = Registry(handlers)
        await registry.load([])
        models: dict[int, dict[EntryId, Entry]] = {0: {}}
        for drawn, risk, go_back in steps:
            chance = risk / 10
            handlers[0].reject_commit = invalid("commit") if dice.random() < chance / 2 else None
            model = dict(models[registry.version.id])
            before = registry.version
            changes = ChangeSet(sensible(drawn, model))
            apply_to(model, changes)
            try:
                version = await registry.apply(changes)
                models[version.id] = model
            except Error:
                assert registry.version == before
            check(registry, handlers, models[registry.version.id])
            if go_back:
                chance, handlers[0].reject_commit = 0.0, None
                target = data.draw(st.sampled_from(sorted(models)))
                await registry.apply_version(target)
                check(registry, handlers, models[target])
                assert dict(await registry.snapshot_at(target)) == models[target]

    with patch.object(transaction, "_undo_all", undo_all):
        asyncio.run(scenario())


@given(st.lists(CHANGES, max_size=6))
def test_squash_has_the_effect_of_the_sequence_and_its_inverse_undoes_it(drawn: list[list[Operation]]) -> None:
    model: dict[EntryId, Entry] = {EntryId("app", "a"): Entry(EntryId("app", "a"), "test.free", {}, {"value": 9})}
    start, sets = dict(model), []
    for each in drawn:
        resolved: list[Operation] = []
        for operation in sensible(each, model):
            previous = model.get(operation.id)
            match operation:
                case Update(entry=entry):
                    resolved.append(Update(entry, previous))
                case Delete(id=entry_id):
                    resolved.append(Delete(entry_id, previous))
                case _:
                    resolved.append(operation)
            apply_to(model, [operation])
        sets.append(ChangeSet(resolved))
    squashed = ChangeSet().squash(*sets)
    ids = [operation.id for operation in squashed]
    assert all(ids.count(each) <= 2 for each in ids)
    after = dict(start)
    apply_to(after, squashed)
    assert after == model
    apply_to(after, squashed.inverse())
    assert after == start


@given(st.lists(entries()), st.lists(entries()))
def test_delta_leads_from_one_state_to_the_other(before: list[Entry], after: list[Entry]) -> None:
    old, new = State(before), State(after)
    model = dict(old)
    delta = build_delta(old, new)
    apply_to(model, delta)
    assert model == dict(new)
    assert all(operation.id in old or operation.id in new for operation in delta)
    assert len(build_delta(new, new)) == 0
