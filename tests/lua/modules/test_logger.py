"""Module logger (spec 04b §15)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from lua.modules.guest import Lines, check


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    handler = Lines()
    root = logging.getLogger("wippy.guest")
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.records
    root.removeHandler(handler)
    root.setLevel(level)


def fields(record: logging.LogRecord) -> dict[str, object]:
    return record.__dict__["fields"]  # type: ignore[no-any-return]


def test_every_level_is_logged_with_pid_and_location(lines: list[logging.LogRecord]) -> None:
    assert (
        check(
            "for _, l in ipairs({'debug', 'info', 'warn', 'error'}) do logger[l](logger, 'm-' .. "
            "l) end\nreturn type(logger)"
        )
        == "userdata"
    )
    assert [(r.levelname, r.getMessage()) for r in lines] == [
        ("DEBUG", "m-debug"),
        ("INFO", "m-info"),
        ("WARNING", "m-warn"),
        ("ERROR", "m-error"),
    ]
    assert str(fields(lines[0])["pid"]).startswith("{")
    assert fields(lines[0])["location"] == "t:f1:1"


def test_field_types_are_kept(lines: list[logging.LogRecord]) -> None:
    check(
        "logger:info('m', {s = 'x', i = 1, f = 1.5, b = true, nested = {list = {1, 2}, deep = "
        "{k = 'v'}}, [1] = 'skipped', "
        "err = errors.new('bad'), at = time.parse_duration('2s'), fn = print})"
    )
    found = fields(lines[0])
    assert {k: found[k] for k in ("s", "i", "f", "b", "nested", "err", "at", "fn")} == {
        "s": "x",
        "i": 1,
        "f": 1.5,
        "b": True,
        "nested": {"list": [1, 2], "deep": {"k": "v"}},
        "err": "bad",
        "at": "2s",
        "fn": "function",
    }
    assert 1 not in found


def test_with_and_named_chain_in_any_order_without_changing_the_original(lines: list[logging.LogRecord]) -> None:
    check(
        "local l = logger:named('a'):with({x = 1}):named('b'):with({y = 2}) l:info('one', {z = 3}) logger:info('two')"
    )
    one, two = lines
    assert one.name.endswith("a.b")
    assert {k: fields(one)[k] for k in "xyz"} == {"x": 1, "y": 2, "z": 3}
    assert "x" not in fields(two)


def test_error_field_is_text_and_the_callers_table_is_left_alone(lines: list[logging.LogRecord]) -> None:
    assert (
        check(
            "local t = {error = errors.new('bad')} logger:error('m', t) logger:error('n', {error "
            "= 5}) return t.error:message()"
        )
        == "bad"
    )
    assert [fields(r)["error"] for r in lines] == ["bad", "5"]


def test_cycles_and_hostile_metatables_do_no_harm(lines: list[logging.LogRecord]) -> None:
    source = (
        "local t = setmetatable({}, {__index = function() error('ran') end, __tostring = function() "
        "error('ran') end}) t.t = t "
        "logger:info('m', {t = t, error = t}) return 'fine'"
    )
    assert check(source) == "fine"
    assert len(lines) == 1


def test_empty_name_and_wrong_types_raise() -> None:
    assert check("return {pcall(logger.named, logger, '')}")[0] is False
    assert check("return {pcall(logger.info, logger, {})}")[0] is False
    assert check("return {pcall(logger.info, {}, 'm')}")[0] is False


def test_a_table_that_would_unfold_without_end_is_cut() -> None:
    assert check("local t = {1} for i = 1, 60 do t = {t, t, t} end logger:info('m', {t = t}) return 'fine'") == "fine"
