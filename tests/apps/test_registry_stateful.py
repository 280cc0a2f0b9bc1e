"""Random change sets on a running application, against a plain model: what is accepted, refused and gone back to. After
every step what the handlers hold equals what a fresh start from that state makes, and what is refused could not be
started either (spec 01 §10, §12)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.registry_holdings import holdings
from wippy import Runtime
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.project.config import Config
from wippy.registry.changes import Create, Delete, Operation, Update, apply_to
from wippy.registry.entry import Entry

EXAMPLES = int(os.environ.get("REGISTRY_EXAMPLES", "40"))
"""REGISTRY_EXAMPLES=2000 looks at that many new sequences."""

names = st.sampled_from(["a", "b", "c"])
flags = st.booleans()


def _maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


lifecycles = st.builds(
    lambda auto, requires: {"auto_start": auto, **({"requires": [requires]} if requires else {})},
    flags,
    _maybe("", "", "", "store_a", "store_b", "pg_a"),
)


@st.composite
def library(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    imports = draw(st.dictionaries(_maybe("x", "y"), _maybe("app:lib_a", "app:lib_b", "app:lib_c"), max_size=1))
    source = draw(_maybe("return {}", "return { v = 1 }", "return {}", "return ("))
    return "library.lua", {}, {"source": source, "imports": imports}


@st.composite
def function(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    imports = draw(st.dictionaries(_maybe("x", "y"), _maybe("app:lib_a", "app:lib_b"), max_size=2))
    source = draw(_maybe("return { main = function() end }", "return { main = function() return 1 end }"))
    return (
        "function.lua",
        {"options": {"n": draw(st.integers(0, 1))}},
        {
            "source": source,
            "method": draw(_maybe("main", "main", "other")),
            "imports": imports,
            "pool": draw(_maybe({}, {"size": 2}, {"type": "lazy"})),
        },
    )


@st.composite
def server(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "http.service", {}, {"addr": draw(_maybe("127.0.0.1:1", "127.0.0.1:2"))}


@st.composite
def router(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "http.router", {"server": draw(_maybe("server_a", "server_b"))}, {"prefix": draw(_maybe("/", "/p", "/q"))}


@st.composite
def endpoint(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return (
        "http.endpoint",
        {"router": draw(_maybe("router_a", "router_b"))},
        {
            "method": draw(_maybe("GET", "GET", "POST", "OPTIONS")),
            "path": draw(_maybe("/x", "/{id}", "/{name}", "/x/{$}", "/x/", "/{rest...}", "/x/{id}", "/p/x")),
            "func": "function_a",
        },
    )


@st.composite
def policy(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    rule = {
        "actions": draw(_maybe("read", ["read", "write"])),
        "resources": "*",
        "effect": draw(_maybe("allow", "deny")),
    }
    return "security.policy", {}, {"policy": rule, "groups": draw(st.lists(_maybe("g", "h"), max_size=2, unique=True))}


@st.composite
def storage(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    if draw(flags):
        return "env.storage.static", {}, {"values": {"ONE": draw(_maybe("1", "2", "x"))}}
    return (
        "env.storage.router",
        {},
        {"storages": draw(st.lists(_maybe("storage_a", "storage_b"), min_size=1, max_size=2))},
    )


@st.composite
def variable(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    data = {"variable": draw(_maybe("ONE", "TWO", "")), "storage": draw(_maybe("storage_a", "storage_b"))}
    return "env.variable", {}, {**data, "default": draw(_maybe("1", "2", "x"))}


@st.composite
def store(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return (
        "store.memory",
        {},
        {
            "max_size": draw(
                _maybe(1, 2, -1, "many", "${env:ONE|7}", "${env:TWO|7}", "${env:TWO}", "${env:app:variable_a}")
            ),
            "lifecycle": draw(lifecycles),
        },
    )


@st.composite
def database(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "db.sql.sqlite", {}, {"file": draw(_maybe(":memory:", "file::memory:")), "lifecycle": draw(lifecycles)}


@st.composite
def groups(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "pg.scope", {}, {"max_groups": draw(st.integers(0, 2)), "lifecycle": draw(lifecycles)}


@st.composite
def directory(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return (
        "fs.directory",
        {},
        {"directory": draw(_maybe("/", "/tmp", "/nowhere")), "mode": draw(_maybe("0755", "0555"))},
    )


@st.composite
def contract(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    if name != "c":
        return "contract.definition", {}, {"methods": [{"name": draw(_maybe("m", "n"))}]}
    implemented = draw(st.lists(_maybe("app:contract_a", "app:contract_b"), min_size=1, max_size=2))
    return "contract.binding", {}, {"contracts": [{"contract": each, "default": draw(flags)} for each in implemented]}


@st.composite
def data(draw: st.DrawFn, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "registry.entry", {"depends_on": draw(st.lists(names, max_size=2))}, {"value": draw(st.integers(0, 2))}


MAKERS = {
    "lib": library,
    "function": function,
    "server": server,
    "router": router,
    "endpoint": endpoint,
    "policy": policy,
    "storage": storage,
    "variable": variable,
    "store": store,
    "database": database,
    "pg": groups,
    "directory": directory,
    "contract": contract,
    "data": data,
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """`app:store_a`, ...: a name tells what it is, so that references often lead to something."""
    family, name = draw(st.sampled_from(sorted(MAKERS))), draw(names)
    kind, meta, values = draw(MAKERS[family](name))
    return Entry(EntryId("app", f"{family}_{name}"), kind, meta, values)


CHANGES = st.lists(st.tuples(entries(), _maybe("put", "put", "delete", "again")), min_size=1, max_size=5)
STEPS = st.lists(st.one_of(CHANGES, CHANGES, st.integers(0, 12)), min_size=1, max_size=8)


def _app(name: str, kind: str, meta: dict[str, Any] | None = None, **values: Any) -> Entry:
    return Entry(EntryId("app", name), kind, meta or {}, values)


STARTED = {"auto_start": True}
BASELINE = (
    _app("lib_a", "library.lua", source="return {}"),
    _app("function_a", "function.lua", source="return {}", method="main", imports={"x": "app:lib_a"}),
    _app("server_a", "http.service", addr="127.0.0.1:1"),
    _app("router_a", "http.router", {"server": "server_a"}, prefix="/"),
    _app("endpoint_a", "http.endpoint", {"router": "router_a"}, method="GET", path="/x", func="function_a"),
    _app("policy_a", "security.policy", policy={"actions": "read", "resources": "*", "effect": "allow"}, groups=["g"]),
    _app("storage_a", "env.storage.static", values={"ONE": "1"}),
    _app("variable_a", "env.variable", variable="ONE", storage="storage_a"),
    _app("store_a", "store.memory", lifecycle=STARTED),
    _app("database_a", "db.sql.sqlite", file=":memory:", lifecycle=STARTED),
    _app("pg_a", "pg.scope", lifecycle={**STARTED, "requires": ["store_a"]}),
    _app("directory_a", "fs.directory", directory="/"),
    _app("contract_a", "contract.definition", methods=[{"name": "m"}]),
    _app("contract_c", "contract.binding", contracts=[{"contract": "app:contract_a"}]),
)


def operations(drawn: list[tuple[Entry, str]], state: dict[EntryId, Entry]) -> list[Operation]:
    """What was drawn, as it makes sense on `state`: one group an id."""
    found: dict[EntryId, list[Operation]] = {}
    for entry, verb in drawn:
        live = state.get(entry.id)
        if live is None:
            found[entry.id] = [Create(entry)]
        elif verb == "delete":
            found[entry.id] = [Delete(entry.id)]
        elif verb == "again" or live.kind != entry.kind:
            found[entry.id] = [Delete(entry.id), Create(entry)]
        else:
            found[entry.id] = [Update(entry)]
    return [operation for group in found.values() for operation in group]


async def fresh(state: dict[EntryId, Entry]) -> dict[str, Any] | Error:
    """What a start from these entries holds, or why there is none."""
    runtime = Runtime(entries=list(state.values()), config=Config())
    try:
        async with runtime:
            return holdings(runtime.node)
    except Error as error:
        return error


async def scenario(steps: list[Any]) -> None:
    models: dict[int, dict[EntryId, Entry]] = {0: {entry.id: entry for entry in BASELINE}}
    async with Runtime(entries=BASELINE, config=Config()) as runtime:
        registry = runtime.node.registry
        for step in steps:
            before = registry.version.id
            if isinstance(step, int):
                target = sorted(models)[step % len(models)]
                await registry.apply_version(target)
                assert registry.version.id == target
            else:
                model = dict(models[before])
                changes = operations(step, model)
                apply_to(model, changes)
                try:
                    version = await registry.apply(changes)
                    models[version.id] = model
                except Error as error:
                    assert registry.version.id == before
                    could_start = await fresh(model)
                    assert isinstance(could_start, Error), f"refused, though it could be started: {error}"
            model = models[registry.version.id]
            assert dict(registry.state) == model
            expected = await fresh(model)
            assert not isinstance(expected, Error), f"accepted, though it cannot be started: {expected}"
            found = holdings(runtime.node)
            for part in expected:
                assert found[part] == expected[part], part


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 40, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_what_is_live_equals_a_fresh_start_after_every_step(steps: list[Any]) -> None:
    asyncio.run(scenario(steps))
