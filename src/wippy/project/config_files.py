"""Reading `.wippy.yaml` files and laying them over each other (spec 01 §5.1, §5.2).

From low to high: defaults of a pack, the files from left to right, the profiles, log flags, `--set`, `-o`. Then
`${name}` is replaced from `vars`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import invalid
from wippy.project.config import Config, flatten
from wippy.project.yaml import YamlError, load

CONFIG_FILE = ".wippy.yaml"

_PACK = Path("defaults of the pack")

_ENV = re.compile(r"\$\$\{|\$\{env:([^}|]*)(?:\|([^}]*))?\}")
_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_OVERRIDE = re.compile(r"[^:=,]+:[^:=,]+:[^=]+=")


class Layers(msgspec.Struct, frozen=True):
    """What decides a configuration besides the files."""

    files: Sequence[Path] = ()
    """Files named explicitly: each must exist. Empty: `.wippy.yaml` in `directory`, if there is one."""
    profiles: Sequence[str] = ()
    settings: Sequence[str] = ()
    """`--set section.path=value`."""
    overrides: Sequence[str] = ()
    """`-o ns:entry:path=value`."""
    flags: Mapping[str, Any] = {}
    """Leaves that command-line flags set."""
    pack_defaults: Mapping[str, Any] = {}
    """Leaves that the application pack carries; `${env:NAME}` in them is that of the machine it runs on."""
    pack_profiles: Mapping[str, Mapping[str, Any]] = {}
    """Leaves of the profiles it carries."""


def load_config(
    layers: Layers | None = None, *, directory: Path = Path(), environ: Mapping[str, str] | None = None
) -> Config:
    """The resolved configuration. Raises Error(Invalid) naming file and reason."""
    layers = layers or Layers()
    files = list(layers.files) or [path for path in (directory / CONFIG_FILE,) if path.exists()]
    environ = os.environ if environ is None else environ
    leaves = _from_environment(_PACK, dict(layers.pack_defaults), environ)
    profiles = {name: _profile(_PACK, name, dict(tree), environ) for name, tree in layers.pack_profiles.items()}
    for path in files:
        sections, overlays = _read(path, environ)
        leaves.update(sections)
        for name, overlay in overlays.items():
            profiles.setdefault(name, {}).update(overlay)
    for name in layers.profiles:
        if name not in profiles:
            known = f" (known: {', '.join(sorted(profiles))})" if profiles else " (no profiles are defined)"
            raise invalid(f'unknown profile "{name}"{known}')
        _overlay(leaves, profiles[name])
    leaves.update(layers.flags)
    leaves.update(parse_setting(text) for text in layers.settings)
    leaves.update((f"override.{key}", value) for key, value in parse_overrides(layers.overrides).items())
    return Config(_interpolated(leaves), files[0].parent if files else directory)


def parse_setting(text: str) -> tuple[str, Any]:
    """`section.path=value`; true, false and numbers are typed. Raises Error(Invalid)."""
    key, equals, value = text.partition("=")
    if not equals or "." not in key.strip("."):
        raise invalid(f'malformed --set "{text}": expected section.path=value')
    if value in ("true", "false"):
        return key, value == "true"
    if re.fullmatch(r"[-+]?[0-9]+", value):
        return key, int(value)
    return key, float(value) if _FLOAT.match(value) else value


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """`ns:entry:path=value`, several may share one text with commas. Raises Error(Invalid)."""
    found: dict[str, Any] = {}
    for text in texts:
        for piece in _pieces(text):
            key, equals, value = piece.partition("=")
            if not equals or key.count(":") < 2:
                raise invalid(f'malformed override "{piece}": expected namespace:entry:path=value')
            found[key] = _guessed(value)
    return found


def _pieces(text: str) -> list[str]:
    """`text` cut at the commas that begin another override; other commas belong to the value."""
    pieces: list[str] = []
    for part in text.split(","):
        if pieces and not _OVERRIDE.match(part):
            pieces[-1] += f",{part}"
        else:
            pieces.append(part)
    return pieces


def _guessed(value: str) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if re.fullmatch(r"-?(?:0|[1-9][0-9]*)", value) and value != "-0":
        return int(value)
    is_float = _FLOAT.match(value) and any(mark in value for mark in ".eE")
    return float(value) if is_float else value


def _read(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The leaves of one file, and those of its profiles."""
    tree, profiles = read_sections(path)
    return (
        _from_environment(path, tree, environ),
        {name: _profile(path, name, profile or {}, environ) for name, profile in profiles.items()},
    )


