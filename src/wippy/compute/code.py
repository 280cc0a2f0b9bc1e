"""Guest code of a node: Lua entries, compiled once per version, and what a shard needs to run them (spec 02 §10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from wippy.compute.lifecycle import Security
from wippy.core.errors import Error, already_exists, conflict, invalid, not_found
from wippy.core.ids import EntryId
from wippy.lua.cache import ChunkCache
from wippy.lua.chunk import Compiled


@dataclass(slots=True)
class Unit:
    """One Lua entry: its source and what it imports. `version` grows with every change of the node's code."""

    id: str
    source: str
    method: str = ""
    modules: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    pool: dict[str, Any] | None = None
    call_host: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] | None = None
    security: Security | None = None
    command_security: Security | None = None
    version: int = 0
    chunk: Compiled | None = None

    def compiled(self) -> Compiled:
        """The emitted chunk."""
        assert self.chunk is not None, "a unit is compiled when it is put into the store"
        return self.chunk


def compile_source(source: bytes, name: str) -> Compiled:
    """`source` compiled. Raises Error(Invalid) whose message is the rendered diagnostic."""
    from wippy.lua.compile import compile_chunk
    from wippy.lua.syntax.errors import LuaSyntaxError

    try:
        return compile_chunk(source, name)
    except LuaSyntaxError as e:
        raise invalid(e.render()) from None


