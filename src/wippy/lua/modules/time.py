"""Guest module `time` (spec 03 §11): times, durations, zones, Go layouts, timers.

The module is trusted Lua in three files: time.lua (what guests see), time_calendar.lua (civil dates and zones) and
time_layout.lua (Go reference layouts). The host gives what Lua has not: the rules of time zones, a span at a time.
"""

from __future__ import annotations

import time as clock
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wippy.core.errors import not_found
from wippy.lua.modules.declare import Module

HERE = Path(__file__).parent
PARTS = {"calendar": "time_calendar.lua", "layout": "time_layout.lua"}

FIRST, LAST = -62135596800, 253402300799  # years 1 to 9999, what zoneinfo knows
STEP = 6 * 86400  # the shortest span of the zone database is 6.9 days
STEPS = 61

_NAMES = ("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER",
          "DECEMBER")  # fmt: skip
_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")

CONSTANTS: dict[str, int | str] = {
    "NANOSECOND": 1,
    "MICROSECOND": 1_000,
    "MILLISECOND": 1_000_000,
    "SECOND": 1_000_000_000,
    "MINUTE": 60_000_000_000,
    "HOUR": 3_600_000_000_000,
    **{name: number for number, name in enumerate(_NAMES, 1)},
    **{name: number for number, name in enumerate(_DAYS)},
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339NANO": "2006-01-02T15:04:05.999999999Z07:00",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "KITCHEN": "3:04PM",
    "STAMP": "Jan _2 15:04:05",
    "STAMP_MILLI": "Jan _2 15:04:05.000",
    "STAMP_MICRO": "Jan _2 15:04:05.000000",
    "STAMP_NANO": "Jan _2 15:04:05.000000000",
    "DATE_TIME": "2006-01-02 15:04:05",
    "DATE_ONLY": "2006-01-02",
    "TIME_ONLY": "15:04:05",
}

time = Module(
    "time",
    "Times, durations, time zones (`time.utc`, `time.localtz` and IANA names), timers.",
    classes=("time", "workflow"),
    source=HERE / "time.lua",
    constants=CONSTANTS,
)
time.values = {"utc": "The Location UTC.", "localtz": "The Location of the node."}


class Span(NamedTuple):
    """What holds in a zone from `start` (inclusive) to `end` (exclusive), in Unix seconds."""

    offset: int
    abbreviation: str
    start: int
    end: int


@time.function("part(name: string) -> string", private=True)
def part(name: str) -> bytes:
    """The Lua source of one of the module's parts."""
    return (HERE / PARTS[name]).read_bytes()


@time.function("zone(name: string) -> boolean", private=True)
def zone(name: str) -> bool:
    """Whether a zone of this name is known. Raises Error(NotFound)."""
    _rules(name)
    return True


@time.function("span(zone: string, at: integer) -> table", private=True)
def span(zone: str, at: int) -> Span:
    """What holds in `zone` ("Local" or an IANA name) at a Unix second, and around it: at most a year each way.

    zoneinfo keeps its transitions to itself, so the borders are searched for; guests keep the spans they were given.
    """
    rules = _rules(zone)
    at = min(max(at, FIRST), LAST)
    here = _reading(rules, at)
    start, end = _border(rules, at, here, -1), _border(rules, at, here, 1)
    if start <= FIRST:
        start = -(1 << 62)
    if end > LAST:
        end = 1 << 62
    return Span(*here, start, end)


def _border(rules: tzinfo | None, at: int, here: tuple[int, str], direction: int) -> int:
    """The first second of the span (direction -1), or the first after it (direction 1), no more than a year away."""
    inside = at
    for _ in range(STEPS):
        outside = min(max(inside + direction * STEP, FIRST), LAST)
        if _reading(rules, outside) != here:
            return _bisected(rules, inside, outside, here)
        if outside == inside:
            break
        inside = outside
    return inside + 1 if direction > 0 else inside


def _bisected(rules: tzinfo | None, inside: int, outside: int, here: tuple[int, str]) -> int:
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if _reading(rules, middle) == here:
            inside = middle
        else:
            outside = middle
    return max(inside, outside)


