"""Guest source to the Lua text that the kernel loads (spec 02 §1, §4)."""

from __future__ import annotations

from .chunk import Compiled
from .syntax.cursor import syntax_error
from .syntax.declarations import type_declarations
from .syntax.emitter import Emitter
from .syntax.parser import parse
from .types.describe import describe_types


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
