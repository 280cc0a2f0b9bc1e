"""Metrics: the guest module, the text Prometheus collects, what the node counts itself (spec 04b §16, 05 §13.2)."""

from __future__ import annotations

import asyncio
import math
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apps.guest import App
from wippy import Runtime
from wippy.project.config import Config
from wippy.services.metrics import collector as collecting
from wippy.services.metrics.collector import Collector, Record

SERVED = {"prometheus.enabled": True, "prometheus.address": "127.0.0.1:0"}


def fetch(port: int, path: str = "/metrics") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def served(app: App, work: Callable[[Runtime], Awaitable[Any]]) -> tuple[Any, str]:
    """What `work` gives, and the metrics after it."""

    async def session() -> tuple[Any, str]:
        async with app.runtime(config=Config(dict(SERVED))) as runtime:
            result = await work(runtime)
            return result, (await asyncio.to_thread(fetch, runtime.companions["metrics"].port))[1]

    return asyncio.run(asyncio.wait_for(session(), 60))


def guest(body: str) -> tuple[Any, list[str]]:
    app = App().process("main", body, modules=["metrics"])
    result, text = served(app, lambda runtime: runtime.run_process("app:main", "app:host"))
    return result, text.splitlines()


def test_each_call_returns_true_whatever_its_labels() -> None:
    result, _ = guest("""
        local out = {}
        local labels = { [0] = false, { a = "x" }, {}, { a = "x", b = 2, [1] = "y", c = { 1 } } }
        for i = 0, 3 do
          local l = labels[i] or nil
          for _, ok in ipairs({
            metrics.counter_inc("c" .. i, l), metrics.counter_add("d" .. i, 2.5, l), metrics.gauge_set("g" .. i, 7, l),
            metrics.gauge_inc("g" .. i, l), metrics.gauge_dec("g" .. i, l),
            metrics.histogram("h" .. i, 0, l), metrics.histogram("h" .. i, 1e18, l),
          }) do out[#out + 1] = ok end
        end
        return out
    """)
    assert result == [True] * 28


def test_values_are_told_with_text_labels_only() -> None:
    _, lines = guest("""
        for i = 1, 3 do metrics.counter_inc("app.orders", { country = "at", size = 5 }) end
        metrics.counter_add("app.orders", 1.5, { country = 'say "x"' })
        metrics.gauge_set("queue", 10) metrics.gauge_inc("queue") metrics.gauge_dec("queue") metrics.gauge_dec("queue")
        metrics.histogram("seconds", 0.02) metrics.histogram("seconds", 30)
    """)
    for line in (
        "# TYPE app_orders counter",
        'app_orders{country="at"} 3',
        'app_orders{country="say \\"x\\""} 1.5',
        "# TYPE queue gauge",
        "queue 9",
        'seconds_bucket{le="0.01"} 0',
        'seconds_bucket{le="0.025"} 1',
        'seconds_bucket{le="10"} 1',
        'seconds_bucket{le="+Inf"} 2',
        "seconds_sum 30.02",
        "seconds_count 2",
    ):
        assert line in lines


def test_wrong_argument_types_raise() -> None:
    result, _ = guest("""
        local out = {}
        for _, f in ipairs({ function() metrics.counter_inc({}) end, function() metrics.gauge_set("g", "x") end,
          function() metrics.histogram("h") end, function() metrics.counter_inc("c", "labels") end }) do
          out[#out + 1] = pcall(f)
        end
        return out
    """)
    assert result == [False] * 4


def test_an_exceeded_limit_is_counted() -> None:
    app = App().add("small", "process.host", limits={"mailbox": 2}, lifecycle={"auto_start": True})
    app.process("idle", "process.events():receive()").process(
        "main",
        """
        local pid = assert(process.spawn_monitored("app:idle", "app:small"))
        for i = 1, 5 do process.send(pid, "x", i) end
        return process.events():receive().result.error:message()
        """,
    )
    message, text = served(app, lambda runtime: runtime.run_process("app:main", "app:host"))
    assert "limit exceeded: mailbox" in message
    assert 'wippy_limits_exceeded_total{limit="mailbox"} 1' in text.splitlines()


