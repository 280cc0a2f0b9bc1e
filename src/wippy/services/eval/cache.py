"""Compiled programs, the least recently used of which are forgotten (`lua.eval.cache_size`, `lua.eval.cache_ttl`)."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from wippy.lua.chunk import Compiled

LARGEST = 64 * 1024 * 1024
"""Bytes of compiled code that are kept in all."""


class Key(NamedTuple):
    """What makes a program another one."""

    source: bytes
    method: str
    modules: tuple[str, ...]
    classes: tuple[str, ...]


class Program(NamedTuple):
    """`number` names it on this node; 0: it is not kept, and nobody else should keep it."""

    number: int
    chunk: Compiled


class ProgramCache:
    """At most `size` programs (0 and less: none), each for `seconds` (0: for ever)."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], int]) -> None:
        self._size = size
        self._nanoseconds = int(seconds * 1e9)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._known: OrderedDict[Key, tuple[Program, int]] = OrderedDict()
        self._bytes = 0
        self.hits = 0

    def get(self, key: Key) -> Program | None:
        found = self._known.get(key)
        if found is None:
            return None
        program, made = found
        if self._nanoseconds and self._clock() - made > self._nanoseconds:
            self._drop(key)
            return None
        self._known.move_to_end(key)
        self.hits += 1
        return program

    def put(self, key: Key, chunk: Compiled) -> Program:
        """The program of a chunk, from now on known."""
        if self._size <= 0:
            return Program(0, chunk)
        if key in self._known:
            self._drop(key)
        program = Program(next(self._numbers), chunk)
        self._known[key] = (program, self._clock())
        self._bytes += _weight(key, program)
        while self._known and (len(self._known) > self._size or self._bytes > LARGEST):
            self._drop(next(iter(self._known)))
        return program

    def _drop(self, key: Key) -> None:
        program, _ = self._known.pop(key)
        self._bytes -= _weight(key, program)

    def __len__(self) -> int:
        return len(self._known)


def _weight(key: Key, program: Program) -> int:
    return len(key.source) + len(program.chunk.code)
