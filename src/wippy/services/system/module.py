"""The guest module `system` (spec 03 §15, 04b §20): the node, its processes and services, memory, locks. Numbers that a
guest receives are floats."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.compute.capacity import UNLIMITED
from wippy.compute.introspection import Introspection, ProcessInfo, ServiceInfo, service_info
from wippy.core.errors import INVALID, internal, invalid, not_found
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module, Permission
from wippy.services.system import memory
from wippy.services.system.locks import Locks

if TYPE_CHECKING:
    from wippy.compute.node import Node


def _read(resource: str) -> Permission:
    return Permission(
        "system.read", denial="permission denied: system.read on {resource}", kind=INVALID, fixed=resource
    )


def _control(resource: str) -> Permission:
    denial = "permission denied: system.control on {resource}"
    return Permission("system.control", denial=denial, kind=INVALID, fixed=resource)


def _collector(resource: str) -> Permission:
    return Permission("system.gc", denial="permission denied: system.gc on {resource}", kind=INVALID, fixed=resource)


EXIT = Permission("system.exit", denial="permission denied: system.exit", kind=INVALID)
LOCK = Permission("system.lock", "name", "permission denied: system.lock on {resource}")

READ_PROCS, CONTROL_PROCS = _read("gomaxprocs"), _control("gomaxprocs")


def module(node: Node) -> Module:
    """The declaration of `system` for a node."""
    system = Module(
        "system",
        "The node that runs the caller: memory, collector, hosts, processes, services, locks, exit.",
        classes=("process", "nondeterministic"),
        source=Path(__file__).with_suffix(".lua"),
    )
    _declare_node(system, node)
    _declare_memory(system, node)
    _declare_collector(system, node)
    _declare_runtime(system, node)
    _declare_hosts(system, node)
    _declare_services(system, node)
    _declare_cluster(system, node)
    _declare_locks(system)
    return system


def _declare_node(system: Module, node: Node) -> None:
    @system.function("exit(code: integer?) -> boolean", yields=True, permission=EXIT)
    async def exit(code: int | None = None) -> bool:
        """Asks the runtime to end in order, with this exit code (0); later calls only change the code."""
        node.exit(code or 0)
        return True

    @system.function("modules() -> {table}", yields=True, permission=_read("modules"))
    async def modules() -> list[dict[str, Any]]:
        """The modules a guest can list: {name, description, class = {...}}, by name."""
        found = sorted(node.declared_modules(), key=lambda m: m.name)
        return [{"name": m.name, "description": m.summary, "class": list(m.classes)} for m in found]

    @system.function("process.pid() -> number", permission=_read("pid"))
    def pid() -> float:
        """The number of the OS process."""
        return float(os.getpid())

    @system.function("process.hostname() -> string", permission=_read("hostname"))
    def hostname() -> str:
        """The name of the machine."""
        return socket.gethostname()

    @system.function("process.cwd() -> string", permission=_read("cwd"))
    def cwd() -> str:
        """The directory the runtime was started in. Internal when it is gone."""
        try:
            return str(Path.cwd())
        except OSError as e:
            raise internal(f"cannot tell the working directory: {e.strerror}") from None


def _declare_memory(system: Module, node: Node) -> None:
    @system.function("memory.stats() -> table", permission=_read("memory"))
    def stats() -> Any:
        """Bytes and counts: alloc, total_alloc, sys, heap_alloc, heap_sys, heap_idle, heap_in_use, heap_released,
        heap_objects, stack_in_use, stack_sys, mspan_in_use, mspan_sys, num_gc, next_gc."""
        return _floats(memory.stats(node))

    @system.function("memory.allocated() -> number", permission=_read("memory"))
    def allocated() -> float:
        """Bytes that guests and the kernel use."""
        return float(memory.allocated(node))

    @system.function("memory.heap_objects() -> number", permission=_read("memory"))
    def heap_objects() -> float:
        """About how many objects there are."""
        return float(memory.heap_objects(node))

    @system.function("memory.set_limit(bytes: integer?) -> number", yields=True, permission=_control("memory_limit"))
    async def set_limit(limit: int | None = None) -> float:
        """Sets how many bytes each Lua state may use, -1 for no limit, and gives the previous limit. What the runtime
        itself needs, 32 MiB, is always granted. Invalid without a number or below -1."""
        if limit is None or limit < -1:
            raise invalid("memory limit must be -1 (unlimited) or a number of bytes")
        return float(node.capacity.set_memory(min(limit, UNLIMITED), node.shards))

    @system.function("memory.get_limit() -> number", permission=_read("memory_limit"))
    def get_limit() -> float:
        """Bytes each Lua state may use; -1 when there is no limit."""
        return float(node.capacity.memory)


def _declare_collector(system: Module, node: Node) -> None:
    @system.function("gc.collect() -> boolean", yields=True, permission=_collector("gc"))
    async def collect() -> bool:
        """Collects all garbage now."""
        await asyncio.gather(*(node.ask(shard, "collect") for shard in node.shards))
        return True

    @system.function("gc.set_percent(percent: integer?) -> number", yields=True, permission=_collector("gc_percent"))
    async def set_percent(percent: int | None = None) -> float:
        """Sets how much garbage, in percent of what is in use, makes a collection begin; gives the previous value."""
        if percent is None:
            raise invalid("percent is required")
        return float(node.capacity.set_collector_percent(percent, node.shards))

    @system.function("gc.get_percent() -> number", permission=_read("gc_percent"))
    def get_percent() -> float:
        """The percentage; 100 unless it was set."""
        return float(node.capacity.collector_percent)


def _declare_runtime(system: Module, node: Node) -> None:
    @system.function("runtime.goroutines() -> number", permission=_read("goroutines"))
    def goroutines() -> float:
        """How many processes, calls and operations are alive, the event loop among them."""
        return float(1 + sum(shard.live for shard in node.shards) + node.operations)

    @system.function("runtime.cpu_count() -> number", permission=_read("cpu"))
    def cpu_count() -> float:
        """The logical processors of the machine."""
        return float(os.cpu_count() or 1)

    @system.function(
        "runtime.max_procs(count: integer?) -> number", yields=True, caller=True, asks=(READ_PROCS, CONTROL_PROCS)
    )
    async def max_procs(caller: Caller, count: int | None = None) -> float:
        """The most threads that hosts may run processes on; a count sets it for hosts that start from now on and gives
        the previous value. Invalid unless it is above 0."""
        before = node.capacity.threads
        if count is None:
            caller.require(READ_PROCS)
            return float(before)
        caller.require(CONTROL_PROCS)
        if count <= 0:
            raise invalid("max_procs must be greater than 0")
        node.capacity.threads = min(count, memory.MOST_THREADS)
        return float(before)


def _declare_hosts(system: Module, node: Node) -> None:
    look = Introspection(node)

    @system.function("hosts.list() -> {table}", yields=True, permission=_read("hosts"))
    async def hosts() -> Any:
        """The process hosts: {id, workers, processes, executed, stolen, queue_depth}."""
        return _floats(msgspec.to_builtins(await look.hosts()))

    @system.function("hosts.processes(id: string) -> {table}", yields=True, permission=_read("hosts"))
    async def processes(host: str) -> Any:
        """The processes of a host: {pid, host, source, state, steps, started_at (ns), parent?, actor_id?, stats =
        {subscriptions, threads, channels}}, and cpu (seconds), mailbox, name?, limits?. Invalid for "", NotFound for
        what is no host."""
        if not host:
            raise invalid("host id is required")
        if host not in look.host_ids():
            raise not_found(f"host not found: {host}")
        return [_process(info) for info in await look.processes(host)]

    @system.function("hosts.exceeded() -> table", yields=True, permission=_read("hosts"))
    async def exceeded() -> Any:
        """How often each limit has ended a process or a call: {mailbox = 2}."""
        return _floats(await look.exceeded())


def _process(info: ProcessInfo) -> dict[str, Any]:
    shown = {
        "pid": info.pid,
        "host": info.host,
        "source": info.entry,
        "state": info.state,
        "steps": info.steps,
        "started_at": info.started_at,
        "parent": info.parent,
        "actor_id": info.actor,
        "stats": {"subscriptions": info.subscriptions, "threads": info.threads, "channels": info.channels},
        "cpu": info.cpu,
        "mailbox": info.mailbox,
        "name": info.name,
        "limits": info.limits,
    }
    return {key: _floats(value) for key, value in shown.items() if value is not None}


def _declare_services(system: Module, node: Node) -> None:
    @system.function("supervisor.state(id: string) -> table", yields=True, permission=_read("supervisor"))
    async def state(service: str) -> Any:
        """One service: {id, status, desired, retry_count, last_update (ns), started_at (ns), details?}. Invalid for "",
        Internal for an unknown one."""
        if not service:
            raise invalid("service id is required")
        found = node.supervisor.state(service)
        if found is None:
            raise internal(f"service not found: {service}")
        return _service(service_info(found))

    @system.function("supervisor.states() -> {table}", yields=True, permission=_read("supervisor"))
    async def states() -> Any:
        """All services, as `state` gives them, by id."""
        return [_service(service) for service in Introspection(node).services()]


def _service(service: ServiceInfo) -> dict[str, Any]:
    shown = dict(_floats(msgspec.to_builtins(service)))
    if not service.details:
        del shown["details"]
    return shown


def _declare_cluster(system: Module, node: Node) -> None:
    """A node on its own: a cluster of one, without consensus."""

    @system.function("node.id() -> string", permission=_read("node"))
    def node_id() -> str:
        """The name of this node."""
        return node.name

    @system.function("node.addr() -> string", permission=_read("node"))
    def addr() -> str:
        """Its address among the members. Internal without a cluster."""
        raise internal("membership not available")

    @system.function("node.role() -> string", permission=_read("node"))
    def role() -> str:
        """leader, voter, standby or non-member."""
        return "non-member"

    @system.function("cluster.members() -> {table}", permission=_read("cluster"))
    def members() -> list[dict[str, Any]]:
        """The nodes, this one first: {id, is_local, addr?, meta?}."""
        return [{"id": node.name, "is_local": True}]

    @system.function("cluster.leader() -> string", permission=_read("cluster"))
    def leader() -> str:
        """The id of the leader; "" when there is none."""
        return ""

    @system.function("cluster.size() -> number", permission=_read("cluster"))
    def size() -> float:
        """How many nodes there are."""
        return 1.0

    raft = {
        "is_leader() -> boolean": "Whether this node leads.",
        "is_member() -> boolean": "Whether it takes part in the consensus.",
        "role() -> string": "Its part in the consensus.",
        "term() -> number": "The current term.",
        "commit_index() -> number": "The last committed index.",
        "stats() -> table": "Figures of the consensus.",
    }
    for signature, summary in raft.items():
        permission = _read("raft_stats" if signature.startswith("stats") else "raft")
        system.function(f"raft.{signature}", permission=permission)(_without_raft(summary))


def _without_raft(summary: str) -> Any:
    def unavailable() -> None:
        raise internal("raft not available")

    unavailable.__doc__ = f"{summary} Internal on a node on its own."
    return unavailable


def _declare_locks(system: Module) -> None:
    locks = Locks()
    system.in_lua(
        {
            "lock.acquire(name: string) -> boolean": "Takes a lock for the calling process, until it gives it back or "
            "ends; never waits. false and AlreadyExists when another process holds it; true again for its holder.",
            "lock.release(name: string) -> boolean": "Gives a lock back; false when the caller does not hold it.",
        },
        permissions={"lock.acquire": (LOCK,), "lock.release": (LOCK,)},
    )

    @system.function("acquire_lock(name: bytes, pid: bytes) -> boolean", private=True)
    def acquire(name: bytes, pid: bytes) -> bool:
        return locks.acquire(name, pid)

    @system.function("release_lock(name: bytes, pid: bytes) -> boolean", private=True)
    def release(name: bytes, pid: bytes) -> bool:
        return locks.release(name, pid)

    @system.function("release_all_locks(pid: bytes) -> boolean", private=True)
    def release_all(pid: bytes) -> bool:
        locks.release_all(pid)
        return True


def _floats(value: Any) -> Any:
    """Numbers of this module are floats (spec 04b §20)."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
