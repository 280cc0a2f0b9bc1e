"""What the linter says: diagnostics, their codes, and how they are shown (spec 02 §7.6, §7.8)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "hint"]
RANK: dict[str, int] = {"error": 0, "warning": 1, "hint": 2}


class Code(NamedTuple):
    """A kind of finding. `rule` ones are only looked for with `--rules`."""

    code: str
    name: str
    severity: Severity
    rule: bool
    summary: str


CODES = {
    c.code: c
    for c in (
        Code("P0001", "syntax", "error", False, "The source does not parse."),
        Code("E0001", "undefined-variable", "error", False, "A global is read that nobody defines."),
        Code(
            "E0003",
            "wrong-argument-count",
            "error",
            False,
            "A module function is called with too few or many arguments.",
        ),
        Code("E0004", "unknown-member", "error", False, "A module has no member of that name."),
        Code("E0009", "unreachable-code", "hint", False, "A statement can never run."),
        Code("M0001", "undeclared-module", "error", False, "A module is required that the entry does not list."),
        Code(
            "M0002", "unknown-import", "error", False, "An import names an entry that does not exist or is no library."
        ),
        Code("M0003", "unknown-module", "error", False, "The entry lists a module that does not exist."),
        Code("W0001", "no-empty-blocks", "warning", True, "A block is empty."),
        Code("W0002", "no-global-assign", "warning", True, "A global is assigned."),
        Code("W0003", "no-self-compare", "error", True, "Something is compared with itself."),
        Code("W0004", "no-unused-vars", "warning", True, "A local or loop variable is never read."),
        Code("W0005", "no-unused-params", "hint", True, "A parameter is never read."),
        Code("W0006", "no-unused-imports", "warning", True, "A required module is never used."),
        Code("W0007", "no-shadowed-vars", "hint", True, "A name hides one of an enclosing scope."),
    )
}


class Diagnostic(NamedTuple):
    """One finding. Lines and columns are 1-based. `help` says what to do."""

    entry_id: str
    code: str
    severity: Severity
    message: str
    line: int
    column: int
    width: int = 1
    help: str = ""

    def sort_key(self) -> tuple[str, int, int, int, str, str]:
        """Entry id, severity, line, column, code, message (spec 02 §8)."""
        return self.entry_id, RANK[self.severity], self.line, self.column, self.code, self.message


def finding(
    entry_id: str, code: str, message: str, line: int, column: int, width: int = 1, help: str = ""
) -> Diagnostic:
    return Diagnostic(entry_id, code, CODES[code].severity, message, line, column, width, help)


COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "hint": "\x1b[1;36m"}


def render(d: Diagnostic, source: bytes, colour: bool = False) -> str:
    """The diagnostic with its place, the source line and a caret under it."""
    lines = source.split(b"\n")
    text = lines[d.line - 1].decode("utf-8", "replace").rstrip("\r") if 0 < d.line <= len(lines) else ""
    number = str(d.line)
    gutter = " " * len(number)
    pad = "".join("\t" if c == "\t" else " " for c in text[: d.column - 1])
    caret = "^" + "~" * (min(d.width, max(len(text) - d.column + 1, 1)) - 1)
    head = f"{d.severity}[{d.code}]"
    if colour:
        head = f"{COLOURS[d.severity]}{head}\x1b[0m"
    shown = [f"{head}: {d.message}", f"{gutter}--> {d.entry_id}:{d.line}:{d.column}", f"{gutter} |"]
    shown += [f"{number} | {text}", f"{gutter} | {pad}{caret}"]
    if d.help:
        shown.append(f"{gutter} = help: {d.help}")
    return "\n".join(shown)
