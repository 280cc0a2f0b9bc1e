"""The event bus of a node (spec 03 §8): host-side subscribers, and the shards as receivers of every event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("wippy.events")

Listener = Callable[[str, str, str, Any], None]
Publish = Callable[[str, str, str, Any, int | None], None]


class EventBus:
    """Delivers events in the order in which they were published."""

    def __init__(self, to_shards: Publish) -> None:
        self._to_shards = to_shards
        self._listeners: dict[int, tuple[str, Listener]] = {}
        self._next = 0
        self.guests_listen = True
        """False while no guest can run yet: then events of the host go to host listeners only."""

    def publish(self, system: str, kind: str, path: str, data: Any = None) -> None:
        """Sends an event of the host to everybody: guests of all shards and host listeners."""
        if self.guests_listen:
            self._to_shards(system, kind, path, data, None)
        self._tell(system, kind, path, data)

    def from_guest(self, shard: int, system: str, kind: str, path: str, data: Any) -> None:
        """An event that shard `shard` has delivered to its own guests already."""
        self._to_shards(system, kind, path, data, shard)
        self._tell(system, kind, path, data)

    def listen(self, system: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener(system, kind, path, data)` for every event of `system` ("*": all). Returns how to stop it."""
        self._next += 1
        number = self._next
        self._listeners[number] = (system, listener)
        return lambda: self._listeners.pop(number, None) and None

    def _tell(self, system: str, kind: str, path: str, data: Any) -> None:
        for wanted, listener in list(self._listeners.values()):
            if wanted in ("*", system):
                try:
                    listener(system, kind, path, data)
                except Exception:
                    log.exception("an event listener failed")
