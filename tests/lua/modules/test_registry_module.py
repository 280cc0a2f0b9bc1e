"""Module registry (spec 01 §15, §23)."""

from __future__ import annotations

import gc
from typing import Any

from lua.modules.guest import Guest, check, run
from wippy.compute.identity import Actor
from wippy.lua.modules.registry import Snapshots
from wippy.registry.entry import entry

ENTRIES = (
    entry("app:one", "registry.entry", {"n": 1.0, "list": [1, 2]}, {"type": "tool", "order": 1.0}),
    entry("app:two", "registry.entry", {"n": 2}, {"type": "tool"}),
    entry("lib:x", "registry.entry", None, {"type": "other"}),
)


def ask(source: str) -> Any:
    return check(source, entries=ENTRIES)


class Only:
    """A scope that allows some actions on some resources."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.allowed = set(allowed)

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Any:
        return "allow" if (action, resource) in self.allowed else "deny"


def restricted(source: str, *allowed: tuple[str, str]) -> Any:
    async def program(guest: Guest) -> Any:
        identity = guest.node.identities.add(Actor("a", {}), Only(*allowed))
        return await guest.run(source, identity=identity)

    return run(program, *ENTRIES)


def test_get_returns_a_copy_of_the_entry() -> None:
    found = ask(
        "local e = registry.get('app:one') e.meta.type = 'changed' local again = registry.get('app:one') "
        "return {again, tostring(again.data.n)}"
    )
    assert found == [
        {
            "id": "app:one",
            "kind": "registry.entry",
            "meta": {"type": "tool", "order": 1},
            "data": {"n": 1, "list": [1, 2]},
        },
        "1",
    ]


def test_get_of_a_missing_entry_is_not_found() -> None:
    assert ask(
        "local e, err = registry.get('app:none') return {e == nil, err:kind(), err:message(), err:retryable()}"
    ) == [
        True,
        "NotFound",
        "entry not found: app:none",
        False,
    ]


def test_permission_is_looked_at_before_existence_and_filters_silently() -> None:
    assert restricted("local e, err = registry.get('app:none') return {err:kind(), err:message()}") == [
        "PermissionDenied",
        "not allowed to access entry: app:none",
    ]
    source = (
        "local s = registry.snapshot() return {#registry.find({}), #s:entries(), #s:namespace('app'), "
        "#s:find({['.ns'] = 'app'}), s:get('app:two') == nil}"
    )
    assert restricted(source, ("registry.get", "app:one")) == [1, 1, 1, 1, True]


def test_find_by_fields_and_meta() -> None:
    source = (
        "return {#registry.find({['meta.type'] = 'tool'}), #registry.find({['.kind'] = 'registry.*', "
        "['.ns'] = 'lib'}), "
        "#registry.find({}), #registry.find({kind = 'x'}), registry.find({['meta.order'] = 1})[1].id, "
        "#registry.find({meta = {['meta.type'] = 'other'}})}"
    )
    assert ask(source) == [2, 1, 3, 3, "app:one", 1]


def test_parse_id() -> None:
    assert ask("return {registry.parse_id('a:b:c'), registry.parse_id('x')}") == [
        {"ns": "a", "name": "b:c"},
        {"ns": "", "name": "x"},
    ]


def test_changes_are_built_listed_and_applied() -> None:
    source = (
        "local c = registry.snapshot():changes() "
        "local same = c:create({id = {ns = 'app', name = 'new'}, kind = 'registry.entry', meta "
        "= {type = 'x', [1] = 'dropped'}, data = {a = {1, 2}, b = {}}}) "
        "c:update({id = 'app:one', kind = 'registry.entry', data = 'text'}):delete('app:two'):delete({ns "
        "= 'lib', name = 'x'}) "
        "local ops = c:ops() local text = tostring(c) local v, e = c:apply() "
        "return {same == c, ops, text, v:id(), v:string(), tostring(v), registry.get('app:new'), "
        "registry.get('app:one'), registry.get('app:two') == nil}"
    )
    same, ops, text, number, label, shown, new, one, gone = ask(source)
    assert same and gone
    assert [op["kind"] for op in ops] == ["entry.create", "entry.update", "entry.delete", "entry.delete"]
    assert ops[2]["entry"] == {"id": "app:two", "kind": "", "meta": {}}
    assert (text, number, label, shown) == ("registry.Changes{ops=4}", 1, "v1", "registry.Version{v1}")
    assert new == {"id": "app:new", "kind": "registry.entry", "meta": {"type": "x"}, "data": {"a": [1, 2], "b": {}}}
    assert one == {"id": "app:one", "kind": "registry.entry", "meta": {}, "data": "text"}


def test_bad_entries_are_returned_errors_and_add_nothing() -> None:
    source = (
        "local c = registry.snapshot():changes() local out = {} "
        "for _, call in ipairs({function() return c:create({kind = 'x'}) end, function() return "
        "c:create({id = 'a:b'}) end, "
        "function() return c:update('x') end, function() return c:delete(42) end, function() "
        "return c:apply() end}) do "
        "local v, e = call() out[#out + 1] = e:kind() end out[#out + 1] = #c:ops() return out"
    )
    assert ask(source) == ["Invalid"] * 5 + [0]


def test_applying_needs_a_permission_and_operations_come_first() -> None:
    source = (
        "local c = registry.snapshot():changes() local _, none = c:apply() c:delete('app:one') "
        "local _, denied = c:apply() "
        "return {none:message(), denied:kind(), denied:message()}"
    )
    assert restricted(source) == ["no changes to apply", "PermissionDenied", "not allowed to apply registry changes"]


def test_rejected_changes_change_nothing_and_say_why() -> None:
    source = (
        "local c = registry.snapshot():changes() c:delete('app:one') c:create({id = 'app:two', "
        "kind = 'registry.entry'}) local v, e = c:apply() "
        "return {v == nil, e:kind(), e:message():find('^apply changes: ') ~= nil, e:retryable(), "
        "registry.get('app:one') ~= nil, registry.current_version():id()}"
    )
    assert ask(source) == [True, "Conflict", True, False, True, 0]


def test_a_snapshot_is_frozen_but_its_changes_apply_to_the_live_registry() -> None:
    source = (
        "local s = registry.snapshot() local c = s:changes() c:create({id = 'app:new', kind = "
        "'registry.entry'}) assert(c:apply()) "
        "local d = s:changes() d:delete('app:new') assert(d:apply()) local _, again = c:apply(), nil "
        "return {s:get('app:new') == nil, s:version():id(), tostring(s), #s:entries(), "
        "registry.snapshot():version():id(), registry.current_version():id()}"
    )
    assert ask(source) == [True, 0, "registry.Snapshot{version=v0}", 3, 3, 3]


def test_versions_history_and_going_back() -> None:
    source = (
        "local function add(id) local c = registry.snapshot():changes() c:create({id = id, kind "
        "= 'registry.entry'}) return assert(c:apply()) end "
        "local v1 = add('app:a') local v2 = add('app:b') local ok = registry.apply_version(v1) "
        "local current = registry.current_version():id() "
        "local v3 = add('app:c') local h = registry.history() local ids = {} for i, v in ipairs(registry.versions()) "
        "do ids[i] = v:id() end "
        "return {ok, current, v3:id(), v3:previous():id(), registry.get('app:b') == nil, ids, "
        "#h:versions(), h:get_version(0):string(), "
        "h:snapshot_at(v2):get('app:b').id, registry.snapshot_at(1):get('app:a').id, v1:next():id(), "
        "v3:next() == nil, h:get_version(0):previous() == nil, tostring(h)}"
    )
    assert ask(source) == [
        True,
        1,
        3,
        1,
        True,
        [0, 1, 2, 3],
        4,
        "v0",
        "app:b",
        "app:a",
        3,
        True,
        True,
        "registry.History{}",
    ]


def test_bad_versions() -> None:
    source = (
        "local out = {} local function note(v, e) out[#out + 1] = {v == nil, e:kind()} end "
        "note(registry.snapshot_at(0)) note(registry.snapshot_at(99)) note(registry.history():get_version(-1)) "
        "note(registry.history():get_version(99)) "
        "local ok, e = registry.apply_version(registry.snapshot()) out[#out + 1] = {ok, e:kind()} "
        "out[#out + 1] = (pcall(registry.apply_version, 1)) return out"
    )
    assert ask(source) == [
        [True, "Invalid"],
        [True, "NotFound"],
        [True, "Invalid"],
        [True, "NotFound"],
        [False, "Invalid"],
        False,
    ]


def test_apply_version_needs_a_permission() -> None:
    assert restricted("local ok, e = registry.apply_version(registry.current_version()) return {ok, e:kind()}") == [
        False,
        "PermissionDenied",
    ]


def test_build_delta_compares_by_value_and_skips_what_is_no_entry() -> None:
    source = (
        "local from = {{id = 'a:x', kind = 'k', data = {n = 1}}, {id = 'a:gone', kind = 'k'}, 'junk'} "
        "local to = {{id = 'a:x', kind = 'k', data = {n = 1.0}}, {id = 'a:new', kind = 'k'}, {kind = 'no id'}} "
        "local out = {} for i, op in ipairs(registry.build_delta(from, to)) do out[i] = op.kind "
        ".. ' ' .. op.entry.id end return out"
    )
    assert ask(source) == ["entry.delete a:gone", "entry.create a:new"]


def test_collected_snapshots_are_forgotten_by_the_host() -> None:
    older = [each for each in gc.get_objects() if isinstance(each, Snapshots)]

    async def program(guest: Guest) -> int:
        await guest.run("for i = 1, 200 do registry.snapshot() end")
        guest.node.shards[0].call("collect")
        await guest.run("registry.snapshot()")
        held = [each for each in gc.get_objects() if isinstance(each, Snapshots) and each not in older]
        return sum(len(snapshots._states) for snapshots in held)

    assert run(program, *ENTRIES) <= 2


def test_apply_of_a_live_kind_is_effective_at_once() -> None:
    new = entry("app:store", "store.memory", {"lifecycle": {"auto_start": True}})
    source = (
        "local c = registry.snapshot():changes() c:create(...) assert(c:apply()) local s, e = "
        "store.get('app:store') assert(s, e) "
        "s:set('k', 'v') return s:get('k')"
    )

    async def program(guest: Guest) -> Any:
        return await guest.run(source, {"id": str(new.id), "kind": new.kind, "meta": {}, "data": new.data})

    assert run(program) == "v"
