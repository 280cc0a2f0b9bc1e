"""The order in which the operations of a change set run (spec 01 §9).

Creates and updates run dependencies first, deletes dependents first, a delete before a create of the same id. An
update that drops a reference runs before the delete of what it referred to. Ties go by (namespace, name, kind).
Inside a dependency cycle there is no right order: its creates and updates run in tie order, then its deletes, except
that a delete still precedes a create of the same id.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from wippy.core.ids import EntryId
from wippy.registry.changes import Create, Delete, Operation
from wippy.registry.entry import Entry
from wippy.registry.paths import DATA_PATHS, META_PATHS, PathSet, leaf_texts, split_path
from wippy.registry.placeholders import names

ReferencePaths: TypeAlias = Mapping[str, tuple[str, ...]]
"""Kind -> further paths (`meta.x`, `data.x`, `x`) in which entries of that kind name others."""

_META = PathSet(path for path in META_PATHS if path != "depends_on")
_DATA = PathSet(path for path in DATA_PATHS if not path.startswith("imports."))


def order(operations: Sequence[Operation], references: ReferencePaths | None = None) -> list[Operation]:
    """`operations` in the order they must run. Deletes need `previous` for their edges to be known."""
    if len(operations) < 2:
        return list(operations)
    targets = _Targets(operations, references or {})
    successors = [sorted(after) for after in _edges(operations, targets)]
    keys = [_tie(operation) for operation in operations]
    ranks = sorted(range(len(operations)), key=keys.__getitem__)
    rank_of = [0] * len(ranks)
    for rank, index in enumerate(ranks):
        rank_of[index] = rank
    sequence = _topological(successors, rank_of)
    if len(sequence) < len(operations):
        sequence = _with_cycles(successors, rank_of, operations)
    return [operations[index] for index in sequence]


def _tie(operation: Operation) -> tuple[str, str, str, int]:
    entry = operation.previous if isinstance(operation, Delete) else operation.entry
    return (*operation.id, entry.kind if entry else "", 0 if isinstance(operation, Delete) else 1)


class _Targets:
    """Finds the entries of a change set that an entry refers to."""

    def __init__(self, operations: Sequence[Operation], references: ReferencePaths) -> None:
        self._extra = {kind: _compile(paths) for kind, paths in references.items()}
        self._ids: set[EntryId] = set()
        self._variables: dict[str, EntryId] = {}
        self._groups: dict[str, list[EntryId]] = {}
        self._namespaces: dict[str, list[EntryId]] = {}
        for entry in _entries(operations):
            self._learn(entry)

    def _learn(self, entry: Entry) -> None:
        if entry.id not in self._ids:
            self._ids.add(entry.id)
            self._namespaces.setdefault(entry.id.ns, []).append(entry.id)
        for group in leaf_texts(entry.meta.get("groups")):
            self._groups.setdefault(group, []).append(entry.id)
        if entry.kind == "env.variable" and isinstance(entry.data, dict):
            variable = entry.data.get("variable")
            if isinstance(variable, str):
                self._variables[variable] = entry.id

    def of(self, entry: Entry) -> set[EntryId]:
        """The ids in this change set that `entry` depends on."""
        found = {target for text in self._texts(entry) if (target := self._target(text, entry.id.ns)) is not None}
        for text in leaf_texts(entry.meta.get("depends_on")):
            found.update(self._explicit(text, entry.id.ns))
        found.discard(entry.id)
        return found

    def _texts(self, entry: Entry) -> Iterator[str]:
        yield from _META.texts(entry.meta)
        yield from names(entry.data)
        extra = self._extra.get(entry.kind)
        if extra is not None:
            yield from extra[0].texts(entry.meta)
        if not isinstance(entry.data, dict):
            return
        yield from _DATA.texts(entry.data)
        imports = entry.data.get("imports")
        if imports:  # an import without a namespace is a built-in module, never an entry
            yield from (text for text in leaf_texts(imports) if ":" in text)
        if extra is not None:
            yield from extra[1].texts(entry.data)

    def _target(self, text: str, namespace: str) -> EntryId | None:
        variable = self._variables.get(text)
        if variable is not None:
            return variable
        entry_id = EntryId.parse(text, namespace)
        return entry_id if entry_id in self._ids else None

    def _explicit(self, text: str, namespace: str) -> list[EntryId]:
        if text.startswith("group:"):
            return self._groups.get(text[6:], [])
        if text.startswith("ns:"):
            return self._namespaces.get(text[3:], [])
        target = self._target(text, namespace)
        return [] if target is None else [target]


def _compile(paths: tuple[str, ...]) -> tuple[PathSet, PathSet]:
    split = [split_path(path) for path in paths]
    return (
        PathSet(rest for root, rest in split if root == "meta"),
        PathSet(rest for root, rest in split if root == "data"),
    )


def _entries(operations: Sequence[Operation]) -> Iterator[Entry]:
    for operation in operations:
        if not isinstance(operation, Create) and operation.previous is not None:
            yield operation.previous
        if not isinstance(operation, Delete):
            yield operation.entry


def _edges(operations: Sequence[Operation], targets: _Targets) -> list[set[int]]:
    """For each operation the operations that must come after it."""
    deletes = {operation.id: index for index, operation in enumerate(operations) if isinstance(operation, Delete)}
    writes = {operation.id: index for index, operation in enumerate(operations) if not isinstance(operation, Delete)}
    after: list[set[int]] = [set() for _ in operations]
    for index, operation in enumerate(operations):
        if not isinstance(operation, Delete):
            for target in targets.of(operation.entry):
                if target in writes:
                    after[writes[target]].add(index)
        if not isinstance(operation, Create) and operation.previous is not None and deletes:
            for target in targets.of(operation.previous):
                gone = target in deletes and target not in writes
                if gone or (target in deletes and isinstance(operation, Delete)):
                    after[index].add(deletes[target])
        if isinstance(operation, Delete) and operation.id in writes:
            after[index].add(writes[operation.id])
    return after


def _topological(successors: list[list[int]], rank_of: list[int]) -> list[int]:
    """Kahn's algorithm, smallest rank first; nodes on or behind a cycle are left out."""
    waiting = [0] * len(successors)
    for after in successors:
        for index in after:
            waiting[index] += 1
    index_of = [0] * len(rank_of)
    for index, rank in enumerate(rank_of):
        index_of[rank] = index
    ready = [rank_of[index] for index, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    sequence: list[int] = []
    while ready:
        index = index_of[heapq.heappop(ready)]
        sequence.append(index)
        for later in successors[index]:
            waiting[later] -= 1
            if waiting[later] == 0:
                heapq.heappush(ready, rank_of[later])
    return sequence


def _with_cycles(successors: list[list[int]], rank_of: list[int], operations: Sequence[Operation]) -> list[int]:
    """The same with every cycle taken as one node."""
    component_of, members = _components(successors)
    recreated = {operation.id for operation in operations if not isinstance(operation, Delete)}
    condensed: list[set[int]] = [set() for _ in members]
    for index, after in enumerate(successors):
        condensed[component_of[index]].update(component_of[later] for later in after)
    for component, after_component in enumerate(condensed):
        after_component.discard(component)
        members[component].sort(key=lambda index: (_phase(operations[index], recreated), rank_of[index]))
    first = [min(rank_of[index] for index in group) for group in members]
    by_first = sorted(range(len(members)), key=first.__getitem__)
    component_rank = [0] * len(members)
    for rank, component in enumerate(by_first):
        component_rank[component] = rank
    sequence = _topological([sorted(after) for after in condensed], component_rank)
    return [index for component in sequence for index in members[component]]


def _phase(operation: Operation, recreated: set[EntryId]) -> int:
    """Within a cycle: deletes of what is created again, then creates and updates, then the other deletes."""
    if not isinstance(operation, Delete):
        return 1
    return 0 if operation.id in recreated else 2


def _components(successors: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Strongly connected components (Tarjan, iterative): node -> component, component -> nodes."""
    count = len(successors)
    found, low, component_of = [-1] * count, [0] * count, [-1] * count
    stack: list[int] = []
    members: list[list[int]] = []
    clock = 0
    for root in range(count):
        if found[root] >= 0:
            continue
        work = [(root, iter(successors[root]))]
        found[root] = low[root] = clock
        clock += 1
        stack.append(root)
        while work:
            node, rest = work[-1]
            for later in rest:
                if found[later] < 0:
                    found[later] = low[later] = clock
                    clock += 1
                    stack.append(later)
                    work.append((later, iter(successors[later])))
                    break
                if component_of[later] < 0:
                    low[node] = min(low[node], found[later])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == found[node]:
                    members.append(_pop_component(stack, node, component_of, len(members)))
    return component_of, members


def _pop_component(stack: list[int], node: int, component_of: list[int], number: int) -> list[int]:
    group: list[int] = []
    while True:
        member = stack.pop()
        component_of[member] = number
        group.append(member)
        if member == node:
            return group
