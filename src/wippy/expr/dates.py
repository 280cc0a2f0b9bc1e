"""Dates and durations of the expression language: `now() duration("1h") date(s, layout?, zone?) timezone(name)`.

Layouts are Go's: written as the moment Mon Jan 2 15:04:05 2006 -0700.
"""

from __future__ import annotations

import datetime
import functools
import re
from typing import Any, NamedTuple

from wippy.core.durations import parse_duration
from wippy.core.errors import Error, internal

_LAYOUTS = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PARTS = {
    "2006": r"(?P<year>\d{4})",
    "06": r"(?P<short>\d\d)",
    "01": r"(?P<month>\d\d)",
    "January": r"(?P<name>[A-Za-z]{3,9})",
    "Jan": r"(?P<name>[A-Za-z]{3})",
    "02": r"(?P<day>\d\d)",
    "_2": r" ?(?P<day>\d\d?)",
    "15": r"(?P<hour>\d\d)",
    "03": r"(?P<hour>\d\d)",
    "04": r"(?P<minute>\d\d)",
    "05": r"(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?",
    "Monday": r"[A-Za-z]+",
    "Mon": r"[A-Za-z]{3}",
    "MST": r"(?P<zone>[A-Z]{3,4})",
    "PM": r"(?P<half>AM|PM)",
    "Z07:00": r"(?P<offset>Z|[-+]\d\d:\d\d)",
    "-07:00": r"(?P<offset>[-+]\d\d:\d\d)",
    "-0700": r"(?P<offset>[-+]\d{4})",
    "1": r"(?P<month>\d\d?)",
    "2": r"(?P<day>\d\d?)",
    "3": r"(?P<hour>\d\d?)",
    "4": r"(?P<minute>\d\d?)",
    "5": r"(?P<second>\d\d?)",
}
_TOKEN = re.compile("|".join(re.escape(part) for part in sorted(_PARTS, key=len, reverse=True)))


class Zone(NamedTuple):
    name: str


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def duration(text: str) -> datetime.timedelta:
    """`1h30m`, `250ms`. Raises Error(Internal)."""
    try:
        return datetime.timedelta(microseconds=parse_duration(text) / 1000)
    except (Error, ValueError, OverflowError):
        raise internal(f"invalid duration {text!r}") from None


def date(text: str, layout: str | None, zone: str | None) -> datetime.datetime:
    """The moment that `text` names. Raises Error(Internal) when no layout fits."""
    where = _zone(zone)
    for candidate in (layout,) if layout is not None else _LAYOUTS:
        match = _pattern(candidate).match(text)
        if match is not None:
            try:
                return _moment(match.groupdict(), where)
            except ValueError as e:
                raise internal(f"invalid date {text}: {e}") from None
    raise internal(f"invalid date {text}")


@functools.lru_cache(maxsize=64)
def _pattern(layout: str) -> re.Pattern[str]:
    out, last, seen = "", 0, set()
    for found in _TOKEN.finditer(layout):
        out += re.escape(layout[last : found.start()])
        part = _PARTS[found[0]]
        for name in re.findall(r"\?P<(\w+)>", part):
            part = part.replace(f"?P<{name}>", "?:") if name in seen else part
            seen.add(name)
        out += part
        last = found.end()
    return re.compile(out + re.escape(layout[last:]) + r"\Z")


def _zone(name: str | None) -> datetime.tzinfo:
    if name is None or name == "UTC":
        return datetime.UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise internal(f"unknown time zone {name}") from None


def _moment(parts: dict[str, str | None], zone: datetime.tzinfo) -> datetime.datetime:
    year = int(parts.get("year") or 0) or (2000 + int(parts.get("short") or -1999))
    name = parts.get("name")
    month = _MONTHS.index(name[:3].title()) + 1 if name else int(parts.get("month") or 1)
    hour = int(parts.get("hour") or 0)
    if parts.get("half"):
        hour = hour % 12 + 12 * (parts["half"] == "PM")
    micros = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    minute, second = int(parts.get("minute") or 0), int(parts.get("second") or 0)
    offset = parts.get("offset")
    if offset:
        zone = datetime.UTC if offset == "Z" else _fixed(offset)
    return datetime.datetime(year, month, int(parts.get("day") or 1), hour, minute, second, micros, zone)


def _fixed(offset: str) -> datetime.timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if offset[0] == "-" else minutes))


_SECOND = datetime.timedelta(seconds=1)
_METHODS: dict[type, dict[str, Any]] = {
    datetime.datetime: {
        "Year": lambda d: d.year,
        "Month": lambda d: d.month,
        "Day": lambda d: d.day,
        "Hour": lambda d: d.hour,
        "Minute": lambda d: d.minute,
        "Second": lambda d: d.second,
        "YearDay": lambda d: d.timetuple().tm_yday,
        "Weekday": lambda d: (d.weekday() + 1) % 7,
        "Unix": lambda d: int(d.timestamp()),
    },
    datetime.timedelta: {
        "Hours": lambda d: d / _SECOND / 3600,
        "Minutes": lambda d: d / _SECOND / 60,
        "Seconds": lambda d: d / _SECOND,
        "Milliseconds": lambda d: int(d / _SECOND * 1000),
    },
}


def method(value: Any, name: str, count: int) -> Any:
    """The result of a method of a date or duration. Raises Error(Internal) for any other value and name."""
    found = _METHODS.get(value.__class__, {}).get(name)
    if found is None or count:
        raise internal(f"cannot call {name}")
    return found(value)
