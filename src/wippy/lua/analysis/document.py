"""What one source says: definitions with where they can be seen, uses, calls, exports.

There are very many of these objects, and full collections would stop the whole runtime for as long as it takes to look
at them: so the collector does not follow them, and `Document.release` must be called to free them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from wippy.lua.analysis.text import Text
from wippy.lua.syntax import ast

LOCAL, PARAMETER, LOOP, FUNCTION, IMPORT = "local", "parameter", "loop variable", "function", "import"
GLOBAL, TYPE, TYPE_PARAMETER, FIELD, METHOD, LABEL = "global", "type", "type parameter", "field", "method", "label"


class Definition(Struct, eq=False, gc=False):
    """Something with a name. Offsets: `start` to `end` is the name, `outer` the whole declaration, `seen` where code
    can use it. `value` is what it is set to where it is declared, `nth` which of that expression's results."""

    name: str
    kind: str
    start: int
    end: int
    outer: tuple[int, int]
    seen: tuple[int, int] = (0, 0)
    value: ast.Expression | None = None
    nth: int = 0
    annotation: ast.Type | None = None
    function: ast.Function | None = None
    module: str | None = None
    owner: Definition | None = None
    inside: Definition | None = None
    declared: ast.TypeAlias | ast.Interface | None = None
    loop: ast.GenericFor | None = None
    members: dict[str, Definition] = msgspec.field(default_factory=dict)
    uses: list[Use] = msgspec.field(default_factory=list)


class Use(Struct, eq=False, gc=False):
    """A name in the text. With a `receiver` it is a member of what that expression is; a `definition` is known when
    scopes alone tell. A declaration is a use of itself."""

    start: int
    end: int
    name: str
    definition: Definition | None = None
    receiver: ast.Expression | None = None
    is_method: bool = False
    is_type: bool = False


class Call(Struct, eq=False, gc=False):
    """A call: what is called, the use that names it, and the named function it is written in (None: the chunk)."""

    node: ast.Call | ast.MethodCall
    named: Use | None
    inside: Definition | None


class Literal(Struct, eq=False, gc=False):
    """A short string of the source."""

    start: int
    end: int
    value: str


@dataclass(eq=False, slots=True)
class Document:
    """The index of one source. `complete` is False when it was made of a repaired source."""

    id: str
    text: Text
    complete: bool = True
    definitions: list[Definition] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    literals: list[Literal] = field(default_factory=list)
    globals: dict[str, Definition] = field(default_factory=dict)
    types: dict[str, Definition] = field(default_factory=dict)
    tables: dict[int, dict[str, Definition]] = field(default_factory=dict)
    resolved: dict[int, Definition] = field(default_factory=dict)
    returns: dict[int, list[ast.Return]] = field(default_factory=dict)
    exported: ast.Expression | None = None
    chunk: ast.Chunk | None = None
    """Kept because `tables` and `resolved` are keyed by the identity of its nodes."""
    starts: list[int] = field(default_factory=list)

    def release(self) -> None:
        """Takes the index apart, so that it is freed: definitions and uses refer to each other. The text stays."""
        for definition in self.definitions:
            definition.uses.clear()
            definition.members.clear()
        for use in self.uses:
            use.definition = None
        self.definitions.clear()
        self.uses.clear()
        self.calls.clear()
        self.chunk = self.exported = None

    def use_at(self, offset: int) -> Use | None:
        """The name at an offset, or just before it."""
        at = bisect_right(self.uses, offset, key=lambda use: use.start) - 1
        while at >= 0 and self.uses[at].start == self.uses[at - 1].start and at > 0:
            at -= 1
        return self.uses[at] if at >= 0 and offset <= self.uses[at].end else None

    def literal_at(self, offset: int) -> Literal | None:
        at = bisect_right(self.literals, offset, key=lambda literal: literal.start) - 1
        return self.literals[at] if at >= 0 and offset <= self.literals[at].end else None

    def visible(self, offset: int) -> dict[str, Definition]:
        """What code at an offset can name, inner names hiding outer ones."""
        found = {**self.types, **self.globals}
        for definition in self.definitions:
            if definition.seen[0] <= offset <= definition.seen[1] and definition.kind != LABEL:
                found[definition.name] = definition
        return found

    def named(self, name: str) -> Iterator[Use]:
        return (use for use in self.uses if use.name == name)
