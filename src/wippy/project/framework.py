"""Framework packs: modules `wippy/NAME` that come with the program, in `src/wippy/framework/NAME`.

A pack is a directory with `wippy.yaml` (its version) and `src/` (its definition files). It is loaded when an
`ns.dependency` of the application, or of a module that is loaded, names it; a module of that name that is installed or
replaced takes its place. Where another version is wanted it is a warning: an application must not need a hub to start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from wippy.core.errors import Error
from wippy.project.definitions import Definitions, load_directory
from wippy.project.manifest import read_manifest
from wippy.project.problems import Problem
from wippy.project.tree import DirectoryTree
from wippy.registry.entry import Entry

DIRECTORY = Path(__file__).resolve().parents[1] / "framework"
ORGANIZATION = "wippy"


class FrameworkPack(msgspec.Struct, frozen=True):
    """`name` is `wippy/NAME`; `root` is where its `wippy.yaml` is."""

    name: str
    version: str
    root: Path

    def definitions(self, skip_names: Collection[str]) -> Definitions:
        """Its entries, tagged like those of a vendored module; without those that its manifest keeps to itself."""
        found = load_directory(DirectoryTree(self.root / "src", skip_names))
        tags = {"module": self.name, "module_version": self.version}
        manifest = read_manifest(self.root)
        keeps = manifest.keeps_entry() if manifest is not None else lambda entry: True
        found.entries = [
            Entry(each.id, each.kind, {**each.meta, **tags}, each.data, each.origin)
            for each in found.entries
            if keeps(each)
        ]
        return found

    @property
    def dependencies(self) -> tuple[tuple[str, str], ...]:
        """The modules it depends on, and what it wants of them."""
        return tuple((name, wanted) for name, wanted, _ in _dependencies(self.definitions(()).entries))

    def satisfies(self, constraint: str) -> bool:
        """Whether `constraint` (`>=1.2`, `@label`, empty) allows the version that comes with the program."""
        if constraint in ("", "latest", "@latest"):
            return True
        from wippy.core.semver import Constraint, Version

        try:
            return Constraint(constraint).allows(Version.parse(self.version))
        except Error:
            return False


def framework_pack(name: str) -> FrameworkPack | None:
    """The pack called `wippy/NAME`; None when the program has none of that name."""
    organization, _, module = name.partition("/")
    root = DIRECTORY / module
    if organization != ORGANIZATION or not module or root.parent != DIRECTORY or not root.is_dir():
        return None
    manifest = read_manifest(root)
    return None if manifest is None else FrameworkPack(name, manifest.version, root)


def framework_packs() -> list[FrameworkPack]:
    """All of them, by name."""
    found = (framework_pack(f"{ORGANIZATION}/{each.name}") for each in sorted(DIRECTORY.iterdir()))
    return [pack for pack in found if pack is not None]


def wanted_packs(
    entries: Iterable[Entry], locked: Mapping[str, str], taken: Collection[str], skip_names: Collection[str]
) -> Iterator[tuple[FrameworkPack, Definitions]]:
    """The packs that `entries` and the packs found so far depend on, and those that the lock names.

    locked: names that the lock gives to the program, with their versions. taken: names that something else provides.
    """
    done = set(taken)
    waiting = [(name, version, "wippy.lock") for name, version in locked.items()] + _dependencies(entries)
    while waiting:
        name, constraint, wanted_by = waiting.pop(0)
        pack = framework_pack(name) if name not in done else None
        if pack is None:
            continue
        done.add(name)
        found = pack.definitions(skip_names)
        if not pack.satisfies(constraint):
            found.problems.append(_mismatch(pack, constraint, wanted_by))
        waiting += _dependencies(found.entries)
        yield pack, found


def _dependencies(entries: Iterable[Entry]) -> list[tuple[str, str, str]]:
    """Component, constraint and id of every `ns.dependency`; those that do not decode are linking's to refuse."""
    return [
        (entry.data["component"], str(entry.data.get("version") or ""), str(entry.id))
        for entry in entries
        if entry.kind == "ns.dependency" and isinstance(entry.data, dict)
        if isinstance(entry.data.get("component"), str)
    ]


def _mismatch(pack: FrameworkPack, constraint: str, wanted_by: str) -> Problem:
    reason = (
        f"{wanted_by} wants {pack.name} {constraint}; {pack.version}, which comes with the program, takes its place"
        f" (`wippy install` and `wippy update {pack.name}` ask the hub)"
    )
    return Problem("warning", str(pack.root), reason)
