"""Shapes of expressions: through assignments, calls, imports and written types.

It is a guess that is right where code is plain. Nothing is cached: shapes follow the documents as they are now, and a
budget of steps bounds what code that refers to itself can cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.document import Definition, Document
from wippy.lua.analysis.shapes import (
    FunctionShape,
    HandleShape,
    HostFunctionShape,
    InterfaceShape,
    Member,
    ModuleShape,
    PlainShape,
    Shape,
    TableShape,
    TypedShape,
    TypeShape,
)
from wippy.lua.modules.declare import Function, HandleClass, Module
from wippy.lua.modules.libraries import AMBIENT, BUILT_IN, GLOBALS, STRING
from wippy.lua.syntax import ast
from wippy.lua.syntax.declarations import PRIMITIVES
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.lexer import tokenize
from wippy.lua.syntax.parser import Parser
from wippy.lua.syntax.printer import Printer

STEPS = 2_000
DEEPEST = 40
TYPE_METHODS = {
    "is": "is(value: any) -> (any, Error?)",
    "kind": "kind() -> string",
    "name": "name() -> string?",
    "fields": "fields() -> function?",
    "elem": "elem() -> any",
    "key": "key() -> any",
    "val": "val() -> any",
    "inner": "inner() -> any",
    "variants": "variants() -> function?",
    "params": "params() -> function?",
    "ret": "ret() -> any",
    "tparams": "tparams() -> function?",
}


class Sources(Protocol):
    """Where inference finds other documents and modules."""

    def document(self, entry_id: str) -> Document | None: ...
    def imports(self, entry_id: str) -> Mapping[str, str]: ...
    def modules(self, entry_id: str) -> Mapping[str, str]: ...
    def module(self, name: str) -> Module | None: ...


class Inference:
    """Answers about one request: make a new one for each, its budget is spent. `visible`: what names mean in
    expressions that are no part of the document `here`."""

    def __init__(
        self, sources: Sources, here: Document | None = None, visible: Mapping[str, Definition] | None = None
    ) -> None:
        self._sources = sources
        self._here = here
        self._visible = visible or {}
        self._steps = STEPS
        self._depth = 0

    # Expressions

    def of(self, document: Document, node: ast.Expression | None, nth: int = 0) -> Shape | None:
        """The shape of an expression, or of its `nth` result (from 0); None when it is not known."""
        self._steps -= 1
        if node is None or self._steps < 0 or self._depth > DEEPEST:
            return None
        self._depth += 1
        try:
            return self._of(document, node, nth)
        finally:
            self._depth -= 1

    def _of(self, document: Document, node: ast.Expression, nth: int) -> Shape | None:
        if isinstance(node, ast.Call | ast.MethodCall):
            return self._call(document, node, nth)
        if nth:
            return None
        if isinstance(node, ast.Name):
            definition = document.resolved.get(id(node))
            if definition is None and document is self._here:
                definition = self._visible.get(node.id)
            return self.defined(document, definition) if definition is not None else self.named(document, node.id)
        if isinstance(node, ast.Member):
            return self.member_shape(self.member(self.of(document, node.object), node.name))
        if isinstance(node, ast.Index):
            return self._indexed(self.of(document, node.object))
        if isinstance(node, ast.Paren | ast.NonNil):
            return self.of(document, node.expression)
        if isinstance(node, ast.Cast):
            return self.typed(document, node.type)
        if isinstance(node, ast.Function):
            return FunctionShape(document, node)
        if isinstance(node, ast.Table):
            return TableShape(document, document.tables.get(id(node), {}))
        if isinstance(node, ast.Binary) and node.operator in ("or", "and"):
            return (self.of(document, node.left) if node.operator == "or" else None) or self.of(document, node.right)
        return _literal(node)

    def defined(self, document: Document, definition: Definition) -> Shape | None:
        """What a definition is: its annotation, its function, what it imports, or its value."""
        if definition.annotation is not None:
            return self.typed(document, definition.annotation)
        if definition.module is not None:
            return self.required(document, definition.module)
        if definition.kind == kinds.TYPE:
            return TypeShape(document, definition)
        if definition.function is not None:
            return FunctionShape(document, definition.function, definition)
        if definition.name == "self" and definition.owner is not None:
            return self.defined(document, definition.owner)
        if definition.loop is not None:
            return self._looped(document, definition.loop, definition.nth)
        value = self.of(document, definition.value, definition.nth)
        if not definition.members:
            return value
        if isinstance(value, TableShape) and value.base is None:
            return TableShape(document, {**value.members, **definition.members}, definition)
        return TableShape(document, definition.members, definition, value)

    def named(self, document: Document, name: str) -> Shape | None:
        """What a name is that no scope declares: an import, a module, something ambient."""
        if name in self._sources.imports(document.id) or name in self._sources.modules(document.id):
            return self.required(document, name)
        if name in AMBIENT:
            return ModuleShape(BUILT_IN[name])
        function = GLOBALS.functions.get(name)
        return HostFunctionShape(GLOBALS, function) if function is not None else None

    def required(self, document: Document, name: str) -> Shape | None:
        """What `require(name)` gives there."""
        target = self._sources.imports(document.id).get(name)
        if target is not None:
            return self.exported(target)
        declared = self._sources.modules(document.id).get(name, name if name in AMBIENT else None)
        module = self._sources.module(declared) if declared is not None else None
        return ModuleShape(module) if module is not None else None

    def exported(self, entry_id: str) -> Shape | None:
        """What the chunk of an entry returns."""
        library = self._sources.document(entry_id)
        return self.of(library, library.exported) if library is not None else None

    def library_of(self, document: Document, node: ast.Expression) -> Document | None:
        """The library that a name stands for."""
        if not isinstance(node, ast.Name):
            return None
        visible = self._visible.get(node.id) if document is self._here else None
        definition = document.resolved.get(id(node)) or visible
        alias = definition.module if definition is not None else node.id
        target = self._sources.imports(document.id).get(alias) if alias is not None else None
        return self._sources.document(target) if target is not None else None

    def _indexed(self, shape: Shape | None) -> Shape | None:
        if isinstance(shape, TypedShape) and isinstance(shape.type, ast.ArrayType):
            return self.typed(shape.context, shape.type.element)
        if isinstance(shape, TypedShape) and isinstance(shape.type, ast.MapType):
            return self.typed(shape.context, shape.type.value)
        return None

    def _looped(self, document: Document, loop: ast.GenericFor, nth: int) -> Shape | None:
        """What `for _, x in ipairs(list)` walks over."""
        walked = loop.values[0] if loop.values else None
        if nth != 1 or not isinstance(walked, ast.Call) or not walked.arguments:
            return None
        if isinstance(walked.function, ast.Name) and walked.function.id in ("ipairs", "pairs"):
            return self._indexed(self.of(document, walked.arguments[0]))
        return None

    # Calls

    def _call(self, document: Document, node: ast.Call | ast.MethodCall, nth: int) -> Shape | None:
        if isinstance(node, ast.MethodCall):
            return self.result(self.member_shape(self.member(self.of(document, node.object), node.method)), nth)
        if isinstance(node.function, ast.Name) and node.function.id not in document.globals:
            special = self._special(document, node, node.function)
            if special is not None and nth == 0:
                return special
        return self.result(self.of(document, node.function), nth)

    def _special(self, document: Document, node: ast.Call, name: ast.Name) -> Shape | None:
        if id(name) in document.resolved or not node.arguments:
            return None
        first = node.arguments[0]
        if name.id == "require" and isinstance(first, ast.String):
            return self.required(document, first.value.decode("utf-8", "replace"))
        if name.id == "assert":
            return self.of(document, first)
        if name.id == "setmetatable" and len(node.arguments) > 1:
            table, meta = self.of(document, first), self.of(document, node.arguments[1])
            base = self.member_shape(self.member(meta, "__index"))
            if isinstance(table, TableShape):
                return TableShape(table.document, table.members, table.definition, base)
            return base or table
        return None

    def result(self, callee: Shape | None, nth: int) -> Shape | None:
        """What a call of this gives as its `nth` result."""
        if isinstance(callee, HostFunctionShape):
            return self._written_result(callee.module, callee.function.signature.returns, nth)
        if isinstance(callee, TypedShape) and isinstance(callee.type, ast.FunctionType):
            return self.typed(callee.context, callee.type.returns[nth]) if nth < len(callee.type.returns) else None
        if isinstance(callee, TypeShape):
            node = ast.NamedType(1, 1, 0, 0, callee.definition.name, [])
            return self.typed(callee.document, node) if nth == 0 else None
        if not isinstance(callee, FunctionShape):
            return None
        declared = callee.function.returns
        if declared is not None:
            return self.typed(callee.document, declared[nth]) if nth < len(declared) else None
        for statement in callee.document.returns.get(id(callee.function), ()):
            if nth < len(statement.values) and not isinstance(statement.values[nth], ast.Nil):
                return self.of(callee.document, statement.values[nth])
            if len(statement.values) == 1 and nth:
                return self.of(callee.document, statement.values[0], nth)
        return None

    def _written_result(self, module: Module, text: str, nth: int) -> Shape | None:
        types = written_types(text)
        return self.typed(module, types[nth]) if nth < len(types) else None

    # Types

    def typed(self, context: Document | Module, node: ast.Type) -> Shape | None:
        """A value of a written type, names looked up."""
        for _ in range(DEEPEST):
            if isinstance(node, ast.OptionalType | ast.AnnotatedType):
                node = node.type
            elif isinstance(node, ast.UnionType):
                kept = [m for m in node.members if not (isinstance(m, ast.LiteralType) and m.value is None)]
                if len(kept) != 1:
                    return TypedShape(context, node)
                node = kept[0]
            elif isinstance(node, ast.QualifiedType):
                return self._qualified(context, node)
            elif isinstance(node, ast.NamedType):
                declared = context.types.get(node.name) if isinstance(context, Document) else None
                if declared is None or declared.declared is None:
                    return self._primitive(context, node)
                if isinstance(declared.declared, ast.Interface):
                    assert isinstance(context, Document)
                    return InterfaceShape(context, declared.declared)
                node = declared.declared.type
            elif isinstance(node, ast.TypeOf) and isinstance(context, Document):
                return self.of(context, node.expression)
            else:
                return TypedShape(context, node)
        return None

    def _primitive(self, context: Document | Module, node: ast.NamedType) -> Shape | None:
        if node.name in PRIMITIVES:
            return PlainShape(node.name) if node.name not in ("any", "unknown", "never", "nil") else None
        return self._handle(context if isinstance(context, Module) else None, node.name)

    def _handle(self, first: Module | None, name: str) -> Shape | None:
        """A class of host objects by its plain name; that of the module itself before those of the kernel."""
        for module in ([first] if first is not None else []) + list(BUILT_IN.values()):
            found = module.handles.get(name)
            if found is not None:
                return HandleShape(module, found)
        return None

    def _qualified(self, context: Document | Module, node: ast.QualifiedType) -> Shape | None:
        if isinstance(context, Module):
            module = self._sources.module(node.module)
            return _handle_of(module, node.name)
        definition = next((d for d in context.definitions if d.name == node.module and d.module is not None), None)
        alias = definition.module if definition is not None and definition.module is not None else node.module
        target = self._sources.imports(context.id).get(alias)
        if target is None:
            return _handle_of(self._sources.module(self._sources.modules(context.id).get(alias, alias)), node.name)
        library = self._sources.document(target)
        if library is None:
            return None
        if node.name in library.types:
            return self.typed(library, ast.NamedType(1, 1, 0, 0, node.name, []))
        handed_on = self.member_shape(self.member(self.exported(target), node.name))
        return self.result(handed_on, 0) if isinstance(handed_on, TypeShape) else None

    # Members

    def member(self, shape: Shape | None, name: str) -> Member | None:
        return self.members(shape).get(name)

    def members(self, shape: Shape | None) -> dict[str, Member]:
        """What a value of this shape has, by name."""
        self._steps -= 1
        if shape is None or self._steps < 0:
            return {}
        if isinstance(shape, TableShape):
            own = {name: Member(name, shape.document, d) for name, d in shape.members.items()}
            return {**self.members(shape.base), **own} if shape.base is not None else own
        if isinstance(shape, ModuleShape):
            return _module_members(shape)
        if isinstance(shape, HandleShape):
            methods = shape.handle.methods.items()
            return {name: Member(name, shape=HostFunctionShape(shape.module, f, True)) for name, f in methods}
        if isinstance(shape, PlainShape) and shape.name == "string":
            return {f.signature.name: Member(f.signature.name, shape=HostFunctionShape(STRING, f, True)) for f in _TEXT}
        if isinstance(shape, TypeShape):
            return {name: Member(name, text=text) for name, text in TYPE_METHODS.items()}
        if isinstance(shape, TypedShape):
            return self._typed_members(shape)
        if isinstance(shape, InterfaceShape):
            starts = shape.document.starts
            return {m.name: _declared(shape.document, starts, m) for m in shape.interface.methods}
        return {}

    def _typed_members(self, shape: TypedShape) -> dict[str, Member]:
        node = shape.type
        if isinstance(node, ast.IntersectionType | ast.UnionType):
            found: dict[str, Member] = {}
            for part in node.members:
                found = {**self.members(self.typed(shape.context, part)), **found}
            return found
        if not isinstance(node, ast.RecordType | ast.InterfaceType):
            return {}
        document = shape.context if isinstance(shape.context, Document) else None
        return {
            field.name: Member(
                field.name,
                document,
                shape=TypedShape(shape.context, field.type),
                place=_named(document.starts, field.first, field.name) if document is not None else None,
            )
            for field in node.fields
        }

    def member_shape(self, member: Member | None) -> Shape | None:
        if member is None:
            return None
        if member.definition is not None and member.document is not None:
            return self.defined(member.document, member.definition)
        if isinstance(member.shape, TypedShape):
            return self.typed(member.shape.context, member.shape.type)
        return member.shape


def _named(starts: list[int], token: int, name: str) -> tuple[int, int]:
    start = starts[min(token, len(starts) - 1)]
    return start, start + len(name)


def _text_methods() -> list[Function]:
    """The functions of `string` as texts have them: the text itself is no argument."""
    found: list[Function] = []
    for function in STRING.functions.values():
        declared = function.signature
        if declared.params and declared.params[0].type == "string":
            _, _, rest = declared.text.partition(",") if len(declared.params) > 1 or declared.variadic else ("", "", "")
            text = rest.strip() if rest else declared.text[declared.text.index(")") :]
            signature = declared._replace(params=declared.params[1:], text=f"{declared.name}({text}")
            found.append(replace(function, signature=signature))
    return found


_TEXT = _text_methods()


def _handle_of(module: Module | None, name: str) -> Shape | None:
    found: HandleClass | None = module.handles.get(name) if module is not None else None
    return HandleShape(module, found) if module is not None and found is not None else None


def _module_members(shape: ModuleShape) -> dict[str, Member]:
    """Functions, constants and tables inside, private ones left out."""
    module, found = shape.module, dict[str, Member]()
    for name, value in module.constants.items():
        if shape.prefix == "":
            found[name] = Member(name, constant=value, text=_constant(name, value))
        elif shape.prefix == f"{name}." and isinstance(value, Mapping):
            found.update({k: Member(k, constant=v, text=_constant(k, v)) for k, v in value.items()})
    if shape.prefix == "":
        found.update({name: Member(name, text=f"{name}: {summary}") for name, summary in module.values.items()})
    for name, function in module.functions.items():
        if function.private or not name.startswith(shape.prefix):
            continue
        rest = name[len(shape.prefix) :]
        inner, dot, _ = rest.partition(".")
        if dot:
            found[inner] = Member(inner, shape=ModuleShape(module, f"{shape.prefix}{inner}."))
        else:
            found[inner] = Member(inner, shape=HostFunctionShape(module, function))
    for name, member in list(found.items()):
        if isinstance(member.constant, Mapping) and member.shape is None:
            found[name] = member._replace(shape=ModuleShape(module, f"{name}."))
    return found


def _constant(name: str, value: object) -> str:
    return f"{name}: table" if isinstance(value, Mapping) else f"{name} = {value!r}"


def _declared(document: Document, starts: list[int], method: ast.InterfaceMethod) -> Member:
    """A method of an interface."""
    text = Printer().interface_method(method).strip().removeprefix("function ")
    return Member(method.name, document, text=text, place=_named(starts, method.first + 1, method.name))


def _literal(node: ast.Expression) -> Shape | None:
    if isinstance(node, ast.String | ast.Concat):
        return PlainShape("string")
    if isinstance(node, ast.Number):
        return PlainShape("integer" if isinstance(node.value, int) else "number")
    if isinstance(node, ast.Boolean):
        return PlainShape("boolean")
    if isinstance(node, ast.Unary):
        return PlainShape("boolean") if node.operator == "not" else PlainShape("number")
    if isinstance(node, ast.Binary):
        compares = node.operator in ("==", "~=", "<", ">", "<=", ">=")
        return PlainShape("boolean") if compares else PlainShape("number")
    return None


@lru_cache(2_000)
def written_types(text: str) -> list[ast.Type]:
    """The types in the result of a host function's signature: `DB`, `(string, boolean)`, `{table}?`."""
    if not text:
        return []
    source = text.replace("bytes", "string").replace("function", "any").encode()
    parser = Parser(tokenize(source, ""), source, "")
    parser.types = []
    try:
        return parser.return_types(several=True)
    except LuaSyntaxError:
        return []
