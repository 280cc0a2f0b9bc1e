"""The guest module `pg` (spec 03 §9): what module.lua asks of the node's groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wippy.lua.modules.declare import Module, Permission
from wippy.services.groups.kinds import groups_of

if TYPE_CHECKING:
    from wippy.compute.node import Node


def _of_group(action: str, denial: str) -> Permission:
    return Permission(f"pg.{action}", "group", f"not allowed to {denial}: {{resource}}")


OPEN = Permission("pg.open", "scope", "not allowed to open process groups: {resource}")
JOIN = _of_group("join", "join group")
LEAVE = _of_group("leave", "leave group")
MEMBERS = _of_group("get_members", "list members of group")
LOCAL_MEMBERS = _of_group("get_local_members", "list local members of group")
BROADCAST = _of_group("broadcast", "broadcast to group")
BROADCAST_LOCAL = _of_group("broadcast_local", "broadcast to local members of group")
MONITOR = _of_group("monitor", "monitor group")
WHICH = Permission("pg.which_groups", denial="not allowed to list groups")
WHICH_LOCAL = Permission("pg.which_local_groups", denial="not allowed to list local groups")
EVENTS = Permission("pg.events", denial="not allowed to watch groups")


def module(node: Node) -> Module:
    """The declaration of `pg` for a node."""
    pg = Module(
        "pg",
        "Process groups: members by name, broadcasts, and news of who joins and leaves.",
        classes=("process", "nondeterministic"),
        source=Path(__file__).with_suffix(".lua"),
    )
    pg.in_lua(_IN_LUA, _HANDLES_IN_LUA, _PERMISSIONS)
    _declare_membership(pg, node)
    _declare_subscriptions(pg, node)
    return pg


def _declare_membership(pg: Module, node: Node) -> None:
    groups = groups_of(node)

    @pg.function("find(scope: string) -> boolean", private=True)
    def find(scope: str) -> bool:
        """Whether there is such a scope; raises when there is none."""
        return groups.find(scope) is not None

    @pg.function("join(scope: string, pid: bytes, groups: any) -> boolean", private=True)
    def join(scope: str, pid: bytes, names: Sequence[str | bytes]) -> bool:
        groups.find(scope).join(pid, [_name(name) for name in names])
        return True

    @pg.function("leave(scope: string, pid: bytes, groups: any) -> boolean", private=True)
    def leave(scope: str, pid: bytes, names: Sequence[str | bytes]) -> bool:
        groups.find(scope).leave(pid, [_name(name) for name in names])
        return True

    @pg.function("members(scope: string, group: bytes) -> {string}", private=True)
    def members(scope: str, group: bytes) -> list[bytes]:
        return groups.find(scope).members(group)

    @pg.function("groups(scope: string) -> {string}", private=True)
    def names(scope: str) -> list[bytes]:
        return groups.find(scope).groups()

    @pg.function("exit(pid: bytes) -> boolean", private=True)
    def exit(pid: bytes) -> bool:
        """A process has ended."""
        for scope in list(groups.scopes.values()):
            scope.exit(pid)
        return True


def _declare_subscriptions(pg: Module, node: Node) -> None:
    groups = groups_of(node)

    @pg.function("monitor(scope: string, number: integer, group: bytes) -> {string}", private=True)
    def monitor(scope: str, number: int, group: bytes) -> list[bytes]:
        return groups.find(scope).monitor(number, group)

    @pg.function("watch(scope: string, number: integer) -> table", private=True)
    def watch(scope: str, number: int) -> dict[bytes, list[bytes]]:
        return groups.find(scope).watch(number)

    @pg.function("unsubscribe(scope: string, number: integer) -> boolean", private=True)
    def unsubscribe(scope: str, number: int) -> bool:
        found = groups.scopes.get(scope)
        if found is not None:
            found.unsubscribe(number)
        return True


def _name(group: str | bytes) -> bytes:
    return group.encode() if isinstance(group, str) else group


_IN_LUA = {"open(scope: string) -> Instance": "The groups of a `pg.scope`. Internal when there is no such entry."}
_HANDLES_IN_LUA = {
    "Instance": {
        "join(group: string | {string}) -> boolean": "Makes the calling process a member, once more for each join; all "
        "groups of a list or none. (yields)",
        "leave(group: string | {string}) -> boolean": "Takes one membership back. (yields)",
        "get_members(group: string) -> {string}": "PIDs, each as often as it joined. (yields)",
        "get_local_members(group: string) -> {string}": "Those on this node. (yields)",
        "which_groups() -> {string}": "The groups that have members. (yields)",
        "which_local_groups() -> {string}": "Those with members on this node. (yields)",
        "broadcast(group: string, topic: string, ...any) -> boolean": "Sends a message to every member, from the "
        "caller. (yields)",
        "broadcast_local(group: string, topic: string, ...any) -> boolean": "To those on this node. (yields)",
        "monitor(group: string) -> Subscription": "News of one group; its members now are the second value, an error "
        "the third. (yields)",
        "events() -> Subscription": "News of all groups; {group = {pid, ...}} is the second value, an error the third. "
        "(yields)",
        "release() -> boolean": "Gives it back; memberships and subscriptions stay.",
    },
    "Subscription": {
        "channel() -> Channel": "Delivers {system, kind, path, data = {Group, PIDs}}.",
        "close(options: {flush: boolean}?) -> boolean": "Ends it; `flush` drops what was not received yet.",
    },
}
_PERMISSIONS = {
    "open": (OPEN,),
    "Instance.join": (JOIN,),
    "Instance.leave": (LEAVE,),
    "Instance.get_members": (MEMBERS,),
    "Instance.get_local_members": (LOCAL_MEMBERS,),
    "Instance.which_groups": (WHICH,),
    "Instance.which_local_groups": (WHICH_LOCAL,),
    "Instance.broadcast": (BROADCAST,),
    "Instance.broadcast_local": (BROADCAST_LOCAL,),
    "Instance.monitor": (MONITOR,),
    "Instance.events": (EVENTS,),
}
