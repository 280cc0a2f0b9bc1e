"""Modules that the lock file names and that are not here: a run downloads them first (spec 01 §7)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wippy.project.loader import comes_with_the_program, module_path
from wippy.project.lockfile import LOCK_FILE, Lock, read_lock

if TYPE_CHECKING:
    from wippy.project.config import Config


def install_missing(config: Config, registry: str | None) -> None:
    """Downloads them. Raises Error when that fails: the application is not whole without them."""
    lock = read_lock(Path(LOCK_FILE))
    missing = _missing(lock, config) if lock is not None else []
    if not missing:
        return
    from wippy.hub.connection import connect
    from wippy.hub.workspace import Workspace

    async def work() -> None:
        async with connect(registry, config) as client:
            for module in await Workspace(Path(LOCK_FILE), config, client).install(missing):
                click.echo(f"Installed {module.name} {module.version}", err=True)

    asyncio.run(work())


def _missing(lock: Lock, config: Config) -> list[str]:
    replaced = {each.source for each in lock.replacements} | set(config.replacements())
    return [
        module.name
        for module in lock.modules
        if module.name not in replaced
        and module_path(lock, module) is None
        and not comes_with_the_program(lock, module)
    ]
