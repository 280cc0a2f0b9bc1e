"""Patterns over dotted texts, used by `disable`, excludes and event subscriptions (spec 01 §7, §13).

`*` is exactly one segment, `**` any number of segments, `(a|b)` alternatives. A star inside a segment (`test_*`)
stands for the rest of that segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from wippy.core.errors import invalid

TextTest: TypeAlias = Callable[[str], bool]

_SEGMENT = r"[^.]+"


@lru_cache(maxsize=1024)
def dotted_pattern(pattern: str) -> TextTest:
    """A test for texts that match `pattern`. Raises Error(Invalid) for unbalanced parentheses."""
    if "*" not in pattern and "(" not in pattern:
        return lambda text: text == pattern
    fits = re.compile(_expression(pattern)).fullmatch
    return lambda text: fits(text) is not None


def _expression(pattern: str) -> str:
    parts: list[str] = []
    begun = False
    segments = _split(pattern, ".")
    for index, segment in enumerate(segments):
        if segment != "**":
            parts.append((r"\." if begun else "") + _segment(segment))
            begun = True
        elif begun:
            parts.append(rf"(?:\.{_SEGMENT})*")
        elif index + 1 < len(segments):
            parts.append(rf"(?:{_SEGMENT}\.)*")
        else:
            parts.append(rf"(?:{_SEGMENT}(?:\.{_SEGMENT})*)?")
    return "".join(parts)


def _segment(segment: str) -> str:
    if segment == "*":
        return _SEGMENT
    parts: list[str] = []
    rest = segment
    while rest:
        if rest[0] == "(":
            end = _closing(rest)
            parts.append(f"(?:{'|'.join(map(_expression, _split(rest[1:end], '|')))})")
            rest = rest[end + 1 :]
        else:
            parts.append("[^.]*" if rest[0] == "*" else re.escape(rest[0]))
            rest = rest[1:]
    return "".join(parts)


def _split(text: str, separator: str) -> list[str]:
    """`text` cut at the separators that stand outside parentheses."""
    pieces, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    if depth != 0:
        raise invalid(f'unbalanced parentheses in pattern "{text}"')
    return pieces


def _closing(text: str) -> int:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return index
    raise invalid(f'unbalanced parentheses in pattern "{text}"')