class CodeStore:
    """All Lua entries of a node. Changing one tells the shards which definitions to forget."""

    def __init__(
        self, known_module: Callable[[str], bool], invalidate: Callable[[str, str], None], cache: ChunkCache
    ) -> None:
        self._units: dict[str, Unit] = {}
        self._importers: dict[str, set[str]] = {}
        self._unchecked: set[str] = set()
        self._known_module = known_module
        self._invalidate = invalidate
        self.cache = cache
        self._version = 0

    def get(self, entry_id: str) -> Unit | None:
        return self._units.get(entry_id)

    def put(self, unit: Unit) -> None:
        """Adds or replaces a unit. Raises Error(Invalid) for a syntax error or an import cycle, Error(NotFound) for a
        missing import or module, Error(Conflict) when one alias would name two things; then nothing has changed."""
        unit.chunk = self._compiled(unit)
        for name in unit.modules.values():
            if not self._known_module(name):
                raise not_found(f'module "{name}" does not exist: node with ID {name} not found', id=name)
        previous = self._units.get(unit.id)
        self._units[unit.id] = unit
        try:
            self._check(unit)
        except Error:
            if previous is None:
                del self._units[unit.id]
            else:
                self._units[unit.id] = previous
            raise
        self._link(previous, unit)
        self._version += 1
        unit.version = self._version
        users = list(self._users(unit.id))
        if previous is not None and (previous.imports, previous.modules) != (unit.imports, unit.modules):
            self._unchecked.update(users)
        for user in users:
            self._invalidate(user, unit.id)

    def _compiled(self, unit: Unit) -> Compiled:
        source = unit.source.encode("utf-8", "surrogateescape")
        chunk = self.cache.get(unit.id, source)
        if chunk is None:
            chunk = compile_source(source, unit.id)
            self.cache.put(unit.id, source, chunk)
        return chunk

    def remove(self, entry_id: str) -> None:
        """Removes a unit; `check_users` says whether it may be missing."""
        self._link(self._units.pop(entry_id, None), None)
        self._unchecked.add(entry_id)
        self._invalidate(entry_id, entry_id)

    def _link(self, previous: Unit | None, unit: Unit | None) -> None:
        """Who imports what, after `previous` has given way to `unit`."""
        if previous is not None:
            for target in previous.imports.values():
                importers = self._importers[target]
                importers.discard(previous.id)
                if not importers:
                    del self._importers[target]
        if unit is not None:
            for target in unit.imports.values():
                self._importers.setdefault(target, set()).add(unit.id)

    def check_users(self) -> None:
        """To be called once a group of changes is complete: whether everything that imports a changed unit still can.
        Raises Error(Conflict) when a removed unit is still imported, or an alias would name two things now."""
        waiting, self._unchecked = self._unchecked, set()
        for entry_id in sorted(waiting):
            users = self._importers.get(entry_id)
            if entry_id in self._units:
                try:
                    self._closure(self._units[entry_id])
                except Error as e:
                    raise e.within(entry_id) from None
            elif users:
                raise conflict(f"cannot remove node {entry_id}: imported by {', '.join(sorted(users))}")

    def _check(self, unit: Unit) -> None:
        for alias, target in unit.imports.items():
            if target not in self._units:
                raise not_found(f'node with ID {target} not found (import "{alias}")', id=target)
        self._closure(unit)

    def _users(self, entry_id: str) -> Iterator[str]:
        """The entry and everything that imports it, directly or not."""
        reached, waiting = {entry_id}, [entry_id]
        while waiting:
            current = waiting.pop()
            yield current
            for importer in self._importers.get(current, ()):
                if importer not in reached:
                    reached.add(importer)
                    waiting.append(importer)

    def _closure(self, unit: Unit) -> tuple[dict[str, str], list[tuple[str, Unit]]]:
        """Modules by alias, and libraries with their aliases, deepest first, of everything `unit` needs."""
        modules: dict[str, str] = {}
        libraries: dict[str, Unit] = {}
        path: list[str] = []

        def bind(alias: str, target: str) -> None:
            taken = modules.get(alias) or (libraries[alias].id if alias in libraries else None)
            if taken is not None and taken != target:
                raise conflict(f"alias '{alias}' collision: {taken} and {target}")

        def visit(current: Unit) -> None:
            if current.id in path:
                cycle = " -> ".join([*path[path.index(current.id) :], current.id])
                raise invalid(f"adding dependency would create a cycle: {cycle}")
            path.append(current.id)
            for alias, name in current.modules.items():
                bind(alias, name)
                modules[alias] = name
            for alias, target in current.imports.items():
                library = self._units.get(target)
                if library is None:
                    raise not_found(f"node with ID {target} not found")
                bind(alias, target)
                if alias not in libraries:
                    visit(library)
                    libraries[alias] = library
            path.pop()

        visit(unit)
        return modules, list(libraries.items())

    def definition(self, entry_id: str) -> dict[str, Any]:
        """What a shard needs to run the entry. Raises Error(NotFound) when there is no such function or process."""
        unit = self._units.get(entry_id)
        if unit is None or not unit.method:
            raise not_found(f"process {entry_id} not found")
        return self._described(unit)

    def library(self, entry_id: str) -> dict[str, Any]:
        """What a shard needs to run a library. Raises Error(NotFound) when there is none of this id."""
        unit = self._units.get(entry_id)
        if unit is None or unit.method:
            raise not_found(f"library {entry_id} not found")
        return self._described(unit)

    def _described(self, unit: Unit) -> dict[str, Any]:
        modules, libraries = self._closure(unit)
        return {
            "id": unit.id,
            "version": unit.version,
            "method": unit.method,
            "code": unit.compiled().code,
            "types": unit.compiled().types,
            "modules": modules,
            "libraries": [
                {
                    "alias": alias,
                    "id": library.id,
                    "version": library.version,
                    "code": library.compiled().code,
                    "types": library.compiled().types,
                }
                for alias, library in libraries
            ],
            "pool": unit.pool,
            "call_host": unit.call_host,
            "options": unit.options or None,
            "limits": unit.limits,
            "secured": unit.security is not None,
        }


def split_imports(imports: dict[str, str], modules: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """`modules` and `imports` of an entry as alias -> module name and alias -> entry id.

    An import without a namespace, or with an empty one, is a host module under another name (spec 01 §22). Raises
    Error(Invalid) for an empty or qualified name, Error(AlreadyExists) for a target named twice, Error(Conflict) when
    one alias would name two targets (spec 02 §10).
    """
    by_alias: dict[str, str] = {}
    entries: dict[str, str] = {}

    def bind(alias: str, target: str, table: dict[str, str]) -> None:
        if target in by_alias.values() or target in entries.values():
            raise already_exists(f'"{target}" is imported twice')
        taken = by_alias.get(alias) or entries.get(alias)
        if taken is not None:
            raise conflict(f"alias '{alias}' collision: {taken} and {target}")
        table[alias] = target

    for name in modules:
        if not name:
            raise invalid("module name cannot be empty")
        if ":" in name:
            raise invalid(f'module cannot have a namespace: "{name}"')
        bind(name, name, by_alias)
    for alias, target in imports.items():
        if not alias:
            raise invalid("import alias cannot be empty")
        ns, name = EntryId.parse(target)
        if not name:
            raise invalid(f'import name cannot be empty (import "{alias}")')
        bind(alias, target if ns else name, entries if ns else by_alias)
    return by_alias, entries