def read_sections(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sections of one file, and its profiles by name, as they are written. Raises Error(Invalid)."""
    try:
        tree = load(path.read_bytes())
    except OSError as error:
        raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
    except YamlError as error:
        raise invalid(f"{path}:{error.line}:{error.column}: {error.reason}") from None
    if not isinstance(tree, dict):
        raise invalid(f"{path}: missing version field")
    version = tree.pop("version", None)
    if version is None:
        raise invalid(f"{path}: missing version field")
    if version != "1.0" and not (isinstance(version, float) and version == 1.0):
        raise invalid(f"{path}: unsupported version: {version}")
    profiles = tree.pop("profiles", None) or {}
    for name, section in [*tree.items(), *(profiles.items() if isinstance(profiles, dict) else ())]:
        if section is not None and not isinstance(section, dict):
            raise invalid(f'{path}: "{name}" must be a map')
    if not isinstance(profiles, dict):
        raise invalid(f'{path}: "profiles" must be a map')
    return tree, profiles


def _profile(path: Path, name: str, tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    for key, value in flatten(tree):
        if key.startswith("vars.") and isinstance(value, str) and "${env:" in value:
            raise invalid(f"{path}: profile {name}: ${{env:...}} is not allowed in {key}")
    return _from_environment(path, tree, environ)


def _from_environment(path: Path, tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The leaves of `tree` with `${env:NAME}` replaced; what comes from outside is not interpolated again."""

    def value_of(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return match[0]
        value = environ.get(match[1], match[2])
        if value is None:
            raise invalid(f"environment variable {match[1]} is not set")
        return value.replace("${", "$${")

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return _ENV.sub(value_of, value) if "${" in value else value
        if isinstance(value, list):
            return [replaced(item) for item in value]
        return {key: replaced(item) for key, item in value.items()} if isinstance(value, dict) else value

    leaves: dict[str, Any] = {}
    for key, value in flatten(tree):
        try:
            leaves[key] = replaced(value)
        except Exception as error:
            raise invalid(f"{path}: {key}: {error}") from None
    return leaves


def _overlay(leaves: dict[str, Any], profile: Mapping[str, Any]) -> None:
    """Lay a profile over the leaves; `disable.*.add` and `.remove` edit the lists below."""
    for key, value in profile.items():
        target, _, action = key.rpartition(".")
        if target not in ("disable.namespaces", "disable.entries") or action not in ("add", "remove"):
            leaves[key] = value
            continue
        items, base = value if isinstance(value, list) else [value], leaves.get(target) or []
        if action == "add":
            leaves[target] = [*base, *(item for item in items if item not in base)]
        else:
            leaves[target] = [item for item in base if item not in items]


def _interpolated(leaves: dict[str, Any]) -> dict[str, Any]:
    interpolation = _Interpolation(leaves)
    return {key: interpolation.value(value, key) for key, value in leaves.items()}


class _Interpolation:
    """Replaces `${name}` by `vars.name`; a text that is nothing else takes the variable's type."""

    def __init__(self, leaves: Mapping[str, Any]) -> None:
        self._leaves = leaves
        self._open: list[str] = []

    def value(self, value: Any, key: str) -> Any:
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if isinstance(value, dict):
            return {name: self.value(item, key) for name, item in value.items()}
        if not isinstance(value, str) or "${" not in value:
            return value
        whole = _VARIABLE.fullmatch(value)
        if whole is not None and whole[1] is not None:
            return self._variable(whole[1], key)
        return _VARIABLE.sub(lambda match: self._text(match, key), value)

    def _text(self, match: re.Match[str], key: str) -> str:
        if match[1] is None:
            return "${"
        value = self._variable(match[1], key)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _variable(self, name: str, key: str) -> Any:
        variable = f"vars.{name}"
        if variable not in self._leaves:
            raise invalid(
                f'{key}: undefined variable "${{{name}}}": define it under vars, or with --set {variable}=...'
            )
        if name in self._open:
            raise invalid(f"{key}: variables refer to each other: {' -> '.join([*self._open, name])}")
        self._open.append(name)
        try:
            return self.value(self._leaves[variable], variable)
        finally:
            self._open.pop()
