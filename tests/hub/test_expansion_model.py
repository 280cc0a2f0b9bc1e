"""Random changes of dependencies, undone and redone, against what must always hold (spec 01 §11)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from cli.program import write
from hub.served import Served
from hub.test_expansion import LOCK, everything
from wippy import Runtime
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.core.semver import Constraint, Version
from wippy.hub.credentials import Token
from wippy.registry.changes import Create, Delete, Operation, Update
from wippy.registry.entry import Entry, entry
from wippy.registry.registry import Registry

UNIVERSE: dict[str, dict[str, dict[str, str]]] = {
    "a": {"1.0.0": {"c": "^1"}, "1.1.0": {"c": "^1"}, "2.0.0": {"c": "^2"}},
    "b": {"1.0.0": {"c": ">=1.1"}, "2.0.0": {"a": "^1", "c": "*"}},
    "c": {"1.0.0": {}, "1.1.0": {}, "2.0.0": {}},
}
CONSTRAINTS = ["*", "^1", "^2", "1.0.0", "^3"]
STEPS = 12


@pytest.fixture
def offered(hub: Served, token: Token) -> Served:
    for name, versions in UNIVERSE.items():
        for version, needs in versions.items():
            ns = f"acme.{name}"
            targets = [{"entry": "list", "path": ".tags+="}, {"entry": "x", "path": ".meta.given"}]
            made = [
                entry(f"{ns}:list", "registry.entry", {"tags": ["own"]}),
                entry(f"{ns}:value", "ns.requirement", {"targets": targets, "default": "none"}),
                entry(f"{ns}:only.{version}", "registry.entry", {}),
            ]
            wanted = {f"acme/{other}": constraint for other, constraint in needs.items()}
            hub.offer(token, f"acme/{name}", version, entries=made, needs=wanted)
    return hub


def dependency(name: str, constraint: str, value: str) -> Entry:
    parameters = [{"name": "value", "value": value}] if value else []
    data = {"component": f"acme/{name}", "version": constraint, "parameters": parameters}
    return entry(f"app:{name}", "ns.dependency", data)


def random_change(source: random.Random, registry: Registry) -> list[Operation]:
    name = source.choice(list(UNIVERSE))
    wanted = dependency(name, source.choice(CONSTRAINTS), source.choice(["", "x", "y"]))
    if registry.get(wanted.id) is None:
        return [Create(wanted)]
    return [Delete(wanted.id)] if source.random() < 0.3 else [Update(wanted)]


def installed(registry: Registry) -> dict[str, str]:
    return {
        str(each.meta["module"]).partition("/")[2]: str(each.meta["module_version"])
        for each in registry.state.values()
        if "module" in each.meta
    }


def check(registry: Registry) -> None:
    """Every declared module is there in a version that fits, with what it needs, its own entries, its parameters, and
    nothing else is."""
    there, reached = installed(registry), set[str]()
    roots = [each for each in registry.state.values() if each.kind == "ns.dependency" and "module" not in each.meta]
    waiting = [(each.id.name, each.data["version"]) for each in roots]
    while waiting:
        name, constraint = waiting.pop()
        assert Constraint(constraint).allows(Version.parse(there[name])), (name, constraint, there)
        if name not in reached:
            reached.add(name)
            waiting += UNIVERSE[name][there[name]].items()
    assert reached == there.keys()
    for name, version in there.items():
        names = {each.id.name for each in registry.state.namespace(f"acme.{name}") if each.id.name.startswith("only.")}
        assert names == {f"only.{version}"}
        root = next((each for each in roots if each.id.name == name), None)
        given = root.data["parameters"][0]["value"] if root and root.data["parameters"] else "none"
        assert registry.state[EntryId(f"acme.{name}", "list")].data["tags"] == ["own", given]
        assert registry.state[EntryId(f"acme.{name}", "x")].meta["given"] == given


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_modules_are_those_of_the_version(
    tmp_path: Path, offered: Served, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("WIPPY_REGISTRY", offered.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    app = tmp_path / "app"
    write(app, **{"wippy.lock": LOCK, "src/_index.yaml": "namespace: app\nentries: []\n"})
    settings = ("registry.history_type=sqlite", f"registry.history_path={app}/history.db")
    source = random.Random(seed)
    seen: dict[int, dict[str, Any]] = {}
    outcomes: list[str] = []

    async def step(registry: Registry) -> None:
        before, version = everything(registry), registry.version.id
        if len(seen) > 1 and source.random() < 0.3:
            target = source.choice(sorted(seen))
            await registry.apply_version(target)
            assert everything(registry) == seen[target]
            outcomes.append("went")
            return
        try:
            await registry.apply(random_change(source, registry))
            outcomes.append("changed")
        except Error as error:
            assert "dependency resolution failed" in error.message
            assert everything(registry) == before and registry.version.id == version
            outcomes.append("refused")
        seen[registry.version.id] = everything(registry)

    async def life(steps: int) -> dict[str, Any]:
        async with Runtime(app, settings=settings) as runtime:
            registry = runtime.node.registry
            if seen:
                assert everything(registry) == seen[registry.version.id]
            seen.setdefault(0, everything(registry))
            for _ in range(steps):
                await step(registry)
                check(registry)
            return everything(registry)

    for _ in range(3):
        last = asyncio.run(life(STEPS))
    offered.kill()  # a start asks nobody
    assert asyncio.run(life(0)) == last
    assert {"changed", "refused", "went"} <= set(outcomes)
