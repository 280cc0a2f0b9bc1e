"""Checks what processes noted while all of them ran at once: the rules of spec 03 that hold whatever the interleaving.

Notes are compared per process only; nothing is concluded from the order of notes of different processes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from apps.actor_puppet import CANCEL, ENDINGS, EXIT, LINK_DOWN, LINKED, TERMINATED, Operation

Note = list[Any]


class Trace:
    """One process: what it did and what it saw, in its own order."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.pid = ""
        self.notes: list[Note] = []

    def add(self, note: Note) -> None:
        if note[0] == "born":
            self.pid = note[1]
        self.notes.append(note)


class Checker:
    """scripts: label -> what the process was told to do. living: PIDs that are there at the end."""

    def __init__(self, traces: dict[str, Trace], scripts: dict[str, list[Operation]], living: set[str]) -> None:
        self.traces, self.scripts, self.living = traces, scripts, living
        self.labels = {trace.pid: label for label, trace in traces.items()}
        self.operations = {label: self._operations(trace) for label, trace in traces.items()}
        self.outcomes = self._outcomes()

    def check(self) -> None:
        for trace in self.traces.values():
            self._mail(trace)
            self._ends(trace)
            self._names(trace)
            self._death(trace)
        for watcher in self.traces.values():
            for target in self.traces.values():
                self._relation(watcher, target)

    # Reading the notes ----------------------------------------

    def alive(self, label: str) -> bool:
        return self.traces[label].pid in self.living

    def _operations(self, trace: Trace) -> list[tuple[int, Operation, bool | str | None, str]]:
        """(position, operation, answer, error): the answer is None when the process did not live to note it."""
        found: list[tuple[int, Operation, bool | str | None, str]] = []
        for at, note in enumerate(trace.notes):
            if note[0] == "begin":
                found.append((at, self.scripts[trace.label][note[1] - 1], None, ""))
            elif note[0] == "done":
                found[-1] = (at, found[-1][1], note[2], note[3])
        return found

    def _events(self, trace: Trace, kind: str, source: str) -> list[tuple[int, Note]]:
        pid = self.traces[source].pid
        return [(i, n) for i, n in enumerate(trace.notes) if n[0] == "event" and n[1] == kind and n[2] == pid]

    def _outcomes(self) -> dict[str, str]:
        """How processes ended, by those who were told."""
        outcomes: dict[str, str] = {}
        for trace in self.traces.values():
            for note in trace.notes:
                if note[0] == "event" and note[1] != CANCEL:
                    source = self.labels[note[2]]
                    assert outcomes.setdefault(source, note[3]) == note[3], "two outcomes of one process"
        return outcomes

    # The rules ----------------------------------------

    def _mail(self, receiver: Trace) -> None:
        """What was taken arrives once, in the order of its sender (§19.6), and precedes the sender's end (§19.9)."""
        for sender in self.traces.values():
            for topic in ("m", "t"):
                arrived = [n[3] for n in receiver.notes if n[:3] == ["mail", topic, sender.label] and n[3]]
                sent, maybe = [], []
                for _, op, answer, text in self.operations[sender.label]:
                    if op[0] == "send" and op[1:3] == [receiver.label, topic]:
                        if answer is True:
                            sent.append(op[3])
                        elif answer is None:
                            maybe.append(op[3])
                        else:
                            assert not self.alive(receiver.label) and "not found" in text, (op, text)
                where = (sender.label, receiver.label, arrived, sent, maybe)
                assert arrived == (sent + maybe)[: len(arrived)], where
                assert len(arrived) >= len(sent) or not self.alive(receiver.label), where
            ends = [i for kind in (EXIT, LINK_DOWN) for i, _ in self._events(receiver, kind, sender.label)]
            mail = [i for i, n in enumerate(receiver.notes) if n[0] == "mail" and n[2] == sender.label and n[3]]
            assert not ends or not mail or max(mail) < min(ends), (
                receiver.label,
                "mail after the end of",
                sender.label,
            )

    def _ends(self, trace: Trace) -> None:
        """One event a relation, EXIT before LINK_DOWN (§19.10); a link tells of failures only (§19.14)."""
        for source in self.traces:
            exits = self._events(trace, EXIT, source)
            downs = self._events(trace, LINK_DOWN, source)
            assert len(exits) <= 1 and len(downs) <= 1, (trace.label, source, exits, downs)
            for _, note in exits + downs:
                assert not self.alive(source)
                assert "not found" in note[5], (trace.label, note)
            assert not exits or not downs or exits[0] < downs[0], "LINK_DOWN before EXIT"
            assert not downs or downs[0][1][3].startswith("E:")

    def _names(self, trace: Trace) -> None:
        """Names are gone before anybody hears of the end (§3.10)."""
        for note in trace.notes:
            if note[0] == "event" and note[1] != CANCEL:
                assert note[2] not in note[4], "a name outlived its process"

    def _relation(self, watcher: Trace, target: Trace) -> None:
        """Whether `watcher` had to hear of the end of `target`, by what it asked for last (§19.11-14)."""
        if watcher is target or not self.alive(watcher.label) or self.alive(target.label):
            return
        watching = asked = linked = trapped = untrapped = False
        for _, op, answer, _ in self.operations[watcher.label]:
            if op[0] == "trap":
                trapped = trapped or op[1]
                untrapped = untrapped or not op[1]
            if op[0] == "spawn" and op[2] == target.label and answer:
                watching, linked = "monitored" in op[1], "linked" in op[1]
            if op[1:2] == [target.label] and answer is True:
                watching = {"monitor": True, "unmonitor": False}.get(op[0], watching)
                linked = {"link": True, "unlink": False}.get(op[0], linked)
            asked = asked or watching
        linked = linked and not self._has_unlinked(target, watcher)
        outcome = self.outcomes.get(target.label, "")
        exits = len(self._events(watcher, EXIT, target.label))
        assert exits == 1 if watching else exits <= asked, (watcher.label, target.label, exits)
        if linked and outcome.startswith("E:"):
            assert trapped, (watcher.label, "outlived a linked failure of", target.label)
            downs = len(self._events(watcher, LINK_DOWN, target.label))
            assert downs == 1 or untrapped or not downs, (watcher.label, target.label, downs)

    def _has_unlinked(self, one: Trace, other: Trace) -> bool:
        return any(op[0] == "unlink" and op[1] == other.label for _, op, _, _ in self.operations[one.label])

    def _death(self, trace: Trace) -> None:
        """Nobody dies without a reason, and of the reason that it gives."""
        if self.alive(trace.label):
            return
        reasons = {ENDINGS[op[0]].format(op[1]) for _, op, _, _ in self.operations[trace.label] if op[0] in ENDINGS}
        for label, operations in self.operations.items():
            for _, op, answer, _ in operations:
                if op[:2] == ["terminate", trace.label] and answer in (True, None):
                    reasons.add(TERMINATED)
                if trace.label in self._joins(label, op):
                    reasons.add(LINKED)
        assert reasons, (trace.label, "died for nothing")
        outcome = self.outcomes.get(trace.label)
        assert outcome is None or outcome in reasons, (trace.label, outcome, reasons)

    def _joins(self, label: str, op: Operation) -> set[str]:
        if op[0] == "link":
            return {label, op[1]}
        return {label, op[2]} if op[0] == "spawn" and "linked" in op[1] else set()


def collect(lines: list[Note]) -> dict[str, Trace]:
    """The notes of a whole run, by process: [label, number, what, ...]."""
    traces: dict[str, Trace] = {}
    numbers: dict[str, int] = defaultdict(int)
    for label, number, *note in lines:
        assert number == numbers[label] + 1, "notes of one process out of order"
        numbers[label] = number
        traces.setdefault(label, Trace(label)).add(note)
    return traces
