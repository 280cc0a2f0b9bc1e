"""Puts a node together: registry, kinds, modules, environment."""

from __future__ import annotations

from collections.abc import Sequence

from wippy.compute.node import Node
from wippy.kinds import handler_factories
from wippy.lua.shard import DEFAULT_MEMORY
from wippy.project.config import Config
from wippy.registry.entry import Entry
from wippy.registry.registry import INTERNAL_KINDS, Registry


def assemble(config: Config, entries: Sequence[Entry], memory: int | None) -> Node:
    """A node ready to load `entries`. Call inside the event loop it will run on."""
    from wippy.services.catalog import module_finder
    from wippy.services.env.registry import EnvRegistry

    node = Node(strict=config.flag("security.strict_mode", False), memory=memory or DEFAULT_MEMORY)
    node.env = EnvRegistry()
    finder = module_finder(node)
    node.bindings.provide(finder)
    node.known_module = lambda name: name in KERNEL_MODULES or finder.knows(name)
    node.registry = Registry(
        kinds=handler_factories(node, {entry.kind for entry in entries} - set(INTERNAL_KINDS)),
        publish=node.bus.publish,
        env=node.env.lookup,
        internal_kinds=config.texts("registry.dispatch_internal_kinds", INTERNAL_KINDS),
        handler_seconds=config.duration("registry.event_wait_timeout", "30s").seconds,
    )
    return node


KERNEL_MODULES = frozenset(
    ("process", "channel", "payload", "funcs", "events", "ctx", "os", "errors", "string", "table", "math", "coroutine")
)
