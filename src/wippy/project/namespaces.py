"""The data of the namespace kinds: what modules offer, need and use (spec 01 §8)."""

from __future__ import annotations

from typing import Any

import msgspec


class DefinitionData(msgspec.Struct, frozen=True):
    """`ns.definition`. Title and description stand in the entry's meta."""

    module: str = ""
    """The module's name; the entry's by default."""
    readme: str = ""
    """What a person reads first, usually `file://README.md`."""
    wiki: dict[str, str] = {}
    """Path -> text of further pages."""


class Target(msgspec.Struct, frozen=True):
    """Where the value of a requirement goes."""

    entry: str
    """The entry; without a namespace one of the requirement's."""
    path: str
    """The place in it: `.meta.router`, `.host`, `.middleware+=`."""


class RequirementData(msgspec.Struct, frozen=True):
    """`ns.requirement`."""

    targets: list[Target] = []
    """Where the value goes; at least one place."""
    default: Any = None
    """The value when nobody gives one; an empty text is one too."""


class Parameter(msgspec.Struct, frozen=True):
    """A value for a requirement of the module that is used."""

    name: str
    """The requirement's name, with its namespace and a colon in front when names alone are not enough."""
    value: bool | int | float | str | None = None
    """The value."""


class DependencyData(msgspec.Struct, frozen=True):
    """`ns.dependency`."""

    component: str
    """The module: org/name."""
    version: str = ""
    """Which versions will do, such as `^1.2` or `>=1.0 <2.0`; the latest by default."""
    parameters: list[Parameter] = []
    """Values for its requirements."""

    @property
    def dotted(self) -> str:
        return self.component.replace("/", ".")
