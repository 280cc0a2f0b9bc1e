"""Locks by name on one node (spec 03 §15): held by a process, given back when it ends."""

from __future__ import annotations

import threading


class Locks:
    """Called from the threads of all shards. Nobody ever waits for a lock; who holds one may take it again."""

    def __init__(self) -> None:
        self._holders: dict[bytes, bytes] = {}
        self._held: dict[bytes, set[bytes]] = {}
        self._guard = threading.Lock()

    def acquire(self, name: bytes, pid: bytes) -> bool:
        """Whether the process holds it now."""
        with self._guard:
            if self._holders.setdefault(name, pid) != pid:
                return False
            self._held.setdefault(pid, set()).add(name)
            return True

    def release(self, name: bytes, pid: bytes) -> bool:
        """Whether the process held it."""
        with self._guard:
            if self._holders.get(name) != pid:
                return False
            del self._holders[name]
            held = self._held[pid]
            held.discard(name)
            if not held:
                del self._held[pid]
            return True

    def release_all(self, pid: bytes) -> None:
        """The process has ended."""
        with self._guard:
            for name in self._held.pop(pid, ()):
                del self._holders[name]

    def __len__(self) -> int:
        return len(self._holders)
