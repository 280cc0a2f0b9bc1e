"""Registered names of a node with several shards (spec 03 §3.10): one table that all of them ask.

Shards on threads call in while the interpreter's lock is theirs; each method is one dictionary operation.
"""

from __future__ import annotations


class NodeNames:
    """Name -> PID text, both as the bytes the guests use."""

    def __init__(self) -> None:
        self._pids: dict[bytes, bytes] = {}

    def lookup(self, name: bytes) -> bytes | None:
        return self._pids.get(name)

    def register(self, name: bytes, pid: bytes) -> bool:
        """False when the name is held by another process."""
        return self._pids.setdefault(name, pid) == pid

    def unregister(self, name: bytes) -> bool:
        """Whether it was registered."""
        return self._pids.pop(name, None) is not None
