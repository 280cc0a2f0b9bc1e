"""Syntax errors of the guest language and their rendering (spec 02 §7.8)."""

from __future__ import annotations

import re

from wippy.core.errors import INVALID, Error

NEWLINE = re.compile(r"\r\n|\n\r|\n|\r")
_EXCERPT = 120
_LOADER_MESSAGE = re.compile(r"^(?P<name>.*?):(?P<line>\d+): (?P<message>.*?)(?: near (?P<near>.*))?$", re.DOTALL)


class LuaSyntaxError(Exception):
    """A source that is not a program of the dialect.

    `line` and `column` count from 1, columns in bytes; at the end of the input they name the position just past it.
    `str()` is `entry:line:column: message`.
    """

    def __init__(self, entry: str, line: int, column: int, message: str, source_line: str, length: int = 1) -> None:
        super().__init__(f"{entry}:{line}:{column}: {message}")
        self.entry = entry
        self.line = line
        self.column = column
        self.message = message
        self.source_line = source_line
        self.length = length

    def render(self) -> str:
        """The diagnostic as shown to people: message, position, source line, caret (spec 02 §7.8)."""
        number = str(self.line)
        gutter = " " * len(number)
        excerpt, offset = self._excerpt()
        pad = "".join("\t" if character == "\t" else " " for character in excerpt[:offset])
        marker = "^" + "~" * (min(self.length, max(len(excerpt) - offset, 1)) - 1)
        return (
            f"error: {self.message}\n"
            f"{gutter}--> {self.entry}:{self.line}:{self.column}\n"
            f"{gutter} |\n"
            f"{number} | {excerpt}\n"
            f"{gutter} | {pad}{marker}"
        )

    def as_error(self) -> Error:
        """The same failure for callers across a boundary: kind Invalid, not retryable, rendered text (spec 02 §1)."""
        error = Error(INVALID, self.render(), False, {"entry": self.entry, "line": self.line, "column": self.column})
        error.__cause__ = self
        return error

    def _excerpt(self) -> tuple[str, int]:
        """The source line as text, cut around the position when it is very long, and the caret's offset in it."""
        raw = self.source_line.encode("latin-1")
        start = max(self.column - 1 - _EXCERPT // 2, 0) if len(raw) > _EXCERPT else 0
        before = raw[start : self.column - 1].decode("utf-8", "replace")
        after = raw[self.column - 1 : start + _EXCERPT].decode("utf-8", "replace")
        return before + after, len(before)


def line_of(text: str, line: int) -> str:
    """Line number `line` of a latin-1 decoded source, without its line end; empty past the end."""
    start = 0
    for _ in range(line - 1):
        newline = NEWLINE.search(text, start)
        if newline is None:
            return ""
        start = newline.end()
    end = NEWLINE.search(text, start)
    return text[start : end.start() if end else len(text)]


def from_loader(entry: str, source: bytes, message: str) -> LuaSyntaxError:
    """Turn the message of Lua's own loader (a limit that only its code generator knows) into a `LuaSyntaxError`.

    `message` looks like `app:cart:12: function or expression needs too many registers near 'x'`.
    """
    if "C stack overflow" in message:
        return LuaSyntaxError(entry, 1, 1, "nesting too deep", line_of(source.decode("latin-1"), 1))
    found = _LOADER_MESSAGE.match(message)
    if found is None:
        return LuaSyntaxError(entry, 1, 1, message, "")
    line = int(found["line"])
    return LuaSyntaxError(entry, line, 1, found["message"], line_of(source.decode("latin-1"), line))
