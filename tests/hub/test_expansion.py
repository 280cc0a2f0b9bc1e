"""Dependencies that come, change and go while the application runs (spec 01 §11)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from apps.program import free_port
from cli.program import write
from hub.served import Served
from wippy import Runtime
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.hub.credentials import Token
from wippy.hub.graph import GRAPH
from wippy.registry.changes import Create, Delete, Operation, Update
from wippy.registry.entry import Entry, entry
from wippy.registry.registry import Registry

T = TypeVar("T")
Work = Callable[[Runtime], Awaitable[T]]

LOCK = "directories: {modules: .wippy, src: ./src}\n"
APP = "namespace: app\nentries:\n  - {name: own, kind: registry.entry}\n  - {name: other, kind: registry.entry}\n"
CODE = "local function main() return '%s' end\nreturn { main = main }\n"


@pytest.fixture
def app(tmp_path: Path, hub: Served, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIPPY_REGISTRY", hub.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path / "app", **{"wippy.lock": LOCK, "src/_index.yaml": APP})
    return tmp_path / "app"


def using(app: Path, work: Work[T], *settings: str) -> T:
    async def session() -> T:
        async with Runtime(app, settings=settings) as runtime:
            return await asyncio.wait_for(work(runtime), 30)

    return asyncio.run(session())


def module(hub: Served, token: Token, version: str, name: str = "acme/http", **made: Any) -> None:
    """A function that says its version, and a place for a parameter."""
    ns = name.replace("/", ".")
    targets = [{"entry": "f", "path": ".meta.router"}, {"entry": "list", "path": ".tags+="}]
    entries = [
        entry(f"{ns}:router", "ns.requirement", {"targets": targets, "default": "none"}),
        entry(f"{ns}:f", "function.lua", {"source": CODE % version, "method": "main"}),
        entry(f"{ns}:list", "registry.entry", {"tags": ["own"]}),
        *made.pop("entries", []),
    ]
    hub.offer(token, name, version, entries=entries, **made)


def dependency(version: str = "*", component: str = "acme/http", name: str = "dep", **parameters: str) -> Entry:
    given = [{"name": key, "value": value} for key, value in parameters.items()]
    return entry(f"app:{name}", "ns.dependency", {"component": component, "version": version, "parameters": given})


def create(*entries: Entry) -> list[Operation]:
    return [Create(each) for each in entries]


def update(*entries: Entry) -> list[Operation]:
    return [Update(each) for each in entries]


DELETE: list[Operation] = [Delete(EntryId("app", "dep"))]


def owned(registry: Registry) -> dict[str, str]:
    """The versions of the modules whose entries are there."""
    return {
        str(each.meta["module"]): str(each.meta["module_version"])
        for each in registry.state.values()
        if "module" in each.meta
    }


def everything(registry: Registry) -> dict[str, Any]:
    return {str(key): (each.kind, each.meta, each.data) for key, each in registry.state.items()}


def meta(registry: Registry, entry_id: str, field: str) -> Any:
    found = registry.get(EntryId.parse(entry_id))
    assert found is not None
    return found.meta.get(field)


async def refused(registry: Registry, operations: list[Operation]) -> Error:
    with pytest.raises(Error) as caught:
        await registry.apply(operations)
    return caught.value


def test_a_dependency_brings_the_module_and_what_it_needs(app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.2.0")
    module(hub, token, "1.0.0", needs={"acme/base": "^1"})

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        await registry.apply(create(dependency(router="app:r")))
        assert owned(registry) == {"acme/http": "1.0.0", "acme/base": "1.2.0"}
        assert meta(registry, "acme.http:f", "router") == "app:r"
        assert await runtime.call("acme.http:f") == "1.0.0"
        recorded = (await registry.history.between(registry.history.version(0), registry.version)).operations
        assert [str(operation.id) for operation in recorded] == ["app:dep", str(GRAPH)]

    using(app, work)
    assert sorted(path.name for path in (app / ".wippy/vendor/acme").iterdir()) == [
        "base-1.2.0.wapp",
        "http-1.0.0.wapp",
    ]
    assert (app / "wippy.lock").read_text() == LOCK


def test_versions_and_parameters_change_in_place_and_every_step_can_be_undone(
    app: Path, hub: Served, token: Token
) -> None:
    module(hub, token, "1.0.0")
    module(hub, token, "2.0.0", entries=[entry("acme.http:new", "registry.entry", {})])
    steps = [
        create(dependency("^1", router="app:a")),
        update(dependency("^2", router="app:a")),
        update(dependency("^2", router="app:b")),
        update(dependency("^1")),
        DELETE,
    ]

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        seen = [everything(registry)]
        for step in steps:
            await registry.apply(step)
            seen.append(everything(registry))
        versions = [state["acme.http:f"][1]["module_version"] for state in seen[1:5]]
        routers = [state["acme.http:f"][1]["router"] for state in seen[1:5]]
        tags = [state["acme.http:list"][2]["tags"] for state in seen[1:5]]
        assert versions == ["1.0.0", "2.0.0", "2.0.0", "1.0.0"]
        assert routers == ["app:a", "app:a", "app:b", "none"]
        assert tags == [["own", "app:a"], ["own", "app:a"], ["own", "app:b"], ["own", "none"]]
        assert ["acme.http:new" in state for state in seen] == [False, False, True, True, False, False]
        assert seen[5] == seen[0]
        hub.kill()  # what was here once is found here again
        for target in (4, 3, 2, 1, 0, 2, 0, 4, 1, 3):
            await registry.apply_version(target)
            assert everything(registry) == seen[target], target
            if target:
                assert await runtime.call("acme.http:f") == versions[target - 1]

    using(app, work)


def test_a_restart_replays_the_graph_without_asking_a_hub(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0")
    history = ("registry.history_type=sqlite", f"registry.history_path={app}/history.db")

    async def first(runtime: Runtime) -> dict[str, Any]:
        await runtime.node.registry.apply(create(dependency(router="app:r")))
        return everything(runtime.node.registry)

    before = using(app, first, *history)
    module(hub, token, "1.1.0")
    hub.kill()

    async def second(runtime: Runtime) -> None:
        registry = runtime.node.registry
        assert everything(registry) == before
        assert await runtime.call("acme.http:f") == "1.0.0"
        await registry.apply_version(0)
        assert owned(registry) == {}

    using(app, second, *history)


def test_what_has_nothing_to_do_with_a_change_keeps_its_version(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0")
    module(hub, token, "1.0.0", "acme/sql")

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        await registry.apply(create(dependency()))
        await asyncio.to_thread(module, hub, token, "1.1.0")
        await registry.apply(create(dependency("*", "acme/sql", "sql")))
        assert owned(registry) == {"acme/http": "1.0.0", "acme/sql": "1.0.0"}
        await registry.apply(update(dependency("*", router="app:r")))
        assert owned(registry)["acme/http"] == "1.0.0"
        await registry.apply([Delete(EntryId("app", "sql"))])
        assert owned(registry) == {"acme/http": "1.0.0"}

    using(app, work)


def test_removing_a_dependency_leaves_what_others_need(app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.0.0")
    for name in ("http", "sql"):
        module(hub, token, "1.0.0", f"acme/{name}", needs={"acme/base": "^1"})

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        await registry.apply(create(dependency(), dependency("*", "acme/sql", "sql")))
        await registry.apply(DELETE)
        assert owned(registry) == {"acme/sql": "1.0.0", "acme/base": "1.0.0"}
        await registry.apply([Delete(EntryId("app", "sql"))])
        assert owned(registry) == {} and registry.get(GRAPH) is None

    using(app, work)


def test_modules_of_the_lock_stay_unless_they_lose_their_last_user(app: Path, hub: Served, token: Token) -> None:
    from cli.test_module_verbs import declare
    from wippy.hub.client import HubClient
    from wippy.hub.workspace import Workspace
    from wippy.project.config import Config

    module(hub, token, "1.0.0")
    hub.offer(token, "acme/loose", "1.0.0")
    declare(app, http="*")

    async def prepare() -> None:
        async with HubClient(hub.url) as client:
            workspace = Workspace(app / "wippy.lock", Config(), client)
            await workspace.add(["acme/http", "acme/loose"])
            await workspace.install()

    asyncio.run(prepare())
    module(hub, token, "1.1.0")

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        before = everything(registry)
        assert owned(registry) == {"acme/http": "1.0.0", "acme/loose": "1.0.0"}
        await registry.apply(create(dependency("*", "wippy/terminal", "terminal")))
        assert owned(registry).keys() == {"acme/http", "acme/loose", "wippy/terminal"}
        await registry.apply([Delete(EntryId("app", "dep.http"))])
        assert owned(registry).keys() == {"acme/loose", "wippy/terminal"}
        await registry.apply_version(0)
        assert everything(registry) == before

    using(app, work)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (dependency("^9"), "no version of acme/http fits\n  app:dep wants ^9\n  there is 1.0.0"),
        (dependency("*", "acme/nope"), "module acme/nope was not found"),
        (dependency("newest version"), "is not a version constraint"),
        (entry("app:dep", "ns.dependency", {"component": "nope"}), "component must be org/module"),
        (entry("app:dep", "ns.dependency", {}), "failed to decode dependency"),
    ],
)
def test_a_dependency_that_cannot_be_had_changes_nothing(
    app: Path, hub: Served, token: Token, wanted: Entry, reason: str
) -> None:
    module(hub, token, "1.0.0")

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        before, version = everything(registry), registry.version
        error = await refused(registry, create(wanted, entry("app:new", "registry.entry", {})))
        assert error.kind == "Conflict" and "dependency resolution failed" in error.message and reason in error.message
        assert error.details is not None and error.details["count"] == 1 and error.details["summary"]
        assert everything(registry) == before and registry.version == version

    using(app, work)


def test_a_hub_that_cannot_be_reached_changes_nothing(app: Path, hub: Served) -> None:
    hub.kill()

    async def work(runtime: Runtime) -> None:
        error = await refused(runtime.node.registry, create(dependency()))
        assert error.kind == "Conflict" and "cannot be reached" in error.message
        assert owned(runtime.node.registry) == {}

    using(app, work)


def test_entries_that_belong_to_somebody_else_are_a_conflict(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0", entries=[entry("app:own", "registry.entry", {})])

    async def work(runtime: Runtime) -> None:
        error = await refused(runtime.node.registry, create(dependency()))
        assert "entry app:own of module acme/http exists already: it belongs to the application" in error.message
        assert owned(runtime.node.registry) == {}

    using(app, work)


def test_the_same_component_as_a_second_root_is_a_conflict(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0")

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        await registry.apply(create(dependency()))
        error = await refused(registry, create(dependency(name="again")))
        assert error.kind == "Conflict" and "declared by app:again and app:dep" in error.message
        assert registry.get(EntryId("app", "again")) is None

    using(app, work)


def test_requirements_of_what_comes_must_be_met(app: Path, hub: Served, token: Token) -> None:
    open_ = entry("acme.http:needed", "ns.requirement", {"targets": [{"entry": "list", "path": ".needed"}]})
    module(hub, token, "1.0.0", entries=[open_])

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        error = await refused(registry, create(dependency()))
        assert "unresolved requirements: requirement acme.http:needed has no value" in error.message
        await registry.apply(create(dependency(needed="yes")))
        assert registry.state[EntryId("acme.http", "list")].data["needed"] == "yes"

    using(app, work)


def test_a_module_that_a_handler_rejects_changes_nothing(app: Path, hub: Served, token: Token) -> None:
    broken = entry("acme.http:broken", "function.lua", {"source": "return (", "method": "main"})
    module(hub, token, "1.0.0")
    module(hub, token, "1.1.0", entries=[broken])

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        await registry.apply(create(dependency("1.0.0")))
        before = everything(registry)
        with pytest.raises(Error):
            await registry.apply(update(dependency("1.1.0")))
        assert everything(registry) == before and await runtime.call("acme.http:f") == "1.0.0"

    using(app, work)


def test_overrides_and_disables_of_the_configuration_count(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0")

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        runtime.node.config.leaves.update(
            {
                "override.acme.http:f:meta.router": "forced",
                "disable.entries": ["acme.http:definition"],
            }
        )
        await registry.apply(create(dependency(router="app:r")))
        assert meta(registry, "acme.http:f", "router") == "forced"
        assert registry.get(EntryId("acme.http", "definition")) is None

    using(app, work)


def test_files_of_a_module_follow_its_version(app: Path, hub: Served, token: Token) -> None:
    show = """
        local fs = require("fs")
        local function main() return fs.get("acme.http:static"):readfile("v.txt") end
        return { main = main }
    """
    for version in ("1.0.0", "2.0.0"):
        entries = [
            entry("acme.http:static", "fs.embed", {}),
            entry("acme.http:show", "function.lua", {"source": show, "method": "main", "modules": ["fs"]}),
        ]
        module(hub, token, version, entries=entries, files={"v.txt": version.encode()})

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        for wanted in ("1.0.0", "2.0.0"):
            await registry.apply([*(create if wanted == "1.0.0" else update)(dependency(wanted))])
            assert await runtime.call("acme.http:show") == wanted
        await registry.apply_version(1)
        assert await runtime.call("acme.http:show") == "1.0.0"
        await registry.apply_version(2)
        assert await runtime.call("acme.http:show") == "2.0.0"

    using(app, work)


def test_framework_packs_come_and_go_without_a_hub(app: Path, hub: Served) -> None:
    hub.kill()

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        await registry.apply(create(dependency("*", "wippy/terminal")))
        assert registry.get(EntryId("wippy.terminal", "host")) is not None
        await registry.apply(DELETE)
        assert registry.get(EntryId("wippy.terminal", "host")) is None

    using(app, work)


def test_limits_of_time(app: Path, hub: Served, token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    module(hub, token, "1.0.0")

    async def slow(*_: Any) -> Any:
        await asyncio.sleep(30)

    monkeypatch.setattr("wippy.hub.sources.HubSource.releases", slow)

    async def work(runtime: Runtime) -> None:
        error = await refused(runtime.node.registry, create(dependency()))
        assert "resolving dependencies took longer than 0.1s" in error.message

    using(app, work, "registry.dependency_resolve_timeout=100ms")


def test_a_vendor_directory_of_ones_own(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0")

    async def work(runtime: Runtime) -> None:
        await runtime.node.registry.apply(create(dependency()))

    using(app, work, "registry.dependency_vendor_dir=deps/vendor")
    assert (app / "deps/vendor/acme/http-1.0.0.wapp").is_file() and not (app / ".wippy/vendor").exists()


def test_a_guest_installs_a_module_whose_endpoint_answers_at_once(app: Path, hub: Served, token: Token) -> None:
    port = free_port()
    handler = """
        local http = require("http")
        local function main() http.response():write_json({ v = "%s" }) end
        return { main = main }
    """
    for version in ("1.0.0", "2.0.0"):
        entries = [
            entry(
                "acme.http:handler",
                "function.lua",
                {"source": handler % version, "method": "main", "modules": ["http"]},
            ),
            entry("acme.http:route", "http.endpoint", {"method": "GET", "path": "/v", "func": "handler"}),
            entry("acme.http:gate", "ns.requirement", {"targets": [{"entry": "route", "path": ".meta.router"}]}),
        ]
        module(hub, token, version, entries=entries)
    index = f"""
        namespace: app
        entries:
          - {{ name: web, kind: http.service, addr: "127.0.0.1:{port}", lifecycle: {{ auto_start: true }} }}
          - {{ name: api, kind: http.router, meta: {{ server: web }}, prefix: /api }}
          - {{ name: admin, kind: http.router, meta: {{ server: web }}, prefix: /admin }}
          - name: change
            kind: function.lua
            modules: [registry]
            method: main
            source: |
              local registry = require("registry")
              local function main(op, version, router)
                local changes = registry.snapshot():changes()
                local found, err
                if op == "rollback" then return registry.apply_version(registry.current_version():previous()) end
                changes[op](changes, {{ id = "app:dep", kind = "ns.dependency", data = {{ component = "acme/http",
                  version = version, parameters = {{ {{ name = "gate", value = router }} }} }} }})
                found, err = changes:apply()
                if err then return {{ kind = err:kind(), text = tostring(err) }} end
                return found:id()
              end
              return {{ main = main }}
    """
    write(app, **{"src/_index.yaml": index})

    async def work(runtime: Runtime) -> None:
        from apps.program import ask

        async def get(path: str) -> Any:
            answer = await asyncio.to_thread(ask, port, "GET", path)
            return answer.json["v"] if answer.status == 200 else answer.status

        assert await runtime.call("app:change", "create", "^1", "app:api") == 1
        assert await get("/api/v") == "1.0.0"
        assert await runtime.call("app:change", "update", "^2", "app:admin") == 2
        assert (await get("/admin/v"), await get("/api/v")) == ("2.0.0", 404)
        failed = await runtime.call("app:change", "update", "^3", "app:api")
        assert failed["kind"] in ("Conflict", "Internal") and "dependency resolution failed" in failed["text"]
        assert await get("/admin/v") == "2.0.0"
        assert await runtime.call("app:change", "rollback") is True
        assert (await get("/admin/v"), await get("/api/v")) == (404, "1.0.0")

    using(app, work)


def test_a_version_that_the_lock_knows_by_another_digest_is_refused(app: Path, hub: Served, token: Token) -> None:
    module(hub, token, "1.0.0")
    known = f"modules: [{{name: acme/http, version: 1.0.0, hash: {'a' * 64}}}]\n"

    async def work(runtime: Runtime) -> None:
        (app / "wippy.lock").write_text(LOCK + known)
        error = await refused(runtime.node.registry, create(dependency()))
        assert "knows acme/http 1.0.0 by another digest" in error.message

    using(app, work)
    assert not (app / ".wippy/vendor").exists()


MODULE = """
    namespace: acme.http
    entries:
      - { name: f, kind: registry.entry }
      - { name: list, kind: registry.entry, tags: [own] }
      - name: router
        kind: ns.requirement
        targets: [{ entry: f, path: .meta.router }, { entry: list, path: .tags+= }]
