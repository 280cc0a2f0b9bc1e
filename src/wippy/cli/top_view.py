"""What `wippy top` shows, as lines of text: no terminal, no socket.

Names come from guests and may contain anything: only characters that fill one cell and do nothing else are let through.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

ORDERS = {"c": "cpu", "m": "memory", "b": "mailbox"}
KEYS = "q quit  c cpu  m memory  b mailbox  up/down select  enter details"
DETAIL_KEYS = "q quit  esc back  up/down scroll"
NUMBERS = 31  # cells of the columns behind the names
LEAST_WIDTH = 60


def clean(text: object) -> str:
    """`text` without what would do something to a terminal or a column."""
    return "".join(c if _fits(c) else "?" for c in str(text))


def _fits(c: str) -> bool:
    return c.isprintable() and not unicodedata.combining(c) and unicodedata.east_asian_width(c) not in "WF"


def cut(text: str, width: int) -> str:
    """At most `width` cells; what is missing shows as `~`."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "~"[:width]


def size(count: float | None) -> str:
    """Bytes in at most five cells."""
    if count is None:
        return "-"
    for unit in ("", "K", "M", "G"):
        if count < 1000:
            return f"{count:.0f}{unit}" if unit == "" or count >= 100 else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.0f}T"


class Row(NamedTuple):
    pid: str
    text: str


@dataclass
class Snapshot:
    """One look at a node, and the one before: percentages are of the time between them."""

    data: dict[str, Any]
    before: Snapshot | None = None
    _seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seconds = {p["pid"]: p.get("cpu") or 0.0 for p in self.data["processes"]}
        if self.before is not None:
            self.before = Snapshot(self.before.data)

    @property
    def processes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.data["processes"]
        return found

    def percent(self, process: dict[str, Any]) -> float | None:
        """Processor time since the look before, of one core; None when that did not show the process."""
        if self.before is None or process["pid"] not in self.before._seconds:
            return None
        used = self._seconds[process["pid"]] - self.before._seconds[process["pid"]]
        return 100 * max(used, 0.0) / self._elapsed()

    def node_percent(self) -> float | None:
        if self.before is None:
            return None
        used: float = self.data["node"]["processor"] - self.before.data["node"]["processor"]
        return 100 * used / self._elapsed()

    def _elapsed(self) -> float:
        assert self.before is not None
        elapsed: int = self.data["node"]["at"] - self.before.data["node"]["at"]
        return max(elapsed / 1e9, 1e-6)

    def ordered(self, sort: str) -> list[dict[str, Any]]:
        """The processes, largest first; by processor time of late where that is known."""
        if sort != "cpu":
            return sorted(self.processes, key=lambda p: p.get(sort) or 0, reverse=True)
        return sorted(self.processes, key=lambda p: (self.percent(p) or 0.0, p["steps"]), reverse=True)


# The table ----------------------------------------


def heading(snapshot: Snapshot, sort: str, width: int) -> list[str]:
    """Two lines: the node, and the names of the columns."""
    node, total = snapshot.data["node"], snapshot.data["total"]
    percent = snapshot.node_percent()
    busy = "-" if percent is None else f"{percent:.0f}%"
    first = f"wippy {node['pid']}   {total} processes   cpu {busy}   memory {size(node['memory'])}   by {sort}"
    return [cut(first, width), _columns("PID", "ENTRY", "STATE", "CPU%", "MEM", "MAIL", width)]


def rows(snapshot: Snapshot, sort: str, width: int) -> list[Row]:
    """A row a process."""
    return [Row(p["pid"], _row(p, snapshot.percent(p), width)) for p in snapshot.ordered(sort)]


def _row(p: dict[str, Any], percent: float | None, width: int) -> str:
    entry = clean(p["entry"]) + (f" ({clean(p['name'])})" if p.get("name") else "")
    busy = "-" if percent is None else f"{percent:.1f}"
    mail = str(p["mailbox"]) if p["mailbox"] < 1_000_000 else f"{p['mailbox'] // 1_000_000}M"
    return _columns(clean(p["pid"]), entry, p["state"], busy, size(p.get("memory")), mail, width)


