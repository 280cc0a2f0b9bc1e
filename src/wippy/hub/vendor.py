"""The vendor directory of a project: packs and unpacked packs of the modules in its lock (spec 01 §3)."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wippy.core.errors import Error, internal, invalid
from wippy.hub.client import PART
from wippy.hub.inspection import digest_of
from wippy.project.loader import module_path
from wippy.project.lockfile import Lock, LockedModule, split_module
from wippy.project.packs import module_of
from wippy.project.wapp import Pack
from wippy.project.wapp.reader import read_pack

PACK = ".wapp"
FORGOTTEN = 3600.0  # seconds


def pack_path(lock: Lock, module: LockedModule) -> Path:
    """Where the pack of a module belongs."""
    organization, name = split_module(module.name)
    _check_part(module.version)
    return lock.vendor_directory / organization / f"{name}-{module.version}{PACK}"


def unpacked_path(lock: Lock, module: LockedModule) -> Path:
    """Where the module belongs when it is unpacked."""
    organization, name = split_module(module.name)
    return lock.vendor_directory / organization / name


def is_intact(lock: Lock, module: LockedModule) -> bool:
    """Whether the module is installed and is what the lock says. A directory without a digest is somebody's own."""
    path = module_path(lock, module)
    if path is None:
        return False
    if path.is_dir():
        return not module.local_hash or tree_digest(path) == module.local_hash
    return not module.hash or digest_of(path) == module.hash


def tree_digest(directory: Path) -> str:
    """SHA-256 over the paths and contents of all files below a directory."""
    seen = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            seen.update(f"{path.relative_to(directory).as_posix()}\0{digest_of(path)}\n".encode())
    return seen.hexdigest()


def checked_pack(path: Path, module: LockedModule) -> Pack:
    """The pack at `path`, if it is that of the module. Raises Error(Invalid)."""
    pack = read_pack(path)
    found, version = module_of(pack.metadata), str(pack.metadata.get("version", ""))
    if (found and found != module.name) or (version and version != module.version):
        raise invalid(f"the pack of {module.name} {module.version} says it is {found or module.name} {version}")
    return pack


def remove_leftovers(lock: Lock) -> None:
    """Removes downloads that a crash left incomplete: those that nobody has written to for an hour."""
    for part in lock.vendor_directory.glob(f"*/.*{PART}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > FORGOTTEN:
                part.unlink()


def prune(before: Iterable[LockedModule], lock: Lock) -> list[Path]:
    """Removes packs that the lock no longer names, and directories that were unpacked for it before; returns them."""
    kept = {pack_path(lock, module) for module in lock.modules}
    gone = [path for path in lock.vendor_directory.glob(f"*/*{PACK}") if path not in kept]
    unpacked = {unpacked_path(lock, module) for module in lock.modules if module.local_hash}
    gone += {unpacked_path(lock, module) for module in before if module.local_hash} - unpacked
    try:
        for path in gone:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise internal(f"{error.filename}: cannot be removed: {error.strerror or error}") from None
    return sorted(gone)


def _check_part(text: str) -> None:
    """Raises Error(Invalid) for a version that would leave its directory."""
    if "/" in text or "\\" in text or "\0" in text or text.startswith("."):
        raise Error("Invalid", f'"{text}" cannot be a version')
