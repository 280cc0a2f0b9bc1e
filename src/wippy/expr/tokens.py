"""Tokens of the expression language (spec 04b §11)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from wippy.core.errors import Error, internal

LONGEST_SOURCE = 64 * 1024
WORD_OPERATORS = frozenset({"and", "or", "not", "in", "contains", "startsWith", "endsWith", "matches", "let"})

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:\d[\d_]*\.(?!\.)[\d_]*|\.\d[\d_]*|\d[\d_]*)(?:[eE][-+]?\d+)?)
    |(?P<name>[^\W\d]\w*|\$env\b)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<raw>`[^`]*`)
    |(?P<operator>\?\.|\?\?|\*\*|\.\.|==|!=|<=|>=|&&|\|\||[-+*/%^<>!?:|=.,;])
    |(?P<bracket>[()\[\]{}])
    |(?P<pointer>\#\w*)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Token(NamedTuple):
    """`kind`: number, string, name, operator, bracket, pointer or end; `value` is what it means."""

    kind: str
    value: Any
    at: int


def failure(source: str, at: int, reason: str) -> Error:
    """A syntax or compile error with its position."""
    line = source.count("\n", 0, at) + 1
    column = at - (source.rfind("\n", 0, at) + 1) + 1
    return internal(f"{reason} ({line}:{column})")


def tokenize(source: str) -> list[Token]:
    """All tokens of `source`, with one of kind `end` after them. Raises Error(Internal)."""
    if len(source) > LONGEST_SOURCE:
        raise internal(f"expression is too long (limit {LONGEST_SOURCE} characters)")
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise failure(source, at, f"unrecognized character: {source[at]!r}")
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(_token(source, kind, match[0], at))
        at = match.end()
    return [*tokens, Token("end", "EOF", at)]


def _token(source: str, kind: str, text: str, at: int) -> Token:
    if kind == "number":
        return Token(kind, _number(source, text, at), at)
    if kind == "string":
        return Token(kind, _unescaped(source, text[1:-1], at), at)
    if kind == "raw":
        return Token("string", text[1:-1], at)
    if kind == "name" and text in WORD_OPERATORS:
        return Token("operator", text, at)
    return Token(kind, text, at)


def _number(source: str, text: str, at: int) -> int | float:
    digits = text.replace("_", "")
    try:
        value = int(digits, 0) if digits[:2].lower() in ("0x", "0o", "0b") else _decimal(digits)
    except ValueError:
        raise failure(source, at, f"bad number syntax: {text!r}") from None
    if isinstance(value, int) and value >= 1 << 63:
        raise failure(source, at, f"integer literal is too large: {text}")
    return value


def _decimal(digits: str) -> int | float:
    return float(digits) if any(c in digits for c in ".eE") else int(digits)


def _unescaped(source: str, text: str, at: int) -> str:
    def expand(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3] or match[4]
        if code is not None:
            return _character(source, at, int(code, 16))
        if match[5] is not None:
            return _character(source, at, int(match[5], 8))
        return _SIMPLE.get(match[6], match[6])

    return _ESCAPE.sub(expand, text) if "\\" in text else text


def _character(source: str, at: int, code: int) -> str:
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise failure(source, at, "invalid code point in a string")
    return chr(code)
