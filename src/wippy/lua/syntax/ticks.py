"""Preemption ticks: where a guest gives way, and what that costs (measured: kernel-notes item 4).

`__wpy_c` counts down to the call of `__wpy_s`, which returns the new count. A tick writes the counter, an upvalue,
through a local because that measures faster. Innermost loops avoid even this: they count in a register and settle
every 64 rounds, or, when the bounds allow it, run in blocks of 500 rounds without any counting inside.
"""

from __future__ import annotations

from . import ast
from .edits import Edits

COUNTER = "__wpy_c"
SLOW = "__wpy_s"

_ROUNDS = 64
_BLOCK_ROUNDS = 500
_BLOCK_CHARGE = 16
_MAX_START = 1 << 31
_MAX_STEP = 1000
"""With start and step this small no sum in a block can overflow in a lifetime."""

LEAN_TICK = f"{COUNTER}={COUNTER}-1 if {COUNTER}<0 then {COUNTER}={SLOW}() end"
"""A tick that needs no local and no block of its own, for code near Lua's limits."""


def _charge(ticks: int) -> str:
    return f"do local __wpy_t={COUNTER}-{ticks} {COUNTER}=__wpy_t if __wpy_t<0 then {COUNTER}={SLOW}() end end"


TICK = _charge(1)
_BLOCK_TICK = _charge(_BLOCK_CHARGE)
_REGISTER_START = f"do local __wpy_r={_ROUNDS - 1}"
_REGISTER_TICK = (
    f"__wpy_r=__wpy_r-1 if __wpy_r<0 then __wpy_r={_ROUNDS - 1} "
    f"{COUNTER}={COUNTER}-{_ROUNDS} if {COUNTER}<0 then {COUNTER}={SLOW}() end end"
)


def count_in_register(edits: Edits, loop: ast.Statement, body: int) -> None:
    """Tick an innermost loop every 64 rounds; `body` is the token its body follows."""
    edits.before(loop.first, _REGISTER_START)
    edits.after(body, _REGISTER_TICK)
    edits.after(loop.last, "end")


def fits_blocks(edits: Edits, loop: ast.NumericFor) -> bool:
    """Whether `run_in_blocks` keeps this loop's meaning: small literal start and step, header on one line.

    Such a loop counts in integers whatever its limit; with a float start it could stand still without a tick.
    """
    start = integer_literal(loop.start)
    step = 1 if loop.step is None else integer_literal(loop.step)
    return (
        start is not None
        and step is not None
        and 0 <= start <= _MAX_START
        and 0 < abs(step) <= _MAX_STEP
        and edits.lines[loop.first] == edits.lines[loop.body.first - 1]
    )


def integer_literal(node: ast.Expression) -> int | None:
    if isinstance(node, ast.Unary) and node.operator == "-" and isinstance(node.operand, ast.Number):
        value: int | float = -node.operand.value
    elif isinstance(node, ast.Number):
        value = node.value
    else:
        return None
    return value if isinstance(value, int) else None


def run_in_blocks(edits: Edits, loop: ast.NumericFor, breaks: list[int], label: str) -> None:
    """Rewrite an innermost numeric `for` as blocks of 500 rounds with one tick each.

    The limit is evaluated once. A `for` over the blocks makes Lua itself judge it: its error when it is no number,
    no round when it is NaN or already passed, no overflow when it is the last integer. Inside, the distance to it is
    exact, also when it is a float or a numeric string; downwards it may overflow and is then negative.
    """
    start = integer_literal(loop.start)
    step = 1 if loop.step is None else integer_literal(loop.step) or 1
    variable = edits.texts[loop.variable.first]
    do = loop.body.first - 1
    span = abs(step) * (_BLOCK_ROUNDS - 1)
    if step > 0:
        clip, end = f"__wpy_e=__wpy_b-__wpy_a if __wpy_e>{span}", "__wpy_a+__wpy_e"
    else:
        clip, end = f"__wpy_e=__wpy_a-__wpy_b if __wpy_e>{span} or __wpy_e<0", "__wpy_a-__wpy_e"
    edits.replace(loop.first, "do local __wpy_b=")
    edits.erase(loop.variable.first, loop.limit.first)
    edits.erase(loop.limit.last + 1, do)
    edits.replace(
        do,
        f"for __wpy_a={start},__wpy_b,{step * _BLOCK_ROUNDS} do {_BLOCK_TICK} "
        f"local {clip} then __wpy_e={span} end for {variable}=__wpy_a,{end},{step} do",
    )
    for token in breaks:
        edits.replace(token, f"goto {label}")
    landing = f" ::{label}::" if breaks else ""
    edits.replace(loop.last, f"end end{landing} end")
