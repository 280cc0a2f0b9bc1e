"""What may run beside a node: from before its entries are loaded until after its services have stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wippy.project import settings

if TYPE_CHECKING:
    from wippy.compute.node import Node


class Companion(Protocol):
    """Belongs to the node's event loop. `start` may raise Error(Invalid)."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def companions(node: Node, control: Path | None) -> Iterator[tuple[str, Companion]]:
    """Those that the node's configuration asks for, by name; `control`: where to serve the control socket."""
    config = node.config
    if control is not None:
        from wippy.services.control.server import ControlServer

        yield "control", ControlServer(node, control)
    if config.get(settings.PROFILER_ENABLED):
        from wippy.services.profiler.server import Profiler

        yield "profiler", Profiler(node, config.get(settings.PROFILER_ADDRESS))
    if config.get(settings.PROMETHEUS_ENABLED) and config.get(settings.PROMETHEUS_ADDRESS):
        from wippy.services.metrics.exporter import Exporter

        yield "metrics", Exporter(node, config.get(settings.PROMETHEUS_ADDRESS))
    if config.get(settings.LSP_ENABLED):
        from wippy.services.lsp.server import LanguageServer

        yield "language_server", LanguageServer(node)
    from wippy.services.logs.events import LogEvents

    yield "logs", LogEvents(node)
