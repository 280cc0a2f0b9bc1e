"""Compiled code as packs carry it, `*.luac` (spec 01 §7): a private format that is safe to load from anywhere.

Real Lua bytecode can crash the interpreter, and what our compiler emits runs with more rights than a guest has. So the
file holds the tokens of the source, without comments and layout, each on its line: it goes through the same front end
as any source, gives the same chunk and the same line numbers in errors, and a hostile one can do what a source can.

    8 bytes WIPPYLUA | 1 byte version | zstd stream of the tokens
"""

from __future__ import annotations

from wippy.core.errors import Error, invalid
from wippy.lua.syntax.edits import Edits
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.lexer import tokenize
from wippy.project.wapp.encoding import compressed, decompressed

MAGIC = b"WIPPYLUA"
VERSION = 1
LARGEST = 16 * 1024 * 1024
"""Bytes of tokens; the lexer takes two million of them, which are about as much."""


def to_bytecode(source: bytes, name: str) -> bytes:
    """The compiled form of `source`. Raises Error(Invalid) for a source that cannot be compiled."""
    from wippy.lua.compile import compile_chunk

    try:
        compile_chunk(source, name)
        tokens = Edits(tokenize(source, name)).render().strip(" ").encode("latin-1")
    except LuaSyntaxError as error:
        raise invalid(error.render()) from None
    if len(tokens) > LARGEST:
        raise invalid(f"{name}: more than {LARGEST} bytes of code")
    return MAGIC + bytes([VERSION]) + compressed(tokens)


def from_bytecode(data: bytes) -> bytes:
    """The source in a compiled form, in its plain layout. Raises Error(Invalid) for a foreign or damaged one."""
    if not data.startswith(MAGIC):
        raise invalid("compiled by another implementation: build the pack again from its sources")
    if data[len(MAGIC) : len(MAGIC) + 1] != bytes([VERSION]):
        raise invalid("compiled by another version of wippy: build the pack again from its sources")
    try:
        return decompressed(data[len(MAGIC) + 1 :], LARGEST)
    except Error as error:
        raise error.within("compiled code") from None
