"""Values of expressions: nil, booleans, 64-bit integers, floats, texts, arrays, maps, dates, durations.

Nothing else ever reaches an expression: members are looked up in maps only, never on Python objects.
"""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Callable
from typing import Any, TypeGuard

from wippy.core.durations import format_duration
from wippy.core.errors import Error, internal

STEPS = 2_000_000
"""What one run may cost: about a second."""


class Budget:
    """The steps a run has left. Work on texts and arrays costs in proportion."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise internal("expression takes too many steps")


def wrapped(n: int) -> int:
    """An integer within 64 bits."""
    return n if -0x8000000000000000 <= n <= 0x7FFFFFFFFFFFFFFF else (n + (1 << 63)) % (1 << 64) - (1 << 63)


def is_number(value: Any) -> TypeGuard[int | float]:
    return value.__class__ is int or value.__class__ is float


def type_name(value: Any) -> str:
    """What `type()` gives."""
    if value is None:
        return "nil"
    names = {bool: "bool", int: "int", float: "float", str: "string", list: "array", dict: "map"}
    found = names.get(value.__class__)
    if found is not None:
        return found
    return "duration" if isinstance(value, datetime.timedelta) else "time"


def mismatch(operator: str, left: Any, right: Any) -> Error:
    return internal(f"invalid operation: {type_name(left)} {operator} {type_name(right)}")


def equal(a: Any, b: Any, budget: Budget) -> bool:
    """Numbers by value, arrays and maps by content; values of different types are different."""
    if is_number(a) and is_number(b):
        return bool(a == b)
    if a.__class__ is not b.__class__:
        return False
    if isinstance(a, list):
        budget.spend(len(a))
        return len(a) == len(b) and all(equal(x, y, budget) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        budget.spend(len(a))
        return a.keys() == b.keys() and all(equal(value, b[key], budget) for key, value in a.items())
    if isinstance(a, str):
        budget.spend(len(a) >> 6)
    return bool(a == b)


_ORDERED = (str, datetime.datetime, datetime.timedelta)


def less(a: Any, b: Any) -> bool:
    """Whether `a < b`. Raises Error(Internal) for values without an order."""
    if (is_number(a) and is_number(b)) or (a.__class__ is b.__class__ and isinstance(a, _ORDERED)):
        return bool(a < b)
    raise mismatch("<", a, b)


def sort_key(less_than: Callable[[Any, Any], bool] = less) -> Callable[[Any], Any]:
    return functools.cmp_to_key(lambda a, b: -1 if less_than(a, b) else int(less_than(b, a)))


def show(value: Any) -> str:
    """The text of a value, as `string()` gives it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, list):
        return "[" + " ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.timedelta):
        return format_duration(value // datetime.timedelta(microseconds=1) * 1000)
    return str(value)


def show_float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e21 else repr(value)
