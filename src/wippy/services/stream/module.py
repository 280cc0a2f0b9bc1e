"""The guest's Stream and Scanner (spec 03 §12). Modules that give streams away load this one: `S.module("stream")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module
from wippy.lua.wire import HandleRef
from wippy.services.stream.stream import Stream

stream = Module(
    "stream",
    "Bytes that come and go piece by piece: HTTP bodies, files, pipes. Has no functions; others give streams away.",
    classes=("io", "nondeterministic"),
    source=Path(__file__).with_name("module.lua"),
)

STREAM = stream.handle("Stream")
WHENCE = {"set": 0, "cur": 1, "end": 2}


def keep(caller: Caller, opened: Stream) -> HandleRef:
    """The guest's handle on a stream. It is closed with the guest's process."""
    return caller.keep(STREAM, opened, opened.close)


@STREAM.method("read(size: integer?) -> string?", yields=True)
async def read(opened: Stream, size: int | None = None) -> bytes | None:
    """Up to `size` bytes (0 or none: 32 KiB), as soon as there are any; nil at the end. Error: Internal."""
    return await opened.read(size or 0) or None


@STREAM.method("write(data: bytes) -> integer", yields=True)
async def write(opened: Stream, data: bytes) -> int:
    """Writes all of it and returns its length; `0, err` when that fails. Error: Internal."""
    return await opened.write(data)


@STREAM.method("seek(whence: string?, offset: integer?) -> integer", yields=True)
async def seek(opened: Stream, whence: str | None = None, offset: int | None = None) -> int:
    """Moves to a position counted from `set` (the beginning), `cur` or `end`; the new position, or `-1, err`."""
    return await opened.seek(offset or 0, WHENCE[whence or "set"])


@STREAM.method("flush() -> boolean", yields=True)
async def flush(opened: Stream) -> bool:
    """Returns when nothing written waits in the runtime; `false, err` when that fails."""
    await opened.flush()
    return True


@STREAM.method("stat() -> table", yields=True)
async def stat(opened: Stream) -> dict[str, Any]:
    """size (-1 when unknown), position, readable, writable, seekable."""
    return {
        **opened.state()._asdict(),
        "readable": opened.readable,
        "writable": opened.writable,
        "seekable": opened.seekable,
    }


@STREAM.method("close() -> boolean", caller=True, yields=True)
async def close(caller: Caller, opened: Stream) -> bool:
    """Ends it, also for who is waiting in it; again does nothing."""
    caller.drop(opened)
    await opened.close()
    return True


stream.in_lua(
    {},
    {
        "Stream": {
            "scanner(split: string?) -> Scanner": "Reads `lines` (the default), `words`, `bytes` or `runes`.",
        },
        "Scanner": {
            "scan() -> boolean": "Moves to the next token; false at the end, `false, err` after a failure. (yields)",
            "text() -> string": "The token: a line without its terminator, a word, a byte, a character.",
            "err() -> string?": "Why scanning stopped before the end. A token of more than 64 KiB is such a reason.",
        },
    },
)
