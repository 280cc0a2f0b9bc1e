"""The guest module `eval_runner`: what is asked and what comes back (spec 03 §13, §20 "Eval")."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from services.eval.code import app, run

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
         "run failed: eval:1: can not yield from outside of a coroutine"),
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
