"""The table of entry kinds: where the handler of each is. Imported when the first entry of the kind is applied.

Third parties add theirs through the entry-point group `wippy.kinds`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from wippy.registry.handlers import AnyHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node

KINDS = {
    "function.lua": "wippy.compute.functions:FunctionHandler",
    "function.lua.bc": "wippy.compute.bytecode:FunctionBytecodeHandler",
    "library.lua": "wippy.compute.functions:LibraryHandler",
    "library.lua.bc": "wippy.compute.bytecode:LibraryBytecodeHandler",
    "process.lua": "wippy.compute.functions:ProcessHandler",
    "process.lua.bc": "wippy.compute.bytecode:ProcessBytecodeHandler",
    "process.host": "wippy.compute.hosts:ProcessHostHandler",
    "terminal.host": "wippy.compute.hosts:TerminalHostHandler",
    "process.service": "wippy.compute.process_service:ProcessServiceHandler",
}


def handler_factories(node: Node, kinds: set[str]) -> dict[str, Callable[[], AnyHandler]]:
    """A factory for every known kind. `kinds` are those in use: unknown ones make us look for installed extensions."""
    from wippy.services.catalog import KINDS as services

    table = {**KINDS, **services}
    if not kinds <= table.keys():
        from importlib.metadata import entry_points

        table.update({point.name: point.value for point in entry_points(group="wippy.kinds")})
    return {kind: _factory(node, path) for kind, path in table.items()}


def _factory(node: Node, path: str) -> Callable[[], AnyHandler]:
    def make() -> AnyHandler:
        module, _, name = path.partition(":")
        handler: AnyHandler = getattr(import_module(module), name)(node)
        return handler

    return make
