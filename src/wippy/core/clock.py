"""The seam through which the runtime reads time: tests replace it."""

from __future__ import annotations

import time


class Clock:
    """The machine's clocks."""

    def monotonic(self) -> int:
        """Nanoseconds that only ever grow; what timers are measured with."""
        return time.monotonic_ns()

    def wall(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()
