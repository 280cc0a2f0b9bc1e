"""From a tree to the index of its source: one walk that follows scopes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.document import Call, Definition, Document, Literal, Use
from wippy.lua.analysis.text import Text
from wippy.lua.lint.names import children, required_module
from wippy.lua.syntax import ast
from wippy.lua.syntax.tokens import STRING

_SHORT_STRING = re.compile(rb"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


def index(chunk: ast.Chunk, parsed: Text, text: Text) -> Document:
    """The index of a text; `parsed` is what the chunk was made of: the text, or a repaired form of it."""
    document = Document(chunk.name, text, parsed is text)
    length = len(text.source)
    document.starts = [min(start, length) for start in parsed.token_starts(chunk.tokens)]
    _Walk(chunk, document).chunk()
    return document


class _Walk:
    def __init__(self, chunk: ast.Chunk, document: Document) -> None:
        self.document = document
        self._chunk = chunk
        self._texts = chunk.tokens.texts
        self._starts = document.starts
        self._scope: dict[str, Definition] = {}
        self._type_scope: dict[str, Definition] = document.types
        self._inside: Definition | None = None
        self._function_node: ast.Function | None = None
        self._statements = {
            ast.Local: self._local,
            ast.LocalFunction: self._local_function,
            ast.FunctionStatement: self._function_statement,
            ast.Assign: self._assign,
            ast.CallStatement: lambda node: self._expression(node.call),
            ast.Do: lambda node: self._block(node.body),
            ast.While: self._while,
            ast.Repeat: self._repeat,
            ast.If: self._if,
            ast.NumericFor: self._numeric_for,
            ast.GenericFor: self._generic_for,
            ast.Return: self._return,
            ast.TypeAlias: self._type_alias,
            ast.Interface: self._interface,
        }

    def chunk(self) -> None:
        document = self.document
        document.chunk = self._chunk
        self._literals()
        for node in self._chunk.types:
            definition = self._define(node.first + 1, node.name, kinds.TYPE, node, seen=(0, len(document.text.source)))
            definition.declared = node
            document.types[node.name] = definition
        document.definitions.clear()
        self._block(self._chunk.block)
        document.definitions += document.types.values()
        document.uses.sort(key=lambda use: use.start)

    # Places

    def _end_of(self, token: int) -> int:
        """Where a token ends; names, keywords and operators are spelled as in the source."""
        start = self._starts[token]
        if self._chunk.tokens.kinds[token] == STRING:
            found = _SHORT_STRING.match(self.document.text.source, start)
            following = self._starts[token + 1] if token + 1 < len(self._starts) else start
            return found.end() if found else max(following, start)
        return start + len(self._texts[token])

    def _range(self, node: ast.Node) -> tuple[int, int]:
        return self._starts[node.first], max(self._end_of(node.last), self._starts[node.first])

    def _after(self, block: ast.Block) -> int:
        """Where the token that closes a block begins."""
        following = max(block.last + 1, block.first)
        return self._starts[min(following, len(self._starts) - 1)]

    def _literals(self) -> None:
        tokens, source = self._chunk.tokens, self.document.text.source
        for token, value in tokens.literals.items():
            if isinstance(value, bytes) and len(value) < 200:
                start = self._starts[token]
                if source[start : start + 1] in (b"'", b'"'):
                    text = value.decode("utf-8", "replace")
                    self.document.literals.append(Literal(start, self._end_of(token), text))

    # Names

    def _define(
        self, token: int, name: str, kind: str, outer: ast.Node, *, seen: tuple[int, int] = (0, 0)
    ) -> Definition:
        start = self._starts[token]
        definition = Definition(name, kind, start, start + len(name), self._range(outer), seen, inside=self._inside)
        self.document.definitions.append(definition)
        self._used(Use(start, start + len(name), name, definition, is_type=kind == kinds.TYPE))
        return definition

    def _used(self, use: Use) -> Use:
        self.document.uses.append(use)
        if use.definition is not None:
            use.definition.uses.append(use)
        return use

    def _declare(self, name: ast.TypedName, kind: str, outer: ast.Node, seen: tuple[int, int]) -> Definition:
        definition = self._define(name.first, name.name, kind, outer, seen=seen)
        definition.annotation = name.type
        self._scope[name.name] = definition
        return definition

    @contextmanager
    def _scoped(self) -> Iterator[None]:
        saved, self._scope = self._scope, dict(self._scope)
        try:
            yield
        finally:
            self._scope = saved

    # Statements

    def _block(self, block: ast.Block) -> None:
        with self._scoped():
            self._run(block)

    def _run(self, block: ast.Block, until: int | None = None) -> None:
        outer, self._block_end = getattr(self, "_block_end", 0), until or self._after(block)
        for statement in block.statements:
            handle = self._statements.get(type(statement))
            if handle is not None:
                handle(statement)  # type: ignore[operator]
        self._block_end = outer

    def _local(self, node: ast.Local) -> None:
        # A function that is the value of a local belongs to its name: the definition is there before its body.
        seen = (self._range(node)[1], self._block_end)
        made: list[Definition] = []
        hidden = self._scope
        self._scope = dict(hidden)
        for at, name in enumerate(node.names):
            value, nth = _nth(node.values, at)
            module = required_module(value) if nth == 0 else None
            definition = self._declare(name, kinds.IMPORT if module is not None else kinds.LOCAL, node, seen)
            definition.value, definition.nth, definition.module = value, nth, module
            made.append(definition)
            self._types(name.type)  # as the linter sees it: `typeof` there may name what is declared
        declared, self._scope = self._scope, hidden
        for at, value in enumerate(node.values):
            self._value(value, made[at] if at < len(made) else None)
        self._scope = declared

    def _local_function(self, node: ast.LocalFunction) -> None:
        definition = self._declare(node.name, kinds.FUNCTION, node, (self._starts[node.name.first], self._block_end))
        self._function(node.function, definition)

    def _function_statement(self, node: ast.FunctionStatement) -> None:
        if isinstance(node.target, ast.Name):
            definition = self._written(node.target, node, kinds.FUNCTION)
        else:
            definition = self._member_written(node.target, node, kinds.METHOD if node.is_method else kinds.FIELD)
        owner = None
        if node.is_method and isinstance(node.target, ast.Member):
            owner = self._path(node.target.object)
        self._function(node.function, definition, owner, has_self=node.is_method)

    def _assign(self, node: ast.Assign) -> None:
        for at, target in enumerate(node.targets):
            value, nth = _nth(node.values, at)
            definition = None
            if isinstance(target, ast.Name):
                definition = self._written(target, node, kinds.GLOBAL)
            elif isinstance(target, ast.Member):
                definition = self._member_written(target, node, kinds.FIELD)
            else:
                self._expression(target)
            if definition is not None and definition.value is None:
                definition.value, definition.nth = value, nth
            if at < len(node.values):
                self._value(node.values[at], definition)
        for value in node.values[len(node.targets) :]:
            self._expression(value)

    def _written(self, target: ast.Name, outer: ast.Node, kind: str) -> Definition | None:
        """An assigned name. That of an unknown global is its definition the first time."""
        definition = self._scope.get(target.id) or self.document.globals.get(target.id)
        if definition is None:
            definition = self._define(target.first, target.id, kind, outer, seen=(0, len(self.document.text.source)))
            self.document.globals[target.id] = definition
        else:
            start = self._starts[target.first]
            self._used(Use(start, start + len(target.id), target.id, definition))
        self.document.resolved[id(target)] = definition
        return definition if definition.value is None and definition.function is None else None

    def _member_written(self, target: ast.Expression, outer: ast.Node, kind: str) -> Definition | None:
        """`a.b = ...`: the definition of `b`, when `a` is known and has none yet."""
        assert isinstance(target, ast.Member)
        owner = self._path(target.object)
        self._expression(target.object)
        if owner is None or target.name in owner.members:
            self._member_use(target)
            return None
        definition = self._define(target.last, target.name, kind, outer)
        definition.owner = owner
        owner.members[target.name] = definition
        return definition

    def _path(self, node: ast.Expression) -> Definition | None:
        """The definition that a chain of names and members leads to."""
        names: list[str] = []
        while isinstance(node, ast.Member):
            names.append(node.name)
            node = node.object
        if not isinstance(node, ast.Name):
            return None
        found = self._scope.get(node.id) or self.document.globals.get(node.id)
        if found is not None and found.name == "self" and found.owner is not None:
            found = found.owner
        for name in reversed(names):
            found = found.members.get(name) if found is not None else None
        return found

    def _while(self, node: ast.While) -> None:
        self._expression(node.condition)
        self._block(node.body)

    def _repeat(self, node: ast.Repeat) -> None:
        with self._scoped():
            self._run(node.body, self._range(node)[1])
            self._expression(node.condition)

    def _if(self, node: ast.If) -> None:
        for arm in node.arms:
            self._expression(arm.condition)
            self._block(arm.body)
        if node.otherwise is not None:
            self._block(node.otherwise)

    def _numeric_for(self, node: ast.NumericFor) -> None:
        for bound in (node.start, node.limit, node.step):
            if bound is not None:
                self._expression(bound)
        with self._scoped():
            definition = self._declare(node.variable, kinds.LOOP, node, self._within(node.body))
            definition.value = node.start
            self._block(node.body)

    def _generic_for(self, node: ast.GenericFor) -> None:
        for value in node.values:
            self._expression(value)
        with self._scoped():
            for at, name in enumerate(node.names):
                definition = self._declare(name, kinds.LOOP, node, self._within(node.body))
                definition.loop, definition.nth = node, at
            self._block(node.body)

    def _within(self, body: ast.Block) -> tuple[int, int]:
        return self._end_of(max(body.first - 1, 0)), self._after(body)

    def _return(self, node: ast.Return) -> None:
        if self._function_node is not None:
            self.document.returns.setdefault(id(self._function_node), []).append(node)
        elif node.values:
            self.document.exported = node.values[0]
        for value in node.values:
            self._expression(value)

    def _type_alias(self, node: ast.TypeAlias) -> None:
        with self._type_parameters(node.type_parameters):
            self._types(node.type)

    def _interface(self, node: ast.Interface) -> None:
        for method in node.methods:
            self._types(*(name.type for name in method.parameters), *(method.returns or ()))

    # Types

    @contextmanager
    def _type_parameters(self, parameters: list[ast.TypeParameter]) -> Iterator[None]:
        saved = self._type_scope
        if parameters:
            self._type_scope = dict(saved)
            for parameter in parameters:
                definition = self._define(parameter.first, parameter.name, kinds.TYPE_PARAMETER, parameter)
                self._type_scope[parameter.name] = definition
                self._types(parameter.constraint)
        try:
            yield
        finally:
            self._type_scope = saved

    def _types(self, *roots: ast.Node | None) -> None:
        waiting: list[Any] = [*roots]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Expression):
                self._expression(node)
            elif isinstance(node, ast.Node):
                self._type_names(node)
                waiting += [getattr(node, name) for name in node.__struct_fields__]
            elif isinstance(node, list):
                waiting += node

    def _type_names(self, node: ast.Node) -> None:
        start = self._starts[node.first]
        if isinstance(node, ast.NamedType):
            self._used(Use(start, start + len(node.name), node.name, self._type_scope.get(node.name), is_type=True))
        elif isinstance(node, ast.QualifiedType):
            receiver = ast.Name(node.line, node.column, node.first, node.first, node.module)
            self._name(receiver)
            at = self._starts[node.first + 2]
            self._used(Use(at, at + len(node.name), node.name, receiver=receiver, is_type=True))

    # Expressions

    def _value(self, value: ast.Expression, definition: Definition | None) -> None:
        """The value of a declaration: functions and tables are known by the declared name."""
        if isinstance(value, ast.Function):
            if definition is not None:
                definition.function = value
            self._function(value, definition, definition.owner if definition else None)
        elif isinstance(value, ast.Table):
            self._table(value, definition)
        else:
            self._expression(value)

    def _function(
        self, node: ast.Function, definition: Definition | None, owner: Definition | None = None, has_self: bool = False
    ) -> None:
        outer = self._inside, self._function_node
        self._function_node = node
        if definition is not None:
            definition.function = node
            self._inside = definition
        seen = (self._starts[node.open], self._after(node.body))
        with self._scoped(), self._type_parameters(node.type_parameters):
            if has_self:
                start = self._starts[node.open]
                this = Definition("self", kinds.PARAMETER, start, start, (start, start), seen, owner=owner)
                self.document.definitions.append(this)
                self._scope["self"] = this
            for parameter in node.parameters:
                declared = self._declare(parameter, kinds.PARAMETER, parameter, seen)
                declared.inside = definition
                if parameter.name == "self" and owner is not None:
                    declared.owner = owner
                self._types(parameter.type)
            self._types(node.vararg.type if node.vararg else None, *(node.returns or ()))
            self._block(node.body)
        self._inside, self._function_node = outer

    def _table(self, node: ast.Table, definition: Definition | None) -> None:
        members = self.document.tables[id(node)] = definition.members if definition is not None else {}
        for part in node.fields:
            if not isinstance(part, ast.NamedField):
                if isinstance(part, ast.KeyedField):
                    self._expression(part.key)
                self._expression(part.value)
                continue
            field = self._define(part.first, part.name, kinds.FIELD, part)
            field.value, field.owner = part.value, definition
            members.setdefault(part.name, field)
            self._value(part.value, field)

    def _expression(self, root: ast.Expression) -> None:
        """Left chains may be long: they are followed with a stack."""
        waiting: list[ast.Expression] = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Name):
                self._name(node)
            elif isinstance(node, ast.Function):
                self._function(node, None)
            elif isinstance(node, ast.Table):
                self._table(node, None)
            else:
                if isinstance(node, ast.Member):
                    self._member_use(node)
                elif isinstance(node, ast.Call | ast.MethodCall):
                    self._call(node)
                elif isinstance(node, ast.Cast):
                    self._types(node.type)
                waiting.extend(reversed(list(children(node))))

    def _name(self, node: ast.Name) -> None:
        definition = self._scope.get(node.id) or self.document.globals.get(node.id) or self.document.types.get(node.id)
        if definition is not None:
            self.document.resolved[id(node)] = definition
        start = self._starts[node.first]
        self._used(Use(start, start + len(node.id), node.id, definition))

    def _member_use(self, node: ast.Member) -> Use:
        start = self._starts[node.last]
        return self._used(Use(start, start + len(node.name), node.name, receiver=node.object))

    def _call(self, node: ast.Call | ast.MethodCall) -> None:
        named: Use | None = None
        if isinstance(node, ast.MethodCall):
            start = self._starts[node.object.last + 2]
            use = Use(start, start + len(node.method), node.method, receiver=node.object, is_method=True)
            named = self._used(use)
        elif isinstance(node.function, ast.Member):
            start = self._starts[node.function.last]
            named = Use(start, start + len(node.function.name), node.function.name, receiver=node.function.object)
        elif isinstance(node.function, ast.Name):
            name = node.function
            start = self._starts[name.first]
            definition = self._scope.get(name.id) or self.document.globals.get(name.id)
            named = Use(start, start + len(name.id), name.id, definition)
        self.document.calls.append(Call(node, named, self._inside))


def _nth(values: list[ast.Expression], at: int) -> tuple[ast.Expression | None, int]:
    """The expression that the name at an index gets its value from, and which of its results."""
    if at < len(values):
        return values[at], 0
    if values and isinstance(values[-1], ast.Call | ast.MethodCall):
        return values[-1], at - len(values) + 1
    return None, 0
