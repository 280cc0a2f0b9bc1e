"""Files on disk for the project tests."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from wippy.core.ids import EntryId
from wippy.project.definitions import Definitions, load_directory
from wippy.project.tree import DirectoryTree
from wippy.registry.entry import Entry


def write(root: Path, **files: str) -> None:
    """`write(root, **{"a/b.yaml": "..."})`; texts are dedented."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def load(root: Path, **files: str) -> Definitions:
    write(root, **files)
    return load_directory(DirectoryTree(root))


def by_id(definitions: Any) -> dict[str, Entry]:
    return {str(entry.id): entry for entry in definitions.entries}


def pick(entries: list[Entry], entry_id: str) -> Entry:
    return next(entry for entry in entries if entry.id == EntryId.parse(entry_id))
