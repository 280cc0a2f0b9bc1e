"""What is wrong with the files of a project: collected, so that the caller decides whether to go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from wippy.core.errors import invalid

Severity: TypeAlias = Literal["error", "warning"]


class Problem(msgspec.Struct, frozen=True):
    """`severity` says whether a boot must stop. Lines and columns count from 1; 0 means unknown."""

    severity: Severity
    path: str
    reason: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = self.path
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        return f"{place}: {self.reason}" if place else self.reason


def errors(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity == "error"]


def raise_errors(problems: Iterable[Problem]) -> None:
    """Raises Error(Invalid) that lists every error, one a line, if there is one."""
    found = errors(problems)
    if found:
        raise invalid("\n".join(map(str, found)), problems=[str(problem) for problem in found])
