"""What `wippy top` shows, as lines."""

from __future__ import annotations

from typing import Any

import pytest

from wippy.cli import top_view as view


def process(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "pid": f"{{app:host|0x{number:05x}}}", "host": "app:host", "entry": "app:worker", "state": "idle",
        "steps": number, "started_at": 1_700_000_000_000_000_000, "mailbox": 0,
        "threads": 1, "subscriptions": 0, "channels": 1, **changes,
    }  # fmt: skip


def snapshot(*processes: dict[str, Any], at: int = 0, before: view.Snapshot | None = None) -> view.Snapshot:
    services = [
        {"id": "app:fine", "status": "running", "details": ""},
        {"id": "app:bad", "status": "failed", "details": "attempt 3"},
    ]
    data = {
        "total": len(processes),
        "processes": list(processes),
        "hosts": [{"id": "app:host", "workers": 2, "processes": 3, "queue_depth": 1}],
        "services": services,
        "exceeded": {"mailbox": 2},
        "node": {"pid": 77, "at": at * 10**9, "processor": float(at), "memory": 3 << 20},
    }
    return view.Snapshot(data, before)


def test_percentages_are_of_the_time_between_two_looks() -> None:
    first = snapshot(process(1, cpu=1.0), process(2, cpu=5.0))
    second = snapshot(process(1, cpu=2.0), process(2, cpu=5.0), process(3, cpu=9.0), at=4, before=first)
    assert [second.percent(p) for p in second.processes] == [25.0, 0.0, None]
    assert second.node_percent() == 100.0 and first.node_percent() is None
    assert [p["steps"] for p in second.ordered("cpu")] == [1, 3, 2]


@pytest.mark.parametrize(("sort", "first"), [("memory", 2), ("mailbox", 3)])
def test_the_largest_comes_first(sort: str, first: int) -> None:
    shown = snapshot(process(1), process(2, memory=5000), process(3, mailbox=9))
    assert shown.ordered(sort)[0]["steps"] == first


@pytest.mark.parametrize("width", [60, 79, 200])
def test_rows_fit_the_terminal_and_columns_stand_below_their_names(width: int) -> None:
    hostile = process(
        9, entry="app:" + "long" * 50, name="n" * 300, mailbox=10**9, memory=10**15, pid="{" + "p" * 300 + "}"
    )
    shown = snapshot(hostile, process(2))
    lines = [*view.heading(shown, "cpu", width), *(row.text for row in view.rows(shown, "cpu", width))]
    assert all(len(line) <= width for line in lines)
    assert lines[1].index("STATE") == lines[3].index("idle")
    assert lines[1].endswith("MAIL") and lines[2].endswith("1000M") and len(lines[1]) == len(lines[2])


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0"), (999, "999"), (1000, "1.0K"), (1024, "1.0K"), (150_000, "146K"), (5 << 20, "5.0M"),
     (3 << 30, "3.0G"), (10**15, "931323G"[:0] + "909T")],
)  # fmt: skip
def test_sizes_are_short(count: int | None, text: str) -> None:
    assert view.size(count) == text and len(text) <= 5


def test_texts_of_guests_do_nothing_to_the_terminal() -> None:
    name = "a\x1b[31m\r\n\x9b2J\u202e\u0301漢\u200b\t"
    lines = [
        *(row.text for row in view.rows(snapshot(process(1, name=name, entry=name)), "cpu", 100)),
        *view.details({**process(1, pid=name), "names": [name], "links": [name], "monitors": [], "watchers": [],
                       "topics": [{"topic": name, "count": 1, "bytes": 3}],
                       "stacks": [{"kind": "main", "frames": [{"source": name, "line": 3, "text": name}]}]}, 100),
    ]  # fmt: skip
    assert all(line.isprintable() and line.isascii() for line in lines)


def test_the_summary_names_what_does_not_run_first() -> None:
    lines = view.summary(snapshot(), 79, 5)
    assert lines == [
        "host app:host: 3 on 2, 1 ready",
        "services: app:bad failed (attempt 3) | app:fine running",
        "limit mailbox exceeded 2 times",
    ]
    assert view.summary(snapshot(), 79, 1) == lines[:1]


def test_a_summary_wider_than_the_terminal_takes_more_lines() -> None:
    lines = view.summary(snapshot(), 40, 9)
    assert lines[1:3] == ["services: app:bad failed (attempt 3)", "          app:fine running"]


def test_the_details_of_a_process() -> None:
    found = process(
        1, mailbox=3, memory=2048, names=["me"], links=["{a|0x1}"], monitors=[], watchers=[], limits={"cpu_total": 2.5},
        topics=[{"topic": "news", "count": 3, "bytes": 300}],
        stacks=[{"kind": "main", "frames": [{"source": "app:worker", "line": 4, "text": "inbox:receive()"}]},
                {"kind": "task", "frames": []}],
    )  # fmt: skip
    text = "\n".join(view.details(found, 100))
    for part in ("app:worker", "idle, 1 steps, 1 coroutines", "2.0K", "me", "{a|0x1}", "cpu_total 2.5", "3 unread",
                 "news", "main:", "  app:worker:4  inbox:receive()", "task:", "(not started)"):  # fmt: skip
        assert part in text
    assert "monitors" not in text and "parent" not in text


def test_everything_at_once_has_no_limit_of_lines() -> None:
    text = view.plain(snapshot(*(process(n) for n in range(1, 300))), "cpu", 100)
    assert text.count("app:worker") == 299 and "services: " in text
