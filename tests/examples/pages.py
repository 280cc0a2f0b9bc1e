"""What a page shows: the files of a project, and what commands print.

A file is a line with its path in backquotes, followed by a code block. A command is a line `$ wippy ...` in a `console`
block, followed by what it prints.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FILE = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    words: tuple[str, ...]
    output: str


def files(page: Path) -> dict[str, str]:
    """Path -> text of the files that a page shows."""
    return dict(_FILE.findall(page.read_text()))


def blocks(page: Path, language: str) -> Iterator[str]:
    """The code blocks of a page in one language; also those in lists."""
    for indent, text in re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL):
        yield textwrap.dedent(text) if indent else text


def commands(page: Path) -> Iterator[Shown]:
    """The `wippy` commands that a page shows, with their output."""
    for block in _CONSOLE.findall(page.read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            program, *words = shlex.split(line)
            assert program == "wippy", line
            yield Shown(tuple(words), output)
