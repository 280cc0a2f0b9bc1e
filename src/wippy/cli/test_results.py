"""What a test runner has found out so far, collected from the event bus while it runs.

The runner of the pack `wippy/test` publishes every step under the system `wippy.test`: the plan, the start and the
outcome of each entry, the end. So everything up to the moment is known even when the runner fails half way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from wippy.runtime import Runtime

SYSTEM = "wippy.test"

Status: TypeAlias = Literal["pass", "fail", "skip"]


class Case(msgspec.Struct, frozen=True):
    """One case of an entry. suite: the path of its blocks. duration: seconds. at: `ns:name:line` of a failure."""

    suite: str
    test: str
    status: Status
    duration: float = 0.0
    error: str | None = None
    at: str | None = None


class TestEntry(msgspec.Struct):
    """One entry of the plan. state: "waiting", "running", "interrupted" or "done". duration: seconds."""

    id: str
    suite: str
    state: str = "waiting"
    cases: list[Case] = []
    duration: float = 0.0


class _Outcome(msgspec.Struct, frozen=True):
    duration: float = 0.0
    cases: list[Case] = []


class TestResults:
    """The entries of a run by id, in the order in which they run. `planned`: the runner said what it would run."""

    def __init__(self) -> None:
        self.planned = False
        self.finished = False
        self.entries: dict[str, TestEntry] = {}

    def follow(self, runtime: Runtime) -> None:
        """Listens to the events of a node that has started."""
        runtime.node.bus.listen(SYSTEM, self.hear)

    def hear(self, system: str, kind: str, path: str, data: Any) -> None:
        """One event; one that makes no sense is left out: any guest may send what it wants."""
        if kind == "plan":
            self._plan(data)
        elif kind == "done":
            self.finished = True
        elif path in self.entries:
            self._step(self.entries[path], kind, data)

    def _plan(self, data: Any) -> None:
        tests = _writable(data["tests"]) if isinstance(data, dict) and "tests" in data else None
        found = [each for each in tests if isinstance(each, dict)] if isinstance(tests, list) else []
        self.planned = True
        self.entries = {str(each.get("id")): TestEntry(str(each.get("id")), str(each.get("suite"))) for each in found}

    def _step(self, entry: TestEntry, kind: str, data: Any) -> None:
        if kind == "entry.start":
            entry.state = "running"
            return
        try:
            outcome = msgspec.convert(_writable(data), _Outcome, strict=False)
        except msgspec.ValidationError:
            return
        entry.cases, entry.duration = outcome.cases, outcome.duration
        entry.state = "done" if kind == "entry.done" else "interrupted"

    def cases(self) -> Iterator[Case]:
        for entry in self.entries.values():
            yield from entry.cases

    def count(self, status: Status) -> int:
        return sum(case.status == status for case in self.cases())

    def report(self, code: int) -> dict[str, Any]:
        """Plain data for `--json`. code: the exit code of the run."""
        return {
            "status": "passed" if code == 0 else "interrupted" if code == INTERRUPTED else "failed",
            "passed": self.count("pass"),
            "failed": self.count("fail"),
            "skipped": self.count("skip"),
            "tests": [msgspec.to_builtins(entry) for entry in self.entries.values()],
        }


def _writable(value: Any) -> Any:
    """What a guest sent, with texts that are no UTF-8 made readable and without numbers that JSON has not."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return 0.0
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return [_writable(item) for item in value] if isinstance(value, list) else value


INTERRUPTED = 130
"""The exit code after Ctrl-C."""
