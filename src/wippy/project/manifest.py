"""`wippy.yaml`: what a module says about itself (spec 01 §4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from wippy.core.errors import invalid
from wippy.project.shaping import matches_entry, matches_meta
from wippy.project.tree import inside
from wippy.project.yaml import YamlError, load
from wippy.registry.entry import Entry

MANIFEST_FILE = "wippy.yaml"

ModuleType: TypeAlias = Literal["", "library", "application", "agent", "plugin"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PARTS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMVER = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PARTS})?(?:\+{_PARTS})?")

_GOT = {
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a map",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
}


class RuntimeExport(msgspec.Struct, frozen=True):
    """Which sections and variables of a configuration file an application's pack carries as defaults."""

    source: str = ".wippy.yaml"
    sections: list[str] = []
    vars: list[str] = []


class ProfileExport(msgspec.Struct, frozen=True):
    """Which profiles of it; all of them unless `include` names some."""

    enabled: bool = False
    source: str = ".wippy.yaml"
    include: list[str] = []


class Publish(msgspec.Struct, frozen=True):
    runtime: RuntimeExport | None = None
    profiles: ProfileExport | None = None


class Manifest(msgspec.Struct, frozen=True):
    """The fields of a manifest; unknown ones are ignored."""

    organization: str = ""
    module: str = ""
    version: str = ""
    type: ModuleType = ""
    description: str = ""
    license: str = ""
    repository: str = ""
    homepage: str = ""
    keywords: list[str] = []
    authors: list[str] = []
    include: list[str] = []
    exclude: list[str] = []
    exclude_meta: dict[str, Any] = {}
    embed: list[str] = []
    metadata: dict[str, Any] = {}
    publish: Publish = Publish()

    @property
    def name(self) -> str:
        """`org/module`."""
        return f"{self.organization}/{self.module}"

    @property
    def namespace(self) -> str:
        """`org.module`."""
        return f"{self.organization}.{self.module}"

    @property
    def is_application(self) -> bool:
        """A module that does not say what it is counts as an application."""
        return self.type in ("", "application")

    def artefact(self, version: str = "") -> str:
        """The name of its pack: `module-version.wapp`, or `module.wapp` without a version."""
        version = version or self.version
        return f"{self.module}-{version}.wapp" if version else f"{self.module}.wapp"

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

    def publishes_file(self) -> Callable[[str], bool]:
        """`keeps_file`, and when there are `include` globs one of them must match."""
        kept, left_out = self.keeps_file(), excluder(self.include)
        return lambda path: kept(path) and (not self.include or not left_out(path))


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of the module in `directory`; None without one. Raises Error(Invalid) naming file and field."""
    path = directory / MANIFEST_FILE
    try:
        return msgspec.convert(load(path.read_bytes()) or {}, Manifest)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
    except YamlError as error:
        raise invalid(f"{path}:{error.line}:{error.column}: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise invalid(f"{path}: {_explained(str(error))}") from None


def check_manifest(manifest: Manifest, directory: Path, *, named: bool = True) -> None:
    """What publishing and packing need besides the right types; publishing also needs the module to be `named`.

    Raises one Error(Invalid) naming the file and each field that is missing or malformed.
    """
    problems = [
        f'field "{field}": {"required" if not value else f"{value!r}: lower-case a-z, 0-9 and - inside"}'
        for field, value in (("organization", manifest.organization), ("module", manifest.module))
        if (named or value) and not _NAME.fullmatch(value)
    ]
    if manifest.version and not _SEMVER.fullmatch(manifest.version):
        problems.append(f'field "version": {manifest.version!r} is no semantic version such as 1.2.3')
    problems += [
        f'field "exclude": entry pattern {pattern!r}: expected namespace:name'
        for pattern in manifest.exclude
        if ":" in pattern and not all(pattern.partition(":")[::2])
    ]
    exports = manifest.publish.runtime is not None or manifest.publish.profiles is not None
    if exports and not manifest.is_application:
        problems.append(f'field "publish": a module of type {manifest.type} carries no runtime defaults')
    if problems:
        raise invalid("\n".join(f"{directory / MANIFEST_FILE}: {problem}" for problem in problems))


def described(manifest: Manifest, directory: Path) -> str:
    """The description; that of a `file://...` is the file's text. Raises Error(Invalid) naming file and field."""
    if not manifest.description.startswith("file://"):
        return manifest.description
    reference = manifest.description.removeprefix("file://")
    clean = inside("", reference)
    where = f'{directory / MANIFEST_FILE}: field "description": {manifest.description}'
    if not reference.strip("/") or clean is None:
        raise invalid(f"{where}: path traversal detected" if clean is None else f"{where}: no path")
    try:
        return (directory / clean).read_text(encoding="utf-8")
    except OSError as error:
        raise invalid(f"{where}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise invalid(f"{where}: not UTF-8 text") from None


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


def _explained(reason: str) -> str:
    """msgspec's message in the words of the other errors: `field "keywords[0]": expected a text, got a number`."""
    message, _, path = reason.partition(" - at `$")
    field = path.rstrip("`").removeprefix(".").replace("[...]", "")
    enum = re.fullmatch(r"Invalid enum value (.*)", message)
    if enum is not None:
        message = f"{enum[1]} is none of {', '.join(filter(None, get_args(ModuleType)))}"
    else:
        words = re.sub(r"`([^`]*)`", lambda match: _worded(match[1]), message)
        message = words[0].lower() + words[1:]
    return f'field "{field}": {message}' if field else message


def _worded(types: str) -> str:
    return " or ".join(_GOT.get(name, name) for name in types.split(" | ") if name != "null" or types == "null")
