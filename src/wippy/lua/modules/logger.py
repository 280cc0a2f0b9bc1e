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
