"""Regular expressions of the guest module `text` (spec 04b §7.1): RE2, with Go's way of finding all and of replacing.

Offsets count bytes. A match is a flat list of spans, two numbers (from 0, end excluded) for the whole and each
group; a group that took no part has -1. RE2 never backtracks: time is linear in the subject.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from wippy.core.errors import internal, invalid

MOST_MATCHES = 1_000_000
LARGEST = 64 << 20
"""Bytes a replacement may produce."""

_REFERENCE = re.compile(rb"\$(?:(\$)|(\w+)|\{(\w+)\})")


@functools.lru_cache(maxsize=512)
def compiled(pattern: bytes) -> Any:
    """The expression. Raises Error(Invalid) for a bad one."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as e:
        reason = e.args[0].decode("utf-8", "replace") if e.args and isinstance(e.args[0], bytes) else str(e)
        raise invalid(f"error parsing regexp: {reason}") from None


def names(pattern: bytes) -> list[str]:
    """Names of the groups, `""` for the whole and for those without one."""
    expression = compiled(pattern)
    by_number = {number: name for name, number in expression.groupindex.items()}
    return [_text(by_number.get(number, "")) for number in range(expression.groups + 1)]


def matches(pattern: bytes, subject: bytes) -> bool:
    return compiled(pattern).search(subject) is not None


def find(pattern: bytes, subject: bytes) -> list[int] | None:
    """The leftmost match."""
    found = compiled(pattern).search(subject)
    return None if found is None else _spans(found)


def find_all(pattern: bytes, subject: bytes) -> list[list[int]]:
    """All matches. Raises Error(Internal) for more than a million."""
    found = []
    for match in _all(compiled(pattern), subject):
        found.append(_spans(match))
        if len(found) > MOST_MATCHES:
            raise internal("too many matches")
    return found


def _spans(match: Any) -> list[int]:
    return [position for group in range(match.re.groups + 1) for position in match.span(group)]


def _all(expression: Any, subject: bytes) -> Iterator[Any]:
    """Matches from left to right that do not overlap; an empty one next to its predecessor does not count."""
    at, previous_end, size = 0, -1, len(subject)
    while at <= size:
        match = expression.search(subject, at)
        if match is None:
            return
        start, end = match.span()
        counts = True
        if end == at:
            counts = start != previous_end
            at += _width(subject, at)
        else:
            at = end
        previous_end = end
        if counts:
            yield match


def _width(subject: bytes, at: int) -> int:
    """Bytes of the character at `at`; 1 for what is none."""
    first = subject[at] if at < len(subject) else 0
    width = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    following = subject[at + 1 : at + width]
    return width if len(following) == width - 1 and all(0x80 <= byte < 0xC0 for byte in following) else 1


def replace_all(pattern: bytes, subject: bytes, replacement: bytes) -> bytes:
    """Every match replaced; `$1`, `${1}`, `$name`, `${name}` stand for groups, `$$` for a dollar sign."""
    expression = compiled(pattern)
    parts = _template(replacement, expression)
    out: list[bytes] = []
    last, size = 0, len(subject)
    for match in _all(expression, subject):
        start, end = match.span()
        made = b"".join(part if isinstance(part, bytes) else match.group(part) or b"" for part in parts)
        out += (subject[last:start], made)
        last = end
        size += len(made)
        if size > LARGEST or len(out) > 2 * MOST_MATCHES:
            raise internal("result is too large")
    out.append(subject[last:])
    return b"".join(out)


def _template(replacement: bytes, expression: Any) -> list[bytes | int]:
    """Texts and numbers of groups; a reference to a group that does not exist is nothing."""
    parts: list[bytes | int] = []
    last = 0
    for found in _REFERENCE.finditer(replacement):
        parts.append(replacement[last : found.start()])
        last = found.end()
        name = found[2] or found[3]
        if name is None:
            parts.append(b"$")
            continue
        number = (
            int(name) if name.isdigit() and len(name) < 6 else expression.groupindex.get(_group_name(expression, name))
        )
        if number is not None and number <= expression.groups:
            parts.append(number)
    parts.append(replacement[last:])
    return [part for part in parts if part != b""]


def _group_name(expression: Any, name: bytes) -> Any:
    return next((known for known in expression.groupindex if _text(known) == _text(name)), None)


def split(pattern: bytes, subject: bytes, count: int) -> list[bytes]:
    """The parts between matches; at most `count` when it is not negative."""
    if count == 0:
        return []
    if pattern and not subject:
        return [b""]
    parts: list[bytes] = []
    begin, end = 0, 0
    for match in _all(compiled(pattern), subject):
        if 0 < count == len(parts) + 1 or len(parts) > MOST_MATCHES:
            break
        start, stop = match.span()
        end = start
        if stop != 0:
            parts.append(subject[begin:end])
        begin = stop
    if end != len(subject):
        parts.append(subject[begin:])
    return parts


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
