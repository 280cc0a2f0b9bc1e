"""Guest module `env` (spec 04a §7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from wippy.core.errors import invalid, not_found
from wippy.core.ids import EntryId
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module, Permission
from wippy.services.env.registry import EnvRegistry, Variable

if TYPE_CHECKING:
    from wippy.compute.node import Node


GET = Permission("env.get", "key", "not allowed: env.get on {resource}")
SET = Permission("env.set", "key", "not allowed: env.set on {resource}")


def module(node: Node) -> Module:
    env = Module("env", "Environment variables that the application declares.", classes=("process", "nondeterministic"))
    variables = cast(EnvRegistry, node.env)

    @env.function("get(key: string) -> string", caller=True, asks=(GET,))
    def get(caller: Caller, key: str) -> str:
        """The value of a variable: by public name, entry id, or bare name in the caller's namespace.

        Errors: Invalid (empty key), PermissionDenied (`env.get` on key), NotFound (no such variable, or no value)."""
        variable = _variable(variables, caller, GET, key)
        value = variables.value(variable)
        if value is None:
            raise not_found(f"environment variable has no value: {key}")
        return value

    @env.function("set(key: string, value: string) -> boolean", caller=True, asks=(SET,))
    def set_value(caller: Caller, key: str, value: str) -> bool:
        """Stores a value. Errors as in `get`; PermissionDenied also for a read-only variable or storage."""
        variables.set(_variable(variables, caller, SET, key), value)
        return True

    @env.function("get_all() -> {[string]: string}", caller=True, asks=(GET.filtering(),))
    def get_all(caller: Caller) -> dict[str, str]:
        """Everything the storages hold, by storage key, as far as `env.get` allows."""
        return {key: value for key, value in variables.all().items() if caller.allowed(GET, key)}

    return env


def _variable(variables: EnvRegistry, caller: Caller, permission: Permission, key: str) -> Variable:
    if not key:
        raise invalid("key is required")
    caller.require(permission, key)
    found = variables.find(key, EntryId.parse(caller.entry_id).ns)
    if found is None:
        raise not_found(f"environment variable not found: {key}")
    return found
