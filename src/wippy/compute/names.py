"""Registered names of a node with several shards (spec 03 §3.10): one table that all of them ask.

Shards on threads call in while the interpreter's lock is theirs, which may change hands between two steps.
"""

from __future__ import annotations

import threading


class NodeNames:
    """Name -> PID text, both as the bytes the guests use."""

    def __init__(self) -> None:
        self._pids: dict[bytes, bytes] = {}
        self._changing = threading.Lock()

    def lookup(self, name: bytes) -> bytes | None:
        return self._pids.get(name)

    def register(self, name: bytes, pid: bytes) -> bool:
        """False when the name is held by another process."""
        with self._changing:
            return self._pids.setdefault(name, pid) == pid

    def unregister(self, name: bytes, pid: bytes) -> bool:
        """Takes the name from `pid`. False when that does not hold it: it may be another's by now."""
        with self._changing:
            if self._pids.get(name) != pid:
                return False
            del self._pids[name]
            return True
