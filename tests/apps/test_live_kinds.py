"""Every kind is added, updated, deleted and brought back on a running system, and each effect is there at once.

A kind of the catalogue without a case here fails `test_every_kind_has_a_case`.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from apps.guest import App
from apps.live import Live, app_entry, function, library
from apps.program import ask, free_port
from services.exec.fake_engine import FakeEngine, engine
from wippy.compute.introspection import Introspection
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.kinds import KINDS as COMPUTE
from wippy.lua.bytecode import to_bytecode
from wippy.project.wapp.tree import MemoryTree, Resource
from wippy.registry.entry import Entry
from wippy.services.catalog import KINDS as SERVICES

See = Callable[[Live], Awaitable[Any]]


class Case:
    """`first` and `second` are what `app:x` (of the kind under test) is after the create and after the update; the
    entries of `around` come and go with it, those of `needs` are always there. `seen`: the effect of each. `packed`:
    files of packs, by the entry that shows them."""

    def __init__(
        self,
        first: Entry,
        second: Entry,
        see: str | See,
        seen: tuple[Any, Any],
        *,
        around: tuple[Entry, ...] = (),
        needs: tuple[Entry, ...] = (),
        patient: bool = False,
        packed: dict[str, dict[str, bytes]] | None = None,
    ) -> None:
        self.first, self.second, self.seen = first, second, seen
        self.around, self.needs, self.patient = around, needs, patient
        self.packed = {
            EntryId.parse(name): Resource(EntryId.parse(name), MemoryTree(files))
            for name, files in (packed or {}).items()
        }
        self._see = see

    async def look(self, live: Live, expected: Any) -> Any:
        """The effect; where a process has to do something first, once it is the expected one."""
        for _ in range(500 if self.patient and expected is not None else 1):
            found = await (live.look(self._see) if isinstance(self._see, str) else self._see(live))
            if found == expected:
                return found
            await asyncio.sleep(0.01)
        return found


def started(**lifecycle: Any) -> dict[str, Any]:
    return {"auto_start": True, "stop_timeout": "100ms", **lifecycle}


def x(kind: str, meta: dict[str, Any] | None = None, **data: Any) -> Entry:
    return app_entry("x", kind, meta, **data)


def told(call: str) -> str:
    """A Lua program: the value of `call`, or the kind of its error."""
    return f"local v, e = {call} if e ~= nil then return e:kind() end return v"


# Code -----------------------------------------------------------------------------------------------------------------


def function_case(_: Path) -> Case:
    return Case(
        function("x", "return 'one'"), function("x", "return 'two'"), told("funcs.call('app:x')"), ("one", "two")
    )


def library_case(_: Path) -> Case:
    middle = library("middle", "return { name = function() return 'middle ' .. x.name() end }", imports={"x": "app:x"})
    user = function("user", "return middle.name()", imports={"middle": "app:middle"})
    return Case(
        library("x", "return { name = function() return 'one' end }"),
        library("x", "return { name = function() return 'two' end }"),
        told("funcs.call('app:user')"),
        ("middle one", "middle two"),
        around=(middle, user),
    )


async def result_of_x(live: Live) -> Any:
    try:
        return await live.runtime.run_process("app:x", "app:host")
    except Error as error:
        return error.kind


def process_case(_: Path) -> Case:
    def process(text: str) -> Entry:
        return x("process.lua", source=f"return {{ main = function() return '{text}' end }}", method="main")

    return Case(process("one"), process("two"), result_of_x, ("one", "two"))


def compiled(kind: str, text: str, **data: Any) -> tuple[dict[str, bytes], Entry]:
    """A file of compiled code, and the entry that runs it."""
    code = to_bytecode(text.encode(), "app:x")
    digest = f"sha256:{hashlib.sha256(code).hexdigest()}"
    name = f"{digest[-8:]}.luac"
    return {name: code}, x(kind, fs="app:packed", path=name, hash=digest, **data)


PACKED = app_entry("packed", "fs.embed")


def function_bytecode_case(_: Path) -> Case:
    one, first = compiled("function.lua.bc", "return { main = function() return 'one' end }", method="main")
    two, second = compiled("function.lua.bc", "return { main = function() return 'two' end }", method="main")
    see = told("funcs.call('app:x')")
    return Case(first, second, see, ("one", "two"), needs=(PACKED,), packed={"app:packed": {**one, **two}})


def library_bytecode_case(_: Path) -> Case:
    one, first = compiled("library.lua.bc", "return { name = function() return 'one' end }")
    two, second = compiled("library.lua.bc", "return { name = function() return 'two' end }")
    user = function("user", "return x.name()", imports={"x": "app:x"})
    packed = {"app:packed": {**one, **two}}
    see = told("funcs.call('app:user')")
    return Case(first, second, see, ("one", "two"), around=(user,), needs=(PACKED,), packed=packed)


def process_bytecode_case(_: Path) -> Case:
    one, first = compiled("process.lua.bc", "return { main = function() return 'one' end }")
    two, second = compiled("process.lua.bc", "return { main = function() return 'two' end }")
    packed = {"app:packed": {**one, **two}}
    return Case(first, second, result_of_x, ("one", "two"), needs=(PACKED,), packed=packed)


# Processes ------------------------------------------------------------------------------------------------------------


def host_case(_: Path) -> Case:
    async def see(live: Live) -> Any:
        hosts = {host.id: host.workers for host in await Introspection(live.runtime.node).hosts()}
        try:
            result = await live.runtime.run_process("app:quick", "app:x")
        except Error as error:
            result = error.kind
        return hosts.get("app:x"), result

    quick = app_entry("quick", "process.lua", source="return { main = function() return 'ran' end }")
    return Case(
        x("process.host", host={"workers": 1, "queue_size": 10}, lifecycle=started()),
        x("process.host", {"note": "other"}, host={"workers": 2, "queue_size": 10}, lifecycle=started()),
        see,
        ((1, "ran"), (2, "ran")),
        needs=(quick,),
    )


def terminal_case(_: Path) -> Case:
    async def see(live: Live) -> Any:
        host = live.runtime.node.resources.get("app:x")
        return "gone" if host is None else host.running

    return Case(
        x("terminal.host", lifecycle=started()),
        x("terminal.host", hide_logs=True, lifecycle=started(auto_start=False)),
        see,
        (True, False),
    )


def service_case(_: Path) -> Case:
    source = """return { main = function(name)
      process.registry.register(name)
      process.events():receive()
    end }"""

    async def see(live: Live) -> Any:
        return [name for name in ("one", "two") if await live.runtime.node.lookup(name)]

    worker = app_entry("worker", "process.lua", source=source)
    return Case(
        x("process.service", process="worker", host="app:host", input=["one"], lifecycle=started()),
        x("process.service", process="worker", host="app:host", input=["two"], lifecycle=started()),
        see,
        (["one"], ["two"]),
        needs=(worker,),
        patient=True,
    )


def scope_case(_: Path) -> Case:
    see = """
    local groups, err = pg.open("app:x")
    if err then return err:kind() end
    local joined = 0
    for i = 1, 5 do if groups:join("g" .. i) then joined = joined + 1 end end
    for i = 1, joined do groups:leave("g" .. i) end
    return joined"""
    return Case(
        x("pg.scope", max_groups=1, lifecycle=started()), x("pg.scope", max_groups=3, lifecycle=started()), see, (1, 3)
    )


# Contracts ------------------------------------------------------------------------------------------------------------


def definition_case(_: Path) -> Case:
    see = """
    local c, err = contract.get("app:x")
    if err then return err:kind() end
    local names = {}
    for i, m in ipairs(c:methods()) do names[i] = m.name end
    return names"""
    return Case(
        x("contract.definition", methods=[{"name": "a"}]),
        x("contract.definition", methods=[{"name": "a"}, {"name": "b"}]),
        see,
        (["a"], ["a", "b"]),
    )


def binding_case(_: Path) -> Case:
    definition = app_entry("greeting", "contract.definition", methods=[{"name": "hello"}])
    see = "local i, e = contract.open('app:x') if e then return e:kind() end return i:hello()"

    def binding(target: str) -> Entry:
        return x("contract.binding", contracts=[{"contract": "app:greeting", "methods": {"hello": target}}])

    needs = (definition, function("en", "return 'hello'"), function("fr", "return 'bonjour'"))
    return Case(binding("app:en"), binding("app:fr"), see, ("hello", "bonjour"), needs=needs)


# Data -----------------------------------------------------------------------------------------------------------------


def sqlite_case(directory: Path) -> Case:
    for name in ("one", "two"):
        with sqlite3.connect(directory / f"{name}.db") as database:
            database.execute("CREATE TABLE t (v)")
            database.execute("INSERT INTO t VALUES (?)", (name,))
        database.close()
    see = """
    local db, err = sql.get("app:x")
    if err then return err:kind() end
    local rows = assert(db:query("SELECT v FROM t"))
    db:release()
    return rows[1].v"""

    def database_entry(name: str) -> Entry:
        return x("db.sql.sqlite", file=str(directory / f"{name}.db"), lifecycle=started())

    return Case(database_entry("one"), database_entry("two"), see, ("one", "two"))


def store_case(_: Path) -> Case:
    see = """
    local s, err = store.get("app:x")
    if err then return err:kind() end
    local kept = 0
    for i = 1, 5 do if s:set("k" .. i, i) then kept = kept + 1 end end
    for i = 1, 5 do s:delete("k" .. i) end
    return kept"""
    return Case(
        x("store.memory", max_size=1, lifecycle=started()),
        x("store.memory", max_size=3, lifecycle=started()),
        see,
        (1, 3),
    )


def directory_case(directory: Path) -> Case:
    for name in ("one", "two"):
        (directory / name).mkdir()
        (directory / name / "file").write_text(name)
    see = "local v, e = fs.get('app:x') if e then return e:kind() end return v:readfile('file')"
    return Case(
        x("fs.directory", directory=str(directory / "one")),
        x("fs.directory", directory=str(directory / "two")),
        see,
        ("one", "two"),
    )


def embed_case(_: Path) -> Case:
    """Its content is the pack's: there is nothing to update."""
    see = "local v, e = fs.get('app:x') if e then return e:kind() end return v:readfile('file')"
    first, second = x("fs.embed"), x("fs.embed", {"note": "other"})
    return Case(first, second, see, ("inside", "inside"), packed={"app:x": {"file": b"inside"}})


