"""How documents are named: by the ids of entries, and for editors that open files, by those files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from wippy.registry.entry import Entry
from wippy.services.lsp.protocol import INVALID_PARAMS, RpcError

SCHEME = "wippy://"
_OTHER_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SOURCE = re.compile(r"""\bsource["']?\s*:\s*["']?file://([^\s"',}]+)""")


class Naming:
    """`wippy://namespace:name`, or the bare id."""

    def entry_of(self, uri: str) -> str:
        """The entry id that a document id means. Raises RpcError(-32602)."""
        other = _OTHER_SCHEME.match(uri)
        if uri.startswith(SCHEME):
            uri = unquote(uri.removeprefix(SCHEME)).lstrip("/")
        elif other is not None:
            raise RpcError(INVALID_PARAMS, f"unsupported URI scheme: {other[1]}")
        if ":" not in uri:
            raise RpcError(INVALID_PARAMS, f"not a document: {uri[:200]}")
        return uri

    def uri_of(self, entry_id: str) -> str:
        return f"{SCHEME}{entry_id}"


class FileNaming(Naming):
    """Source files of a project besides. A file that is the source of several entries stands for the first."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._files: dict[str, Path] = {}
        self._entries: dict[Path, str] = {}
        self.learn(entries)

    def learn(self, entries: Iterable[Entry]) -> None:
        """Reads off the definition files which source file belongs to which entry."""
        lines: dict[str, list[str]] = {}
        for entry in entries:
            path = _source_file(entry, lines)
            if path is not None:
                self._files[str(entry.id)] = path
                self._entries.setdefault(path, str(entry.id))

    def entry_of(self, uri: str) -> str:
        if not uri.startswith("file://"):
            return super().entry_of(uri)
        path = Path(unquote(urlsplit(uri).path))
        return self._entries.get(path) or self._entries.get(path.resolve()) or f"file:{path}"

    def uri_of(self, entry_id: str) -> str:
        path = self._files.get(entry_id)
        if path is None and entry_id.startswith("file:"):
            path = Path(entry_id.removeprefix("file:"))
        return f"file://{quote(str(path))}" if path is not None else super().uri_of(entry_id)


def _source_file(entry: Entry, lines: dict[str, list[str]]) -> Path | None:
    """The file that `source: file://...` of an entry names, told from that line of its definition."""
    origin = entry.origin
    line = origin.fields.get("source") if origin is not None else None
    if origin is None or line is None:
        return None
    if origin.path not in lines:
        try:
            lines[origin.path] = Path(origin.path).read_text("utf-8", "replace").splitlines()
        except OSError:
            lines[origin.path] = []
    text = lines[origin.path][line - 1] if line <= len(lines[origin.path]) else ""
    found = _SOURCE.search(text)
    return (Path(origin.path).parent / found[1].lstrip("/")).resolve() if found is not None else None
