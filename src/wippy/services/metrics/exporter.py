"""Metrics over HTTP for Prometheus (`prometheus.enabled`, spec 05 §13.2): /metrics, and /livez for who only asks
whether the node lives."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wippy.compute.introspection import Introspection
from wippy.services.metrics.collector import Kind, Record
from wippy.services.metrics.module import collector_of
from wippy.services.pages import Maker, Page, PageServer

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.metrics")

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error", "CRITICAL": "fatal"}
SEEDED = ("debug", "info", "warn", "error", "dpanic", "panic", "fatal")


class Exporter(logging.Handler):
    """Serves the metrics of one node at `address`, and counts its log lines. `start` and `stop` belong to its loop."""

    def __init__(self, node: Node, address: str) -> None:
        super().__init__(logging.DEBUG)
        self._node = node
        self._look = Introspection(node)
        pages: dict[str, Maker] = {"/metrics": self._metrics, "/livez": self._livez}
        self._server = PageServer("prometheus.address", address, pages)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    async def start(self) -> None:
        """Raises Error(Invalid) when the address cannot be listened at."""
        await self._server.start()
        for level in SEEDED:
            self._count(level, 0.0)
        logging.getLogger("wippy").addHandler(self)
        log.info("metrics at port %d", self.port)

    async def stop(self) -> None:
        logging.getLogger("wippy").removeHandler(self)
        await self._server.stop()

    def emit(self, record: logging.LogRecord) -> None:
        self._count(LEVELS.get(record.levelname, "info"), 1.0)

    def _count(self, level: str, value: float) -> None:
        record = Record("counter", "runtime_log_emissions_total", (("level", level),), value)
        collector_of(self._node).record(record)

    async def _metrics(self, query: dict[str, str]) -> Page:
        exceeded, hosts = await self._look.exceeded(), await self._look.hosts()
        samples = [
            *(_sample("counter", "wippy_limits_exceeded_total", "limit", *each) for each in sorted(exceeded.items())),
            *(_sample("gauge", "wippy_processes", "host", host.id, host.processes) for host in hosts),
            *self._memory(),
        ]
        return Page(collector_of(self._node).text(samples), EXPOSITION)

    def _memory(self) -> Iterator[Record]:
        for shard in self._node.shards:
            yield _sample("gauge", "wippy_lua_memory_bytes", "shard", str(shard.index), shard.memory)

    async def _livez(self, query: dict[str, str]) -> Page:
        failed = [service for service in self._look.services() if service.status == "failed"]
        lines = "".join(f"{service.id}\t{service.status}\n" for service in failed)
        return Page(lines, status="503 Service Unavailable") if failed else Page("node\tok\n")


def _sample(kind: Kind, name: str, label: str, of: str, value: float) -> Record:
    return Record(kind, name, ((label, of),), float(value))
