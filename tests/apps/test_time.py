"""Acceptance of module time, through applications (spec 03 §20 "Time")."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from apps.guest import App


def run(body: str, *args: Any) -> Any:
    return App().run(body, *args)


@pytest.mark.parametrize("wait", ["20 * time.MILLISECOND", "'20ms'", "time.parse_duration('20ms')"])
@pytest.mark.parametrize(
    "call",
    [
        "time.sleep({})",
        "time.after({}):receive()",
        "time.timer({}):response():receive()",
        "time.ticker({}):channel():receive()",
    ],
)
def test_waiting_takes_at_least_about_the_time_asked_for(call: str, wait: str) -> None:
    waited = run(f"local began = time.now() {call.format(wait)} return time.now():sub(began):milliseconds()")
    assert 19 <= waited < 1000


def test_after_yields_a_value_with_unix() -> None:
    assert run("local t = time.after('1ms'):receive() return math.type(t:unix())") == "integer"


def test_stop_before_firing_is_truthy_and_closes_the_channel() -> None:
    body = """
    local t = time.timer("1h")
    local was = t:stop()
    local v, ok = t:channel():receive()
    return { was, v == nil, ok }"""
    assert run(body) == [True, True, False]


def test_reset_to_a_shorter_time_fires_early() -> None:
    body = """
    local t, began = time.timer("1h"), time.now()
    local pending = t:reset("5ms")
    local v, ok = t:response():receive()
    return { pending, ok, time.now():sub(began):seconds() < 60 }"""
    assert run(body) == [True, True, True]


def test_three_ticks_of_5_ms_take_at_least_10_ms() -> None:
    body = """
    local t, began = time.ticker("5ms"), time.now()
    for _ = 1, 3 do t:response():receive() end
    return { time.now():sub(began):milliseconds() >= 10, t:stop() }"""
    assert run(body) == [True, True]


def test_a_second_receive_after_a_one_shot_has_fired_sees_it_closed() -> None:
    body = """
    local out = {}
    for _, ch in ipairs({ time.after("1ms"), time.timer("1ms"):channel() }) do
      local first, ok = ch:receive()
      local second, more = ch:receive()
      out[#out + 1] = first ~= nil and ok and second == nil and more == false
    end
    return out"""
    assert run(body) == [True, True]


def test_dates_arithmetic_rounding_and_zones() -> None:
    body = """
    local t = time.date(2024, 12, 29, 15, 4, 5, 0, time.utc)
    local y, mo, d = t:date()
    local h, mi, s = t:clock()
    return {
      y, mo, d, h, mi, s, t:weekday(), t:year_day(),
      t:format("Mon Jan _2 15:04:05 MST 2006"),
      t:add("24h"):sub(t):hours(),
      time.date(2024, 1, 31, 0, 0, 0, 0, time.utc):add_date(0, 1, 0):format(time.DATE_ONLY),
      t:round(time.parse_duration("1h")):format(time.KITCHEN),
      t:truncate(time.parse_duration("1h")):format(time.KITCHEN),
      t:in_location(time.load_location("America/New_York")):format(time.RFC3339),
      time.fixed_zone("EST", -5 * 3600):string(),
      time.load_location("Europe/Berlin"):string(),
    }"""
    assert run(body) == [
        2024, 12, 29, 15, 4, 5, 0, 364, "Sun Dec 29 15:04:05 UTC 2024", 24.0, "2024-03-02", "3:00PM", "3:00PM",
        "2024-12-29T10:04:05-05:00", "EST", "Europe/Berlin",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("time.parse(time.RFC3339, 'yesterday')", "Invalid"),
        ("time.parse_duration('a while')", "Invalid"),
        ("time.load_location('')", "Invalid"),
        ("time.load_location('Mars/Olympus_Mons')", "NotFound"),
        ("time.sleep({})", "Invalid"),
        ("time.after(0)", "Invalid"),
        ("time.timer(-1)", "Invalid"),
        ("time.ticker('0s')", "Invalid"),
    ],
)
def test_errors_have_a_kind_and_are_not_retryable(call: str, kind: str) -> None:
    assert run(f"local v, e = {call} return {{ v == nil, e:kind(), e:retryable() }}") == [True, kind, False]


def test_the_channels_of_a_calls_timers_are_closed_when_the_call_ends() -> None:
    app = App().add(
        "f",
        "function.lua",
        source="""
        local time = require("time")
        local kept
        return { main = function()
          if not kept then
            kept = { time.after("1h"), time.timer("1h"), time.ticker("1h") }
            kept[2]:reset("2h")
            return "kept"
          end
          local out = {}
          for i, ch in ipairs({ kept[1], kept[2]:channel(), kept[3]:channel() }) do
            local v, ok = ch:receive()
            out[i] = v == nil and ok == false
          end
          local again = kept[2]:reset("1ms")
          out[4] = again
          out[5] = select(2, kept[2]:channel():receive())
          return out
        end }
        """,
        method="main",
        modules=["time"],
        pool={"type": "inline"},
    )

    async def work(runtime: Any) -> Any:
        assert await runtime.call("app:f") == "kept"
        return await runtime.call("app:f")

    assert app.use(work) == [True, True, True, False, True]


def test_zones_are_known_on_a_system_without_a_zone_database() -> None:
    program = (
        "from wippy.lua.modules.time import span\n"
        "print(span('Europe/Berlin', 1720000000).abbreviation, span('America/New_York', 0).offset)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONTZPATH": ""}, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("CEST -18000", "")
