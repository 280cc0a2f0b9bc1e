"""The C allocator, told about Lua's habits (docs/decisions/003-allocator.md).

A collection frees hundreds of thousands of small blocks. glibc keeps them in fast bins and tidies them all up at once
when a larger block is asked for: measured 17 ms after 25,000 idle processes, 1.5 ms without fast bins, at the same
throughput.
"""

from __future__ import annotations

import ctypes

M_MXFAST = 1


def tune() -> None:
    """Turns fast bins off. Does nothing where the C library has no `mallopt`."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MXFAST, 0)
