"""Guest module `expr` (spec 04b §11): the expression language of `wippy.expr` on tables of guests."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wippy.core.errors import Error
from wippy.lua.modules.declare import Module
from wippy.lua.modules.plain_tables import as_list, key_text

STEPS = 500_000
"""What one evaluation may cost; it holds the shard while it runs."""

expr = Module(
    "expr",
    "Expressions over data: `price * count > 100`.",
    classes=("deterministic",),
    source=Path(__file__).with_suffix(".lua"),
)

expr.in_lua(
    {
        "eval(source: string, env: table?) -> any": "The value of an expression; compiled ones are cached by source. "
        "Invalid for an empty source, Internal for a mistake in it and for a failing run.",
        "compile(source: string, env_hint: table?) -> Program": "Compiles an expression; with a hint, names and types "
        "that do not fit it are Internal errors.",
    },
    handles={"Program": {"run(env: table?) -> any": "The value of the expression for an environment."}},
)


class _Language:
    """`wippy.expr`, imported when it is first used."""

    def __init__(self) -> None:
        from wippy.expr import Program, Programs

        self.compile = Program
        self.programs = Programs()


_language: _Language | None = None


def _loaded() -> _Language:
    global _language
    if _language is None:
        _language = _Language()
    return _language


@expr.function("run(source: string, env: any) -> any", private=True)
def run(source: str, env: Any) -> Any:
    """The value of `source` for `env`."""
    return _given(_loaded().programs.get(source).run(_environment(env), steps=STEPS))


@expr.function("check(source: string, hint: any) -> boolean", private=True)
def check(source: str, hint: Any) -> bool:
    """Compiles `source`; `hint` is false or an example of its environment."""
    language = _loaded()
    if isinstance(hint, (Mapping, list)):
        language.compile(source, _environment(hint))
    language.programs.get(source)
    return True


def _environment(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {key_text(key): _taken(item) for key, item in value.items()}


def _taken(value: Any) -> Any:
    """A value of a guest as the language knows it."""
    if isinstance(value, Mapping):
        items = as_list(value)
        if items is None:
            return {key_text(key): _taken(item) for key, item in value.items()}
        value = items
    if isinstance(value, list):
        return [_taken(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.message if isinstance(value, Error) else str(value)


def _given(value: Any) -> Any:
    """A value of the language as a guest gets it: dates and durations as texts."""
    from wippy.expr.values import show

    if isinstance(value, (datetime.datetime, datetime.timedelta)):
        return show(value)
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_given(item) for item in value]
    if isinstance(value, str) and not value.isascii():
        return _text(value)
    return value


def _text(value: str) -> str | bytes:
    data = value.encode("utf-8", "surrogateescape")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return value
