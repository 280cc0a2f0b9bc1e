"""Where definition files come from: a directory, or anything else that can list and read files."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

KeepsFile: TypeAlias = Callable[[str], bool]

SKIPPED_DIRECTORIES = frozenset({"node_modules"})
_SKIP_BY_ENVIRONMENT = {
    "SKIP_TEMPORAL_TESTS": ("_temporal", "temporal"),
    "SKIP_CLOUDSTORAGE_TESTS": ("cloudstorage",),
    "SKIP_SQS_TESTS": ("sqs",),
    "SKIP_NETWORK_TESTS": ("network",),
}


class SourceTree(Protocol):
    """Files by their path relative to the root, with `/`."""

    def files(self) -> Iterator[str]:
        """Every file, directories walked in lexical order."""

    def read(self, path: str) -> bytes:
        """The content of a file. Raises OSError."""

    def display(self, path: str) -> str:
        """The path as messages show it."""


class DirectoryTree:
    """A directory on disk.

    Directories called like one of `skip_names`, and the directories `skip_paths`, are not walked; files that `keeps`
    refuses are not listed. Links to directories are not followed when walking.
    """

    def __init__(
        self,
        root: Path,
        skip_names: Collection[str] = SKIPPED_DIRECTORIES,
        skip_paths: Collection[Path] = (),
        keeps: KeepsFile | None = None,
    ) -> None:
        self.root = root
        self._keeps = keeps
        self._skip_names = frozenset(skip_names)
        self._skip_paths = frozenset(os.path.abspath(path) for path in skip_paths)

    def files(self) -> Iterator[str]:
        yield from self._walk(str(self.root), "")

    def _walk(self, directory: str, prefix: str) -> Iterator[str]:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in self._skip_names and os.path.abspath(entry.path) not in self._skip_paths:
                    yield from self._walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file() and (self._keeps is None or self._keeps(prefix + entry.name)):
                yield prefix + entry.name

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def display(self, path: str) -> str:
        full = os.path.join(self.root, path)
        relative = os.path.relpath(full)
        return full if relative.startswith("..") else relative


def skipped_names(environ: Mapping[str, str]) -> frozenset[str]:
    """Names of directories not to walk, with what the `SKIP_*` variables add (spec 01 §2)."""
    names = set(SKIPPED_DIRECTORIES)
    for variable, directories in _SKIP_BY_ENVIRONMENT.items():
        if environ.get(variable):
            names.update(directories)
    names.update(name.strip() for name in environ.get("SKIP_TEST_DIRS", "").split(",") if name.strip())
    return frozenset(names)


def inside(directory: str, reference: str) -> str | None:
    """`reference` (with `/` in front: from the root) as a clean path, or None when it leaves the root."""
    joined = reference.lstrip("/") if reference.startswith("/") else posixpath.join(directory, reference)
    clean = posixpath.normpath(joined)
    return None if clean == ".." or clean.startswith("../") else clean
