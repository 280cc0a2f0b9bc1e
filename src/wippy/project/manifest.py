"""`wippy.yaml`: what a module says about itself (spec 01 §4). Here: what decides which of its entries load."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import invalid
from wippy.project.shaping import matches_entry, matches_meta
from wippy.project.yaml import YamlError, load
from wippy.registry.entry import Entry

MANIFEST_FILE = "wippy.yaml"


class Manifest(msgspec.Struct, frozen=True):
    """The fields that are read so far; unknown fields are ignored."""

    organization: str = ""
    module: str = ""
    version: str = ""
    description: str = ""
    include: list[str] = []
    exclude: list[str] = []
    exclude_meta: dict[str, Any] = {}

    @property
    def excluded_files(self) -> list[str]:
        """The `exclude` items that are source globs."""
        return [pattern for pattern in self.exclude if ":" not in pattern]

    def keeps_entry(self) -> Callable[[Entry], bool]:
        """A test for entries that neither an `exclude` pattern with a colon nor `exclude_meta` removes."""
        tests = [matches_entry(pattern) for pattern in self.exclude if ":" in pattern]
        tests += [matches_meta(field, values) for field, values in self.exclude_meta.items()]
        return lambda entry: not any(test(entry) for test in tests)

    def keeps_file(self) -> Callable[[str], bool]:
        """A test for paths relative to the module root that no source glob excludes."""
        return excluder(self.excluded_files)


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of the module in `directory`; None without one. Raises Error(Invalid)."""
    path = directory / MANIFEST_FILE
    try:
        return msgspec.convert(load(path.read_bytes()) or {}, Manifest, strict=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
    except YamlError as error:
        raise invalid(f"{path}:{error.line}:{error.column}: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise invalid(f"{path}: {error}") from None


def excluder(globs: Sequence[str]) -> Callable[[str], bool]:
    """A test that is False for paths matched by one of `globs`, or below a directory that is."""
    if not globs:
        return lambda path: True
    matches = re.compile("|".join(map(_glob_expression, globs))).fullmatch
    return lambda path: matches(path) is None


def _glob_expression(glob: str) -> str:
    """`**` any directories, `*` and `?` within a segment; a match covers everything below it."""
    clean = glob.removeprefix("./").strip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", clean)
    special = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(special.get(part, re.escape(part)) for part in parts) + "(?:/.*)?"
