"""The syntax tree of an expression. Every node knows its position in the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    at: int


@dataclass(frozen=True, slots=True)
class Constant(Node):
    value: Any


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Environment(Node):
    """`$env`"""


@dataclass(frozen=True, slots=True)
class Pointer(Node):
    """`#` (name ""), `#index`, `#acc` in a predicate."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`object.name`, `object[key]`; `optional` for `?.`: nil where the object is nil, also for what follows."""

    object: Node
    key: Node
    optional: bool


@dataclass(frozen=True, slots=True)
class Slice(Node):
    object: Node
    start: Node | None
    end: Node | None


@dataclass(frozen=True, slots=True)
class Array(Node):
    items: list[Node]


@dataclass(frozen=True, slots=True)
class Map(Node):
    pairs: list[tuple[Node, Node]]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of the language. A predicate among the arguments is a `Predicate`."""

    name: str
    arguments: list[Node]


@dataclass(frozen=True, slots=True)
class Method(Node):
    """A method of a date or a duration."""

    object: Node
    name: str
    arguments: list[Node]


@dataclass(frozen=True, slots=True)
class Predicate(Node):
    body: Node
    cost: int
    """How many nodes it has: the steps that one element takes."""


@dataclass(frozen=True, slots=True)
class Let(Node):
    name: str
    value: Node
    body: Node
