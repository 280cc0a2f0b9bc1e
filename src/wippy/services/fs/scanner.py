"""Tokens of a byte stream: lines, words, bytes, runes (spec 03 §12)."""

from __future__ import annotations

import codecs
from typing import BinaryIO

from wippy.core.errors import invalid

LONGEST = 64 * 1024
BLANK = b" \t\n\v\f\r"
MODES = ("lines", "words", "bytes", "runes")


class Scanner:
    """Reads `stream` piece by piece. A token longer than 64 KiB ends the scan with an error."""

    def __init__(self, stream: BinaryIO, mode: str) -> None:
        if mode not in MODES:
            raise invalid(f'unknown scanner mode "{mode}": must be one of {", ".join(MODES)}')
        self._stream = stream
        self._next = {"lines": self._line, "words": self._word, "bytes": self._byte, "runes": self._rune}[mode]
        self._buffer = b""
        self._ended = False
        self.token = b""
        self.error: str | None = None

    def scan(self) -> bool:
        """Moves to the next token; False at the end or after an error."""
        if self.error is not None:
            return False
        found = self._next()
        self.token = found or b""
        return found is not None

    def _more(self) -> bool:
        if self._ended:
            return False
        chunk = self._stream.read(1 << 15)
        self._ended = not chunk
        self._buffer += chunk or b""
        return not self._ended

    def _too_long(self) -> bool:
        if len(self._buffer) > LONGEST:
            self.error = "token too long"
            return True
        return False

    def _line(self) -> bytes | None:
        while (end := self._buffer.find(b"\n")) < 0:
            if self._too_long():
                return None
            if not self._more():
                line, self._buffer = self._buffer, b""
                return line.removesuffix(b"\r") if line else None
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def _word(self) -> bytes | None:
        while True:
            self._buffer = self._buffer.lstrip(BLANK)
            ends = [at for at in (self._buffer.find(c) for c in (bytes([b]) for b in BLANK)) if at >= 0]
            if self._buffer and ends:
                end = min(ends)
                word, self._buffer = self._buffer[:end], self._buffer[end:]
                return word
            if self._too_long():
                return None
            if not self._more():
                word, self._buffer = self._buffer, b""
                return word or None

    def _byte(self) -> bytes | None:
        if not self._buffer and not self._more():
            return None
        byte, self._buffer = self._buffer[:1], self._buffer[1:]
        return byte

    def _rune(self) -> bytes | None:
        """One UTF-8 character; a byte that begins none is U+FFFD."""
        while len(self._buffer) < 4 and self._more():
            pass
        if not self._buffer:
            return None
        for size in range(1, 5):
            try:
                codecs.utf_8_decode(self._buffer[:size], "strict", True)
            except UnicodeDecodeError:
                continue
            rune, self._buffer = self._buffer[:size], self._buffer[size:]
            return rune
        self._buffer = self._buffer[1:]
        return "\ufffd".encode()
