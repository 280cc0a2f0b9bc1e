"""The guest module `contract` (spec 03 §10): what module.lua asks the host for, once for every change of an entry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.core.errors import not_found
from wippy.lua.modules.declare import Module, Permission
from wippy.services.contract.store import Method, contracts_of

if TYPE_CHECKING:
    from wippy.compute.node import Node

GET = Permission("contract.get", "id", "not allowed to get contract: {resource}")
OPEN = Permission("contract.open", "binding", "not allowed to open binding: {resource}")
FIND = Permission("contract.implementations", "id", "not allowed to list implementations of contract: {resource}")
CALL = Permission("contract.call", "method", "not allowed to call method: {resource}")
CONTEXT = Permission("contract.context", denial="not allowed: contract.context", fixed="context")
SECURITY = Permission("contract.security", denial="not allowed: contract.security", fixed="security")
NETWORK = Permission("network.select", "network", "not allowed to select network: {resource}")


def module(node: Node) -> Module:
    """The declaration of `contract` for a node."""
    contract = Module(
        "contract",
        "Calling implementations through what they promise.",
        classes=("nondeterministic", "workflow"),
        source=Path(__file__).with_suffix(".lua"),
    )
    contract.in_lua(_IN_LUA, _HANDLES_IN_LUA, _PERMISSIONS)
    contracts = contracts_of(node)

    @contract.function("definition(id: string) -> table", private=True)
    def definition(contract_id: str) -> dict[str, Any]:
        """What a contract declares."""
        found = contracts.definitions.get(contract_id)
        if found is None:
            raise not_found(f"contract '{contract_id}' not found")
        return {"id": contract_id, "methods": [_descriptor(method) for method in found.methods]}

    @contract.function("binding(id: string) -> table", private=True)
    def binding(binding_id: str) -> dict[str, Any]:
        """The declared methods of a binding's contracts, with the functions bound to them."""
        found = contracts.bindings.get(binding_id)
        if found is None:
            raise not_found(f"contract binding '{binding_id}' not found")
        methods: dict[str, dict[str, Any]] = {}
        for implementation in found.contracts:
            for method in contracts.definitions[str(implementation.contract)].methods:
                target = implementation.methods.get(method.name)
                methods[method.name] = {
                    "target": str(target) if target else None,
                    "required": implementation.context_required or None,
                }
        return {"id": binding_id, "contracts": [str(i.contract) for i in found.contracts], "methods": methods}

    @contract.function("default_of(id: string) -> string", private=True)
    def default_of(contract_id: str) -> str:
        """The default binding of a contract."""
        found = contracts.defaults(contract_id)
        if not found:
            raise not_found(f"no default binding for contract '{contract_id}'")
        return found[0]

    @contract.function("implementations(id: string) -> {string}", private=True)
    def implementations(contract_id: str) -> list[str]:
        """The bindings of a contract."""
        return contracts.implementations(contract_id)

    return contract


def _descriptor(method: Method) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(method)
    return built


_IN_LUA = {
    "get(id: string) -> Contract": "A contract. NotFound for an unknown one.",
    "open(binding: string, scope: table?, options: table?) -> Instance": "An instance of a binding: an id, or "
    "`id?key=value&...` with values for its scope, which the table overrides. (yields)",
    "find_implementations(id: string) -> {string}": "The ids of all bindings of a contract.",
    "is(instance: Instance, id: string) -> boolean": "Whether an instance implements a contract.",
}
_HANDLES_IN_LUA = {
    "Contract": {
        "id() -> string": "Its id.",
        "methods() -> {table}": "What it declares: {name, description, input_schemas, output_schemas}.",
        "method(name: string) -> table": "One declared method. NotFound when there is none.",
        "implementations() -> {string}": "The ids of its bindings.",
        "open(binding: string?, scope: table?) -> Instance": "As `contract.open`; without a binding its default one. "
        "(yields)",
        "with_context(values: table) -> Contract": "The same contract, whose instances see these values.",
        "with_actor(actor: Actor) -> Contract": "The same contract, whose methods run as an actor.",
        "with_scope(scope: Scope) -> Contract": "The same contract, whose methods run within a scope.",
        "with_options(options: table) -> Contract": "The same contract with options for every call: `retry`, "
        "`timeout`, `network`.",
    },
    "Instance": {
        "method(...any) -> any": "Every method of its contracts, under its name: calls the bound function. (yields)",
        "method_async(...any) -> Future": "Starts it.",
    },
}
_PERMISSIONS = {
    "get": (GET,),
    "open": (OPEN, NETWORK),
    "find_implementations": (FIND,),
    "Contract.implementations": (FIND,),
    "Contract.open": (OPEN,),
    "Contract.with_context": (CONTEXT,),
    "Contract.with_actor": (SECURITY,),
    "Contract.with_scope": (SECURITY,),
    "Contract.with_options": (NETWORK,),
    "Instance.method": (CALL,),
    "Instance.method_async": (CALL,),
}
