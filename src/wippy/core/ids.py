"""Registry ids: `namespace:name` (spec 01 §1)."""

from __future__ import annotations

from typing import NamedTuple


class EntryId(NamedTuple):
    """A pair (namespace, name). Its text form splits at the first colon."""

    ns: str
    name: str

    @classmethod
    def parse(cls, text: str, default_ns: str = "") -> EntryId:
        """`a:b` as it stands; a text without a colon is a name in `default_ns`."""
        ns, colon, name = text.partition(":")
        return cls(ns, name) if colon else cls(default_ns, ns)

    def __str__(self) -> str:
        return f"{self.ns}:{self.name}"
