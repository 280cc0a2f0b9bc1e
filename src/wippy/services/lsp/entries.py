"""The entries of a registry as the project that is analysed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from wippy.compute.lua_entries import DeclaredModules, imports_of, is_code, lint_entry, needs_of
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.lua.analysis.text import Text
from wippy.lua.analysis.workspace import Facts
from wippy.lua.lint.diagnostics import Diagnostic, finding
from wippy.lua.lint.rules import check_entry
from wippy.lua.modules.declare import Module
from wippy.registry.entry import Entry

Snapshot = Mapping[EntryId, Entry]


class RegistryProject:
    """Code entries of the newest snapshot. Belongs to the thread of the analysis."""

    def __init__(self, entries: Snapshot) -> None:
        self._entries = entries
        self._facts: dict[str, tuple[Entry, Facts]] = {}
        self._importers: dict[str, dict[str, None]] | None = None
        self._modules = DeclaredModules()

    def replace(self, entries: Snapshot, changed: Iterable[str]) -> None:
        """Goes to another snapshot, in which these entries may be others or gone."""
        before, self._entries = self._entries, entries
        for entry_id in changed:
            self._facts.pop(entry_id, None)
            if self._importers is not None:
                self._link(entry_id, _code(before, entry_id), _code(entries, entry_id))

    def _link(self, entry_id: str, before: Entry | None, after: Entry | None) -> None:
        assert self._importers is not None
        for target in _targets(before):
            self._importers.get(target, {}).pop(entry_id, None)
        for target in _targets(after):
            self._importers.setdefault(target, {})[entry_id] = None

    # What the analysis asks

    def facts(self, entry_id: str) -> Facts | None:
        entry = _code(self._entries, entry_id)
        if entry is None:
            return None
        known = self._facts.get(entry_id)
        if known is not None and known[0] is entry:
            return known[1]
        try:
            modules, imports = needs_of(entry)
        except Error:
            modules, imports = {}, dict(imports_of(entry))
        method = entry.data.get("method")
        facts = Facts(
            entry_id,
            entry.kind,
            entry.data["source"],
            modules,
            imports,
            method if isinstance(method, str) else "",
            _summary(entry),
        )
        self._facts[entry_id] = entry, facts
        return facts

    def importers(self, entry_id: str) -> Iterable[str]:
        if self._importers is None:
            self._importers = {}
            for importer in self.ids():
                self._link(importer, None, _code(self._entries, importer))
        return sorted(self._importers.get(entry_id, ()))

    def module(self, name: str) -> Module | None:
        return self._modules.find(name)

    # All of them

    def ids(self) -> Iterator[str]:
        """The ids of all code entries."""
        return (str(entry.id) for entry in self._entries.values() if is_code(entry))

    def dependencies_first(self) -> list[str]:
        """The same, imports before what imports them; in a cycle anyhow."""
        ordered: dict[str, None] = {}
        for first in list(self.ids()):
            waiting = [(first, False)]
            open_ones: set[str] = set()
            while waiting:
                entry_id, done = waiting.pop()
                if done:
                    ordered[entry_id] = None
                elif entry_id not in ordered and entry_id not in open_ones:
                    open_ones.add(entry_id)
                    waiting.append((entry_id, True))
                    waiting += [(t, False) for t in _targets(_code(self._entries, entry_id)) if t not in ordered]
        return [entry_id for entry_id in ordered if _code(self._entries, entry_id) is not None]

    # Diagnostics

    def diagnostics(self, entry_id: str, text: str, *, rules: bool) -> Collection[Diagnostic]:
        """What the linter says of an entry whose source is `text`. It need not be in the registry yet: then nobody
        knows what it may require."""
        entry = _code(self._entries, entry_id)
        is_new = entry is None
        if entry is None:
            entry = Entry(EntryId.parse(entry_id), "library.lua", {}, {"source": text})

        def lookup(target: str) -> Entry | None:
            return self._entries.get(EntryId.parse(target))

        try:
            checked = lint_entry(entry, lookup, self._modules, Text.of(text).source)
        except Error as error:
            return [finding(entry_id, "M0002", error.message, 1, 1)]
        found = [each for each in check_entry(checked, rules=rules) if not (is_new and each.code == "M0001")]
        return sorted(found, key=Diagnostic.sort_key)


def _code(entries: Snapshot, entry_id: str) -> Entry | None:
    entry = entries.get(EntryId.parse(entry_id))
    return entry if entry is not None and is_code(entry) else None


def _targets(entry: Entry | None) -> list[str]:
    return [target for target in imports_of(entry).values() if ":" in target] if entry is not None else []


def _summary(entry: Entry) -> str:
    for name in ("comment", "description", "title"):
        text = entry.meta.get(name)
        if isinstance(text, str) and text.strip():
            return text.strip()
    return ""
