"""What a change of the registry has removed and may still take back: nothing ends before the change is final, so that a
change that fails in the end has stopped no process, closed no connection and lost no content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wippy.compute.node import Node
    from wippy.compute.supervisor import Supervised


@dataclass(slots=True)
class Leaving:
    """A resource that is out of the node's table, and its service, which still runs as it did."""

    resource: Any
    service: Supervised | None
    then: Callable[[], None] | None


class Retired:
    """By entry id, in the order in which they were removed: the first is what was there before the change, later ones
    the change itself has made."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._leaving: dict[str, list[Leaving]] = {}
        self._ended: list[Leaving] = []

    def retire(self, entry_id: str, then: Callable[[], None] | None = None) -> None:
        """Takes an entry's resource and service out of use. They end when the change is final; `then` is called after
        that."""
        resource = self._node.resources.pop(entry_id, None)
        service = self._node.supervisor.detach(entry_id)
        self._leaving.setdefault(entry_id, []).append(Leaving(resource, service, then))

    def resource(self, entry_id: str) -> Any:
        """What was there before the change; None when it was not removed."""
        leaving = self._leaving.get(entry_id)
        return leaving[0].resource if leaving else None

    def revive(self, entry_id: str) -> Any:
        """Puts what was there before the change back into use, as it is; its resource."""
        first, *made = self._leaving.pop(entry_id)
        self._ended += made
        if first.resource is not None:
            self._node.resources[entry_id] = first.resource
        if first.service is not None:
            self._node.supervisor.attach(first.service)
        return first.resource

    def take(self) -> list[Leaving]:
        """Everything that ends now."""
        found = [*self._ended, *(each for leaving in self._leaving.values() for each in leaving)]
        self._ended, self._leaving = [], {}
        return found
