"""Puts a node together: registry, kinds, modules, environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wippy.compute.node import Node
from wippy.compute.pids import LOCAL
from wippy.core.errors import invalid
from wippy.kinds import handler_factories
from wippy.lua.cache import ChunkCache
from wippy.lua.shard import DEFAULT_MEMORY
from wippy.project import settings
from wippy.project.config import Config
from wippy.project.history import history_of
from wippy.registry.changes import ChangeSet
from wippy.registry.entry import Entry
from wippy.registry.registry import INTERNAL_KINDS, Expander, Registry
from wippy.registry.state import State


def assemble(
    config: Config, entries: Sequence[Entry], memory: int | None, *, directory: Path = Path(), on_disk: bool
) -> Node:
    """A node ready to load `entries`. Call inside the event loop it will run on.

    directory: the project's. on_disk: whether it is there, so that compiled chunks are kept in it unless configured
    otherwise.
    """
    from wippy.lua.modules.catalog import MODULES, Catalog
    from wippy.services.catalog import MODULES as SERVICE_MODULES
    from wippy.services.env.registry import EnvRegistry

    node = Node(
        name=_node_name(config),
        strict=config.get(settings.STRICT_MODE),
        memory=memory or DEFAULT_MEMORY,
        cache=_chunk_cache(config, on_disk),
    )
    node.config, node.directory = config, directory
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
        expand=_expander(node, config, directory),
        check=node.supervisor.check,
        settle=node.supervisor.settle,
        internal_kinds=config.get(settings.DISPATCH_INTERNAL_KINDS),
        handler_seconds=config.get(settings.EVENT_WAIT_TIMEOUT).seconds,
    )
    return node


def _expander(node: Node, config: Config, directory: Path) -> Expander:
    """What adds and removes the entries of modules; most of it is imported when a dependency changes."""

    async def expand(state: State, changes: ChangeSet) -> ChangeSet:
        from wippy.hub.graph import touches_modules

        if not touches_modules(state, changes):
            return changes
        from wippy.hub.expansion import Expansion

        loading = state is not node.registry.state  # what history says is laid over the files: they are the baseline
        expansion = Expansion(node, directory, config, state if loading else node.registry.baseline)
        return await expansion.expand(state, changes)

    return expand


def _node_name(config: Config) -> str:
    """The environment's before the configuration's (spec 03 §1). Raises Error(Invalid) for one that no PID can hold."""
    named = os.environ.get("WIPPY_NODE_ID") or os.environ.get("WIPPY_RELAY_NODE_NAME")
    name = named or config.get(settings.NODE_NAME) or LOCAL
    if set(name) & set("@|{}") or not name.isprintable():
        raise invalid(f'node name "{name}" must not contain @, |, braces or control characters')
    return name


def _chunk_cache(config: Config, on_disk: bool) -> ChunkCache:
    wanted = config.get(settings.CACHE_ENABLED) and config.get(settings.CACHE_COMPILE)
    if not wanted or (not on_disk and settings.CACHE_ENABLED.key not in config.leaves):
        return ChunkCache(None)
    mode = config.get(settings.CACHE_MODE)
    directory = config.path(config.get(settings.CACHE_DIR))
    return ChunkCache(directory, "readonly" if mode == "readonly" else "off" if mode == "off" else "readwrite")
