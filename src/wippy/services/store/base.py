"""What a key-value store is to the guest module `store` (spec 04a §2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec

from wippy.core.errors import invalid


class Capabilities(msgspec.Struct, frozen=True):
    backend: str
    consistency: str
    durable: bool
    list: bool
    versioned: bool
    conditional_put: bool
    ttl: bool


class Record(msgspec.Struct, frozen=True):
    key: str
    value: Any
    version: str


class Page(msgspec.Struct, frozen=True):
    items: list[Record]
    cursor: str = ""
    has_more: bool = False


class Condition(msgspec.Struct, frozen=True):
    """When `put` may write: always, only a new key, or only over one version."""

    only_if_absent: bool = False
    if_version: int | None = None


ALWAYS = Condition()


class Store(ABC):
    """Values by key. Keys are normalised (`foo` is `:foo`), ttl is in seconds, 0 keeps for ever.

    Values are data trees; a store keeps its own copy or never changes what it was given.
    """

    capabilities: ClassVar[Capabilities]

    @abstractmethod
    async def get(self, key: str) -> Record:
        """Raises Error(NotFound) for a missing or expired key."""

    @abstractmethod
    async def has(self, key: str) -> bool: ...

    @abstractmethod
    async def put(self, key: str, value: Any, ttl: float, condition: Condition = ALWAYS) -> Record:
        """Raises Error(AlreadyExists), Error(Conflict) or Error(NotFound) when the condition does not hold,
        Error(Unavailable) when the store is full."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Whether the key existed."""

    @abstractmethod
    async def list(self, prefix: str, after: str, limit: int) -> Page:
        """Entries whose keys begin with `prefix` and come after `after`, by key."""


def normalised(key: str) -> str:
    """Keys look like ids: one without a namespace gets the empty one. Raises Error(Invalid) for the empty key."""
    if not key:
        raise invalid("key is required")
    return key if ":" in key else f":{key}"
