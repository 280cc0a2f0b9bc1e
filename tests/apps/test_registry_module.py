"""The registry as guests of an application on disk see it: what spec 01 §24 "Registry module" and "Events" asks for,
and what programs notice (§23, 1 to 16)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.guest import LIMIT
from apps.on_disk import again, application, probe
from apps.program import wippy
from wippy import Runtime
from wippy.core.errors import Error
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler

# Reading --------------------------------------------------------------------------------------------------------------


def test_parse_id_splits_at_the_first_colon_and_a_bare_text_has_no_namespace(tmp_path: Path) -> None:
    assert probe(
        tmp_path, "return { registry.parse_id('a.b:c'), registry.parse_id('c'), registry.parse_id('a:b:c') }"
    ) == [
        {"ns": "a.b", "name": "c"},
        {"ns": "", "name": "c"},
        {"ns": "a", "name": "b:c"},
    ]


def test_get_of_a_function_yields_id_kind_meta_and_its_source(tmp_path: Path) -> None:
    found = probe(tmp_path, "return registry.get('app:hello')")
    assert (found["id"], found["kind"]) == ("app:hello", "function.lua")
    assert found["meta"]["type"] == "tool" and found["meta"]["team"] == "core"
    assert found["data"]["source"] == "return { main = function() return 'hello' end }\n"


def test_get_of_a_missing_id_is_not_found_and_not_retryable(tmp_path: Path) -> None:
    body = "local e, err = registry.get('app:none') return { e == nil, err:kind(), err:retryable(), err:message() }"
    assert probe(tmp_path, body) == [True, "NotFound", False, "entry not found: app:none"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("['.kind'] = 'function.lua', ['.name'] = 'g*'", ["app:greet"]),
        ("['.kind'] = '*.lua', ['.ns'] = 'app', ['meta.type'] = 'helper'", ["app:names"]),
        ("['.ns'] = 'a*', ['meta.type'] = 'tool'", ["app:greet", "app:hello"]),
        ("['.id'] = 'app:he*'", ["app:hello"]),
        ("['~meta.title'] = '^Gr.*y$'", ["app:greet"]),
        ("['*meta.title'] = 'hello'", ["app:hello"]),
        ("['*meta.tags'] = 'shor'", ["app:hello"]),
        ("['^meta.title'] = 'Say'", ["app:hello"]),
        ("['$meta.title'] = 'body'", ["app:greet"]),
        ("['meta.type'] = 'tool', ['meta.order'] = 2", ["app:greet"]),
        ("['meta.absent'] = 'x'", []),
        ("['meta.type'] = 'tool', ['~meta.title'] = '['", ["app:greet", "app:hello"]),
        ("meta = { ['meta.type'] = 'product' }", ["app:price"]),
    ],
)
def test_find_narrows_by_root_fields_meta_globs_and_prefix_operators(
    tmp_path: Path, query: str, found: list[str]
) -> None:
    assert probe(tmp_path, f"return ids(registry.find({{ {query} }}))") == (found or {})


def test_find_without_usable_keys_gives_every_accessible_entry(tmp_path: Path) -> None:
    body = """
    local all = #registry.snapshot():entries()
    local function is_all(filter) return #registry.find(filter) == all end
    return { all > 0, is_all({}), is_all({ kind = "x" }), is_all({ type = "x" }) }"""
    assert probe(tmp_path, body) == [True, True, True, True]


def test_returned_tables_are_copies_with_raw_data(tmp_path: Path) -> None:
    body = """
    local e = registry.get("app:price")
    e.meta.type, e.data.amount, e.kind = "changed", 1, "changed"
    registry.find({ ['.id'] = 'app:price' })[1].data.amount = 2
    return registry.get("app:price")"""
    found = probe(tmp_path, body)
    assert found == {
        "id": "app:price",
        "kind": "registry.entry",
        "meta": {"team": "core", "type": "product"},
        "data": {"amount": 450, "secret": "${env:PRICE}"},
    }


def test_numbers_of_files_are_floats_and_equal_integers(tmp_path: Path) -> None:
    body = """
    local e = registry.get("app:hello")
    return { math.type(e.meta.order), e.meta.order == 1, #registry.find({ ["meta.order"] = 1 }) }"""
    assert probe(tmp_path, body) == ["float", True, 1]


def test_numbers_made_at_run_time_keep_their_subtype(tmp_path: Path) -> None:
    body = """
    assert(change({ create = { { id = "app:n", kind = "registry.entry", data = { i = 1, f = 1.0 } } } }))
    local d = registry.get("app:n").data
    return { math.type(d.i), math.type(d.f) }"""
    assert probe(tmp_path, body) == ["integer", "float"]


def test_absent_optional_fields_are_absent(tmp_path: Path) -> None:
    assert probe(tmp_path, "local d = registry.get('app:hello').data return { d.pool == nil, d.modules == nil }") == [
        True,
        True,
    ]


# Snapshots and versions -----------------------------------------------------------------------------------------------


def test_a_snapshot_agrees_with_the_live_registry_of_its_time(tmp_path: Path) -> None:
    body = """
    local s = registry.snapshot()
    local same = s:get("app:hello").data.source == registry.get("app:hello").data.source
    return { #s:entries() > 0, same, #s:namespace("app") == #registry.find({ [".ns"] = "app" }), #s:namespace("ap"),
      #s:find({ ["meta.type"] = "tool" }), s:version():id() == now() }"""
    assert probe(tmp_path, body) == [True, True, True, 0, 2, True]


def test_a_snapshot_is_frozen_but_its_changes_go_to_the_live_registry(tmp_path: Path) -> None:
    body = """
    local s = registry.snapshot()
    local c = s:changes():create(says("app:new", "new"))
    assert(c:apply())
    local frozen = s:get("app:new") == nil and s:version():id() == 0
    local _, err = c:apply()
    return { frozen, call("app:new"), err:kind(), err:message():find("entry already exists") ~= nil, now() }"""
    assert probe(tmp_path, body) == [True, "new", "Conflict", True, 1]


def test_tostring_names_each_userdata(tmp_path: Path) -> None:
    body = """
    local s = registry.snapshot()
    local c = s:changes():create(says("app:a", "a")):delete("app:price")
    return { tostring(s), tostring(c), tostring(registry.current_version()), tostring(registry.history()) }"""
    assert probe(tmp_path, body) == [
        "registry.Snapshot{version=v0}",
        "registry.Changes{ops=2}",
        "registry.Version{v0}",
        "registry.History{}",
    ]


def test_versions_that_do_not_exist_are_errors(tmp_path: Path) -> None:
    body = """
    local out = {}
    for _, n in ipairs({ 0, -1, 999999 }) do
      local s, err = registry.snapshot_at(n)
      out[#out + 1] = { s == nil, err:kind() }
    end
    local v, err = registry.history():get_version(999999)
    out[#out + 1] = { v == nil, err:kind() }
    return out"""
    assert probe(tmp_path, body) == [[True, "Invalid"], [True, "Invalid"], [True, "NotFound"], [True, "NotFound"]]


def test_previous_leads_to_the_baseline_and_next_mirrors_it(tmp_path: Path) -> None:
    body = """
    for i = 1, 3 do assert(change({ create = { says("app:v" .. i, "x") } })) end
    local path, v = {}, registry.current_version()
    while v do
      path[#path + 1] = v:string()
      local p = v:previous()
      if p then assert(p:next():id() == v:id()) end
      v = p
    end
    return { path, #registry.versions(), #registry.history():versions(), registry.snapshot_at(2):get("app:v3") == nil,
      registry.history():snapshot_at(registry.history():get_version(1)):get("app:v1").id }"""
    assert probe(tmp_path, body) == [["v3", "v2", "v1", "v0"], 4, 4, True, "app:v1"]


def test_version_ids_never_repeat_after_going_back(tmp_path: Path) -> None:
    body = """
    local v1 = assert(change({ create = { says("app:a", "a") } }))
    assert(change({ create = { says("app:b", "b") } }))
    local ok = registry.apply_version(v1)
    local same = registry.apply_version(v1)
    local back = now()
    local v3 = assert(change({ create = { says("app:c", "c") } }))
    return { ok, same, back, v3:id(), v3:previous():id(), call("app:b") }"""
    assert probe(tmp_path, body) == [True, True, 1, 3, 1, "NotFound"]


def test_build_delta_lists_exactly_the_differences(tmp_path: Path) -> None:
    body = """
    local before = registry.snapshot():entries()
    assert(change({ create = { says("app:new", "n") }, update = { says("app:hello", "h") }, delete = { "app:price" } }))
    local out, same = {}, registry.build_delta(before, before)
    for i, op in ipairs(registry.build_delta(before, registry.snapshot():entries())) do
      out[i] = op.kind .. " " .. op.entry.id
    end
    return { out, #same }"""
    assert probe(tmp_path, body) == [["entry.update app:hello", "entry.create app:new", "entry.delete app:price"], 0]


# Changing -------------------------------------------------------------------------------------------------------------


def test_changes_chain_and_ops_show_kinds_and_ids_in_order(tmp_path: Path) -> None:
    body = """
    local c = registry.snapshot():changes()
      :create(says("app:a", "a")):update(says("app:hello", "x"))
      :delete("app:price"):delete({ ns = "app", name = "names" })
    local out = {}
    for i, op in ipairs(c:ops()) do out[i] = op.kind .. " " .. op.entry.id end
    return out"""
    assert probe(tmp_path, body) == [
        "entry.create app:a",
        "entry.update app:hello",
        "entry.delete app:price",
        "entry.delete app:names",
    ]


def test_bad_changes_are_returned_errors_that_break_the_chain(tmp_path: Path) -> None:
    body = """
    local c = registry.snapshot():changes()
    local out = {}
    local wrong = { { "create", "text" }, { "create", { id = "app:a" } }, { "update", {} },
      { "delete", 42 }, { "delete", {} } }
    for i, bad in ipairs(wrong) do
      local v, err = c[bad[1]](c, bad[2])
      out[i] = { v == nil, err:kind() }
    end
    local v, err = c:apply()
    out[#out + 1] = { v == nil, err:kind(), err:message() }
    return out"""
    assert probe(tmp_path, body) == [[True, "Invalid"]] * 5 + [[True, "Invalid", "no changes to apply"]]


def test_a_created_function_is_callable_at_once_and_an_update_changes_its_result(tmp_path: Path) -> None:
    body = """
    local out = { call("app:x") }
    assert(change({ create = { says("app:x", "one") } }))
    out[2] = call("app:x")
    assert(change({ update = { says("app:x", "two") } }))
    out[3] = call("app:x")
    assert(change({ delete = { "app:x" } }))
    out[4] = call("app:x")
    assert(change({ create = { says("app:x", "three") } }))
    out[5] = call("app:x")
    assert(change({ delete = { "app:x" }, create = { says("app:x", "four") } }))
    out[6] = call("app:x")
    return out"""
    assert probe(tmp_path, body) == ["NotFound", "one", "two", "NotFound", "three", "four"]


def test_delete_and_create_never_reuse_the_earlier_code_or_state(tmp_path: Path) -> None:
    """Not even with the same source: instances and their variables are new."""
    body = """
    local counter = fn("app:x", "local n = 0 return { main = function() n = n + 1 return n end }")
    assert(change({ create = { counter } }))
    local out = { call("app:x"), call("app:x") }
    assert(change({ delete = { "app:x" } }))
    assert(change({ create = { counter } }))
    out[3] = call("app:x")
    return out"""
    assert probe(tmp_path, body) == [1, 2, 1]


def test_update_replaces_meta_and_data_wholesale(tmp_path: Path) -> None:
    body = """
    assert(change({ update = { { id = "app:price", kind = "registry.entry", data = { other = true } } } }))
    return registry.get("app:price")"""
    assert probe(tmp_path, body) == {"id": "app:price", "kind": "registry.entry", "meta": {}, "data": {"other": True}}


def test_apply_version_undoes_a_create_and_brings_it_back(tmp_path: Path) -> None:
    body = """
    local v1 = assert(change({ create = { says("app:x", "x") } }))
    local out = { call("app:x") }
    assert(registry.apply_version(v1:previous()))
    out[2], out[3] = call("app:x"), now()
    assert(registry.apply_version(v1))
    out[4], out[5] = call("app:x"), now()
    return out"""
    assert probe(tmp_path, body) == ["x", "NotFound", 0, "x", 1]


LIBRARY_AND_USERS = """
local function parts()
  return {
    fn("app:top", "return { main = function() return 'top ' .. middle.of() end }", { middle = "app:middle" }),
    library("app:middle", "return { of = function() return 'middle ' .. base.of() end }", { base = "app:base" }),
    lib("app:base", "base"),
  }
end
"""


def test_a_library_and_its_dependents_are_deleted_together_in_any_order(tmp_path: Path) -> None:
    body = f"""{LIBRARY_AND_USERS}
    local out = {{}}
    local orders = {{ {{ "top", "middle", "base" }}, {{ "base", "top", "middle" }}, {{ "middle", "base", "top" }} }}
    for _, order in ipairs(orders) do
      for i, name in ipairs(order) do order[i] = "app:" .. name end
      assert(change({{ create = parts() }}))
      out[#out + 1] = call("app:top")
      assert(change({{ delete = order }}))
      out[#out + 1] = call("app:top")
    end
    return out"""
    assert probe(tmp_path, body) == ["top middle base", "NotFound"] * 3


def test_a_library_alone_cannot_be_deleted_while_it_is_imported(tmp_path: Path) -> None:
    body = """
    local _, err = change({ delete = { "app:names" } })
    return { err:kind(), err:message():find("cannot remove node app:names: imported by app:greet", 1, true) ~= nil,
      call("app:greet"), now(), registry.get("app:names") ~= nil }"""
    assert probe(tmp_path, body) == ["Conflict", True, "Hi Ada", 0, True]


def test_versions_back_and_forth_over_a_library_and_its_dependents(tmp_path: Path) -> None:
    body = f"""{LIBRARY_AND_USERS}
    local v1 = assert(change({{ create = parts() }}))
    local v2 = assert(change({{ update = {{ lib("app:base", "other") }} }}))
    local v3 = assert(change({{ delete = {{ "app:base", "app:middle", "app:top" }} }}))
    local zero = registry.history():get_version(0)
    local out = {{}}
    for _, v in ipairs({{ v2, v1, zero, v1, v3, v2, zero, v2, v1, v3 }}) do
      assert(registry.apply_version(v))
      out[#out + 1] = call("app:top")
    end
    return out"""
    one, two, none = "top middle base", "top middle other", "NotFound"
    assert probe(tmp_path, body) == [two, one, none, one, none, two, none, two, one, none]


def test_dependents_go_before_what_they_import_and_come_back_after_it(tmp_path: Path) -> None:
    body = f"""{LIBRARY_AND_USERS}
    local v1 = assert(change({{ create = parts() }}))
    local sub = assert(events.subscribe("registry", "entry.*"))
    local ch = sub:channel()
    local function heard()
      local out = {{}}
      while #out < 3 do
        local e = ch:receive()
        if e.kind ~= "entry.accept" then out[#out + 1] = e.kind .. " " .. e.path end
      end
      return out
    end
    assert(registry.apply_version(v1:previous()))
    local back = heard()
    assert(registry.apply_version(v1))
    return {{ back, heard() }}"""
    names = ["top", "middle", "base"]
    assert probe(tmp_path, body) == [
        [f"entry.delete app:{name}" for name in names],
        [f"entry.create app:{name}" for name in reversed(names)],
    ]


def test_a_call_in_flight_finishes_with_the_old_code_and_new_calls_use_the_new(tmp_path: Path) -> None:
    slow = """
    local events, names = require("events"), names
    return { main = function()
      local sub = events.subscribe("test.go")
      events.send("test.waiting", "x", "x")
      sub:channel():receive()
      return "slow " .. names.of()
    end }"""
    more = """
      - name: slow
        kind: function.lua
        source: file://slow.lua
        method: main
        modules: [events]
        imports: { names: "app:names" }
    """
    body = """
    local waiting = events.subscribe("test.waiting"):channel()
    local first = funcs.async("app:slow")
    waiting:receive()
    assert(change({ update = { lib("app:names", "Bob") } }))
    local second = funcs.async("app:slow")
    waiting:receive()
    assert(change({ delete = { "app:slow" } }))
    local gone = call("app:slow")
    events.send("test.go", "x", "x")
    local function result(f) return f:response():receive():data() end
    return { result(first), result(second), gone, call("app:greet") }"""
    assert probe(tmp_path, body, more=more, **{"slow.lua": slow}) == ["slow Ada", "slow Bob", "NotFound", "Hi Bob"]


def test_a_create_with_a_missing_import_changes_nothing(tmp_path: Path) -> None:
    body = """
    local bad = fn("app:x", "return { main = function() end }", { nothing = "app:nothing" })
    local v, err = change({ create = { bad, says("app:y", "y") } })
    return { v == nil, err:kind(), registry.get("app:x") == nil, registry.get("app:y") == nil, call("app:y"), now() }"""
    assert probe(tmp_path, body) == [True, "NotFound", True, True, "NotFound", 0]


@pytest.mark.parametrize(
    ("entry", "kind", "text"),
    [
        (
            "{ id = 'app:x', kind = 'function.lua', data = { source = 'return {', method = 'main' } }",
            "Invalid",
            "app:x",
        ),
        ("{ id = 'app:x', kind = 'function.lua' }", "Invalid", "config data required"),
        ("{ id = 'app:x', kind = 'function.lua', data = { source = 'return {}' } }", "Invalid", "method"),
        ("{ id = 'app:x', kind = 'store.memory', data = { cleanup_interval = 5 } }", "Invalid", "cleanup_interval"),
        ("{ id = 'app:x', kind = 'http.router', meta = { server = 'no' }, data = {} }", "NotFound", "app:no"),
        ("{ id = 'app:x', kind = 'nobody.knows', data = {} }", "Invalid", "unknown kind"),
        ("lib('app:names', 'second')", "Conflict", "entry already exists"),
    ],
)
def test_what_is_rejected_says_why_and_nothing_stays(tmp_path: Path, entry: str, kind: str, text: str) -> None:
    body = f"""
    local v, err = change({{ create = {{ says("app:before", "x"), {entry}, says("app:zz", "x") }} }})
    return {{ v == nil, err:kind(), err:retryable(), err:message(),
      call("app:before"), call("app:zz"), now(), call("app:greet") }}"""
    nothing, found, retryable, message, *after = probe(tmp_path, body)
    assert (nothing, found, retryable, after) == (True, kind, False, ["NotFound", "NotFound", 0, "Hi Ada"])
    assert message.startswith("apply changes: ") and text in message


def test_a_cycle_of_imports_is_rejected(tmp_path: Path) -> None:
    body = """
    local function l(id, other) return library(id, "return {}", other and { o = other }) end
    local _, new = change({ create = { l("app:l1", "app:l2"), l("app:l2", "app:l1") } })
    assert(change({ create = { l("app:l1"), l("app:l2", "app:l1") } }))
    local _, made = change({ update = { l("app:l1", "app:l2") } })
    return { new:kind(), made:kind(), made:message():find("cycle") ~= nil, now() }"""
    assert probe(tmp_path, body) == ["NotFound", "Invalid", True, 1]


def test_an_update_of_a_library_that_would_break_its_importers_is_rejected(tmp_path: Path) -> None:
    """A boot would refuse that state too: one alias may not name two things."""
    body = """
    assert(change({ create = { lib("app:one", "1"), lib("app:two", "2"),
      { id = "app:user", kind = "function.lua",
        data = { source = "return { main = function() return names.of() .. other.of() end }", method = "main",
          imports = { names = "app:names", other = "app:one" } } } } }))
    local clashing = lib("app:names", "Eve")
    clashing.data.imports = { other = "app:two" }
    local _, err = change({ update = { clashing } })
    return { err:kind(), err:message():find("alias 'other' collision", 1, true) ~= nil, call("app:user"), now() }"""
    assert probe(tmp_path, body) == ["Conflict", True, "Ada1", 1]


def test_what_others_refer_to_cannot_be_deleted_alone(tmp_path: Path) -> None:
    more = """
      - { name: worker, kind: process.lua, source: "return { main = function() end }" }
      - { name: service, kind: process.service, process: worker, host: "app:host" }
    """
    body = """
    local _, err = change({ delete = { "app:worker" } })
    local ok = change({ delete = { "app:worker", "app:service" } })
    return { err:kind(), err:message(), ok ~= nil }"""
    assert probe(tmp_path, body, more=more) == [
        "Conflict",
        "apply changes: cannot remove app:worker: app:service refer to it",
        True,
    ]


# Permissions ----------------------------------------------------------------------------------------------------------

CHANGE = """
local c = registry.snapshot():changes():create(says("app:x", "x"))
local v, err = c:apply()
"""


def test_without_registry_get_an_entry_is_denied_before_existence_and_left_out(tmp_path: Path) -> None:
    body = """
    local _, there = registry.get("app:price")
    local _, absent = registry.get("app:none")
    local s = registry.snapshot()
    local _, inside = s:get("app:price")
    return { there:kind(), absent:kind(), there:message(), inside:kind(), ids(registry.find({})), ids(s:entries()),
      ids(s:namespace("app")), ids(s:find({ ["meta.type"] = "product" })), registry.get("app:hello").id }"""
    denied = "PermissionDenied"
    only = ["app:hello"]
    message = "not allowed to access entry: app:price"
    allowed = (("registry.get", "app:hello"),)
    assert probe(tmp_path, body, allowed=allowed) == [
        denied,
        denied,
        message,
        denied,
        only,
        only,
        only,
        {},
        "app:hello",
    ]


def test_without_registry_apply_nothing_changes(tmp_path: Path) -> None:
    body = f"{CHANGE} return {{ v == nil, err:kind(), err:message(), now(), registry.get('app:x') == nil }}"
    refused = [True, "PermissionDenied", "not allowed to apply registry changes", 0, True]
    assert probe(tmp_path, body, allowed=(("registry.get", "*"),)) == refused
    assert probe(tmp_path, f"{CHANGE} return v:id()", allowed=(("registry.apply", ""),)) == 1


def test_without_registry_apply_version_the_version_stays(tmp_path: Path) -> None:
    body = f"""{CHANGE}
    local ok, denied = registry.apply_version(v:previous())
    return {{ ok, denied and denied:kind(), now() }}"""
    may = ("registry.apply", "")
    assert probe(tmp_path, body, allowed=(may,)) == [False, "PermissionDenied", 1]
    assert probe(tmp_path, body, allowed=(may, ("registry.apply_version", ""))) == [True, None, 0]


# Events ---------------------------------------------------------------------------------------------------------------

HEAR = """
local sub = assert(events.subscribe("registry"))
local ch = sub:channel()
local function heard(last)
  local out = {}
  repeat
    local e = ch:receive()
    out[#out + 1] = e
  until e.kind == last
  return out
end
local function short(list)
  local out = {}
  for i, e in ipairs(list) do out[i] = e.kind .. " " .. e.path end
  return out
end
"""


def test_a_subscriber_sees_begin_one_event_an_operation_accept_and_commit(tmp_path: Path) -> None:
    body = f"""{HEAR}
    local new, old = says("app:x", "x"), says("app:hello", "h")
    assert(change({{ create = {{ new }}, update = {{ old }}, delete = {{ "app:greet" }} }}))
    local list = heard("registry.accept")
    local data = {{}}
    for _, e in ipairs(list) do if e.path == "app:x" and e.kind == "entry.create" then data = e.data end end
    return {{ short(list), data, list[1].data == nil, list[1].system }}"""
    shown, data, nothing, system = probe(tmp_path, body)
    number = shown[0].split("/")[1]
    assert sorted(shown[1:-2]) == sorted(
        f"{kind} {path}"
        for path, operation in (("app:x", "create"), ("app:hello", "update"), ("app:greet", "delete"))
        for kind in (f"entry.{operation}", "entry.accept")
    )
    assert shown[0] == f"registry.begin registry.tx/{number}/registry.begin"
    assert shown[-2:] == [
        f"registry.commit registry.tx/{number}/registry.commit",
        f"registry.accept registry.tx/{number}/registry.commit/function.lua",
    ]
    assert data["id"] == "app:x" and data["kind"] == "function.lua" and data["meta"] == {}
    assert data["data"] == {"source": "return { main = function() return 'x' end }", "method": "main"}
    assert nothing and system == "registry"


def test_a_rejected_apply_shows_compensation_and_discard_but_no_commit(tmp_path: Path) -> None:
    body = f"""{HEAR}
    local _, err = change({{ create = {{ says("app:a", "x"), fn("app:b", "return (") }} }})
    local list = heard("registry.discard")
    local reason
    for _, e in ipairs(list) do if e.kind == "entry.reject" then reason = e.data:kind() end end
    return {{ short(list), reason, list[6].data.id }}"""
    shown, reason, compensated = probe(tmp_path, body)
    assert [line.split(" ")[0] for line in shown] == [
        "registry.begin",
        "entry.create",
        "entry.accept",
        "entry.create",
        "entry.reject",
        "entry.delete",
        "entry.accept",
        "registry.discard",
    ]
    assert reason == "Invalid" and compensated == "app:a"


def test_neighbours_on_the_bus_tell_of_services_code_functions_and_processes(tmp_path: Path) -> None:
    body = """
    local sub = assert(events.subscribe("*"))
    local ch = sub:channel()
    local lifecycle = { auto_start = true }
    assert(change({ create = { { id = "app:s", kind = "store.memory", data = { lifecycle = lifecycle } },
      { id = "app:p", kind = "process.lua", data = { source = "return { main = function() end }", method = "main" } } },
      update = { lib("app:names", "Bob") } }))
    assert(change({ delete = { "app:s", "app:hello" } }))
    events.send("test.end", "x", "x")
    local out = {}
    repeat
      local e = ch:receive()
      if e.system ~= "registry" then
        local status = e.kind == "service.update" and " " .. e.data.status or ""
        out[e.system .. " " .. e.kind .. " " .. e.path .. status] = true
      end
    until e.system == "test.end"
    return out"""
    heard = set(probe(tmp_path, body))
    assert {
        "supervisor service.register app:s",
        "supervisor service.start app:s",
        "supervisor service.update app:s running",
        "supervisor service.stop app:s",
        "supervisor service.update app:s stopped",
        "supervisor service.remove app:s",
        "process factory.register app:p",
        "function function.delete app:hello",
        "lua lua.reset_code app:names",
        "lua lua.reset_code app:greet",
    } <= heard


# What programs notice -------------------------------------------------------------------------------------------------


def test_links_are_baked_and_modules_are_told_by_their_meta(tmp_path: Path) -> None:
    module = """
version: "1.0"
namespace: shop.cart
entries:
  - { name: gateway, kind: ns.requirement, targets: [{ entry: data, path: .meta.router }] }
  - { name: data, kind: registry.entry }
"""
    more = """
      - { name: cart, kind: ns.dependency, component: shop/cart, parameters: [{ name: gateway, value: "app:root" }] }
    """
    body = """
    local e, r = registry.get("shop.cart:data"), registry.get("shop.cart:gateway")
    return { e.meta, r.data.targets[1].path, registry.get("app:hello").meta.module == nil }"""
    vendored = tmp_path / ".wippy" / "vendor" / "shop" / "cart"
    vendored.mkdir(parents=True)
    (vendored / "_index.yaml").write_text(module)
    application(tmp_path, body, more)
    with (tmp_path / "wippy.lock").open("a") as lock:
        lock.write("modules:\n    - { name: shop/cart, version: v1.2.0 }\n")
    assert again(tmp_path) == [
        {"module": "shop/cart", "module_version": "v1.2.0", "router": "app:root"},
        ".meta.router",
        True,
    ]


def test_one_apply_is_one_version_however_many_operations(tmp_path: Path) -> None:
    body = """
    local list = {}
    for i = 1, 50 do list[i] = { id = "app:n" .. i, kind = "registry.entry" } end
    return { assert(change({ create = list })):id(), #registry.versions() }"""
    assert probe(tmp_path, body) == [1, 2]


def test_registry_calls_block_only_the_caller(tmp_path: Path) -> None:
    """While a change waits for a service to stop, others go on."""
    more = """
      - { name: stubborn, kind: process.lua, source: file://stubborn.lua, modules: [time] }
      - name: service
        kind: process.service
        process: stubborn
        host: app:host
        lifecycle: { auto_start: true, requires: [host], stop_timeout: 300ms }
    """
    stubborn = "return { main = function() while true do require('time').sleep('1h') end end }"
    body = """
    local done = channel.new(1)
    coroutine.spawn(function() done:send(change({ delete = { "app:service" } }) ~= nil) end)
    local calls = 0
    while true do
      local r = channel.select({ done:case_receive(), default = true })
      if r.channel == done then return { r.value, calls > 10 } end
      calls = calls + (call("app:hello") == "hello" and registry.get("app:hello") and 1 or 0)
    end"""
    assert probe(tmp_path, body, more=more, **{"stubborn.lua": stubborn}) == [True, True]


# Kept histories -------------------------------------------------------------------------------------------------------

SQLITE = ("registry.history_type=sqlite",)


def test_a_kept_history_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    body = """
    local step = ...
    if step == 1 then
      assert(change({ create = { says("app:x", "one") } }))
      assert(change({ update = { says("app:x", "two"), lib("app:names", "Bob") } }))
      assert(registry.apply_version(registry.history():get_version(1)))
    elseif step == 2 then
      assert(registry.apply_version(registry.history():get_version(2)))
    else
      assert(change({ create = { says("app:y", "y") } }))
    end
    return { now(), call("app:x"), call("app:greet"), #registry.versions() }"""
    application(tmp_path, body)
    assert again(tmp_path, 1, settings=SQLITE) == [1, "one", "Hi Ada", 3]
    assert (tmp_path / ".wippy" / "registry.db").exists()
    assert again(tmp_path, 2, settings=SQLITE) == [2, "two", "Hi Bob", 3]
    (tmp_path / "src" / "hello.lua").write_text("return { main = function() return 'changed on disk' end }")
    assert again(tmp_path, 3, settings=SQLITE) == [3, "two", "Hi Bob", 4]
    assert again(tmp_path, 3, settings=()) == [1, "NotFound", "Hi Ada", 2]


def test_a_history_that_no_longer_fits_the_files_stops_the_boot_and_can_be_left(tmp_path: Path) -> None:
    more = "- { name: base, kind: library.lua, source: 'return {}' }"
    body = """
    local user = fn("app:user", "return { main = function() return 'used' end }", { base = "app:base" })
    if now() == 0 and registry.get("app:base") then assert(change({ create = { user } })) end
    return { now(), call("app:user") }"""
    (tmp_path / ".wippy.yaml").write_text('version: "1.0"\nregistry: { history_type: sqlite }\n')
    assert probe(tmp_path, body, more=more) == [1, "used"]
    with pytest.raises(Error) as failed:
        probe(tmp_path, body)
    assert failed.value.kind == "NotFound"
    assert failed.value.message.startswith(
        "v1 of the kept history cannot be loaded over these files (`wippy registry rollback` goes to another version): "
    )
    assert wippy(tmp_path, "registry", "rollback", "0").out == "The next start will be at v0 (was v1)\n"
    assert again(tmp_path) == [0, "NotFound"]


@pytest.mark.parametrize("setting", ["registry.enable_history=false", "registry.history_type=nil"])
def test_without_history_versions_cannot_be_looked_up(tmp_path: Path, setting: str) -> None:
    body = """
    local v1 = assert(change({ create = { says("app:x", "x") } }))
    local v2 = assert(change({ create = { says("app:y", "y") } }))
    local out = { v1:id(), v2:id(), now() }
    for _, f in ipairs({ function() return registry.versions() end, function() return registry.snapshot_at(1) end,
        function() return registry.history():get_version(1) end, function() return registry.apply_version(v1) end }) do
      local v, err = f()
      out[#out + 1] = err:message():find("history not available", 1, true) ~= nil
    end
    return out"""
    assert probe(tmp_path, body, settings=(setting,)) == [1, 2, 2, True, True, True, True]


class SlowConfig(msgspec.Struct, frozen=True):
    pass


class SlowHandler(KindHandler[SlowConfig]):
    kind = "test.slow"
    config = SlowConfig

    async def add(self, entry: Entry, config: SlowConfig) -> None:
        await asyncio.sleep(LIMIT)

    async def remove(self, entry: Entry) -> None:
        pass


def test_a_handler_that_takes_longer_than_event_wait_timeout_fails_the_change(tmp_path: Path) -> None:
    body = """
    local _, err = change({ create = { says("app:x", "x"), { id = "app:slow", kind = "test.slow", data = {} } } })
    return { err:kind(), err:message():find("within 0.05s", 1, true) ~= nil, now(), call("app:x") }"""
    application(tmp_path, body)

    async def session() -> Any:
        async with Runtime(tmp_path, settings=["registry.event_wait_timeout=50ms"]) as runtime:
            runtime.node.registry.register(SlowHandler())
            return await runtime.call("app:probe")

    assert asyncio.run(session()) == ["Timeout", True, 0, "NotFound"]


def test_a_service_that_does_not_stop_in_time_is_ended(tmp_path: Path) -> None:
    more = """
      - { name: stubborn, kind: process.lua, source: "return { main = function() while true do end end }" }
      - name: service
        kind: process.service
        process: stubborn
        host: app:host
        lifecycle: { auto_start: true, requires: [host], stop_timeout: 100ms }
    """
    body = """
    local v = assert(change({ delete = { "app:service", "app:stubborn" } }))
    return { v:id(), registry.get("app:service") == nil }"""
    assert probe(tmp_path, body, more=more) == [1, True]


# What is taken back ---------------------------------------------------------------------------------------------------


def test_a_change_that_fails_in_the_end_has_stopped_nothing_and_lost_nothing(tmp_path: Path) -> None:
    """Deletes and updates of what holds content or runs come first; what is wrong shows last."""
    more = """
      - { name: store, kind: store.memory, lifecycle: { auto_start: true } }
      - { name: db, kind: db.sql.sqlite, file: ":memory:", lifecycle: { auto_start: true } }
      - { name: memory, kind: env.storage.memory }
      - { name: thing, kind: env.variable, variable: THING, storage: memory }
      - { name: groups, kind: pg.scope, lifecycle: { auto_start: true } }
      - { name: worker, kind: process.lua, source: file://worker.lua, modules: [pg] }
      - name: service
        kind: process.service
        process: worker
        host: app:host
        lifecycle: { auto_start: true, requires: [host, groups] }
      - name: keeper
        kind: function.lua
        source: file://keeper.lua
        method: main
        modules: [env, pg, sql, store]
    """
    worker = """
    return { main = function()
      process.registry.register("worker")
      pg.open("app:groups"):join("workers")
      process.events():receive()
    end }"""
    keeper = """
    return { main = function(fill)
      local s, db, groups = assert(store.get("app:store")), assert(sql.get("app:db")), assert(pg.open("app:groups"))
      if fill then
        s:set("k", "kept")
        db:execute("CREATE TABLE t (v)")
        db:execute("INSERT INTO t VALUES ('kept')")
        env.set("THING", "kept")
        repeat until process.registry.lookup("worker") and #groups:get_members("workers") == 1
      end
      local rows, worker = db:query("SELECT v FROM t"), process.registry.lookup("worker")
      return { s:get("k"), rows[1].v, env.get("THING"), groups:get_members("workers"), worker }
    end }"""
    body = """
    local before = funcs.call("app:keeper", true)
    local names = { "app:store", "app:db", "app:memory", "app:thing", "app:groups", "app:service", "app:worker" }
    local function entry(id, kind, data) return { id = id, kind = kind, data = data } end
    local bad = fn("app:zz", "return {", nil)
    local wrong = {
      { delete = names, create = { bad } },
      { delete = { "app:host" } },
      { delete = { "app:store", "app:names" } },
      { delete = { "app:store", "app:db", "app:memory" }, create = { entry("app:memory", "env.storage.memory", {}),
        entry("app:store", "store.memory", {}), entry("app:db", "db.sql.sqlite", { file = "x.db" }), bad } },
      { update = { entry("app:db", "db.sql.sqlite", { file = "other.db" }), entry("app:store", "store.memory", {}),
        entry("app:service", "process.service", { process = "worker", host = "app:host" }) }, create = { bad } },
    }
    local out = {}
    for i, what in ipairs(wrong) do
      local _, err = change(what)
      out[i] = err:kind()
    end
    local after = funcs.call("app:keeper")
    return { out, before, after, before[5] ~= nil }"""
    files = {"worker.lua": worker, "keeper.lua": keeper}
    kinds, before, after, running = probe(tmp_path, body, more=more, **files)
    assert kinds == ["Invalid", "Conflict", "Conflict", "Invalid", "Invalid"]
    assert before == after and before[:3] == ["kept", "kept", "kept"] and running


def test_an_entry_of_a_kind_nobody_handles_is_refused_at_once(tmp_path: Path) -> None:
    """Where the specification waits and times out we know the answer (docs/decisions/002-unknown-kind.md)."""
    body = "local _, err = change({ create = { { id = 'app:x', kind = 'my.data' } } }) return { err:kind(), now() }"
    assert probe(tmp_path, body) == ["Invalid", 0]


def test_any_rejection_fails_the_boot(tmp_path: Path) -> None:
    with pytest.raises(Error) as failed:
        probe(tmp_path, "return 1", more="  - { name: bad, kind: http.router, meta: { server: nowhere } }\n")
    assert failed.value.kind == "NotFound" and "app:bad" in failed.value.message


# Loading: ordering ----------------------------------------------------------------------------------------------------


def test_a_router_before_its_server_in_the_file_still_boots(tmp_path: Path) -> None:
    more = """
      - { name: a.endpoint, kind: http.endpoint, meta: { router: b.router }, method: GET, path: /, func: hello }
      - { name: b.router, kind: http.router, meta: { server: c.server }, prefix: / }
      - { name: c.server, kind: http.service, addr: "127.0.0.1:1", lifecycle: { requires: [z.store] } }
      - { name: z.store, kind: store.memory }
    """
    assert probe(tmp_path, "return registry.get('app:a.endpoint').kind", more=more) == "http.endpoint"


def test_a_cycle_of_dependencies_boots_when_handlers_can_cope(tmp_path: Path) -> None:
    more = """
      - { name: one, kind: registry.entry, meta: { depends_on: [two] } }
      - { name: two, kind: store.memory, meta: { depends_on: [one] } }
    """
    assert probe(tmp_path, "return #registry.find({ ['*meta.depends_on'] = 'o' })", more=more) == 2


# Loader ---------------------------------------------------------------------------------------------------------------

PLUGIN = """
version: "1.0"
namespace: plugin
meta: { origin: plugin }
entries:
  - { name: hello, kind: function.lua, source: file://lua/hello.lua, method: main, meta: { order: 1 } }
"""
VOLUME = "  - { name: plugins, kind: fs.directory, directory: %s }\n"


def plugins(directory: Path) -> str:
    """Definition files below a volume of the application; the entry of that volume."""
    root = directory / "plugins"
    (root / "deep" / "lua").mkdir(parents=True)
    (root / "deep" / "_index.yaml").write_text(PLUGIN)
    (root / "deep" / "lua" / "hello.lua").write_text("return { main = function() return 'plugged in' end }")
    (root / "more.json").write_text(
        '{"namespace": "plugin", "entries": [{"name": "j", "kind": "registry.entry", "n": 1}]}'
    )
    (root / "other.yaml").write_text("just: yaml\n")
    (root / "outside.yaml").write_text("namespace: x\nname: a\nkind: registry.entry\ntext: file://../../secret\n")
    (directory / "secret").write_text("secret")
    return VOLUME % root


def test_loaded_definitions_feed_a_change_set(tmp_path: Path) -> None:
    body = """
    local l = assert(loader.new("app:plugins"))
    local all = assert(l:load_directory("deep"))
    local before = registry.get("plugin:hello") == nil
    assert(change({ create = all }))
    return { before, call("plugin:hello"), registry.get("plugin:hello").meta, tostring(l) }"""
    assert probe(tmp_path, body, more=plugins(tmp_path)) == [
        True,
        "plugged in",
        {"origin": "plugin", "order": 1},
        "loader.Loader{}",
    ]


def test_a_file_or_a_directory_is_loaded_and_broken_files_only_lose_themselves(tmp_path: Path) -> None:
    body = """
    local l = assert(loader.new("app:plugins"))
    return { ids(l:load_file("more.json")), ids(l:load_file("deep/_index.yaml")), ids(l:load_directory(".")),
      #l:load_file("other.yaml") }"""
    assert probe(tmp_path, body, more=plugins(tmp_path)) == [
        ["plugin:j"],
        ["plugin:hello"],
        ["plugin:hello", "plugin:j"],
        0,
    ]


def test_errors_of_the_loader(tmp_path: Path) -> None:
    body = """
    local out = {}
    local function note(v, err) out[#out + 1] = { v == nil, err:kind() } end
    note(loader.new(""))
    note(loader.new("app:none"))
    local l = loader.new("app:plugins")
    note(l:load_directory(""))
    note(l:load_file(""))
    note(l:load_file("absent.yaml"))
    note(l:load_directory("absent"))
    note(l:load_directory("../src"))
    note(l:load_file("outside.yaml"))
    out[#out + 1] = { pcall(loader.new), pcall(l.load_file, {}, "x") }
    return out"""
    found: Any = probe(tmp_path, body, more=plugins(tmp_path))
    kinds = ["Invalid", "NotFound", "Invalid", "Invalid", "Internal", "Internal", "Invalid", "Internal"]
    assert found[:-1] == [[True, kind] for kind in kinds]
    assert found[-1][0] is False


def test_a_tree_that_is_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "/".join("d" * 150)).mkdir(parents=True)
    body = """
    local list, err = assert(loader.new("app:plugins")):load_directory("/")
    return { list == nil, err:kind(), err:message() }"""
    assert probe(tmp_path, body, more=VOLUME % (tmp_path / "plugins")) == [
        True,
        "Internal",
        ".: more than 100 directories within each other",
    ]


def test_a_loader_may_see_what_its_volume_may(tmp_path: Path) -> None:
    body = "local l, err = loader.new('app:plugins') return { l == nil, err:kind() }"
    assert probe(tmp_path, body, more=plugins(tmp_path), allowed=()) == [True, "PermissionDenied"]
    assert probe(
        tmp_path / "again",
        "return loader.new('app:plugins') ~= nil",
        more=VOLUME % (tmp_path / "plugins"),
        allowed=(("fs.get", "app:plugins"),),
    )
