"""The syntax tree of the dialect (spec 02 §3): statements, expressions and types.

Every node knows the line and column it starts at and the indexes of its first and last token. Chains are as long as
the source makes them: `Binary.left`, `Member.object`, `Index.object`, `Call.function` and `MethodCall.object` must be
followed in a loop; everything else nests at most `lexer.MAX_NESTING` levels.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .tokens import Tokens


class Node(Struct, eq=False):
    """To be freed a long chain needs what Python does for objects that the collector follows: never `gc=False` here."""

    line: int
    column: int
    first: int
    last: int


class Block(Node):
    """`first` is the token after the opening one, also when the block is empty."""

    statements: list[Statement]


class Chunk(Node):
    """`deep` tells that nesting is so deep that emitted code should not add levels of its own. `types`: every type
    declaration, also inside functions, in the order of the source."""

    name: str
    block: Block
    tokens: Tokens
    deep: bool
    types: list[TypeAlias | Interface]


# Expressions


class Expression(Node):
    pass


class Nil(Expression):
    pass


class Boolean(Expression):
    value: bool


class Number(Expression):
    value: int | float


class String(Expression):
    value: bytes


class Vararg(Expression):
    pass


class Name(Expression):
    id: str


class Paren(Expression):
    expression: Expression


class Member(Expression):
    """`object.name`; `name` is the last token."""

    object: Expression
    name: str


class Index(Expression):
    """`object[key]`"""

    object: Expression
    key: Expression


class Call(Expression):
    function: Expression
    arguments: list[Expression]


class MethodCall(Expression):
    object: Expression
    method: str
    arguments: list[Expression]


class Unary(Expression):
    operator: str
    operand: Expression


class Binary(Expression):
    """Every binary operator but `..`; `at` is the operator's token index."""

    operator: str
    left: Expression
    right: Expression
    at: int


class Concat(Expression):
    """`a .. b .. c`: right associative, kept flat because chains are long."""

    operands: list[Expression]


class Cast(Expression):
    """`expression as type` or `expression :: type`; no effect at run time."""

    expression: Expression
    type: Type
    style: Literal["as", "::"]


class NonNil(Expression):
    """`expression!`"""

    expression: Expression


class Function(Expression):
    """`open` is the token index of the parameter list's parenthesis. `returns` is None when not annotated."""

    open: int
    type_parameters: list[TypeParameter]
    parameters: list[TypedName]
    vararg: TypedName | None
    returns: list[Type] | None
    body: Block


class Table(Expression):
    fields: list[Field]


class Field(Node):
    """A positional field; the base of the keyed ones."""

    value: Expression


class NamedField(Field):
    """`name = value`"""

    name: str


class KeyedField(Field):
    """`[key] = value`"""

    key: Expression


class TypedName(Node):
    """A declared name: local, parameter, loop variable, vararg (`...`)."""

    name: str
    type: Type | None


# Statements


class Statement(Node):
    pass


class Local(Statement):
    names: list[TypedName]
    values: list[Expression]


class LocalFunction(Statement):
    name: TypedName
    function: Function


class FunctionStatement(Statement):
    """`function a.b.c()` or, as a method, `function a.b:c()`: the target is the whole path."""

    target: Expression
    is_method: bool
    function: Function


class Assign(Statement):
    targets: list[Expression]
    values: list[Expression]


class CallStatement(Statement):
    call: Expression


class Do(Statement):
    body: Block


class While(Statement):
    condition: Expression
    body: Block


class Repeat(Statement):
    """The condition sees the locals of the body."""

    body: Block
    condition: Expression


class Arm(Node):
    condition: Expression
    body: Block


class If(Statement):
    arms: list[Arm]
    otherwise: Block | None


class NumericFor(Statement):
    variable: TypedName
    start: Expression
    limit: Expression
    step: Expression | None
    body: Block


class GenericFor(Statement):
    names: list[TypedName]
    values: list[Expression]
    body: Block


class Return(Statement):
    values: list[Expression]


class Break(Statement):
    pass


class Goto(Statement):
    label: str


class Label(Statement):
    name: str


class TypeAlias(Statement):
    name: str
    type_parameters: list[TypeParameter]
    type: Type


class Interface(Statement):
    name: str
    parents: list[str]
    methods: list[InterfaceMethod]


class InterfaceMethod(Node):
    name: str
    parameters: list[TypedName]
    returns: list[Type] | None


# Types


class Type(Node):
    pass


class LiteralType(Type):
    """`nil`, `true`, `false`, a string or a number in type position."""

    value: bool | int | float | bytes | None


class NamedType(Type):
    """A primitive, alias, type parameter or generic instance."""

    name: str
    arguments: list[Type]


class QualifiedType(Type):
    """`module.name`: a type exported by an imported module."""

    module: str
    name: str


class ArrayType(Type):
    """`{T}`, `readonly {T}` or `T[]`"""

    element: Type
    readonly: bool


class MapType(Type):
    key: Type
    value: Type
    readonly: bool


class RecordType(Type):
    fields: list[RecordField]
    readonly: bool


class RecordField(Node):
    name: str
    type: Type
    optional: bool


class InterfaceType(Type):
    fields: list[RecordField]


class FunctionType(Type):
    """`(A, b: B, ...C) -> R` or `fun(...): R`; a parameter's name is None when it has none."""

    parameters: list[TypeArgument]
    vararg: Type | None
    returns: list[Type]


class TypeArgument(Node):
    name: str | None
    type: Type


class IndexedType(Type):
    """`T[K]`"""

    base: Type
    index: Type


class TypeOf(Type):
    expression: Expression


class KeyOf(Type):
    type: Type


class Asserts(Type):
    """`asserts name` or `asserts name is T`"""

    name: str
    type: Type | None


class OptionalType(Type):
    type: Type


class AnnotatedType(Type):
    type: Type
    validators: list[Validator]


class Validator(Node):
    """`@name(arguments)`"""

    name: str
    arguments: list[Expression]


class UnionType(Type):
    members: list[Type]


class IntersectionType(Type):
    members: list[Type]


class ConditionalType(Type):
    """`subject extends bound ? consequent : alternative`"""

    subject: Type
    bound: Type
    consequent: Type
    alternative: Type


class TypeParameter(Node):
    name: str
    constraint: Type | None
