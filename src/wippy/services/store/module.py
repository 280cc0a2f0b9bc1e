"""Guest module `store` (spec 04a §2.2). A guest's Store is a Lua handle (store.lua) that names the entry; the checks of
each method run in the order released, key, permission."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.core.errors import invalid, not_found
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module, Permission
from wippy.services.store.base import Condition, Page, Record, Store, normalised

if TYPE_CHECKING:
    from wippy.compute.node import Node

DEFAULT_LIMIT, HIGHEST_LIMIT = 100, 1000

CONSTANTS = {
    "backend": {"KV_RAFT": "kv.raft", "KV_CRDT": "kv.crdt", "MEMORY": "memory", "SQL": "sql", "UNKNOWN": "unknown"},
    "consistency": {
        "LINEARIZABLE": "linearizable",
        "EVENTUAL": "eventual",
        "LOCAL": "local",
        "UNKNOWN": "unknown",
    },
}


OPEN = Permission("store.get", "id", "not allowed to access store: {resource}", raises=True)
INFO = Permission("store.info", "id", "not allowed to access store info: {resource}")
LIST = Permission("store.key.list", "id", "not allowed to list keys: {prefix}", attributes=("prefix",))


def _of_key(action: str, verb: str) -> Permission:
    return Permission(f"store.key.{action}", "id", f"not allowed to {verb} key: {{key}}", attributes=("key",))


READ, WRITE, DELETE, CHECK = (
    _of_key("get", "read"), _of_key("set", "write"), _of_key("delete", "delete"), _of_key("has", "check"),
)  # fmt: skip


def module(node: Node) -> Module:
    store = Module(
        "store",
        "Key-value stores: values by key, with expiry, versions and conditional writes.",
        classes=("storage", "io", "nondeterministic"),
        source=Path(__file__).with_name("store.lua"),
        constants=CONSTANTS,
    )
    store.in_lua({}, _HANDLES_IN_LUA, _PERMISSIONS)

    def find(entry_id: str) -> Store:
        found = node.resources.get(entry_id)
        if found is None:
            raise not_found(f"store not found: {entry_id}")
        if not isinstance(found, Store):
            raise invalid(f"not a store: {entry_id}")
        return found

    @store.function("get(id: string) -> Store", caller=True, asks=(OPEN,))
    def open_store(caller: Caller, entry_id: str) -> bool:
        """The store of an entry. Invalid for `""` and for an entry that is no store, NotFound for an unknown one; a
        denial of `store.get` on the id is raised."""
        if not entry_id:
            raise invalid("resource id is required")
        caller.require(OPEN, entry_id)
        find(entry_id)
        return True

    @store.function("info(id: string) -> table", caller=True, private=True)
    def info(caller: Caller, entry_id: str) -> dict[str, Any]:
        """What the store can do."""
        caller.require(INFO, entry_id)
        return {"id": entry_id, **msgspec.to_builtins(find(entry_id).capabilities)}

    @store.function("value(id: string, key: string) -> any", yields=True, caller=True, private=True)
    async def value(caller: Caller, entry_id: str, key: str) -> Any:
        key = _key(caller, READ.raising(), entry_id, key)
        return (await find(entry_id).get(key)).value

    @store.function("entry(id: string, key: string) -> table", yields=True, caller=True, private=True)
    async def entry(caller: Caller, entry_id: str, key: str) -> dict[str, Any]:
        key = _key(caller, READ, entry_id, key)
        return _entry(await find(entry_id).get(key))

    @store.function("has(id: string, key: string) -> boolean", yields=True, caller=True, private=True)
    async def has(caller: Caller, entry_id: str, key: str) -> bool:
        key = _key(caller, CHECK.raising(), entry_id, key)
        return await find(entry_id).has(key)

    @store.function(
        "set(id: string, key: string, value: any, ttl: number?) -> boolean", yields=True, caller=True, private=True
    )
    async def set_value(caller: Caller, entry_id: str, key: str, value: Any, ttl: float | None) -> bool:
        key = _key(caller, WRITE.raising(), entry_id, key)
        if value is None:
            raise invalid("value is required")
        await find(entry_id).put(key, value, _ttl(ttl))
        return True

    @store.function(
        "put(id: string, key: string, value: any, opts: any) -> table", yields=True, caller=True, private=True
    )
    async def put(caller: Caller, entry_id: str, key: str, value: Any, opts: Any) -> dict[str, Any]:
        ttl, condition = _put_options(opts)
        key = _key(caller, WRITE, entry_id, key)
        if value is None:
            raise invalid("value is required")
        found = find(entry_id)
        if (condition.only_if_absent or condition.if_version) and not found.capabilities.conditional_put:
            raise invalid("operation not supported by this store")
        return _entry(await found.put(key, value, ttl, condition))

    @store.function("delete(id: string, key: string) -> boolean", yields=True, caller=True, private=True)
    async def delete(caller: Caller, entry_id: str, key: str) -> bool:
        key = _key(caller, DELETE.raising(), entry_id, key)
        return await find(entry_id).delete(key)

    @store.function("list(id: string, opts: any) -> table", yields=True, caller=True, private=True)
    async def list_entries(caller: Caller, entry_id: str, opts: Any) -> dict[str, Any]:
        prefix, after, limit = _list_options(opts)
        caller.require(LIST, entry_id, {"prefix": prefix})
        return _page(await find(entry_id).list(prefix, after, limit))

    return store


def _key(caller: Caller, permission: Permission, entry_id: str, key: str) -> str:
    """The normalised key, once the caller may use it."""
    key = normalised(key)
    caller.require(permission, entry_id, {"key": key})
    return key


def _ttl(ttl: Any) -> float:
    if ttl is None:
        return 0.0
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or not math.isfinite(ttl):
        raise invalid("ttl must be a number of seconds")
    if ttl < 0:
        raise invalid("ttl must not be negative")
    return float(ttl)


def _options(opts: Any) -> dict[Any, Any]:
    if opts is None:
        return {}
    if not isinstance(opts, dict):
        raise invalid("options must be a table")
    return opts


def _put_options(opts: Any) -> tuple[float, Condition]:
    opts = _options(opts)
    absent, version = opts.get("only_if_absent"), opts.get("if_version")
    if absent is not None and not isinstance(absent, bool):
        raise invalid("only_if_absent must be a boolean")
    if absent and version is not None:
        raise invalid("only_if_absent and if_version exclude each other")
    return _ttl(opts.get("ttl")), Condition(bool(absent), _version(version))


def _version(version: Any) -> int | None:
    if version is None:
        return None
    if isinstance(version, float) and version.is_integer():
        version = int(version)
    if isinstance(version, str) and version.isascii() and version.isdigit():
        version = int(version)
    if isinstance(version, bool) or not isinstance(version, int) or version <= 0:
        raise invalid("if_version must be a positive version")
    return version


def _list_options(opts: Any) -> tuple[str, str, int]:
    opts = _options(opts)
    prefix, after, limit = opts.get("prefix", ""), opts.get("after", ""), opts.get("limit", DEFAULT_LIMIT)
    if not isinstance(prefix, str) or not isinstance(after, str):
        raise invalid("prefix and after must be strings")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit < 0 or limit != int(limit):
        raise invalid("limit must be a positive number")
    return prefix, after, min(int(limit) or DEFAULT_LIMIT, HIGHEST_LIMIT)


def _entry(record: Record) -> dict[str, Any]:
    return {"key": record.key, "value": record.value, "version": record.version}


def _page(page: Page) -> dict[str, Any]:
    return {"items": [_entry(record) for record in page.items], "cursor": page.cursor, "has_more": page.has_more}


_HANDLES_IN_LUA = {
    "Store": {
        "get(key: string) -> any": "The value of a key. NotFound when there is none. (yields)",
        "entry(key: string) -> table": "Value, version and expiry of a key. (yields)",
        "has(key: string) -> boolean": "Whether there is a value. (yields)",
        "set(key: string, value: any, ttl: number?) -> boolean": "Stores a value, for `ttl` seconds. (yields)",
        "put(key: string, value: any, options: table?) -> table": "Stores a value under conditions. (yields)",
        "delete(key: string) -> boolean": "Removes a value. (yields)",
        "list(options: table?) -> table": "A page of keys and values. (yields)",
        "info() -> table": "What kind of store it is.",
        "release() -> boolean": "Gives it back.",
    }
}
_PERMISSIONS = {
    "Store.get": (READ.raising(),),
    "Store.entry": (READ,),
    "Store.has": (CHECK.raising(),),
    "Store.set": (WRITE.raising(),),
    "Store.put": (WRITE,),
    "Store.delete": (DELETE.raising(),),
    "Store.list": (LIST,),
    "Store.info": (INFO,),
}
