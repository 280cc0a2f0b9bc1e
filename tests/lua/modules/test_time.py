"""Module time (spec 03 §11)."""

from __future__ import annotations

import time as clock

import pytest

from lua.modules.guest import check

AT = "time.date(2024, 12, 29, 15, 4, 5, 123456789, time.utc)"
BERLIN = "time.load_location('Europe/Berlin')"


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("Mon Jan _2 15:04:05 MST 2006", "Sun Dec 29 15:04:05 UTC 2024"),
        ("2006-01-02T15:04:05.999999999Z07:00", "2024-12-29T15:04:05.123456789Z"),
        ("2006-01-02 15:04:05.000 -0700", "2024-12-29 15:04:05.123 +0000"),
        ("3:04PM", "3:04PM"),
        ("03:04:05pm", "03:04:05pm"),
        ("Monday, 02-Jan-06", "Sunday, 29-Dec-24"),
        ("January 2, 2006 (002 __2)", "December 29, 2024 (364 364)"),
        ("1/2/06 4:5", "12/29/24 4:5"),
        ("15h04_2006", "15h04_2024"),
        ("Janet Mon.", "Janet Sun."),
        ("-07 -07:00 -07:00:00 Z0700 Z07", "+00 +00:00 +00:00:00 Z Z"),
        ("20060102150405", "20241229150405"),
        ("no directives", "no directives"),
    ],
)
def test_format_follows_go_layouts(layout: str, text: str) -> None:
    assert check(f"return {AT}:format(...)", layout) == text


def test_format_of_zones_with_an_offset() -> None:
    source = (
        f"local t = {AT}:in_location(time.fixed_zone('X', -12645)) return t:format('-07:00:00 -070000 Z07:00 MST -07')"
    )
    assert check(source) == "-03:30:45 -033045 -03:30 X -03"


def test_fraction_is_left_out_when_zero() -> None:
    assert check("return time.unix(0, 0):utc():format('05.999 05.000')") == "00 00.000"
    assert check("return time.unix(0, 120000000):utc():format('05.999,000')") == "00.12,120"


@pytest.mark.parametrize("name", ["RFC3339", "RFC3339NANO", "RFC822Z", "RFC850", "RFC1123", "RFC1123Z", "DATE_TIME"])
def test_constants_parse_what_they_format(name: str) -> None:
    source = (
        f"local t = {AT} local text = t:format(time.{name}) local back, e = time.parse(time.{name}, "
        f"text, time.utc) return {{text, back:format(time.{name})}}"
    )
    text, back = check(source)
    assert text == back


@pytest.mark.parametrize(
    ("layout", "value", "expected"),
    [
        ("2006-01-02", "2024-02-29", "2024-02-29T00:00:00Z"),
        ("2006-01-02T15:04:05Z07:00", "2024-02-03T04:05:06+02:00", "2024-02-03T04:05:06+02:00"),
        ("2006-01-02T15:04:05Z07:00", "2024-02-03T04:05:06.789Z", "2024-02-03T04:05:06.789Z"),
        ("Jan _2 2006 3:04PM", "feb  3 2024 12:30AM", "2024-02-03T00:30:00Z"),
        ("Jan _2 2006 3:04PM", "Feb 13 2024 12:30PM", "2024-02-13T12:30:00Z"),
        ("06 002", "69 365", "1969-12-31T00:00:00Z"),
        ("2006 002", "2024 060", "2024-02-29T00:00:00Z"),
        ("Monday 2 January 2006", "Tuesday 5 March 2024", "2024-03-05T00:00:00Z"),
        ("2006-01-02 15:04:05.000 -0700", "2024-01-02 03:04:05.678 -0130", "2024-01-02T03:04:05.678-01:30"),
        ("15:04:05 MST 2006", "01:02:03 UTC 2024", "2024-01-01T01:02:03Z"),
        ("2006-01-02 MST", "2024-01-02 GMT+3", "2024-01-02T03:00:00+03:00"),  # as Go does: digits are UTC
    ],
)
def test_parse_follows_go_layouts(layout: str, value: str, expected: str) -> None:
    source = (
        "local l, v = ... local t, e = time.parse(l, v, time.utc) if e then return e:message() "
        "end return t:format(time.RFC3339NANO)"
    )
    assert check(source, layout, value) == expected


