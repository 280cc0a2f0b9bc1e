"""Entries of Lua code as the linter and the language server see them: source, modules, imports. Nothing runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wippy.compute.code import split_imports
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.lua.lint.rules import LintEntry
from wippy.lua.modules.catalog import Catalog, load
from wippy.lua.modules.declare import Module
from wippy.lua.modules.libraries import BUILT_IN
from wippy.lua.modules.reference import TABLES
from wippy.registry.entry import Entry

KINDS = ("function.lua", "library.lua", "process.lua", "workflow.lua")

Lookup = Callable[[str], Entry | None]
"""An entry by the text of its id."""


def is_code(entry: Entry) -> bool:
    """Whether the entry has Lua source."""
    return entry.kind.startswith(KINDS) and isinstance(entry.data, dict) and isinstance(entry.data.get("source"), str)


def is_compiled(entry: Entry) -> bool:
    """Whether the entry is compiled code out of a pack: it counts and is not looked at."""
    return entry.kind.startswith(KINDS) and entry.kind.endswith(".bc")


def source_of(entry: Entry) -> bytes:
    text: str = entry.data["source"]
    return text.encode("utf-8", "surrogateescape")


def imports_of(entry: Entry) -> Mapping[str, str]:
    """`imports` as it is written, other than texts left out."""
    found = entry.data.get("imports")
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def needs_of(entry: Entry) -> tuple[dict[str, str], dict[str, str]]:
    """Modules and imports by alias. Raises Error when a name is empty, qualified, or taken twice."""
    listed = entry.data.get("modules") or []
    return split_imports(dict(imports_of(entry)), [m for m in listed if isinstance(m, str)])


class _DeclarationsOnly:
    """Stands for a node where modules are declared and never called."""

    def __init__(self) -> None:
        self.resources: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return _DeclarationsOnly()


class DeclaredModules:
    """The declarations of guest modules, without a node: those of the kernel and those that need none."""

    def __init__(self) -> None:
        self._catalog = Catalog(_DeclarationsOnly(), *(load(path) for path in TABLES))
        self._found: dict[str, Module | None] = {}

    def known(self, name: str) -> bool:
        return self._catalog.known(name)

    def find(self, name: str) -> Module | None:
        """The declaration; None for an unknown name and for one that cannot be imported."""
        if name not in self._found:
            self._found[name] = self._load(name)
        return self._found[name]

    def _load(self, name: str) -> Module | None:
        if name in BUILT_IN:
            return BUILT_IN[name]
        try:
            return self._catalog.find(name)
        except Error:
            return None


def lint_entry(entry: Entry, lookup: Lookup, known: DeclaredModules, source: bytes | None = None) -> LintEntry:
    """What the linter checks; `source` stands in for the entry's own. Raises Error as `needs_of`."""
    modules, imports = needs_of(entry)

    def is_library(target: str) -> bool:
        found = lookup(target)
        return found is not None and is_code(found)

    return LintEntry(
        str(entry.id),
        source_of(entry) if source is None else source,
        modules,
        imports,
        known.find,
        known.known,
        is_library,
        frozenset(_closure(imports, lookup)),
    )


def _closure(imports: Mapping[str, str], lookup: Lookup) -> set[str]:
    """Aliases and modules of everything that is imported: all are globals of the same state (spec 02 §10); and the
    globals that a library says in `meta.globals` it makes."""
    names: set[str] = set()
    waiting, seen = list(imports.values()), set[str]()
    while waiting:
        target = waiting.pop()
        entry = lookup(target)
        if target in seen or entry is None or not is_code(entry):
            continue
        seen.add(target)
        names.update(m for m in entry.data.get("modules") or [] if isinstance(m, str))
        inner = imports_of(entry)
        names.update(inner)
        names.update(g for g in entry.meta.get("globals") or [] if isinstance(g, str))
        waiting += [str(EntryId.parse(v)) for v in inner.values()]
    return names
