"""The guest module `metrics` (spec 04b §16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wippy.lua.modules.declare import Module
from wippy.project import settings
from wippy.services.metrics.collector import Collector, Kind, Record, labelled, sanitised

if TYPE_CHECKING:
    from wippy.compute.node import Node

COLLECTOR = "@metrics"
"""The node's resource that collects."""


def collector_of(node: Node) -> Collector:
    """The collector of a node; it is always there."""
    found = node.resources.get(COLLECTOR)
    if found is None:
        found = node.resources[COLLECTOR] = Collector(node.loop, node.config.get(settings.METRICS_BUFFER_SIZE))
    collector: Collector = found
    return collector


def module(node: Node) -> Module:
    """The declaration of `metrics` for a node."""
    metrics = Module(
        "metrics",
        "Counters, gauges and histograms, for Prometheus to collect.",
        classes=("io", "nondeterministic"),
    )

    def record(kind: Kind, name: str, value: float, labels: Any, *, replaces: bool = False) -> bool:
        collector_of(node).record(Record(kind, sanitised(name), labelled(labels), value, replaces))
        return True

    @metrics.function("counter_inc(name: string, labels: table?) -> boolean")
    def counter_inc(name: str, labels: Any = None) -> bool:
        """One more. Labels are texts; recording never fails."""
        return record("counter", name, 1.0, labels)

    @metrics.function("counter_add(name: string, value: number, labels: table?) -> boolean")
    def counter_add(name: str, value: float, labels: Any = None) -> bool:
        """So many more; a negative number counts nothing."""
        return record("counter", name, max(float(value), 0.0), labels)

    @metrics.function("gauge_set(name: string, value: number, labels: table?) -> boolean")
    def gauge_set(name: str, value: float, labels: Any = None) -> bool:
        """The value now."""
        return record("gauge", name, float(value), labels, replaces=True)

    @metrics.function("gauge_inc(name: string, labels: table?) -> boolean")
    def gauge_inc(name: str, labels: Any = None) -> bool:
        """One more than before."""
        return record("gauge", name, 1.0, labels)

    @metrics.function("gauge_dec(name: string, labels: table?) -> boolean")
    def gauge_dec(name: str, labels: Any = None) -> bool:
        """One less than before."""
        return record("gauge", name, -1.0, labels)

    @metrics.function("histogram(name: string, value: number, labels: table?) -> boolean")
    def histogram(name: str, value: float, labels: Any = None) -> bool:
        """One more value, such as a duration in seconds."""
        return record("histogram", name, float(value), labels)

    return metrics