"""
DECLARED = """
    namespace: app
    entries:
      - { name: dep, kind: ns.dependency, component: acme/http, parameters: [{ name: router, value: a }] }
"""


@pytest.mark.parametrize("form", ["replacement", "directory"])
def test_parameters_of_a_module_in_a_directory_change_without_a_hub(app: Path, hub: Served, form: str) -> None:
    hub.kill()
    place = {"replacement": "dev/src", "directory": ".wippy/vendor/acme/http"}[form]
    files = {"src/_index.yaml": DECLARED, f"{place}/_index.yaml": MODULE}
    if form == "replacement":
        files[".wippy.yaml"] = 'version: "1.0"\nworkspace: { replacements: { acme/http: ./dev } }\n'
    else:
        files["wippy.lock"] = LOCK + "modules: [{ name: acme/http, version: 1.0.0 }]\n"
    write(app, **files)

    async def work(runtime: Runtime) -> None:
        registry = runtime.node.registry
        before = everything(registry)
        assert meta(registry, "acme.http:f", "router") == "a"
        await registry.apply(update(dependency("", router="b")))
        assert meta(registry, "acme.http:f", "router") == "b"
        assert registry.state[EntryId("acme.http", "list")].data["tags"] == ["own", "b"]
        await registry.apply_version(0)
        assert everything(registry) == before
        if form == "directory":
            await registry.apply(DELETE)
            assert registry.get(EntryId("acme.http", "f")) is None
            await registry.apply_version(0)
            assert everything(registry) == before

    using(app, work)
