"""Changes between two versions as people read them: one line an entry, and its fields below it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from wippy.cli.output import presentable

_MARKS = {"create": "+", "update": "~", "delete": "-"}
_ABSENT = object()
CONTEXT = 1  # unchanged lines around a changed one
LONGEST = 60  # characters of a value that is shown


def described(changes: list[dict[str, Any]]) -> str:
    """`changes` as `registry.inspection` gives them."""
    return "\n".join(line for change in changes for line in _lines(change))


def _lines(change: dict[str, Any]) -> Iterator[str]:
    yield f"{_MARKS[change['operation']]} {change['id']} ({change['kind']})"
    if change["operation"] == "update":
        for path, before, after in sorted(_fields("", change["before"], change["after"]), key=lambda field: field[0]):
            yield from _field(path, before, after)


def _fields(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """(path, value before, value after) of every leaf that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            inner = f"{path}.{key}" if path else str(key)
            yield from _fields(inner, before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif presentable(before) != presentable(after) or isinstance(before, bool) != isinstance(after, bool):
        yield path, before, after


def _field(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"    {path}:"
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT))[2:]
        yield from (f"      {line}".rstrip() for line in lines)
    elif before is _ABSENT:
        yield f"    {path}: added {_shown(after)}"
    elif after is _ABSENT:
        yield f"    {path}: removed {_shown(before)}"
    else:
        yield f"    {path}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    text = json.dumps(presentable(value), ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
