"""The guest module `eval_runner` (spec 03 §13, §20 "Eval")."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.guest import App
from wippy import Error, Runtime
from wippy.project.config import Config

LIBRARY = """
local Counter = {}
Counter.__index = Counter
function Counter:add(n) self.n = self.n + (n or 1) return self.n end
local M = { name = "shapes" }
function M.counter(n) return setmetatable({ n = n }, Counter) end
function M.twice(f, v) return f(f(v)) end
function M.now() return type(require("time").now()) end
function M.hidden() return process.pid() end
function M.set(v) kept = v end
function M.get() return kept end
function M.extra() return hash and hash.md5("x") end
return M
"""


def app(config: str, **entries: Any) -> App:
    """A function `run` that evaluates the configuration and gives value, kind and text."""
    found = App().add("shapes", "library.lua", source=LIBRARY, modules=["time"])
    found.add("broken", "library.lua", source="error('no library')")
    found.function("named", "return ctx.get('who')")
    body = f"""
    local v, e = eval_runner.run({config})
    return {{ value = v, kind = e and e:kind(), text = e and tostring(e), retryable = e and e:retryable() }}"""
    return found.function("run", body, modules=["eval_runner", "ctx", "funcs", "time"])


def run(config: str, **settings: Any) -> Any:
    """What the evaluated code gives; (kind, text) when it fails."""
    found = app(config).use(lambda runtime: runtime.call("app:run"))
    return (found["kind"], found["text"]) if "kind" in found else found.get("value")


# Acceptance ----------------------------------------


def test_a_method_with_arguments() -> None:
    config = "{ source = 'return { area = function(w, h) return w * h end }', method = 'area', args = { 6, 7 } }"
    assert run(config) == 42


def test_the_chunk_itself_with_arguments() -> None:
    assert run("{ source = 'local a, b = ... return a .. b', args = { 'x', 'y' } }") == "xy"


def test_tables_come_back() -> None:
    assert run("{ source = 'return { list = { 1, 2.5 }, deep = { x = true } }' }") == {
        "list": [1, 2.5],
        "deep": {"x": True},
    }


def test_an_admitted_module_is_a_global_and_required() -> None:
    config = "{ source = 'return json.encode({ 1 }) .. require(\"json\").encode({ 2 })', modules = { 'json' } }"
    assert run(config) == "[1][2]"


def test_without_a_list_every_module_that_the_classes_admit_is_there() -> None:
    source = "return { type(json), type(time), type(text), type(hash), type(funcs), type(events), type(ctx) }"
    assert run(f"{{ source = '{source}' }}") == ["table"] * 7
    source = (
        "return { type(process), type(sql), type(fs), type(http), type(exec), type(env), type(store), type(registry) }"
    )
    assert run(f"{{ source = '{source}' }}") == ["nil"] * 8


def test_only_listed_modules_are_there() -> None:
    assert run("{ source = 'return { type(json), type(time) }', modules = { 'time' } }") == ["nil", "table"]
    kind, text = run("{ source = 'local m = require(\"json\") return m', modules = { 'time' } }")
    assert kind == "Internal" and "module 'json' not found" in text


def test_custom_modules_are_tables_of_data() -> None:
    config = """{
      source = 'return { config.name, require("config").list[2], config.f == nil, getmetatable(config) == nil }',
      custom_modules = { config = setmetatable({ name = "x", list = { 1, 2 }, f = print }, { __index = { y = 1 } }) },
    }"""
    assert run(config) == ["x", 2, True, True]


def test_a_library_is_a_global_and_required_and_its_objects_have_methods() -> None:
    config = """{ source = [[
      local c = shapes.counter(1)
      c:add()
      local six = shapes.twice(function(x) return x * 3 end, 2)
      return { c:add(5), require("shapes").counter(9):add(), six, shapes.name }
    ]], imports = { shapes = "app:shapes" } }"""
    assert run(config) == [7, 10, 18, "shapes"]


@pytest.mark.parametrize(
    ("module", "banned"),
    [("process", "process"), ("exec", "process"), ("env", "process"), ("fs", "storage"), ("sql", "storage"),
     ("store", "storage"), ("registry", "storage"), ("http", "network")],
)  # fmt: skip
def test_modules_of_forbidden_classes_are_refused_unless_the_class_is_allowed(module: str, banned: str) -> None:
    message = f'module "{module}" has forbidden class "{banned}"'
    assert run(f"{{ source = 'return 1', modules = {{ '{module}' }} }}") == ("PermissionDenied", message)
    assert message in run(f"{{ source = 'local m = require(\"{module}\") return m' }}")[1]
    allowed = f"modules = {{ '{module}' }}, allow_classes = {{ '{banned}' }}"
    assert run(f"{{ source = 'return type({module})', {allowed} }}") == "table"
    assert run(f"{{ source = 'return type(require(\"{module}\"))', allow_classes = {{ '{banned}' }} }}") == "table"
    other = "network" if banned != "network" else "storage"
    assert run(f"{{ source = 'return type({module})', allow_classes = {{ '{other}' }} }}") == "nil"


def test_an_unknown_module_is_not_available() -> None:
    assert run("{ source = 'return 1', modules = { 'teleport' } }") == (
        "NotFound",
        'module "teleport" is not available',
    )
    assert 'module "teleport" is not available' in run("{ source = 'local m = require(\"teleport\") return m' }")[1]


def compiled(call: str) -> Any:
    body = (
        f"local p, e = eval_runner.compile({call}) "
        + """
    if not p then return { e:kind(), tostring(e) } end
    return { method = p:method(), modules = p:modules(), text = tostring(p) }"""
    )
    return app("{}").function("c", body, modules=["eval_runner"]).call("c")


def test_compile_keeps_method_and_modules() -> None:
    assert compiled("'return {}', 'go', { modules = { 'json', 'time' } }") == {
        "method": "go",
        "modules": ["json", "time"],
        "text": "eval_runner.Program{}",
    }


def test_compile_keeps_an_empty_method() -> None:
    assert compiled("'return 1'")["method"] == ""
    assert compiled("'return 1', ''")["method"] == ""


@pytest.mark.parametrize("call", ["compile('return +')", "run({ source = 'return +' })"])
def test_syntax_errors_are_compile_failures_with_their_cause(call: str) -> None:
    body = f"local v, e = eval_runner.{call} return {{ v == nil, e:kind(), e:retryable(), tostring(e) }}"
    nothing, kind, retryable, text = App().function("f", body, modules=["eval_runner"]).call("f")
    assert (nothing, kind, retryable) == (True, "Internal", False)
    assert text.startswith("compile failed: ") and "eval:1:8" in text


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("''", ["Invalid", "source is required"]),
        (
            "'return 1', '', { modules = { 'http' } }",
            ["PermissionDenied", 'module "http" has forbidden class "network"'],
        ),
        ("'return 1', '', { modules = { 'no' } }", ["NotFound", 'module "no" is not available']),
        ("'return 1', '', { imports = { x = 'app:none' } }", ["NotFound", "library app:none not found"]),
        ("'return 1', '', { imports = { x = 'app:run' } }", ["NotFound", "library app:run not found"]),
    ],
)
def test_compile_refuses_what_run_refuses(call: str, answer: list[str]) -> None:
    assert compiled(call) == answer


# Failures ----------------------------------------


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("error(\"boom\")", "Internal", "run failed: eval:1: boom"),
        ("error(\"boom\", 0)", "Internal", "run failed: boom"),
        ("local t = nil; return t.x", "Internal", "run failed: eval:1: attempt to index a nil value (local 't')"),
        ("error(errors.new({ message = \"gone\", kind = errors.NOT_FOUND }))", "NotFound", "gone"),
        ("return nil, errors.new({ message = \"busy\", kind = errors.UNAVAILABLE })", "Unavailable", "busy"),
        ("return nil, \"text\"", "Internal", "run failed: text"),
        ("local x = 1", "Internal", "process completed with no result"),
        ("coroutine.spawn(function() error(\"inner\") end) time.sleep(\"1s\") return 1", "Internal",
         "run failed: eval:1: inner"),
        ("channel.new():receive() return 1", "Internal", "process became idle"),
        ("channel.new():send(1) return 1", "Internal", "process became idle"),
        ("local a, b = channel.new(), channel.new() coroutine.spawn(function() a:receive() b:send(1) end) "
         "b:receive() a:send(1)", "Internal", "process became idle"),
        ("channel.select({}) return 1", "Internal", "process became idle"),
        ("local s = events.subscribe(\"x\") s:channel():receive() return 1", "Internal", "process became idle"),
        ("while true do coroutine.yield() end", "Internal", "eval exceeded maximum step limit"),
        ("coroutine.spawn(function() while true do coroutine.yield() end end) while true do coroutine.yield() end",
         "Internal", "eval exceeded maximum step limit"),
        ("while true do pcall(function() while true do coroutine.yield() end end) end", "Internal",
         "eval exceeded maximum step limit"),
    ],
)  # fmt: skip
def test_failures(source: str, kind: str, text: str) -> None:
    assert run(f"{{ source = [[{source}]] }}") == (kind, text)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("return nil", None),
        ("return false", False),
        ("return 1, 2", 1),
        ("return 1, false", 1),
        ("time.sleep(\"5ms\") return 7", 7),
        ("local ch = time.after(\"5ms\") return (select(2, ch:receive()))", True),
        ("local t = time.ticker(\"1ms\") for _ = 1, 3 do t:channel():receive() end return 3", 3),
        ("local c = channel.new() coroutine.spawn(function() time.sleep(1) c:send(5) end) return (c:receive())", 5),
        ("local f = funcs.async(\"app:named\") local v = f:channel():receive() return type(v)", "userdata"),
        ("return (coroutine.wrap(function() coroutine.yield(1) end)())", 1),
        ("return { f = print, c = channel.new(), n = 1 }", {"n": 1}),
        ("return print", None),
        ("local Point = { x = 1 } return Point.x", 1),
        ("type Pair = { a: number } local p: Pair = { a = 2 } return p.a", 2),
    ],
)  # fmt: skip
def test_results(source: str, value: Any) -> None:
    assert run(f"{{ source = [[{source}]] }}") == value


@pytest.mark.parametrize(
    ("config", "kind", "text"),
    [
        ("{}", "Invalid", "source is required"),
        ("{ source = '' }", "Invalid", "source is required"),
        ("{ source = 1 }", "Invalid", "source must be a text"),
        ("{ source = 'return 1', method = 1 }", "Invalid", "method must be a text"),
        ("{ source = 'return 1', modules = 'json' }", "Invalid", "modules must be a list of texts"),
        ("{ source = 'return 1', modules = { 1 } }", "Invalid", "modules must be a list of texts"),
        ("{ source = 'return 1', allow_classes = { {} } }", "Invalid", "allow_classes must be a list of texts"),
        ("{ source = 'return 1', imports = { 'app:shapes' } }", "Invalid", "imports must have texts for keys"),
        ("{ source = 'return 1', imports = { x = 1 } }", "Invalid", 'import "x" must be an id or a table with an id'),
        ("{ source = 'return 1', imports = { x = { modules = {} } } }", "Invalid",
         'import "x" must be an id or a table with an id'),
        ("{ source = 'return 1', custom_modules = { x = 1 } }", "Invalid", 'custom module "x" must be a table'),
        ("{ source = 'return 1', context = { 1 } }", "Invalid", "context must have texts for keys"),
        ("{ source = 'return 1', args = 1 }", "Invalid", "args must be a list"),
        ("{ source = 'return {}', method = 'go' }", "NotFound", 'method "go" not found in module'),
        ("{ source = 'return 5', method = 'go' }", "NotFound", 'method "go" not found in module'),
        ("{ source = 'return 1', imports = { x = 'app:none' } }", "NotFound", "library app:none not found"),
        ("{ source = 'return 1', imports = { x = 'app:broken' } }", "Internal",
         "run failed: failed to load dependency x: app:broken:1: no library"),
        ("{ source = 'time.sleep(1) return {}', method = 'go' }", "Internal",
         "run failed: can not yield from outside of a coroutine"),
    ],
)  # fmt: skip
def test_bad_configurations(config: str, kind: str, text: str) -> None:
    assert run(config) == (kind, text)


@pytest.mark.parametrize(
    "call", ["run()", "run('return 1')", "run(1)", "compile()", "compile({})", "compile('x', '', 1)"]
)
def test_wrong_argument_types_raise(call: str) -> None:
    body = f"return (pcall(function() return eval_runner.{call} end))"
    assert App().function("f", body, modules=["eval_runner"]).call("f") is False


def test_a_method_that_is_a_chunks_function() -> None:
    assert run("{ source = 'return function(a) return a + 1 end', method = 'any', args = { 1 } }") == 2


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


def test_others_get_on_while_code_computes() -> None:
    found = App().function("spin", "return tostring(select(2, eval_runner.run({ source = 'while true do end' })))",
                           modules=["eval_runner"]).function("quick", "return 1")  # fmt: skip

    async def work(runtime: Runtime) -> Any:
        spinning = asyncio.ensure_future(runtime.call("app:spin"))
        answers = 0
        while not spinning.done():
            await asyncio.wait_for(runtime.call("app:quick"), 1)
            answers += 1
        return answers, await spinning

    answers, text = found.use(work)
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
    from wippy.lua.chunk import Compiled
    from wippy.services.eval.cache import Key, ProgramCache

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
    from wippy.lua.chunk import Compiled
    from wippy.services.eval.cache import LARGEST, Key, ProgramCache

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
