"""Guest source to the Lua text that the kernel loads (spec 02 §1, §4)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .syntax.cursor import syntax_error
from .syntax.declarations import type_declarations
from .syntax.emitter import Emitter
from .syntax.parser import parse
from .types.describe import describe_types


class Compiled(Struct, frozen=True):
    """A chunk ready to load: `load(code, "=" .. name, "t", {})` gives the factory.

    `factory(env, slow, types, join, operators)` returns the guest's chunk function. `types` is indexed with the names of the chunk's
    own types, which the field `types` describes (lua/types/describe.py); `join` and `operators` are the dialect's own
    operators (syntax/arithmetic_emitter.py). `slow()` is called when the guest has used up its ticks;
    it returns how many it may use next.
    """

    name: str
    code: bytes
    types: dict[str, list[Any]]


def compile_chunk(source: bytes, name: str) -> Compiled:
    """Parse, check and erase a chunk; `name` is the entry id that run-time positions carry.

    Raises LuaSyntaxError, for what the grammar refuses as well as for bad jumps and exceeded limits.
    """
    chunk = parse(source, name)
    try:
        declared = type_declarations(chunk)
        types = describe_types(chunk, declared) if declared else {}
        return Compiled(name, Emitter(chunk, source).emit(), types)
    except RecursionError:
        raise syntax_error(chunk.tokens, source, name, 0, "nesting too deep") from None
