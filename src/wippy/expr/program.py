"""Compiled expressions: made once, run with any environment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from wippy.core.errors import internal, invalid
from wippy.expr.evaluate import Frame, compile_node
from wippy.expr.hints import check
from wippy.expr.parser import parse
from wippy.expr.values import STEPS, Budget

CAPACITY = 1000


class Program:
    """An expression that can be run. Holds no state of its runs."""

    __slots__ = ("_closure", "source")

    def __init__(self, source: str, hint: Mapping[str, Any] | None = None) -> None:
        """Raises Error(Invalid) for an empty source, Error(Internal) for a mistake in it."""
        if not source.strip():
            raise invalid("expression cannot be empty")
        self.source = source
        tree = parse(source)
        try:
            if hint is not None:
                check(source, tree, hint)
            self._closure = compile_node(tree)
        except RecursionError:
            raise internal("expression is nested too deeply") from None

    def run(self, env: Mapping[str, Any] | None = None, *, steps: int = STEPS) -> Any:
        """The value for `env`: plain data, not changed. Raises Error(Internal), also when `steps` are used up."""
        frame = Frame(dict(env or {}), Budget(steps))
        try:
            return self._closure(frame)
        except RecursionError:
            raise internal("expression is nested too deeply") from None


class Programs:
    """Programs by source; the least recently used one is dropped first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, Program] = OrderedDict()

    def get(self, source: str) -> Program:
        """The program of `source`, compiled when it is new."""
        program = self._known.get(source)
        if program is not None:
            self._known.move_to_end(source)
            return program
        program = self._known[source] = Program(source)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return program
