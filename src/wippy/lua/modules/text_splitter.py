"""Recursive text splitting of the guest module `text` (spec 04b §7.3). Lengths count characters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SEPARATORS = ("\n\n", "\n", " ", "")


@dataclass(frozen=True, slots=True)
class Recursive:
    """Splits at the first separator that occurs, merges small pieces, splits large ones with the separators after."""

    chunk_size: int = 512
    chunk_overlap: int = 100
    keep_separator: bool = False
    separators: tuple[str, ...] = SEPARATORS

    def split(self, text: str) -> list[str]:
        """The chunks of `text`, trimmed, without empty ones."""
        return [chunk for chunk in (piece.strip() for piece in self._split(text, self.separators)) if chunk]

    def _split(self, text: str, separators: tuple[str, ...]) -> list[str]:
        separator, remaining = _choose(text, separators)
        joint = "" if self.keep_separator else separator
        chunks: list[str] = []
        small: list[str] = []
        for piece in self._pieces(text, separator):
            if len(piece) < self.chunk_size:
                small.append(piece)
                continue
            chunks += self.merge(small, joint)
            small = []
            chunks += self._split(piece, remaining) if remaining else [piece]
        return chunks + self.merge(small, joint)

    def _pieces(self, text: str, separator: str) -> list[str]:
        pieces = text.split(separator) if separator else list(text)
        if self.keep_separator:
            pieces[1:] = [separator + piece for piece in pieces[1:]]
        return pieces

    def merge(self, pieces: list[str], joint: str) -> list[str]:
        """Neighbours joined up to the chunk size; the tail of a chunk, up to the overlap, begins the next."""
        chunks: list[str] = []
        current: deque[str] = deque()
        total = 0
        for piece in pieces:
            added = len(piece) + (len(joint) if current else 0)
            if current and total + added > self.chunk_size:
                chunks.append(joint.join(current).strip())
                while current and self._must_shrink(total, len(piece), joint if len(current) > 1 else ""):
                    total -= len(current.popleft()) + (len(joint) if current else 0)
            total += len(piece) + (len(joint) if current else 0)
            current.append(piece)
        chunks.append(joint.join(current).strip())
        return [chunk for chunk in chunks if chunk]

    def _must_shrink(self, total: int, coming: int, joint: str) -> bool:
        return total > self.chunk_overlap or (total > 0 and total + coming + len(joint) > self.chunk_size)


def _choose(text: str, separators: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The first separator that occurs in `text`, and those after it; the last one when none does."""
    for at, separator in enumerate(separators):
        if separator in text:
            return separator, separators[at + 1 :]
    return separators[-1], ()
