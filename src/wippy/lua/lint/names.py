"""Who is who in a chunk: every declared name, every use, resolved by scope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wippy.lua.syntax import ast
from wippy.lua.syntax.declarations import type_declarations

LOCAL, PARAMETER, LOOP, IMPORT, FUNCTION = "local", "parameter", "loop", "import", "function"


@dataclass(eq=False, slots=True)
class Binding:
    """A local name. `module` is what `require` was called with, if its value comes from there."""

    name: str
    kind: str
    line: int
    column: int
    module: str | None = None
    reads: int = 0
    writes: int = 0
    shadows: Binding | None = None


@dataclass(slots=True)
class Names:
    """What a walk over a chunk finds."""

    bindings: list[Binding] = field(default_factory=list)
    reads: list[tuple[ast.Name, Binding | None]] = field(default_factory=list)
    global_writes: list[tuple[ast.Name, bool]] = field(default_factory=list)
    statements: list[ast.Statement] = field(default_factory=list)
    blocks: list[ast.Block] = field(default_factory=list)
    expressions: list[ast.Expression] = field(default_factory=list)
    types: frozenset[str] = frozenset()

    def binding_of(self, node: ast.Name) -> Binding | None:
        return self._resolved.get(id(node))

    _resolved: dict[int, Binding] = field(default_factory=dict)


def resolve_names(chunk: ast.Chunk) -> Names:
    """Walks the whole chunk once."""
    names = Names(types=frozenset(type_declarations(chunk)))
    _Walk(names).block(chunk.block)
    return names


def required_module(value: ast.Expression | None) -> str | None:
    """The name in `require("name")`, under casts."""
    while isinstance(value, ast.Cast | ast.NonNil | ast.Paren):
        value = value.expression
    if isinstance(value, ast.Call) and isinstance(value.function, ast.Name) and value.function.id == "require":
        argument = value.arguments[0] if value.arguments else None
        if isinstance(argument, ast.String):
            return argument.value.decode("utf-8", "replace")
    return None


class _Walk:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._scope: dict[str, Binding] = {}

    # Scopes

    def _declare(self, name: ast.TypedName, kind: str, value: ast.Expression | None = None) -> None:
        module = required_module(value)
        if module is not None:
            kind = IMPORT
        shadowed = self._scope.get(name.name)
        binding = Binding(name.name, kind, name.line, name.column, module, shadows=shadowed)
        self._names.bindings.append(binding)
        self._scope[name.name] = binding
        self._types(name.type)

    def block(self, block: ast.Block) -> None:
        saved = self._scope
        self._scope = dict(saved)
        self._names.blocks.append(block)
        for statement in block.statements:
            self._statement(statement)
        self._scope = saved

    # Statements

    def _statement(self, node: ast.Statement) -> None:
        self._names.statements.append(node)
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            method(node)

    def _local(self, node: ast.Local) -> None:
        self._all(node.values)
        for at, name in enumerate(node.names):
            self._declare(name, LOCAL, node.values[at] if at < len(node.values) else None)

    def _localfunction(self, node: ast.LocalFunction) -> None:
        self._declare(node.name, FUNCTION)
        self._function(node.function)

    def _functionstatement(self, node: ast.FunctionStatement) -> None:
        if isinstance(node.target, ast.Name):
            self._write(node.target, function=True)
        else:
            self._expression(node.target)
        self._function(node.function, has_self=node.is_method)

    def _assign(self, node: ast.Assign) -> None:
        self._all(node.values)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._write(target)
            else:
                self._expression(target)

    def _callstatement(self, node: ast.CallStatement) -> None:
        self._expression(node.call)

    def _do(self, node: ast.Do) -> None:
        self.block(node.body)

    def _while(self, node: ast.While) -> None:
        self._expression(node.condition)
        self.block(node.body)

    def _repeat(self, node: ast.Repeat) -> None:
        saved = self._scope
        self._scope = dict(saved)
        self._names.blocks.append(node.body)
        for statement in node.body.statements:
            self._statement(statement)
        self._expression(node.condition)
        self._scope = saved

    def _if(self, node: ast.If) -> None:
        for arm in node.arms:
            self._expression(arm.condition)
            self.block(arm.body)
        if node.otherwise is not None:
            self.block(node.otherwise)

    def _numericfor(self, node: ast.NumericFor) -> None:
        self._all([e for e in (node.start, node.limit, node.step) if e is not None])
        self._loop([node.variable], node.body)

    def _genericfor(self, node: ast.GenericFor) -> None:
        self._all(node.values)
        self._loop(node.names, node.body)

    def _loop(self, names: list[ast.TypedName], body: ast.Block) -> None:
        saved = self._scope
        self._scope = dict(saved)
        for name in names:
            self._declare(name, LOOP)
        self.block(body)
        self._scope = saved

    def _return(self, node: ast.Return) -> None:
        self._all(node.values)

    def _typealias(self, node: ast.TypeAlias) -> None:
        self._types(*node.type_parameters, node.type)

    def _interface(self, node: ast.Interface) -> None:
        for method in node.methods:
            self._types(*method.parameters, *(method.returns or ()))

    # Types

    def _types(self, *roots: ast.Node | None) -> None:
        """A type reads the module of `module.Name` and the names inside `typeof(...)`."""
        waiting: list[Any] = [*roots]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Expression):
                self._expression(node)
            elif isinstance(node, ast.Node):
                if isinstance(node, ast.QualifiedType) and node.module in self._scope:
                    self._scope[node.module].reads += 1
                waiting += [getattr(node, name) for name in node.__struct_fields__]
            elif isinstance(node, list):
                waiting += node

    # Expressions

    def _write(self, node: ast.Name, function: bool = False) -> None:
        binding = self._scope.get(node.id)
        if binding is None:
            self._names.global_writes.append((node, function))
        else:
            binding.writes += 1

    def _function(self, node: ast.Function, has_self: bool = False) -> None:
        saved = self._scope
        self._scope = dict(saved)
        if has_self:
            self._scope["self"] = Binding("self", PARAMETER, node.line, node.column)
        for parameter in node.parameters:
            self._declare(parameter, PARAMETER)
        self._types(*node.type_parameters, node.vararg, *(node.returns or ()))
        self.block(node.body)
        self._scope = saved

    def _all(self, values: list[ast.Expression]) -> None:
        for value in values:
            self._expression(value)

    def _expression(self, root: ast.Expression) -> None:
        """Left chains may be long: they are followed with a stack."""
        waiting: list[Any] = [root]
        while waiting:
            node = waiting.pop()
            self._names.expressions.append(node)
            if isinstance(node, ast.Name):
                self._read(node)
            elif isinstance(node, ast.Function):
                self._function(node)
            else:
                if isinstance(node, ast.Cast):
                    self._types(node.type)
                waiting.extend(reversed(list(children(node))))

    def _read(self, node: ast.Name) -> None:
        binding = self._scope.get(node.id)
        if binding is not None:
            binding.reads += 1
            self._names._resolved[id(node)] = binding
        self._names.reads.append((node, binding))


def children(node: ast.Expression) -> Iterator[ast.Expression]:
    """The direct subexpressions, in order."""
    if isinstance(node, ast.Paren | ast.Cast | ast.NonNil):
        yield node.expression
    elif isinstance(node, ast.Member):
        yield node.object
    elif isinstance(node, ast.Index):
        yield node.object
        yield node.key
    elif isinstance(node, ast.Call):
        yield node.function
        yield from node.arguments
    elif isinstance(node, ast.MethodCall):
        yield node.object
        yield from node.arguments
    elif isinstance(node, ast.Unary):
        yield node.operand
    elif isinstance(node, ast.Binary):
        yield node.left
        yield node.right
    elif isinstance(node, ast.Concat):
        yield from node.operands
    elif isinstance(node, ast.Table):
        for part in node.fields:
            if isinstance(part, ast.KeyedField):
                yield part.key
            yield part.value
