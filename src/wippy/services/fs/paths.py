"""Paths as guests write them (spec 04a §4.3)."""

from __future__ import annotations

import posixpath

from wippy.core.errors import INVALID, Error

LONGEST = 4096


def refused(message: str) -> Error:
    """Errors of this module say what is wrong and leave open whether trying again helps (spec 04a §4.2)."""
    return Error(INVALID, message, None)


def shown(path: str) -> str:
    """The path as text: bytes that are none are replaced."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def join(cwd: str, path: str) -> str:
    """The path of a guest, seen from its current directory, relative to the volume's root ("" is the root).

    Raises Error(Invalid) for a NUL byte and for a path that would leave the root.
    """
    if "\0" in path:
        raise refused("path contains a NUL byte")
    if len(path) > LONGEST:
        raise refused("path is too long")
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(cwd, path)
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            if not parts:
                raise refused("path traversal not allowed")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def required(path: str) -> str:
    """Raises Error(Invalid) for an empty path."""
    if path == "":
        raise refused("path required")
    return path
