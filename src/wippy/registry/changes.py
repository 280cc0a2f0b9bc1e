"""Change sets: what may happen to entries, its inverse, and how two of them become one (spec 01 §10, §12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from wippy.core.errors import Error, conflict, invalid, not_found
from wippy.core.ids import EntryId
from wippy.registry.entry import Entry


class Create(msgspec.Struct, frozen=True):
    """A new entry. `baseline` operations are applied but not written to history (spec 01 §11)."""

    event: ClassVar[str] = "entry.create"
    entry: Entry
    baseline: bool = False

    @property
    def id(self) -> EntryId:
        return self.entry.id

    def inverse(self) -> Operation:
        return Delete(self.entry.id, self.entry, self.baseline)


class Update(msgspec.Struct, frozen=True):
    """A new value for a live entry of the same kind; `previous` is filled in by the registry."""

    event: ClassVar[str] = "entry.update"
    entry: Entry
    previous: Entry | None = None
    baseline: bool = False

    @property
    def id(self) -> EntryId:
        return self.entry.id

    def inverse(self) -> Operation:
        if self.previous is None:
            raise invalid(f"update of {self.id} cannot be reversed: the previous value is unknown")
        return Update(self.previous, self.entry, self.baseline)


class Delete(msgspec.Struct, frozen=True):
    """The end of an entry; `previous` is filled in by the registry."""

    event: ClassVar[str] = "entry.delete"
    id: EntryId
    previous: Entry | None = None
    baseline: bool = False

    def inverse(self) -> Operation:
        if self.previous is None:
            raise invalid(f"delete of {self.id} cannot be reversed: the previous value is unknown")
        return Create(self.previous, self.baseline)


Operation: TypeAlias = Create | Update | Delete


class ChangeSet:
    """An immutable sequence of operations."""

    __slots__ = ("operations",)

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self.operations = tuple(operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChangeSet) and self.operations == other.operations

    def __hash__(self) -> int:
        return hash(self.operations)

    def __repr__(self) -> str:
        shown = ", ".join(f"{operation.event} {operation.id}" for operation in self.operations)
        return f"ChangeSet({shown})"

    def inverse(self) -> ChangeSet:
        """What undoes this change set. Raises Error(Invalid) when a previous value is unknown."""
        return ChangeSet(operation.inverse() for operation in reversed(self.operations))

    def squash(self, *later: ChangeSet) -> ChangeSet:
        """One change set with the effect of this one followed by `later` (spec 01 §12).

        Per id at most one operation is left, except Delete + Create of another kind, which stays a pair.
        """
        squashed: dict[EntryId, tuple[Operation, ...]] = {}
        for changes in (self, *later):
            for operation in changes:
                before = squashed.pop(operation.id, ())
                squashed[operation.id] = (*before[:-1], *_merge(before[-1], operation)) if before else (operation,)
        return ChangeSet(operation for group in squashed.values() for operation in group)


def _merge(first: Operation, second: Operation) -> tuple[Operation, ...]:
    """`first` then `second` on one id. Sequences that cannot follow each other keep the later operation."""
    baseline = first.baseline and second.baseline
    match first, second:
        case Create(), Update(entry=entry):
            return (Create(entry, baseline),)
        case Create(), Delete():
            return ()
        case Update(previous=previous), Update(entry=entry):
            return (Update(entry, previous, baseline),)
        case Update(previous=previous), Delete(id=entry_id):
            return (Delete(entry_id, previous, baseline),)
        case Delete(previous=Entry() as previous), Create(entry=entry) if previous.kind == entry.kind:
            return (Update(entry, previous, baseline),)
        case Delete(), Create():
            return (first, second)
    return (second,)


def build_delta(before: Mapping[EntryId, Entry], after: Mapping[EntryId, Entry]) -> ChangeSet:
    """The operations that turn `before` into `after`, in id order; a changed kind is Delete + Create."""
    operations: list[Operation] = []
    for entry_id in sorted(before.keys() | after.keys()):
        old, new = before.get(entry_id), after.get(entry_id)
        if new is None:
            operations.append(Delete(entry_id, old))
        elif old is None:
            operations.append(Create(new))
        elif old.kind != new.kind:
            operations += (Delete(entry_id, old), Create(new))
        elif old != new:
            operations.append(Update(new, old))
    return ChangeSet(operations)


def apply_to(state: dict[EntryId, Entry], changes: Iterable[Operation]) -> None:
    """The effect of `changes` on a plain dict of entries, without checks."""
    for operation in changes:
        if isinstance(operation, Delete):
            state.pop(operation.id, None)
        else:
            state[operation.id] = operation.entry


def resolve(changes: ChangeSet, state: Mapping[EntryId, Entry]) -> ChangeSet:
    """`changes` checked against `state`, previous values filled in, several operations on one id joined (§10 step 1).

    Within one id operations take effect in call order, except that a delete comes before a create when the entry is
    live. Raises Error(Conflict) for a create of an existing id, Error(NotFound) for an update or delete of a missing
    one, Error(Invalid) for a change of kind.
    """
    groups: dict[EntryId, list[Operation]] = {}
    for operation in changes:
        groups.setdefault(operation.id, []).append(operation)
    resolved: list[Operation] = []
    for entry_id, group in groups.items():
        if len(group) == 1:
            resolved.append(_resolved(group[0], state.get(entry_id)))
        else:
            resolved += _resolved_group(group, state.get(entry_id))
    return ChangeSet(resolved)


def _resolved(operation: Operation, live: Entry | None) -> Operation:
    match operation:
        case Create(entry=entry):
            if live is not None:
                raise conflict(f"{entry.label()}: entry already exists", id=str(entry.id))
            return operation
        case Update(entry=entry, baseline=baseline):
            if live is None:
                raise _missing(entry.id)
            if entry.kind != live.kind:
                raise invalid(
                    f'{entry.label()}: the kind of a live entry cannot change (it is "{live.kind}")', id=str(entry.id)
                )
            return Update(entry, live, baseline)
        case Delete(id=entry_id, baseline=baseline):
            if live is None:
                raise _missing(entry_id)
            return Delete(entry_id, live, baseline)


def _resolved_group(group: list[Operation], live: Entry | None) -> tuple[Operation, ...]:
    if live is not None and isinstance(group[0], Create):
        group = sorted(group, key=lambda operation: not isinstance(operation, Delete))
    steps: list[ChangeSet] = []
    current = live
    for operation in group:
        step = _resolved(operation, current)
        steps.append(ChangeSet([step]))
        current = None if isinstance(step, Delete) else step.entry
    if [type(operation) for operation in group] == [Delete, Create]:
        return tuple(operation for step in steps for operation in step)
    return ChangeSet().squash(*steps).operations


def _missing(entry_id: EntryId) -> Error:
    details: dict[str, Any] = {"id": str(entry_id)}
    return not_found(f"entry not found: {entry_id}", **details)
