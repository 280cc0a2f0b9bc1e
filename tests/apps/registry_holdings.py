"""What the handlers of a running node hold, as plain data: equal for two nodes that behave alike."""

from __future__ import annotations

from typing import Any

from wippy.compute.hosts import ProcessHost
from wippy.compute.node import Node
from wippy.services.contract.store import contracts_of
from wippy.services.env.registry import EnvRegistry
from wippy.services.env.storage import StaticStorage
from wippy.services.exec.executor import Executor
from wippy.services.fs.volume import Volume
from wippy.services.groups.kinds import groups_of
from wippy.services.http.routes import routes_of
from wippy.services.http.routing import Route
from wippy.services.http.service import HttpService
from wippy.services.http.table import RoutingTable
from wippy.services.security.kinds import store_of
from wippy.services.sql.sqlite import SqliteDatabase
from wippy.services.store.memory import MemoryStore


def holdings(node: Node) -> dict[str, Any]:
    """By what it is; everything that a change of an entry may change."""
    contracts, env, policies = contracts_of(node), node.env, store_of(node)
    assert isinstance(env, EnvRegistry)
    return {
        "code": {
            unit.id: (unit.source, unit.method, unit.modules, unit.imports, unit.pool, unit.options, unit.call_host)
            for unit in node.code._units.values()
        },
        "importers": node.code._importers,
        "resources": {name: _resource(found) for name, found in node.resources.items() if not name.startswith("@")},
        "routers": routes_of(node).routers,
        "routes": {
            server: (_tree(found.table), sorted(map(str, found.table._static.values())), found.preflights.keys())
            for server, found in routes_of(node)._servers.items()
            if found.shapes
        },
        "policies": {p.id: (p.actions, p.resources, p.effect) for p in policies.policies.values()},
        "groups": policies.groups,
        "definitions": contracts.definitions,
        "bindings": contracts.bindings,
        "variables": env._variables,
        "names": env._by_name,
        "storages": {key: _resource(storage) for key, storage in env._storages.items()},
        "scopes": {name: scope.limits for name, scope in groups_of(node).scopes.items()},
        "services": {s.id: (s.status if s.desired == "running" else "", s.lifecycle) for s in node.supervisor.states()},
        "live": node.registry._live.entries,
        "configs": node.registry._live.configs,
        "users": node.registry._live._users,
    }


def _resource(found: Any) -> Any:
    match found:
        case HttpService():
            return "http", found.addr
        case MemoryStore():
            return "store", found._max_size, found._interval
        case SqliteDatabase():
            return "sqlite", found.file, found.running
        case Volume():
            return "volume", str(found.root), found.mode
        case ProcessHost():
            return type(found).__name__, found._workers, found.running
        case StaticStorage():
            return type(found).__name__, dict(found._values)
        case Executor():
            return "executor", found._env if hasattr(found, "_env") else None
        case _:
            return type(found).__name__


def _tree(table: RoutingTable) -> list[str]:
    """The routes that a table finds."""
    found: list[Route] = []
    waiting = [table._root]
    while waiting:
        level = waiting.pop()
        assert not level.empty or level is table._root
        found += [*level.ends.values(), *level.subtree.values()]
        waiting += [*level.literals.values(), *([level.param] if level.param else [])]
    return sorted(map(str, found))
