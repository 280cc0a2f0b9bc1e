"""The metrics of a node: counters, gauges and histograms, written down in batches and told in Prometheus's text format
(spec 04b §16, spec 05 §13.2)."""

from __future__ import annotations

import collections
import math
import re
from asyncio import AbstractEventLoop
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_SECONDS = 0.1
MOST_SERIES = 50_000  # combinations of labels: a guest that makes up new ones all the time must not fill the memory

Kind = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[tuple[str, str], ...]


class Record(NamedTuple):
    """One thing that happened. `set`: the value takes the place of a gauge's instead of being added."""

    kind: Kind
    name: str
    labels: Labels
    value: float
    set: bool = False


class Distribution:
    """A histogram of one combination of labels."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[next((i for i, bound in enumerate(BUCKETS) if value <= bound), len(BUCKETS))] += 1
        self.sum += value


class _Family:
    def __init__(self, kind: Kind, names: tuple[str, ...]) -> None:
        self.kind = kind
        self.names = names
        self.values: dict[Labels, float] = {}
        self.distributions: dict[Labels, Distribution] = {}


class Collector:
    """Takes records on any thread; everything else belongs to the loop's.

    A record beyond `most` waiting ones is dropped, and so is one whose kind or label names are not those that its name
    began with.
    """

    def __init__(self, loop: AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._waiting: collections.deque[Record] = collections.deque()
        self._families: dict[str, _Family] = {}
        self._series = 0

    def record(self, record: Record) -> None:
        if len(self._waiting) >= self._most:
            return
        self._waiting.append(record)
        if len(self._waiting) == 1:
            self._loop.call_soon_threadsafe(self._loop.call_later, BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Writes down what waits."""
        for _ in range(len(self._waiting)):
            self._write(self._waiting.popleft())

    def _write(self, record: Record) -> None:
        names = tuple(name for name, _ in record.labels)
        family = self._families.get(record.name)
        if family is None:
            if self._series >= MOST_SERIES:
                return
            family = self._families[record.name] = _Family(record.kind, names)
        if (family.kind, family.names) != (record.kind, names):
            return
        known: Mapping[Labels, object] = family.distributions if record.kind == "histogram" else family.values
        if record.labels not in known:
            if self._series >= MOST_SERIES:
                return
            self._series += 1
        if record.kind == "histogram":
            family.distributions.setdefault(record.labels, Distribution()).add(record.value)
        else:
            before = 0.0 if record.set else family.values.get(record.labels, 0.0)
            family.values[record.labels] = before + record.value

    def text(self, samples: Iterable[Record] = ()) -> str:
        """Everything, with `samples` besides, which are values of now, in the text format of Prometheus."""
        self.flush()
        lines = list(_sampled(samples))
        for name, family in sorted(self._families.items()):
            lines.append(f"# TYPE {name} {family.kind}")
            lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in sorted(family.values.items())]
            for labels, distribution in sorted(family.distributions.items(), key=lambda item: item[0]):
                lines += _distribution(name, labels, distribution)
        return "\n".join(lines) + "\n"


def sanitised(name: str) -> str:
    """`name` as Prometheus allows it."""
    legal = re.sub(r"[^a-zA-Z0-9_:]", "_", name)
    return f"_{legal}" if not legal or legal[0].isdigit() else legal


def labelled(labels: object) -> Labels:
    """Text labels with text values, of a map; everything else is passed over."""
    pairs = labels.items() if isinstance(labels, Mapping) else ()
    found = ((k, v) for k, v in pairs if isinstance(k, str) and isinstance(v, str))
    return tuple(sorted((sanitised(k).replace(":", "_"), v) for k, v in found))


def _sampled(samples: Iterable[Record]) -> Iterator[str]:
    told: set[str] = set()
    for sample in samples:
        if sample.name not in told:
            told.add(sample.name)
            yield f"# TYPE {sample.name} {sample.kind}"
        yield f"{sample.name}{_labels(sample.labels)} {_number(sample.value)}"


def _distribution(name: str, labels: Labels, distribution: Distribution) -> Iterator[str]:
    total = 0
    for bound, count in zip((*BUCKETS, math.inf), distribution.counts, strict=True):
        total += count
        yield f"{name}_bucket{_labels((*labels, ('le', _number(bound))))} {total}"
    yield f"{name}_sum{_labels(labels)} {_number(distribution.sum)}"
    yield f"{name}_count{_labels(labels)} {total}"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    text = value.encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{value:g}" if value == int(value) and abs(value) < 1e6 else repr(value)