# Environment ----------------------------------------------------------------------------------------------------------

ENV = told("env.get('THING')")
THING = app_entry("thing", "env.variable", variable="THING", storage="app:x")


def static(name: str, value: str) -> Entry:
    return app_entry(name, "env.storage.static", values={"THING": value})


def variable_case(_: Path) -> Case:
    see = "return { env.get('THING') or 'none', env.get('OTHER') or 'none' }"
    needs = (app_entry("storage", "env.storage.memory"),)
    return Case(
        x("env.variable", variable="THING", storage="storage", default="one"),
        x("env.variable", variable="OTHER", storage="storage", default="two"),
        see,
        (["one", "none"], ["none", "two"]),
        needs=needs,
    )


def static_case(_: Path) -> Case:
    return Case(static("x", "one"), static("x", "two"), ENV, ("one", "two"), around=(THING,))


def memory_env_case(_: Path) -> Case:
    see = """
    local ok, err = env.set("THING", "kept")
    if err then return err:kind() end
    return env.get("THING")"""
    first, second = x("env.storage.memory"), x("env.storage.memory", {"note": "other"})
    return Case(first, second, see, ("kept", "kept"), around=(THING,))


def os_env_case(_: Path) -> Case:
    home = app_entry("home", "env.variable", variable="HOME", storage="app:x")
    first, second = x("env.storage.os"), x("env.storage.os", {"note": "other"})
    return Case(first, second, "return env.get('HOME') ~= nil", (True, True), around=(home,))


