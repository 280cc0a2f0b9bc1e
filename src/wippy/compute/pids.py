"""What a PID text tells: the number of its process, and with it the shard (spec 03 §1)."""

from __future__ import annotations

LOCAL = "local"
"""The name of a node whose PIDs have no node part."""

STRIDE = 256  # process numbers are k * STRIDE + shard (kernel/state.lua)


def process_number(pid: str) -> int:
    """The number in a PID text; 0 when it is none."""
    _, bar, uniq = pid.rstrip("}").rpartition("|")
    try:
        return int(uniq, 16) if bar else 0
    except ValueError:
        return 0