def test_the_node_tells_its_processes_its_memory_and_its_log_lines() -> None:
    app = App().process("idle", "process.events():receive()").function("warns", "logger:warn('x')", modules=["logger"])

    async def work(runtime: Runtime) -> None:
        for _ in range(3):
            await runtime.spawn("app:idle", "app:host")
        await runtime.call("app:warns")

    _, text = served(app, work)
    lines = text.splitlines()
    assert 'wippy_processes{host="app:host"} 3' in lines
    assert 'runtime_log_emissions_total{level="warn"} 1' in lines
    assert 'runtime_log_emissions_total{level="panic"} 0' in lines
    assert any(line.startswith('wippy_lua_memory_bytes{shard="0"} ') for line in lines)


def test_livez_tells_which_service_has_failed() -> None:
    app = App().process("fails", "error('no')")
    lifecycle = {"auto_start": True, "restart": {"max_attempts": 1, "initial_delay": "1ms"}}
    app.add("bad", "process.service", process="app:fails", host="app:host", lifecycle=lifecycle)

    async def session() -> list[tuple[int, str]]:
        answers = []
        async with app.runtime(config=Config(dict(SERVED))) as runtime:
            while not any(service.status == "failed" for service in runtime.services()):
                await asyncio.sleep(0.01)
            answers.append(await asyncio.to_thread(fetch, runtime.companions["metrics"].port, "/livez"))
        async with App().runtime(config=Config(dict(SERVED))) as runtime:
            answers.append(await asyncio.to_thread(fetch, runtime.companions["metrics"].port, "/livez"))
        return answers

    assert asyncio.run(asyncio.wait_for(session(), 60)) == [(503, "app:bad\tfailed\n"), (200, "node\tok\n")]


@pytest.mark.parametrize("leaves", [{}, {"prometheus.enabled": True}, {"prometheus.address": "127.0.0.1:0"}])
def test_nothing_is_served_without_both_settings(leaves: dict[str, Any]) -> None:
    async def session() -> Any:
        async with App().runtime(config=Config(leaves)) as runtime:
            return runtime.companions.get("metrics")

    assert asyncio.run(session()) is None


# The collector ----------------------------------------


def collected(*records: Record, most: int = 1000) -> list[str]:
    async def session() -> str:
        collector = Collector(asyncio.get_running_loop(), most)
        for record in records:
            collector.record(record)
        return collector.text([Record("gauge", "asked", (), 1.0)])

    return asyncio.run(session()).splitlines()


def test_a_name_keeps_its_kind_and_its_label_names() -> None:
    lines = collected(
        Record("counter", "x", (("a", "1"),), 1.0),
        Record("gauge", "x", (("a", "1"),), 5.0),
        Record("counter", "x", (("b", "1"),), 5.0),
        Record("counter", "x", (("a", "2"),), 2.0),
    )
    assert lines == ["# TYPE asked gauge", "asked 1", "# TYPE x counter", 'x{a="1"} 1', 'x{a="2"} 2']


def test_what_does_not_fit_into_the_buffer_is_dropped() -> None:
    records = [Record("counter", "x", (), 1.0)] * 10
    assert "x 4" in collected(*records, most=4)


def test_made_up_labels_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_SERIES", 5)
    lines = collected(*(Record("counter", "x", (("user", str(i)),), 1.0) for i in range(20)))
    assert len([line for line in lines if line.startswith("x{")]) == 5


def test_a_batch_is_written_down_without_anybody_asking() -> None:
    async def session() -> int:
        collector = Collector(asyncio.get_running_loop(), 2)
        for _ in range(3):
            for _ in range(2):
                collector.record(Record("counter", "x", (), 1.0))
            await asyncio.sleep(collecting.BATCH_SECONDS * 1.5)
        return int(collector.text().split()[-1])

    assert asyncio.run(session()) == 6


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.1, "0.1"), (1e18, "1e+18"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)
def test_numbers_are_written_as_prometheus_reads_them(value: float, text: str) -> None:
    assert f"x {text}" in collected(Record("gauge", "x", (), value, True))
