"""From packs to what a node loads: tags, resources, runtime defaults (spec 01 §17, §18)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from wippy.core.ids import EntryId
from wippy.project.config import flatten
from wippy.project.wapp import MergedTree, Pack, Resource
from wippy.registry.entry import Entry

BYTECODE = EntryId("internal", "lua.bytecode")
"""The resource that holds compiled code. Every pack may bring one: their files are put together."""

MACHINE_LOCAL = ("workspace", "boot", "extensions")
"""Sections of a configuration that say something about one machine: they leave it in no pack."""

_RUNTIME = "runtime."
_PROFILES = "runtime.profiles"


class PackDefaults(msgspec.Struct, frozen=True):
    """The configuration that an application pack carries: leaves, and those of its profiles."""

    leaves: Mapping[str, Any] = {}
    profiles: Mapping[str, Mapping[str, Any]] = {}


def module_of(metadata: Mapping[str, Any]) -> str:
    """`org/module` as the metadata say with `namespace` (org.module) and `name`; "" when they do not."""
    namespace, name = metadata.get("namespace"), metadata.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str) or not name:
        return ""
    organization = namespace.removesuffix(f".{name}")
    return f"{organization}/{name}" if organization and organization != namespace else ""


def tags_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The `meta` fields that entries of a pack get where they have none of their own."""
    module, version = module_of(metadata), metadata.get("version")
    tags = {"module": module} if module else {}
    if tags and isinstance(version, str) and version:
        tags["module_version"] = version
    return tags


def tagged(entries: Iterable[Entry], tags: Mapping[str, str]) -> list[Entry]:
    """`entries` with `tags` where they are absent; one of another module keeps what it has."""
    if not tags:
        return list(entries)
    return [
        entry
        if entry.meta.get("module", tags["module"]) != tags["module"]
        else Entry(entry.id, entry.kind, {**tags, **entry.meta}, entry.data, entry.origin)
        for entry in entries
    ]


def own_commands(pack: Pack) -> set[EntryId]:
    """The entries of a pack that are commands of its main module, and not of a module that travels along."""
    module = module_of(pack.metadata)
    return {entry.id for entry in pack.entries if is_command(entry) and entry.meta.get("module", module) == module}


def is_command(entry: Entry) -> bool:
    """Whether the entry is a process with a command name."""
    command = entry.meta.get("command")
    return entry.kind.startswith("process.") and isinstance(command, dict) and isinstance(command.get("name"), str)


def merge_resources(resources: Iterable[Resource]) -> dict[EntryId, Resource]:
    """By id; of several with one id the last counts, but compiled code is put together."""
    found: dict[EntryId, Resource] = {}
    for resource in resources:
        earlier = found.get(resource.id)
        if earlier is not None and resource.id == BYTECODE:
            resource = Resource(BYTECODE, MergedTree([earlier.tree, resource.tree]), resource.meta)
        found[resource.id] = resource
    return found


def defaults_of(pack: Pack) -> PackDefaults:
    """The runtime defaults in the metadata of an application's pack; sections of one machine are left out."""
    leaves = {
        key.removeprefix(_RUNTIME): value
        for key, value in pack.metadata.items()
        if key.startswith(_RUNTIME) and key != _PROFILES
    }
    profiles = pack.metadata.get(_PROFILES)
    profiles = profiles if isinstance(profiles, dict) else {}
    return PackDefaults(
        portable(dict(flatten(leaves))),
        {name: portable(dict(flatten(tree))) for name, tree in profiles.items() if isinstance(tree, dict)},
    )


def portable(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """`leaves` without the sections that belong to one machine."""
    return {key: value for key, value in leaves.items() if key.partition(".")[0] not in MACHINE_LOCAL}


def runtime_metadata(defaults: PackDefaults) -> dict[str, Any]:
    """`defaults` as keys of a pack's metadata: what `defaults_of` reads."""
    found: dict[str, Any] = {f"{_RUNTIME}{key}": value for key, value in portable(defaults.leaves).items()}
    if defaults.profiles:
        found[_PROFILES] = {name: portable(leaves) for name, leaves in defaults.profiles.items()}
    return found


def entries_of(packs: Sequence[Pack]) -> list[Entry]:
    """The tagged entries of several packs, in their order."""
    found: list[Entry] = []
    for pack in packs:
        found = joined(found, tagged(pack.entries, tags_of(pack.metadata)))
    return found


def joined(known: list[Entry], more: list[Entry]) -> list[Entry]:
    """`known` and `more`; the entry of compiled code, which every pack may bring, only once."""
    has_code = any(entry.id == BYTECODE for entry in known)
    return known + [entry for entry in more if entry.id != BYTECODE or not has_code]