def file_env_case(directory: Path) -> Case:
    for name in ("one", "two"):
        (directory / f"{name}.env").write_text(f"THING={name}\n")

    def storage(name: str) -> Entry:
        return x("env.storage.file", file_path=str(directory / f"{name}.env"))

    return Case(storage("one"), storage("two"), ENV, ("one", "two"), around=(THING,))


def router_env_case(_: Path) -> Case:
    return Case(
        x("env.storage.router", storages=["app:a", "app:b"]),
        x("env.storage.router", storages=["app:b", "app:a"]),
        ENV,
        ("one", "two"),
        around=(THING,),
        needs=(static("a", "one"), static("b", "two")),
    )


# Security -------------------------------------------------------------------------------------------------------------

EVALUATE = """
local policy, err = security.policy("app:x")
if err then return "none" end
return policy:evaluate(security.new_actor("ada"), "read", "doc")"""


def policy_case(_: Path) -> Case:
    def policy(effect: str) -> Entry:
        return x("security.policy", policy={"actions": "read", "resources": "*", "effect": effect}, groups=["staff"])

    return Case(policy("allow"), policy("deny"), EVALUATE, ("allow", "deny"))


def expression_case(_: Path) -> Case:
    def policy(expression: str) -> Entry:
        rule = {"actions": "*", "resources": "*", "effect": "allow", "expression": expression}
        return x("security.policy.expr", policy=rule)

    return Case(policy('actor.id == "ada"'), policy('actor.id == "bob"'), EVALUATE, ("allow", "undefined"))


