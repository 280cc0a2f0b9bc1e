"""Bytes to tokens (spec 02 §2): one master regular expression, one pass."""

from __future__ import annotations

import re
from itertools import islice
from typing import NoReturn

from .errors import NEWLINE, LuaSyntaxError, line_of
from .literals import LiteralError, long_string_value, number_value, quote, short_string_value
from .tokens import EOF, LABEL, NAME, NUMBER, RESERVED, STRING, Tokens

MAX_TOKENS = 1 << 21
MAX_NESTING = 180
"""Levels of nesting accepted, counted as Lua's own parser counts them; Lua refuses about 195 (LUAI_MAXCCALLS)."""

_BOM = "\xef\xbb\xbf"
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*+"
_ESCAPE = r"\\(?:z[ \t\r\n\f\v]*+|\r\n|\n\r|[\s\S])"

# Every repetition is possessive: matching is linear whatever the input. The numbers are `match.lastindex` values.
_MASTER = re.compile(
    r"[ \t]*+(?:"
    rf"({_IDENTIFIER})"
    r"|(\r\n|\n\r|\n|\r)"
    rf"""|("(?:[^"\\\r\n]++|{_ESCAPE})*+"|'(?:[^'\\\r\n]++|{_ESCAPE})*+')"""
    r"|(0[xX](?:[pP][+-]?|[0-9A-Za-z_.])*+|\.?[0-9](?:[eE][+-]?|[0-9A-Za-z_.])*+)"
    r"|(--(?!\[=*+\[)[^\r\n]*+)"
    r"|(--\[(=*+)\[[\s\S]*?\]\7\])"
    rf"|(::[ \t]*+{_IDENTIFIER}[ \t]*+::)"
    r"|(\[(=*+)\[[\s\S]*?\]\10\])"
    r"|(?!--|\[=*+\[)(\.\.\.|\.\.|==|~=|<=|<<|>=|>>|//|->|\?:|::|[-+*/%^#&~|<>=(){}\[\];:,.?!@])"
    r"|(\Z)"
    r"|([\s\S])"
    r")"
)
_NAME, _NEWLINE, _STRING, _NUMBER, _COMMENT, _BLOCK_COMMENT, _LABEL, _LONG, _OPERATOR, _END = (
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    9,
    11,
    12,
)
_BRACKETS = {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}


def tokenize(source: bytes, entry: str) -> Tokens:
    """All tokens of `source`; raises LuaSyntaxError naming `entry` at the first text that is no token.

    Brackets nested deeper than `MAX_NESTING` are refused here already, before they cost memory.
    """
    text = source.decode("latin-1")
    tokens = Tokens()
    kinds, texts, lines, columns = tokens.kinds, tokens.texts, tokens.lines, tokens.columns
    reserved, brackets = RESERVED, _BRACKETS
    line, line_start = 1, len(_BOM) if text.startswith(_BOM) else 0
    nesting = 0
    for match in islice(_MASTER.finditer(text, line_start), MAX_TOKENS):
        group = match.lastindex or 0
        if group == _NEWLINE:
            line += 1
            line_start = match.end()
            continue
        spelling = match[group]
        if group == _NAME:
            kinds.append(reserved.get(spelling, NAME))
        elif group == _OPERATOR:
            if spelling in brackets:
                nesting += brackets[spelling]
                if nesting > MAX_NESTING:
                    _fail(text, entry, match.start(group), "nesting too deep")
            kinds.append(spelling)
        elif group == _COMMENT:
            continue
        elif group == _END:
            kinds.append(EOF)
        elif group == _BLOCK_COMMENT:
            line, line_start = _past_newlines(spelling, match.start(group), line, line_start)
            continue
        else:
            try:
                kind, value, canonical = _literal(group, spelling)
            except LiteralError as error:
                _fail(text, entry, match.start(group), str(error))
            tokens.literals[len(kinds)] = value
            kinds.append(kind)
            texts.append(canonical)
            lines.append(line)
            columns.append(match.start(group) - line_start + 1)
            if group in (_STRING, _LONG):
                last, line_start = _past_newlines(spelling, match.start(group), line, line_start)
                if last != line:
                    line = tokens.end_lines[len(kinds) - 1] = last
            continue
        texts.append(spelling)
        lines.append(line)
        columns.append(match.start(group) - line_start + 1)
    if not kinds or kinds[-1] != EOF:
        _fail(text, entry, 0, f"source too large (more than {MAX_TOKENS} tokens)")
    return tokens


def _literal(group: int, spelling: str) -> tuple[str, bytes | int | float | str, str]:
    """Kind, value and Lua spelling of a token that has a value; raises LiteralError for everything else."""
    if group == _STRING:
        if "\\" not in spelling and spelling.isprintable():
            return STRING, spelling[1:-1].encode("latin-1"), spelling
        value = short_string_value(spelling)
        return STRING, value, quote(value)
    if group == _NUMBER:
        return NUMBER, number_value(spelling), spelling
    if group == _LONG:
        value = long_string_value(spelling)
        return STRING, value, quote(value)
    if group == _LABEL:
        name = spelling[2:-2].strip(" \t")
        return LABEL, name, f"::{name}::"
    raise LiteralError(_complaint(spelling))


def _complaint(character: str) -> str:
    if character in "\"'":
        return "unfinished string"
    if character == "-":
        return "unfinished long comment"
    if character == "[":
        return "unfinished long string"
    shown = character if character.isascii() and character.isprintable() else f"\\x{ord(character):02X}"
    return f"invalid token '{shown}'"


def _past_newlines(spelling: str, start: int, line: int, line_start: int) -> tuple[int, int]:
    """Line number and start of the line after a token that began at offset `start` and may span lines."""
    if "\n" in spelling or "\r" in spelling:
        for newline in NEWLINE.finditer(spelling):
            line += 1
            line_start = start + newline.end()
    return line, line_start


def _fail(text: str, entry: str, offset: int, message: str) -> NoReturn:
    line, line_start = _past_newlines(text[:offset], 0, 1, len(_BOM) if text.startswith(_BOM) else 0)
    raise LuaSyntaxError(entry, line, offset - line_start + 1, message, line_of(text, line))
