"""The modules that the kernel itself implements (kernel/*.lua), declared for documentation and the linter.

`KernelModule` declares names, types and summaries only: nothing here is bound, and a guest gets these modules from the
kernel. The test beside it checks that every declared name exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wippy.lua.modules import kernel_permissions as may
from wippy.lua.modules.declare import Module, Permission


class KernelModule(Module):
    """A declaration without implementations. `is_global`: guests see it without `require`."""

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        classes: tuple[str, ...] = (),
        constants: dict[str, Any] | None = None,
        functions: Mapping[str, str] | None = None,
        handles: Mapping[str, Mapping[str, str]] | None = None,
        permissions: Mapping[str, tuple[Permission, ...]] | None = None,
        is_global: bool = False,
    ) -> None:
        super().__init__(name, summary, classes=classes, constants=constants)
        self.is_global = is_global
        self.in_lua(functions or {}, handles, permissions)


_SPAWNS = {
    "spawn(id: string, host: string, ...any) -> string": "Starts a process; its PID. (yields)",
    "spawn_monitored(id: string, host: string, ...any) -> string": "Starts a process and watches it: EXIT. (yields)",
    "spawn_linked(id: string, host: string, ...any) -> string": "Starts a process linked both ways. (yields)",
    "spawn_linked_monitored(id: string, host: string, ...any) -> string": "Starts it linked and watched. (yields)",
}

_SPAWN_PERMISSIONS = {
    "spawn": (may.SPAWN, may.HOST),
    "spawn_monitored": (may.SPAWN, may.SPAWN_MONITORED),
    "spawn_linked": (may.SPAWN, may.SPAWN_LINKED),
    "spawn_linked_monitored": (may.SPAWN, may.SPAWN_MONITORED, may.SPAWN_LINKED),
}
_OPTIONS_PERMISSIONS = (may.PROCESS_CONTEXT, may.NETWORK.raising())

PROCESS = KernelModule(
    "process",
    "Processes: identity, messages, spawning, control, names.",
    classes=("process", "nondeterministic"),
    is_global=True,
    constants={
        "event": {
            "CANCEL": "pid.cancel",
            "EXIT": "pid.exit",
            "LINK_DOWN": "pid.link.down",
            "OUTDATED": "pid.outdated",
        },
    },
    functions={
        "id() -> string": "The registry id of what runs.",
        "pid() -> string": "The own PID.",
        "send(dest: string, topic: string, ...any) -> boolean": "Sends a message to a PID or a name. (yields)",
        **_SPAWNS,
        "exec(id: string, host: string, ...any) -> any": "Runs a process to its end; its result. (yields)",
        "cancel(dest: string, reason: string?) -> boolean": "Delivers a CANCEL event. (yields)",
        "terminate(dest: string) -> boolean": "Ends a process by force. (yields)",
        "monitor(dest: string) -> boolean": "Watches a process: EXIT. (yields)",
        "unmonitor(dest: string) -> boolean": "Stops watching. (yields)",
        "link(dest: string) -> boolean": "Ties two processes together. (yields)",
        "unlink(dest: string) -> boolean": "Unties them. (yields)",
        "get_options() -> {trap_links: boolean, upgradable: boolean}": "The process's options.",
        "set_options(options: table) -> boolean": "Changes options.",
        "inbox() -> Channel": "The channel of messages that no listener takes.",
        "events() -> Channel": "The channel of EXIT, LINK_DOWN and CANCEL events.",
        "listen(topic: string, options: {message: boolean}?) -> Channel": "A channel of its own for a topic.",
        "unlisten(channel: Channel) -> boolean": "Ends a subscription and closes its channel.",
        "with_context(values: table) -> Spawner": "A spawner whose processes see these context values.",
        "with_options(options: table) -> Spawner": "A spawner with options.",
        "upgrade(id: string?, ...any)": "Goes on with new code under the same PID, names, relations and mail. (yields)",
        "registry.register(name: string, pid: string?, scope: number?) -> boolean": "Gives a process a name.",
        "registry.lookup(name: string) -> string": "The PID that has a name.",
        "registry.unregister(name: string, scope: number?) -> boolean": "Frees a name.",
    },
    handles={
        "Message": {
            "topic() -> string": "The topic it was sent to.",
            "from() -> string": "The sender's PID.",
            "payload() -> Payload": "What it carries; a list when it carries several.",
        },
        "Spawner": {
            "with_context(values: table) -> Spawner": "Another spawner, with more context values.",
            "with_options(options: table) -> Spawner": "Another spawner, with more options.",
            "with_actor(actor: Actor) -> Spawner": "Another spawner, whose processes act as an actor.",
            "with_scope(scope: Scope) -> Spawner": "Another spawner, whose processes act within a scope.",
            "with_name(name: string) -> Spawner": "Another spawner, whose process gets a name; who has it already is "
            "sent the messages instead.",
            "with_message(topic: string, ...any) -> Spawner": "Another spawner, whose process finds a message waiting.",
            **_SPAWNS,
            "exec(id: string, host: string, ...any) -> any": "Runs a process to its end; its result. (yields)",
        },
    },
    permissions={
        "send": (may.SEND,),
        **_SPAWN_PERMISSIONS,
        "exec": (may.EXEC, may.HOST),
        "cancel": (may.CANCEL,),
        "terminate": (may.TERMINATE,),
        "monitor": (may.MONITOR,),
        "unmonitor": (may.UNMONITOR,),
        "link": (may.LINK,),
        "unlink": (may.UNLINK,),
        "with_context": (may.PROCESS_CONTEXT,),
        "with_options": _OPTIONS_PERMISSIONS,
        "registry.register": (*may.REGISTER, may.FOREIGN),
        "registry.unregister": may.UNREGISTER,
        "Spawner.with_context": (may.PROCESS_CONTEXT, may.PROCESS_SECURITY),
        "Spawner.with_options": _OPTIONS_PERMISSIONS,
        "Spawner.with_actor": (may.PROCESS_SECURITY,),
        "Spawner.with_scope": (may.PROCESS_SECURITY,),
        "Spawner.with_name": (may.REGISTER[0].raising(),),
        "Spawner.exec": (may.EXEC.raising(), may.HOST.raising()),
        "Spawner.spawn": (may.SPAWN.raising(),),
        **{
            f"Spawner.{name}": tuple(permission.raising() for permission in asked)
            for name, asked in _SPAWN_PERMISSIONS.items()
            if name != "spawn"
        },
    },
)

CHANNEL = KernelModule(
    "channel",
    "Channels between the coroutines of a process, and select.",
    classes=("deterministic",),
    is_global=True,
    functions={
        "new(capacity: number?) -> Channel": "A channel; without a capacity a rendezvous.",
        "select(cases: table, default: boolean?) -> {channel: Channel?, value: any, ok: boolean}": (
            "Waits for the first case, in order, that can go on. (yields)"
        ),
    },
    handles={
        "Channel": {
            "send(value: any) -> boolean": "Hands a value over; raises on a closed channel. (yields)",
            "receive() -> any": "The next value and true, or nil and false once closed and empty. (yields)",
            "close()": "No more values; those in the buffer can still be received.",
            "case_send(value: any) -> Case": "A case of select that sends.",
            "case_receive() -> Case": "A case of select that receives.",
        },
    },
)

COROUTINE = KernelModule(
    "coroutine",
    "Coroutines of Lua, and tasks of the process.",
    classes=("deterministic",),
    is_global=True,
    functions={
        "spawn(body: function) -> thread": "Runs a function as a task of its own. (yields)",
        "create(body: function) -> thread": "A coroutine.",
        "resume(thread: thread, ...any) -> boolean": "Runs a coroutine until it yields.",
        "yield(...any) -> any": "Suspends a coroutine; in a task, lets the others run. (yields)",
        "status(thread: thread) -> string": "running, suspended, normal or dead.",
        "running() -> thread": "The running coroutine.",
        "wrap(body: function) -> function": "A coroutine as a function.",
    },
)

FUNCS = KernelModule(
    "funcs",
    "Calling functions, at once or with a future.",
    classes=("nondeterministic",),
    functions={
        "call(id: string, ...any) -> any": "Calls a function; its first result. (yields)",
        "async(id: string, ...any) -> Future": "Starts a function.",
        "new() -> Executor": "An executor, to be given context and options.",
    },
    handles={
        "Executor": {
            "with_context(values: table) -> Executor": "Another executor, with more context values.",
            "with_options(options: table) -> Executor": "Another executor, with these options: `retry`, `timeout`, "
            "`network`.",
            "with_actor(actor: Actor) -> Executor": "Another executor, whose callees act as an actor.",
            "with_scope(scope: Scope) -> Executor": "Another executor, whose callees act within a scope.",
            "call(id: string, ...any) -> any": "As `funcs.call`. (yields)",
            "async(id: string, ...any) -> Future": "As `funcs.async`.",
        },
        "Future": {
            "response() -> Channel": "Delivers one Payload, or the error, and closes.",
            "channel() -> Channel": "The same as `response`.",
            "is_complete() -> boolean": "Whether the outcome is here.",
            "is_canceled() -> boolean": "Whether `cancel` was called.",
            "result() -> Payload": "The result, nil while pending, or nil and the error.",
            "error() -> any": "The error and true, or nil and false.",
            "cancel() -> boolean": "Gives up the call.",
        },
    },
    permissions={
        "call": (may.CALL,),
        "async": (may.CALL,),
        "Executor.with_context": (may.CALL_CONTEXT,),
        "Executor.with_actor": (may.CALL_SECURITY,),
        "Executor.with_scope": (may.CALL_SECURITY,),
        "Executor.with_options": (may.NETWORK,),
        "Executor.call": (may.CALL,),
        "Executor.async": (may.CALL,),
    },
)

CTX = KernelModule(
    "ctx",
    "The values a call inherits.",
    classes=("deterministic",),
    functions={
        "get(key: string) -> any": "A value. NotFound when it is not there.",
        "all() -> table": "All values.",
    },
)

PAYLOAD = KernelModule(
    "payload",
    "Values with a format.",
    classes=("encoding", "deterministic"),
    is_global=True,
    constants={
        "format": {
            "JSON": "json/plain",
            "YAML": "yaml/plain",
            "STRING": "text/plain",
            "BYTES": "application/octet-stream",
            "MSGPACK": "application/msgpack",
            "LUA": "lua/any",
            "GOLANG": "golang/any",
            "ERROR": "golang/error",
        },
    },
    functions={"new(value: any) -> Payload": "A payload with a copy of a Lua value."},
    handles={
        "Payload": {
            "get_format() -> string": "One of `payload.format`.",
            "data() -> any": "The Lua value.",
            "unmarshal() -> any": "The Lua value, decoded.",
        },
    },
)

EVENTS = KernelModule(
    "events",
    "The event bus.",
    classes=("nondeterministic",),
    functions={
        "send(system: string, kind: string, path: string, data: any) -> boolean": "Publishes an event. (yields)",
        "subscribe(system: string, kind: string?) -> Subscription": "Events that fit both patterns. (yields)",
    },
    handles={
        "Subscription": {
            "channel() -> Channel": "Delivers {system, kind, path, data}.",
            "close() -> boolean": "Ends it.",
        },
    },
    permissions={"send": (may.EVENT_SEND,), "subscribe": (may.EVENT_SUBSCRIBE,)},
)

ERRORS = KernelModule(
    "errors",
    "Structured errors.",
    classes=("deterministic",),
    is_global=True,
    constants={
        "NOT_FOUND": "NotFound",
        "ALREADY_EXISTS": "AlreadyExists",
        "INVALID": "Invalid",
        "PERMISSION_DENIED": "PermissionDenied",
        "UNAVAILABLE": "Unavailable",
        "INTERNAL": "Internal",
        "CANCELED": "Canceled",
        "CONFLICT": "Conflict",
        "TIMEOUT": "Timeout",
        "RATE_LIMITED": "RateLimited",
        "UNKNOWN": "",
    },
    functions={
        "new(spec: string | {message: string, kind: string?, retryable: boolean?, details: table?}) -> Error": (
            "Makes an error of a message, or of its parts."
        ),
        "wrap(parent: Error | string, context: Error | string) -> Error": "The same error with a context.",
        "is(value: any, kind: string) -> boolean": "Whether a value is an error of this kind.",
        "call_stack(value: any) -> table?": "Where an error was made.",
    },
    handles={
        "Error": {
            "message() -> string": "Its text.",
            "kind() -> string": 'One of the kinds, or "".',
            "retryable() -> boolean?": "Whether trying again may help; nil when unknown.",
            "details() -> table?": "A copy of its details.",
            "stack() -> string": "Contexts and places.",
        },
    },
)

OS = KernelModule(
    "os",
    "The time, as Lua has it.",
    classes=("time", "workflow"),
    is_global=True,
    constants={"platform": "wippy"},
    functions={
        "time(fields: table?) -> integer": "Unix seconds, now or of a date.",
        "date(format: string?, at: number?) -> string | table": "A time as text, or its fields for `*t`.",
        "clock() -> number": "Seconds since the runtime started.",
        "difftime(later: number, earlier: number?) -> number": "The difference in seconds.",
    },
)

KERNEL_MODULES = {
    module.name: module for module in (PROCESS, CHANNEL, COROUTINE, FUNCS, CTX, PAYLOAD, EVENTS, ERRORS, OS)
}
