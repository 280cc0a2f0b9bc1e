# ruff: noqa: E501 (guest programs of one line)
"""Programs agree with the model of numbers (spec 02 §13)."""

from __future__ import annotations

import math
import struct
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from language.number_model import BINARY, UNARY, Refused, Value, text
from language.project import Project

EDGES = [0, 1, -1, 2, 3, 7, -7, 63, 64, 65, -64, 2**53, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1]
FLOATS = [
    0.0,
    -0.0,
    1.0,
    0.5,
    -7.5,
    7.5,
    1e15,
    1e20,
    1e21,
    1e22,
    1e300,
    5e-324,
    2.0**53,
    2.0**63,
    -(2.0**63),
    1e-5,
    0.1,
]
TEXTS = ["10", "-3", "1.5", "0x10", " 7 ", "1e2", "abc", "", "9223372036854775807", "9223372036854775808", "5."]


class Leaf(NamedTuple):
    """`form`: written as a literal, as a local variable, or as the result of a call."""

    value: Value
    form: str


class Unary(NamedTuple):
    operator: str
    operand: Any


class Binary(NamedTuple):
    operator: str
    left: Any
    right: Any


integers = st.sampled_from(EDGES) | st.integers(-100, 100) | st.integers(-(2**63), 2**63 - 1)
floats = st.sampled_from([*FLOATS, math.inf, -math.inf, math.nan]) | st.floats(-1e6, 1e6) | st.floats()
values = integers | floats | st.sampled_from(TEXTS)
leaves = st.builds(Leaf, values, st.sampled_from(["literal", "local", "call"]))
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Binary, st.sampled_from(sorted(BINARY)), inner, inner)
        | st.builds(Unary, st.sampled_from(sorted(UNARY)), inner)
    ),
    max_leaves=4,
)


def literal(v: Value) -> str:
    if isinstance(v, str):
        return f"'{v}'"
    if isinstance(v, int):
        return "math.mininteger" if v == -(2**63) else f"({v})" if v < 0 else str(v)
    if math.isnan(v):
        return "(0/0)"
    if math.isinf(v):
        return "(1/0)" if v > 0 else "(-1/0)"
    return f"({v!r})"


def render(node: Any, locals_: list[str]) -> str:
    if isinstance(node, Unary):
        return f"({node.operator} {render(node.operand, locals_)})"
    if isinstance(node, Binary):
        return f"({render(node.left, locals_)} {node.operator} {render(node.right, locals_)})"
    written = literal(node.value)
    if node.form == "literal":
        return written
    if node.form == "call":
        return f"given({written})"
    locals_.append(f"local v{len(locals_)} = {written}")
    return f"v{len(locals_) - 1}"


def evaluate(node: Any) -> Value:
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Unary):
        return UNARY[node.operator](evaluate(node.operand))
    return BINARY[node.operator](evaluate(node.left), evaluate(node.right))


def expected(node: Any) -> list[Any]:
    try:
        value = evaluate(node)
    except Refused:
        return [False]
    shown = text(value)
    kind = "string" if isinstance(value, str) else "integer" if isinstance(value, int) else "float"
    return [True, kind, bits(value), shown, shown, shown, shown]


def bits(value: Any) -> Any:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


PROGRAM_HEAD = """
local function given(v) return v end
local function shown(ok, v)
  if not ok then return { false } end
  return { true, math.type(v) or type(v), v, v .. "", tostring(v), string.format("%s", v), table.concat({ v }) }
end
"""


def outcomes(nodes: list[Any]) -> list[list[Any]]:
    lines = []
    for node in nodes:
        locals_: list[str] = []
        written = render(node, locals_)
        lines.append(f"  out[#out + 1] = shown(pcall(function() {' '.join(locals_)} return {written} end))")
    with tempfile.TemporaryDirectory() as directory:
        found = Project(Path(directory)).run("local out = {}\n" + "\n".join(lines) + "\nreturn out", top=PROGRAM_HEAD)
    for outcome in found:
        if outcome[0]:
            outcome[2] = bits(outcome[2])
    return list(found)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(expressions, min_size=10, max_size=30))
@example([Binary("//", Leaf(7.5, "call"), Leaf(2, "literal")), Binary("%", Leaf(5, "call"), Leaf(0, "literal"))])
@example([Binary(">>", Leaf(-8, "local"), Leaf(1, "literal")), Binary("<<", Leaf(1, "call"), Leaf(64, "literal"))])
@example([Binary("+", Leaf("10", "literal"), Leaf(5, "literal")), Binary("&", Leaf("10", "call"), Leaf(5, "literal"))])
def test_arithmetic_and_printing_agree_with_the_model(nodes: list[Any]) -> None:
    for node, found in zip(nodes, outcomes(nodes), strict=True):
        assert found == expected(node), render(node, [])


PAIRS = st.tuples(integers | floats, integers | floats)


@settings(max_examples=30, deadline=None)
@given(st.lists(PAIRS, min_size=20, max_size=60))
def test_comparison_is_by_value_whatever_the_subtype(pairs: list[tuple[Value, Value]]) -> None:
    rows = ",".join(f"{{{literal(a)}, {literal(b)}}}" for a, b in pairs)
    program = f"""
        local out = {{}}
        for i, pair in ipairs({{ {rows} }}) do
          local a, b = pair[1], pair[2]
          out[i] = {{ a == b, a < b, a <= b, a ~= b, a > b, a >= b }}
        end
        return out
    """
    with tempfile.TemporaryDirectory() as directory:
        found = Project(Path(directory)).run(program)
    wanted = [[a == b, a < b, a <= b, a != b, a > b, a >= b] for a, b in pairs]  # type: ignore[operator]
    assert found == wanted


@settings(max_examples=30, deadline=None)
@given(st.lists(floats, min_size=20, max_size=60))
def test_floats_print_shortest_and_read_back(numbers: list[float]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        program = "local out = {} for i, v in ipairs(...) do out[i] = { v .. '', tonumber(v .. '') == v or v ~= v } end return out"
        found = Project(Path(directory)).run(program, [n for n in numbers if n == n and abs(n) != math.inf] or [1.5])
    kept = [n for n in numbers if n == n and abs(n) != math.inf] or [1.5]
    assert found == [[text(n), True] for n in kept]
