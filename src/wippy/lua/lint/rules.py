"""The checks of one entry. Each yields findings; `check_entry` runs them in order."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from wippy.lua.lint.diagnostics import Diagnostic, finding
from wippy.lua.lint.names import IMPORT, LOCAL, LOOP, PARAMETER, Names, resolve_names
from wippy.lua.modules.declare import Module
from wippy.lua.modules.libraries import AMBIENT, GLOBAL_NAMES
from wippy.lua.syntax import ast
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.parser import parse
from wippy.lua.syntax.printer import Printer

COMPARISONS = {"==": True, "<=": True, ">=": True, "~=": False, "<": False, ">": False}


@dataclass(frozen=True, slots=True)
class LintEntry:
    """An entry as the linter sees it: source, declared modules and imports by alias, and what the project knows."""

    id: str
    source: bytes
    modules: Mapping[str, str]
    imports: Mapping[str, str]
    module: Callable[[str], Module | None]
    is_module: Callable[[str], bool]
    is_library: Callable[[str], bool]
    aliases: frozenset[str]
    """Every alias of the transitive closure: they are globals of the state."""


def check_entry(entry: LintEntry, *, rules: bool) -> list[Diagnostic]:
    """All findings of one entry."""
    found = list(_declarations(entry))
    try:
        chunk = parse(entry.source, entry.id)
    except LuaSyntaxError as e:
        return [*found, finding(entry.id, "P0001", e.message, e.line, e.column)]
    names = resolve_names(chunk)
    checks: list[Iterable[Diagnostic]] = [
        _requires(entry, names),
        _globals(entry, names),
        _members(entry, names),
        _unreachable(entry, names),
    ]
    if rules:
        checks += [
            _empty(entry, names),
            _global_writes(entry, names),
            _self_compare(entry, names),
            _unused(entry, names),
        ]
    for check in checks:
        found += check
    return found


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else ""


# What the entry declares


def _declarations(entry: LintEntry) -> Iterator[Diagnostic]:
    for alias, target in entry.imports.items():
        if not entry.is_library(target):
            message = f'import "{alias}": {target} does not exist or is no Lua entry'
            yield finding(entry.id, "M0002", message, 1, 1, help="imports name library.lua entries as namespace:name")
    for alias, name in entry.modules.items():
        if not entry.is_module(name):
            yield finding(entry.id, "M0003", f'module "{name}" (as "{alias}") does not exist', 1, 1)


# Names


def _requires(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    """`require("x")` of something that is neither declared nor ambient."""
    declared = {*entry.modules, *entry.imports, *entry.aliases} | AMBIENT
    for node in names.expressions:
        if not (isinstance(node, ast.Call) and isinstance(node.function, ast.Name) and node.function.id == "require"):
            continue
        argument = node.arguments[0] if node.arguments else None
        if isinstance(argument, ast.String) and names.binding_of(node.function) is None:
            name = argument.value.decode("utf-8", "replace")
            if name not in declared:
                message = f'require("{name}") is not declared in _index.yaml imports or modules'
                width = len(name) + 2
                yield finding(entry.id, "M0001", message, argument.line, argument.column, width, _hint(name, declared))


def _globals(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    written = {node.id for node, _ in names.global_writes}
    known = {*GLOBAL_NAMES, *entry.modules, *entry.imports, *entry.aliases, *written, *names.types}
    for node, binding in names.reads:
        if binding is None and node.id not in known:
            visible = {*known, *(b.name for b in names.bindings)}
            message = f"undefined variable '{node.id}'"
            yield finding(entry.id, "E0001", message, node.line, node.column, len(node.id), _hint(node.id, visible))


def _global_writes(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    for node, function in names.global_writes:
        if node.id in GLOBAL_NAMES:
            continue
        if function:
            message = f"function '{node.id}' declared as global; consider using 'local function'"
        else:
            message = f"assignment to global variable '{node.id}'; consider using 'local'"
        yield finding(entry.id, "W0002", message, node.line, node.column, len(node.id))


def _unused(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    for b in names.bindings:
        if b.shadows is not None and not b.name.startswith("_"):
            message = f"variable '{b.name}' shadows a variable in an outer scope"
            yield finding(entry.id, "W0007", message, b.line, b.column, len(b.name))
        if b.reads or b.name.startswith("_") or b.name == "self":
            continue
        if b.kind == PARAMETER:
            yield finding(entry.id, "W0005", f"parameter '{b.name}' is unused", b.line, b.column, len(b.name))
        elif b.kind == IMPORT:
            message = f"imported module '{b.name}' is never used"
            yield finding(entry.id, "W0006", message, b.line, b.column, len(b.name))
        else:
            kind = "loop variable" if b.kind == LOOP else "variable"
            assert b.kind in (LOOP, LOCAL, "function")
            message = f"{kind} '{b.name}' is declared but never used"
            yield finding(entry.id, "W0004", message, b.line, b.column, len(b.name), f"rename it to _{b.name}")


# Modules


def _members(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    """Members and calls of declared modules, where the local is bound to one and never assigned."""
    for node in names.expressions:
        if isinstance(node, ast.Call) and isinstance(node.function, ast.Member):
            yield from _call(entry, names, node, node.function)
        elif isinstance(node, ast.Member):
            yield from _member(entry, names, node)


def _module_of(entry: LintEntry, names: Names, node: ast.Expression) -> Module | None:
    if not isinstance(node, ast.Name):
        return None
    binding = names.binding_of(node)
    if binding is not None:
        name = binding.module if not binding.writes else None
    else:
        name = node.id
    if name is None or name in entry.imports:
        return None
    declared = entry.modules.get(name)
    if declared is None and name in AMBIENT - entry.aliases:
        declared = name
    return entry.module(declared) if declared is not None else None


def _member(entry: LintEntry, names: Names, node: ast.Member) -> Iterator[Diagnostic]:
    module = _module_of(entry, names, node.object)
    if module is None:
        return
    known = module.members()
    if known and node.name not in known:
        message = f"module '{module.name}' has no member '{node.name}'"
        column = node.object.column + len(getattr(node.object, "id", "")) + 1
        yield finding(entry.id, "E0004", message, node.line, column, len(node.name), _hint(node.name, known))


def _call(entry: LintEntry, names: Names, call: ast.Call, target: ast.Member) -> Iterator[Diagnostic]:
    module = _module_of(entry, names, target.object)
    function = module.functions.get(target.name) if module is not None else None
    if function is None or function.private or _open_ended(call.arguments):
        return
    params = function.signature.params
    least = len(params)
    while least and params[least - 1].optional:
        least -= 1
    given = len(call.arguments)
    if given < least or (given > len(params) and not function.signature.variadic):
        wanted = str(least) if least == len(params) else f"{least} to {len(params)}"
        if function.signature.variadic:
            wanted = f"at least {least}"
        message = f"{target.name} expects {wanted} argument{'' if wanted == '1' else 's'}, got {given}"
        yield finding(entry.id, "E0003", message, call.line, call.column, 1, function.signature.text)


def _open_ended(arguments: list[ast.Expression]) -> bool:
    return bool(arguments) and isinstance(arguments[-1], ast.Call | ast.MethodCall | ast.Vararg)


# Blocks


def _unreachable(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    """Statements that no way leads to, up to the next label."""
    for block in names.blocks:
        ended = False
        for statement in block.statements:
            if isinstance(statement, ast.Label):
                ended = False
            elif isinstance(statement, ast.TypeAlias | ast.Interface):
                continue
            elif ended:
                yield finding(entry.id, "E0009", "unreachable code", statement.line, statement.column)
                break
            else:
                ended = _goes_away(statement)


def _goes_away(statement: ast.Statement) -> bool:
    """Whether what follows a statement is never reached: `return`, and `do` and `if` that end with it on every way."""
    if isinstance(statement, ast.Return | ast.Break | ast.Goto):
        return True
    blocks: list[ast.Block] = []
    if isinstance(statement, ast.Do):
        blocks = [statement.body]
    elif isinstance(statement, ast.If) and statement.otherwise is not None:
        blocks = [*(arm.body for arm in statement.arms), statement.otherwise]
    return bool(blocks) and all(block.statements and _goes_away(block.statements[-1]) for block in blocks)


def _empty(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    for node in names.statements:
        found: list[tuple[ast.Node, str]] = []
        if isinstance(node, ast.If):
            found = [(arm, "if") for arm in node.arms[:1] if not arm.body.statements]
        elif isinstance(node, ast.While) and not node.body.statements:
            found = [(node, "while")]
        elif isinstance(node, ast.Repeat) and not node.body.statements:
            found = [(node, "repeat")]
        elif isinstance(node, ast.NumericFor | ast.GenericFor) and not node.body.statements:
            found = [(node, "for")]
        for _, kind in found:
            yield finding(entry.id, "W0001", f"empty {kind} block", node.line, node.column)


def _self_compare(entry: LintEntry, names: Names) -> Iterator[Diagnostic]:
    for node in names.expressions:
        if not isinstance(node, ast.Binary) or node.operator not in COMPARISONS:
            continue
        if _is_simple(node.left) and _is_simple(node.right) and _text(node.left) == _text(node.right):
            outcome = str(COMPARISONS[node.operator]).lower()
            message = f"comparison of identical expressions; result is always {outcome}"
            yield finding(entry.id, "W0003", message, node.line, node.column)


def _is_simple(node: ast.Expression) -> bool:
    while isinstance(node, ast.Member):
        node = node.object
    return isinstance(node, ast.Name | ast.Number | ast.String | ast.Boolean | ast.Nil)


def _text(node: ast.Expression) -> str:
    return Printer().expression(node)
