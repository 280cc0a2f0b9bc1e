"""What a value is, as far as it is known without running: what its members are and what calling it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from wippy.lua.analysis.document import Definition, Document
from wippy.lua.modules.declare import Function, HandleClass, Module
from wippy.lua.syntax import ast


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table that code makes. `base` is where members come from that it has not itself (`__index`)."""

    document: Document
    members: dict[str, Definition]
    definition: Definition | None = None
    base: Shape | None = None


@dataclass(frozen=True, slots=True)
class FunctionShape:
    document: Document
    function: ast.Function
    definition: Definition | None = None


@dataclass(frozen=True, slots=True)
class ModuleShape:
    """A host module, or with a prefix (`as.`) a table in it."""

    module: Module
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class HandleShape:
    """An object of the host: `sql.DB`."""

    module: Module
    handle: HandleClass


@dataclass(frozen=True, slots=True)
class HostFunctionShape:
    module: Module
    function: Function
    is_method: bool = False


@dataclass(frozen=True, slots=True)
class TypedShape:
    """A value of a written type; its names mean what they mean in `context`."""

    context: Document | Module
    type: ast.Type


@dataclass(frozen=True, slots=True)
class InterfaceShape:
    """A value of a declared interface."""

    document: Document
    interface: ast.Interface


@dataclass(frozen=True, slots=True)
class TypeShape:
    """A type itself, as a value."""

    document: Document
    definition: Definition


@dataclass(frozen=True, slots=True)
class PlainShape:
    """A text, a number, a boolean."""

    name: str


Shape = (
    TableShape
    | FunctionShape
    | ModuleShape
    | HandleShape
    | HostFunctionShape
    | TypedShape
    | InterfaceShape
    | TypeShape
    | PlainShape
)


class Member(NamedTuple):
    """A member of a shape: where it is defined, or what it is when that is no place in any source."""

    name: str
    document: Document | None = None
    definition: Definition | None = None
    shape: Shape | None = None
    text: str = ""
    """How it is shown when neither tells."""
    place: tuple[int, int] | None = None
    """Where a record type or an interface of `document` names it."""
    constant: Any = None
