"""SQL texts for SQLite, cut into statements with their numbers of placeholders (spec 04a §1.4)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import apsw

from wippy.core.errors import PERMISSION_DENIED, Error

CACHED_LENGTH = 4096

_TOKEN = re.compile(
    r"""
    '(?:[^']|'')*'? | "(?:[^"]|"")*"? | `(?:[^`]|``)*`? | \[[^\]]*\]?     # texts and quoted names
    | --[^\n]* | /\*.*?(?:\*/|\Z) | \s+                                     # comments and blanks
    | (?P<parameter>\?\d* | [:@][\w$]+ | \$[\w$]+(?:::[\w$]+)*(?:\([^)\s]*\))?)
    | (?P<word>[A-Za-z_][\w$]*)
    | \d[\w.]*
    | (?P<end>;)
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/|;)*\Z", re.DOTALL)


class Statement(NamedTuple):
    """`word` is what it begins with, in upper case."""

    text: str
    placeholders: int
    word: str


def cut(sql: str) -> tuple[Statement, ...]:
    """The statements of `sql`, in order. Raises Error(PermissionDenied) for one that would open another file: guests
    have the database they were given, not the file system."""
    return _cached(sql) if len(sql) <= CACHED_LENGTH else _cut(sql)


def _cut(sql: str) -> tuple[Statement, ...]:
    found: list[Statement] = []
    reader = _Reader()
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "parameter":
            reader.parameter(token[0])
        elif token.lastgroup == "word":
            reader.word(token[0].upper())
        elif token.lastgroup == "end" and reader.ends(sql, token.end()):
            found += reader.statement(sql, token.end())
            reader = _Reader(token.end())
    found += reader.statement(sql, len(sql))
    return tuple(found)


_cached = lru_cache(maxsize=2048)(_cut)


class _Reader:
    """Collects what one statement consists of."""

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self._first = ""
        self._trigger = False
        self._highest = 0
        self._names: set[str] = set()

    def parameter(self, text: str) -> None:
        """Numbers placeholders as sqlite3_bind_parameter_count does."""
        if text[0] == "?" and len(text) > 1:
            self._highest = max(self._highest, int(text[1:]))
        elif text == "?":
            self._highest += 1
        elif text not in self._names:
            self._names.add(text)
            self._highest += 1

    def word(self, text: str) -> None:
        if not self._first:
            self._first = text
        if text == "ATTACH" and self._first == "ATTACH":
            raise Error(PERMISSION_DENIED, "ATTACH is not allowed: a database has one file")
        if text == "INTO" and self._first == "VACUUM":
            raise Error(PERMISSION_DENIED, "VACUUM INTO is not allowed: a database has one file")
        self._trigger = self._trigger or text == "TRIGGER"

    def ends(self, sql: str, at: int) -> bool:
        """Whether the `;` before `at` ends the statement: inside the body of a trigger it does not."""
        return not (self._trigger and self._first in ("CREATE", "EXPLAIN")) or apsw.complete(sql[self._start : at])

    def statement(self, sql: str, end: int) -> list[Statement]:
        text = sql[self._start : end]
        return [] if _BLANK.match(text) else [Statement(text, self._highest, self._first)]
