"""Functions of the expression language that take a predicate: `filter(list, # > 2)` (spec 04b §11).

`each(item, index, acc)` evaluates the predicate and pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from wippy.core.errors import internal
from wippy.expr.functions import array, descending, number
from wippy.expr.values import less, show, sort_key, type_name, wrapped

Each = Callable[[Any, int, Any], Any]


class PredicateFunction(NamedTuple):
    """`call(values, each, *rest)`; `each` is None where the predicate was left out."""

    call: Callable[..., Any]
    arity: tuple[int, int]


def _holds(each: Each, item: Any, index: int) -> bool:
    found = each(item, index, None)
    if found is not True and found is not False:
        raise internal(f"predicate should return boolean (got {type_name(found)})")
    return found


def _positions(values: list[Any], each: Each) -> Iterator[int]:
    return (index for index, item in enumerate(values) if _holds(each, item, index))


def _backwards(values: list[Any], each: Each) -> Iterator[int]:
    return (index for index in range(len(values) - 1, -1, -1) if _holds(each, values[index], index))


def _found(values: list[Any], positions: Iterator[int]) -> Any:
    index = next(positions, None)
    return None if index is None else values[index]


def _count(values: list[Any], each: Each | None) -> int:
    if each is None:
        return sum(item is True for item in values)
    return sum(1 for _ in _positions(values, each))


def _sum(values: list[Any], each: Each | None) -> int | float:
    items = values if each is None else [each(item, index, None) for index, item in enumerate(values)]
    total = sum(number(item, "sum") for item in items)
    return wrapped(total) if isinstance(total, int) else total


def _grouped(values: list[Any], each: Each) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for index, item in enumerate(values):
        groups.setdefault(show(each(item, index, None)), []).append(item)
    return groups


def _sorted_by(values: list[Any], each: Each, order: Any = "asc") -> list[Any]:
    keyed = [(each(item, index, None), item) for index, item in enumerate(values)]
    key = sort_key(lambda a, b: less(a[0], b[0]))
    return [item for _, item in sorted(keyed, key=key, reverse=descending(order))]


def _reduced(values: list[Any], each: Each, *initial: Any) -> Any:
    if not values and not initial:
        raise internal("reduce of empty array with no initial value")
    accumulated, start = (initial[0], 0) if initial else (values[0], 1)
    for index in range(start, len(values)):
        accumulated = each(values[index], index, accumulated)
    return accumulated


PREDICATES: dict[str, PredicateFunction] = {
    "all": PredicateFunction(lambda values, each: all(_holds(each, x, i) for i, x in enumerate(values)), (2, 2)),
    "any": PredicateFunction(lambda values, each: any(_holds(each, x, i) for i, x in enumerate(values)), (2, 2)),
    "none": PredicateFunction(lambda values, each: not any(_holds(each, x, i) for i, x in enumerate(values)), (2, 2)),
    "one": PredicateFunction(lambda values, each: _count(values, each) == 1, (2, 2)),
    "map": PredicateFunction(lambda values, each: [each(x, i, None) for i, x in enumerate(values)], (2, 2)),
    "filter": PredicateFunction(lambda values, each: [values[i] for i in _positions(values, each)], (2, 2)),
    "find": PredicateFunction(lambda values, each: _found(values, _positions(values, each)), (2, 2)),
    "findLast": PredicateFunction(lambda values, each: _found(values, _backwards(values, each)), (2, 2)),
    "findIndex": PredicateFunction(lambda values, each: next(_positions(values, each), -1), (2, 2)),
    "findLastIndex": PredicateFunction(lambda values, each: next(_backwards(values, each), -1), (2, 2)),
    "count": PredicateFunction(_count, (1, 2)),
    "sum": PredicateFunction(_sum, (1, 2)),
    "groupBy": PredicateFunction(_grouped, (2, 2)),
    "countBy": PredicateFunction(lambda values, each: {k: len(v) for k, v in _grouped(values, each).items()}, (2, 2)),
    "sortBy": PredicateFunction(_sorted_by, (2, 3)),
    "reduce": PredicateFunction(_reduced, (2, 3)),
}


def elements(value: Any, name: str) -> list[Any]:
    return array(value, name)