@pytest.mark.parametrize(
    ("layout", "value"),
    [
        ("2006-01-02", "not a date"),
        ("2006-01-02", "2024-02-30"),
        ("2006-01-02", "2023-02-29"),
        ("2006-01-02", "2024-13-01"),
        ("2006-01-02", "2024-01-02x"),
        ("15:04", "24:00"),
        ("3:04PM", "1:02XM"),
        ("2006 002", "2023 366"),
        ("invalid layout", "2024"),
        ("Z07:00", "+25:00"),
        ("05.000", "01.12"),
    ],
)
def test_parse_failure_is_invalid_and_not_retryable(layout: str, value: str) -> None:
    source = "local l, v = ... local t, e = time.parse(l, v) return {t == nil, e:kind(), e:retryable()}"
    assert check(source, layout, value) == [True, "Invalid", False]


def test_parse_without_a_zone_takes_the_given_location() -> None:
    assert (
        check(f"return time.parse('2006-01-02 15:04', '2024-07-01 12:00', {BERLIN}):format_rfc3339()")
        == "2024-07-01T12:00:00+02:00"
    )
    source = (
        f"local t = time.parse('2006-01-02 15:04 MST', '2024-01-01 12:00 CEST', {BERLIN}) return "
        f"t:unix() - time.date(2024,1,1,12,0,0,0,time.utc):unix()"
    )
    assert check(source) == -7200
    assert (
        check(f"return time.parse(time.RFC3339, '2024-07-01T12:00:00+02:00', {BERLIN}):location():string()")
        == "Europe/Berlin"
    )


def test_parts_are_integers() -> None:
    source = (
        f"local t = {AT} local y, mo, d = t:date() local h, mi, s = t:clock() "
        "local parts = {y, mo, d, h, mi, s, t:year(), t:month(), t:day(), t:hour(), t:minute(), "
        "t:second(), t:nanosecond(), t:weekday(), t:year_day(), t:unix()} "
        "for _, v in ipairs(parts) do assert(math.type(v) == 'integer') end return parts"
    )
    assert check(source) == [2024, 12, 29, 15, 4, 5, 2024, 12, 29, 15, 4, 5, 123456789, 0, 364, 1735484645]
    assert check(f"return {AT}:unix_nano()") == 1735484645123456789


def test_date_normalises_fields_out_of_range() -> None:
    assert check("return time.date(2024, 13, 1, 0, 0, 0, 0, time.utc):format_rfc3339()") == "2025-01-01T00:00:00Z"
    assert check("return time.date(2024, 0, 0, -1, 0, 0, -1, time.utc):format_rfc3339()") == "2023-11-29T22:59:59Z"
    assert check("return time.date(1969, 12, 31, 23, 59, 59, 0, time.utc):unix()") == -1
    assert check("return time.date(1, 1, 1, 0, 0, 0, 0, time.utc):is_zero()") is True


def test_date_requires_seven_numbers_and_a_location() -> None:
    assert check("return (pcall(time.date, 2024, 1, 1))") is False
    assert check("return (pcall(time.date, 2024, 1, 1, 0, 0, 0, 0, 'UTC'))") is False


def test_arithmetic_and_comparison() -> None:
    source = (
        f"local t = {AT} local u = t:add('1h30m') "
        "return {tostring(u:sub(t)), tostring(t:sub(u)), u:after(t), t:before(u), t:equal(t:add(0)), "
        "t:equal(u), t == t:add(0), "
        "t:add(time.parse_duration('-1ns')):nanosecond(), t:add(-123456790):second()}"
    )
    assert check(source) == ["1h30m0s", "-1h30m0s", True, True, True, False, False, 123456788, 4]


def test_add_date_overflows_into_the_next_month() -> None:
    assert (
        check("return time.date(2024, 1, 31, 10, 0, 0, 0, time.utc):add_date(0, 1, 0):format(time.DATE_ONLY)")
        == "2024-03-02"
    )
    assert (
        check("return time.date(2024, 2, 29, 10, 0, 0, 0, time.utc):add_date(1, 0, -1):format(time.DATE_TIME)")
        == "2025-02-28 10:00:00"
    )


def test_add_date_keeps_the_clock_over_a_change_of_the_zone() -> None:
    source = (
        f"local t = time.date(2024, 3, 30, 12, 0, 0, 0, {BERLIN}) return {{t:format_rfc3339(), "
        f"t:add_date(0, 0, 1):format_rfc3339(), t:add('24h'):format_rfc3339()}}"
    )
    assert check(source) == ["2024-03-30T12:00:00+01:00", "2024-03-31T12:00:00+02:00", "2024-03-31T13:00:00+02:00"]


def test_times_that_a_clock_change_skips_or_repeats() -> None:
    assert (
        check(f"return time.date(2024, 3, 31, 2, 30, 0, 0, {BERLIN}):format_rfc3339()") == "2024-03-31T03:30:00+02:00"
    )
    assert (
        check(f"return time.date(2024, 10, 27, 2, 30, 0, 0, {BERLIN}):format_rfc3339()") == "2024-10-27T02:30:00+01:00"
    )


