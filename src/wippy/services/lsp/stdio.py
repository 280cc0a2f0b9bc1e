"""The language server of an editor that starts it: over stdin and stdout, on files that nothing runs of."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from wippy.core.errors import Error
from wippy.services.lsp.connection import HEADER_BYTES, Connection
from wippy.services.lsp.entries import Snapshot
from wippy.services.lsp.language import Language
from wippy.services.lsp.naming import FileNaming
from wippy.services.lsp.session import Session

log = logging.getLogger("wippy.lsp")

Read = Callable[[], Snapshot]


class FileSession(Session):
    """Reads the project again when a file is opened or closed: it may have been saved in between."""

    def __init__(self, language: Language, naming: FileNaming, read: Read, known: Snapshot) -> None:
        super().__init__(language)
        self._naming = naming
        self._read = read
        self._known = known

    async def handle(self, value: Any) -> Any:
        if isinstance(value, dict) and value.get("method") in ("textDocument/didOpen", "textDocument/didClose"):
            await self._read_again()
        return await super().handle(value)

    async def _read_again(self) -> None:
        try:
            entries = await asyncio.to_thread(self._read)
        except (Error, OSError) as error:
            log.warning("the project cannot be read: %s", error)
            return
        before, self._known = self._known, entries
        changed = [key for key in {*before, *entries} if before.get(key) != entries.get(key)]
        if changed:
            self._naming.learn(entries.values())
            self._language.replace(entries, map(str, changed))


async def serve(read: Read, max_bytes: int) -> int:
    """Serves until the editor ends; the exit code, which is 0 when it has said `shutdown` before."""
    entries = read()
    naming = FileNaming(entries.values())
    language = Language(entries, naming)
    session = FileSession(language, naming, read, entries)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=HEADER_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        await Connection(session, reader, _Output(), max_bytes).serve()
    finally:
        await language.stop()
    return 0 if session.was_shut_down else 1


class _Output:
    """stdout, which may be a file as well as a pipe."""

    def write(self, data: bytes) -> None:
        self._data = data

    async def drain(self) -> None:
        await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        sys.stdout.buffer.write(self._data)
        sys.stdout.buffer.flush()
