"""Environment placeholders inside entry data (spec 01 §6): `${env:NAME}`, `${env:NAME|default}`, `${NAME|default}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

EnvLookup: TypeAlias = Callable[[str, str], str | None]
"""(variable name or entry id, namespace of the asking entry) -> value, "" when empty, None when not registered."""

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{env:([^}|]*)(?:\|([^}]*))?\}|\$\{([A-Z0-9_]+)\|([^}]*)\}")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")


class UnresolvedVariable(Exception):
    """A placeholder without a value and without a default."""


def substitute(text: str, namespace: str, lookup: EnvLookup) -> Any:
    """`text` with its placeholders replaced.

    A text that is one placeholder takes the type of its default when the value can be read as that type; mixed text
    stays text. Raises `UnresolvedVariable`.
    """

    def value_of(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = (match[3], match[4]) if match[3] is not None else (match[1], match[2])
        value = lookup(name, namespace)
        if value is None:
            value = default
        if value is None:
            raise UnresolvedVariable(name)
        return value

    whole = _PLACEHOLDER.fullmatch(text)
    if whole is None or text == "$${":
        return _PLACEHOLDER.sub(value_of, text)
    value, default = value_of(whole), whole[4] if whole[3] is not None else whole[2]
    return value if default is None else _typed_like(scalar(default), value)


def names(tree: Any) -> Iterator[str]:
    """The variable names that placeholders anywhere in `tree` use."""
    if isinstance(tree, str):
        if "${" in tree:
            yield from (match[1] or match[3] for match in _PLACEHOLDER.finditer(tree) if match[1] or match[3])
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from names(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from names(value)


def scalar(text: str) -> bool | int | float | str:
    """What `text` reads as: a boolean, an integer, a decimal number, else itself."""
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return float(text)
    return text


def _typed_like(default: Any, value: str) -> Any:
    read = scalar(value)
    if type(read) is type(default) or (isinstance(default, float) and type(read) is int):
        return type(default)(read)
    return value
