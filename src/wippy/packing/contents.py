"""What a pack is going to hold, and its metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import invalid
from wippy.project.manifest import Manifest, described
from wippy.project.wapp import Resource
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry

RESERVED = ("wippy.", "system.")
"""Prefixes of metadata keys that belong to the runtime."""


class Contents(msgspec.Struct, frozen=True):
    """Ready to be written. `warnings`: what the maker of the pack should know."""

    metadata: dict[str, Any]
    entries: list[Entry]
    resources: list[Resource]
    warnings: list[str] = []

    def write(self, path: Path) -> None:
        """Raises Error(Invalid)."""
        write_pack(path, self.metadata, self.entries, self.resources)


def pack_metadata(
    entries: Sequence[Entry], resources: Sequence[Resource], given: Mapping[str, Any], free: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata of a pack: what every pack says, `given`, and of `free` what neither of them says.

    The time of packing is that of `SOURCE_DATE_EPOCH`; without it there is none, so that the same project always gives
    the same bytes. Raises Error(Invalid).
    """
    found: dict[str, Any] = {"wippy_version": distributions.version("wippy")}
    packed_at = _source_date()
    if packed_at is not None:
        found["packed_at"] = packed_at
    found |= {"entry_count": len(entries), "resource_count": len(resources)}
    found |= {key: value for key, value in given.items() if key not in found}
    return found | {key: value for key, value in sorted(free.items()) if key not in found}


def manifest_metadata(manifest: Manifest, directory: Path, version: str) -> dict[str, Any]:
    """What a published module says about itself. Raises Error(Invalid)."""
    fields: dict[str, Any] = {
        "name": manifest.module,
        "organization": manifest.organization,
        "namespace": manifest.namespace,
        "version": version,
        "type": manifest.type or "application",
        "description": described(manifest, directory),
        "license": manifest.license,
        "repository": manifest.repository,
        "homepage": manifest.homepage,
        "keywords": manifest.keywords,
        "authors": manifest.authors,
    }
    return {key: value for key, value in fields.items() if value}


def parse_metadata(pairs: Sequence[str]) -> dict[str, str]:
    """`k=v` texts. Raises Error(Invalid) for a malformed one and for keys that belong to the runtime."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise invalid(f'malformed --meta "{pair}": expected key=value')
        if key.startswith(RESERVED):
            raise invalid(f'--meta "{key}": keys that begin with {" or ".join(RESERVED)} are reserved')
        found[key] = value
    return found


def _source_date() -> str | None:
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise invalid(f'SOURCE_DATE_EPOCH "{text}" is no number of seconds') from None
