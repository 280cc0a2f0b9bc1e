"""The groups of one scope: who is a member how often, and who wants to hear of changes.

Names and PIDs are the bytes that guests use. Shards on threads call in, so every method is one step under a lock: what
a new subscription is told of the present and the changes it hears of fit together without gap or overlap.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from wippy.core.errors import RATE_LIMITED, Error, not_found

JOINED, LEFT = "member.joined", "member.left"


class Limits(NamedTuple):
    """0 means unlimited."""

    groups: int = 0
    members: int = 0


class Change(NamedTuple):
    """`pids` joined or left `group`, each as often as it stands there; `subscriptions` were there at that moment."""

    kind: str
    group: bytes
    pids: tuple[bytes, ...]
    subscriptions: tuple[int, ...]


class GroupScope:
    """One namespace of groups. `tell` is called with every change, in the order in which they happened, under the
    lock: it must only take note."""

    def __init__(self, limits: Limits, tell: Callable[[Change], None]) -> None:
        self.limits = limits
        self._tell = tell
        self._lock = threading.Lock()
        self._members: dict[bytes, Counter[bytes]] = {}
        self._joined: dict[bytes, Counter[bytes]] = {}
        self._subscriptions: dict[int, bytes | None] = {}

    # Membership ----------------------------------------

    def join(self, pid: bytes, groups: Sequence[bytes]) -> None:
        """One membership more in each group, or none at all. Raises Error(RateLimited)."""
        wanted = Counter(groups)
        with self._lock:
            self._check(wanted)
            for group, times in wanted.items():
                self._members.setdefault(group, Counter())[pid] += times
                self._joined.setdefault(pid, Counter())[group] += times
                self._change(JOINED, group, pid, times)

    def _check(self, wanted: Counter[bytes]) -> None:
        most_groups, most_members = self.limits
        fresh = sum(1 for group in wanted if group not in self._members)
        if most_groups and len(self._members) + fresh > most_groups:
            raise Error(RATE_LIMITED, f"pg: too many groups (limit {most_groups})", True)
        for group, times in wanted.items() if most_members else ():
            if self._members.get(group, Counter[bytes]()).total() + times > most_members:
                shown = group.decode("utf-8", "replace")
                raise Error(RATE_LIMITED, f"pg: too many members in group {shown} (limit {most_members})", True)

    def leave(self, pid: bytes, groups: Sequence[bytes]) -> None:
        """One membership less in each group of which it is a member. Raises Error(NotFound) when that is none."""
        with self._lock:
            joined = self._joined.get(pid, Counter[bytes]())
            found = {group: min(times, joined[group]) for group, times in Counter(groups).items() if group in joined}
            if not found:
                raise not_found("pg: process not joined in group")
            for group, times in found.items():
                self._drop(pid, group, times)

    def exit(self, pid: bytes) -> None:
        """The process has ended: it leaves everything."""
        with self._lock:
            for group, times in list(self._joined.get(pid, Counter[bytes]()).items()):
                self._drop(pid, group, times)

    def _drop(self, pid: bytes, group: bytes, times: int) -> None:
        for counted, by, key in ((self._members, group, pid), (self._joined, pid, group)):
            left = counted[by]
            left[key] -= times
            if not left[key]:
                del left[key]
            if not left:
                del counted[by]
        self._change(LEFT, group, pid, times)

    def _change(self, kind: str, group: bytes, pid: bytes, times: int) -> None:
        heard = tuple(number for number, wanted in self._subscriptions.items() if wanted in (None, group))
        self._tell(Change(kind, group, (pid,) * times, heard))

    # Looking ----------------------------------------

    def members(self, group: bytes) -> list[bytes]:
        """The members, each as often as it joined; empty for an unknown group."""
        with self._lock:
            return self._listed(group)

    def groups(self) -> list[bytes]:
        """The groups that have members."""
        with self._lock:
            return list(self._members)

    def _listed(self, group: bytes) -> list[bytes]:
        return list(self._members.get(group, Counter[bytes]()).elements())

    # Subscriptions ----------------------------------------

    def monitor(self, number: int, group: bytes) -> list[bytes]:
        """Subscribes to one group; its members now."""
        with self._lock:
            self._subscriptions[number] = group
            return self._listed(group)

    def watch(self, number: int) -> dict[bytes, list[bytes]]:
        """Subscribes to all groups; their members now."""
        with self._lock:
            self._subscriptions[number] = None
            return {group: self._listed(group) for group in self._members}

    def unsubscribe(self, number: int) -> None:
        with self._lock:
            self._subscriptions.pop(number, None)

    def close(self) -> Iterable[int]:
        """Ends the scope: the subscriptions that are left."""
        with self._lock:
            self._members.clear()
            self._joined.clear()
            left, self._subscriptions = self._subscriptions, {}
            return left
