"""Module time against Python's datetime and zoneinfo (spec 03 §11), on random moments, zones and layouts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lua.modules.guest import Guest

Program = Callable[..., Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_ONE = -62135596800
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Africa/Casablanca",
    "Asia/Gaza", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll",
    "America/Noronha",
)  # fmt: skip
seconds = st.integers(min_value=-3_000_000_000, max_value=5_000_000_000)  # 1874 to 2128
nanoseconds = st.integers(min_value=0, max_value=999_999_999)
zones = st.sampled_from(ZONES)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def guest() -> Iterator[Program]:
    """Calls a guest function by its body; each body is defined once."""
    loop = asyncio.new_event_loop()

    async def make() -> Guest:
        return await Guest().load()

    made = loop.run_until_complete(make())
    known: dict[str, str] = {}

    def call(body: str, *args: Any) -> Any:
        name = known.get(body) or known.setdefault(body, made.define(body))

        async def ask() -> Any:
            value, _ = await asyncio.wait_for(made.node.call(name, args), 10)
            return value

        return loop.run_until_complete(ask())

    yield call
    loop.run_until_complete(made.close())
    loop.close()


def there(second: int, zone: str) -> datetime:
    return (EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone))


def offset_of(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


PIECES: dict[str, Callable[[datetime, int], str]] = {
    "2006": lambda t, ns: f"{t.year:04}",
    "06": lambda t, ns: f"{t.year % 100:02}",
    "January": lambda t, ns: t.strftime("%B"),
    "Jan": lambda t, ns: t.strftime("%b"),
    "01": lambda t, ns: f"{t.month:02}",
    "1": lambda t, ns: str(t.month),
    "Monday": lambda t, ns: t.strftime("%A"),
    "Mon": lambda t, ns: t.strftime("%a"),
    "02": lambda t, ns: f"{t.day:02}",
    "_2": lambda t, ns: f"{t.day:2}",
    "2": lambda t, ns: str(t.day),
    "002": lambda t, ns: f"{t.timetuple().tm_yday:03}",
    "15": lambda t, ns: f"{t.hour:02}",
    "03": lambda t, ns: f"{(t.hour + 11) % 12 + 1:02}",
    "3": lambda t, ns: str((t.hour + 11) % 12 + 1),
    "04": lambda t, ns: f"{t.minute:02}",
    "4": lambda t, ns: str(t.minute),
    "05": lambda t, ns: f"{t.second:02}",
    "5": lambda t, ns: str(t.second),
    "PM": lambda t, ns: "PM" if t.hour >= 12 else "AM",
    "pm": lambda t, ns: "pm" if t.hour >= 12 else "am",
    "MST": lambda t, ns: t.tzname() or "",
    "-0700": lambda t, ns: _offset(t, ""),
    "-07:00": lambda t, ns: _offset(t, ":"),
    "Z07:00": lambda t, ns: "Z" if offset_of(t) == 0 else _offset(t, ":"),
    ".000": lambda t, ns: f".{ns // 1_000_000:03}",
    ".000000000": lambda t, ns: f".{ns:09}",
    ".999999999": lambda t, ns: f".{ns:09}".rstrip("0").rstrip("."),
}


def _offset(t: datetime, colon: str) -> str:
    offset = offset_of(t)
    sign, size = ("-", -offset) if offset < 0 else ("+", offset)
    return f"{sign}{size // 3600:02}{colon}{size // 60 % 60:02}"


@quick
@given(seconds, nanoseconds, zones, st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=8))
def test_format_writes_what_the_calendar_says(
    guest: Program, second: int, ns: int, zone: str, pieces: list[str]
) -> None:
    body = (
        "local s, ns, zone, layout = ... return time.unix(s, ns):in_location(time.load_location(zone)):format(layout)"
    )
    moment = there(second, zone)
    assert guest(body, second, ns, zone, " | ".join(pieces)) == " | ".join(PIECES[p](moment, ns) for p in pieces)


@quick
@given(seconds, zones)
@example(2234304000 - 1, "Asia/Gaza")
@example(2234304000 + 86400, "Asia/Gaza")  # summer time of a week
@example(970970400 + 3 * 86400, "America/Noronha")
def test_parts_are_those_of_the_calendar(guest: Program, second: int, zone: str) -> None:
    body = """local s, zone = ...
    local t = time.unix(s, 0):in_location(time.load_location(zone))
    return { t:year(), t:month(), t:day(), t:hour(), t:minute(), t:second(), t:weekday(), t:year_day(), t:unix() }"""
    t = there(second, zone)
    weekday = t.isoweekday() % 7
    expected = [t.year, t.month, t.day, t.hour, t.minute, t.second, weekday, t.timetuple().tm_yday, second]
    assert guest(body, second, zone) == expected


LAYOUTS = (
    "2006-01-02T15:04:05.999999999Z07:00",
    "Monday, 02-Jan-2006 03:04:05.000000000PM -0700",
    "2006 002 15h4m5.999999999 -07:00",
    "_2 January 2006 3:04:05,000000000pm -070000",
)


@quick
@given(seconds, nanoseconds, zones, st.sampled_from(LAYOUTS))
def test_parse_reads_what_format_wrote(guest: Program, second: int, ns: int, zone: str, layout: str) -> None:
    body = """local s, ns, zone, layout = ...
    local t = time.unix(s, ns):in_location(time.load_location(zone))
    local back, err = time.parse(layout, t:format(layout), t:location())
    if err then return tostring(err) end
    return { back:unix(), back:nanosecond(), back:format("-07:00:00") == t:format("-07:00:00") }"""
    if offset_of(there(second, zone)) % 60 and "070000" not in layout:
        zone = "UTC"  # such layouts do not hold the seconds of a zone's offset
    assert guest(body, second, ns, zone, layout) == [second, ns, True]


def civil(year: int, month: int, day: int, second: int) -> datetime | None:
    """A date whose parts may be out of range, without a zone."""
    months = year * 12 + month - 1
    try:
        return datetime(months // 12, months % 12 + 1, 1) + timedelta(days=day - 1, seconds=second)
    except (ValueError, OverflowError):
        return None


def readings(local: datetime, zone: str) -> set[int]:
    """The Unix seconds a civil time may stand for: one, or those on both sides of a clock change."""
    return {int(local.replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) for fold in (0, 1)}


@quick
@given(
    seconds, zones, st.integers(-120, 120), st.integers(-40, 40), st.integers(-800, 800),
)  # fmt: skip
def test_add_date_keeps_the_clock_and_carries_over(
    guest: Program, second: int, zone: str, years: int, months: int, days: int
) -> None:
    body = """local s, zone, y, m, d = ...
    return time.unix(s, 0):in_location(time.load_location(zone)):add_date(y, m, d):unix()"""
    t = there(second, zone)
    clock = t.hour * 3600 + t.minute * 60 + t.second
    expected = civil(t.year + years, t.month + months, t.day + days, clock)
    assert expected is not None
    assert guest(body, second, zone, years, months, days) in readings(expected, zone)


@quick
@given(
    st.integers(1900, 2100), st.integers(-30, 40), st.integers(-500, 500), st.integers(-100, 100),
    st.integers(-200, 200), st.integers(-5000, 5000), zones,
)  # fmt: skip
@example(2024, 3, 31, 2, 30, 0, "Europe/Berlin")
@example(2024, 10, 27, 2, 30, 0, "Europe/Berlin")
@example(2011, 12, 30, 12, 0, 0, "Pacific/Apia")
def test_date_is_the_moment_of_its_civil_time(
    guest: Program, year: int, month: int, day: int, hour: int, minute: int, second: int, zone: str
) -> None:
    body = (
        "local y, mo, d, h, mi, s, zone = ... return time.date(y, mo, d, h, mi, s, 0, time.load_location(zone)):unix()"
    )
    expected = civil(year, month, day, hour * 3600 + minute * 60 + second)
    assert expected is not None
    assert guest(body, year, month, day, hour, minute, second, zone) in readings(expected, zone)


@quick
@given(st.integers(-(1 << 63), (1 << 63) - 1))
@example(-(1 << 63))
@example((1 << 63) - 1)
@example(999_999_999)
def test_a_duration_reads_back_from_its_text(guest: Program, ns: int) -> None:
    body = """local text = tostring(time.parse_duration((...)))
    local back, err = time.parse_duration(text)
    return { text, err == nil and tostring(back) }"""
    text, again = guest(body, ns)
    assert again == text
    digits = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "µs": 1000, "ns": 1}
    assert _total(text, digits) == ns


def _total(text: str, units: dict[str, int]) -> int:
    sum_ = sum((Fraction(n) * units[u] for n, u in re.findall(r"([\d.]+)([a-zµ]+)", text)), Fraction(0))
    assert sum_.denominator == 1
    return -int(sum_) if text.startswith("-") else int(sum_)


@quick
@given(seconds, nanoseconds, st.integers(1, 10**18))
@example(0, 0, 1)
@example(-1, 999_999_999, 7 * 86400 * 10**9)
def test_rounding_counts_from_year_one(guest: Program, second: int, ns: int, unit: int) -> None:
    body = """local s, ns, unit = ...
    local t, d = time.unix(s, ns), time.parse_duration(unit)
    local down, near = t:truncate(d), t:round(d)
    return { down:unix(), down:nanosecond(), near:unix(), near:nanosecond() }"""
    total = (second - YEAR_ONE) * 10**9 + ns
    down = total - total % unit
    near = down if 2 * (total % unit) < unit else down + unit
    expected = [part for value in (down, near) for part in (value // 10**9 + YEAR_ONE, value % 10**9)]
    assert guest(body, second, ns, unit) == expected


@quick
@given(seconds, nanoseconds, st.integers(-(10**17), 10**17))
def test_sub_undoes_add(guest: Program, second: int, ns: int, distance: int) -> None:
    body = """local s, ns, d = ...
    local t = time.unix(s, ns)
    local u = t:add(d)
    return { u:sub(t):nanoseconds(), u:after(t), u:before(t), u:equal(t), u:unix_nano() - t:unix_nano() }"""
    expected = [float(distance), distance > 0, distance < 0, distance == 0, distance]
    assert guest(body, second, ns, distance) == expected


@quick
@given(st.integers(-86399, 86399), seconds)
def test_a_fixed_zone_shifts_the_clock(guest: Program, offset: int, second: int) -> None:
    body = """local offset, s = ...
    local t = time.unix(s, 0):in_location(time.fixed_zone("X", offset))
    return { t:format("2006-01-02 15:04:05 MST"), t:unix(), t:location():string() }"""
    moment = (EPOCH + timedelta(seconds=second)).astimezone(timezone(timedelta(seconds=offset)))
    assert guest(body, offset, second) == [moment.strftime("%Y-%m-%d %H:%M:%S X"), second, "X"]


@quick
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_layout_and_no_text_breaks_parse_or_format(guest: Program, layout: str, value: str) -> None:
    body = """local layout, value = ...
    local t, err = time.parse(layout, value)
    if not t and (err:kind() ~= "Invalid" or err:retryable() ~= false) then return "wrong error" end
    return type(time.unix(0, 0):format(layout))"""
    assert guest(body, layout, value) == "string"
