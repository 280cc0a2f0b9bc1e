"""Which modules a running application has, as its entries tell, and what its versions remember of them (spec 01 §11).

A version that changes the modules holds one entry, `wippy.registry:dependencies`, with the version and the digest of
every module: going back to it, or starting from it, asks no hub what fits. It also holds what the application wants of
which module, so that it changes whenever that does, also when the same versions are the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from wippy.core.errors import conflict, invalid
from wippy.core.ids import EntryId
from wippy.hub.resolver import Wish
from wippy.project.linking import Dependency, decode_dependency
from wippy.registry.changes import ChangeSet, Delete
from wippy.registry.entry import Entry

GRAPH = EntryId("wippy.registry", "dependencies")
ABOUT = {"comment": "The modules of this version; kept by the runtime."}


class Chosen(msgspec.Struct, frozen=True):
    """One module of a graph; a framework pack has no hash."""

    version: str
    hash: str = ""


Modules = dict[str, Chosen]


class Running(msgspec.Struct, frozen=True):
    """A module of a state: its version, None when a directory stands for it, and what it depends on."""

    version: str | None
    needs: tuple[tuple[str, str], ...]


def touches_modules(state: Mapping[EntryId, Entry], changes: ChangeSet) -> bool:
    """Whether a change set changes what the application depends on."""
    for operation in changes:
        entries = [state.get(operation.id), None if isinstance(operation, Delete) else operation.entry]
        if operation.id == GRAPH or any(entry is not None and is_root(entry) for entry in entries):
            return True
    return False


def is_root(entry: Entry) -> bool:
    """Whether it is a dependency of the application itself."""
    return entry.kind == "ns.dependency" and "module" not in entry.meta


def owner(entry: Entry) -> str | None:
    """The module that an entry belongs to."""
    module = entry.meta.get("module")
    return module if isinstance(module, str) else None


def roots(state: Mapping[EntryId, Entry], *, strict: bool = True) -> dict[str, Dependency]:
    """The dependencies of the application, by module. Raises Error(Conflict) for a module that is declared twice, which
    files may do; without `strict` the first one counts."""
    found: dict[str, Dependency] = {}
    for entry in sorted(filter(is_root, state.values()), key=lambda entry: entry.id):
        dependency = decode_dependency(entry)
        earlier = found.setdefault(dependency.data.component, dependency)
        if earlier is not dependency and strict:
            both = f"{earlier.entry.id} and {entry.id}"
            raise conflict(f"component {dependency.data.component} is declared by {both}")
    return found


def wanted_by(dependencies: Mapping[str, Dependency]) -> dict[str, str]:
    """What is wanted of each module."""
    return {name: each.data.version for name, each in dependencies.items()}


def wishes_of(dependencies: Mapping[str, Dependency]) -> list[Wish]:
    return [Wish(name, each.data.version, str(each.entry.id)) for name, each in dependencies.items()]


def running(state: Mapping[EntryId, Entry]) -> dict[str, Running]:
    """The modules that entries of `state` belong to."""
    versions: dict[str, str | None] = {}
    needs: dict[str, list[tuple[str, str]]] = {}
    for entry in state.values():
        module = owner(entry)
        if module is None:
            continue
        version = entry.meta.get("module_version")
        versions[module] = version if isinstance(version, str) else versions.get(module)
        if entry.kind == "ns.dependency":
            data = decode_dependency(entry).data
            needs.setdefault(module, []).append((data.component, data.version))
    return {name: Running(version, tuple(sorted(needs.get(name, ())))) for name, version in versions.items()}


def reachable(names: Iterable[str], modules: Mapping[str, Running]) -> set[str]:
    """`names` and every module that they need, directly or not."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if name in modules:
            waiting += [module for module, _ in modules[name].needs]
    return found


def graph_entry(modules: Modules, wanted: Mapping[str, str]) -> Entry:
    """wanted: what the application wants of the modules it declares."""
    data = {
        "modules": {name: msgspec.to_builtins(modules[name]) for name in sorted(modules)},
        "wanted": dict(sorted(wanted.items())),
    }
    return Entry(GRAPH, "registry.entry", ABOUT, data)


def graph_of(entry: Entry | None) -> Modules | None:
    """The modules that a graph entry names; None without one. Raises Error(Invalid)."""
    if entry is None:
        return None
    data: Any = entry.data
    try:
        return msgspec.convert(data.get("modules") if isinstance(data, dict) else None, Modules)
    except msgspec.ValidationError as error:
        raise invalid(f"{GRAPH} is damaged: {error}") from None


def graph_of_state(modules: Mapping[str, Running], known: Mapping[str, Chosen]) -> Modules:
    """The graph that the modules of a state are. known: digests, where versions agree."""
    found: Modules = {}
    for name, module in modules.items():
        if module.version is not None:
            earlier = known.get(name)
            same = earlier is not None and earlier.version == module.version
            found[name] = earlier if same and earlier is not None else Chosen(module.version)
    return found
