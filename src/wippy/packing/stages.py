"""The last stages on the way into a pack: compiled code and embedded directories (spec 01 §7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wippy.core.errors import Error, invalid
from wippy.core.patterns import dotted_pattern
from wippy.lua.bytecode import to_bytecode
from wippy.project.packs import BYTECODE, merge_resources
from wippy.project.shaping import matches_entry
from wippy.project.wapp import DiskTree, MemoryTree, Resource
from wippy.project.wapp.tree import check_path
from wippy.registry.entry import Entry

CODE = ("function.lua", "library.lua", "process.lua", "workflow.lua")
ALL = ("**", "**:**")
EMBED = "fs.embed"
DIRECTORY = "fs.directory"


def matches(pattern: str) -> Callable[[Entry], bool]:
    """A test for entries by id, name, `ns:**`, or `**` for all. Raises Error(Invalid)."""
    if pattern in ALL:
        return lambda entry: True
    if ":" in pattern:
        return matches_entry(pattern)
    fits = dotted_pattern(pattern)
    return lambda entry: fits(entry.id.name)


def chosen(entries: Sequence[Entry], patterns: Sequence[str], kinds: Sequence[str], flag: str) -> set[int]:
    """The places of the entries of `kinds` that one of the patterns names. Raises Error(Invalid) for a pattern that
    names none; `flag` is where it came from, "" lets it pass."""
    found: set[int] = set()
    for pattern in patterns:
        fits = matches(pattern)
        places = {place for place, entry in enumerate(entries) if entry.kind in kinds and fits(entry)}
        if not places and flag:
            raise invalid(f'{flag} "{pattern}": no entry of kind {" or ".join(kinds)} matches')
        found |= places
    return found


# Bytecode ----------------------------------------


def compile_entries(
    entries: Sequence[Entry], resources: Sequence[Resource], patterns: Sequence[str]
) -> tuple[list[Entry], list[Resource]]:
    """Lua entries that the patterns name become `.bc` ones, their code a resource. Raises Error(Invalid)."""
    places = chosen(entries, patterns, CODE, "--bytecode")
    changed, files = list(entries), dict[str, bytes]()
    for place in sorted(places):
        changed[place], path, code = _compiled(entries[place])
        files[path] = code
    if not files:
        return changed, list(resources)
    if all(entry.id != BYTECODE for entry in changed):
        changed.append(Entry(BYTECODE, EMBED, {}, {}))
    return changed, list(merge_resources([*resources, Resource(BYTECODE, MemoryTree(files))]).values())


def _compiled(entry: Entry) -> tuple[Entry, str, bytes]:
    data: Mapping[str, Any] = entry.data if isinstance(entry.data, dict) else {}
    source = data.get("source")
    if not isinstance(source, str):
        raise invalid(f"{entry.label()}: has no source to compile")
    path = f"{entry.id.ns}/{entry.id.name}.luac"
    try:
        check_path(path)
        code = to_bytecode(source.encode("utf-8", "surrogateescape"), str(entry.id))
    except Error as error:
        raise entry.failure(error) from None
    fields = {"fs": str(BYTECODE), "path": path, "hash": f"sha256:{hashlib.sha256(code).hexdigest()}"}
    fields |= {key: value for key, value in data.items() if key not in ("source", *fields)}
    return Entry(entry.id, f"{entry.kind}.bc", entry.meta, fields, entry.origin), path, code


# Embed ----------------------------------------


def embed_entries(
    entries: Sequence[Entry], resources: Sequence[Resource], places: set[int], module_roots: Mapping[str, Path]
) -> tuple[list[Entry], list[Resource]]:
    """The `fs.directory` entries at `places` become `fs.embed`, their files resources. Raises Error(Invalid)."""
    changed, more = list(entries), list[Resource]()
    for place in sorted(places):
        entry = entries[place]
        more.append(Resource(entry.id, _files(entry, module_roots)))
        changed[place] = Entry(entry.id, EMBED, entry.meta, {}, entry.origin)
    return changed, list(merge_resources([*resources, *more]).values())


def directory_of(entry: Entry, module_roots: Mapping[str, Path]) -> Path | None:
    """Where the files of an `fs.directory` are (spec 04a §4.1); None when only a running node could say."""
    data = entry.data if isinstance(entry.data, dict) else {}
    text = data.get("directory")
    if not isinstance(text, str) or not text or "${" in text:
        return None
    return (module_roots.get(owner(entry), Path()) if in_module(entry) else Path()) / text


def in_module(entry: Entry) -> bool:
    """Whether the directory belongs to a module's own files and not to the project or the machine."""
    data = entry.data if isinstance(entry.data, dict) else {}
    return bool(owner(entry)) and data.get("base") != "project"


def owner(entry: Entry) -> str:
    """`org/module` that an entry came with; "" for those of the project itself."""
    module = entry.meta.get("module")
    return module if isinstance(module, str) else ""


def _files(entry: Entry, module_roots: Mapping[str, Path]) -> DiskTree:
    directory = directory_of(entry, module_roots)
    if directory is None:
        raise invalid(f"{entry.label('directory')}: cannot be embedded: its directory is known at run time only")
    if not directory.is_dir():
        raise invalid(f"{entry.label('directory')}: cannot be embedded: {directory} is no directory")
    try:
        return DiskTree(directory)
    except OSError as error:
        raise invalid(f"{entry.label('directory')}: cannot be embedded: {error}") from None
