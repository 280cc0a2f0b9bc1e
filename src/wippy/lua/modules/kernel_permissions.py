"""The permissions that the kernel's own modules check (spec 03, spec 05 §11); `core.py` says which function asks which.

The kernel gets them when a shard is made and can check nothing else (kernel/permissions.lua).
"""

from __future__ import annotations

from wippy.core.errors import INVALID
from wippy.lua.modules.declare import Permission


def _of_process(action: str, resource: str, denial: str) -> Permission:
    return Permission(action, resource, denial, attributes=("pid",))


SEND = _of_process("process.send", "dest", "not allowed to send: {resource}")
CANCEL = _of_process("process.cancel", "dest", "not allowed to cancel: {resource}")
TERMINATE = _of_process("process.terminate", "dest", "not allowed to terminate: {resource}")
MONITOR = _of_process("process.monitor", "dest", "not allowed to monitor: {resource}")
UNMONITOR = _of_process("process.unmonitor", "dest", "not allowed to unmonitor: {resource}")
LINK = _of_process("process.link", "dest", "not allowed to link: {resource}")
UNLINK = _of_process("process.unlink", "dest", "not allowed to unlink: {resource}")

SPAWN = _of_process("process.spawn", "id", "not allowed to spawn process: {resource}")
SPAWN_MONITORED = _of_process("process.spawn.monitored", "id", "not allowed to spawn monitored process: {resource}")
SPAWN_LINKED = _of_process("process.spawn.linked", "id", "not allowed to spawn linked process: {resource}")
HOST = _of_process("process.host", "host", "not allowed to spawn on host: {resource}")
EXEC = _of_process("process.exec", "id", "not allowed to exec process: {resource}")

PROCESS_CONTEXT = Permission(
    "process.context", denial="not allowed: process.context", raises=True, fixed="context", attributes=("pid",)
)
PROCESS_SECURITY = Permission(
    "process.security", denial="not allowed: process.security", raises=True, fixed="security", attributes=("pid",)
)

_REGISTER, _UNREGISTER = "not allowed to register: {resource}", "not allowed to unregister: {resource}"
SCOPES = ("", ".eventual", ".consistent", ".strong")
REGISTER = tuple(_of_process(f"process.registry.register{scope}", "name", _REGISTER) for scope in SCOPES)
UNREGISTER = tuple(_of_process(f"process.registry.unregister{scope}", "name", _UNREGISTER) for scope in SCOPES)
FOREIGN = _of_process("process.registry.foreign", "pid", "not allowed to register foreign process: {resource}")

CALL = Permission("funcs.call", "id")
CALL_CONTEXT = Permission("funcs.context", denial="not allowed: funcs.context", fixed="context")
CALL_SECURITY = Permission("funcs.security", denial="not allowed: funcs.security", fixed="security")
NETWORK = Permission("network.select", "network", "not allowed to select network: {resource}")

EVENT_SEND = Permission("events.send", "system", "not allowed to send events to system: {resource}", INVALID)
EVENT_SUBSCRIBE = Permission(
    "events.subscribe", "system", "not allowed to subscribe to events from system: {resource}", INVALID
)

KERNEL_PERMISSIONS = (
    SEND, CANCEL, TERMINATE, MONITOR, UNMONITOR, LINK, UNLINK,
    SPAWN, SPAWN_MONITORED, SPAWN_LINKED, HOST, EXEC,
    PROCESS_CONTEXT, PROCESS_SECURITY, *REGISTER, *UNREGISTER, FOREIGN,
    CALL, CALL_CONTEXT, CALL_SECURITY, NETWORK, EVENT_SEND, EVENT_SUBSCRIBE,
)  # fmt: skip
