"""A project of sources, for tests of the analysis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wippy.lua.analysis.document import Document
from wippy.lua.analysis.workspace import Facts, Workspace
from wippy.lua.modules.catalog import MODULES, Catalog
from wippy.lua.modules.declare import Module


class Sources:
    """Entries by id. Every import is named like its target; all modules are listed."""

    def __init__(self, sources: Mapping[str, str], imports: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._sources = dict(sources)
        self._imports = imports or {}
        self._catalog = Catalog(None, MODULES)

    def facts(self, entry_id: str) -> Facts | None:
        if entry_id not in self._sources:
            return None
        modules = {name: name for name in ("hash", "json", "base64", "logger")}
        return Facts(entry_id, "library.lua", self._sources[entry_id], modules, self._imports.get(entry_id, {}))

    def importers(self, entry_id: str) -> Iterable[str]:
        return [name for name, imports in self._imports.items() if entry_id in imports.values()]

    def module(self, name: str) -> Module | None:
        return self._catalog.find(name)


def workspace(**sources: str) -> Workspace:
    """Entries `app:NAME`, each of which imports all that stand before it."""
    ids = {f"app:{name}": text for name, text in sources.items()}
    before: dict[str, str] = {}
    imports: dict[str, dict[str, str]] = {}
    for name in sources:
        imports[f"app:{name}"] = dict(before)
        before[name] = f"app:{name}"
    return Workspace(Sources(ids, imports))


def document(text: str) -> tuple[Workspace, Document]:
    """One source, and the workspace around it."""
    made = workspace(main=text)
    found = made.document("app:main")
    assert found is not None
    return made, found


def cursor(marked: str) -> tuple[str, int]:
    """A text without its mark `|`, and where that was, in bytes."""
    before, _, after = marked.partition("|")
    return before + after, len(before.encode())
