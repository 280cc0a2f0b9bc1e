"""The runtime defaults that an application's pack carries: `publish.runtime` and `publish.profiles` (spec 01 §4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wippy.core.errors import invalid
from wippy.project.config import flatten
from wippy.project.config_files import read_sections
from wippy.project.manifest import MANIFEST_FILE, Manifest, ProfileExport, RuntimeExport
from wippy.project.packs import MACHINE_LOCAL, PackDefaults, portable

_ELSEWHERE = {"vars": "name variables under publish.runtime.vars", "profiles": "use publish.profiles"}


def exported_defaults(manifest: Manifest, directory: Path) -> PackDefaults:
    """What the manifest exports. Placeholders stay as they are written: they are those of the machine that runs it.

    Raises Error(Invalid) naming file and field for a section, variable or profile that is not there or may not leave.
    """
    publish, where = manifest.publish, directory / MANIFEST_FILE
    leaves = _leaves(publish.runtime, directory, where) if publish.runtime else {}
    profiles = _profiles(publish.profiles, directory, where) if publish.profiles and publish.profiles.enabled else {}
    return PackDefaults(leaves, profiles)


def _leaves(export: RuntimeExport, directory: Path, where: Path) -> dict[str, Any]:
    sections, _ = read_sections(directory / export.source)
    found: dict[str, Any] = {}
    for name in export.sections:
        field = f'{where}: field "publish.runtime.sections": "{name}"'
        if name in MACHINE_LOCAL:
            raise invalid(f"{field} belongs to one machine and is never exported")
        if name in _ELSEWHERE:
            raise invalid(f"{field}: {_ELSEWHERE[name]}")
        if name not in sections:
            raise invalid(f"{field}: {export.source} has no such section")
        found.update(flatten({name: sections[name] or {}}))
    variables = dict(flatten(sections.get("vars") or {}))
    for name in export.vars:
        if name not in variables:
            raise invalid(f'{where}: field "publish.runtime.vars": "{name}": {export.source} has no such variable')
        found[f"vars.{name}"] = variables[name]
    return found


def _profiles(export: ProfileExport, directory: Path, where: Path) -> dict[str, dict[str, Any]]:
    _, profiles = read_sections(directory / export.source)
    for name in export.include:
        if name not in profiles:
            raise invalid(f'{where}: field "publish.profiles.include": "{name}": {export.source} has no such profile')
    names = export.include or sorted(profiles)
    return {name: portable(dict(flatten(profiles[name] or {}))) for name in names}
