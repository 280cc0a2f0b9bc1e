"""What evaluated code sees, how long it lives, what is kept of it (spec 03 §13)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.guest import App
from services.eval.code import app, run
from wippy import Error, Runtime
from wippy.lua.chunk import Compiled
from wippy.project.config import Config
from wippy.services.eval.cache import LARGEST, Key, ProgramCache

# What it sees ----------------------------------------


def test_context_is_inherited_and_merged_over() -> None:
    source = "return { ctx.get('who'), ctx.get('extra'), funcs.call('app:named') }"
    found = app(f'{{ source = "{source}", context = {{ extra = 2, who = "eval" }} }}')
    inherited = app("{ source = \"return ctx.get('who')\" }")

    async def ask(runtime: Runtime) -> Any:
        return (await runtime.call("app:run", values={"who": "caller"}))["value"]

    assert found.use(ask) == ["eval", 2, "eval"]
    assert inherited.use(ask) == "caller"


def test_arguments_and_custom_tables_are_copies() -> None:
    body = """
    local shared = { n = 1 }
    local v = eval_runner.run({
      source = "local t = ... t.n = 2 config.n = 3 return { t.n, config.n }",
      args = { shared }, custom_modules = { config = shared },
    })
    return { v[1], v[2], shared.n }"""
    assert App().function("f", body, modules=["eval_runner"]).call("f") == [2, 3, 1]


def test_runs_share_nothing() -> None:
    body = """
    x = "caller"
    local out = {}
    for i = 1, 3 do
      out[i] = eval_runner.run({
        source = [[
          n = (n or 0) + 1
          shapes.set((shapes.get() or 0) + 1)
          return { n, shapes.get(), x == nil, kept == nil }
        ]],
        imports = { shapes = "app:shapes" },
      })
    end
    return out"""
    found = app("{}").function("f", body, modules=["eval_runner"])
    assert found.call("f") == [[1, 1, True, True]] * 3


def test_a_library_has_its_own_modules_and_more_when_they_are_given() -> None:
    config = """{
      source = [[
        return { shapes.now(), type(time), shapes.extra() or "none", shapes.hidden():sub(1, 1), process == nil }
      ]],
      modules = { "json" }, imports = { shapes = %s },
    }"""
    assert run(config % '"app:shapes"') == ["userdata", "nil", "none", "{", True]
    given = '{ id = "app:shapes", modules = { "hash" } }'
    assert run(config % given) == ["userdata", "nil", "9dd4e461268c8034f5c8564e155c67a6", "{", True]


def test_a_library_cannot_be_changed_by_the_code() -> None:
    config = """{ source = [[
      local out = {}
      for i, f in ipairs({
        function() shapes.twice = nil end, function() shapes.new = 1 end, function() rawset(shapes, "x", 1) end,
        function() setmetatable(shapes, {}) end,
      }) do out[i] = (pcall(f)) end
      local n = 0
      for k, v in pairs(shapes) do n = n + 1 end
      out[5] = n
      return out
    ]], imports = { shapes = "app:shapes" } }"""
    assert run(config) == [False, False, False, False, 8]


def test_a_changed_library_is_used_by_the_next_run() -> None:
    found = app('{ source = "return lib.v", imports = { lib = "app:lib" } }')
    found.add("lib", "library.lua", source="return { v = 1 }")
    body = """
    local changes = registry.snapshot():changes()
    changes:update({ id = "app:lib", kind = "library.lua", data = { source = "return { v = 2 }" } })
    local v, err = changes:apply()
    return err and tostring(err)"""
    found.function("change", body, modules=["registry"])

    async def work(runtime: Runtime) -> Any:
        first = (await runtime.call("app:run"))["value"]
        assert await runtime.call("app:change") is None
        return [first, (await runtime.call("app:run"))["value"]]

    assert found.use(work) == [1, 2]


def allow(found: App, *pairs: tuple[str, str]) -> None:
    """Policies that allow each action on its resource, as group `app:rules`."""
    for number, (action, resource) in enumerate(pairs):
        rule = {"actions": action, "resources": resource, "effect": "allow"}
        found.add(f"rule{number}", "security.policy", policy=rule, groups=["rules"])


def test_code_runs_under_the_identity_of_its_caller() -> None:
    body = """
    local scope = security.named_scope("app:rules")
    local ex = funcs.new():with_actor(security.new_actor("ada")):with_scope(scope)
    return ex:call("app:inner")"""
    inner = """
    local source = [[
      local v, e = funcs.call("app:named")
      return { security.actor():id(), e and tostring(e) or "called" }]]
    return eval_runner.run({ source = source, modules = { "security", "funcs" } })"""
    found = app("{}").function("main", body, modules=["security", "funcs"])
    found.function("inner", inner, modules=["eval_runner"])
    allow(found, ("eval.*", "*"), ("funcs.call", "app:inner"))
    assert found.call("main") == ["ada", "not allowed: app:named"]


def test_modules_that_nobody_listed_need_permission_too() -> None:
    inner = """
    local out = {}
    for i, source in ipairs({ "return json.encode(1)", "return require('hash').md5('x')", "return undefined" }) do
      local v, e = eval_runner.run({ source = source })
      out[i] = e and e:kind() .. ": " .. tostring(e) or tostring(v)
    end
    return out"""
    body = """
    local scope = security.named_scope("app:rules")
    return funcs.new():with_actor(security.new_actor("ada")):with_scope(scope):call("app:inner")"""
    found = app("{}").function("main", body, modules=["security", "funcs"])
    found.function("inner", inner, modules=["eval_runner"])
    allow(found, ("eval.run", "*"), ("eval.module", "json"), ("funcs.call", "app:inner"))
    assert found.call("main") == ["1", "PermissionDenied: permission denied: eval.module hash", "nil"]


def test_strict_mode_refuses_without_an_identity() -> None:
    found = app("{ source = 'return 1' }")

    async def session() -> Any:
        async with Runtime(entries=found.entries, config=Config({"security.strict_mode": True})) as runtime:
            return await runtime.call("app:run")

    answer = asyncio.run(session())
    assert (answer["kind"], answer["text"]) == ("PermissionDenied", "permission denied: eval.run")


# Life ----------------------------------------


def test_code_ends_with_its_caller() -> None:
    source = "process.registry.register('inner') while true do time.sleep('1ms') end"
    config = f'eval_runner.run({{ source = "{source}", allow_classes = {{ "process" }} }})'
    found = App().process("caller", config, modules=["eval_runner"])

    async def work(runtime: Runtime) -> None:
        pid = await runtime.spawn("app:caller", "app:host")
        while await runtime.node.lookup("inner") is None:
            await asyncio.sleep(0.005)
        runtime.node.terminate(pid)
        while await runtime.node.lookup("inner") is not None:
            await asyncio.sleep(0.005)

    found.use(work)


def test_what_code_started_ends_with_it() -> None:
    body = """
    local v = eval_runner.run({ source = [[
      process.registry.register("inner")
      coroutine.spawn(function() while true do time.sleep("1ms") end end)
      time.ticker("1ms")
      return process.pid()
    ]], allow_classes = { "process" } })
    local ok, err = process.send(v, "still", "there?")
    return { process.registry.lookup("inner") == nil, tostring(err) }"""
    assert App().function("f", body, modules=["eval_runner"]).call("f") == [True, "process not found"]


def test_code_may_wait_for_processes_it_may_start() -> None:
    source = """
    local pid = process.spawn("app:slow", "app:host")
    local v = process.exec("app:slow", "app:host")
    return { type(pid), v }"""
    body = f"""
    local v, e = eval_runner.run({{ source = [[{source}]], allow_classes = {{ "process" }} }})
    return v or tostring(e)"""
    found = App().process("slow", "time.sleep('20ms') return 'slow'").function("f", body, modules=["eval_runner"])
    assert found.call("f") == ["string", "slow"]


def test_others_get_on_while_code_computes_and_it_is_ended() -> None:
    body = "return tostring(select(2, eval_runner.run({ source = 'while true do end' })))"
    found = App().function("spin", body, modules=["eval_runner"]).function("quick", "return 1")

    async def session() -> tuple[int, Any]:
        async with Runtime(entries=found.entries) as runtime:
            spinning = asyncio.ensure_future(runtime.call("app:spin"))
            answers = 0
            while not spinning.done():
                await runtime.call("app:quick")
                answers += 1
            return answers, await spinning

    answers, text = asyncio.run(session())
    assert text == "eval exceeded maximum step limit"
    assert answers > 50


def test_code_that_takes_all_memory_is_ended_and_its_caller_told() -> None:
    source = 'local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end'
    body = f"local v, e = eval_runner.run({{ source = [[{source}]] }}) return {{ v == nil, e:kind(), tostring(e) }}"
    found = App().function("f", body, modules=["eval_runner"])

    async def session() -> Any:
        async with Runtime(entries=found.entries, memory=96 << 20) as runtime:
            return await runtime.call("app:f")

    assert asyncio.run(session()) == [True, "Internal", "not enough memory"]


def test_nested_evaluation_shares_the_steps_and_has_a_depth() -> None:
    source = "local s = ... return require('eval_runner').run({ source = s, args = { s } })"
    body = f'return tostring(select(2, eval_runner.run({{ source = "{source}", args = {{ "{source}" }} }})))'
    assert App().function("f", body, modules=["eval_runner"]).call("f") == "eval is nested too deep (limit 8)"
    inner = "for _ = 1, 100 do coroutine.yield() end return 1"
    outer = f"local n = 0 while eval_runner.run({{ source = '{inner}' }}) do n = n + 1 end return n"
    body = f'local v, e = eval_runner.run({{ source = "{outer}" }}) return e and tostring(e) or v'
    found = App().function("f", body, modules=["eval_runner"]).call("f")
    assert found == "eval exceeded maximum step limit"


# The cache ----------------------------------------


def cached(**leaves: Any) -> tuple[int, int]:
    """How many programs are kept after twenty different ones, two of them again; and how often one was found."""
    body = """
    for round = 1, 2 do
      for i = 1, round == 1 and 20 or 2 do eval_runner.run({ source = "return " .. (21 - i) }) end
      time.sleep("20ms")
    end"""
    found = App().function("f", body, modules=["eval_runner", "time"])

    async def session() -> tuple[int, int]:
        async with Runtime(entries=found.entries, config=Config(leaves)) as runtime:
            await runtime.call("app:f")
            module = runtime.node.bindings.find("eval_runner")
            assert module is not None
            evaluator = module.functions["prepare"].call.__closure__[0].cell_contents  # type: ignore[index]
            return len(evaluator.cache), evaluator.cache.hits

    return asyncio.run(session())


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ({}, (20, 2)),
        ({"lua.eval.cache_size": 19}, (19, 0)),
        ({"lua.eval.cache_size": 0}, (0, 0)),
        ({"lua.eval.cache_size": -1}, (0, 0)),
        ({"lua.eval.cache_ttl": "1h"}, (20, 2)),
        ({"lua.eval.cache_ttl": "10ms"}, (20, 0)),
    ],
)
def test_compiled_programs_are_kept_as_configured(leaves: dict[str, Any], expected: tuple[int, int]) -> None:
    assert cached(**leaves) == expected


def test_a_program_is_another_one_with_another_method_modules_or_classes() -> None:
    cache = ProgramCache(10, 0, lambda: 0)
    keys = [
        Key(b"s", "", (), ()),
        Key(b"s", "m", (), ()),
        Key(b"s", "", ("json",), ()),
        Key(b"s", "", (), ("network",)),
    ]
    numbers = {cache.put(key, Compiled("eval", b"", {})).number for key in keys}
    assert len(numbers) == 4 and all(cache.get(key) is not None for key in keys)


def test_the_cache_keeps_so_many_bytes() -> None:
    cache = ProgramCache(1000, 0, lambda: 0)
    chunk = Compiled("eval", b"x" * (LARGEST // 4), {})
    for n in range(10):
        cache.put(Key(b"%d" % n, "", (), ()), chunk)
    assert len(cache) == 3


def test_large_sources_are_compiled_beside_the_loop_and_very_large_ones_refused() -> None:
    body = """
    local long = "local t = {} " .. ("t[#t + 1] = 1 "):rep(3000) .. "return #t"
    local v, e = eval_runner.run({ source = long })
    local w, f = eval_runner.run({ source = ("-"):rep(2 * 1024 * 1024) })
    return { v, w == nil, tostring(f) }"""
    assert App().function("f", body, modules=["eval_runner"]).call("f") == [
        3000, True, "compile failed: source is larger than 1048576 bytes",
    ]  # fmt: skip


def test_errors_reach_the_caller_as_errors() -> None:
    body = """
    return eval_runner.run({ source = [[
      error(errors.new({ message = "m", kind = "Conflict", retryable = true }))
    ]] })"""
    with pytest.raises(Error) as failed:
        App().function("f", body, modules=["eval_runner"]).call("f")
    assert (failed.value.kind, failed.value.message, failed.value.retryable) == ("Conflict", "m", True)


def test_nothing_of_a_run_is_left() -> None:
    body = """
    for i = 1, 50 do
      eval_runner.run({ source = [[
        local t = time.ticker("1h")
        coroutine.spawn(function() time.sleep("1h") end)
        return 1
      ]] })
    end"""
    found = App().function("f", body, modules=["eval_runner", "time"])

    async def work(runtime: Runtime) -> int:
        await runtime.call("app:f")
        shard = runtime.node.shards[0]
        return int(await runtime.node.ask(shard, "live"))

    assert found.use(work) == 0
