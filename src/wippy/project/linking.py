"""Linking: values of a host's `ns.dependency` go where a module's `ns.requirement` points (spec 01 §7, §8)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import msgspec

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.mutation import mutate
from wippy.project.namespaces import DependencyData, RequirementData
from wippy.project.problems import Problem
from wippy.registry.entry import Entry, same_content

S = TypeVar("S", bound=msgspec.Struct)


class Requirement(msgspec.Struct, frozen=True):
    entry: Entry
    data: RequirementData


class Dependency(msgspec.Struct, frozen=True):
    entry: Entry
    data: DependencyData

    @property
    def is_root(self) -> bool:
        """Declared by the application, not by a module."""
        return "module" not in self.entry.meta


def link(
    entries: Sequence[Entry], *, strict: bool = False, modules: Collection[str] | None = None
) -> tuple[list[Entry], list[Problem]]:
    """`entries` with every requirement's value injected into its targets; only those of `modules`, if given.

    Requirements that stay open are warnings, with `strict` one Error(Invalid, "unresolved requirements: ..."). Raises
    Error(Invalid) for a requirement or dependency that does not decode.
    """
    requirements = [
        decode_requirement(entry)
        for entry in entries
        if entry.kind == "ns.requirement" and (modules is None or entry.meta.get("module") in modules)
    ]
    dependencies = [decode_dependency(entry) for entry in entries if entry.kind == "ns.dependency"]
    if not requirements and not dependencies:
        return list(entries), []
    linking = _Linking(entries, dependencies)
    linking.check_roots()
    for requirement in requirements:
        linking.satisfy(requirement)
    if strict and linking.problems:
        reasons = [problem.reason for problem in linking.problems]
        raise invalid(f"unresolved requirements: {'; '.join(reasons)}", count=len(reasons), errors=reasons)
    return linking.entries, linking.problems


def decode_requirement(entry: Entry) -> Requirement:
    return Requirement(entry, _decoded(entry, RequirementData, "requirement"))


def decode_dependency(entry: Entry) -> Dependency:
    data = _decoded(entry, DependencyData, "dependency")
    organization, _, module = data.component.partition("/")
    if not organization or not module or "/" in module:
        reason = f'component must be org/module, got "{data.component}"'
        raise invalid(f"{entry.label('component')}: failed to decode dependency: {reason}", entry=str(entry.id))
    return Dependency(entry, data)


def _decoded(entry: Entry, kind: type[S], what: str) -> S:
    try:
        return msgspec.convert(entry.data, kind)
    except msgspec.ValidationError as error:
        raise invalid(f"{entry.label()}: failed to decode {what}: {error}", entry=str(entry.id)) from None


class _Linking:
    def __init__(self, entries: Sequence[Entry], dependencies: list[Dependency]) -> None:
        self.entries = list(entries)
        self.problems: list[Problem] = []
        self._dependencies = dependencies
        self._positions: dict[EntryId, list[int]] = {}
        for index, entry in enumerate(entries):
            self._positions.setdefault(entry.id, []).append(index)

    def check_roots(self) -> None:
        """The application may declare a component once."""
        first: dict[str, Entry] = {}
        for dependency in self._dependencies:
            component, entry = dependency.data.component, dependency.entry
            if not dependency.is_root:
                continue
            earlier = first.setdefault(component, entry)
            if earlier.id != entry.id:
                self._problem(entry, f"component {component} is declared by {earlier.id} and {entry.id}")

    def satisfy(self, requirement: Requirement) -> None:
        entry = requirement.entry
        if not requirement.data.targets:
            self._problem(entry, f"requirement {entry.id} has no targets")
            return
        candidates = self._candidates(entry)
        values = [value for _, value in candidates]
        if any(not same_content(value, values[0]) for value in values[1:]):
            given = ", ".join(f"{value!r} by {dependency.entry.id}" for dependency, value in candidates)
            self._problem(entry, f"requirement {entry.id} gets conflicting values: {given}")
            return
        value = values[0] if values else requirement.data.default
        if value is None:
            self._problem(
                entry, f"requirement {entry.id} has no value: no dependency supplies it and it has no default"
            )
            return
        self._inject(requirement, value)

    def _candidates(self, requirement: Entry) -> list[tuple[Dependency, Any]]:
        """The parameters that match; those of the application win over those of modules."""
        found = [
            (dependency, "" if parameter.value is None else parameter.value)
            for dependency in self._dependencies
            for parameter in dependency.data.parameters
            if _matches(parameter.name, dependency.data, requirement)
        ]
        return [pair for pair in found if pair[0].is_root] or found

    def _inject(self, requirement: Requirement, value: Any) -> None:
        entry = requirement.entry
        for target in requirement.data.targets:
            target_id = EntryId.parse(target.entry, entry.id.ns)
            if target_id not in self._positions:
                self._problem(entry, f"requirement {entry.id}: target entry not found: {target_id}")
                return
            for index in self._positions[target_id]:
                try:
                    self.entries[index] = mutate(self.entries[index], target.path, value)
                except Error as error:
                    self._problem(entry, f"requirement {entry.id}: target {target_id}: {error}")
                    return

    def _problem(self, entry: Entry, reason: str) -> None:
        place, line = (entry.origin.path, entry.origin.line) if entry.origin else ("", 0)
        self.problems.append(Problem("warning", place, reason, line))


def _matches(parameter: str, dependency: DependencyData, requirement: Entry) -> bool:
    namespace, name = requirement.id
    module = requirement.meta.get("module")
    qualifier, colon, bare = parameter.partition(":")
    if not colon:
        return parameter == name and (dependency.dotted == namespace or dependency.component == module)
    if bare != name:
        return False
    owned = namespace == dependency.dotted or dependency.component == module
    return qualifier == namespace or (qualifier == dependency.dotted and owned)
