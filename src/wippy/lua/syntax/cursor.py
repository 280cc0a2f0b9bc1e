"""The position of a parser in its tokens: expecting, failing, counting levels."""

from __future__ import annotations

from . import ast
from .errors import LuaSyntaxError, line_of
from .lexer import MAX_NESTING
from .tokens import EOF, NAME, Tokens

DEEP = 60
"""Levels from which emitted code should add none: below, what it adds still fits under Lua's own limit."""


class Cursor:
    """Tokens and a current index, shared by the parsers of types, expressions and statements."""

    def __init__(self, tokens: Tokens, source: bytes, entry: str) -> None:
        self.tokens = tokens
        self.kinds = tokens.kinds
        self.texts = tokens.texts
        self.lines = tokens.lines
        self.columns = tokens.columns
        self.source = source
        self.entry = entry
        self.i = 0
        self.depth = 0
        self.ceiling = DEEP
        self.deep = False

    def expression(self, limit: int = 0) -> ast.Expression:
        raise NotImplementedError

    def expression_list(self) -> list[ast.Expression]:
        raise NotImplementedError

    def type(self, primary: ast.Type | None = None) -> ast.Type:
        raise NotImplementedError

    def block(self) -> ast.Block:
        raise NotImplementedError

    def pass_ceiling(self) -> None:
        """Called where `depth` exceeds `ceiling`: remember that the source is deep, refuse what is too deep."""
        if self.depth > MAX_NESTING:
            raise self.error("nesting too deep")
        self.deep = True
        self.ceiling = MAX_NESTING

    def expect(self, kind: str) -> int:
        """Step over a token of this kind and return its index."""
        index = self.i
        if self.kinds[index] != kind:
            raise self.expected(f"'{kind}'")
        self.i = index + 1
        return index

    def expect_name(self) -> str:
        index = self.i
        if self.kinds[index] != NAME:
            raise self.expected("a name")
        self.i = index + 1
        return self.texts[index]

    def expect_closing(self, kind: str, opening: int) -> int:
        """Step over the token that closes what token `opening` began."""
        index = self.i
        if self.kinds[index] != kind:
            opener = self.texts[opening]
            where = f"at line {self.lines[opening]}"
            if self.lines[opening] == self.lines[index] and self.kinds[index] != EOF:
                where = f"at column {self.columns[opening]}"
            raise self.expected(f"'{kind}' (to close '{opener}' {where})")
        self.i = index + 1
        return index

    def expected(self, what: str) -> LuaSyntaxError:
        return self.error(f"expected {what}, found {self.tokens.describe(self.i)}")

    def error(self, message: str, index: int | None = None) -> LuaSyntaxError:
        """A syntax error at a token, the current one unless said."""
        return syntax_error(self.tokens, self.source, self.entry, self.i if index is None else index, message)


def syntax_error(tokens: Tokens, source: bytes, entry: str, index: int, message: str) -> LuaSyntaxError:
    """A LuaSyntaxError at token `index`."""
    line = tokens.lines[index]
    length = max(len(tokens.texts[index]), 1)
    return LuaSyntaxError(entry, line, tokens.columns[index], message, line_of(source.decode("latin-1"), line), length)
