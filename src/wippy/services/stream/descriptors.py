"""How much of the operating system's open files guests may hold, so that the node keeps what it needs itself."""

from __future__ import annotations

import errno
import resource
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wippy.compute.node import Node

Owner = tuple[int, int]
LEAST = 64


class Descriptors:
    """Counts descriptors by owning process: all may hold half of what the OS allows together, one a quarter of that.

    From any thread.
    """

    def __init__(self, most: int | None = None) -> None:
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = most or max(LEAST, (allowed if allowed > 0 else 1 << 20) // 2)
        self._held: Counter[Owner] = Counter()
        self._all = 0
        self._lock = threading.Lock()

    def take(self, owner: Owner, count: int = 1) -> None:
        """Raises OSError(EMFILE) when that would be too many."""
        with self._lock:
            if self._all + count > self._most or self._held[owner] + count > self._most // 4:
                raise OSError(errno.EMFILE, "too many open files")
            self._all += count
            self._held[owner] += count

    def give_back(self, owner: Owner, count: int = 1) -> None:
        with self._lock:
            self._all -= count
            self._held[owner] -= count
            if self._held[owner] <= 0:
                del self._held[owner]

    def __len__(self) -> int:
        return self._all


def descriptors_of(node: Node) -> Descriptors:
    """The count of a node."""
    found: Descriptors = node.resources.setdefault("@descriptors", Descriptors())
    return found
