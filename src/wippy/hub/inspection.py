"""What a pack says of itself: what a hub shows of it, what its publisher is told before, what guests inspect."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import Error, invalid
from wippy.core.semver import Constraint, Version
from wippy.hub import protocol
from wippy.hub.resolver import label_of
from wippy.project.linking import decode_dependency, decode_requirement
from wippy.project.packs import module_of
from wippy.project.wapp import Pack
from wippy.registry.entry import Entry

PIECE = 1024 * 1024


class Inspected(msgspec.Struct, frozen=True):
    """`name` is org/module. `content` holds what a version shows of its pack."""

    name: str
    version: str
    content: protocol.Version
    contracts: list[protocol.Contract] = []


def inspect_pack(pack: Pack) -> Inspected:
    """Raises Error(Invalid) unless the pack is a module that can be published: a name, a semantic version, exactly one
    `ns.definition`, dependencies and requirements that decode."""
    name, version = module_of(pack.metadata), _text(pack.metadata, "version")
    if not name:
        raise invalid("the pack does not say which module it is: metadata `namespace` and `name` are missing")
    Version.parse(version)
    definitions = [entry for entry in pack.entries if entry.kind == "ns.definition"]
    if len(definitions) != 1:
        raise invalid(f"a module has exactly one ns.definition entry, this one has {len(definitions)}")
    content = protocol.Version(
        version=version,
        lua_modules=_lua_modules(pack.entries),
        entry_kinds=sorted({entry.kind for entry in pack.entries}),
        entry_count=len(pack.entries),
        dependencies=dependencies_of(pack.entries),
        requirements=requirements_of(pack.entries),
        files=[
            protocol.File(path=f"{resource.id}/{path}", size_bytes=info.size)
            for resource in pack.resources
            for path, info in resource.tree.files.items()
        ],
        readme=_readme(definitions[0]),
        metadata=_metadata(pack.metadata),
    )
    return Inspected(name, version, content, _contracts(pack.entries))


def verify_files(pack: Pack) -> None:
    """Reads every file of every resource to its end. Raises Error(Invalid) for damaged and oversized ones."""
    for resource in pack.resources:
        for path in resource.tree.files:
            reader = resource.tree.open(path)
            while reader.read(PIECE):
                pass


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dependencies_of(entries: Iterable[Entry]) -> list[protocol.Dependency]:
    """What a module's `ns.dependency` entries want. Raises Error(Invalid)."""
    found: list[protocol.Dependency] = []
    for entry in entries:
        if entry.kind == "ns.dependency":
            data = decode_dependency(entry).data
            org, _, name = data.component.partition("/")
            if not label_of(data.version):
                _checked(entry, data.version)
            found.append(protocol.Dependency(org=org, name=name, version_constraint=data.version))
    return found


def requirements_of(entries: Iterable[Entry]) -> list[protocol.Requirement]:
    """What a host can or must supply. Raises Error(Invalid)."""
    decoded = [decode_requirement(entry) for entry in entries if entry.kind == "ns.requirement"]
    return [
        protocol.Requirement(
            name=each.entry.id.name,
            description=_text(each.entry.meta, "description") or _text(each.entry.meta, "comment"),
            default=each.data.default,
            targets=[protocol.RequirementTarget(entry=t.entry, path=t.path) for t in each.data.targets],
        )
        for each in decoded
    ]


def _checked(entry: Entry, constraint: str) -> None:
    try:
        Constraint(constraint)
    except Error as error:
        raise entry.failure(error) from None


def _lua_modules(entries: Iterable[Entry]) -> list[str]:
    listed = [entry.data.get("modules") for entry in entries if isinstance(entry.data, dict)]
    return sorted({name for names in listed if isinstance(names, list) for name in names if isinstance(name, str)})


def _readme(definition: Entry) -> str:
    return _text(definition.data, "readme") if isinstance(definition.data, dict) else ""


def _contracts(entries: Iterable[Entry]) -> list[protocol.Contract]:
    found: list[protocol.Contract] = []
    for entry in entries:
        if entry.kind == "contract.definition" and isinstance(entry.data, dict):
            methods = entry.data.get("methods")
            listed = [method for method in methods if isinstance(method, dict)] if isinstance(methods, list) else []
            found.append(
                protocol.Contract(
                    id=str(entry.id),
                    name=_text(entry.meta, "name") or entry.id.name,
                    description=_text(entry.meta, "description"),
                    methods=[
                        protocol.ContractMethod(name=_text(method, "name"), description=_text(method, "description"))
                        for method in listed
                    ],
                )
            )
    return found


def _metadata(metadata: Mapping[str, Any]) -> protocol.VersionMetadata:
    return protocol.VersionMetadata(
        description=_text(metadata, "description"),
        repository=_text(metadata, "repository"),
        license=_text(metadata, "license"),
        keywords=_texts(metadata, "keywords"),
        authors=_texts(metadata, "authors"),
        documentation=_text(metadata, "documentation"),
        homepage=_text(metadata, "homepage"),
        min_wippy_version=_text(metadata, "min_wippy_version"),
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    value = fields.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