# Programs -------------------------------------------------------------------------------------------------------------

PRINTED = """
local executor, err = exec.get("app:x")
if err then return err:kind() end
local p = assert(executor:exec("printenv NAME"))
local out = p:stdout_stream()
assert(p:start())
local text = out:read()
p:wait()
executor:release()
return text"""


def native_case(_: Path) -> Case:
    return Case(
        x("exec.native", default_env={"NAME": "one"}),
        x("exec.native", default_env={"NAME": "two"}),
        PRINTED,
        ("one\n", "two\n"),
    )


def docker_case(directory: Path) -> Case:
    host = f"unix://{directory / 'engine.sock'}"

    def executor(name: str) -> Entry:
        return x("exec.docker", image="alpine:3", host=host, default_env={"NAME": name})

    return Case(executor("one"), executor("two"), PRINTED, ("one\n", "two\n"))


# HTTP -----------------------------------------------------------------------------------------------------------------

SAY = {
    f"say.{name}": app_entry(
        f"say.{name}",
        "function.lua",
        source=f"return {{ main = function() require('http').response():write_json('{name}') end }}",
        method="main",
        modules=["http"],
    )
    for name in ("one", "two")
}


def answers(*requests: tuple[int, str]) -> See:
    """What servers on these ports answer to GET of these paths."""

    def get(port: int, path: str) -> Any:
        try:
            answer = ask(port, "GET", path)
        except OSError:
            return "refused"
        return answer.json if answer.status == 200 else answer.status

    async def see(_: Live) -> Any:
        return [await asyncio.to_thread(get, port, path) for port, path in requests]

    return see


def server(name: str, port: int) -> Entry:
    return app_entry(name, "http.service", addr=f"127.0.0.1:{port}", lifecycle=started())


def router(name: str, of: str, prefix: str = "/") -> Entry:
    return app_entry(name, "http.router", {"server": of}, prefix=prefix)


