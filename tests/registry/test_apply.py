"""Applying change sets (spec 01 §10, §12, §13)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from registry.recording import Recording, Replacing, Routed, create, delete, free, update
from wippy.core.errors import Error, invalid, not_found
from wippy.core.ids import EntryId
from wippy.registry.changes import ChangeSet, Create, Delete, Update
from wippy.registry.entry import Entry, Origin, entry
from wippy.registry.history import History, NoStore
from wippy.registry.registry import Registry


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def loaded(*handlers: Any, entries: tuple[Entry, ...] = (), **options: Any) -> Registry:
    registry = Registry(handlers or (Recording(),), **options)
    run(registry.load(entries))
    return registry


def rejected(work: Coroutine[Any, Any, Any]) -> Error:
    with pytest.raises(Error) as caught:
        run(work)
    return caught.value


def test_apply_makes_the_next_version_and_the_effect_is_live() -> None:
    handler = Recording()
    registry = loaded(handler)
    version = run(registry.apply(create(free("app:a", 1))))
    assert (version.id, version.parent, str(version)) == (1, 0, "v1")
    assert registry.version == version
    assert registry.get(EntryId("app", "a")) == free("app:a", 1)
    assert handler.resources[EntryId("app", "a")].value == 1
    assert handler.calls[-1] == ("commit", "test.free")


def test_create_of_an_existing_entry_conflicts() -> None:
    registry = loaded(entries=(free("app:a"),))
    error = rejected(registry.apply(create(free("app:a"))))
    assert error.kind == "Conflict" and "entry already exists" in error.message


def test_update_and_delete_of_a_missing_entry_are_not_found() -> None:
    registry = loaded()
    assert rejected(registry.apply(update(free("app:a")))).kind == "NotFound"
    assert rejected(registry.apply(delete(free("app:a")))).kind == "NotFound"


def test_update_cannot_change_the_kind() -> None:
    registry = loaded(Recording(), Replacing(), entries=(free("app:a"),))
    error = rejected(registry.apply(update(entry("app:a", "test.replacing", {}))))
    assert error.kind == "Invalid" and '"test.free"' in error.message


def test_delete_and_create_of_one_id_may_change_the_kind() -> None:
    old, new = Recording(), Replacing()
    registry = loaded(old, new, entries=(free("app:a"),))
    changed = entry("app:a", "test.replacing", {})
    run(registry.apply([Create(changed), Delete(changed.id)]))
    assert not old.resources and list(new.resources) == [changed.id]


def test_several_operations_on_one_id_take_effect_in_call_order() -> None:
    handler = Recording()
    registry = loaded(handler)
    a = free("app:a").id
    run(registry.apply([Create(free("app:a", 1)), Update(free("app:a", 2))]))
    assert handler.resources[a].value == 2
    assert run(registry.apply([Create(free("app:b")), Delete(EntryId("app", "b"))])).id == 1


def test_unknown_kind_is_rejected_at_once_with_the_nearest_kind() -> None:
    handler = Recording()
    registry = loaded(handler)
    wrong = Entry(EntryId("app", "x"), "test.fre", {}, {}, Origin("src/_index.yaml", 7, {"kind": 9}))
    error = rejected(registry.apply(create(free("app:a"), wrong)))
    assert error.kind == "Invalid"
    assert str(error) == ('app:x (test.fre) at src/_index.yaml:9: unknown kind "test.fre", did you mean "test.free"?')
    assert not handler.calls


def test_rejection_undoes_everything_and_keeps_the_version() -> None:
    def no_z(call: str, each: Entry) -> None:
        if call == "add" and each.id.name == "z":
            raise invalid("z is not welcome")

    handler = Recording(no_z)
    registry = loaded(handler, entries=(free("app:keep", 1), free("app:gone", 2)))
    before = registry.state
    error = rejected(
        registry.apply([Update(free("app:keep", 5)), Delete(EntryId("app", "gone")), Create(free("app:z"))])
    )
    assert error.kind == "Invalid" and str(error) == "app:z (test.free): z is not welcome"
    assert registry.state is before and registry.version.id == 0
    assert {str(key): config.value for key, config in handler.resources.items()} == {"app:keep": 1, "app:gone": 2}
    assert handler.calls[-1] == ("discard", "test.free")
    assert run(registry.apply(create(free("app:a")))).id == 1


def test_undo_hands_back_the_same_config_object() -> None:
    def no_z(call: str, each: Entry) -> None:
        if each.id.name == "z":
            raise invalid("no")

    handler = Recording(no_z)
    registry = loaded(handler, entries=(free("app:a", 1),))
    before = handler.resources[EntryId("app", "a")]
    rejected(registry.apply([Update(free("app:a", 2)), Create(free("app:z"))]))
    assert handler.resources[EntryId("app", "a")] is before


def test_failing_add_of_a_default_update_brings_the_previous_entry_back() -> None:
    def no_nine(call: str, each: Entry) -> None:
        if call == "add" and each.data["value"] == 9:
            raise invalid("nine")

    handler = Recording(no_nine)
    registry = loaded(handler, entries=(free("app:a", 1),))
    rejected(registry.apply(update(free("app:a", 9))))
    assert handler.resources[EntryId("app", "a")].value == 1


def test_own_update_is_called_instead_of_remove_and_add() -> None:
    handler = Replacing()
    registry = loaded(handler, entries=(entry("app:a", "test.replacing", {"value": 1}),))
    run(registry.apply(update(entry("app:a", "test.replacing", {"value": 2}))))
    assert [call for call, _ in handler.calls] == ["add", "commit", "update", "commit"]


def test_not_found_is_postponed_until_what_it_needs_is_there() -> None:
    added: set[str] = set()

    def needs(call: str, each: Entry) -> None:
        hidden = each.meta.get("hidden_need")
        if hidden and hidden not in added:
            raise not_found(f"no {hidden} yet")
        added.add(each.id.name)

    handler = Recording(needs)
    registry = loaded(handler)
    run(registry.apply(create(free("app:a", hidden_need="b"), free("app:b", hidden_need="c"), free("app:c"))))
    assert [name for call, name in handler.calls if call == "add"] == ["app:c", "app:b", "app:a"]


def test_what_never_arrives_fails_with_the_ids_and_reasons() -> None:
    registry = loaded(Recording(), Routed())
    error = rejected(registry.apply(create(free("app:ok"), entry("app:r", "test.routed", {}, {"server": "nowhere"}))))
    assert error.kind == "NotFound"
    assert error.message.startswith("unresolved dependencies after retry: app:r\n")
    assert 'field "meta.server": entry not found: app:nowhere' in error.message
    assert registry.get(EntryId("app", "ok")) is None


def test_declared_references_order_and_resolve_within_the_owners_namespace() -> None:
    plain, routed = Recording(), Routed()
    registry = loaded(plain, routed)
    run(registry.apply(create(entry("app:a", "test.routed", {}, {"server": "z"}), free("app:z"))))
    assert routed.resources[EntryId("app", "a")].server == EntryId("app", "z")


def test_failing_commit_hook_rolls_back() -> None:
    handler = Recording()
    registry = loaded(handler)
    handler.reject_commit = invalid("not compiled")
    error = rejected(registry.apply(create(free("app:a"))))
    assert "commit of test.free: not compiled" in str(error)
    assert not handler.resources and registry.version.id == 0 and len(registry.state) == 0


def test_unexpected_exception_of_a_handler_is_internal_and_rolled_back() -> None:
    def broken(call: str, each: Entry) -> None:
        if each.id.name == "b" and call == "add":
            raise KeyError("oops")

    handler = Recording(broken)
    error = rejected(loaded(handler).apply(create(free("app:a"), free("app:b"))))
    assert error.kind == "Internal" and "app:b (test.free): KeyError" in error.message
    assert not handler.resources


class Slow(Recording):
    kind = "test.slow"

    async def add(self, entry: Entry, config: Any) -> None:
        await asyncio.sleep(3600)


def test_a_handler_that_does_not_answer_times_out() -> None:
    handler = Recording()
    registry = loaded(handler, Slow(), handler_seconds=0.01)
    error = rejected(registry.apply(create(free("app:a"), entry("app:s", "test.slow", {}))))
    assert error.kind == "Timeout" and "app:s (test.slow): no answer from the handler within 0.01s" in str(error)
    assert not handler.resources


def test_cancelling_the_caller_rolls_back() -> None:
    handler = Recording()

    async def scenario() -> None:
        registry = Registry([handler, Slow()])
        await registry.load([])
        change = asyncio.create_task(registry.apply(create(free("app:a"), entry("app:s", "test.slow", {}))))
        while not handler.resources:
            await asyncio.sleep(0)
        change.cancel()
        with pytest.raises(asyncio.CancelledError):
            await change
        assert not handler.resources and registry.version.id == 0
        await registry.apply(create(free("app:b")))

    run(scenario())


def test_concurrent_applies_wait_for_each_other() -> None:
    async def scenario() -> None:
        registry = Registry([Recording()])
        await registry.load([])
        versions = await asyncio.gather(*(registry.apply(create(free(f"app:{n}"))) for n in range(5)))
        assert [version.id for version in versions] == [1, 2, 3, 4, 5]

    run(scenario())


def test_a_handler_cannot_wait_for_another_change() -> None:
    class Nested(Recording):
        registry: Registry

        async def add(self, entry: Entry, config: Any) -> None:
            await self.registry.apply(create(free("app:inner")))

    handler = Nested()
    registry = loaded(handler)
    handler.registry = registry
    assert rejected(registry.apply(create(free("app:a")))).kind == "Conflict"


def test_base_that_moved_is_a_retryable_conflict() -> None:
    registry = loaded()
    base = registry.version
    run(registry.apply(create(free("app:a"))))
    error = rejected(registry.apply(create(free("app:b")), base=base))
    assert (error.kind, error.retryable, error.message) == ("Conflict", True, "registry changed during apply")


def test_data_only_kinds_need_no_handler_and_no_events() -> None:
    events: list[str] = []
    registry = loaded(Recording(), publish=lambda system, kind, path, data: events.append(kind))
    events.clear()
    run(registry.apply(create(entry("app:x", "registry.entry", {"any": 1}), entry("app:y", "ns.requirement", None))))
    assert events == ["registry.begin", "registry.commit"]
    run(registry.apply(update(entry("app:x", "registry.entry", {"any": 2}))))
    assert registry.state[EntryId("app", "x")].data == {"any": 2}


def test_events_of_a_good_apply_lie_between_begin_and_commit() -> None:
    events: list[tuple[str, str, str, Any]] = []
    registry = loaded(Recording(), publish=lambda *event: events.append(event))
    events.clear()
    run(registry.apply(create(free("app:a"))))
    assert events == [
        ("registry", "registry.begin", "registry.tx/2/registry.begin", None),
        ("registry", "entry.create", "app:a", free("app:a").as_data()),
        ("registry", "entry.accept", "app:a", None),
        ("registry", "registry.commit", "registry.tx/2/registry.commit", None),
        ("registry", "registry.accept", "registry.tx/2/registry.commit/test.free", None),
    ]


def test_events_of_a_rejected_apply_show_compensation_before_discard() -> None:
    def no_b(call: str, each: Entry) -> None:
        if each.id.name == "b":
            raise invalid("no b")

    events: list[tuple[str, str]] = []
    registry = loaded(Recording(no_b), publish=lambda system, kind, path, data: events.append((kind, path)))
    events.clear()
    rejected(registry.apply(create(free("app:a"), free("app:b"))))
    assert [kind for kind, _ in events] == [
        "registry.begin",
        "entry.create",
        "entry.accept",
        "entry.create",
        "entry.reject",
        "entry.delete",
        "entry.accept",
        "registry.discard",
    ]


def test_version_ids_never_repeat_and_navigation_mirrors() -> None:
    registry = loaded()
    run(registry.apply(create(free("app:a"))))
    run(registry.apply(create(free("app:b"))))
    assert run(registry.apply_version(1)).id == 1
    assert free("app:b").id not in registry.state
    third = run(registry.apply(create(free("app:c"))))
    assert (third.id, third.parent) == (3, 1)
    history = registry.history
    assert [version.id for version in history.versions()] == [0, 1, 2, 3]
    assert history.next(history.version(1)) == third
    assert history.previous(history.version(0)) is None
    run(registry.apply_version(2))
    assert sorted(str(each) for each in registry.state) == ["app:a", "app:b"]


def test_apply_version_to_the_current_version_does_nothing() -> None:
    events: list[str] = []
    registry = loaded(Recording(), publish=lambda system, kind, path, data: events.append(kind))
    events.clear()
    run(registry.apply_version(0))
    assert events == []
    assert rejected(registry.apply_version(7)).kind == "NotFound"


def test_snapshot_at_includes_the_baseline() -> None:
    registry = loaded(entries=(free("app:base", 1),))
    run(registry.apply(update(free("app:base", 2))))
    run(registry.apply(delete(free("app:base"))))
    old = run(registry.snapshot_at(1))
    assert old[EntryId("app", "base")].data == {"value": 2} and old.version.id == 1
    assert len(run(registry.snapshot_at(0))) == 1


def test_without_history_versions_count_on_but_cannot_be_visited() -> None:
    registry = loaded(Recording(), history=History(NoStore()))
    assert run(registry.apply(create(free("app:a")))).id == 1
    assert run(registry.apply(create(free("app:b")))).id == 2
    error = rejected(registry.apply_version(1))
    assert error.message == "history not available"


def test_load_is_version_zero_and_the_last_definition_of_an_id_counts() -> None:
    registry = loaded(entries=(free("app:a", 1), free("app:a", 2)))
    assert registry.version.id == 0
    assert registry.state[EntryId("app", "a")].data == {"value": 2}


def test_rejected_load_rolls_everything_back() -> None:
    def no_b(call: str, each: Entry) -> None:
        if each.id.name == "b":
            raise invalid("no b")

    handler = Recording(no_b)
    registry = Registry([handler])
    error = rejected(registry.load([free("app:a"), free("app:b")]))
    assert str(error) == "app:b (test.free): no b"
    assert not handler.resources and len(registry.state) == 0


def test_baseline_operations_are_applied_but_not_recorded() -> None:
    registry = loaded()
    version = run(registry.apply([Create(free("app:dependency")), Create(free("mod:x"), baseline=True)]))
    assert len(registry.state) == 2
    assert len(run(registry.history.between(registry.history.version(0), version))) == 1
    assert run(registry.apply([Create(free("mod:y"), baseline=True)])) == version


def test_expansion_happens_inside_the_transaction() -> None:
    async def expand(state: Any, changes: ChangeSet) -> ChangeSet:
        return ChangeSet([*changes, Create(free("mod:pulled"), baseline=True)])

    registry = loaded(Recording(), expand=expand)
    run(registry.apply(create(entry("app:dep", "ns.dependency", {"component": "a/b"}))))
    assert EntryId("mod", "pulled") in registry.state


def test_history_that_survived_is_replayed_over_the_new_baseline() -> None:
    from wippy.registry.history import MemoryStore

    store = MemoryStore()
    first = loaded(Recording(), entries=(free("app:a", 1), free("app:b", 1)), history=History(store))
    run(first.apply(update(free("app:a", 2))))
    run(first.apply(delete(free("app:b"))))
    handler = Recording()
    second = loaded(handler, entries=(free("app:b", 9), free("app:new", 1)), history=History(store))
    assert second.version.id == 2
    assert {str(key): each.data["value"] for key, each in second.state.items()} == {"app:a": 2, "app:new": 1}
    run(second.apply_version(0))
    run(second.apply(create(free("app:c"))))
    assert second.version.id == 3


def test_handlers_may_be_made_when_their_kind_first_appears() -> None:
    made: list[Recording] = []

    def make() -> Recording:
        made.append(Recording())
        return made[-1]

    registry = Registry(kinds={"test.free": make})
    run(registry.load([]))
    assert made == []
    run(registry.apply(create(free("app:a"))))
    run(registry.apply(create(free("app:b"))))
    assert len(made) == 1 and len(made[0].resources) == 2
    assert "did you mean" in str(rejected(registry.apply(create(entry("app:c", "test.fre", {})))))


def test_a_create_waits_for_the_postponed_delete_of_its_id() -> None:
    refusals = 1

    def later(call: str, each: Entry) -> None:
        nonlocal refusals
        if call == "remove" and refusals:
            refusals -= 1
            raise not_found("not yet")

    handler = Recording(later)
    registry = loaded(handler, entries=(free("app:a", 1),))
    run(registry.apply([Delete(EntryId("app", "a")), Create(free("app:a", 2)), Create(free("app:b"))]))
    assert handler.resources[EntryId("app", "a")].value == 2
    assert [call for call, name in handler.calls if name == "app:a"] == ["add", "remove", "add"]
