"""A shard: one Lua state with the kernel loaded, and the calls across its boundary.

Rules of the boundary (kernel notes, items 6 and 8):
* Python pushes only integers, floats, booleans, None and bytes, after making room for them: a push that does not fit
  into lupa's memory limit would end the OS process.
* Python calls only the functions of the kernel's interface table, never from inside a primitive, and keeps no other Lua
  object.
* A shard belongs to one thread (its scheduler's); other threads post to its inbox.
"""

from __future__ import annotations

import collections
import functools
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import lupa.lua55 as lua55

from wippy.core.clock import Clock
from wippy.lua import payloads
from wippy.lua.bindings import Bindings, declared_permissions, failure
from wippy.lua.modules.kernel_permissions import KERNEL_PERMISSIONS
from wippy.lua.wire import decode, encode

log = logging.getLogger("wippy.lua")

KERNEL = Path(__file__).parent / "kernel"
FILES = (
    "errors", "copy", "wire", "boundary", "permissions", "host", "sandbox", "numbers", "strings", "patterns",
    "tables", "scheduler", "coroutines", "channel", "payload", "mailbox", "process", "relations", "names", "functions",
    "pools", "timers", "memory", "bus", "types", "type_values", "modules", "definitions", "contexts", "retry",
    "calls", "spawning", "signals", "spawner", "upgrade", "limits", "evaluation", "introspection", "guest",
    "funcs", "os", "interface",
)  # fmt: skip

MIB = 1 << 20
DEFAULT_MEMORY = 1024 * MIB
HARD_MARGIN = 64 * MIB
RESERVE = 256 * 1024

ANSWERED = ("ask", "call", "spawn")  # kernel calls whose first argument is the number of a REPLY

MOST_ARGUMENTS = 1000  # values pushed for the queued calls of one turn

OP, REPLY, CANCEL_OP, SIGNAL, LOG, EVENT, RELEASE, EXITED, FORGET, MESSAGE = range(1, 11)


class Request(NamedTuple):
    """What the kernel asks of the host: a code above, a number, and two values whose meaning depends on the code."""

    code: int
    number: int
    a: Any
    b: Any


class Names(Protocol):
    """The names of processes on a node with several shards. Called from the threads of all of them."""

    def lookup(self, name: bytes) -> bytes | None: ...
    def register(self, name: bytes, pid: bytes) -> bool: ...
    def unregister(self, name: bytes, pid: bytes) -> bool: ...


class ShardHost(Protocol):
    """What a shard needs from the node that owns it."""

    bindings: Bindings
    clock: Clock

    @property
    def names(self) -> Names: ...

    def definition(self, entry_id: str) -> dict[str, Any]: ...
    def host(self, host_id: str, shard: int) -> dict[str, Any]: ...
    def place(self, host_id: str, shard: int) -> int: ...
    def hold_identity(self, identity: int) -> bool: ...
    def derive_identity(self, identity: int, actor: Any, scope: Any) -> int: ...
    def own_identity(self, entry_id: str, identity: int) -> int: ...
    def permitted(self, identity: int, action: str, resource: str, attributes: dict[str, Any] | None) -> bool: ...


def _deny_attributes(_obj: object, _name: object, _setting: bool) -> object:
    raise AttributeError("host objects have no attributes here")


