"""The built-in kinds and guest modules of the services, by name; imported when first used.

Third parties add theirs through the entry-point groups `wippy.kinds` and `wippy.modules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wippy.core.errors import not_found
from wippy.lua.modules.catalog import load
from wippy.registry.handlers import AnyHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node

GROUP = "wippy.kinds"

KINDS: dict[str, str] = {
    "contract.binding": "wippy.services.contract.kinds:BindingHandler",
    "contract.definition": "wippy.services.contract.kinds:DefinitionHandler",
    "db.sql.sqlite": "wippy.services.sql.sqlite_kind:SqliteHandler",
    "env.storage.file": "wippy.services.env.kinds:FileStorageHandler",
    "env.storage.memory": "wippy.services.env.kinds:MemoryStorageHandler",
    "env.storage.os": "wippy.services.env.kinds:OsStorageHandler",
    "env.storage.router": "wippy.services.env.kinds:RouterStorageHandler",
    "env.storage.static": "wippy.services.env.kinds:StaticStorageHandler",
    "env.variable": "wippy.services.env.kinds:VariableHandler",
    "exec.docker": "wippy.services.exec.kinds:DockerHandler",
    "exec.native": "wippy.services.exec.kinds:NativeHandler",
    "fs.directory": "wippy.services.fs.kinds:DirectoryHandler",
    "fs.embed": "wippy.services.fs.embedded:EmbedHandler",
    "http.endpoint": "wippy.services.http.kinds:EndpointHandler",
    "http.router": "wippy.services.http.kinds:RouterHandler",
    "http.service": "wippy.services.http.kinds:ServiceHandler",
    "pg.scope": "wippy.services.groups.kinds:ScopeHandler",
    "security.policy": "wippy.services.security.kinds:PolicyHandler",
    "security.policy.expr": "wippy.services.security.kinds:ExpressionPolicyHandler",
    "store.memory": "wippy.services.store.memory_kind:MemoryStoreHandler",
}
"""Kind -> the handler class, as `python.module:Class`; a handler is constructed with the node."""

MODULES: dict[str, str] = {
    "contract": "wippy.services.contract.module:module",
    "env": "wippy.services.env.module:module",
    "eval_runner": "wippy.services.eval.module:module",
    "exec": "wippy.services.exec.module:module",
    "fs": "wippy.services.fs.module:module",
    "http": "wippy.services.http.module:module",
    "metrics": "wippy.services.metrics.module:module",
    "hub": "wippy.services.hub.module:module",
    "loader": "wippy.services.fs.loader:module",
    "pg": "wippy.services.groups.module:module",
    "security": "wippy.services.security.module:module",
    "sql": "wippy.services.sql.module:module",
    "store": "wippy.services.store.module:module",
    "stream": "wippy.services.stream.module:stream",
    "system": "wippy.services.system.module:module",
}
"""Guest module -> its `Module`, or a function that takes the node and returns it."""


def handler(kind: str, node: Node) -> AnyHandler:
    """A handler for `kind`. Raises Error(NotFound) for a kind that nobody provides."""
    path = KINDS.get(kind)
    if path is not None:
        made: AnyHandler = load(path)(node)
        return made
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=kind):
        third_party: AnyHandler = point.load()(node)
        return third_party
    raise not_found(f'no handler for kind "{kind}"')
