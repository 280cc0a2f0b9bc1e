"""What a guest asks to run, checked and taken apart (spec 03 §14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wippy.core.errors import internal, invalid

BLANK = " \t\r\n"
QUOTES = "'\""


class Command(NamedTuple):
    """A program with its arguments, where it runs ("" where the executor says) and its whole environment."""

    words: list[str]
    directory: str
    environment: dict[str, str]


def split(line: str) -> list[str]:
    """The words of a command line: separated by blanks, grouped by single or double quotes. No escapes, no shell.

    Raises Error(Invalid) for a quote that does not end.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    for char in line:
        if quote:
            if char == quote:
                quote = ""
            else:
                word = (word or "") + char
        elif char in QUOTES:
            quote, word = char, word or ""
        elif char in BLANK:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + char
    if quote:
        raise invalid(f"command has a {quote} that does not end")
    return [*words, word] if word is not None else words


def prepare(
    line: str, whitelist: list[str], directory: str, environment: Mapping[str, str], extra: Mapping[str, str]
) -> Command:
    """The command behind a line. Raises Error(Invalid), and Error(Internal) for a line that is not whitelisted."""
    words = split(line)
    if not words or not words[0]:
        raise invalid("command is required")
    if whitelist and line not in whitelist:
        raise internal(f"command not allowed: {line}")
    merged = {**environment, **extra}
    for text in (*words, directory, *merged, *merged.values()):
        if "\0" in text:
            raise invalid("command, directory and environment must not contain NUL bytes")
    for name in merged:
        if not name or "=" in name:
            raise invalid(f'"{name}" is no name of an environment variable')
    return Command(words, directory, merged)