class Shard:
    """One Lua state. `memory` is its soft limit in bytes: beyond it the running process is ended. `node` is the name
    that PIDs begin with; "" for none."""

    def __init__(
        self,
        host: ShardHost,
        index: int = 0,
        *,
        memory: int = DEFAULT_MEMORY,
        slice_ms: float = 0.5,
        node: str = "",
    ) -> None:
        self.host = host
        self.index = index
        self.inbox: collections.deque[tuple[str, tuple[Any, ...]]] = collections.deque()
        self.busy = False
        self.live = 0
        self.deadline: int | None = None
        self._hard = memory + HARD_MARGIN
        self._lua = lua55.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_deny_attributes,
            max_memory=self._hard,
        )
        self._functions: dict[str, Callable[..., Any]] = {}
        seed = secrets.randbits(62)
        names = encode(self._primitives())
        prefix = f"{node}@".encode() if node else b""
        settings = (names, index, slice_ms / 1000, float(memory), seed, prefix)
        self._interface = _load_kernel(self._lua, self._primitive(), *settings)

    # Setting up ----------------------------------------

    def _primitives(self) -> dict[str, int]:
        """The kernel's own primitives, by name."""
        host, bindings = self.host, self.host.bindings
        calls: dict[str, Callable[..., Any]] = {
            "module": lambda name: encode(bindings.spec(_text(name))),
            "definition": lambda entry: encode(host.definition(_text(entry))),
            "host": lambda entry: encode(host.host(_text(entry), self.index)),
            "name_lookup": host.names.lookup,
            "name_register": host.names.register,
            "name_unregister": host.names.unregister,
            "permissions": lambda: encode(declared_permissions(KERNEL_PERMISSIONS)),
            "derive": self._derive,
            "own_identity": lambda entry, identity: host.own_identity(_text(entry), identity),
            "place": lambda entry: host.place(_text(entry), self.index),
            "hold": host.hold_identity,
            "permitted": self._permitted,
            "time": host.clock.wall,
            "monotonic": host.clock.monotonic,
            "thread_time": time.thread_time,
            "text": _mapped_text,
            "regex": _regex_matches,
            "msgpack_pack": payloads.pack,
            "msgpack_unpack": payloads.unpack,
        }
        return {name: bindings.add_primitive(_answering(call)) for name, call in calls.items()}

    def _primitive(self) -> Callable[..., tuple[Any, Any]]:
        """The one function of the host that the state holds."""
        table = self.host.bindings.primitives
        index = self.index

        def primitive(number: int, *values: Any) -> tuple[Any, Any]:
            answer: tuple[Any, Any] = table[number - 1](index, *values)
            value = answer[1]
            if value.__class__ is bytes:
                self._room(len(value))
            return answer

        return primitive

    def _permitted(self, identity: int, action: bytes, resource: bytes, pid: Any, attributes: Any) -> bool:
        meta: dict[str, Any] = decode(attributes)[0] if attributes else {}
        if pid:
            meta["pid"] = pid.decode()
        return self.host.permitted(identity, action.decode(), resource.decode("utf-8", "surrogateescape"), meta)

    def _derive(self, identity: int, body: bytes) -> int:
        """A number for `identity` with another actor and scope: the parts of those that the guest holds, or None."""
        actor, scope = decode(body)
        if actor is not None:
            actor = (_exact_text(actor["id"]), actor["meta"])
        return self.host.derive_identity(identity, actor, scope)

    # Calling the kernel ----------------------------------------

    def _room(self, size: int) -> None:
        needed = self._lua.get_memory_used() + size + RESERVE
        self._lua.set_max_memory(needed if needed > self._hard else self._hard)

    def call(self, name: str, *args: Any) -> Any:
        """Calls a function of the kernel's interface. Only from the shard's own thread, never from a primitive."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._interface[name.encode()]
        size = 0
        for value in args:
            if value.__class__ is bytes:
                size += len(value)
        self._room(size)
        try:
            return function(*args)
        except lua55.LuaError as e:
            log.error("kernel call %s failed: %s", name, e)
            self._recover(name, args)
            return None

    def _recover(self, name: str, args: tuple[Any, ...]) -> None:
        """After a kernel call failed, which at the memory limit any may: whoever waits for its answer is told."""
        self._room(0)
        try:
            self._interface[b"recover"]()
            if name in ANSWERED:
                self._interface[b"refuse"](args[0])
        except lua55.LuaError as e:
            log.error("kernel could not recover from a failed %s: %s", name, e)

    def post(self, name: str, *args: Any) -> None:
        """Queues a call for the shard's next turn. From any thread."""
        self.inbox.append((name, args))

    def turn(self, seconds: float) -> Iterator[Request]:
        """One turn: the inbox, due timers, ready processes for about `seconds`. Yields what the kernel asks for."""
        inbox = self.inbox
        calls: list[tuple[str, tuple[Any, ...]]] = []
        flat: list[Any] = []
        while inbox and len(flat) < MOST_ARGUMENTS:
            queued = inbox.popleft()
            calls.append(queued)
            flat += (queued[0].encode(), len(queued[1]), *queued[1])
        result = self.call("turn", self.host.clock.monotonic(), seconds, *flat)
        if result is None:
            inbox.extendleft(reversed(calls[self._interface[b"performed"]() :]))
            self.busy = True
            return
        busy, deadline, requests, self.live, *values = result
        self.busy = busy or bool(inbox)
        self.deadline = None if deadline < 0 else deadline
        while True:
            yield from (Request(*values[i : i + 4]) for i in range(0, len(values), 4))
            requests -= len(values)
            if requests <= 0:
                break
            values = self.call("take")
            if values is None:
                break

    def limit_memory(self, soft: int) -> None:
        """The hard limit that belongs to another soft one, from the next call on. From any thread."""
        self._hard = soft + HARD_MARGIN

    @property
    def memory(self) -> int:
        """Bytes in use."""
        return int(self._lua.get_memory_used())


def _answering(call: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    def answer(_shard: int, *values: Any) -> tuple[Any, Any]:
        try:
            return True, call(*values)
        except Exception as e:
            return failure(e)

    return answer


def _load_kernel(lua: Any, *settings: Any) -> Any:
    """Runs the kernel's files in order; each receives the state that the first made. The last gives the interface."""
    run = lua.execute(b"""
        python = nil
        return function(name, source, ...)
          return assert(load(source, "=wippy/kernel/" .. name .. ".lua", "t"))(...)
        end""")
    state = run(b"state", (KERNEL / "state.lua").read_bytes(), *settings)
    interface = None
    for name in FILES:
        interface = run(name.encode(), (KERNEL / f"{name}.lua").read_bytes(), state)
    return interface


def _text(name: bytes) -> str:
    """A name as a guest wrote it: bytes that are no text name nothing."""
    return name.decode("utf-8", "replace")


def _exact_text(text: Any) -> str:
    """Text of a guest, whose bytes need not be UTF-8."""
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else str(text)


def _mapped_text(name: bytes, text: bytes) -> bytes:
    value = text.decode("utf-8", "surrogateescape")
    return (value.lower() if name == b"lower" else value.upper()).encode("utf-8", "surrogateescape")


@functools.lru_cache(maxsize=256)
def _compiled(pattern: bytes) -> Any:
    import re2

    return re2.compile(pattern)


def _regex_matches(pattern: bytes, text: bytes) -> bool:
    """RE2 never backtracks: a hostile pattern costs linear time."""
    return _compiled(pattern).search(text) is not None
