"""Markdown splitting of the guest module `text` (spec 04b §7.3): chunks follow the structure of the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from wippy.lua.modules.text_splitter import SEPARATORS, Recursive

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*\Z")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_TABLE_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*\Z")
_DEFINITION = re.compile(r" {0,3}\[([^\]]+)\]:\s*(\S+).*\Z")
_REFERENCE = re.compile(r"\[([^\]\[]+)\]\[([^\]\[]*)\]")


class Block(NamedTuple):
    """`kind`: heading, text, table or code. `level` is that of a heading."""

    kind: str
    lines: list[str]
    level: int = 0


@dataclass(frozen=True, slots=True)
class Markdown:
    """Chunks begin with the heading they stand under, with all headings above it when `heading_hierarchy`."""

    chunk_size: int = 512
    chunk_overlap: int = 100
    code_blocks: bool = False
    reference_links: bool = False
    heading_hierarchy: bool = False
    join_table_rows: bool = False
    separators: tuple[str, ...] = SEPARATORS

    def split(self, text: str) -> list[str]:
        """The chunks of `text`, trimmed, without empty ones."""
        lines = text.splitlines()
        if self.reference_links:
            lines = _with_inline_links(lines)
        writer = _Writer(self, Recursive(self.chunk_size, self.chunk_overlap, False, self.separators))
        for block in _blocks(lines):
            writer.add(block)
        writer.flush()
        return writer.chunks


@dataclass(slots=True)
class _Writer:
    options: Markdown
    splitter: Recursive
    chunks: list[str] = field(default_factory=list)
    headings: list[Block] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    size: int = 0
    untold: bool = False
    """Whether the current heading stands in no chunk yet."""

    def add(self, block: Block) -> None:
        if block.kind == "heading":
            self._enter(block)
        elif block.kind == "table":
            self._table(block.lines)
        elif block.kind == "text" or self.options.code_blocks:
            self._paragraph("\n".join(block.lines).strip())

    def flush(self) -> None:
        """Ends the current chunk; a heading without content is a chunk of its own."""
        if self.parts:
            self._write("\n\n".join(self.parts))
        elif self.untold:
            self._write("")
        self.parts, self.size = [], 0

    def _enter(self, heading: Block) -> None:
        self.flush()
        self.headings = [h for h in self.headings if h.level < heading.level]
        self.headings.append(heading)
        self.untold = True

    def _prefix(self) -> str:
        shown = self.headings if self.options.heading_hierarchy else self.headings[-1:]
        return "\n".join(heading.lines[0].strip() for heading in shown)

    def _write(self, content: str) -> None:
        chunk = "\n".join(part for part in (self._prefix(), content) if part).strip()
        if chunk:
            self.chunks.append(chunk)
        self.untold = False

    def _paragraph(self, text: str) -> None:
        if self.size + len(text) + 2 * bool(self.parts) > self.options.chunk_size and self.parts:
            self.flush()
        if len(text) <= self.options.chunk_size:
            self.size += len(text) + 2 * bool(self.parts)
            self.parts.append(text)
            return
        for piece in self.splitter.split(text):
            self._write(piece)

    def _table(self, lines: list[str]) -> None:
        """A chunk for each row, or for as many as fit, with the header of the table."""
        self.flush()
        header, rows = lines[:2], lines[2:]
        group: list[str] = []
        size = sum(map(len, header))
        for row in rows:
            full = size + sum(len(r) + 1 for r in group) + len(row) > self.options.chunk_size
            if group and (full or not self.options.join_table_rows):
                self._write("\n".join(header + group))
                group = []
            group.append(row)
        if group or not rows:
            self._write("\n".join(header + group))


def _blocks(lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line = lines[at]
        heading, fence = _HEADING.match(line), _FENCE.match(line)
        if not line.strip():
            at += 1
        elif heading:
            yield Block("heading", [line], len(heading[1]))
            at += 1
        elif fence:
            end = _code_end(lines, at, fence[1])
            yield Block("code", lines[at:end])
            at = end
        elif _begins_table(lines, at):
            end = at + 2
            while end < len(lines) and "|" in lines[end] and lines[end].strip():
                end += 1
            yield Block("table", [row.strip() for row in lines[at:end]])
            at = end
        else:
            end = _text_end(lines, at)
            yield Block("text", lines[at:end])
            at = end


def _code_end(lines: list[str], start: int, fence: str) -> int:
    for at in range(start + 1, len(lines)):
        if lines[at].strip().startswith(fence) and not lines[at].strip().strip(fence[0]):
            return at + 1
    return len(lines)


def _begins_table(lines: list[str], at: int) -> bool:
    return (
        "|" in lines[at]
        and at + 1 < len(lines)
        and "-" in lines[at + 1]
        and _TABLE_RULE.match(lines[at + 1].strip()) is not None
    )


def _text_end(lines: list[str], start: int) -> int:
    """A paragraph, list or quote ends at an empty line and before anything else that has a form of its own."""
    for at in range(start + 1, len(lines)):
        line = lines[at]
        if not line.strip() or _HEADING.match(line) or _FENCE.match(line) or _begins_table(lines, at):
            return at
    return len(lines)


def _with_inline_links(lines: list[str]) -> list[str]:
    """`[text][name]` becomes `[text](address)`; the definitions are left out."""
    found = {match[1].lower(): match[2] for match in map(_DEFINITION.match, lines) if match}

    def inline(match: re.Match[str]) -> str:
        address = found.get((match[2] or match[1]).lower())
        return match[0] if address is None else f"[{match[1]}]({address})"

    return [_REFERENCE.sub(inline, line) for line in lines if not _DEFINITION.match(line)]
