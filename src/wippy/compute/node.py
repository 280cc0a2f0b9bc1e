"""A node: one OS process running the runtime. Its shards, and everything that guests and services share."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wippy.compute.bus import EventBus
from wippy.compute.capacity import Capacity
from wippy.compute.code import CodeStore
from wippy.compute.entry_identity import entry_identity
from wippy.compute.identity import Identities
from wippy.compute.names import NodeNames
from wippy.compute.pids import LOCAL, STRIDE, process_number
from wippy.compute.retired import Retired
from wippy.compute.supervisor import Supervisor
from wippy.core.clock import Clock
from wippy.core.errors import Error, canceled, internal, not_found
from wippy.core.ids import EntryId
from wippy.lua import shard as requests
from wippy.lua.allocator import tune as tune_allocator
from wippy.lua.bindings import Answer, Bindings, Caller, failure
from wippy.lua.cache import ChunkCache
from wippy.lua.modules.declare import Module
from wippy.lua.scheduler import LoopScheduler, Scheduler, ThreadScheduler
from wippy.lua.shard import DEFAULT_MEMORY, Request, Shard
from wippy.lua.wire import decode, encode, encode_list
from wippy.project.config import Config
from wippy.project.wapp.tree import Resource
from wippy.registry.registry import Registry

log = logging.getLogger("wippy")
guest_log = logging.getLogger("wippy.guest")

CROWDED = 16_000  # processes of one shard beyond which new ones go to another: its collector stops for 5 ms
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class EnvironmentVariables(Protocol):
    """services.env, as the lower layers see it."""

    def lookup(self, name: str, namespace: str) -> str | None: ...


class CallFailed(Error):
    """A call that failed after its modules had something to hand over (an HTTP response that was begun)."""

    def __init__(self, error: Error, attachment: bytes) -> None:
        super().__init__(error.kind, error.message, error.retryable, error.details)
        self.attachment = attachment


class Pending:
    """A call or spawn that a shard has not answered yet."""

    __slots__ = ("exited", "on_start", "result")

    def __init__(self, result: asyncio.Future[Any], exited: asyncio.Future[Any] | None = None) -> None:
        self.result = result
        self.exited = exited
        self.on_start: Callable[[tuple[int, int]], None] | None = None


class Node:
    """Runs guest code in shards and serves what they ask for.

    Everything here belongs to the event loop's thread. `config` is the runtime's configuration, `directory` the
    project's; `resources` holds the live objects of entries by id text, `packed` the files that came in packs,
    `packed_modules` those of packs that were installed since, by module@version.
    """

    registry: Registry
    env: EnvironmentVariables

    def __init__(
        self,
        *,
        name: str = LOCAL,
        strict: bool = False,
        memory: int = DEFAULT_MEMORY,
        clock: Clock | None = None,
        cache: ChunkCache | None = None,
    ) -> None:
        tune_allocator()
        self.loop = asyncio.get_running_loop()
        self.name = name
        self.clock = clock or Clock()
        self.identities = Identities(strict=strict)
        self.names = NodeNames()
        self.bindings = Bindings(self.identities)
        self.bus = EventBus(self._publish)
        self.supervisor = Supervisor(self)
        self.code = CodeStore(lambda name: self.known_module(name), self._code_changed, cache or ChunkCache(None))
        self.config = Config()
        self.directory = Path()
        self.resources: dict[str, Any] = {}
        self.retired = Retired(self)
        self.module_roots: dict[str, Path] = {}
        self.packed: dict[EntryId, Resource] = {}
        self.packed_modules: dict[str, Mapping[EntryId, Resource]] = {}
        self.terminals: dict[tuple[int, int], Any] = {}
        self.known_module: Callable[[str], bool] = lambda name: True
        self.declared_modules: Callable[[], Iterable[Module]] = lambda: ()
        self.exit: Callable[[int], None] = lambda code: None
        """Asks whoever runs the node to end it with an exit code."""
        self.shards: list[Shard] = []
        self.capacity = Capacity(memory, self.post)
        self._schedulers: list[Scheduler] = []
        self._scheduler_of: dict[int, Scheduler] = {}
        self._numbers = itertools.count(1)
        self._pending: dict[int, Pending] = {}
        self._exits: dict[str, asyncio.Future[Any]] = {}
        self._operations: dict[tuple[int, int], asyncio.Task[Answer]] = {}
        self._listeners_outside = False
        self._handlers: dict[int, Callable[[Shard, Request], None]] = {
            requests.OP: self._operation,
            requests.REPLY: self._reply,
            requests.CANCEL_OP: self._cancel_operation,
            requests.SIGNAL: self._signal,
            requests.MESSAGE: self._message,
            requests.LOG: self._log,
            requests.EVENT: self._event,
            requests.RELEASE: self._release,
            requests.EXITED: self._exited,
            requests.FORGET: self._forget_identities,
        }
        self.loop_scheduler = LoopScheduler(self.loop, self.handle, self.clock)
        self.threads: list[ThreadScheduler] = []
        self._schedulers.append(self.loop_scheduler)
        self._growing: set[Scheduler] = set()
        self.add_shard(self.loop_scheduler)

    # Shards ----------------------------------------

    def add_shard(self, scheduler: Scheduler) -> Shard:
        """One more Lua state, run by `scheduler`."""
        slice_ms = 0.5 if isinstance(scheduler, LoopScheduler) else 1.0
        prefix = "" if self.name == LOCAL else self.name
        memory = self.capacity.enforced_memory
        shard = Shard(self, len(self.shards), memory=memory, slice_ms=slice_ms, node=prefix)
        self.shards.append(shard)
        self._scheduler_of[shard.index] = scheduler
        scheduler.add(shard)
        if self.capacity.changed:
            self.capacity.apply(shard)
        self.post(shard, "bus_outside", True)
        if len(self.shards) > 1:
            self._everywhere("share_names")
        return shard

    async def workers(self, count: int) -> Sequence[Scheduler]:
        """What runs the processes of a host that asks for `count` workers: the event loop's thread for one, else so
        many threads, at most one a core, shared by all such hosts."""
        if count <= 1:
            return [self.loop_scheduler]
        while len(self.threads) < min(count, self.capacity.threads):
            scheduler = ThreadScheduler(self.loop, self.handle, self.clock, f"wippy-{len(self.threads) + 1}")
            self._schedulers.append(scheduler)
            self.threads.append(scheduler)
            self.add_shard(scheduler)
        # Names must be the node's before a process of another thread looks one up.
        await asyncio.gather(*(self.ask(shard, "share_names") for shard in self.shards))
        return self.threads[: min(count, self.capacity.threads)] or [self.loop_scheduler]

    @property
    def operations(self) -> int:
        """How many operations of guests are under way."""
        return len(self._operations)

    def post(self, shard: Shard, name: str, *args: Any) -> None:
        """Queues a kernel call in the shard's next turn."""
        self._scheduler_of[shard.index].post(shard, name, *args)

    def _everywhere(self, name: str, *args: Any) -> None:
        for shard in self.shards:
            self.post(shard, name, *args)

    def shard_of(self, pid: str) -> Shard | None:
        """The shard a PID lives on; None when it is no PID of this node."""
        number = process_number(pid)
        index = number % STRIDE
        return self.shards[index] if number and index < len(self.shards) else None

    # What a shard asks about (ShardHost) ----------------------------------------

    def definition(self, entry_id: str) -> dict[str, Any]:
        return self.code.definition(entry_id)

    def host(self, host_id: str, shard: int) -> dict[str, Any]:
        """`here`: new processes need not ask for a place while the shard has fewer than `most`."""
        placement = self._placement(host_id)
        one_thread = len({id(self._scheduler_of[index]) for index in placement}) == 1
        limits = self.resources[host_id].limits
        return {"here": one_thread and shard in placement, "most": CROWDED, "limits": limits}

    def place(self, host_id: str, shard: int) -> int:
        """The shard for a new process whose own one is crowded, or none of the host's; made when all are crowded."""
        placement, newest = self._placement(host_id), self.shards[-1]
        if (
            newest.index in placement
            and newest.live < CROWDED
            and self._scheduler_of[newest.index] is self.loop_scheduler
        ):
            target = newest
        else:
            target = self._least_loaded(placement)
        if target.live >= CROWDED and len(self.shards) < STRIDE:
            scheduler = self._scheduler_of[target.index]
            if scheduler is self.loop_scheduler and self._scheduler_of[shard] is scheduler:
                target = self.add_shard(scheduler)
            elif scheduler not in self._growing:
                self._growing.add(scheduler)
                self.loop.call_soon_threadsafe(self._grow, scheduler)
        target.live += 1
        return target.index

    def _grow(self, scheduler: Scheduler) -> None:
        """Shards of threads are made by the loop's thread: until then their crowd grows."""
        self.add_shard(scheduler)
        self._growing.discard(scheduler)

    def hold_identity(self, identity: int) -> bool:
        return self.identities.hold(identity)

    def derive_identity(self, identity: int, actor: Any, scope: Any) -> int:
        return self.identities.derive(identity, actor, scope)

    def own_identity(self, entry_id: str, identity: int) -> int:
        unit = self.code.get(entry_id)
        if unit is None or unit.security is None:
            raise not_found(f"function {entry_id} is gone")
        return entry_identity(self, unit.security, identity)

    def permitted(self, identity: int, action: str, resource: str, attributes: dict[str, Any] | None) -> bool:
        return self.identities.permitted(identity, action, resource, attributes)

    def _code_changed(self, entry_id: str, source: str) -> None:
        self._invalidate(entry_id, source)
        self.bus.publish("lua", "lua.reset_code", entry_id, {"source": source})

    def _invalidate(self, entry_id: str, source: str) -> None:
        self._everywhere("invalidate", entry_id.encode(), source.encode())

    def forget_entries(self, entry_ids: Iterable[str]) -> None:
        """Shards look these entries up anew (`S.entry_cache`)."""
        for entry_id in entry_ids:
            self._invalidate(entry_id, entry_id)

    def forget_host(self, host_id: str) -> None:
        """Shards look the host up anew."""
        self._everywhere("invalidate_host", host_id.encode())

    def _publish(self, system: str, kind: str, path: str, data: Any, skip: int | None) -> None:
        try:
            body = None if data is None else encode(data)
        except Error as e:
            log.warning("an event's data cannot be given to guests: %s", e, extra={"fields": {"path": path}})
            body = None
        for shard in self.shards:
            if shard.index != skip:
                self.post(shard, "publish", system.encode(), kind.encode(), path.encode(), body)

    # Calls ----------------------------------------

    def call(
        self,
        function_id: str,
        args: tuple[Any, ...] = (),
        *,
        identity: int = 0,
        values: dict[str, Any] | None = None,
        request: int = 0,
        shard: Shard | None = None,
    ) -> asyncio.Future[Any]:
        """Starts a function. The future gives its result as (value, attachment) or raises Error; cancelling it cancels
        the call. `request` names what the function's own modules may find (the HTTP request being served)."""
        where = shard or self.shards[0]
        number = next(self._numbers)
        future = self.loop.create_future()
        self._pending[number] = Pending(future)
        future.add_done_callback(lambda done: self._call_done(where, number, done))
        body = encode_list(args) if args else None
        context = encode(values) if values else None
        self.post(where, "call", number, function_id.encode(), identity, context, body, request or None)
        return future

    def _call_done(self, shard: Shard, number: int, future: asyncio.Future[Any]) -> None:
        if self._pending.pop(number, None) is not None and future.cancelled():
            self.post(shard, "cancel_call", number)

    async def spawn(
        self,
        process_id: str,
        host_id: str,
        args: tuple[Any, ...] = (),
        *,
        identity: int = 0,
        values: dict[str, Any] | None = None,
        on_start: Callable[[tuple[int, int]], None] | None = None,
    ) -> tuple[str, asyncio.Future[Any]]:
        """Starts a process: its PID, and a future with its result (or its Error). Raises Error when it cannot start.

        `on_start` is called with (shard, process number) before the process's method runs; such a process cannot be
        terminated by others.
        """
        shard = self._least_loaded(self._placement(host_id))
        number = next(self._numbers)
        exited = self.loop.create_future()
        pending = Pending(self.loop.create_future(), exited)
        pending.on_start = on_start
        self._pending[number] = pending
        context = encode(values) if values else None
        held = on_start is not None
        body = encode_list(args)
        self.post(shard, "spawn", number, process_id.encode(), host_id.encode(), identity, context, body, True, held)
        pid, _ = await pending.result
        return pid, exited

    def _least_loaded(self, placement: list[int]) -> Shard:
        return min((self.shards[index] for index in placement), key=lambda shard: shard.live)

    def _placement(self, host_id: str) -> list[int]:
        """The shards that processes of a host may be on. Raises Error when it is no host or does not run."""
        host = self.resources.get(host_id)
        placement = getattr(host, "placement", None)
        if placement is None:
            if host is None and self.registry.get(EntryId.parse(host_id)) is None:
                raise not_found(f"host not found: {host_id}")
            raise internal(f"host does not implement process.Host: {host_id}")
        shards: list[int] = placement()
        return shards

    async def deliver(self, pid: str, topic: str, *payloads: Any) -> bool:
        """Sends a message; False when the process does not exist."""
        shard = self.shard_of(pid)
        if shard is None:
            return False
        return bool(await self.ask(shard, "deliver", pid.encode(), topic.encode(), b"", encode_list(payloads)))

    async def lookup(self, name: str) -> str | None:
        """The PID a name is registered to."""
        for shard in self.shards:
            pid = await self.ask(shard, "lookup", name.encode())
            if pid is not None:
                return str(pid)
        return None

    async def is_working(self, pid: str) -> bool:
        """Whether a process may still be doing something: it can read a CANCEL, or waits for more than mail."""
        shard = self.shard_of(pid)
        return shard is not None and bool(await self.ask(shard, "is_working", pid.encode()))

    def cancel(self, pid: str, reason: str) -> None:
        """Delivers a CANCEL event."""
        shard = self.shard_of(pid)
        if shard is not None:
            self.post(shard, "cancel", pid.encode(), b"{|}", reason.encode())

    def terminate(self, pid: str) -> None:
        shard = self.shard_of(pid)
        if shard is not None:
            self.post(shard, "terminate", pid.encode())

    async def stop_processes(self, host_id: str) -> None:
        """Asks the processes of a host to end and waits for those that may still be doing something.

        What only waits for mail and cannot read the request is ended then; all of it, when the wait is cancelled.
        """
        name = host_id.encode()
        self._everywhere("cancel_host", name)
        try:
            while any(await asyncio.gather(*(self.ask(shard, "host_workers", name) for shard in self.shards))):
                await asyncio.sleep(0.01)
        finally:
            self._everywhere("terminate_host", name)

    def ask(self, shard: Shard, name: str, *args: Any) -> asyncio.Future[Any]:
        """Calls a function of the kernel's interface that answers with one value."""
        number = next(self._numbers)
        future: asyncio.Future[Any] = self.loop.create_future()
        self._pending[number] = Pending(future)
        self.post(shard, "ask", number, name.encode(), *args)
        answer: asyncio.Future[Any] = self.loop.create_future()

        def settle(done: asyncio.Future[Any]) -> None:
            if answer.done():
                return
            if (error := done.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result()[0])

        future.add_done_callback(settle)
        return answer

    # What a shard asks for ----------------------------------------

    def handle(self, shard: Shard, request: Request) -> None:
        """One request of a shard, on the loop's thread."""
        try:
            self._handlers[request.code](shard, request)
        except Exception:
            log.exception("a request of shard %d failed", shard.index)

    def _operation(self, shard: Shard, request: Request) -> None:
        number = request.number
        try:
            index, process, identity, entry, http_request, *values = decode(request.a)
            caller = Caller(self.bindings, shard.index, process, identity, entry, http_request)
            call: Callable[[Caller, list[Any]], Coroutine[Any, Any, Answer]] = self.bindings.primitives[index - 1]
        except Error as e:
            self.post(shard, "complete", number, *failure(e))
            return
        key = (shard.index, number)
        task = self.loop.create_task(call(caller, values))
        self._operations[key] = task
        task.add_done_callback(lambda done: self._operation_done(shard, key, done))

    def _operation_done(self, shard: Shard, key: tuple[int, int], task: asyncio.Task[Answer]) -> None:
        if self._operations.pop(key, None) is None:
            return
        if task.cancelled():
            ok, body = failure(canceled())
        else:
            ok, body = task.result()
        self.post(shard, "complete", key[1], ok, body)

    def _cancel_operation(self, shard: Shard, request: Request) -> None:
        task = self._operations.pop((shard.index, request.number), None)
        if task is not None:
            task.cancel()

    def _reply(self, shard: Shard, request: Request) -> None:
        pending = self._pending.pop(request.number, None)
        if pending is None:
            return
        value, error = _outcome(request.a)
        if pending.exited is not None and error is None:
            self._exits[value] = pending.exited
            if pending.on_start is not None:
                pending.on_start((shard.index, process_number(value)))
                self.post(shard, "go_on", value.encode())
        if pending.result.done():
            return
        if error is None:
            pending.result.set_result((value, request.b if request.b is not False else None))
        else:
            failure = error if isinstance(error, Error) else internal(str(error))
            pending.result.set_exception(CallFailed(failure, request.b) if request.b else failure)

    def _exited(self, shard: Shard, request: Request) -> None:
        value, error = _outcome(request.a)
        self.terminals.pop((shard.index, request.number), None)
        exited = self._exits.pop(request.b.decode(), None)
        if exited is not None and not exited.done():
            exited.set_result(error if error is not None else value)

    def _signal(self, shard: Shard, request: Request) -> None:
        number = request.number
        if number < 0:
            self.post(self.shards[-number % STRIDE], "signal", request.b)
            return
        target = self.shard_of(request.a.decode("utf-8", "replace"))
        if target is not None:
            self.post(target, "signal", request.b)
        elif number:
            answer = encode_list(["answer", "", number, None, "process not found"])
            self.post(shard, "signal", answer)

    def _message(self, _shard: Shard, request: Request) -> None:
        target = self.shards[request.number]
        self._scheduler_of[target.index].post(target, "message", request.a, request.b)

    def _log(self, _shard: Shard, request: Request) -> None:
        level, message, fields, name = decode(request.a)
        logger = guest_log.getChild(name) if name else guest_log
        logger.log(LEVELS.get(level, logging.INFO), "%s", message, extra={"fields": fields or {}})

    def _event(self, shard: Shard, request: Request) -> None:
        system, kind, path, data = decode(request.a)
        self.bus.from_guest(shard.index, system, kind, path, data)

    def _release(self, shard: Shard, request: Request) -> None:
        for waiting in self.bindings.handles.release((shard.index, request.number)):
            task: asyncio.Future[None] = asyncio.ensure_future(waiting)
            task.add_done_callback(_report_release)

    def _forget_identities(self, _shard: Shard, request: Request) -> None:
        (numbers,) = decode(request.a)
        for number in numbers:
            self.identities.release(number)

    # Ending ----------------------------------------

    async def close(self) -> None:
        """Runs nothing any more: outstanding operations are cancelled, threads ended, what guests held is closed."""
        for task in list(self._operations.values()):
            task.cancel()
        for scheduler in self._schedulers:
            scheduler.stop()
        for result in await asyncio.gather(*self.bindings.handles.release_all(), return_exceptions=True):
            if isinstance(result, Exception):
                log.error("closing a handle failed", exc_info=result)
        for pending in list(self._pending.values()):
            if not pending.result.done():
                pending.result.set_exception(canceled("runtime stopped"))
                pending.result.exception()


def _outcome(body: bytes) -> tuple[Any, Any]:
    """A value and an error, as a shard gave them; a value that Python cannot hold is an error."""
    try:
        value, error = decode(body)
    except Error as e:
        return None, e
    return value, error


def _report_release(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("closing a handle failed", exc_info=task.exception())
