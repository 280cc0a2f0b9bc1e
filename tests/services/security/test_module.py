"""The guest module `security`, and identities on their way through calls, processes, services (spec 05 §9.6, §10)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wippy import Error, Runtime
from wippy.core.ids import EntryId
from wippy.registry.entry import Entry

STARTED = {"auto_start": True}


def entry(name: str, kind: str, data: dict[str, Any]) -> Entry:
    return Entry(EntryId("app", name), kind, {}, data)


def policy(name: str, actions: Any, effect: str = "allow", groups: tuple[str, ...] = ("team",)) -> Entry:
    rule = {"actions": actions, "resources": "*", "effect": effect}
    return entry(name, "security.policy", {"policy": rule, "groups": list(groups)})


def function(name: str, body: str, kind: str = "function.lua") -> Entry:
    source = f"""
    local security, funcs = require("security"), require("funcs")
    local function main(...)
      {body}
    end
    return {{ main = main }}
    """
    return entry(name, kind, {"source": source, "method": "main", "modules": ["security", "funcs", "ctx"]})


WHO = function("who", "local a = security.actor() return a and a:id() or 'nobody'")
HOST = entry("host", "process.host", {"lifecycle": STARTED})
ALL = policy("all", "*")


def call(*entries: Entry, settings: tuple[str, ...] = (), target: str = "app:main") -> Any:
    async def session() -> Any:
        async with Runtime(entries=entries, settings=settings) as runtime:
            return await runtime.call(target)

    return asyncio.run(session())


def test_code_started_from_outside_has_no_actor_and_can_nothing() -> None:
    body = "return { security.actor() == nil, security.scope() == nil, security.can('x', 'y') }"
    assert call(function("main", body)) == [True, True, False]


def test_actor_and_scope_of_an_executor_reach_the_callee_and_what_it_calls() -> None:
    body = """
    local ex = funcs.new():with_actor(security.new_actor("ada")):with_scope(security.named_scope("app:team"))
    return ex:call("app:outer")
    """
    outer = function("outer", "return funcs.call('app:who')")
    assert call(function("main", body), outer, WHO, ALL) == "ada"


def test_executor_replaces_only_its_part() -> None:
    body = """
    local ex = funcs.new():with_actor(security.new_actor("ada")):with_scope(security.named_scope("app:team"))
    return ex:call("app:outer")
    """
    outer = function("outer", "return funcs.new():with_actor(security.new_actor('bob')):call('app:inner')")
    inner = function("inner", "return { security.actor():id(), #security.scope():policies() }")
    assert call(function("main", body), outer, inner, ALL) == ["bob", 1]


def test_denied_call_has_no_effect_and_says_what_was_denied() -> None:
    body = """
    local ex = funcs.new():with_actor(security.new_actor("ada")):with_scope(security.new_scope())
    local _, err = ex:call("app:who")
    local _, inner = ex:call("app:outer")
    return { err == nil, tostring(inner), inner:kind() }
    """
    outer = function("outer", "return funcs.call('app:who')")
    who = function("who", "return 1")
    assert call(function("main", body), outer, who) == [True, "not allowed: app:who", "PermissionDenied"]


def test_spawned_process_inherits_and_a_spawner_overrides() -> None:
    body = """
    local ada, team = security.new_actor("ada"), security.named_scope("app:team")
    local spawner = process.with_context({}):with_actor(ada):with_scope(team)
    local pid, err = spawner:spawn_monitored("app:child", "app:host")
    if err then return nil, err end
    return process.events():receive().result.value
    """
    child = function("child", "return funcs.call('app:who')", "process.lua")
    assert call(function("main", body), child, WHO, HOST, ALL) == "ada"


def test_service_runs_under_its_configured_identity() -> None:
    body = """
    process.registry.register("service")
    local m = process.inbox():receive()
    process.send(m:from(), "who", funcs.call("app:who"), security.can("x", "y"))
    """
    service = function("service", body, "process.lua")
    security = {"actor": {"id": "robot"}, "groups": ["app:team"]}
    supervised = entry(
        "run",
        "process.service",
        {"process": "app:service", "host": "app:host", "lifecycle": {**STARTED, "security": security}},
    )
    ask = """
    local replies = process.listen("who")
    while not process.registry.lookup("service") do coroutine.yield() end
    process.send("service", "ask")
    return replies:receive()
    """
    assert call(function("main", ask), service, supervised, WHO, HOST, ALL) == ["robot", True]


def test_strict_mode_denies_code_without_identity() -> None:
    with pytest.raises(Error) as refused:
        call(
            function("main", "local v, err = funcs.call('app:who') if err then return nil, err end return v"),
            WHO,
            settings=("security.strict_mode=true",),
        )
    assert refused.value.kind == "PermissionDenied"


def test_wrong_types_raise() -> None:
    body = """
    local ok1 = pcall(function() return funcs.new():with_actor(nil) end)
    local ok2 = pcall(function() return funcs.new():with_actor(security.new_scope()) end)
    local ok3 = pcall(function() return process.with_context({}):with_scope("x") end)
    return { ok1, ok2, ok3 }
    """
    assert call(function("main", body)) == [False, False, False]


def test_actors_do_not_cross_a_boundary() -> None:
    body = "local a, err = funcs.call('app:make') return { a == nil, err == nil }"
    assert call(function("main", body), function("make", "return security.new_actor('x')")) == [True, True]


def test_policy_and_scope_questions() -> None:
    body = """
    local p = security.policy("app:all")
    local s = security.new_scope({ p, "not a policy" })
    local ada = security.new_actor("ada", { team = "red" })
    local missing, err = security.policy("app:none")
    return {
      p:id(), p:evaluate(ada, "x", "y"), s:contains(p), s:contains("app:all"), s:contains({ ns = "app", name = "all" }),
      s:without(p):contains(p), #s:with(p):policies(), ada:meta().team, missing == nil, err:kind(),
    }
    """
    expected = ["app:all", "allow", True, True, True, False, 1, "red", True, "Internal"]
    assert call(function("main", body), ALL) == expected


def test_changed_policy_counts_for_new_scopes_only() -> None:
    body = """
    local registry = require("registry")
    local before = security.named_scope("app:team")
    local change = registry.snapshot():changes()
    change:update({ id = "app:all", kind = "security.policy", data = {
      policy = { actions = "*", resources = "*", effect = "deny" }, groups = { "team" } } })
    local _, err = change:apply()
    if err then return nil, err end
    local ada = security.new_actor("ada")
    return { before:evaluate(ada, "x", "y"), security.named_scope("app:team"):evaluate(ada, "x", "y") }
    """
    main = function("main", body)
    main.data["modules"].append("registry")
    assert call(main, ALL) == ["allow", "deny"]


def test_the_module_has_its_functions() -> None:
    body = """
    local names = {}
    for name in pairs(security) do names[#names + 1] = name end
    table.sort(names)
    return names
    """
    assert call(function("main", body)) == [
        "actor", "can", "named_scope", "new_actor", "new_scope", "policy", "scope"
    ]  # fmt: skip


def test_handles_cannot_be_forged_or_opened() -> None:
    body = """
    local ada, scope, p = security.new_actor("ada"), security.new_scope(), security.policy("app:all")
    local failures = {}
    local function refused(name, f)
      local ok, e = pcall(f)
      if ok then failures[#failures + 1] = name end
    end
    refused("plain table", function() return ada.id({ id = "root" }) end)
    refused("other class", function() return ada.id(p) end)
    refused("scope of another", function() return scope.policies(ada) end)
    refused("policy as actor", function() return p:evaluate(p, "a", "b") end)
    refused("nil actor", function() return scope:evaluate(nil, "a", "b") end)
    refused("no action", function() return p:evaluate(ada, nil, "b") end)
    refused("meta is text", function() return p:evaluate(ada, "a", "b", "meta") end)
    refused("with nothing", function() return scope:with(nil) end)
    refused("with a text", function() return scope:with("app:all") end)
    refused("without nothing", function() return scope:without() end)
    refused("contains a number", function() return scope:contains(5) end)
    refused("writes", function() ada.id = function() return "root" end end)
    refused("metatable", function() return setmetatable(ada, {}) end)
    refused("raw", function() return rawset(ada, "id", 1) end)
    refused("keys", function() return next(ada) end)
    refused("actor without id", function() return security.new_actor() end)
    refused("actor with a bad meta", function() return security.new_actor("x", "y") end)
    refused("scope of a text", function() return security.new_scope("x") end)
    return failures
    """
    assert call(function("main", body), ALL) == {}


def test_meta_keeps_text_keys_and_is_a_copy() -> None:
    body = """
    local given = { team = "red", [1] = "one", [true] = 2, deep = { x = 1 }, f = print }
    local ada = security.new_actor("ada", given)
    given.team = "blue"
    local out = ada:meta()
    out.team, out.deep.x = "green", 9
    return ada:meta()
    """
    assert call(function("main", body)) == {"team": "red", "deep": {"x": 1}}


def test_ids_and_resources_of_any_bytes_are_judged_and_refused_in_peace() -> None:
    body = r"""
    local odd = security.new_actor("a\xff", { b = "\xfe" })
    local ex = funcs.new():with_actor(odd):with_scope(security.named_scope("app:team"))
    local _, e = ex:call("app:inner")
    return { e == nil, #ex:call("app:inner"), odd:id() == "a\xff" }
    """
    inner = function(
        "inner",
        r"""
    local _, e = security.policy("\xff")
    return security.actor():id() .. (security.can("x", "\xff", { m = "\xff" }) and "yes" or "no") .. e:message()
    """,
    )
    assert call(function("main", body), inner, ALL) == [True, 2 + 3 + len("policy not found: ") + 1, True]


def test_actor_of_a_scope_with_a_condition_is_judged_by_its_meta() -> None:
    rule = {
        "actions": "*", "resources": "*", "effect": "allow",
        "conditions": [{"field": "actor.meta.team", "operator": "eq", "value_from": "meta.team"}],
    }  # fmt: skip
    body = """
    local p = security.policy("app:own")
    local red = security.new_actor("x", { team = "red" })
    return { p:evaluate(red, "a", "b", { team = "red" }), p:evaluate(red, "a", "b", { team = "blue" }),
      p:evaluate(red, "a", "b") }
    """
    own = entry("own", "security.policy", {"policy": rule})
    assert call(function("main", body), own) == ["allow", "undefined", "undefined"]
