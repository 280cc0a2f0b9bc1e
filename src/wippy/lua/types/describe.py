"""Type declarations of a chunk as plain data, for the kernel to build type values from (spec 02 §5).

A description is a list whose first element says what it is:

    ["ref", name, arguments]           a primitive, an alias, a type parameter, a generic instance
    ["qualified", module, name]        a type that an imported module hands on
    ["literal", value]   ["nil"]
    ["optional", type]   ["union", types]   ["intersection", types]
    ["array", type, readonly]   ["map", key, value, readonly]
    ["record", [[name, type, optional], ...], readonly]
    ["function", [type, ...], variadic type or nil, [return type, ...]]
    ["interface"]
    ["annotated", type, [[validator, argument], ...]]
    ["keyof", type]   ["index", type, type]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wippy.lua.syntax import ast

Description = list[Any]

_ANNOTATABLE = (ast.NamedType, ast.QualifiedType, ast.ArrayType, ast.AnnotatedType)
ANY: Description = ["ref", "any", []]


def describe_types(chunk: ast.Chunk, names: dict[str, ast.Statement]) -> dict[str, Description]:
    """`names` (the declarations of the chunk) as name -> [type parameters with constraints, description]."""
    describer = _Describer(chunk)
    return {name: describer.declaration(statement) for name, statement in names.items()}


class _Describer:
    def __init__(self, chunk: ast.Chunk) -> None:
        self._modules: dict[str, str] = {}
        self._locals: dict[str, Description] = {}
        self._describers: dict[type[ast.Type], Callable[[Any], Description]] = {
            ast.LiteralType: self._literal,
            ast.NamedType: lambda t: ["ref", t.name, self.types(t.arguments)],
            ast.QualifiedType: lambda t: ["qualified", self._modules.get(t.module, t.module), t.name],
            ast.ArrayType: lambda t: ["array", self.type(t.element), t.readonly],
            ast.MapType: lambda t: ["map", self.type(t.key), self.type(t.value), t.readonly],
            ast.RecordType: lambda t: ["record", self._fields(t.fields), t.readonly],
            ast.InterfaceType: lambda t: ["interface"],
            ast.FunctionType: self._function,
            ast.OptionalType: lambda t: ["optional", self.type(t.type)],
            ast.AnnotatedType: self._annotated,
            ast.UnionType: lambda t: ["union", self.types(t.members)],
            ast.IntersectionType: lambda t: ["intersection", self.types(t.members)],
            ast.TypeOf: lambda t: self._static(t.expression),
            ast.KeyOf: lambda t: ["keyof", self.type(t.type)],
            ast.IndexedType: lambda t: ["index", self.type(t.base), self.type(t.index)],
            ast.Asserts: lambda t: ["ref", "boolean", []],
            ast.ConditionalType: lambda t: ANY,
        }
        for statement in chunk.block.statements:
            if isinstance(statement, ast.Local):
                self._note_local(statement)

    def _note_local(self, statement: ast.Local) -> None:
        """What `alias.Name` and `typeof(name)` need: modules by their local names, static types of locals."""
        for at, name in enumerate(statement.names):
            value = statement.values[at] if at < len(statement.values) else None
            module = _required(value)
            if module is not None:
                self._modules[name.name] = module
            if name.type is not None:
                self._locals[name.name] = self.type(name.type)
            elif value is not None:
                self._locals[name.name] = self._static(value)

    def declaration(self, statement: ast.Statement) -> Description:
        if isinstance(statement, ast.Interface):
            return [[], ["interface"]]
        assert isinstance(statement, ast.TypeAlias)
        parameters = [[p.name, self.type(p.constraint) if p.constraint else None] for p in statement.type_parameters]
        return [parameters, self.type(statement.type)]

    def type(self, node: ast.Type) -> Description:
        return self._describers[node.__class__](node)

    def types(self, nodes: list[ast.Type]) -> list[Description]:
        return [self.type(node) for node in nodes]

    def _fields(self, fields: list[ast.RecordField]) -> list[Any]:
        return [[f.name, self.type(f.type), f.optional] for f in fields]

    def _literal(self, node: ast.LiteralType) -> Description:
        return ["nil"] if node.value is None else ["literal", node.value]

    def _function(self, node: ast.FunctionType) -> Description:
        vararg = None if node.vararg is None else self.type(node.vararg)
        return ["function", [self.type(p.type) for p in node.parameters], vararg, self.types(node.returns)]

    def _annotated(self, node: ast.AnnotatedType) -> Description:
        """Validators stick to names and arrays; on anything else they parse and are dropped (spec 02 §5.5)."""
        inner = self.type(node.type)
        if not isinstance(node.type, _ANNOTATABLE):
            return inner
        validators = [[v.name, _constant(v.arguments[0]) if v.arguments else None] for v in node.validators]
        return ["annotated", inner, validators]

    def _static(self, node: ast.Expression) -> Description:
        """The static type of an expression, as far as literals and annotated locals tell."""
        if isinstance(node, ast.Cast):
            return self.type(node.type)
        if isinstance(node, ast.Paren | ast.NonNil):
            return self._static(node.expression)
        if isinstance(node, ast.Name):
            return self._locals.get(node.id, ANY)
        if isinstance(node, ast.Table):
            return self._static_table(node)
        for kind, name in ((ast.String, "string"), (ast.Boolean, "boolean"), (ast.Concat, "string")):
            if isinstance(node, kind):
                return ["ref", name, []]
        if isinstance(node, ast.Number):
            return ["ref", "integer" if isinstance(node.value, int) else "number", []]
        return ["nil"] if isinstance(node, ast.Nil) else ANY

    def _static_table(self, node: ast.Table) -> Description:
        named = [f for f in node.fields if isinstance(f, ast.NamedField)]
        if len(named) == len(node.fields):
            return ["record", [[f.name, self._static(f.value), False] for f in named], False]
        if node.fields and not any(isinstance(f, ast.NamedField | ast.KeyedField) for f in node.fields):
            return ["array", self._static(node.fields[0].value), False]
        return ["ref", "table", []]


def _required(value: ast.Expression | None) -> str | None:
    """The name in `require("name")`."""
    if isinstance(value, ast.Cast | ast.NonNil):
        return _required(value.expression)
    if isinstance(value, ast.Call) and isinstance(value.function, ast.Name) and value.function.id == "require":
        argument = value.arguments[0] if value.arguments else None
        if isinstance(argument, ast.String):
            return argument.value.decode("utf-8", "replace")
    return None


def _constant(node: ast.Expression) -> Any:
    if isinstance(node, ast.Number | ast.Boolean):
        return node.value
    if isinstance(node, ast.String):
        return node.value
    if isinstance(node, ast.Unary) and node.operator == "-":
        value = _constant(node.operand)
        return -value if isinstance(value, (int, float)) else None
    return None
