"""Budgets of processes and calls: `limits:` of a `process.host` or a `function.lua` (kernel/limits.lua)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from wippy.core.config import Duration, Size

Count = Annotated[int, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one process of a host, or one call of a function, may use; what is absent is not limited.

    `cpu_slice`: processor time without a pause; `cpu_total`: in its whole life; `memory`: bytes it holds, its unread
    mail included; `mailbox`: unread messages; `messages_per_second`: messages it sends.
    """

    cpu_slice: Duration | None = None
    """Processor time without a pause."""
    cpu_total: Duration | None = None
    """Processor time in its whole life."""
    memory: Size | None = None
    """Bytes it holds, its unread messages included."""
    mailbox: Count | None = None
    """Unread messages."""
    messages_per_second: Count | None = None
    """Messages it sends."""

    def for_kernel(self) -> dict[str, Any] | None:
        """The limits that are set, in seconds, bytes and messages; None when there are none."""
        times = {"cpu_slice": self.cpu_slice, "cpu_total": self.cpu_total}
        found: dict[str, Any] = {name: value.seconds for name, value in times.items() if value}
        for name in ("memory", "mailbox", "messages_per_second"):
            value = getattr(self, name)
            if value:
                found[name] = int(value)
        return found or None
