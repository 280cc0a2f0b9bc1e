"""Edits to a token list: how guest source becomes Lua source without moving a token off its line."""

from __future__ import annotations

from .tokens import Tokens


class Edits:
    """Replacements, erasures and insertions around the tokens of one source.

    Tokens keep their lines, so insertions must not contain line ends. A string over several lines goes to the last of
    them, which is where Lua reports errors of what is around it. Edits may come in any order but for two rules:
    of several insertions before one token the outermost construct comes first, after one token the innermost.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.texts = tokens.texts.copy()
        self.lines = tokens.lines.copy()
        for index, line in tokens.end_lines.items():
            self.lines[index] = line
        self._before: dict[int, str] = {}
        self._after: dict[int, str] = {}

    def replace(self, index: int, text: str) -> None:
        self.texts[index] = text

    def erase(self, start: int, stop: int) -> None:
        """Remove the tokens from `start` up to, not including, `stop`."""
        self.texts[start:stop] = [""] * (stop - start)

    def before(self, index: int, text: str) -> None:
        self._before[index] = self._before.get(index, "") + text + " "

    def after(self, index: int, text: str) -> None:
        self._after[index] = self._after.get(index, "") + " " + text

    def render(self) -> str:
        """The edited source, every token on its line, line 1 first."""
        texts = self.texts
        for index, text in self._before.items():
            texts[index] = text + texts[index]
        for index, text in self._after.items():
            texts[index] += text
        pieces: list[str] = []
        append = pieces.append
        previous = 1
        for text, line in zip(texts, self.lines, strict=True):
            if line == previous:
                append(" ")
            else:
                append("\n" * (line - previous))
                previous = line
            append(text)
        return "".join(pieces)
