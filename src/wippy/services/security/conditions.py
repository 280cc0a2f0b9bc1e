"""Conditions of a policy: a field, an operator, a value (spec 05 §9.2)."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from wippy.compute.identity import Actor
from wippy.core.errors import invalid

OPERATORS = tuple(
    "eq ne lt gt lte gte in nin exists nexists contains ncontains matches nmatches".split()  # noqa: SIM905
)


class ConditionConfig(msgspec.Struct, frozen=True):
    field: str
    """`actor.id`, `actor.meta.x`, `meta.x`, `action` or `resource`."""
    operator: str
    """How it is compared."""
    value: Any = None
    """With what."""
    value_from: str = ""
    """The field that holds what it is compared with."""


class ConditionError(Exception):
    """The condition cannot be judged: it counts as not holding."""


class Request(msgspec.Struct, frozen=True):
    """What is asked: may `actor` do `action` on `resource`?"""

    actor: Actor
    action: str
    resource: str
    meta: Mapping[str, Any]

    def field(self, path: str) -> Any:
        """The value at a field path; None when it is missing. Raises ConditionError for a path without meaning."""
        if path == "action":
            return self.action
        if path == "resource":
            return self.resource
        head, _, rest = path.partition(".")
        if head == "actor":
            return self._actor_field(rest)
        if head == "meta":
            if not rest:
                raise ConditionError("meta is no field by itself")
            return _walk(self.meta, rest)
        return self.meta.get(path)

    def _actor_field(self, rest: str) -> Any:
        if not self.actor.id and not self.actor.meta:
            raise ConditionError("there is no actor")
        if rest == "id":
            return self.actor.id
        head, _, below = rest.partition(".")
        if head != "meta":
            raise ConditionError(f"actor.{rest} is no field")
        return _walk(self.actor.meta, below) if below else self.actor.meta


def _walk(tree: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


class Condition:
    """One condition, checked when it is made. Raises Error(Invalid)."""

    def __init__(self, config: ConditionConfig) -> None:
        if not config.field:
            raise invalid("condition: field is required")
        if config.operator not in OPERATORS:
            raise invalid(f'condition: unknown operator "{config.operator}" (known: {", ".join(OPERATORS)})')
        if config.value is None and not config.value_from:
            raise invalid(f'condition on "{config.field}": value or value_from is required')
        self._config = config
        self._pattern = None
        if config.operator in ("matches", "nmatches") and not config.value_from:
            self._pattern = _compiled(str(config.value))

    def holds(self, request: Request) -> bool:
        """Whether it holds. Raises ConditionError when it cannot be judged."""
        config = self._config
        value = request.field(config.field)
        expected = request.field(config.value_from) if config.value_from else config.value
        if config.operator in ("exists", "nexists"):
            return _present(value, expected) == (config.operator == "exists")
        if value is None:
            return False
        if config.operator in ("matches", "nmatches"):
            if self._pattern is None:
                raise ConditionError("a pattern must be given as value")
            text = text_of(value).encode("utf-8", "replace").decode()
            found = self._pattern.search(text) is not None
            return found == (config.operator == "matches")
        return COMPARE[config.operator](value, expected)


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    import re2

    try:
        return re2.compile(pattern)
    except re2.error as e:
        raise invalid(f'condition: invalid pattern "{pattern}": {e}') from None


def _present(value: Any, expected: Any) -> bool:
    if not isinstance(expected, bool):
        raise ConditionError("exists needs true or false")
    return (value is not None) is expected


def text_of(value: Any) -> str:
    """Numbers in plain decimal, booleans as in JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)).normalize(), "f")
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


_NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _number(value: Any) -> int | float | None:
    """Numbers and numeric texts; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str):
        if not _NUMERIC.fullmatch(value):
            return None
        value = float(value) if len(value) > 18 or not value.lstrip("+-").isdigit() else int(value)
    return None if math.isnan(value) else value


def equal(a: Any, b: Any) -> bool:
    if a == b and isinstance(a, bool) == isinstance(b, bool):
        return True
    left, right = _number(a), _number(b)
    if left is not None and right is not None:
        return left == right
    plain = not isinstance(a, (list, Mapping)) and not isinstance(b, (list, Mapping))
    return plain and a is not None and b is not None and text_of(a) == text_of(b)


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def check(value: Any, expected: Any) -> bool:
        left, right = _number(value), _number(expected)
        if left is None or right is None:
            raise ConditionError("only numbers can be ordered")
        return compare(left, right)

    return check


def _member(value: Any, expected: Any) -> bool:
    if isinstance(expected, str):
        expected = [expected]
    if not isinstance(expected, list):
        raise ConditionError("in needs a list")
    return any(equal(value, item) for item in expected)


def _contains(value: Any, expected: Any) -> bool:
    if isinstance(value, list):
        return any(equal(item, expected) for item in value)
    if isinstance(value, Mapping):
        raise ConditionError("a map cannot be searched")
    return text_of(expected) in text_of(value)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": equal,
    "ne": lambda a, b: not equal(a, b),
    "lt": _ordered(lambda a, b: a < b),
    "gt": _ordered(lambda a, b: a > b),
    "lte": _ordered(lambda a, b: a <= b),
    "gte": _ordered(lambda a, b: a >= b),
    "in": _member,
    "nin": lambda a, b: not _member(a, b),
    "contains": _contains,
    "ncontains": lambda a, b: not _contains(a, b),
}
