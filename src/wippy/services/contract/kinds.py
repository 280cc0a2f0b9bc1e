"""The kinds `contract.definition` and `contract.binding` (spec 03 §10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wippy.core.errors import already_exists, invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.contract.store import BindingConfig, DefinitionConfig, contracts_of

if TYPE_CHECKING:
    from wippy.compute.node import Node


class DefinitionHandler(KindHandler[DefinitionConfig]):
    """A contract: methods that implementations have."""

    kind = "contract.definition"
    config = DefinitionConfig

    def __init__(self, node: Node) -> None:
        self._node = node
        self._contracts = contracts_of(node)

    async def add(self, entry: Entry, config: DefinitionConfig) -> None:
        names = [method.name for method in config.methods]
        if not all(names):
            raise invalid(f"{entry.label('methods')}: a method needs a name")
        if len(set(names)) < len(names):
            raise invalid(f"{entry.label('methods')}: a method is declared twice")
        name = str(entry.id)
        what = "update" if name in self._contracts.definitions else "register"
        self._contracts.definitions[name] = config
        self._changed(entry, what)

    async def update(self, entry: Entry, config: DefinitionConfig, previous: Entry) -> None:
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        """The registry sees to it that no binding is left without its contract."""
        del self._contracts.definitions[str(entry.id)]
        self._changed(entry, "delete")

    def _changed(self, entry: Entry, what: str) -> None:
        """Instances opened from now on know the methods as they are now."""
        name = str(entry.id)
        self._node.forget_entries([name, *self._contracts.implementations(name)])
        self._node.bus.publish("contract", f"definition.{what}", name)


class BindingHandler(KindHandler[BindingConfig]):
    """An implementation of contracts by functions."""

    kind = "contract.binding"
    config = BindingConfig
    references = ("contracts.*.contract",)

    def __init__(self, node: Node) -> None:
        self._node = node
        self._contracts = contracts_of(node)

    async def add(self, entry: Entry, config: BindingConfig) -> None:
        ids = [str(implementation.contract) for implementation in config.contracts]
        if not ids:
            raise invalid(f"{entry.label('contracts')}: a binding implements at least one contract")
        if len(set(ids)) < len(ids):
            raise invalid(f"{entry.label('contracts')}: a contract is listed twice")
        for name in ids:
            if name not in self._contracts.definitions:
                raise invalid(f"{entry.label('contracts')}: not a contract: {name}")
        self._put(str(entry.id), config)

    async def update(self, entry: Entry, config: BindingConfig, previous: Entry) -> None:
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        self._put(str(entry.id), None)

    def _put(self, name: str, config: BindingConfig | None) -> None:
        before = self._contracts.bindings.pop(name, None)
        if config is not None:
            self._contracts.bindings[name] = config
        what = "delete" if config is None else "register" if before is None else "update"
        self._node.bus.publish("contract", f"binding.{what}", name)
        self._node.forget_entries([name, *_implemented(before), *_implemented(config)])

    async def commit(self) -> None:
        """A contract has one default binding at most; which, may change within a transaction."""
        for contract in self._contracts.definitions:
            found = self._contracts.defaults(contract)
            if len(found) > 1:
                raise already_exists(f"contract {contract} has several default bindings: {', '.join(found)}")


def _implemented(config: BindingConfig | None) -> Iterable[str]:
    return [str(implementation.contract) for implementation in config.contracts] if config else ()
