"""Token kinds and the token table of one source (spec 02 §2).

The kind of a keyword or operator is its own text; the classes of open-ended tokens have upper-case names, which no
keyword or operator can spell.
"""

from __future__ import annotations

NAME = "NAME"
NUMBER = "NUMBER"
STRING = "STRING"
LABEL = "LABEL"
EOF = "EOF"

KEYWORDS = frozenset(
    ["and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil"]
) | frozenset(["not", "or", "repeat", "return", "then", "true", "until", "while"])
TYPE_WORDS = frozenset(["as", "asserts", "extends", "fun", "interface", "is", "keyof", "readonly", "typeof"])
RESERVED: dict[str, str] = {word: word for word in KEYWORDS | TYPE_WORDS}

FIELD_NAMES = frozenset({NAME}) | TYPE_WORDS
"""Kinds that name a field: after `.` and `:`, before `=` in a constructor, in a record type."""


class Tokens:
    """The tokens of one source as parallel lists, closed by one EOF token.

    `texts` holds the Lua 5.5 spelling of each token (strings re-quoted on one line), `literals` the value of each
    NUMBER (int or float), STRING (bytes) and LABEL (str) by token index. Lines and columns count from 1, columns in
    bytes. A token that spans lines has the line it starts on in `lines` and the one it ends on in `end_lines`.
    """

    __slots__ = ("columns", "end_lines", "kinds", "lines", "literals", "texts")

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.lines: list[int] = []
        self.columns: list[int] = []
        self.end_lines: dict[int, int] = {}
        self.literals: dict[int, bytes | int | float | str] = {}

    def __len__(self) -> int:
        return len(self.kinds)

    def describe(self, index: int) -> str:
        """The token as error messages name it: `identifier 'x'`, `'end'`, `end of file`."""
        kind = self.kinds[index]
        if kind == EOF:
            return "end of file"
        if kind == STRING:
            return "string"
        text = self.texts[index]
        if len(text) > 40:
            text = text[:37] + "..."
        if kind == NAME:
            return f"identifier '{text}'"
        if kind == NUMBER:
            return f"number '{text}'"
        return f"'{text}'"
