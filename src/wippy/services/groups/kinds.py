"""The kind `pg.scope` (spec 03 §9), and how changes of its groups reach the shards."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Annotated

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.compute.pids import STRIDE
from wippy.core.config import Duration, duration
from wippy.core.errors import internal
from wippy.lua.wire import encode_list
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.groups.scope import Change, GroupScope, Limits

if TYPE_CHECKING:
    from wippy.compute.node import Node

GROUPS = "@groups"
Count = Annotated[int, msgspec.Meta(ge=0)]


class ScopeConfig(msgspec.Struct, frozen=True):
    """What concerns other nodes and queues between them is accepted and has no effect on one node."""

    protocol_timeout: Duration = duration("5s")
    """Accepted: there is one node."""
    broadcast_timeout: Duration = duration("5s")
    """Accepted: there is one node."""
    anti_entropy_interval: Duration = duration("30s")
    """Accepted: there is one node."""
    circuit_breaker_failures: Count = 3
    """Accepted: there is one node."""
    circuit_breaker_reset_time: Duration = duration("10s")
    """Accepted: there is one node."""
    max_retries: Count = 3
    """Accepted: there is one node."""
    retry_base_delay: Duration = duration("100ms")
    """Accepted: there is one node."""
    retry_max_delay: Duration = duration("1s")
    """Accepted: there is one node."""
    action_queue_size: Count = 256
    """Accepted: there is one node."""
    action_queue_max_size: Count = 1024
    """Accepted: there is one node."""
    monitor_buffer: Count = 64
    """Accepted: there is one node."""
    max_groups: Count = 0
    """How many groups may have members; 0: any number."""
    max_members_per_group: Count = 0
    """How many members each may have; 0: any number."""
    lifecycle: Lifecycle = Lifecycle()
    """When it runs."""

    @property
    def limits(self) -> Limits:
        return Limits(self.max_groups, self.max_members_per_group)


class Groups:
    """The scopes of a node, and the changes that shards have not been told yet."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.scopes: dict[str, GroupScope] = {}
        self._changes: collections.deque[Change] = collections.deque()

    def find(self, scope_id: str) -> GroupScope:
        """Raises Error(Internal) for what is no scope."""
        found = self.scopes.get(scope_id)
        if found is None:
            raise internal(f"pg scope not found: {scope_id}")
        return found

    def note(self, change: Change) -> None:
        """Takes note of a change, on any thread; the shards hear of it from the loop's, in order."""
        self._changes.append(change)
        if len(self._changes) == 1:
            self._node.loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        while self._changes:
            change = self._changes.popleft()
            self._tell_subscriptions(change)
            group = change.group.decode("utf-8", "replace")
            pids = [pid.decode("utf-8", "replace") for pid in change.pids]
            self._node.bus.publish("pg", change.kind, group, {"Group": group, "PIDs": pids})

    def _tell_subscriptions(self, change: Change) -> None:
        body = encode_list([change.kind, change.group, change.pids])
        for number in change.subscriptions:
            self._node.post(self._node.shards[number % STRIDE], "tell", b"pg", number, body)

    def end(self, scope: GroupScope) -> None:
        """Closes the subscriptions of a scope that is no longer there."""
        for number in scope.close():
            self._node.post(self._node.shards[number % STRIDE], "tell", b"pg", number, None)


def groups_of(node: Node) -> Groups:
    """The node's process groups."""
    found = node.resources.get(GROUPS)
    if found is None:
        found = node.resources[GROUPS] = Groups(node)
    groups: Groups = found
    return groups


class _Service:
    """A scope under supervision: there is nothing to run, others may require it."""

    async def start(self) -> str:
        return "process groups ready"

    async def stop(self) -> None:
        """Its groups are there until the entry goes: processes that stop later still leave them."""


class ScopeHandler(KindHandler[ScopeConfig]):
    """A scope of process groups."""

    kind = "pg.scope"
    config = ScopeConfig

    def __init__(self, node: Node) -> None:
        self._node = node
        self._groups = groups_of(node)

    async def add(self, entry: Entry, config: ScopeConfig) -> None:
        name = str(entry.id)
        self._node.supervisor.add(name, _Service(), config.lifecycle)
        scope = GroupScope(config.limits, self._groups.note)
        self._groups.scopes[name] = self._node.resources[name] = scope

    async def update(self, entry: Entry, config: ScopeConfig, previous: Entry) -> None:
        """Members stay; new limits count for later joins."""
        name = str(entry.id)
        self._groups.find(name).limits = config.limits
        self._node.supervisor.change(name, config.lifecycle)

    async def remove(self, entry: Entry) -> None:
        name = str(entry.id)
        scope = self._groups.scopes.pop(name)
        self._node.retired.retire(name, lambda: self._groups.end(scope))

    async def restore(self, entry: Entry, config: ScopeConfig) -> None:
        name = str(entry.id)
        self._groups.scopes[name] = self._node.retired.revive(name)
