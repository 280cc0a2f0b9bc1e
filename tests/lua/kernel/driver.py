"""Drives shards by hand, turn by turn: no event loop, no node. What the kernel asks for is kept for the test."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wippy.compute.names import NodeNames
from wippy.core.clock import Clock
from wippy.core.errors import not_found
from wippy.lua import shard as codes
from wippy.lua.bindings import Bindings
from wippy.lua.compile import compile_chunk
from wippy.lua.modules.catalog import Catalog
from wippy.lua.shard import Request, Shard
from wippy.lua.wire import decode, encode_list

TURN = 0.002
STRIDE = 256  # process numbers are k * STRIDE + shard
FIND_KERNEL = b"""
    local interface = ...
    for _, f in next, interface do
      for i = 1, 60 do
        local name, v = debug.getupvalue(f, i)
        if name == "S" then return v end
        if not name then break end
      end
    end"""


@dataclass
class Source:
    """A Lua entry: the text of its chunk and what the runtime would know about it."""

    text: str
    pool: int | dict[str, Any] | None = None
    modules: tuple[str, ...] = ("funcs", "events", "time")
    libraries: dict[str, str] = field(default_factory=dict)
    method: str = "main"
    call_host: str | None = None


class Driver:
    """The host of one or more shards, played by the test. `here`: on how many shards the process host runs."""

    def __init__(
        self,
        entries: dict[str, Source | str],
        *,
        shards: int = 1,
        memory: int = 256 << 20,
        open_identity: bool = True,
    ) -> None:
        self.entries = {k: v if isinstance(v, Source) else Source(v) for k, v in entries.items()}
        self.clock = Clock()
        self.names = NodeNames()
        self.bindings = Bindings(self)
        self.bindings.provide(Catalog(None).find)
        self.open = open_identity
        self.denied: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str]] = []
        self.logs: list[tuple[str, str, dict[str, Any]]] = []
        self.exits: dict[str, tuple[Any, Any]] = {}
        self.replies: dict[int, tuple[Any, Any]] = {}
        self.operations: list[tuple[Shard, int, list[Any]]] = []
        self.cancelled: list[int] = []
        self.requests: list[Request] = []
        self.longest_turn = 0.0
        self._numbers = iter(range(1, 1 << 60))
        self.shards = [Shard(self, index, memory=memory) for index in range(shards)]
        if shards > 1:
            for shard in self.shards:
                shard.post("share_names")

    # The shard's host

    def definition(self, entry_id: str) -> dict[str, Any]:
        source = self.entries.get(entry_id)
        if source is None:
            raise not_found(f"process {entry_id} not found")
        return {
            "id": entry_id,
            "version": 1,
            "method": source.method,
            **self._chunk(entry_id),
            "modules": {name: name for name in source.modules},
            "libraries": [
                {"alias": alias, "id": name, "version": 1, **self._chunk(name)}
                for alias, name in source.libraries.items()
            ],
            "pool": {"most": source.pool} if isinstance(source.pool, int) else source.pool,
            "call_host": source.call_host,
        }

    def _chunk(self, entry_id: str) -> dict[str, Any]:
        chunk = compile_chunk(self.entries[entry_id].text.encode("utf-8", "surrogateescape"), entry_id)
        return {"code": chunk.code, "types": chunk.types}

    def host(self, host_id: str, shard: int) -> dict[str, Any]:
        if host_id == "t:away":
            return {"here": False, "most": 10**9}
        if host_id != "t:host":
            raise not_found("host not found")
        return {"here": True, "most": 10**9}

    def place(self, host_id: str, shard: int) -> int:
        return len(self.shards) - 1 - shard

    def hold_identity(self, identity: int) -> bool:
        return self.open

    def permitted(self, identity: int, action: str, resource: str, attributes: dict[str, Any] | None) -> bool:
        self.asked.append((action, resource))
        return (action, resource) not in self.denied

    # Asking the kernel

    @property
    def shard(self) -> Shard:
        return self.shards[0]

    def start(self, entry: str, *args: Any, shard: int = 0) -> str:
        """Starts a process and waits for its PID."""
        number = self.begin(entry, *args, shard=shard)
        self.until(lambda: number in self.replies)
        pid, error = self.replies[number]
        if error is not None:
            raise error
        return str(pid)

    def begin(self, entry: str, *args: Any, shard: int = 0) -> int:
        number = next(self._numbers)
        self.shards[shard].post(
            "spawn", number, entry.encode(), b"t:host", 0, None, encode_list(args), True, None, False, False, False
        )
        return number

    def run(self, entry: str, *args: Any, seconds: float = 5.0) -> tuple[Any, Any]:
        """The result and error of a process, from start to end."""
        pid = self.start(entry, *args)
        self.until(lambda: pid in self.exits, seconds)
        return self.exits[pid]

    def value(self, entry: str, *args: Any) -> Any:
        value, error = self.run(entry, *args)
        if error is not None:
            raise error
        return value

    def define(self, body: str, **more: Any) -> str:
        """A new entry whose main has this body; its id."""
        entry = f"t:entry{len(self.entries)}"
        self.entries[entry] = main(body, **more)
        return entry

    def do(self, body: str, *args: Any, **more: Any) -> Any:
        """What a process with this body returns; what it fails with is raised."""
        return self.value(self.define(body, **more), *args)

    def fails(self, body: str, *args: Any, **more: Any) -> Any:
        """The error that a process with this body ends with."""
        value, error = self.run(self.define(body, **more), *args)
        assert error is not None, f"it returned {value!r}"
        return error

    def call(self, entry: str, *args: Any) -> tuple[Any, Any]:
        """The result and error of a function call."""
        number = next(self._numbers)
        self.shard.post("call", number, entry.encode(), 0, None, encode_list(args), None)
        self.until(lambda: number in self.replies)
        return self.replies[number]

    def deliver(self, pid: str, topic: str, *payloads: Any) -> None:
        self._home(pid).post("deliver", pid.encode(), topic.encode(), b"", encode_list(payloads))

    def terminate(self, pid: str) -> None:
        self._home(pid).post("terminate", pid.encode())

    def _home(self, pid: str) -> Shard:
        return self.shards[process_number(pid) % STRIDE]

    # Turning

    def turn(self) -> bool:
        """One turn of every shard. Whether any has more to do."""
        for shard in self.shards:
            before = time.process_time()  # not the clock: another process of the machine may have had the core
            requests = list(shard.turn(TURN))
            self.longest_turn = max(self.longest_turn, time.process_time() - before)
            for request in requests:
                self.requests.append(request)
                self._answer(shard, request)
            del self.requests[:-1000]
        return any(s.busy or s.inbox for s in self.shards)

    def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Turns until `condition` holds. Raises TimeoutError when it does not within `seconds`."""
        if not self.settle(condition, seconds):
            raise TimeoutError("the condition did not become true")

    def settle(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Turns until `condition` holds; False when it does not. `seconds` are those of a machine of our own: processor
        time and what was slept, so that other programs cannot make a test fail."""
        spent = 0.0
        while not condition():
            if spent > seconds:
                return False
            before = time.process_time()
            more = self.turn()
            spent += time.process_time() - before
            if not more:
                spent += self._wait()
        return True

    def idle(self, seconds: float = 5.0) -> None:
        """Turns until nobody is ready; timers that are not due are left alone."""
        limit = time.monotonic() + seconds
        while self.turn():
            if time.monotonic() > limit:
                raise TimeoutError("the shard does not become idle")

    def _wait(self) -> float:
        """Sleeps until something may be due; how long, in seconds."""
        deadlines = [s.deadline for s in self.shards if s.deadline is not None]
        wait = min(max((min(deadlines) - self.clock.monotonic()) / 1e9, 0), 0.01) if deadlines else 0.0005
        time.sleep(wait)
        return max(wait, 0.0001)

    def _answer(self, shard: Shard, request: Request) -> None:
        if request.code == codes.REPLY:
            self.replies[request.number] = decode(request.a)
        elif request.code == codes.LOG:
            level, message, fields, _ = decode(request.a)
            self.logs.append((level, message if isinstance(message, str) else repr(message), fields))
        elif request.code == codes.EXITED:
            value, error = decode(request.a)
            self.exits[request.b.decode()] = (value, error)
        elif request.code == codes.OP:
            self.operations.append((shard, request.number, decode(request.a)))
        elif request.code == codes.CANCEL_OP:
            self.cancelled.append(request.number)
        elif request.code == codes.SIGNAL:
            self._signal(shard, request)
        elif request.code == codes.MESSAGE:
            self.shards[request.number].post("message", request.a, request.b)

    def _signal(self, shard: Shard, request: Request) -> None:
        if request.number < 0:
            self.shards[-request.number % STRIDE].post("signal", request.b)
            return
        index = process_number(request.a.decode("utf-8", "replace")) % STRIDE
        if index < len(self.shards):
            self.shards[index].post("signal", request.b)
        elif request.number:
            shard.post("signal", encode_list(["answer", "", request.number, None, "process not found"]))

    # Looking inside

    def lua(self, code: str, *args: Any, shard: int = 0) -> Any:
        """Runs Lua text in the state itself, with the kernel's `S` as its first argument."""
        target = self.shards[shard]
        state = target._lua
        kernel = state.execute(FIND_KERNEL, target._interface)
        return state.execute(code.encode(), kernel, *args)

    def printed(self) -> list[str]:
        return [message for level, message, _ in self.logs if level == "info"]


def process_number(pid: str) -> int:
    try:
        return int(pid.rstrip("}").rpartition("0x")[2], 16)
    except ValueError:
        return STRIDE - 1


def main(body: str, **more: Any) -> Source:
    """A process or function whose main has this body."""
    return Source("return { main = function(...) " + body + "\nend }", **more)
