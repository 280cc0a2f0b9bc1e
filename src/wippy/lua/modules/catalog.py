"""Where guest modules come from: one table of built-in ones, and the entry-point group `wippy.modules`.

A value names a `Module`, or a function that takes the node and returns one, as `python.module:attribute`. It is
imported when a guest first uses the name; entry points are looked up only for names that no table has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from wippy.core.errors import Error, internal
from wippy.lua.modules.declare import Module

log = logging.getLogger("wippy.lua")

GROUP = "wippy.modules"

MODULES: dict[str, str] = {
    "base64": "wippy.lua.modules.base64:base64",
    "crypto": "wippy.lua.modules.crypto:crypto",
    "expr": "wippy.lua.modules.expr:expr",
    "hash": "wippy.lua.modules.hash:hash",
    "io": "wippy.lua.modules.io:module",
    "json": "wippy.lua.modules.json:json",
    "logger": "wippy.lua.modules.logger:logger",
    "registry": "wippy.lua.modules.registry:module",
    "text": "wippy.lua.modules.text:text",
    "time": "wippy.lua.modules.time:time",
    "uuid": "wippy.lua.modules.uuid:uuid",
    "yaml": "wippy.lua.modules.yaml:yaml",
}

KERNEL = frozenset({"channel", "coroutine", "ctx", "errors", "events", "funcs", "os", "payload", "process"})
"""Modules that the kernel itself provides (declared in `core.py`), besides Lua's own libraries."""

LIBRARIES = frozenset({"math", "string", "table"})


def load(path: str) -> Any:
    """The object that `python.module:attribute` names."""
    module, _, attribute = path.partition(":")
    found: Any = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


class Catalog:
    """The modules of one node. `find` is what `Bindings.provide` takes."""

    def __init__(self, node: Any, *tables: Mapping[str, str]) -> None:
        self._node = node
        self._paths: dict[str, str] = {}
        for table in tables or (MODULES,):
            self._paths.update(table)
        self._modules: dict[str, Module] = {}
        self._third_parties: dict[str, Callable[[], Any]] | None = None

    def find(self, name: str) -> Module | None:
        """The declaration of a module; None for an unknown name and for what the kernel provides. Raises
        Error(Internal) when it cannot be imported."""
        module = self._modules.get(name)
        if module is None:
            loader = self._loader(name)
            if loader is None:
                return None
            module = self._modules[name] = self._made(name, loader)
        return module

    def known(self, name: str) -> bool:
        """Whether guests may list `name` under `modules:`. Imports nothing."""
        return name in KERNEL or name in LIBRARIES or self._loader(name) is not None

    def names(self) -> Iterator[str]:
        """All module names that are not the kernel's."""
        yield from sorted({*self._paths, *self._entry_points()})

    def declared(self) -> Iterator[Module]:
        """Every module, the kernel's included; one that cannot be imported is left out."""
        from wippy.lua.modules.core import KERNEL_MODULES

        yield from KERNEL_MODULES.values()
        for name in self.names():
            try:
                module = self.find(name)
            except Error:
                log.warning("module %s cannot be loaded", name, exc_info=True)
                continue
            if module is not None:
                yield module

    def _loader(self, name: str) -> Callable[[], Any] | None:
        path = self._paths.get(name)
        if path is not None:
            return lambda: load(path)
        return None if name in KERNEL else self._entry_points().get(name)

    def _entry_points(self) -> dict[str, Callable[[], Any]]:
        if self._third_parties is None:
            from importlib.metadata import entry_points

            self._third_parties = {point.name: point.load for point in entry_points(group=GROUP)}
        return self._third_parties

    def _made(self, name: str, loader: Callable[[], Any]) -> Module:
        try:
            found = loader()
            module = found if isinstance(found, Module) else found(self._node)
        except Exception as e:
            raise internal(f'module "{name}" cannot be loaded: {type(e).__name__}: {e}') from e
        if not isinstance(module, Module):
            raise internal(f'module "{name}" is not declared as a Module')
        return module
