"""Log output: readable lines on a terminal, JSON lines otherwise.

Code logs with the standard library: `log.info("listening", extra={"fields": {"addr": ":8080"}})`. On a terminal that is
`12:30:01.250 INFO  http  listening  addr=:8080`, elsewhere one JSON object with `time`, `level`, `logger`, `message`
and the fields.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import IO, Any

ROOT = "wippy"

_LEVELS = {-1: logging.DEBUG, 0: logging.INFO, 1: logging.WARNING, 2: logging.ERROR}
_COLOURS = {
    logging.DEBUG: "\x1b[36m",
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_SHORT = {logging.WARNING: "WARN", logging.CRITICAL: "FATAL"}


def configure_logging(
    min_level: int = 0,
    *,
    silent: bool = False,
    stream: IO[str] | None = None,
    json_lines: bool | None = None,
    colour: bool | None = None,
    tracebacks: bool = True,
) -> logging.Handler:
    """Send the runtime's log to `stream` (stderr), replacing what an earlier call set up; returns the handler.

    min_level: -1 debug, 0 info, 1 warn, 2 error (`logmanager.min_level`). `json_lines` and `colour` follow from the
    stream being a terminal unless given; NO_COLOR turns colours off.
    """
    target = stream if stream is not None else sys.stderr
    terminal = target.isatty()
    as_json = not terminal if json_lines is None else json_lines
    colours = (terminal and not os.environ.get("NO_COLOR")) if colour is None else colour
    handler: logging.Handler = logging.NullHandler() if silent else logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter(tracebacks) if as_json else LineFormatter(colours, tracebacks))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS.get(min_level, logging.INFO))
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return handler


def logger_name(record: logging.LogRecord) -> str:
    """The record's logger without the package name in front."""
    return record.name.removeprefix(f"{ROOT}.")


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return dict(fields) if fields else {}


class _Formatter(logging.Formatter):
    def __init__(self, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def failure(self, record: logging.LogRecord) -> str:
        """The traceback, or its last line; empty without an exception."""
        if not record.exc_info or record.exc_info[1] is None:
            return ""
        if self._tracebacks:
            return self.formatException(record.exc_info)
        return f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"


class LineFormatter(_Formatter):
    """Time, level, logger, message, key=value."""

    def __init__(self, colour: bool = False, tracebacks: bool = True) -> None:
        super().__init__(tracebacks)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        moment = f"{clock}.{int(record.msecs):03d}"
        level = _SHORT.get(record.levelno, record.levelname).ljust(5)
        name = logger_name(record)
        pairs = [(key, _quoted(value)) for key, value in fields_of(record).items()]
        if self._colour:
            level = f"{_COLOURS.get(record.levelno, '')}{level}{_RESET}"
            moment, name = f"{_DIM}{moment}{_RESET}", f"{_DIM}{name}{_RESET}"
            pairs = [(f"{_DIM}{key}", f"{_RESET}{value}") for key, value in pairs]
        parts = [f"{moment} {level} {name}", record.getMessage(), " ".join(f"{key}={value}" for key, value in pairs)]
        failure = self.failure(record)
        return "  ".join(part for part in parts if part) + (f"\n{failure}" if failure else "")


class JsonFormatter(_Formatter):
    """One object per line; a field never hides time, level, logger or message."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": _SHORT.get(record.levelno, record.levelname).lower(),
            "logger": logger_name(record),
            "message": record.getMessage(),
        }
        for key, value in fields_of(record).items():
            line.setdefault(key, value)
        failure = self.failure(record)
        if failure:
            line.setdefault("error", failure)
        return json.dumps(line, ensure_ascii=False, default=str)


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    plain = text and not any(character in ' "=\n\t' for character in text)
    return text if plain or not isinstance(value, str) else json.dumps(text, ensure_ascii=False)