def test_round_and_truncate() -> None:
    source = (
        f"local t = {AT} local d = time.parse_duration "
        "local function f(x) return x:format('02 15:04:05.999999999') end "
        "return {f(t:truncate(d('1h'))), f(t:round(d('1h'))), f(t:round(d('1s'))), f(t:truncate(d('1ms'))), "
        "f(t:truncate(d('24h'))), f(t:round(d('7s'))), f(t:truncate(d(0))), f(t:truncate(d('2500h')))}"
    )
    assert check(source)[:5] == ["29 15:00:00", "29 15:00:00", "29 15:04:05", "29 15:04:05.123", "29 00:00:00"]
    seven = (63871081445123456789 - 0) % 7_000_000_000
    seconds = 5.123456789 + (7 - seven / 1e9 if seven * 2 >= 7_000_000_000 else -seven / 1e9)
    assert float(check(source)[5].split(":")[2]) == pytest.approx(seconds % 60, abs=1e-6)
    assert check(source)[6] == "29 15:04:05.123456789"


def test_round_takes_duration_objects_only() -> None:
    assert check(f"return (pcall({AT}.round, {AT}, 1000))") is False
    assert check(f"return (pcall({AT}.truncate, {AT}, '1s'))") is False


def test_zones() -> None:
    source = (
        f"local t = {AT}:in_location({BERLIN}) "
        "return {t:format_rfc3339(), tostring(t:location()), t:utc():format_rfc3339(), t:location():string(), "
        "time.utc:string(), time.localtz:string(), t:in_local():location():string()}"
    )
    assert check(source) == [
        "2024-12-29T16:04:05+01:00",
        "Europe/Berlin",
        "2024-12-29T15:04:05Z",
        "Europe/Berlin",
        "UTC",
        "Local",
        "Local",
    ]
    assert (
        check(
            "local z = time.fixed_zone('EST', -18000) return time.unix(0, 0):in_location(z):format('15:04 "
            "MST') .. ' ' .. z:string()"
        )
        == "19:00 EST EST"
    )


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Asia/Kolkata", "Australia/Lord_Howe"]
)
def test_offsets_agree_with_the_zone_database(zone: str) -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    stamps = [
        s
        for year in (1950, 1999, 2024, 2030)
        for s in range(
            int(datetime(year, 1, 1, tzinfo=UTC).timestamp()),
            int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()),
            777_777,
        )
    ]
    source = (
        "local zone, stamps = ... local z = time.load_location(zone) local out = {} for i, s "
        "in ipairs(stamps) do out[i] = time.unix(s, 0):in_location(z):format('2006-01-02 15:04:05 "
        "MST') end return out"
    )
    assert check(source, zone, stamps) == [
        datetime.fromtimestamp(s, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z") for s in stamps
    ]


@pytest.mark.parametrize(
    ("name", "kind"), [("", "Invalid"), ("No/Where", "NotFound"), ("../../etc/passwd", "NotFound")]
)
def test_unknown_locations(name: str, kind: str) -> None:
    assert check("local z, e = time.load_location(...) return {z == nil, e:kind(), e:retryable()}", name) == [
        True,
        kind,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("1h30m45.5s", "1h30m45.5s"),
        ("1.5ms", "1.5ms"),
        ("0", "0s"),
        ("-90s", "-1m30s"),
        ("2us", "2µs"),
        ("3µs", "3µs"),
        (".5s", "500ms"),
        ("1h", "1h0m0s"),
        ("100ns", "100ns"),
        ("0.3s", "300ms"),
        ("+2m", "2m0s"),
    ],
)
def test_durations_parse_and_print_as_in_go(text: str, printed: str) -> None:
    assert check("return tostring(time.parse_duration(...))", text) == printed


def test_duration_units_are_floats() -> None:
    source = (
        "local d = time.parse_duration('1h30m0.0015s') local v = {d:nanoseconds(), d:microseconds(), "
        "d:milliseconds(), d:seconds(), d:minutes(), d:hours()} "
        "for _, x in ipairs(v) do assert(math.type(x) == 'float') end return v"
    )
    assert check(source) == pytest.approx([5400001500000, 5400001500, 5400001, 5400.0015, 90.000025, 1.5000004166])


@pytest.mark.parametrize("value", ["'soon'", "''", "'1'", "'1x'", "'h'", "'.s'", "{}", "nil", "true", "'99999999999h'"])
def test_bad_durations_are_invalid(value: str) -> None:
    assert check(f"local d, e = time.parse_duration({value}) return {{d == nil, e:kind(), e:retryable()}}") == [
        True,
        "Invalid",
        False,
    ]


