"""One transaction: operations offered to the handlers, postponed, retried, undone (spec 01 §10 steps 3 to 7, §13)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from wippy.core.errors import NOT_FOUND, TIMEOUT, Error, conflict, internal, not_found
from wippy.core.ids import EntryId
from wippy.registry.changes import Create, Delete, Operation
from wippy.registry.decode import ConfigDecoder
from wippy.registry.entry import Entry
from wippy.registry.handlers import AnyHandler
from wippy.registry.live import Live, references_of, requirements_of

log = logging.getLogger("wippy.registry")

Publish: TypeAlias = Callable[[str, str, str, Any], None]
Undo: TypeAlias = Callable[[], Awaitable[None]]

SYSTEM = "registry"


class Environment(msgspec.Struct, frozen=True):
    """What transactions of one registry share."""

    handlers: Mapping[str, AnyHandler]
    internal_kinds: frozenset[str]
    decoder: ConfigDecoder
    publish: Publish
    time_limit: float | None
    check: Callable[[], None]


class Transaction:
    """Runs operations that are already resolved and ordered.

    `live` follows every accepted handler call and every undone one, so after a rollback it is as before.
    """

    def __init__(self, number: int, environment: Environment, live: Live) -> None:
        self._number = number
        self._environment = environment
        self._live = live
        self._accepted: list[tuple[Operation, list[Undo]]] = []
        self._renewed: list[list[Undo]] = []
        self._touched: dict[str, AnyHandler] = {}
        self._postponed_reasons: dict[EntryId, Error] = {}

    async def run(self, operations: Sequence[Operation], record: Callable[[], Awaitable[None]]) -> None:
        """All of `operations`, then the commit hooks, then `record`; or nothing.

        Raises the rejection after everything accepted was undone. Cancellation undoes everything too and is raised
        when that is done; a second cancellation does not interrupt it. One that comes while the version is being
        recorded is raised after the commit: what is on the disk must be what is live.
        """
        self._publish("registry.begin", self._path("registry.begin"))
        try:
            await self._run_all(operations)
            await self._follow_environment(operations)
            self._check_requirements(operations)
            self._check_referrers(operations)
            self._environment.check()
            await self._commit_handlers()
            cancelled = await _to_its_end(record())
        except BaseException:
            await uninterrupted(self._roll_back())
            raise
        path = self._path("registry.commit")
        self._publish("registry.commit", path)
        for kind in self._touched:
            self._publish("registry.accept", f"{path}/{kind}")
        if cancelled is not None:
            raise cancelled

    async def _run_all(self, operations: Sequence[Operation]) -> None:
        remaining = list(operations)
        while remaining:
            postponed = await self._pass(remaining)
            if len(postponed) == len(remaining):
                raise self._unresolved(postponed)
            remaining = postponed

    async def _pass(self, operations: Sequence[Operation]) -> list[Operation]:
        """Offer each operation once; returns those to try again.

        Behind a postponed delete the create of the same id waits too: it must not run first.
        """
        postponed: list[Operation] = []
        waiting: set[EntryId] = set()
        for operation in operations:
            if operation.id in waiting or not await self._offer(operation):
                postponed.append(operation)
                waiting.add(operation.id)
        return postponed

    async def _offer(self, operation: Operation) -> bool:
        """Run one operation; False when it must be tried again later."""
        entry, path = _entry_of(operation), str(operation.id)
        if entry.kind in self._environment.internal_kinds:
            self._set(operation)
            self._accepted.append((operation, []))
            return True
        self._publish(operation.event, path, entry.as_data())
        steps: list[Undo] = []
        try:
            await self._dispatch(operation, entry, steps)
        except BaseException as error:
            await uninterrupted(_undo_all(steps))
            failure = error if isinstance(error, Error) else internal(f"{type(error).__name__}: {error}")
            self._publish("entry.reject", path, failure)
            if not isinstance(error, Error) or not _caused_by_not_found(error):
                raise
            self._postponed_reasons[operation.id] = error
            return False
        self._accepted.append((operation, steps))
        self._publish("entry.accept", path)
        return True

    async def _dispatch(self, operation: Operation, entry: Entry, steps: list[Undo]) -> None:
        handler = self._environment.handlers[entry.kind]
        self._touched[entry.kind] = handler
        if isinstance(operation, Delete):
            await self._remove(handler, entry, steps)
            return
        config = self._environment.decoder.decode(entry, handler.config)
        self._check_references(handler, entry)
        if isinstance(operation, Create) or operation.previous is None:
            await self._add(handler, entry, config, steps)
        else:
            await self._replace(handler, operation.previous, entry, config, steps)

    async def _replace(
        self, handler: AnyHandler, previous: Entry, entry: Entry, config: msgspec.Struct, steps: list[Undo]
    ) -> None:
        if handler.splits_update():
            await self._remove(handler, previous, steps)
            await self._add(handler, entry, config, steps)
        else:
            await self._update(handler, previous, entry, config, steps)

    async def _follow_environment(self, operations: Sequence[Operation]) -> None:
        """Entries whose config asks for a variable that has changed get their config anew, as at a start."""
        names = _changed_variables(operations)
        if names is not None and not names:
            return
        changed = {operation.id for operation in operations}
        for entry_id, asked in sorted(self._environment.decoder.asked.items()):
            entry = self._live.entries.get(entry_id)
            if entry is not None and entry_id not in changed and (names is None or asked & names):
                await self._renew(entry)

    async def _renew(self, entry: Entry) -> None:
        handler = self._environment.handlers[entry.kind]
        config = self._environment.decoder.decode(entry, handler.config)
        if config == self._live.configs[entry.id]:
            return
        self._touched[entry.kind] = handler
        steps: list[Undo] = []
        self._renewed.append(steps)
        await self._replace(handler, entry, entry, config, steps)

    async def _add(self, handler: AnyHandler, entry: Entry, config: msgspec.Struct, steps: list[Undo]) -> None:
        await self._call(entry, handler.add(entry, config))
        self._live.hold(entry, config, handler)

        async def undo() -> None:
            self._live.drop(entry.id)
            await handler.remove(entry)

        steps.append(undo)

    async def _remove(self, handler: AnyHandler, entry: Entry, steps: list[Undo]) -> None:
        await self._call(entry, handler.remove(entry))
        config = self._live.configs[entry.id]
        self._live.drop(entry.id)

        async def undo() -> None:
            self._live.hold(entry, config, handler)
            await handler.restore(entry, config)

        steps.append(undo)

    async def _update(
        self, handler: AnyHandler, previous: Entry, entry: Entry, config: msgspec.Struct, steps: list[Undo]
    ) -> None:
        await self._call(entry, handler.update(entry, config, previous))
        old_config = self._live.configs[previous.id]
        self._live.hold(entry, config, handler)

        async def undo() -> None:
            try:
                await handler.update(previous, old_config, entry)
            finally:
                self._live.hold(previous, old_config, handler)

        steps.append(undo)

    async def _call(self, entry: Entry, call: Coroutine[Any, Any, None]) -> None:
        limit = self._environment.time_limit
        expiry = asyncio.timeout(limit)
        try:
            async with expiry:
                await call
        except Error as error:
            raise entry.failure(error) from error
        except TimeoutError as error:
            if expiry.expired():
                raise Error(TIMEOUT, f"{entry.label()}: no answer from the handler within {limit:g}s") from error
            raise _unexpected(entry, error) from error
        except Exception as error:
            raise _unexpected(entry, error) from error

    def _check_references(self, handler: AnyHandler, entry: Entry) -> None:
        for path, target in references_of(handler, entry):
            if target not in self._live:
                raise not_found(f'{entry.label(path)}: field "{path}": entry not found: {target}', id=str(target))

    def _check_requirements(self, operations: Sequence[Operation]) -> None:
        """Once everything is there: services may require each other's entries in any order."""
        for operation in operations:
            entry = self._live.entries.get(operation.id)
            handler = self._environment.handlers.get(entry.kind) if entry is not None else None
            if entry is None or handler is None:
                continue
            for path, target in requirements_of(handler, entry):
                if target not in self._live:
                    reason = f"service startup blocked by missing dependencies: {entry.id} requires {target}"
                    raise not_found(f"{entry.label(path)}: {reason}", id=str(target))

    def _check_referrers(self, operations: Sequence[Operation]) -> None:
        """Nothing that is gone, or is something else now, may be referred to by what stays as it was: such a state
        could not be loaded again."""
        changed = {operation.id for operation in operations}
        problems: dict[EntryId, str] = {}
        for operation in operations:
            if not isinstance(operation, Delete) or operation.previous is None:
                continue
            now = self._live.entries.get(operation.id)
            if now is not None and now.kind == operation.previous.kind:
                continue
            users = [user for user in self._live.users(operation.id) if now is None or user not in changed]
            if users:
                what = "remove" if now is None else "change the kind of"
                problems[operation.id] = f"cannot {what} {operation.id}: {', '.join(map(str, users))} refer to it"
        if problems:
            raise conflict("\n".join(problems.values()), entries=[str(entry_id) for entry_id in problems])

    async def _commit_handlers(self) -> None:
        for kind, handler in self._touched.items():
            try:
                await handler.commit()
            except Exception as error:
                failure = error if isinstance(error, Error) else internal(f"{type(error).__name__}: {error}")
                self._publish("registry.reject", f"{self._path('registry.commit')}/{kind}", failure)
                raise failure.within(f"commit of {kind}") from error

    async def _roll_back(self) -> None:
        while self._renewed:
            await _undo_all(self._renewed.pop())
        while self._accepted:
            operation, steps = self._accepted.pop()
            await self._compensate(operation, steps)
        for kind, handler in self._touched.items():
            try:
                await handler.discard()
            except Exception:
                log.exception("discard failed", extra={"fields": {"kind": kind}})
        self._publish("registry.discard", self._path("registry.discard"))

    async def _compensate(self, operation: Operation, steps: list[Undo]) -> None:
        inverse = operation.inverse()
        if _entry_of(inverse).kind in self._environment.internal_kinds:
            self._set(inverse)
            return
        self._publish(inverse.event, str(inverse.id), _entry_of(inverse).as_data())
        await _undo_all(steps)
        self._publish("entry.accept", str(inverse.id))

    def _unresolved(self, postponed: Sequence[Operation]) -> Error:
        waiting = dict.fromkeys(operation.id for operation in postponed)
        ids = [str(entry_id) for entry_id in waiting]
        reasons = [str(self._postponed_reasons[entry_id]) for entry_id in waiting]
        circle = _circle({str(i): (self._postponed_reasons[i].details or {}).get("id", "") for i in waiting})
        if circle:
            reasons_shown = [f"these need each other: {' -> '.join(circle)}", *reasons]
        else:
            reasons_shown = reasons
        lines = "".join(f"\n  {reason}" for reason in reasons_shown)
        return not_found(
            f"unresolved dependencies after retry: {', '.join(ids)}{lines}",
            entries=dict(zip(ids, reasons, strict=True)),
        )

    def _set(self, operation: Operation) -> None:
        if isinstance(operation, Delete):
            self._live.drop(operation.id)
        else:
            self._live.keep(operation.entry)

    def _path(self, kind: str) -> str:
        return f"registry.tx/{self._number}/{kind}"

    def _publish(self, kind: str, path: str, data: Any = None) -> None:
        self._environment.publish(SYSTEM, kind, path, data)


