"""One source as bytes, and the ways to name a place in it.

The front end counts lines and columns of bytes from 1; the protocol of editors counts lines and UTF-16 code units from
0. Both are converted to byte offsets, which is what the rest of this package uses.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import NamedTuple

from wippy.lua.syntax.errors import NEWLINE
from wippy.lua.syntax.tokens import Tokens

BOM = b"\xef\xbb\xbf"
_WIDE = re.compile(rb"[\x80-\xff]+")
_EDITOR_NEWLINE = re.compile(rb"\r\n|\n|\r")


class Position(NamedTuple):
    """A place as editors name it: both from 0, `character` in UTF-16 code units."""

    line: int
    character: int


class Text:
    """A source. Positions outside it are moved to the nearest place inside."""

    def __init__(self, source: bytes) -> None:
        self.source = source

    @classmethod
    def of(cls, text: str) -> Text:
        """From what a client or an entry holds; half a surrogate pair is replaced."""
        try:
            return cls(text.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            return cls(text.encode("utf-8", "replace"))

    @cached_property
    def _lines(self) -> list[int]:
        """Where the lines of an editor begin."""
        return [0, *(found.end() for found in _EDITOR_NEWLINE.finditer(self.source))]

    @cached_property
    def _front_end_lines(self) -> list[int]:
        """Where the lines of the front end begin: it takes LF CR as one line end, and skips a byte order mark."""
        text = self.source.decode("latin-1")
        first = len(BOM) if self.source.startswith(BOM) else 0
        return [first, *(found.end() for found in NEWLINE.finditer(text))]

    def line_range(self, offset: int) -> tuple[int, int]:
        """The line around an offset, without its end."""
        at = bisect_right(self._lines, offset) - 1
        start = self._lines[at]
        end = self._lines[at + 1] if at + 1 < len(self._lines) else len(self.source)
        return start, start + len(self.source[start:end].rstrip(b"\r\n"))

    def position(self, offset: int) -> Position:
        offset = max(0, min(offset, len(self.source)))
        line = bisect_right(self._lines, offset) - 1
        start = self._lines[line]
        return Position(line, offset - start - self._saved(offset) + self._saved(start))

    def _saved(self, offset: int) -> int:
        """How many more bytes than code units there are before an offset."""
        starts, sums = self._wide
        at = bisect_right(starts, offset) - 1
        if at < 0:
            return 0
        part = _WIDE.match(self.source, starts[at], offset)
        return sums[at] + (_surplus(part[0]) if part is not None else 0)

    @cached_property
    def _wide(self) -> tuple[list[int], list[int]]:
        """Where runs of bytes beyond ASCII begin, and how many bytes are saved before each."""
        starts, sums, total = list[int](), list[int](), 0
        for run in _WIDE.finditer(self.source):
            starts.append(run.start())
            sums.append(total)
            total += _surplus(run[0])
        return starts, sums

    def offset(self, line: int, character: int) -> int:
        """The offset of a position; inside a surrogate pair it is that of the whole character."""
        if line < 0 or line >= len(self._lines):
            return 0 if line < 0 else len(self.source)
        start, end = self.line_range(self._lines[line])
        content = self.source[start:end]
        if content.isascii():
            return start + max(0, min(character, len(content)))
        units = 0
        text = content.decode("utf-8", "surrogateescape")
        for at, char in enumerate(text):
            units += 2 if ord(char) > 0xFFFF else 1
            if units > character:
                return start + len(text[:at].encode("utf-8", "surrogateescape"))
        return end

    def place(self, line: int, column: int) -> int:
        """The offset of a line and column as diagnostics and trees count them."""
        lines = self._front_end_lines
        if line > len(lines):
            return len(self.source)
        return min(lines[max(line, 1) - 1] + max(column, 1) - 1, len(self.source))

    def token_starts(self, tokens: Tokens) -> list[int]:
        """The offset of every token of this source."""
        lines = self._front_end_lines
        return [lines[line - 1] + column - 1 for line, column in zip(tokens.lines, tokens.columns, strict=True)]


def _surplus(run: bytes) -> int:
    """How many more bytes than UTF-16 code units these characters have."""
    text = run.decode("utf-8", "surrogateescape")
    return len(run) - len(text) - sum(ord(char) > 0xFFFF for char in text)
