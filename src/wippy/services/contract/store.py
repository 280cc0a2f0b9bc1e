"""The contracts of a node: what they declare, and who implements them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.core.config import Ref

if TYPE_CHECKING:
    from wippy.compute.node import Node

CONTRACTS = "@contracts"


class Schema(msgspec.Struct, frozen=True):
    """Given out for introspection, never enforced."""

    format: str = ""
    """Its language, such as `application/schema+json`."""
    definition: Any = None
    """The schema."""


class Method(msgspec.Struct, frozen=True):
    name: str
    """What callers call."""
    description: str = ""
    """What it does."""
    input_schemas: list[Schema] = []
    """What it takes."""
    output_schemas: list[Schema] = []
    """What it gives."""


class DefinitionConfig(msgspec.Struct, frozen=True):
    methods: list[Method] = []
    """What every implementation has."""


class Implementation(msgspec.Struct, frozen=True):
    """How a binding implements one contract."""

    contract: Ref
    """The contract."""
    methods: dict[str, Ref] = {}
    """Method -> the function that implements it."""
    context_required: list[str] = []
    """Context keys that must be there."""
    default: bool = False
    """Whether this is what opening the contract itself opens."""


class BindingConfig(msgspec.Struct, frozen=True):
    contracts: list[Implementation]
    """The contracts that it implements."""


class Contracts:
    """Definitions and bindings by id text."""

    def __init__(self) -> None:
        self.definitions: dict[str, DefinitionConfig] = {}
        self.bindings: dict[str, BindingConfig] = {}

    def implementations(self, contract: str) -> list[str]:
        """The bindings of a contract, by id."""
        return sorted(name for name, _ in self._bound(contract))

    def defaults(self, contract: str) -> list[str]:
        """The bindings that call themselves the default one of a contract."""
        return sorted(name for name, implementation in self._bound(contract) if implementation.default)

    def _bound(self, contract: str) -> Iterator[tuple[str, Implementation]]:
        for name, binding in self.bindings.items():
            for implementation in binding.contracts:
                if str(implementation.contract) == contract:
                    yield name, implementation


def contracts_of(node: Node) -> Contracts:
    """The node's contracts."""
    found = node.resources.get(CONTRACTS)
    if found is None:
        found = node.resources[CONTRACTS] = Contracts()
    contracts: Contracts = found
    return contracts
