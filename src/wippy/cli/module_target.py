"""`wippy run org/module[@selector]`: a module of a hub, or one that comes with the program."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from wippy.cli.run_target import PackTarget

if TYPE_CHECKING:
    from wippy.project.config_files import Layers
    from wippy.project.wapp import Pack


class ModuleTarget(PackTarget):
    """Packs that the lock file, the vendor directory, the user's cache and a hub come up with."""

    def __init__(self, spec: str, registry: str | None) -> None:
        super().__init__(spec, [])
        self._spec = spec
        self._registry = registry

    def read(self, layers: Layers) -> list[Pack]:
        from wippy.hub.connection import connect
        from wippy.hub.run_module import ModuleRun
        from wippy.hub.workspace import Workspace
        from wippy.project.config_files import load_config
        from wippy.project.lockfile import LOCK_FILE

        config = load_config(layers)

        async def found() -> list[Pack]:
            async with connect(self._registry, config) as client:
                return await ModuleRun(Workspace(Path(LOCK_FILE), config, client), client).packs(self._spec)

        return asyncio.run(found())