def _columns(pid: str, entry: str, state: str, cpu: str, memory: str, mail: str, width: int) -> str:
    room = max(width, LEAST_WIDTH) - NUMBERS - 1
    first = min(room // 2, 28)
    second = room - first - 1
    names = f"{cut(pid, first):{first}} {cut(entry, second):{second}}"
    return f"{names} {state:8}{cpu:>6} {memory:>6} {cut(mail, 7):>7}".rstrip()


def summary(snapshot: Snapshot, width: int, most: int) -> list[str]:
    """Hosts, services and exceeded limits, in at most `most` lines; what does not run comes first."""
    hosts = [f"host {h['id']}: {h['processes']} on {h['workers']}, {h['queue_depth']} ready" for h in _hosts(snapshot)]
    services = [f"{s['id']} {s['status']}{_retries(s)}" for s in _services(snapshot)]
    exceeded = [f"limit {name} exceeded {times} times" for name, times in sorted(snapshot.data["exceeded"].items())]
    lines = [*_wrapped(hosts, width, ""), *_wrapped(services, width, "services: "), *exceeded]
    return [cut(clean(line), width) for line in lines[:most]]


def _hosts(snapshot: Snapshot) -> list[dict[str, Any]]:
    return sorted(snapshot.data["hosts"], key=lambda h: -h["processes"])


def _services(snapshot: Snapshot) -> list[dict[str, Any]]:
    return sorted(snapshot.data["services"], key=lambda s: (s["status"] == "running", s["id"]))


def _retries(service: dict[str, Any]) -> str:
    return f" ({service['details']})" if service["status"] == "failed" and service["details"] else ""


def _wrapped(items: Sequence[str], width: int, lead: str) -> Iterable[str]:
    """Items side by side, in as many lines as they need."""
    line = lead
    for item in items:
        if line not in ("", lead) and len(line) + len(item) + 3 > width:
            yield line
            line = " " * len(lead)
        line += item if line in ("", lead) or not line.strip() else f" | {item}"
    if line.strip() and items:
        yield line


def plain(snapshot: Snapshot, sort: str, width: int) -> str:
    """Everything at once, for where there is no terminal."""
    lines = [*heading(snapshot, sort, width), *(row.text for row in rows(snapshot, sort, width))]
    return "\n".join([*lines, "", *summary(snapshot, width, 1000)])


# One process ----------------------------------------


def details(process: dict[str, Any], width: int) -> list[str]:
    """A process's figures, unread messages, relations, and the stack of each of its coroutines."""
    started = datetime.fromtimestamp(process["started_at"] / 1e9).isoformat(" ", "seconds")
    figures = {
        "entry": process["entry"],
        "host": process["host"],
        "state": f"{process['state']}, {process['steps']} steps, {process['threads']} coroutines, since {started}",
        "memory": size(process.get("memory")),
        "names": ", ".join(process["names"]),
        "actor": process.get("actor") or "",
        "parent": process.get("parent") or "",
        "limits": ", ".join(f"{k} {v:g}" for k, v in (process.get("limits") or {}).items()),
        "links": " ".join(process["links"]),
        "monitors": " ".join(process["monitors"]),
        "watchers": " ".join(process["watchers"]),
    }
    lines = [process["pid"], *(f"{name:9} {value}" for name, value in figures.items() if value)]
    lines += ["", f"mailbox   {process['mailbox']} unread", *map(_topic, process["topics"])]
    for stack in process["stacks"]:
        lines += ["", f"{stack['kind']}:", *(map(_frame, stack["frames"]) if stack["frames"] else ["  (not started)"])]
    return [cut(clean(line), width) for line in lines]


def _topic(topic: dict[str, Any]) -> str:
    return f"  {topic['count']:6} {size(topic['bytes']):>6}  {topic['topic']}"


def _frame(frame: dict[str, Any]) -> str:
    return f"  {frame['source']}:{frame['line']}  {frame['text']}"
