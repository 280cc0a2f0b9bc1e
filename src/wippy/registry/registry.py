"""The live registry: current state, versions, and the one way to change it (spec 01 §10, §12, §13)."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import msgspec

from wippy.core.collector import without_collector
from wippy.core.errors import Error, conflict, internal, invalid
from wippy.core.ids import EntryId
from wippy.registry.changes import ChangeSet, Create, Delete, Operation, apply_to, build_delta, resolve
from wippy.registry.decode import ConfigDecoder, no_environment
from wippy.registry.entry import Entry
from wippy.registry.handlers import AnyHandler
from wippy.registry.history import History, Moved, Version
from wippy.registry.live import Live
from wippy.registry.ordering import order
from wippy.registry.placeholders import EnvLookup
from wippy.registry.state import State
from wippy.registry.transaction import Environment, Publish, Transaction, uninterrupted

log = logging.getLogger("wippy.registry")

S = TypeVar("S", bound=msgspec.Struct)

INTERNAL_KINDS = ("registry.entry", "ns.dependency", "ns.requirement", "ns.definition")
HANDLER_SECONDS = 30.0

Expander: TypeAlias = Callable[[State, ChangeSet], Awaitable[ChangeSet]]
"""Adds the operations that directives such as `ns.dependency` stand for (spec 01 §11); they are marked `baseline`."""


def _publish_nothing(system: str, kind: str, path: str, data: Any) -> None:
    pass


class Registry:
    """Everything an application is made of, live.

    To be used from one event loop. Reading (`get`, `find`, `state`) is synchronous and sees the last committed state;
    changing (`load`, `apply`, `apply_version`) is serialised: one transaction at a time, the others wait their turn.
    """

    def __init__(
        self,
        handlers: Iterable[AnyHandler] = (),
        *,
        kinds: Mapping[str, Callable[[], AnyHandler]] | None = None,
        publish: Publish = _publish_nothing,
        env: EnvLookup = no_environment,
        history: History | None = None,
        internal_kinds: Iterable[str] = INTERNAL_KINDS,
        expand: Expander | None = None,
        check: Callable[[], None] = lambda: None,
        settle: Callable[[], Coroutine[Any, Any, None]] | None = None,
        handler_seconds: float | None = HANDLER_SECONDS,
    ) -> None:
        """
        kinds: handlers that are made when the first entry of their kind is applied.
        publish: receives (system, kind, path, data) for every event, in order; must not raise.
        env: answers `${env:NAME}` and `_env` fields: (name, namespace) -> text or None.
        check: called when all operations of a transaction are accepted; may reject them together by raising Error.
        settle: awaited after every change, also one that was taken back, before `apply` returns: starts what the change
        brought and ends what it took away. Must not raise.
        handler_seconds: how long one handler call may take (`registry.event_wait_timeout`); None for no limit.
        """
        self.history = history if history is not None else History()
        self._handlers: dict[str, AnyHandler] = {}
        self._kinds = dict(kinds or {})
        self._environment = Environment(
            self._handlers, frozenset(internal_kinds), ConfigDecoder(env), publish, handler_seconds, check
        )
        self._expand = expand
        self._settle = settle
        self._state = State()
        self._live = Live()
        self._baseline: State | None = None
        self._lock = asyncio.Lock()
        self._changing: asyncio.Task[Any] | None = None
        self._transactions = 0
        for handler in handlers:
            self.register(handler)

    def register(self, handler: AnyHandler) -> None:
        """Make `handler` responsible for its kind, for operations from now on. Raises Error(Conflict) when taken."""
        if handler.kind in self._handlers:
            raise conflict(f"kind {handler.kind} already has a handler")
        self._handlers[handler.kind] = handler

    def handler(self, kind: str) -> AnyHandler | None:
        return self._handlers.get(kind)

    # Reading

    @property
    def state(self) -> State:
        """The committed entries; an immutable snapshot that knows its version."""
        return self._state

    @property
    def version(self) -> Version:
        return self._state.version

    @property
    def baseline(self) -> State:
        """The entries of version 0, as they were loaded."""
        return self._baseline if self._baseline is not None else State()

    def get(self, entry_id: EntryId) -> Entry | None:
        return self._state.get(entry_id)

    def find(self, query: Mapping[str, Any]) -> tuple[Entry, ...]:
        """The committed entries that fit `query` (spec 01 §14), by id."""
        return self._state.find(query)

    def live(self, entry_id: EntryId) -> Entry | None:
        """What the handlers hold now: inside a transaction this includes the operations accepted so far."""
        return self._live.entries.get(entry_id)

    def config(self, entry_id: EntryId) -> msgspec.Struct | None:
        """The typed config that the handler of a live entry was given last."""
        return self._live.configs.get(entry_id)

    def decode(self, entry: Entry, config: type[S]) -> S:
        """The typed config of an entry, placeholders resolved. Raises Error(Invalid)."""
        return self._environment.decoder.decode(entry, config)

    async def snapshot_at(self, version_id: int) -> State:
        """The state at a version, baseline included. Raises Error(NotFound), Error(Unavailable) without history."""
        version = self.history.version(version_id)
        if version == self.version:
            return self._state
        return await self._state_at(version)

    # Changing

    async def load(self, entries: Iterable[Entry]) -> Version:
        """Boot: bring `entries` to life as version 0, then what a kept history says happened since (spec 01 §10).

        Of several definitions of one id the last one counts. Any rejection rolls everything back and is raised.
        """
        async with self._turn():
            if self._baseline is not None:
                raise internal("the registry is loaded already")
            with without_collector():
                return await self._load(entries)

    async def _load(self, entries: Iterable[Entry]) -> Version:
        baseline = State(entries)
        head = await self.history.open()
        await self.history.hold()
        target = await self.history.entries_at(head, baseline)
        replayed = build_delta(baseline, target)
        if self._expand is not None and len(replayed):
            apply_to(target, await self._expand(baseline, replayed))
        try:
            await self._transact([Create(entry) for entry in target.values()], head)
        except Error as error:
            if not len(replayed):
                raise
            hint = "`wippy registry rollback` goes to another version"
            raise error.within(f"{head} of the kept history cannot be loaded over these files ({hint})") from error
        self._baseline = baseline
        return self.version

    async def apply(self, changes: ChangeSet | Iterable[Operation], *, base: Version | None = None) -> Version:
        """Apply a change set as one transaction and return the new version.

        When it returns, every effect is live; when it raises, nothing has changed. Errors: Conflict (create of an
        existing id; retryable when the registry is no longer at `base`), NotFound (missing id or dependency), Invalid
        (unknown kind, changed kind, bad config), Timeout, or what a handler said. Without operations, or with
        operations that cancel out, nothing happens. Cancellation rolls back, unless the version is being recorded
        already. Must not be called by a handler.

        A history that several runtimes share may have another head by now: then the change fails with the retryable
        Conflict, and this registry has followed to that head when it does.
        """
        changes = changes if isinstance(changes, ChangeSet) else ChangeSet(changes)
        async with self._turn():
            if base is not None and base != self.version:
                raise conflict("registry changed during apply", retryable=True)
            resolved = resolve(changes, self._state)
            if self._expand is not None and len(resolved):
                resolved = resolve(await self._expand(self._state, resolved), self._state)
            if not len(resolved):
                return self.version
            recorded = ChangeSet(operation for operation in resolved if not operation.baseline)
            version = self.history.following(self.version) if len(recorded) else self.version
            async with self._followed():
                await self._transact(resolved.operations, version, recorded)
            return self.version

    async def apply_version(self, version_id: int) -> Version:
        """Go to an existing version as one transaction; no new version is made. Errors as in `apply`."""
        async with self._turn():
            target = self.history.version(version_id)
            if target != self.version:
                async with self._followed():
                    await self._transact(await self._leading_to(target), target)
            return self.version

    async def close(self) -> None:
        """Let go of the history's files and connections. Nothing can be changed afterwards."""
        await self.history.close()

    # The steps

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The right to change. A handler that waits for another change would wait for itself: that raises."""
        task = asyncio.current_task()
        if self._changing is not None and self._changing is task:
            raise conflict("the registry cannot be changed from inside one of its own changes")
        async with self._lock:
            self._changing = task
            try:
                yield
            finally:
                self._changing = None

    @asynccontextmanager
    async def _followed(self) -> AsyncIterator[None]:
        """When the change inside fails because the head of a shared history has moved: go to that head, then fail."""
        try:
            yield
        except Moved as moved:
            try:
                head = await self.history.open()
                await self._transact(await self._leading_to(head), head, shared=True)
            except Error as error:
                raise moved.within(f"cannot follow the shared history: {error.message}") from error
            log.info("followed the shared history", extra={"fields": {"version": str(head)}})
            raise

    async def _leading_to(self, target: Version) -> tuple[Operation, ...]:
        """The operations from here to another version. Where history says nothing the baseline of now counts, which
        may not be the one that the change sets were made over."""
        path = await self.history.between(self.version, target)
        entries = await self.history.entries_at(target, self._baseline or {})
        touched = {operation.id for operation in path}
        before = {entry_id: self._state[entry_id] for entry_id in touched if entry_id in self._state}
        after = {entry_id: entries[entry_id] for entry_id in touched if entry_id in entries}
        resolved = resolve(build_delta(before, after), self._state)
        if self._expand is not None and len(resolved):
            resolved = resolve(await self._expand(self._state, resolved), self._state)
        return resolved.operations

    async def _transact(
        self,
        operations: Iterable[Operation],
        version: Version,
        recorded: ChangeSet | None = None,
        *,
        shared: bool = False,
    ) -> None:
        """Run resolved operations and make `version` current; `recorded` goes to history as that version. `shared`:
        the history has this head already."""
        operations = list(operations)
        self._check_kinds(operations)
        references = {kind: handler.references for kind, handler in self._handlers.items() if handler.references}
        ordered = order(operations, references)
        following = State(_created(operations), version) if not self._state else self._state.after(ordered, version)

        async def record() -> None:
            if recorded is not None and len(recorded):
                await self.history.record(version, recorded)
            elif version != self.version and self._baseline is not None and not shared:
                await self.history.move_head(version, self.version)
            self._state = following

        self._transactions += 1
        transaction = Transaction(self._transactions, self._environment, self._live)
        try:
            await transaction.run(ordered, record)
        finally:
            if self._settle is not None:
                await uninterrupted(self._settle())

    def _check_kinds(self, operations: Iterable[Operation]) -> None:
        """Reject kinds that nobody handles before any handler is called; make the handlers that are needed."""
        operations = list(operations)
        for kind in {operation.entry.kind for operation in operations if not isinstance(operation, Delete)}:
            if kind not in self._handlers and kind in self._kinds:
                self.register(self._kinds[kind]())
        unknown = [
            operation.entry
            for operation in operations
            if not isinstance(operation, Delete)
            and operation.entry.kind not in self._handlers
            and operation.entry.kind not in self._environment.internal_kinds
        ]
        if unknown:
            lines = [f'{entry.label("kind")}: unknown kind "{entry.kind}"{self._hint(entry.kind)}' for entry in unknown]
            raise invalid("\n".join(lines), entries=[str(entry.id) for entry in unknown])

    def _hint(self, kind: str) -> str:
        near = difflib.get_close_matches(kind, [*self._handlers, *self._kinds, *self._environment.internal_kinds], n=1)
        return f', did you mean "{near[0]}"?' if near else ""

    async def _state_at(self, version: Version) -> State:
        return State((await self.history.entries_at(version, self._baseline or {})).values(), version)


def _created(operations: Iterable[Operation]) -> list[Entry]:
    return [operation.entry for operation in operations if not isinstance(operation, Delete)]
