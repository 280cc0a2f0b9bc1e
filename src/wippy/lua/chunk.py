"""What the compiler makes of a source."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Compiled(Struct, frozen=True):
    """A chunk ready to load: `load(code, "=" .. name, "t", {})` gives the factory.

    `factory(env, slow, types, join, operators)` returns the guest's chunk function. `slow()` is called when the guest
    has used up its ticks; it returns how many it may use next. `types` is indexed with the names of the chunk's own
    types, which the field `types` describes (lua/types/describe.py); `join` and `operators` are the dialect's own
    operators (syntax/arithmetic_emitter.py).
    """

    name: str
    code: bytes
    types: dict[str, list[Any]]
