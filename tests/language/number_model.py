"""Numbers of the dialect as plain Python (spec 02 §13): the model that programs are compared with.

Integers are Python ints within 64 bits, floats are floats, texts are str. An operation that the dialect refuses raises
`Refused`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import re
from collections.abc import Callable

Value = int | float | str

_libm = ctypes.CDLL(ctypes.util.find_library("m"))
_libm.pow.restype = ctypes.c_double
_libm.pow.argtypes = [ctypes.c_double, ctypes.c_double]
_NUMERAL = re.compile(r"\s*[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\Z")


class Refused(Exception):
    """The dialect raises an error here."""


def wrapped(n: int) -> int:
    return (n + 2**63) % 2**64 - 2**63


def numeral(text: str) -> int | float | None:
    """The number that a text stands for in arithmetic."""
    if not _NUMERAL.match(text):
        return None
    text = text.strip()
    if "x" in text.lower():
        return wrapped(int(text, 16))
    if any(c in text for c in ".eE"):
        return float(text)
    n = int(text)
    return n if -(2**63) <= n < 2**63 else float(n)


def operand(v: Value) -> int | float:
    if not isinstance(v, str):
        return v
    n = numeral(v)
    if n is None:
        raise Refused
    return n


def whole(v: Value) -> int:
    """A number truncated towards zero."""
    if isinstance(v, str):
        raise Refused
    if isinstance(v, int):
        return v
    if math.isnan(v) or v >= 2.0**63 or v < -(2.0**63):
        raise Refused
    return int(v)


def _ring(
    on_ints: Callable[[int, int], int], on_floats: Callable[[float, float], float]
) -> Callable[[Value, Value], Value]:
    def apply(a: Value, b: Value) -> Value:
        x, y = operand(a), operand(b)
        if isinstance(x, int) and isinstance(y, int):
            return wrapped(on_ints(x, y))
        return on_floats(float(x), float(y))

    return apply


def divide(a: Value, b: Value) -> Value:
    x, y = float(operand(a)), float(operand(b))
    if y != 0:
        return x / y
    if x == 0 or math.isnan(x):
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def power(a: Value, b: Value) -> Value:
    x, y = float(operand(a)), float(operand(b))
    return x * x if y == 2 else float(_libm.pow(x, y))


def floor_divide(a: Value, b: Value) -> Value:
    x, y = whole(operand(a)), whole(operand(b))
    if y == 0:
        raise Refused
    return wrapped(x // y)


def modulo(a: Value, b: Value) -> Value:
    x, y = operand(a), operand(b)
    if y == 0:
        return math.nan
    if isinstance(x, int) and isinstance(y, int):
        return x % y
    x, y = float(x), float(y)
    if math.isnan(x) or math.isnan(y) or math.isinf(x):
        return math.nan
    m = math.fmod(x, y)
    return m + y if (m > 0 and y < 0) or (m < 0 and y > 0) else m


def shift_left(a: Value, b: Value) -> Value:
    x, n = whole(a), whole(b)
    if n >= 64 or n <= -64:
        return 0
    return wrapped(x << n) if n >= 0 else x >> -n


def negate(a: Value) -> Value:
    x = operand(a)
    return wrapped(-x) if isinstance(x, int) else -x


def text(v: Value) -> str:
    """How a value prints, everywhere."""
    if isinstance(v, str):
        return v
    if isinstance(v, int):
        return str(v)
    if math.isnan(v):
        return "NaN"
    if math.isinf(v):
        return "+Inf" if v > 0 else "-Inf"
    if v.is_integer() and abs(v) < 1e21:
        return f"{v:.0f}"
    shortest = repr(v)
    if float(f"{v:.16g}") != v and len(shortest.partition("e")[0].lstrip("-0.").replace(".", "")) == 16:
        shortest = f"{v:.17g}"  # a power of two, whose nearest text of 16 digits belongs to its neighbour
    mantissa, _, exponent = shortest.partition("e")
    if exponent:
        return f"{mantissa}e{int(exponent):+03d}"
    return mantissa


BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": _ring(lambda a, b: a + b, lambda a, b: a + b),
    "-": _ring(lambda a, b: a - b, lambda a, b: a - b),
    "*": _ring(lambda a, b: a * b, lambda a, b: a * b),
    "/": divide,
    "^": power,
    "//": floor_divide,
    "%": modulo,
    "&": lambda a, b: whole(a) & whole(b),
    "|": lambda a, b: whole(a) | whole(b),
    "~": lambda a, b: whole(a) ^ whole(b),
    "<<": shift_left,
    ">>": lambda a, b: shift_left(a, -whole(b)),
    "..": lambda a, b: text(a) + text(b),
}
UNARY: dict[str, Callable[[Value], Value]] = {"-": negate, "~": lambda a: ~whole(a)}
