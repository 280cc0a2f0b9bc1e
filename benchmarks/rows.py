"""One measurement: what was measured, against which baseline, and what it must reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True):
    """`ratio` is value / baseline_value; `holds` says whether the target was reached."""

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    target: str
    holds: bool


def row(
    name: str, value: float, unit: str, baseline: str, baseline_value: float, target: str, holds: Callable[[Any], bool]
) -> Row:
    """A row whose target is judged by its ratio."""
    ratio = value / baseline_value if baseline_value else 0.0
    return Row(name, round(value, 4), unit, baseline, round(baseline_value, 4), round(ratio, 4), target, holds(ratio))


def absolute(name: str, value: float, unit: str, limit: float, target: str) -> Row:
    """A row whose target is an absolute value."""
    return Row(name, round(value, 4), unit, "target", limit, round(value / limit, 4), target, value <= limit)
