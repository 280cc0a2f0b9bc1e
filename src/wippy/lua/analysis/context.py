"""What stands before the cursor, told from tokens alone: the text around it seldom parses while somebody types."""

from __future__ import annotations

import re
from typing import NamedTuple

from wippy.lua.analysis.text import Text
from wippy.lua.syntax import ast
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.lexer import tokenize
from wippy.lua.syntax.parser import Parser
from wippy.lua.syntax.tokens import EOF, FIELD_NAMES, NAME, STRING, Tokens

WINDOW = 20_000
"""Bytes before the cursor that are looked at."""
_CLOSERS = {")": "(", "]": "[", "}": "{"}
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*\Z")
_ARGUMENTS = frozenset({"(", "{", STRING})
_BEFORE_CALL = frozenset({NAME, ")", "]", STRING})


class Context(NamedTuple):
    """`word` is the name that is begun, at `start`; `separator` is `.` or `:` when it is a member of `receiver`.
    `text`: what a string holds so far when the cursor is in one, `required` whether it is that of `require`."""

    word: str
    start: int
    separator: str = ""
    receiver: ast.Expression | None = None
    text: str | None = None
    required: bool = False
    silent: bool = False
    typed: bool = False


class CallContext(NamedTuple):
    """An open call around the cursor: what is called, and which argument is being written (from 0)."""

    callee: ast.Expression
    method: str | None
    argument: int


class _Before:
    """The tokens before an offset. `string` is where a string begins that the offset is in."""

    def __init__(self, text: Text, offset: int) -> None:
        start = max(offset - WINDOW, 0)
        if start:
            start = text.line_range(start)[1]
        self.source = text.source[start:offset]
        self.offset = start
        self.string: int | None = None
        self.tokens = self._tokens(self.source)
        while self.tokens.kinds[-1] == EOF and len(self.tokens.kinds) > 1:
            self.tokens.kinds.pop()
        self.kinds, self.texts = self.tokens.kinds, self.tokens.texts
        self.starts = Text(self.source).token_starts(self.tokens)[: len(self.kinds)]

    def _tokens(self, source: bytes) -> Tokens:
        try:
            return tokenize(source, "")
        except LuaSyntaxError as error:
            at = Text(source).place(error.line, error.column)
            self.string = at
            try:
                return tokenize(source[:at], "")
            except LuaSyntaxError:
                return tokenize(b"", "")

    @property
    def last(self) -> int:
        return len(self.kinds) - 1 if self.kinds[-1] != EOF else -1

    def in_comment(self) -> bool:
        end = self.starts[self.last] if self.last >= 0 else 0
        rest = self.source[end:]
        return self.kinds[-1] != STRING and b"--" in rest and b"\n" not in rest[rest.rindex(b"--") :]

    def expression(self, last: int) -> tuple[int, ast.Expression] | None:
        """The chain of names, members and calls that ends with a token, and where it begins."""
        at = last
        if at < 0:
            return None
        while at >= 0:
            kind = self.kinds[at]
            if kind in _CLOSERS:
                at = self.opening_of(at)
                if at < 0:
                    return None
                if kind == ")" and (at == 0 or self.kinds[at - 1] not in _BEFORE_CALL):
                    break  # a parenthesised expression
                at -= 1
            elif kind == STRING and at > 0 and self.kinds[at - 1] == NAME:
                at -= 1  # require "name"
            elif kind in FIELD_NAMES and at > 0 and self.kinds[at - 1] in (".", ":"):
                if self.kinds[at - 1] == ":" and (at == last or self.kinds[at + 1] not in _ARGUMENTS):
                    break  # the type of an annotation
                at -= 2
            elif kind == NAME or (kind == STRING and at == last):
                break
            else:
                return None
        return self._parsed(max(at, 0), last)

    def opening_of(self, at: int) -> int:
        """The bracket that the one at an index closes."""
        depth = 0
        while at >= 0:
            kind = self.kinds[at]
            depth += (kind in _CLOSERS) - (kind in ("(", "[", "{"))
            if depth == 0:
                return at
            at -= 1
        return -1

    def _parsed(self, first: int, last: int) -> tuple[int, ast.Expression] | None:
        end = self.starts[last + 1] if last + 1 < len(self.starts) else len(self.source)
        source = self.source[self.starts[first] : end]
        try:
            parser = Parser(tokenize(source, ""), source, "")
            parser.types, parser.by_keyword = [], {}
            return first, parser.suffixed() if self.kinds[first] != STRING else parser.operand()
        except (LuaSyntaxError, RecursionError):
            return None


def context_at(text: Text, offset: int) -> Context:
    """What could be completed at an offset."""
    found = _WORD.search(text.source, max(offset - 200, 0), offset)
    start = found.start() if found is not None else offset
    word = found[0].decode() if found is not None else ""
    before = _Before(text, start)
    last = before.last
    if before.string is not None:
        inside = before.source[before.string :]
        required = last >= 0 and "require" in before.texts[max(last - 1, 0) : last + 1]
        shown = inside[1:].decode("utf-8", "replace") + word
        return Context(word, start, text=shown, required=required, silent=inside[:1] not in (b"'", b'"'))
    if before.in_comment():
        return Context(word, start, silent=True)
    if last < 0 or before.kinds[last] not in (".", ":"):
        return Context(word, start, typed=last >= 0 and before.kinds[last] in ("::", "->", "as"))
    separator = before.kinds[last]
    if separator == ":" and _declares(before, last):
        return Context(word, start, typed=True)
    receiver = before.expression(last - 1)
    return Context(word, start, separator, receiver[1] if receiver is not None else None, silent=receiver is None)


def _declares(before: _Before, colon: int) -> bool:
    """Whether a colon annotates: behind the name of a local or parameter, or behind a parameter list."""
    at = colon - 1
    if at < 1:
        return False
    if before.kinds[at] == ")":
        opening = before.opening_of(at)
        return opening > 0 and _declaration(before, opening)
    if before.kinds[at - 1] == "local":
        return True
    depth, at = 0, at - 1
    while at > 0:
        kind = before.kinds[at]
        depth += (kind in _CLOSERS) - (kind in ("(", "[", "{"))
        if depth < 0:
            return kind == "(" and _declaration(before, at)
        at -= 1
    return False


def call_at(text: Text, offset: int) -> CallContext | None:
    """The innermost call whose arguments the offset is in."""
    before = _Before(text, offset)
    argument, at = 0, before.last
    while at >= 0:
        kind = before.kinds[at]
        if kind in _CLOSERS:
            at = before.opening_of(at)
        elif kind == ",":
            argument += 1
        elif kind == "(" and at > 0 and before.kinds[at - 1] in _BEFORE_CALL:
            return _call(before, at, argument)
        elif kind in ("(", "[", "{"):
            argument = 0
        elif kind in ("end", "do", "then", "function", ";"):
            return None
        at -= 1
    return None


def _call(before: _Before, opening: int, argument: int) -> CallContext | None:
    if opening > 1 and before.kinds[opening - 2] == ":" and before.kinds[opening - 1] in FIELD_NAMES:
        receiver = before.expression(opening - 3)
        return CallContext(receiver[1], before.texts[opening - 1], argument) if receiver is not None else None
    if _declaration(before, opening):
        return None
    callee = before.expression(opening - 1)
    return CallContext(callee[1], None, argument) if callee is not None else None


def _declaration(before: _Before, opening: int) -> bool:
    """Whether a parenthesis begins the parameters of a function."""
    at = opening - 1
    while at > 0 and before.kinds[at] in (NAME, ".", ":"):
        at -= 1
    return before.kinds[at] == "function"
