"""Log lines on the event bus (spec 05 §13.1)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from apps.guest import App
from wippy.project.config import Config

MODULES = ["events", "logger", "time"]
STREAMING = {"logmanager.stream_to_events": True}
HEARD = """
local seen = events.subscribe("logs"):channel()
local function heard()
  local r = channel.select({ seen:case_receive(), time.after("5s"):case_receive() })
  return r.channel == seen and r.value or nil
end
"""


def run(body: str, **leaves: Any) -> Any:
    app = App().process("main", HEARD + body, modules=MODULES)

    async def session() -> Any:
        async with app.runtime(config=Config(leaves)) as runtime:
            return await asyncio.wait_for(runtime.run_process("app:main", "app:host"), 20)

    return asyncio.run(session())


def test_a_line_is_an_event_with_its_fields() -> None:
    event = run(
        "logger:named('shop'):error('sold out', { item = 'tea', left = 0, deep = { 1 } }) return heard()", **STREAMING
    )
    entry = event["data"]["entry"]
    assert (event["system"], event["kind"], event["path"]) == ("logs", "logs.entry", "guest.shop")
    assert (entry["level"], entry["message"], entry["logger_name"]) == (2, "sold out", "guest.shop")
    assert entry["caller"].startswith("app:main:") and entry["time"] > 1.7e18 and entry["stack"] == ""
    fields = {field["key"]: field for field in event["data"]["fields"]}
    assert fields["item"] == {"key": "item", "type": "string", "string": "tea", "int": 0}
    assert (fields["left"]["type"], fields["left"]["int"]) == ("int64", 0)
    assert fields["deep"]["type"] == "unknown"


def test_lines_below_the_least_level_reach_the_bus_but_not_the_log(caplog: pytest.LogCaptureFixture) -> None:
    event = run("logger:debug('quiet') return heard()", **STREAMING)
    assert (event["data"]["entry"]["level"], event["data"]["entry"]["message"]) == (-1, "quiet")
    assert "quiet" not in caplog.text


def test_nothing_is_streamed_unless_it_is_asked_for() -> None:
    body = """
    logger:error("not streamed")
    events.send("logs", "logs.config.get", "mine")
    local e
    repeat e = heard() until e.kind == "logs.config.state" or e.kind == "logs.entry"
    return { e.kind, e.path, e.data }
    """
    state = {"propagate_downstream": True, "stream_to_events": False, "min_level": 0}
    assert run(body) == ["logs.config.state", "mine", state]


def test_the_configuration_is_changed_by_an_event() -> None:
    body = """
    local wanted = { stream_to_events = true, min_level = 2, propagate_downstream = "no" }
    events.send("logs", "logs.config.set", "now", wanted)
    local state
    repeat state = heard() until state.kind == "logs.config.state"
    logger:info("streamed")
    local e
    repeat e = heard() until e.kind == "logs.entry" and e.data.entry.message == "streamed"
    return { state.data, e.path }
    """
    assert run(body) == [{"propagate_downstream": True, "stream_to_events": True, "min_level": 2}, "guest"]


def test_the_log_is_as_before_when_the_runtime_has_stopped() -> None:
    logger = logging.getLogger("wippy")
    before = (logger.level, logger.propagate, list(logger.handlers), [h.level for h in logging.getLogger().handlers])
    run("return 1", **STREAMING, **{"logmanager.propagate_downstream": False})
    after = (logger.level, logger.propagate, list(logger.handlers), [h.level for h in logging.getLogger().handlers])
    assert after == before
