"""The pack of one module, as it is published: its own entries, untouched by any configuration (spec 01 §4, §18)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wippy.core.errors import invalid
from wippy.packing.contents import Contents, manifest_metadata, pack_metadata
from wippy.packing.exports import exported_defaults
from wippy.packing.stages import DIRECTORY, chosen, embed_entries
from wippy.project.definitions import Definitions, deduplicate, load_directory
from wippy.project.lockfile import LOCK_FILE, read_lock
from wippy.project.manifest import MANIFEST_FILE, Manifest, check_manifest
from wippy.project.packs import runtime_metadata
from wippy.project.problems import raise_errors
from wippy.project.tree import DirectoryTree, skipped_names

DEFINITION = "ns.definition"


def module_contents(
    directory: Path, manifest: Manifest, *, version: str = "", embed: Sequence[str] | None = None
) -> Contents:
    """What the module in `directory` publishes as `version` (the manifest's own, when it is empty).

    embed: patterns for `fs.directory` entries, instead of the manifest's; the others are left out. Requirements stay
    open and placeholders as they are: both belong to who installs the module.
    Raises Error(Invalid) for a manifest that is not complete, broken files, or not exactly one `ns.definition`.
    """
    check_manifest(manifest, directory)
    version = version or manifest.version
    if not version:
        raise invalid(f'{directory / MANIFEST_FILE}: field "version": required')
    found = _definitions(directory, manifest)
    raise_errors(found.problems)
    deduplicate(found)
    definitions = [entry for entry in found.entries if entry.kind == DEFINITION]
    if len(definitions) != 1:
        ids = f": {', '.join(str(entry.id) for entry in definitions)}" if definitions else ""
        raise invalid(f"{directory}: a module needs exactly one {DEFINITION}, found {len(definitions)}{ids}")
    patterns, flag = (manifest.embed, "") if embed is None else (embed, "--embed")
    places = chosen(found.entries, patterns, [DIRECTORY], flag)
    entries, resources = embed_entries(found.entries, [], places, {})
    entries = [entry for entry in entries if entry.kind != DIRECTORY]
    given = manifest_metadata(manifest, directory, version)
    if manifest.is_application:
        given |= runtime_metadata(exported_defaults(manifest, directory))
    warnings = [str(problem) for problem in found.problems]
    return Contents(pack_metadata(entries, resources, given, manifest.metadata), entries, resources, warnings)


def _definitions(directory: Path, manifest: Manifest) -> Definitions:
    source, modules = _places(directory)
    if not source.is_dir():
        raise invalid(f"{source}: source directory not found")
    prefix = "" if source == directory else f"{os.path.relpath(source, directory)}/".removeprefix("./")
    publishes = manifest.publishes_file()
    tree = DirectoryTree(
        source, skipped_names(os.environ), [modules], lambda path: publishes(prefix.replace(os.sep, "/") + path)
    )
    found = load_directory(tree)
    keeps = manifest.keeps_entry()
    found.entries = [entry for entry in found.entries if keeps(entry)]
    return found


def _places(directory: Path) -> tuple[Path, Path]:
    """Where the sources are, and where those of other modules are."""
    lock = read_lock(directory / LOCK_FILE)
    if lock is not None:
        return lock.source_directory, directory / lock.directories.modules
    source = directory / "src"
    return source if source.is_dir() else directory, directory / ".wippy"
