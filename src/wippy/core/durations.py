"""Go-style duration texts: `1h30m`, `250ms`, `-1.5s`, `0` (spec 05, conventions)."""

from __future__ import annotations

import re

from wippy.core.errors import invalid

UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> int:
    """The nanoseconds that `text` means. Raises Error(Invalid) when it is not a duration."""
    body, sign = text, 1
    if body[:1] in ("+", "-"):
        sign = -1 if body[0] == "-" else 1
        body = body[1:]
    if body == "0":
        return 0
    total, at = 0, 0
    while at < len(body):
        part = _PART.match(body, at)
        if part is None:
            break
        number, unit = part.groups()
        scale = UNITS[unit]
        total += int(number) * scale if number.isdigit() else round(float(number) * scale)
        at = part.end()
    if not body or at != len(body):
        raise invalid(f'invalid duration "{text}": write a number with a unit, such as 500ms, 30s or 1h30m')
    return sign * total


def seconds(text: str) -> float:
    """`parse_duration` in seconds."""
    return parse_duration(text) / 1e9


def format_duration(nanoseconds: int) -> str:
    """The text Go prints: `1h30m45.5s`, `1.5ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < scale * 1000:
            return f"{sign}{_decimal(rest, scale)}{unit}"
    hours, rest = divmod(rest, UNITS["h"])
    minutes, rest = divmod(rest, UNITS["m"])
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{text}{_decimal(rest, UNITS['s'])}s"


def _decimal(value: int, scale: int) -> str:
    whole, rest = divmod(value, scale)
    if rest == 0:
        return str(whole)
    digits = str(rest).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}"
