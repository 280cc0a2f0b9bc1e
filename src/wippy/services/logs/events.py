"""Log lines as events of the bus, and the log's configuration through it (spec 05 §13.1).

With `stream_to_events` every line is an event `logs.entry` of the system `logs`, those below `min_level` too. An event
`logs.config.set` with {propagate_downstream?, stream_to_events?, min_level?} changes the configuration,
`logs.config.get` asks for it. Both are answered by `logs.config.state` under the same path.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wippy.project import settings

if TYPE_CHECKING:
    from wippy.compute.node import Node

SYSTEM = "logs"
LEVELS = {-1: logging.DEBUG, 0: logging.INFO, 1: logging.WARNING, 2: logging.ERROR}
"""`min_level` -> the level of the standard library."""

_ROOT = "wippy"


class LogEvents(logging.Handler):
    """Follows the log of one node from `start` to `stop`."""

    def __init__(self, node: Node) -> None:
        super().__init__(logging.DEBUG)
        self._node = node
        self._logger = logging.getLogger(_ROOT)
        self._streaming = node.config.get(settings.STREAM_TO_EVENTS)
        self._downstream = node.config.get(settings.PROPAGATE_DOWNSTREAM)
        self._min_level = node.config.get(settings.LOG_LEVEL)
        self._emitting = threading.local()
        self._before: tuple[int, bool] | None = None
        self._hear_no_more: Callable[[], None] = lambda: None

    async def start(self) -> None:
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.addHandler(self)
        self._hear_no_more = self._node.bus.listen(SYSTEM, self._heard)
        if self._streaming or not self._downstream:  # else levels stay as whoever embeds the runtime has set them
            self._apply()

    async def stop(self) -> None:
        """The log is as it was before `start`."""
        if self._before is None:
            return
        self._hear_no_more()
        self._logger.removeHandler(self)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)
        self._downstream_level(logging.NOTSET)
        self._before = None

    # Lines

    def emit(self, record: logging.LogRecord) -> None:
        """Publishes a line; what publishing logs itself is not published."""
        if not self._streaming or getattr(self._emitting, "now", False):
            return
        data = _described(record)
        path = data["entry"]["logger_name"]
        if threading.current_thread() is threading.main_thread():
            self._publish(path, data)
        else:
            self._node.loop.call_soon_threadsafe(self._publish, path, data)

    def _publish(self, path: str, data: dict[str, Any]) -> None:
        self._emitting.now = True
        try:
            self._node.bus.publish(SYSTEM, "logs.entry", path, data)
        finally:
            self._emitting.now = False

    # Configuration

    def _heard(self, system: str, kind: str, path: str, data: Any) -> None:
        if kind == "logs.config.set" and isinstance(data, dict):
            self._set(data)
        elif kind != "logs.config.get":
            return
        state = {
            "propagate_downstream": self._downstream,
            "stream_to_events": self._streaming,
            "min_level": self._min_level,
        }
        self._node.loop.call_soon(self._node.bus.publish, SYSTEM, "logs.config.state", path, state)

    def _set(self, wanted: dict[str, Any]) -> None:
        """What has another type, or is no level, is passed over."""
        level = wanted.get("min_level")
        if isinstance(level, (int, float)) and level in LEVELS:
            self._min_level = int(level)
        if isinstance(wanted.get("stream_to_events"), bool):
            self._streaming = wanted["stream_to_events"]
        if isinstance(wanted.get("propagate_downstream"), bool):
            self._downstream = wanted["propagate_downstream"]
        self._apply()

    def _apply(self) -> None:
        least = LEVELS.get(self._min_level, logging.INFO)
        self._logger.propagate = self._downstream
        self._logger.setLevel(logging.DEBUG if self._streaming else least)
        self._downstream_level(least if self._streaming else logging.NOTSET)

    def _downstream_level(self, level: int) -> None:
        """Lines that only the bus is to see stop at whatever writes the log."""
        for handler in logging.getLogger().handlers:
            handler.setLevel(level)


def _described(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", None) or {}
    number = next(n for n, level in sorted(LEVELS.items(), reverse=True) if record.levelno >= level or n == -1)
    stack = logging.Formatter().formatException(record.exc_info) if record.exc_info and record.exc_info[1] else ""
    return {
        "entry": {
            "level": number,
            "time": int(record.created * 1e9),
            "logger_name": record.name.removeprefix(f"{_ROOT}."),
            "message": record.getMessage(),
            "caller": fields.get("location") or f"{record.filename}:{record.lineno}",
            "stack": stack,
        },
        "fields": [_field(key, value) for key, value in fields.items()],
    }


def _field(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"key": key, "type": "string", "string": value, "int": 0}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"key": key, "type": "int64", "string": "", "int": value}
    return {"key": key, "type": "unknown", "string": str(value), "int": 0}
