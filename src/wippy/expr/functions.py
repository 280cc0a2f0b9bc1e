"""The functions of the expression language that take values only (spec 04b §11)."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from wippy.core.errors import internal
from wippy.expr import dates
from wippy.expr.values import Budget, equal, is_number, less, mismatch, show, sort_key, type_name, wrapped

MANY = 255
LARGEST_TEXT = 10_000_000


class BuiltIn(NamedTuple):
    """`call(budget, *arguments)`; `arity` is the least and the most number of arguments."""

    call: Callable[..., Any]
    arity: tuple[int, int]


FUNCTIONS: dict[str, BuiltIn] = {}


def function(name: str, least: int, most: int | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(call: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = BuiltIn(call, (least, least if most is None else most))
        return call

    return declare


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise internal(f"invalid argument for {name} (type {type_name(value)})")
    return value


def array(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise internal(f"cannot use {type_name(value)} as array in {name}")
    return value


def number(value: Any, name: str) -> int | float:
    if is_number(value):
        return value
    raise internal(f"invalid argument for {name} (type {type_name(value)})")


def integer(value: Any, name: str) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    if value.__class__ is not int:
        raise internal(f"invalid argument for {name} (type {type_name(value)})")
    return int(value)


def bounded(size: int) -> None:
    if size > LARGEST_TEXT:
        raise internal("result is too large")


# Texts --------------------------------------------------------------------------------------------------------------


def _on_text(name: str, apply: Callable[..., Any], least: int = 1, most: int | None = None) -> None:
    """A function whose arguments are all texts."""

    def call(budget: Budget, *values: Any) -> Any:
        texts = [text(value, name) for value in values]
        budget.spend(sum(map(len, texts)) >> 4)
        return apply(*texts)

    FUNCTIONS[name] = BuiltIn(call, (least, least if most is None else most))


_on_text("trim", lambda s, chars=None: s.strip(chars), 1, 2)
_on_text("trimPrefix", lambda s, prefix=" ": s.removeprefix(prefix), 1, 2)
_on_text("trimSuffix", lambda s, suffix=" ": s.removesuffix(suffix), 1, 2)
_on_text("upper", str.upper)
_on_text("lower", str.lower)
_on_text("indexOf", lambda s, part: s.find(part), 2)
_on_text("lastIndexOf", lambda s, part: s.rfind(part), 2)
_on_text("hasPrefix", lambda s, prefix: s.startswith(prefix), 2)
_on_text("hasSuffix", lambda s, suffix: s.endswith(suffix), 2)


def _cut(value: str, separator: str, count: int) -> list[str]:
    if count == 0:
        return []
    if not separator:
        parts = list(value)
        return parts if not 0 < count < len(parts) else [*parts[: count - 1], "".join(parts[count - 1 :])]
    return value.split(separator, count - 1 if count > 0 else -1)


@function("split", 2, 3)
def split(budget: Budget, value: Any, separator: Any, count: Any = -1) -> list[str]:
    value = text(value, "split")
    budget.spend(len(value))
    return _cut(value, text(separator, "split"), integer(count, "split"))


@function("splitAfter", 2, 3)
def split_after(budget: Budget, value: Any, separator: Any, count: Any = -1) -> list[str]:
    parts: list[str] = split(budget, value, separator, count)
    return [part + separator for part in parts[:-1]] + parts[-1:]


@function("replace", 3)
def replace(budget: Budget, value: Any, old: Any, new: Any) -> str:
    value, old, new = text(value, "replace"), text(old, "replace"), text(new, "replace")
    count = value.count(old)
    bounded(len(value) + count * len(new))
    budget.spend((len(value) + count * len(new)) >> 4)
    return str(value.replace(old, new))


@function("repeat", 2)
def repeat(budget: Budget, value: Any, count: Any) -> str:
    times = integer(count, "repeat")
    if times < 0:
        raise internal("negative repeat count")
    bounded(len(text(value, "repeat")) * times)
    budget.spend(len(value) * times >> 4)
    return str(value * times)


@function("join", 1, 2)
def join(budget: Budget, values: Any, separator: Any = "") -> str:
    parts = [text(value, "join") for value in array(values, "join")]
    size = sum(map(len, parts)) + len(text(separator, "join")) * len(parts)
    bounded(size)
    budget.spend(len(parts) + (size >> 4))
    return str(separator.join(parts))


# Numbers ------------------------------------------------------------------------------------------------------------


def _rounded(value: float) -> float:
    return value if math.isinf(value) or math.isnan(value) else math.copysign(math.floor(abs(value) + 0.5), value)


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


@function("abs", 1)
def absolute(budget: Budget, value: Any) -> int | float:
    size = abs(number(value, "abs"))
    return wrapped(size) if isinstance(size, int) else size


FUNCTIONS["ceil"] = BuiltIn(lambda budget, v: -_floor(-float(number(v, "ceil"))), (1, 1))
FUNCTIONS["floor"] = BuiltIn(lambda budget, v: _floor(float(number(v, "floor"))), (1, 1))
FUNCTIONS["round"] = BuiltIn(lambda budget, v: _rounded(float(number(v, "round"))), (1, 1))


def _numbers(budget: Budget, name: str, values: tuple[Any, ...]) -> list[int | float]:
    """Numbers among the arguments, those in arrays included."""
    found: list[int | float] = []
    for value in values:
        found += [number(item, name) for item in value] if isinstance(value, list) else [number(value, name)]
    budget.spend(len(found))
    return found


def _extreme(name: str, pick: Callable[[list[int | float]], Any]) -> None:
    def call(budget: Budget, *values: Any) -> Any:
        found = _numbers(budget, name, values)
        return pick(found) if found else None

    FUNCTIONS[name] = BuiltIn(call, (1, MANY))


def _median(values: list[int | float]) -> float:
    ordered, middle = sorted(values), len(values) // 2
    return float(ordered[middle]) if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


_extreme("max", max)
_extreme("min", min)
FUNCTIONS["mean"] = BuiltIn(
    lambda budget, *v: (lambda n: sum(n) / len(n) if n else 0)(_numbers(budget, "mean", v)), (1, MANY)
)
FUNCTIONS["median"] = BuiltIn(
    lambda budget, *v: (lambda n: _median(n) if n else 0)(_numbers(budget, "median", v)), (1, MANY)
)


def _shift(name: str, apply: Callable[[int, int], int]) -> None:
    def call(budget: Budget, value: Any, count: Any) -> int:
        by = integer(count, name)
        if by < 0:
            raise internal("invalid operation: negative shift count")
        return wrapped(apply(integer(value, name), min(by, 64)))

    FUNCTIONS[name] = BuiltIn(call, (2, 2))


for _name, _apply in (
    ("bitand", lambda a, b: a & b),
    ("bitor", lambda a, b: a | b),
    ("bitxor", lambda a, b: a ^ b),
    ("bitnand", lambda a, b: a & ~b),
):
    FUNCTIONS[_name] = BuiltIn(
        lambda budget, a, b, apply=_apply, name=_name: apply(integer(a, name), integer(b, name)), (2, 2)
    )
FUNCTIONS["bitnot"] = BuiltIn(lambda budget, a: ~integer(a, "bitnot"), (1, 1))
_shift("bitshl", lambda a, n: a << n)
_shift("bitshr", lambda a, n: a >> n)
_shift("bitushr", lambda a, n: (a % (1 << 64)) >> n)


# Arrays and maps ----------------------------------------------------------------------------------------------------


@function("len", 1)
def length(budget: Budget, value: Any) -> int:
    if not isinstance(value, (str, list, dict)):
        raise internal(f"invalid argument for len (type {type_name(value)})")
    return len(value)


@function("first", 1)
def first(budget: Budget, value: Any) -> Any:
    values = array(value, "first")
    return values[0] if values else None


@function("last", 1)
def last(budget: Budget, value: Any) -> Any:
    values = array(value, "last")
    return values[-1] if values else None


@function("take", 2)
def take(budget: Budget, value: Any, count: Any) -> list[Any]:
    wanted = integer(count, "take")
    if wanted < 0:
        raise internal(f"cannot take {wanted} elements")
    return array(value, "take")[:wanted]


@function("reverse", 1)
def reverse(budget: Budget, value: Any) -> list[Any]:
    budget.spend(len(array(value, "reverse")))
    return list(value[::-1])


def descending(order: Any) -> bool:
    if order not in ("asc", "desc"):
        raise internal("sort order must be asc or desc")
    return bool(order == "desc")


@function("sort", 1, 2)
def sort(budget: Budget, value: Any, order: Any = "asc") -> list[Any]:
    values = array(value, "sort")
    budget.spend(len(values) * len(values).bit_length())
    return sorted(values, key=sort_key(), reverse=descending(order))


@function("uniq", 1)
def uniq(budget: Budget, value: Any) -> list[Any]:
    found: list[Any] = []
    seen: set[Any] = set()
    for item in array(value, "uniq"):
        budget.spend(1)
        if isinstance(item, (list, dict)):
            budget.spend(len(found))
            if not any(equal(item, other, budget) for other in found):
                found.append(item)
        elif (key := (is_number(item) or item.__class__, item)) not in seen:
            seen.add(key)
            found.append(item)
    return found


@function("concat", 1, MANY)
def concat(budget: Budget, *values: Any) -> list[Any]:
    joined: list[Any] = []
    for value in values:
        budget.spend(len(array(value, "concat")))
        joined += value
    return joined


@function("flatten", 1)
def flatten(budget: Budget, value: Any) -> list[Any]:
    flat: list[Any] = []
    waiting = [iter(array(value, "flatten"))]
    while waiting:
        for item in waiting[-1]:
            budget.spend(1)
            if isinstance(item, list):
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat


def mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise internal(f"cannot use {type_name(value)} as map in {name}")
    return value


@function("keys", 1)
def keys(budget: Budget, value: Any) -> list[Any]:
    budget.spend(len(mapping(value, "keys")))
    return list(value)


@function("values", 1)
def values(budget: Budget, value: Any) -> list[Any]:
    budget.spend(len(mapping(value, "values")))
    return list(value.values())


@function("toPairs", 1)
def to_pairs(budget: Budget, value: Any) -> list[Any]:
    budget.spend(2 * len(mapping(value, "toPairs")))
    return [[key, item] for key, item in value.items()]


@function("fromPairs", 1)
def from_pairs(budget: Budget, value: Any) -> dict[str, Any]:
    budget.spend(2 * len(array(value, "fromPairs")))
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise internal("invalid pair in fromPairs")
    return {show(key): item for key, item in value}


@function("get", 2)
def get(budget: Budget, value: Any, key: Any) -> Any:
    """A member, or nil where there is none."""
    if isinstance(value, dict):
        return value.get(key if isinstance(key, str) else show(key))
    if isinstance(value, list) and key.__class__ is int and -len(value) <= key < len(value):
        return value[key]
    return None


# Conversion ---------------------------------------------------------------------------------------------------------

FUNCTIONS["type"] = BuiltIn(lambda budget, value: type_name(value), (1, 1))


@function("int", 1)
def to_int(budget: Budget, value: Any) -> int:
    try:
        if isinstance(value, str):
            found = int(text(value, "int")) if len(value) < 30 else 1 << 64
        else:
            found = int(number(value, "int"))
    except (ValueError, OverflowError):
        raise internal(f"invalid operation: int({show(value)})") from None
    if wrapped(found) != found:
        raise internal(f"invalid operation: int({show(value)})")
    return found


@function("float", 1)
def to_float(budget: Budget, value: Any) -> float:
    try:
        return float(value if isinstance(value, str) and len(value) < 400 else number(value, "float"))
    except ValueError:
        raise internal(f"invalid operation: float({show(value)})") from None


@function("string", 1)
def to_string(budget: Budget, value: Any) -> str:
    if isinstance(value, (list, dict)):
        budget.spend(_size(value, budget))
    return show(value)


def _size(value: Any, budget: Budget) -> int:
    """How many values an array or map holds, at every level."""
    total, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        total += 1 + (len(item) >> 4 if isinstance(item, str) else 0)
        if total > budget.left:
            budget.spend(total)
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
    return total


@function("toJSON", 1)
def encode_json(budget: Budget, value: Any) -> str:
    budget.spend(_size(value, budget))
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=show)
    except (ValueError, RecursionError) as e:
        raise internal(f"toJSON: {e}") from None


@function("fromJSON", 1)
def decode_json(budget: Budget, value: Any) -> Any:
    budget.spend(len(text(value, "fromJSON")))
    try:
        return json.loads(value, parse_int=lambda digits: wrapped(int(digits)) if len(digits) < 20 else float(digits))
    except (ValueError, RecursionError) as e:
        raise internal(f"fromJSON: {e}") from None


@function("toBase64", 1)
def to_base64(budget: Budget, value: Any) -> str:
    budget.spend(len(text(value, "toBase64")) >> 4)
    return base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()


@function("fromBase64", 1)
def from_base64(budget: Budget, value: Any) -> str:
    budget.spend(len(text(value, "fromBase64")) >> 4)
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError) as e:
        raise internal(f"fromBase64: {e}") from None


# Dates --------------------------------------------------------------------------------------------------------------

FUNCTIONS["now"] = BuiltIn(lambda budget: dates.now(), (0, 0))
FUNCTIONS["duration"] = BuiltIn(lambda budget, value: dates.duration(text(value, "duration")), (1, 1))
FUNCTIONS["timezone"] = BuiltIn(lambda budget, name: dates.Zone(text(name, "timezone")), (1, 1))


@function("date", 1, 3)
def date(budget: Budget, value: Any, layout: Any = None, zone: Any = None) -> Any:
    name = zone.name if isinstance(zone, dates.Zone) else None if zone is None else text(zone, "date")
    return dates.date(text(value, "date"), None if layout is None else text(layout, "date"), name)


# Operators ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _expression(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as e:
        raise internal(f"invalid regular expression: {e}") from None


def matches(budget: Budget, value: Any, pattern: Any) -> bool:
    """`text matches pattern` (RE2). nil matches nothing."""
    if value is None or pattern is None:
        return False
    if not isinstance(value, str) or not isinstance(pattern, str):
        raise mismatch("matches", value, pattern)
    budget.spend(len(value) >> 2)
    return _expression(pattern).search(value) is not None


def contains(budget: Budget, container: Any, value: Any) -> bool:
    """`value in container`: an element of an array, a key of a map. In nil there is nothing."""
    if container is None:
        return False
    if isinstance(container, list):
        budget.spend(len(container))
        return any(equal(value, item, budget) for item in container)
    if isinstance(container, dict):
        return isinstance(value, str) and value in container
    raise mismatch("in", value, container)


def ordered(operator: str, a: Any, b: Any) -> bool:
    if operator in ("<", ">="):
        return less(a, b) is (operator == "<")
    return less(b, a) is (operator == ">")
