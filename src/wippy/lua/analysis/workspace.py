"""All documents of a project, with unsaved text laid over them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from wippy.lua.analysis.document import Document
from wippy.lua.analysis.recovery import understand
from wippy.lua.analysis.text import Text
from wippy.lua.modules.declare import Module
from wippy.lua.modules.libraries import BUILT_IN
from wippy.lua.syntax.errors import LuaSyntaxError

MOST_KEPT = 1 << 19
"""Bytes of source whose indexes are kept; an index takes about 60 times as much."""
MOST_SECONDS = 10.0
"""How long one request looks through the documents that import another."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An entry of Lua code as the project has it. `modules` and `imports` are by alias."""

    id: str
    kind: str
    source: str
    modules: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    summary: str = ""


class Project(Protocol):
    """Where entries come from."""

    def facts(self, entry_id: str) -> Facts | None: ...
    def importers(self, entry_id: str) -> Iterable[str]: ...
    def module(self, name: str) -> Module | None: ...


class _Indexed(NamedTuple):
    text: str
    document: Document
    problem: LuaSyntaxError | None
    good: bytes | None
    """The last text that parsed."""


class Workspace:
    """Documents by entry id, indexed when they are asked for. For one thread at a time."""

    def __init__(self, project: Project, most_kept: int = MOST_KEPT) -> None:
        self.project = project
        self._most_kept = most_kept
        self._kept = 0
        self._indexed: OrderedDict[str, _Indexed] = OrderedDict()
        self._retired: list[Document] = []
        self._unsaved: dict[str, dict[Hashable, str]] = {}

    # Unsaved text

    def put(self, client: Hashable, entry_id: str, text: str) -> None:
        """What a client has in its editor counts from now on, for everybody; the last change of any client wins."""
        texts = self._unsaved.setdefault(entry_id, {})
        texts.pop(client, None)
        texts[client] = text

    def discard(self, client: Hashable, entry_id: str) -> None:
        texts = self._unsaved.get(entry_id, {})
        texts.pop(client, None)
        if not texts:
            self._unsaved.pop(entry_id, None)

    def leave(self, client: Hashable) -> None:
        """A client has gone: nothing of its text counts."""
        for entry_id in list(self._unsaved):
            self.discard(client, entry_id)

    def unsaved(self) -> list[str]:
        return list(self._unsaved)

    # Documents

    def text(self, entry_id: str) -> str | None:
        """The source that counts; None when there is no such document."""
        texts = self._unsaved.get(entry_id)
        if texts:
            return next(reversed(texts.values()))
        facts = self.project.facts(entry_id)
        return facts.source if facts is not None else None

    def document(self, entry_id: str) -> Document | None:
        found = self._index(entry_id)
        return found.document if found is not None else None

    def problem(self, entry_id: str) -> LuaSyntaxError | None:
        """Why a document does not parse."""
        found = self._index(entry_id)
        return found.problem if found is not None else None

    def _index(self, entry_id: str) -> _Indexed | None:
        text = self.text(entry_id)
        known = self._indexed.get(entry_id)
        if text is None:
            self._forget(entry_id)
            return None
        if known is not None and known.text == text:
            self._indexed.move_to_end(entry_id)
            return known
        content = Text.of(text)
        document, problem = understand(content, entry_id, known.good if known is not None else None)
        if known is not None:
            self._forget(entry_id)
        good = content.source if problem is None else known.good if known is not None else None
        self._kept += len(text)
        self._indexed[entry_id] = found = _Indexed(text, document, problem, good)
        while self._kept > self._most_kept and len(self._indexed) > 1:
            self._forget(next(iter(self._indexed)))
        return found

    def _forget(self, entry_id: str) -> None:
        known = self._indexed.pop(entry_id, None)
        if known is not None:
            self._kept -= len(known.text)
            self._retired.append(known.document)

    def settle(self) -> None:
        """To be called after each request: frees the indexes that were replaced while it may still have used them."""
        for document in self._retired:
            document.release()
        self._retired.clear()

    def close(self) -> None:
        """Frees all indexes. Nothing may be asked afterwards."""
        for entry_id in list(self._indexed):
            self._forget(entry_id)
        self.settle()

    def glance(self, entry_id: str) -> Document | None:
        """An index that is not kept: for looking at very many once. It is taken apart by `settle`."""
        known = self._indexed.get(entry_id)
        text = self.text(entry_id)
        if text is None or (known is not None and known.text == text):
            return known.document if text is not None and known is not None else None
        document, _ = understand(Text.of(text), entry_id)
        self._retired.append(document)
        return document

    # What inference asks

    def imports(self, entry_id: str) -> Mapping[str, str]:
        facts = self.project.facts(entry_id)
        return facts.imports if facts is not None else {}

    def modules(self, entry_id: str) -> Mapping[str, str]:
        facts = self.project.facts(entry_id)
        return facts.modules if facts is not None else {}

    def module(self, name: str) -> Module | None:
        return BUILT_IN[name] if name in BUILT_IN else self.project.module(name)

    def readers(self, document: Document, names: Iterable[str]) -> Iterator[Document]:
        """A document, then those that import it directly and have one of these names in their text.

        Indexes that are not needed any more are freed on the way: a reader holds until the next one is asked for. What
        cannot be looked at within `MOST_SECONDS` is left out.
        """
        yield document
        until, wanted = time.monotonic() + MOST_SECONDS, [*names]
        for importer in self.project.importers(document.id):
            text = self.text(importer)
            if text is not None and any(name in text for name in wanted):
                reader = self.document(importer)
                if reader is not None:
                    yield reader
                self.settle()
            if time.monotonic() > until:
                return