def test_durations_from_numbers_and_durations() -> None:
    assert check("return tostring(time.parse_duration(time.parse_duration(1500 * time.MILLISECOND)))") == "1.5s"


def test_default_text_of_a_time() -> None:
    assert check(f"return tostring({AT})") == "2024-12-29 15:04:05.123456789 +0000 UTC"
    assert (
        check("return tostring(time.unix(0, 0):in_location(time.fixed_zone('', 3600)))")
        == "1970-01-01 01:00:00 +0100 +0100"
    )


def test_wrong_argument_types_raise() -> None:
    for call in (
        "time.unix('x', 0)",
        "time.parse(1, 2)",
        "time.now():after(1)",
        "time.now():in_location('UTC')",
        "time.now():format(1)",
        "time.now():add('x')",
        "time.now().year({})",
    ):
        assert check(f"return (pcall(function() return {call} end))") is False, call


def test_sleep_takes_numbers_texts_and_durations() -> None:
    began = clock.monotonic()
    check(
        "time.sleep(10 * time.MILLISECOND) time.sleep('10ms') time.sleep(time.parse_duration('10ms')) "
        "time.sleep(-1) time.sleep(0)"
    )
    assert clock.monotonic() - began >= 0.03
    assert check("local v, e = time.sleep('later') return {v == nil, e:kind()}") == [True, "Invalid"]


def test_after_delivers_one_time_and_closes() -> None:
    source = (
        "local c = time.after('5ms') local t, ok = c:receive() local u, more = c:receive() return "
        "{type(t), t:unix() > 0, ok, u == nil, more}"
    )
    assert check(source) == ["userdata", True, True, True, False]


@pytest.mark.parametrize("name", ["after", "timer", "ticker"])
@pytest.mark.parametrize("value", ["0", "-5", "'x'", "nil"])
def test_waiting_needs_a_positive_duration(name: str, value: str) -> None:
    assert check(f"local v, e = time.{name}({value}) return {{v == nil, e:kind(), e:retryable()}}") == [
        True,
        "Invalid",
        False,
    ]


def test_timeout_in_a_select() -> None:
    source = (
        "local never = channel.new() local t = time.after('5ms') local r = channel.select({never:case_receive(), "
        "t:case_receive()}) return r.channel == t"
    )
    assert check(source) is True


def test_timer_stops_before_it_fires_and_closes_its_channel() -> None:
    source = (
        "local t = time.timer('1h') local a = t:stop() local b = t:stop() local v, ok = t:channel():receive() "
        "return {a, b, v == nil, ok, t:channel() == t:response()}"
    )
    assert check(source) == [True, False, True, False, True]


def test_timer_reset_to_a_shorter_time_fires_early() -> None:
    source = (
        "local t = time.timer('1h') local was = t:reset('5ms') local v, ok = t:response():receive() "
        "return {was, ok, v:unix() > 0}"
    )
    assert check(source) == [True, True, True]


def test_timer_reset_after_it_fired_delivers_again_and_never_the_stale_fire() -> None:
    source = (
        "local t = time.timer('1ms') time.sleep('10ms') local first = time.now() local was = t:reset('20ms') "
        "local v, ok = t:response():receive() return {was, ok, v:sub(first):milliseconds() >= 15}"
    )
    assert check(source) == [False, True, True]


def test_timer_reset_raises_for_what_is_no_positive_duration() -> None:
    assert check(
        "local t = time.timer('1h') return {(pcall(t.reset, t, 0)), (pcall(t.reset, t, 'x')), (pcall(t.reset, t, nil))}"
    ) == [False, False, False]


def test_ticker_ticks_until_it_is_stopped() -> None:
    source = (
        "time.sleep('1ms') local began = time.now() local t = time.ticker('5ms') for i = 1, 3 do local v, ok = "
        "t:channel():receive() assert(ok and v:unix()) end "
        "local took = time.now():sub(began):milliseconds() local stopped = t:stop() local v, "
        "ok = t:response():receive() return {took >= 10, stopped, ok}"
    )
    assert check(source) == [True, True, False]


def test_ticks_nobody_takes_are_dropped_beyond_sixteen() -> None:
    source = (
        "local t = time.ticker('1ms') time.sleep('60ms') t:stop() local n = 0 "
        "while true do local v, ok = t:channel():receive() if not ok then break end n = n + 1 end return n"
    )
    assert check(source) == 16


def test_handles_give_nothing_away() -> None:
    source = (
        "local t = time.now() local n = 0 for _ in pairs({}) do n = n + 1 end "
        "return {type(t), (pcall(pairs, t)), (pcall(next, t)), getmetatable(t), (pcall(function() "
        "t.x = 1 end)), rawequal(t, t)}"
    )
    assert check(source) == ["userdata", False, False, False, False, True]