def endpoint(name: str, of: str, path: str, func: str = "say.one") -> Entry:
    return app_entry(name, "http.endpoint", {"router": of}, method="GET", path=path, func=func)


def endpoint_case(_: Path) -> Case:
    port = free_port()
    return Case(
        endpoint("x", "root", "/a"),
        endpoint("x", "root", "/b", "say.two"),
        answers((port, "/a"), (port, "/b")),
        (["one", 404], [404, "two"]),
        needs=(server("web", port), router("root", "web"), *SAY.values()),
    )


def router_case(_: Path) -> Case:
    """It moves to another server, with its endpoints."""
    first, second = free_port(), free_port()
    return Case(
        router("x", "web", "/v1"),
        router("x", "other", "/v2"),
        answers((first, "/v1/a"), (second, "/v2/a")),
        (["one", 404], [404, "one"]),
        around=(endpoint("e", "x", "/a"),),
        needs=(server("web", first), server("other", second), *SAY.values()),
    )


def server_case(_: Path) -> Case:
    """It moves to another address, with its routes."""
    first, second = free_port(), free_port()
    return Case(
        server("x", first),
        server("x", second),
        answers((first, "/a"), (second, "/a")),
        (["one", "refused"], ["refused", "one"]),
        around=(router("r", "x"), endpoint("e", "r", "/a")),
        needs=tuple(SAY.values()),
    )


CASES: dict[str, Callable[[Path], Case]] = {
    "contract.binding": binding_case,
    "contract.definition": definition_case,
    "db.sql.sqlite": sqlite_case,
    "env.storage.file": file_env_case,
    "env.storage.memory": memory_env_case,
    "env.storage.os": os_env_case,
    "env.storage.router": router_env_case,
    "env.storage.static": static_case,
    "env.variable": variable_case,
    "exec.docker": docker_case,
    "exec.native": native_case,
    "fs.directory": directory_case,
    "fs.embed": embed_case,
    "function.lua": function_case,
    "function.lua.bc": function_bytecode_case,
    "http.endpoint": endpoint_case,
    "http.router": router_case,
    "http.service": server_case,
    "library.lua": library_case,
    "library.lua.bc": library_bytecode_case,
    "pg.scope": scope_case,
    "process.host": host_case,
    "process.lua": process_case,
    "process.lua.bc": process_bytecode_case,
    "process.service": service_case,
    "security.policy": policy_case,
    "security.policy.expr": expression_case,
    "store.memory": store_case,
    "terminal.host": terminal_case,
}


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == {*COMPUTE, *SERVICES}


@pytest.fixture
def fake_engine(tmp_path: Path) -> Any:
    with engine(tmp_path) as running:
        yield running


@pytest.mark.parametrize("kind", CASES)
def test_a_kind_is_added_updated_deleted_and_brought_back_live(
    kind: str, tmp_path: Path, fake_engine: FakeEngine
) -> None:
    case = CASES[kind](tmp_path)
    assert case.first.kind == case.second.kind == kind
    app = App()
    app.entries += case.needs
    one, two = case.seen

    async def scenario() -> None:
        async with Live(app, resources=case.packed) as live:
            before = await case.look(live, None)
            assert before not in case.seen

            async def sees(expected: Any) -> None:
                assert await case.look(live, expected) == expected

            assert await live.create(*case.around, case.first) == 1
            await sees(one)
            assert await live.update(case.second) == 2
            await sees(two)
            assert await live.delete(*(str(entry.id) for entry in case.around), "app:x") == 3
            await sees(before)
            for version, expected in ((2, two), (1, one), (0, before), (2, two), (3, before), (1, one), (2, two)):
                assert await live.go(version) == version
                await sees(expected)
            # A delete and a create in one change set make a new one of it.
            await live.change(("delete", "app:x"), ("create", case.first))
            await sees(one)

    asyncio.run(scenario())
