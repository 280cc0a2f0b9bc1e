"""From the tree of an expression to a Python closure over plain data.

A closure takes the frame of a run. Operators bound what they make; predicates pay for every element, so a run ends
within its budget however deep the loops are nested.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

from wippy.core.errors import internal
from wippy.expr import dates
from wippy.expr.functions import FUNCTIONS, bounded, contains, matches, ordered
from wippy.expr.nodes import (
    Array,
    Binary,
    Call,
    Conditional,
    Constant,
    Environment,
    Let,
    Map,
    Member,
    Method,
    Name,
    Node,
    Pointer,
    Predicate,
    Slice,
    Unary,
)
from wippy.expr.predicates import PREDICATES, elements
from wippy.expr.values import Budget, equal, is_number, mismatch, show, type_name, wrapped

LONGEST_RANGE = 1_000_000


class Frame:
    """One run: the environment, `let` names, and the element that a predicate looks at."""

    __slots__ = ("budget", "env", "names", "pointer")

    def __init__(self, env: dict[str, Any], budget: Budget) -> None:
        self.env = env
        self.budget = budget
        self.names: dict[str, Any] = {}
        self.pointer: tuple[Any, int, Any] = (None, 0, None)


Closure = Callable[[Frame], Any]


class _Absent(Exception):
    """Ends a chain of members at `?.`."""


def compile_node(node: Node) -> Closure:
    return _COMPILERS[node.__class__](node)


# Operands -----------------------------------------------------------------------------------------------------------


def _constant(node: Constant) -> Closure:
    value = node.value
    return lambda frame: value


def _name(node: Name) -> Closure:
    name = node.name

    def evaluate(frame: Frame) -> Any:
        names = frame.names
        return names[name] if name in names else frame.env.get(name)

    return evaluate


def _pointer(node: Pointer) -> Closure:
    at = {"": 0, "index": 1, "acc": 2}[node.name]
    return lambda frame: frame.pointer[at]


def _array(node: Array) -> Closure:
    items = [compile_node(item) for item in node.items]
    return lambda frame: [item(frame) for item in items]


def _map(node: Map) -> Closure:
    pairs = [(compile_node(key), compile_node(value)) for key, value in node.pairs]
    return lambda frame: {_key(key(frame)): value(frame) for key, value in pairs}


def _key(value: Any) -> str:
    return value if isinstance(value, str) else show(value)


def _let(node: Let) -> Closure:
    name, value, body = node.name, compile_node(node.value), compile_node(node.body)

    def evaluate(frame: Frame) -> Any:
        before = frame.names
        frame.names = {**before, name: value(frame)}
        try:
            return body(frame)
        finally:
            frame.names = before

    return evaluate


def _conditional(node: Conditional) -> Closure:
    condition, then, otherwise = compile_node(node.condition), compile_node(node.then), compile_node(node.otherwise)
    return lambda frame: then(frame) if _truth(condition(frame), "?:") else otherwise(frame)


def _truth(value: Any, operator: str) -> bool:
    if value is True or value is False:
        return bool(value)
    raise internal(f"invalid operation: {operator} needs a boolean, got {type_name(value)}")


# Members ------------------------------------------------------------------------------------------------------------


def _member(node: Member) -> Closure:
    """A chain `a.b?.c[0]` ends with nil at a `?.` behind nil."""
    inner = _chain(node)

    def evaluate(frame: Frame) -> Any:
        try:
            return inner(frame)
        except _Absent:
            return None

    return evaluate


def _chain(node: Node) -> Closure:
    if not isinstance(node, Member):
        return compile_node(node)
    source, key, optional = _chain(node.object), compile_node(node.key), node.optional

    def evaluate(frame: Frame) -> Any:
        value = source(frame)
        if value is None and optional:
            raise _Absent
        return member(value, key(frame))

    return evaluate


def member(value: Any, key: Any) -> Any:
    """A member of a map (nil when absent) or an element of an array. Raises Error(Internal)."""
    if isinstance(value, dict):
        return value.get(_key(key))
    if isinstance(value, list):
        if key.__class__ is not int:
            raise internal(f"cannot use {type_name(key)} to index array")
        if not -len(value) <= key < len(value):
            raise internal(f"index out of range: {key} (array length is {len(value)})")
        return value[key]
    raise internal(f"cannot fetch {show(key)} from {'<nil>' if value is None else type_name(value)}")


def _slice(node: Slice) -> Closure:
    source = compile_node(node.object)
    start = compile_node(node.start) if node.start is not None else None
    end = compile_node(node.end) if node.end is not None else None

    def evaluate(frame: Frame) -> Any:
        value = source(frame)
        if not isinstance(value, (list, str)):
            raise internal(f"cannot slice {type_name(value)}")
        frame.budget.spend(len(value) >> 4)
        return value[_bound(start, frame) : _bound(end, frame)]

    return evaluate


def _bound(closure: Closure | None, frame: Frame) -> int | None:
    value = closure(frame) if closure is not None else None
    if value is not None and value.__class__ is not int:
        raise internal(f"cannot slice with {type_name(value)}")
    return value


# Operators ----------------------------------------------------------------------------------------------------------


def _unary(node: Unary) -> Closure:
    operand, operator = compile_node(node.operand), node.operator
    if operator == "not":
        return lambda frame: not _truth(operand(frame), "not")

    def evaluate(frame: Frame) -> Any:
        value = operand(frame)
        if isinstance(value, datetime.timedelta) and operator == "-":
            return -value
        if not is_number(value):
            raise internal(f"invalid operation: {operator} {type_name(value)}")
        if operator == "+":
            return value
        return wrapped(-value) if value.__class__ is int else -value

    return evaluate


def _binary(node: Binary) -> Closure:
    """A chain of operators from the left, `a + b + c`, is one closure: its length is not bounded by the stack."""
    steps: list[tuple[Callable[[Frame, Any, Closure], Any], Closure]] = []
    at: Node = node
    while isinstance(at, Binary):
        steps.append((_STEPS[at.operator], compile_node(at.right)))
        at = at.left
    first = compile_node(at)
    steps.reverse()

    def evaluate(frame: Frame) -> Any:
        value = first(frame)
        for apply, right in steps:
            value = apply(frame, value, right)
        return value

    return evaluate


def _and(frame: Frame, left: Any, right: Closure) -> bool:
    return _truth(left, "and") and _truth(right(frame), "and")


def _or(frame: Frame, left: Any, right: Closure) -> bool:
    return _truth(left, "or") or _truth(right(frame), "or")


def _coalesce(frame: Frame, left: Any, right: Closure) -> Any:
    return right(frame) if left is None else left


def _add(frame: Frame, a: Any, right: Closure) -> Any:
    b = right(frame)
    if a.__class__ is int and b.__class__ is int:
        return wrapped(a + b)
    if is_number(a) and is_number(b):
        return a + b
    if isinstance(a, str) and isinstance(b, str):
        bounded(len(a) + len(b))
        frame.budget.spend((len(a) + len(b)) >> 6)
        return a + b
    return _moved("+", a, b)


def _moved(operator: str, a: Any, b: Any) -> Any:
    """Dates and durations."""
    span, date = datetime.timedelta, datetime.datetime
    try:
        if isinstance(a, (span, date)) and isinstance(b, span):
            return a + b if operator == "+" else a - b
        if operator == "+" and isinstance(a, span) and isinstance(b, date):
            return b + a
        if operator == "-" and isinstance(a, date) and isinstance(b, date):
            return a - b
    except OverflowError:
        raise internal(f"invalid operation: {operator} leaves the range of dates") from None
    raise mismatch(operator, a, b)


def _subtract(frame: Frame, a: Any, right: Closure) -> Any:
    b = right(frame)
    if is_number(a) and is_number(b):
        return wrapped(a - b) if a.__class__ is int and b.__class__ is int else a - b
    return _moved("-", a, b)


def _multiply(frame: Frame, a: Any, right: Closure) -> Any:
    b = right(frame)
    if is_number(a) and is_number(b):
        return wrapped(a * b) if a.__class__ is int and b.__class__ is int else float(a) * float(b)
    if isinstance(b, datetime.timedelta):
        a, b = b, a
    if isinstance(a, datetime.timedelta) and is_number(b):
        try:
            return a * b
        except (OverflowError, ValueError):
            raise internal("duration out of range") from None
    raise mismatch("*", a, b)


def _divide(frame: Frame, a: Any, right: Closure) -> float:
    b = right(frame)
    if not is_number(a) or not is_number(b):
        raise mismatch("/", a, b)
    if b != 0:
        return float(a) / float(b)
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _remainder(frame: Frame, a: Any, right: Closure) -> int:
    b = right(frame)
    if a.__class__ is not int or b.__class__ is not int:
        raise mismatch("%", a, b)
    if b == 0:
        raise internal("integer divide by zero")
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


def _power(frame: Frame, a: Any, right: Closure) -> float:
    b = right(frame)
    if not is_number(a) or not is_number(b):
        raise mismatch("**", a, b)
    try:
        return math.pow(a, b)
    except OverflowError:
        return math.inf if a > 0 or b % 2 == 0 else -math.inf
    except ValueError:
        return math.inf if a == 0 else math.nan


def _range(frame: Frame, a: Any, right: Closure) -> list[int]:
    b = right(frame)
    if a.__class__ is not int or b.__class__ is not int:
        raise mismatch("..", a, b)
    if b - a >= LONGEST_RANGE:
        raise internal(f"range is too long (limit {LONGEST_RANGE})")
    frame.budget.spend(max(b - a, 0))
    return list(range(a, b + 1))


def _ordering(operator: str) -> Callable[[Frame, Any, Closure], bool]:
    return lambda frame, a, right: ordered(operator, a, right(frame))


def _on_texts(operator: str, apply: Callable[[str, str], bool]) -> Callable[[Frame, Any, Closure], bool]:
    def step(frame: Frame, a: Any, right: Closure) -> bool:
        b = right(frame)
        if a is None or b is None:
            return False
        if not isinstance(a, str) or not isinstance(b, str):
            raise mismatch(operator, a, b)
        frame.budget.spend(len(a) >> 4)
        return apply(a, b)

    return step


_STEPS: dict[str, Callable[[Frame, Any, Closure], Any]] = {
    "and": _and,
    "or": _or,
    "??": _coalesce,
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
    "^": _power,
    "..": _range,
    "==": lambda frame, a, right: equal(a, right(frame), frame.budget),
    "!=": lambda frame, a, right: not equal(a, right(frame), frame.budget),
    "in": lambda frame, a, right: contains(frame.budget, right(frame), a),
    "matches": lambda frame, a, right: matches(frame.budget, a, right(frame)),
    "contains": _on_texts("contains", lambda a, b: b in a),
    "startsWith": _on_texts("startsWith", str.startswith),
    "endsWith": _on_texts("endsWith", str.endswith),
    **{operator: _ordering(operator) for operator in ("<", ">", "<=", ">=")},
}


# Calls --------------------------------------------------------------------------------------------------------------


def _call(node: Call) -> Closure:
    if node.name in PREDICATES:
        return _predicate_call(node)
    function = FUNCTIONS[node.name].call
    arguments = [compile_node(argument) for argument in node.arguments]

    def evaluate(frame: Frame) -> Any:
        frame.budget.spend(1)
        return function(frame.budget, *[argument(frame) for argument in arguments])

    return evaluate


def _predicate_call(node: Call) -> Closure:
    name, function = node.name, PREDICATES[node.name].call
    source = compile_node(node.arguments[0])
    predicate = node.arguments[1] if len(node.arguments) > 1 else None
    body = compile_node(predicate.body) if isinstance(predicate, Predicate) else None
    cost = predicate.cost if isinstance(predicate, Predicate) else 1
    rest = [compile_node(argument) for argument in node.arguments[2:]]

    def evaluate(frame: Frame) -> Any:
        values = elements(source(frame), name)
        if body is None:
            frame.budget.spend(len(values))
            return function(values, None)
        outer = frame.pointer

        def each(item: Any, index: int, accumulated: Any) -> Any:
            frame.budget.spend(cost)
            frame.pointer = (item, index, accumulated)
            return body(frame)

        try:
            return function(values, each, *[argument(frame) for argument in rest])
        finally:
            frame.pointer = outer

    return evaluate


def _method(node: Method) -> Closure:
    source, name = compile_node(node.object), node.name
    count = len(node.arguments)
    return lambda frame: dates.method(source(frame), name, count)


_COMPILERS: dict[type[Node], Callable[[Any], Closure]] = {
    Constant: _constant,
    Name: _name,
    Environment: lambda node: lambda frame: frame.env,
    Pointer: _pointer,
    Unary: _unary,
    Binary: _binary,
    Conditional: _conditional,
    Member: _member,
    Slice: _slice,
    Array: _array,
    Map: _map,
    Call: _call,
    Method: _method,
    Let: _let,
}
