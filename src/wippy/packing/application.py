"""The pack of a whole application: its own entries and everything that was installed with it (spec 01 §18 `pack`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from wippy.core.errors import invalid
from wippy.packing.contents import Contents, pack_metadata, parse_metadata
from wippy.packing.exports import exported_defaults
from wippy.packing.stages import (
    DIRECTORY,
    EMBED,
    chosen,
    compile_entries,
    directory_of,
    embed_entries,
    in_module,
    owner,
)
from wippy.project.config import Config
from wippy.project.loader import Project, load_project
from wippy.project.lockfile import read_lock
from wippy.project.manifest import Manifest, check_manifest, read_manifest
from wippy.project.packs import is_command, runtime_metadata
from wippy.project.pipeline import Excluded, prepare
from wippy.project.problems import raise_errors
from wippy.registry.entry import Entry


class PackOptions(msgspec.Struct, frozen=True):
    """What the flags of `wippy pack` say. `embed` None: the patterns of the manifest."""

    description: str = ""
    tags: Sequence[str] = ()
    meta: Sequence[str] = ()
    embed: Sequence[str] | None = None
    embed_all: bool = False
    exclude_namespaces: Sequence[str] = ()
    exclude_entries: Sequence[str] = ()
    bytecode: Sequence[str] = ()


DEFAULTS = PackOptions()


class Packing:
    """One project on its way into a pack."""

    def __init__(self, lock_file: Path, config: Config, options: PackOptions = DEFAULTS) -> None:
        """Reads the project. Raises Error(Invalid)."""
        self._options = options
        self._directory = lock_file.parent
        self.manifest = read_manifest(self._directory)
        lock = read_lock(lock_file)
        if lock is None:
            raise invalid(f"{lock_file}: no lock file found: 'wippy init' makes one")
        self._project: Project = load_project(lock, config)
        raise_errors(self._project.problems)
        excluded = Excluded(options.exclude_namespaces, options.exclude_entries)
        prepared = prepare(self._project.entries, config, excluded=excluded)
        self._entries = [_without_command(entry) if owner(entry) else entry for entry in prepared.entries]
        self.warnings = [str(problem) for problem in (*self._project.problems, *prepared.problems)]

    def directories(self) -> list[tuple[Entry, Path | None, bool]]:
        """The `fs.directory` entries, their directories, and whether they would be embedded."""
        places = self._embedded(self._entries)
        return [
            (entry, directory_of(entry, self._project.module_roots), place in places)
            for place, entry in enumerate(self._entries)
            if entry.kind == DIRECTORY
        ]

    def contents(self) -> Contents:
        """Everything that goes into the pack. Raises Error(Invalid)."""
        embedded_before = {entry.id for entry in self._entries if entry.kind == EMBED}
        travelling = [resource for key, resource in self._project.resources.items() if key in embedded_before]
        entries, resources = compile_entries(self._entries, travelling, self._options.bytecode)
        entries, resources = embed_entries(entries, resources, self._embedded(entries), self._project.module_roots)
        given = parse_metadata(self._options.meta)
        stated = {"description": self._options.description, "tags": list(self._options.tags)}
        stated = {key: value for key, value in stated.items() if value}
        manifest, free = self.manifest or Manifest(), {}
        if self.manifest is not None:
            check_manifest(manifest, self._directory, named=False)
            free = dict(manifest.metadata)
            stated |= runtime_metadata(exported_defaults(manifest, self._directory))
        return Contents(pack_metadata(entries, resources, stated | given, free), entries, resources, self.warnings)

    def _embedded(self, entries: Sequence[Entry]) -> set[int]:
        """Which directories travel: those asked for, and those that a module brings among its own files."""
        if self._options.embed_all:
            places = chosen(entries, ["**"], [DIRECTORY], "")
        elif self._options.embed is not None:
            places = chosen(entries, self._options.embed, [DIRECTORY], "--embed")
        else:
            places = chosen(entries, self.manifest.embed if self.manifest else [], [DIRECTORY], "")
        return places | {place for place, entry in enumerate(entries) if self._comes_with_module(entry)}

    def _comes_with_module(self, entry: Entry) -> bool:
        if entry.kind != DIRECTORY or not in_module(entry):
            return False
        directory = directory_of(entry, self._project.module_roots)
        return directory is not None and not entry.data.get("auto_init") and directory.is_dir()


def _without_command(entry: Entry) -> Entry:
    """Commands of modules are not commands of the application; what runs tests is found by what it is for."""
    if not is_command(entry) or entry.meta["command"].get("use_case") == "test":
        return entry
    meta = {key: value for key, value in entry.meta.items() if key != "command"}
    return Entry(entry.id, entry.kind, meta, entry.data, entry.origin)