def _circle(needs: Mapping[str, str]) -> list[str]:
    """A cycle among entries that each need another one, first entry repeated at the end; empty when there is none."""
    for start in needs:
        path = [start]
        while (following := needs.get(path[-1], "")) in needs:
            if following in path:
                return [*path[path.index(following) :], following]
            path.append(following)
    return []


def _entry_of(operation: Operation) -> Entry:
    if not isinstance(operation, Delete):
        return operation.entry
    if operation.previous is None:
        raise internal(f"delete of {operation.id} was not resolved")
    return operation.previous


def _changed_variables(operations: Sequence[Operation]) -> set[str] | None:
    """Names and ids of the environment variables that a change concerns; None for all of them."""
    names: set[str] = set()
    for operation in operations:
        for entry in (_entry_of(operation), getattr(operation, "previous", None)):
            if entry is None or not entry.kind.startswith("env."):
                continue
            if entry.kind != "env.variable":
                return None  # a storage: of any variable
            names.add(str(entry.id))
            if isinstance(entry.data, dict) and isinstance(entry.data.get("variable"), str):
                names.add(entry.data["variable"])
    return names


def _caused_by_not_found(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, Error) and error.kind == NOT_FOUND:
            return True
        error = error.__cause__
    return False


def _unexpected(entry: Entry, error: Exception) -> Error:
    log.error("a handler failed unexpectedly", exc_info=error, extra={"fields": {"entry": str(entry.id)}})
    return internal(f"{entry.label()}: {type(error).__name__}: {error}", entry=str(entry.id))


async def _undo_all(steps: list[Undo]) -> None:
    while steps:
        undo = steps.pop()
        try:
            await undo()
        except Exception:
            log.exception("undoing an operation failed; its handler may hold stale resources")


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end even when the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    cancelled = await _to_its_end(work)
    if cancelled is not None:
        raise cancelled


async def _to_its_end(work: Awaitable[None]) -> asyncio.CancelledError | None:
    """Run `work` to its end; the cancellation of the caller that came meanwhile."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    return cancelled