def _reading(rules: tzinfo | None, at: int) -> tuple[int, str]:
    """Offset and abbreviation at a Unix second."""
    if rules is None:
        local = clock.localtime(at)
        return local.tm_gmtoff, local.tm_zone
    moment = datetime.fromtimestamp(at, UTC)
    try:
        there = moment.astimezone(rules)
    except OverflowError:  # the border of year 1 or 9999
        return 0, "UTC"
    offset = there.utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0, there.tzname() or ""


@lru_cache(maxsize=256)
def _rules(name: str) -> tzinfo | None:
    """The tzinfo of a zone; None for the zone of this computer. Raises Error(NotFound)."""
    if name == "Local":
        return None
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise not_found(f"unknown time zone {name}") from None


_PARTS = ("year", "month", "day", "hour", "minute", "second", "nanosecond", "weekday", "year_day")
_UNITS = ("nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours")

time.in_lua(
    {
        "now() -> Time": "The current time.",
        "unix(sec: number, ns: number) -> Time": "The time of unix seconds and nanoseconds.",
        "date(year: number, month: number, day: number, hour: number, minute: number, second: number, "
        "nanosecond: number, location: Location?) -> Time": "The time of a date; parts out of range are carried over.",
        "parse(layout: string, value: string, location: Location?) -> Time": "Reads a time by a layout.",
        "parse_duration(value: string | number | Duration) -> Duration": "A duration of a text, or of nanoseconds.",
        "load_location(name: string) -> Location": "A time zone by its IANA name.",
        "fixed_zone(name: string, offset: number) -> Location": "A time zone at an offset in seconds.",
        "sleep(duration: string | number | Duration)": "Waits. (yields)",
        "after(duration: string | number | Duration) -> Channel": "A channel that delivers the time once.",
        "timer(duration: string | number | Duration) -> Timer": "A timer that can be stopped and reset.",
        "ticker(duration: string | number | Duration) -> Ticker": "A channel of times at an interval.",
    },
    handles={
        "Time": {
            "add(duration: string | number | Duration) -> Time": "A later time.",
            "sub(other: Time) -> Duration": "How much later it is than the other.",
            "add_date(years: number, months: number, days: number) -> Time": "Moved by a calendar distance.",
            "after(other: Time) -> boolean": "Whether it is later.",
            "before(other: Time) -> boolean": "Whether it is earlier.",
            "equal(other: Time) -> boolean": "Whether it is the same moment.",
            "format(layout: string) -> string": "Its text by a layout.",
            "format_rfc3339() -> string": "Its text by RFC 3339.",
            "unix() -> integer": "Unix seconds.",
            "unix_nano() -> integer": "Unix nanoseconds.",
            "date() -> (integer, integer, integer)": "Year, month, day.",
            "clock() -> (integer, integer, integer)": "Hour, minute, second.",
            **{f"{part}() -> integer": f"Its {part.replace('_', ' of the ')}." for part in _PARTS},
            "is_zero() -> boolean": "Whether it is the first moment of the year 1.",
            "in_location(location: Location) -> Time": "The same moment in another time zone.",
            "location() -> Location": "Its time zone.",
            "utc() -> Time": "The same moment in UTC.",
            "in_local() -> Time": "The same moment in local time.",
            "truncate(unit: Duration) -> Time": "Rounded down to a multiple of `unit`, counted from year 1.",
            "round(unit: Duration) -> Time": "Rounded to a multiple of `unit`, halves up.",
        },
        "Duration": {f"{unit}() -> number": f"Its length in {unit}." for unit in _UNITS},
        "Location": {"string() -> string": "Its name."},
        "Timer": {
            "response() -> Channel": "Delivers the time.",
            "channel() -> Channel": "The same as `response`.",
            "stop() -> boolean": "Whether it was running.",
            "reset(duration: string | number | Duration) -> boolean": "Starts it anew.",
        },
        "Ticker": {
            "response() -> Channel": "Delivers times.",
            "channel() -> Channel": "The same as `response`.",
            "stop() -> boolean": "Ends it.",
        },
    },
)
