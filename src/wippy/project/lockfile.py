"""`wippy.lock`: which modules a project uses and where its files are (spec 01 §3)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import Error, invalid
from wippy.project.yaml import YamlError, load, plain

LOCK_FILE = "wippy.lock"

_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~@+-]*\Z")


class Directories(msgspec.Struct, frozen=True):
    modules: str = ".wippy"
    src: str = "."


class LockedModule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A module at a version (kept verbatim); `hash` is the SHA-256 of its `.wapp`, `local_hash` of an unpacked copy."""

    name: str
    version: str
    hash: str = ""
    local_hash: str = ""


class Replacement(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    source: str
    target: str


class Options(msgspec.Struct, frozen=True):
    unpack_modules: bool = False


class _Content(msgspec.Struct, frozen=True):
    directories: Directories = Directories()
    modules: list[LockedModule] = []
    replacements: list[Replacement] = []
    options: Options = Options()


class Lock(msgspec.Struct):
    """A lock file in memory; its paths are relative to the directory of `path`."""

    path: Path
    directories: Directories = Directories(src="./src")
    modules: list[LockedModule] = []
    replacements: list[Replacement] = []
    options: Options = Options()

    @property
    def source_directory(self) -> Path:
        return self.path.parent / self.directories.src

    @property
    def vendor_directory(self) -> Path:
        modules = self.path.parent / self.directories.modules
        return modules if modules.name == "vendor" else modules / "vendor"

    def module(self, name: str) -> LockedModule | None:
        return next((module for module in self.modules if module.name == name), None)

    def text(self) -> str:
        """The file's content: modules without duplicates by name and version, everything sorted."""
        lines = ["directories:", *_fields(self.directories)]
        modules = {(module.name, module.version): module for module in self.modules}
        lines += _items("modules", [modules[key] for key in sorted(modules)])
        replacements = {replacement.source: replacement for replacement in self.replacements}
        lines += _items("replacements", [replacements[key] for key in sorted(replacements)])
        if self.options != Options():
            lines += ["options:", *_fields(self.options)]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Replace the file at once, mode 0600. Raises OSError."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.text())
        temporary.replace(self.path)


def read_lock(path: Path) -> Lock | None:
    """The lock at `path`; None when there is none. Raises Error(Invalid) naming file and field."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        content = msgspec.convert(load(text) or {}, _Content)
        _check(content)
    except YamlError as error:
        raise invalid(f"{path}:{error.line}:{error.column}: {error.reason}") from None
    except (msgspec.ValidationError, Error) as error:
        raise invalid(f"{path}: {error}") from None
    return Lock(path, content.directories, content.modules, content.replacements, content.options)


def split_module(name: str) -> tuple[str, str]:
    """`org/module` as a pair: two names of files, neither hidden. Raises Error(Invalid)."""
    organization, _, module = name.partition("/")
    if any(not part or part.startswith(".") or set(part) & {"/", "\\", "\0"} for part in (organization, module)):
        raise invalid(f'module name must be org/module, got "{name}"')
    return organization, module


def _check(content: _Content) -> None:
    if not content.directories.modules or not content.directories.src:
        raise invalid("directories.modules and directories.src must not be empty")
    for module in content.modules:
        split_module(module.name)
        if not module.version:
            raise invalid(f'module "{module.name}" has no version')
    for replacement in content.replacements:
        split_module(replacement.source)


def _items(title: str, items: Iterable[msgspec.Struct]) -> list[str]:
    lines = [line for item in items for line in _item(item)]
    return [f"{title}:", *lines] if lines else []


def _item(item: msgspec.Struct) -> list[str]:
    first, *rest = _fields(item, "      ")
    return [f"    - {first.strip()}", *rest]


def _fields(item: msgspec.Struct, indent: str = "    ") -> list[str]:
    values: dict[str, Any] = msgspec.to_builtins(item)
    return [f"{indent}{key}: {_scalar(value)}" for key, value in values.items()]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN_TEXT.match(value) and isinstance(plain(value), str):
        return value
    return json.dumps(value, ensure_ascii=False)
