"""Log lines for people and for programs."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from wippy.cli.logging import configure_logging


@pytest.fixture(autouse=True)
def _restore_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


log = logging.getLogger("wippy.http")


def test_json_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    log.warning("listening on %s", ":80", extra={"fields": {"addr": ":80", "n": 1, "level": "hidden", "id": {1}}})
    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "warn",
        "logger": "http",
        "message": "listening on :80",
        "addr": ":80",
        "n": 1,
        "id": "{1}",
    }


def test_readable_lines_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    configure_logging(stream=stream)
    log.info("listening", extra={"fields": {"addr": ":80", "note": "two words", "n": 1, "empty": ""}})
    line = stream.getvalue()
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} INFO  http  listening  ", line)
    assert line.endswith('addr=:80 note="two words" n=1 empty=""\n')


def test_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    configure_logging(stream=stream)
    log.error("no")
    assert "\x1b[31mERROR\x1b[0m" in stream.getvalue()


@pytest.mark.parametrize(("min_level", "shown"), [(-1, "diwe"), (0, "iwe"), (1, "we"), (2, "e")])
def test_levels(min_level: int, shown: str) -> None:
    stream = io.StringIO()
    configure_logging(min_level, stream=stream)
    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")
    assert "".join(json.loads(line)["message"] for line in stream.getvalue().splitlines()) == shown


def test_silent_logs_nothing() -> None:
    stream = io.StringIO()
    configure_logging(silent=True, stream=stream)
    log.error("no")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("tracebacks", [True, False])
def test_exceptions(tracebacks: bool) -> None:
    stream = io.StringIO()
    configure_logging(stream=stream, json_lines=False, tracebacks=tracebacks)
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("failed")
    assert ("Traceback" in stream.getvalue()) is tracebacks and "ValueError: bad" in stream.getvalue()
