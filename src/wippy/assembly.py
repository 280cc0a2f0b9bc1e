"""Puts a node together: registry, kinds, modules, environment."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wippy.compute.node import Node
from wippy.compute.pids import LOCAL
from wippy.core.errors import invalid
from wippy.kinds import handler_factories
from wippy.lua.cache import ChunkCache
from wippy.lua.shard import DEFAULT_MEMORY
from wippy.project.config import Config
from wippy.project.history import history_of
from wippy.registry.entry import Entry
from wippy.registry.registry import INTERNAL_KINDS, Registry


def assemble(config: Config, entries: Sequence[Entry], memory: int | None, *, on_disk: bool) -> Node:
    """A node ready to load `entries`. Call inside the event loop it will run on.

    on_disk: whether there is a project directory, so that compiled chunks are kept in it unless configured otherwise.
    """
    from wippy.lua.modules.catalog import MODULES, Catalog
    from wippy.services.catalog import MODULES as SERVICE_MODULES
    from wippy.services.env.registry import EnvRegistry

    node = Node(
        name=_node_name(config),
        strict=config.flag("security.strict_mode", False),
        memory=memory or DEFAULT_MEMORY,
        cache=_chunk_cache(config, on_disk),
    )
    node.config = config
    node.env = EnvRegistry()
    modules = Catalog(node, MODULES, SERVICE_MODULES)
    node.bindings.provide(modules.find)
    node.known_module = modules.known
    node.declared_modules = modules.declared
    node.registry = Registry(
        kinds=handler_factories(node, {entry.kind for entry in entries} - set(INTERNAL_KINDS)),
        publish=node.bus.publish,
        env=node.env.lookup,
        history=history_of(config),
        check=node.supervisor.check,
        settle=node.supervisor.settle,
        internal_kinds=config.texts("registry.dispatch_internal_kinds", INTERNAL_KINDS),
        handler_seconds=config.duration("registry.event_wait_timeout", "30s").seconds,
    )
    return node


def _node_name(config: Config) -> str:
    """The environment's before the configuration's (spec 03 §1). Raises Error(Invalid) for one that no PID can hold."""
    named = os.environ.get("WIPPY_NODE_ID") or os.environ.get("WIPPY_RELAY_NODE_NAME")
    name = named or config.text("relay.node_name", "") or LOCAL
    if set(name) & set("@|{}") or not name.isprintable():
        raise invalid(f'node name "{name}" must not contain @, |, braces or control characters')
    return name


def _chunk_cache(config: Config, on_disk: bool) -> ChunkCache:
    if not config.flag("lua.cache.enabled", on_disk) or not config.flag("lua.cache.compile.enabled", True):
        return ChunkCache(None)
    mode = config.text("lua.cache.mode", "readwrite")
    directory = config.path(config.text("lua.cache.dir", ".wippy/cache/lua"))
    return ChunkCache(directory, "readonly" if mode == "readonly" else "off" if mode == "off" else "readwrite")
