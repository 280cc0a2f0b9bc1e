"""A pack as a directory that loads to the same entries (spec 01 §7, `options.unpack_modules`).

_index.yaml               entries of the namespace that all others begin with
list.lua, page.jet        their sources and templates
util/_index.yaml          entries of `<that namespace>.util`
public/                   the files of the entry `public`, which was `fs.embed` and is `fs.directory` here
wippy.yaml                says that those files are no definitions
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.manifest import MANIFEST_FILE
from wippy.project.packs import BYTECODE
from wippy.project.tree import SKIPPED_DIRECTORIES
from wippy.project.wapp import limits
from wippy.project.wapp.block_yaml import block_yaml
from wippy.project.wapp.pack import Pack
from wippy.project.wapp.tree import FileTree
from wippy.registry.entry import Entry

_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_SOURCES = {"template.jet": ".jet"}
_NOT_INLINE = frozenset({"name", "kind", "meta", "data"})
_REFERENCE = "file://"
_NOT_WALKED = SKIPPED_DIRECTORIES | {"src"}
"""Names of directories that would be left out when the unpacked module is read, or be taken for the whole of it."""


def unpack(pack: Pack, directory: Path) -> None:
    """Expands `pack` to `directory`, replacing what is there. It is there whole or not at all; the pack's file stays.

    Raises Error(Invalid) naming the pack: for a damaged file in it, an entry that no definition file can hold, a disk
    that refuses.
    """
    part = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        _Unpacking(pack, part).run()
        _swap(part, directory)
    except OSError as error:
        raise invalid(f"{pack.path}: cannot be unpacked to {directory}: {error.strerror or error}") from None
    except Error as error:
        message = str(error)
        raise (error if message.startswith(str(pack.path)) else error.within(str(pack.path))) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, directory: Path) -> None:
    """Puts `part` in the place of `directory`. A crash in between leaves no directory, never half of one."""
    old = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    if directory.exists():
        directory.rename(old)
    try:
        part.rename(directory)
    except OSError:
        if old.exists():
            old.rename(directory)
        raise
    shutil.rmtree(old, ignore_errors=True)


class _Unpacking:
    def __init__(self, pack: Pack, root: Path) -> None:
        self._pack = pack
        self._root = root
        self._common = _common([entry.id.ns for entry in pack.entries if entry.id != BYTECODE])
        self._taken = {Path(str(root / MANIFEST_FILE).lower())}
        self._files: list[str] = []

    def run(self) -> None:
        by_namespace: dict[str, list[Entry]] = {}
        for entry in map(self._renamed, self._pack.entries):
            if not entry.id.ns.strip():
                raise invalid(f"entry {entry.id} has no namespace")
            by_namespace.setdefault(entry.id.ns, []).append(entry)
        places = self._places(list(by_namespace))
        for namespace, entries in by_namespace.items():
            self._index(namespace, places[namespace], entries)
        self._manifest()

    # Namespaces ----------------------------------------

    def _places(self, namespaces: Sequence[str]) -> dict[str, Path]:
        """A directory for each namespace: what follows the common segments, if that can be a path."""
        found: dict[str, Path] = {}
        for number, namespace in enumerate(namespaces):
            segments = namespace.split(".")
            rest = segments[len(self._common) :] if segments[: len(self._common)] == self._common else segments
            fits = all(_SAFE.fullmatch(segment) and segment not in _NOT_WALKED for segment in rest)
            found[namespace] = self._root.joinpath(*rest) if fits and len(rest) < 32 else self._root / f"_{number}"
            found[namespace].mkdir(parents=True, exist_ok=True)
        return found

    def _index(self, namespace: str, directory: Path, entries: Sequence[Entry]) -> None:
        items = [self._item(entry, directory) for entry in entries]
        content = block_yaml({"version": "1.0", "namespace": namespace, "entries": items})
        self._write(self._free(directory / "_index.yaml"), content.encode())

    def _item(self, entry: Entry, directory: Path) -> dict[str, Any]:
        if entry.kind == "fs.embed":
            entry = self._directory_entry(entry)
        item: dict[str, Any] = {"name": entry.id.name, "kind": entry.kind}
        if entry.meta:
            item["meta"] = self._references(entry.meta, entry, directory)
        data = entry.data
        if isinstance(data, dict):
            data = self._with_source(entry, data, directory)
            if not _NOT_INLINE.intersection(data):
                return item | data
        return item | {"data": self._references(data, entry, directory)}

    def _with_source(self, entry: Entry, data: dict[str, Any], directory: Path) -> dict[str, Any]:
        extension = _SOURCES.get(entry.kind, ".lua" if ".lua" in entry.kind else "")
        source = data.get("source")
        rest = {key: value for key, value in data.items() if key != "source"}
        found: dict[str, Any] = self._references(rest, entry, directory)
        if not isinstance(source, str):
            return found | ({"source": source} if "source" in data else {})
        if extension and _SAFE.fullmatch(entry.id.name):
            path = self._free(directory / f"{entry.id.name}{extension}")
            self._write(path, source.encode())
            source = f"{_REFERENCE}{path.name}"
        else:
            source = self._references(source, entry, directory)
        return {"source": source} | found

    def _references(self, value: Any, entry: Entry, directory: Path) -> Any:
        """`value` with texts that would be read as `file://` references kept in files of their own."""
        if isinstance(value, dict):
            return {key: self._references(item, entry, directory) for key, item in value.items()}
        if isinstance(value, list):
            return [self._references(item, entry, directory) for item in value]
        if not isinstance(value, str) or not value.startswith(_REFERENCE):
            return value
        path = self._free(directory / "text")
        self._write(path, value.encode())
        return f"{_REFERENCE}{path.name}"

    # Files ----------------------------------------

    def _renamed(self, entry: Entry) -> Entry:
        """Compiled code has one id in all packs; as a directory of a module it gets one of that module."""
        own = EntryId(".".join(self._common) or BYTECODE.ns, BYTECODE.name)
        if entry.id == BYTECODE:
            return Entry(own, entry.kind, entry.meta, entry.data)
        if entry.kind.endswith(".bc") and isinstance(entry.data, dict) and entry.data.get("fs") == str(BYTECODE):
            return Entry(entry.id, entry.kind, entry.meta, {**entry.data, "fs": str(own)})
        return entry

    def _directory_entry(self, entry: Entry) -> Entry:
        resource = self._pack.resource(entry.id)
        if resource is None and entry.id.name == BYTECODE.name:
            resource = self._pack.resource(BYTECODE)
        if resource is None:
            raise invalid(f"entry {entry.id}: the pack holds no files for it")
        name = entry.id.name if _SAFE.fullmatch(entry.id.name) else "files"
        path = self._free(self._root / name)
        self._expand(resource.tree, path)
        self._files.append(path.name)
        return Entry(entry.id, "fs.directory", entry.meta, {"directory": path.name, "base": "module"})

    def _expand(self, tree: FileTree, root: Path) -> None:
        for directory in tree.directories:
            (root / directory).mkdir(parents=True, exist_ok=True)
        for path, info in tree.files.items():
            target, reader = root / path, tree.open(path)
            with target.open("xb") as file:
                while piece := reader.read(limits.MIB):
                    file.write(piece)
            target.chmod(info.mode & 0o755 | 0o600)
            os.utime(target, (info.modified, info.modified))

    def _free(self, path: Path) -> Path:
        """`path`, or with a number behind it when something has that name. Names that differ in case only count as
        the same, as they do on some disks."""
        names = [path, *(path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(2, 10_000))]
        for name in names:
            key = Path(str(name).lower())
            if key not in self._taken and not name.exists():
                self._taken.add(key)
                return name
        raise invalid(f"too many files are called {path.name}")

    def _write(self, path: Path, data: bytes) -> None:
        with path.open("xb") as file:
            file.write(data)

    def _manifest(self) -> None:
        fields: dict[str, Any] = {
            key: value
            for key in ("organization", "module", "version", "description", "license")
            if isinstance(value := self._pack.metadata.get("name" if key == "module" else key), str) and value
        }
        fields["exclude"] = sorted(f"{name}/**" for name in self._files)
        self._write(self._root / MANIFEST_FILE, block_yaml(fields).encode())


def _common(namespaces: Sequence[str]) -> list[str]:
    """The leading segments that all namespaces share."""
    split = [namespace.split(".") for namespace in namespaces]
    shared: list[str] = []
    for segments in zip(*split, strict=False):
        if len(set(segments)) > 1:
            break
        shared.append(segments[0])
    return shared
