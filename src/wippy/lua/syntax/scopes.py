"""Names, labels and per-function limits: what the emitter must know about scope (spec 02 §19, §20)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from . import ast

MAX_LOCALS = 200
MAX_UPVALUES = 250
"""Lua allows 255; the rest is for the names the emitter injects."""


class Variable:
    """A local, parameter or loop variable.

    `numeric` marks the variable of a numeric `for`, always a number unless `assigned`; `keys` are the stores that
    rely on it. `plain` marks a variable that begins with a value other than a float, `unplain` one that is assigned
    something that may be one; `joined` are the operands of `..` that rely on the former.
    """

    __slots__ = ("assigned", "function", "joined", "keys", "numeric", "plain", "unplain")

    def __init__(self, function: FunctionState, numeric: bool = False) -> None:
        self.function = function
        self.numeric = numeric
        self.assigned = False
        self.keys: list[ast.Expression] = []
        self.plain = False
        self.unplain = False
        self.joined: list[ast.Name] = []


class Loop:
    """A loop being emitted: whether another loop is inside it, and the tokens of its `break`s."""

    __slots__ = ("breaks", "innermost", "outer", "peak")

    def __init__(self, outer: Loop | None, peak: int) -> None:
        self.outer = outer
        self.innermost = True
        self.breaks: list[int] = []
        self.peak = peak


class FunctionState:
    """A function being emitted.

    `busy` tells that its body could run long: it calls, indexes, computes or loops. `peak` is the greatest number of
    locals active at once, `hidden` the number Lua adds for the loops around the current point.
    """

    __slots__ = ("base", "busy", "hidden", "labels", "line", "loop", "parent", "peak", "pending", "upvalues", "vararg")

    def __init__(self, parent: FunctionState | None, line: int, vararg: bool, base: int) -> None:
        self.parent = parent
        self.line = line
        self.vararg = vararg
        self.base = base
        self.busy = False
        self.peak = 0
        self.hidden = 0
        self.loop: Loop | None = None
        self.upvalues: set[Variable] = set()
        self.labels: list[LabelPoint] = []
        self.pending: list[PendingGoto] = []


class LabelPoint(NamedTuple):
    name: str
    line: int


class PendingGoto:
    """A goto whose label has not been seen; `level` is the number of declarations in scope on the way to it."""

    __slots__ = ("level", "node")

    def __init__(self, node: ast.Goto, level: int) -> None:
        self.node = node
        self.level = level


class Mark(NamedTuple):
    """The state of the scopes at the start of a block."""

    level: int
    labels: int
    pending: int


class Scopes:
    """The names visible at the current point, innermost function first.

    `fail(message, token)` raises the syntax error.
    """

    def __init__(self, fail: Callable[[str, int], NoReturn]) -> None:
        self.fail = fail
        self.visible: dict[str, Variable] = {}
        self.shadowed: list[tuple[str, Variable | None]] = []
        self.function = FunctionState(None, 0, True, 0)

    def enter_function(self, line: int, vararg: bool) -> FunctionState:
        self.function = FunctionState(self.function, line, vararg, len(self.shadowed))
        return self.function

    def leave_function(self) -> None:
        function = self.function
        for pending in function.pending:
            self.fail(f"no visible label '{pending.node.label}' for goto", pending.node.first)
        assert function.parent is not None
        self.function = function.parent

    def enter(self) -> Mark:
        function = self.function
        return Mark(len(self.shadowed), len(function.labels), len(function.pending))

    def leave(self, mark: Mark) -> None:
        """End a block: its names and labels go, its unresolved gotos look on in the block around it."""
        shadowed, visible = self.shadowed, self.visible
        while len(shadowed) > mark.level:
            name, variable = shadowed.pop()
            if variable is None:
                del visible[name]
            else:
                visible[name] = variable
        function = self.function
        del function.labels[mark.labels :]
        for pending in function.pending[mark.pending :]:
            pending.level = min(pending.level, mark.level)

    def declare(self, name: str, token: int, numeric: bool = False) -> Variable:
        """A new variable, visible from now to the end of the current block."""
        function = self.function
        variable = Variable(function, numeric)
        self.shadowed.append((name, self.visible.get(name)))
        self.visible[name] = variable
        active = len(self.shadowed) - function.base + function.hidden
        if active > function.peak:
            function.peak = active
            if active > MAX_LOCALS:
                self.fail(f"too many local variables (limit is {MAX_LOCALS}) in {self._where(function)}", token)
        return variable

    def active_locals(self) -> int:
        return len(self.shadowed) - self.function.base + self.function.hidden

    def capture(self, variable: Variable, token: int) -> None:
        """Note that the current function uses a variable of a function around it."""
        function = self.function
        while function is not variable.function and variable not in function.upvalues:
            function.upvalues.add(variable)
            if len(function.upvalues) > MAX_UPVALUES:
                self.fail(f"too many upvalues (limit is {MAX_UPVALUES}) in {self._where(function)}", token)
            assert function.parent is not None
            function = function.parent

    def label(self, node: ast.Label, mark: Mark, trailing: bool) -> None:
        """Define a label in the block that began at `mark`; `trailing` if only void statements follow in it."""
        function = self.function
        for label in function.labels:
            if label.name == node.name:
                self.fail(f"label '{node.name}' already defined on line {label.line}", node.first)
        function.labels.append(LabelPoint(node.name, node.line))
        level = mark.level if trailing else len(self.shadowed)
        waiting = function.pending[mark.pending :]
        for pending in waiting:
            if pending.node.label == node.name and pending.level < level:
                name = self.shadowed[pending.level][0]
                self.fail(f"goto '{node.name}' jumps into the scope of local '{name}'", pending.node.first)
        function.pending[mark.pending :] = [pending for pending in waiting if pending.node.label != node.name]

    def goto(self, node: ast.Goto) -> bool:
        """Note a goto; True if it jumps back."""
        function = self.function
        if any(label.name == node.label for label in function.labels):
            return True
        function.pending.append(PendingGoto(node, len(self.shadowed)))
        return False

    @staticmethod
    def _where(function: FunctionState) -> str:
        return f"function at line {function.line}" if function.parent else "main function"
