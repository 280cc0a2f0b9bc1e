"""All entries of a project: its sources, replacements and vendored modules, in load order (spec 01 §3)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.config import Config
from wippy.project.definitions import Definitions, load_directory
from wippy.project.framework import framework_pack, wanted_packs
from wippy.project.lockfile import Lock, LockedModule, split_module
from wippy.project.manifest import Manifest, read_manifest
from wippy.project.packs import entries_of, joined, merge_resources
from wippy.project.problems import Problem
from wippy.project.tree import DirectoryTree, KeepsFile, skipped_names
from wippy.project.wapp import Pack, Resource
from wippy.registry.entry import Entry


class Project(msgspec.Struct):
    """What the files say, before the pipeline. `module_roots`: org/mod -> directory of its files; `resources`: files
    that came in packs."""

    entries: list[Entry] = []
    problems: list[Problem] = []
    module_roots: dict[str, Path] = {}
    resources: dict[EntryId, Resource] = {}

    def add(self, definitions: Definitions) -> None:
        self.entries += definitions.entries
        self.problems += definitions.problems


def load_project(lock: Lock | None, config: Config, environ: Mapping[str, str] | None = None) -> Project:
    """Sources, then replacements, then the other modules of the lock. Without a lock: nothing, and a warning.

    Raises Error(Invalid) for a `workspace.replacements` value that is no directory.
    """
    project = Project([], [], {}, {})
    if lock is None:
        project.problems.append(Problem("warning", "", "no lock file found"))
        return project
    reading = _Reading(lock, skipped_names(os.environ if environ is None else environ), project)
    reading.sources()
    replacements = dict(reading.locked_replacements()) | config.replacements()
    for module, directory in replacements.items():
        reading.replacement(module, directory)
    others = [module for module in lock.modules if module.name not in replacements]
    ours = {module.name: module.version for module in others if comes_with_the_program(lock, module)}
    for locked in others:
        if locked.name not in ours:
            reading.vendored(locked)
    taken = {*replacements, *(module.name for module in others)} - ours.keys()
    add_framework(project, ours, taken, skipped_names(os.environ if environ is None else environ))
    return project


def load_packs(packs: Sequence[Pack], environ: Mapping[str, str] | None = None) -> Project:
    """What several packs say together, dependencies first, and the framework packs that none of them brings."""
    resources = merge_resources(resource for pack in packs for resource in pack.resources)
    project = Project(entries_of(packs), [], {}, resources)
    brought = {entry.meta["module"] for entry in project.entries if isinstance(entry.meta.get("module"), str)}
    add_framework(project, {}, brought, skipped_names(os.environ if environ is None else environ))
    return project


def load_module(lock: Lock, module: LockedModule) -> Project:
    """One installed module as `load_project` reads it."""
    project = Project([], [], {}, {})
    _Reading(lock, skipped_names(os.environ), project).vendored(module)
    return project


def load_replacement(lock: Lock, module: str, directory: Path) -> Project:
    """A directory that stands for a module, as `load_project` reads it."""
    project = Project([], [], {}, {})
    _Reading(lock, skipped_names(os.environ), project).replacement(module, directory)
    return project


def comes_with_the_program(lock: Lock, module: LockedModule) -> bool:
    """Whether a framework pack stands in for a module of the lock: no copy of that is installed."""
    return module_path(lock, module) is None and framework_pack(module.name) is not None


def add_framework(
    project: Project, locked: Mapping[str, str], taken: Collection[str], skip_names: frozenset[str]
) -> None:
    """Adds the framework packs that are depended on (framework.py)."""
    for pack, definitions in wanted_packs(project.entries, locked, taken, skip_names):
        project.add(definitions)
        project.module_roots[pack.name] = pack.root


def module_path(lock: Lock, module: LockedModule) -> Path | None:
    """Where a module of the lock is installed: a directory or a `.wapp`; None when it is not."""
    organization, name = split_module(module.name)
    vendor = lock.vendor_directory / organization
    packed, legacy = vendor / f"{name}-{module.version}.wapp", vendor / f"{name}-{module.version}"
    if (vendor / name).is_dir():
        return vendor / name
    if packed.is_file():
        return packed
    return legacy if legacy.is_dir() else None


class _Reading:
    def __init__(self, lock: Lock, skip_names: frozenset[str], project: Project) -> None:
        self._lock = lock
        self._skip_names = skip_names
        self._project = project

    def sources(self) -> None:
        source = self._lock.source_directory
        if not source.is_dir():
            self._warn(str(source), "source directory not found")
            return
        self._project.add(load_directory(self._tree(source)))

    def locked_replacements(self) -> Iterator[tuple[str, Path]]:
        if self._lock.replacements:
            reason = "replacements in the lock file are deprecated: use workspace.replacements in .wippy.yaml"
            self._warn(str(self._lock.path), reason)
        for replacement in self._lock.replacements:
            yield replacement.source, self._lock.path.parent / replacement.target

    def replacement(self, module: str, directory: Path) -> None:
        if not directory.is_dir():
            self._warn(str(directory), f"replacement of {module} not found, skipped")
            return
        source = directory / "src"
        self._module(module, directory, source if source.is_dir() else directory, {"module": module})

    def vendored(self, locked: LockedModule) -> None:
        path = module_path(self._lock, locked)
        if path is None:
            place = self._lock.vendor_directory / locked.name
            self._warn(str(place), f"module {locked.name} {locked.version} is not installed, skipped")
        elif path.is_dir():
            self._module(locked.name, path, path, _tags(locked))
        else:
            self._packed(path, locked)

    def _packed(self, path: Path, locked: LockedModule) -> None:
        try:
            check_digest(path, locked)
            from wippy.project.wapp.reader import read_pack

            pack = read_pack(path)
        except Error as error:
            self._project.problems.append(Problem("error", "", str(error)))
            return
        tagged = [_tagged(entry, _tags(locked)) for entry in pack.entries]
        self._project.entries = joined(self._project.entries, tagged)
        self._project.resources = merge_resources([*self._project.resources.values(), *pack.resources])

    def _module(self, module: str, root: Path, directory: Path, tags: dict[str, str]) -> None:
        try:
            manifest = read_manifest(root) or Manifest()
            keeps_entry, keeps_file = manifest.keeps_entry(), manifest.keeps_file()
        except Error as error:
            self._project.problems.append(Problem("error", str(root), str(error)))
            return
        prefix = "" if directory == root else f"{directory.relative_to(root).as_posix()}/"
        tree = self._tree(directory, lambda path: keeps_file(prefix + path))
        found = load_directory(tree)
        found.entries = [_tagged(entry, tags) for entry in found.entries if keeps_entry(entry)]
        self._project.add(found)
        self._project.module_roots[module] = root

    def _tree(self, directory: Path, keeps: KeepsFile | None = None) -> DirectoryTree:
        """Without the modules directory, which `src: .` would otherwise include."""
        modules = self._lock.path.parent / self._lock.directories.modules
        inside_modules = directory.resolve().is_relative_to(modules.resolve())
        return DirectoryTree(directory, self._skip_names, () if inside_modules else (modules,), keeps)

    def _warn(self, path: str, reason: str) -> None:
        self._project.problems.append(Problem("warning", path, reason))


def check_digest(path: Path, locked: LockedModule) -> None:
    """Raises Error(Invalid) when the pack at `path` is not the one that the lock file names by its hash."""
    if not locked.hash:
        return
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
    if found != locked.hash.lower():
        reason = "the file is not the one in the lock file: repair it with 'wippy install --refresh'"
        raise invalid(f"{path}: hash mismatch of module {locked.name} {locked.version}: {reason}")


def _tags(locked: LockedModule) -> dict[str, str]:
    return {"module": locked.name, "module_version": locked.version}


def _tagged(entry: Entry, tags: dict[str, str]) -> Entry:
    return Entry(entry.id, entry.kind, {**entry.meta, **tags}, entry.data, entry.origin)
