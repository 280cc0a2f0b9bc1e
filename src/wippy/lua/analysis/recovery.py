"""An index of text that does not parse: parts that are wrong are blanked, blocks that are open are closed.

What is blanked keeps its length, so that offsets stay true.
"""

from __future__ import annotations

import re
import time

from wippy.lua.analysis.document import Document
from wippy.lua.analysis.indexer import index
from wippy.lua.analysis.text import Text
from wippy.lua.syntax import ast
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.parser import parse

MOST_REPAIRS = 24
NEAR = 2_000
"""Bytes before an error that patterns look at: they hold the interpreter while they search."""
FEW_REPAIRS = 4  # where there is a text that parsed to fall back to
MOST_SECONDS = 0.4
_CLOSING = re.compile(r"expected '(end|until|\)|\}|\])' \(to close '.*?' at (?:line (\d+))?")
_MISSING = re.compile(r"expected '(end|until|do|then|\)|\})'")
_VISIBLE = re.compile(rb"[^\r\n]")
_WORD = re.compile(rb"\w+|.", re.DOTALL)
_CHAIN = re.compile(rb"(?:\w+\s*[.:]\s*)*\w*\Z")
_DANGLING = re.compile(rb"(?:[.:,=+*/%^<>~|&(\[{-]|\b(?:and|or|not|in|return|local|function|if|while|elseif|until))\Z")
_OPENING = re.compile(rb"\b(?:then|do|else|repeat)\b|\bfunction\b[^()]{0,200}\([^()]{0,500}\)|;")
_RETURN = re.compile(rb"\breturn\b")


def understand(text: Text, name: str, before: bytes | None = None) -> tuple[Document, LuaSyntaxError | None]:
    """The index of a text, repaired if necessary, and why it does not parse. `before` is what it was when it last
    parsed. What cannot be repaired within the limits is an empty index."""
    try:
        return index(parse(text.source, name), text, text), None
    except LuaSyntaxError as error:
        first = error
    except RecursionError:
        return Document(name, text, False), None
    repaired = _repaired(text.source, name, first, MOST_REPAIRS if before is None else FEW_REPAIRS)
    if repaired is None and before is not None:
        repaired = _unchanged(text, name, before)
    try:
        return (index(*repaired, text) if repaired is not None else Document(name, text, False)), first
    except RecursionError:
        return Document(name, text, False), first


def _unchanged(text: Text, name: str, before: bytes) -> tuple[ast.Chunk, Text] | None:
    """The lines that were there when the text last parsed."""
    source = text.source
    same = _common(source, before)
    rest = _common(source[same:][::-1], before[same:][::-1])
    mended = _blank(source, text.line_range(same)[0], text.line_range(len(source) - rest)[1])
    try:
        return parse(mended, name), Text(mended)
    except LuaSyntaxError:
        return None


def _common(left: bytes, right: bytes) -> int:
    """How many bytes both begin with."""
    least, most = 0, min(len(left), len(right))
    while least < most:
        middle = (least + most + 1) // 2
        if left[:middle] == right[:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _repaired(source: bytes, name: str, error: LuaSyntaxError, most: int) -> tuple[ast.Chunk, Text] | None:
    until = time.perf_counter() + MOST_SECONDS
    mended = source
    for _ in range(most):
        before, mended = mended, _mend(mended, len(source), error)
        if mended == before:
            mended = _without_line(mended, error)
        try:
            return parse(mended, name), Text(mended)
        except LuaSyntaxError as following:
            error = following
        if time.perf_counter() > until:
            break
    return None


def _mend(source: bytes, length: int, error: LuaSyntaxError) -> bytes:
    """The source without its first error, as far as that can be told from one message."""
    text = Text(source)
    offset = text.place(error.line, error.column)
    closing = _CLOSING.search(error.message)
    missing = _MISSING.match(error.message)
    if missing is not None and not source[offset:].strip():
        return source + (b"\nuntil nil" if missing[1] == "until" else b"\n" + missing[1].encode())
    if closing is not None and closing[1] in ")]}" and closing[2]:
        start, end = text.line_range(text.place(int(closing[2]), 1))
        return _blank(source, _opened(source, start, end), end)
    if "unfinished" in error.message:
        return _blank(source, offset, length if "long" in error.message else text.line_range(offset)[1])
    if error.message.startswith("expected end of file"):
        word = _WORD.match(source, offset)
        return _blank(source, offset, word.end() if word else offset)
    if "must be the last statement" in error.message:
        begin = max(offset - NEAR, 0)
        stray = max((found.start() for found in _RETURN.finditer(source, begin, offset)), default=offset)
        return _blank(source, stray, offset)
    before = source[:offset].rstrip()
    if "a call" in error.message:
        chain = _CHAIN.search(before, max(len(before) - 200, 0))
        if chain is not None and chain[0].strip():
            return _blank(source, chain.start(), len(before))
    return _without_statement(source, text, before, offset)


def _without_statement(source: bytes, text: Text, before: bytes, offset: int) -> bytes:
    """Blanks what stands between the last thing that surely ends before the error, on its line, and the error; when
    that is nothing, the line."""
    start, end = text.line_range(max(len(before) - 1, 0))
    if _DANGLING.search(before, max(len(before) - 20, 0)) or offset >= len(source):
        opened = _opened(source, start, len(before))
        if opened < len(before):
            return _blank(source, opened, len(before))
        return _blank(source, start, end)
    start, end = text.line_range(offset)
    if source[start:end].strip():
        return _blank(source, start, end)
    return _blank(source, 0, offset)


def _without_line(source: bytes, error: LuaSyntaxError) -> bytes:
    text = Text(source)
    return _blank(source, *text.line_range(text.place(error.line, error.column)))


def _opened(source: bytes, start: int, end: int) -> int:
    """Where the last statement of a line begins."""
    start = max(start, end - NEAR)
    return max((found.end() for found in _OPENING.finditer(source, start, end)), default=start)


def _blank(source: bytes, start: int, end: int) -> bytes:
    return source[:start] + _VISIBLE.sub(b" ", source[start:end]) + source[end:]
