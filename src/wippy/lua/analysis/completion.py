"""What could be written at the cursor, and the signature of the call around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.context import call_at, context_at
from wippy.lua.analysis.describe import (
    comment_above,
    host_signature,
    host_text,
    member_notes,
    member_text,
    printed,
    signature,
    type_text,
)
from wippy.lua.analysis.document import Definition, Document
from wippy.lua.analysis.inference import Inference
from wippy.lua.analysis.shapes import (
    FunctionShape,
    HostFunctionShape,
    Member,
    ModuleShape,
    Shape,
    TypedShape,
    TypeShape,
)
from wippy.lua.analysis.text import Text
from wippy.lua.analysis.workspace import Workspace
from wippy.lua.modules.libraries import AMBIENT, GLOBALS
from wippy.lua.syntax import ast
from wippy.lua.syntax.declarations import PRIMITIVES
from wippy.lua.syntax.printer import Printer
from wippy.lua.syntax.tokens import KEYWORDS

TYPE_NAMES = tuple(sorted(PRIMITIVES | {"table", "error"}))
MODULE, KEYWORD, CONSTANT = "module", "keyword", "constant"


class Proposal(NamedTuple):
    """A text that fits, what it is, how it is declared, what is written about it."""

    label: str
    kind: str
    detail: str = ""
    text: str = ""


class Completion(NamedTuple):
    """Proposals for what stands between `start` and the cursor."""

    start: int
    proposals: list[Proposal]


class Signature(NamedTuple):
    """A call that is being written."""

    label: str
    text: str
    parameters: list[str]
    active: int


def complete(workspace: Workspace, document: Document, text: Text, offset: int) -> Completion:
    """What fits at an offset. Members are all listed; names are those that begin like what is written already."""
    context = context_at(text, offset)
    if context.silent:
        return Completion(context.start, [])
    if context.text is not None:
        return Completion(context.start, list(_modules(workspace, document)) if context.required else [])
    if context.typed:
        return Completion(context.start, list(_types(workspace, document)))
    if context.separator and context.receiver is not None:
        inference = Inference(workspace, document, document.visible(offset))
        members = _members(inference, document, context.receiver, methods=context.separator == ":")
        return Completion(context.start, members)
    found = {proposal.label: proposal for proposal in _names(workspace, document, offset)}
    word = context.word.lower()
    return Completion(context.start, [p for p in found.values() if p.label.lower().startswith(word)])


def _modules(workspace: Workspace, document: Document) -> Iterator[Proposal]:
    """What `require` accepts there."""
    for alias, target in workspace.imports(document.id).items():
        yield Proposal(alias, MODULE, target)
    for alias, name in workspace.modules(document.id).items():
        module = workspace.module(name)
        yield Proposal(alias, MODULE, "module", module.summary if module is not None else "")
    yield from (Proposal(name, MODULE, "module") for name in sorted(AMBIENT))


def _types(workspace: Workspace, document: Document) -> Iterator[Proposal]:
    yield from (Proposal(name, kinds.TYPE, "type") for name in document.types)
    yield from (Proposal(name, KEYWORD, "type") for name in TYPE_NAMES)
    yield from (Proposal(alias, MODULE, target) for alias, target in workspace.imports(document.id).items())


def _members(inference: Inference, document: Document, receiver: ast.Expression, *, methods: bool) -> list[Proposal]:
    shape = inference.of(document, receiver)
    found = [_member(inference, member) for member in inference.members(shape).values()]
    if methods:
        called = [p for p in found if p.kind in (kinds.METHOD, kinds.FUNCTION)]
        return [p._replace(kind=kinds.METHOD) for p in called]
    library = inference.library_of(document, receiver)
    if library is not None:
        listed = {proposal.label for proposal in found}
        found += [Proposal(name, kinds.TYPE, "type") for name in library.types if name not in listed]
    return found


def _member(inference: Inference, member: Member) -> Proposal:
    shape = inference.member_shape(member)
    kind = kinds.FIELD
    if isinstance(shape, FunctionShape):
        kind = kinds.FUNCTION
    elif isinstance(shape, HostFunctionShape):
        kind = kinds.METHOD if shape.is_method else kinds.FUNCTION
    elif isinstance(shape, TypedShape) and isinstance(shape.type, ast.FunctionType):
        kind = kinds.FUNCTION
    elif isinstance(shape, TypeShape):
        kind = kinds.TYPE
    elif isinstance(shape, ModuleShape):
        kind = MODULE
    elif "(" in member.text:
        kind = kinds.METHOD
    elif member.constant is not None:
        kind = CONSTANT
    return Proposal(member.name, kind, member_text(inference, member), member_notes(member))


def _names(workspace: Workspace, document: Document, offset: int) -> Iterator[Proposal]:
    """Keywords, globals, modules, imports, and last what is visible, which hides all of them."""
    yield from (Proposal(word, KEYWORD) for word in sorted(KEYWORDS))
    for name, function in GLOBALS.functions.items():
        if "." not in name:
            yield Proposal(name, kinds.FUNCTION, function.signature.text, function.summary)
    yield from _modules(workspace, document)
    for name, definition in document.visible(offset).items():
        yield Proposal(name, _kind(definition), _detail(definition), comment_above(document, definition))


def _kind(definition: Definition) -> str:
    return kinds.FUNCTION if definition.function is not None else definition.kind


def _detail(definition: Definition) -> str:
    if definition.function is not None:
        return signature(definition.name, definition.function)
    return type_text(definition.annotation) if definition.annotation is not None else definition.kind


# Signatures


def signature_at(workspace: Workspace, document: Document, text: Text, offset: int) -> Signature | None:
    """The innermost call around an offset, when it is known what is called."""
    call = call_at(text, offset)
    if call is None:
        return None
    inference = Inference(workspace, document, document.visible(offset))
    shape = inference.of(document, call.callee)
    name = _last_name(call.callee)
    if call.method is not None:
        shape, name = inference.member_shape(inference.member(shape, call.method)), call.method
    described = _called(shape, name, is_method=call.method is not None)
    if described is None:
        return None
    label, notes, parameters = described
    variadic = bool(parameters) and parameters[-1].startswith("...")
    active = min(call.argument, len(parameters) - 1) if variadic else call.argument
    return Signature(label, notes, parameters, active)


def _last_name(node: ast.Expression) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.name if isinstance(node, ast.Member) else "function"


def _called(shape: Shape | None, name: str, *, is_method: bool) -> tuple[str, str, list[str]] | None:
    if isinstance(shape, HostFunctionShape):
        declared = shape.function.signature
        parameters = _top_level(declared.text[declared.text.index("(") + 1 :])
        return host_signature(shape), host_text(shape.function), parameters
    if isinstance(shape, FunctionShape):
        function = shape.function
        named = [*function.parameters, *([function.vararg] if function.vararg is not None else [])]
        if is_method and named and named[0].name == "self":
            named = named[1:]
        shown = [printed(Printer().typed_name(parameter)) for parameter in named]
        label = f"{name}({', '.join(shown)}){printed(Printer().annotated_returns(function.returns))}"
        notes = comment_above(shape.document, shape.definition) if shape.definition is not None else ""
        return label, notes, shown
    if isinstance(shape, TypeShape):
        return f"{shape.definition.name}(value: any)", "Raises unless the value is of this type.", ["value: any"]
    if isinstance(shape, TypedShape) and isinstance(shape.type, ast.FunctionType):
        parameters = _top_level(printed(Printer().parameters(shape.type)) + ")")
        return f"{name}{type_text(shape.type)}", "", parameters
    return None


def _top_level(text: str) -> list[str]:
    """The parameters in `a: string, f: (x: number) -> any) -> boolean`, up to the parenthesis that closes them."""
    parts, depth, start = list[str](), 0, 0
    for at, char in enumerate(text):
        if char == ">" and text[at - 1 : at] == "-":
            continue
        if depth == 0 and char in ",)":
            parts.append(text[start:at].strip())
            start = at + 1
            if char == ")":
                break
        depth += (char in "({<[") - (char in ")}>]")
    return [part for part in parts if part]
