"""Guest module `logger` (spec 04b §15): lines with fields, the PID and the place they come from (logger.lua)."""

from __future__ import annotations

from pathlib import Path

from wippy.lua.modules.declare import Module

logger = Module(
    "logger",
    "Structured log lines: debug, info, warn, error, with(fields), named(name).",
    classes=("io",),
    source=Path(__file__).with_suffix(".lua"),
)

_LEVELS = {
    f"{level}(message: string, fields: table?)": f"Logs at level {level}, with `pid` and `location`."
    for level in ("debug", "info", "warn", "error")
}

logger.in_lua(
    {},
    handles={
        "Logger": {
            **_LEVELS,
            "with(fields: table) -> Logger": "A logger that adds these fields to every entry.",
            "named(name: string) -> Logger": "A logger of that name; names join with a dot.",
        }
    },
)
