"""Compiled chunks on disk: a warm start parses nothing (`lua.cache.*`, spec 01 §5.4).

A chunk is stored under the hash of its name, its source and the compiler, so that nothing has to be invalidated. What
cannot be read or written is compiled again; the cache never fails a start.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from wippy.lua.chunk import Compiled

Mode = Literal["readwrite", "readonly", "off"]


class ChunkCache:
    """A directory of compiled chunks."""

    def __init__(self, directory: Path | None, mode: Mode = "readwrite") -> None:
        self._directory = directory if mode != "off" else None
        self._writes = mode == "readwrite"
        self.hits = 0
        self.misses = 0

    def get(self, name: str, source: bytes) -> Compiled | None:
        """The chunk, or None when it must be compiled."""
        if self._directory is None:
            return None
        try:
            data = self._path(name, source).read_bytes()
            found = msgspec.msgpack.decode(data, type=Compiled)
        except (OSError, msgspec.DecodeError):
            self.misses += 1
            return None
        self.hits += 1
        return found

    def put(self, name: str, source: bytes, chunk: Compiled) -> None:
        """Stores a chunk; a crash in the middle leaves no half file behind."""
        if self._directory is None or not self._writes:
            return
        path = self._path(name, source)
        part = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.msgpack.encode(chunk))
            part.replace(path)
        except OSError:
            self._writes = False

    def _path(self, name: str, source: bytes) -> Path:
        assert self._directory is not None
        digest = hashlib.blake2b(compiler_version(), digest_size=20)
        for part in (name.encode("utf-8", "surrogateescape"), source):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        text = digest.hexdigest()
        return self._directory / text[:2] / f"{text[2:]}.chunk"


@functools.cache
def compiler_version() -> bytes:
    """Changes with every change of the compiler's own files."""
    here = Path(__file__).parent
    files = [here / "compile.py", here / "chunk.py", *(here / "syntax").glob("*.py"), *(here / "types").glob("*.py")]
    marks = (f"{f.name}:{s.st_size}:{s.st_mtime_ns}" for f in sorted(files) for s in (f.stat(),))
    return hashlib.blake2b("\n".join(marks).encode(), digest_size=20).digest()
