"""Expressions to Lua 5.5: erased casts, closed metatable fields, function entry ticks (spec 02 §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Any, NoReturn

from . import ast
from .cursor import syntax_error
from .declarations import PRIMITIVES, type_declarations
from .edits import Edits
from .expression_parser import CONCAT_GROUP
from .scopes import Scopes, Variable
from .ticks import LEAN_TICK, TICK

PREFIX = "__wpy_"
"""Injected names begin with this; a guest's variable or label that does is renamed."""

TYPES = f"{PREFIX}y"
"""The table a chunk's own types are read from."""

OPERATORS = f"{PREFIX}o"
"""Table of the functions that stand for constructs whose dialect meaning is not Lua's."""

LOCALS_TO_SPARE = 170
"""With more active locals than this in a function, injected code must not declare any."""

CLOSED_FIELDS = {b"__mode": '"__mode\\0"', b"__gc": '"__gc\\0"'}
"""Metatable fields no guest may set, and the key set instead: no weak tables, no finalizers."""

_BOOLEAN_OPERATORS = frozenset(["==", "~=", "<", "<=", ">", ">="])
_LOGICAL_OPERATORS = frozenset(["and", "or"])
_MULTIPLE = (ast.Call, ast.MethodCall, ast.Vararg)
_MAYBE_NIL = (ast.Nil, ast.Name, ast.Member, ast.Index, *_MULTIPLE)
_ARITHMETIC = frozenset(["+", "-", "*", "/", "//", "%", "^"])


class KeySafety(Enum):
    """What a key needs in a store: nothing, a guard if its loop variable is assigned, a name's or the full guard."""

    SAFE = auto()
    NUMBER = auto()
    NAME = auto()
    UNKNOWN = auto()


Emit = Callable[[Any], ast.Expression | None]


class ExpressionEmitter:
    """The state of an emission and the methods for expressions; statements are added by the subclass."""

    def __init__(self, chunk: ast.Chunk, source: bytes) -> None:
        self.chunk = chunk
        self.source = source
        self.edits = Edits(chunk.tokens)
        self.scopes = Scopes(self.fail)
        self.mangles = PREFIX.encode() in source or b"_ENV" in source
        self.guards_keys = False
        self.types = {name for name in type_declarations(chunk) if name not in PRIMITIVES}
        self.emitters: dict[type[ast.Node], Emit] = {
            ast.Nil: self.emit_constant,
            ast.Boolean: self.emit_constant,
            ast.Number: self.emit_constant,
            ast.String: self.emit_constant,
            ast.Vararg: self.emit_vararg,
            ast.Name: self.emit_name,
            ast.Paren: self.emit_paren,
            ast.Member: self.emit_member,
            ast.Index: self.emit_index,
            ast.Call: self.emit_call,
            ast.MethodCall: self.emit_method_call,
            ast.Unary: self.emit_unary,
            ast.Binary: self.emit_binary,
            ast.Concat: self.emit_concat,
            ast.Cast: self.emit_cast,
            ast.NonNil: self.emit_cast,
            ast.Function: self.emit_function,
            ast.Table: self.emit_table,
        }

    def fail(self, message: str, token: int) -> NoReturn:
        raise syntax_error(self.chunk.tokens, self.source, self.chunk.name, token, message)

    def visit(self, node: ast.Expression | None) -> None:
        emitters = self.emitters
        while node is not None:
            node = emitters[node.__class__](node)

    def emit_block(self, block: ast.Block, trailing: bool = True) -> None:
        raise NotImplementedError

    def emit_concat(self, node: ast.Concat) -> None:
        raise NotImplementedError

    # Names

    def mangle(self, name: str, token: int, form: str = "{}") -> None:
        """Rename a variable or label of the guest that could meet an injected one."""
        if self.mangles and (name.startswith(PREFIX) or name == "_ENV"):
            self.edits.replace(token, form.format(f"{PREFIX}u_{name}"))

    def declare(self, name: ast.TypedName, numeric: bool = False) -> Variable:
        """Declare a name of the guest, its annotation erased."""
        if name.type is not None:
            self.edits.erase(name.first + 1, name.last + 1)
        self.mangle(name.name, name.first)
        return self.scopes.declare(name.name, name.first, numeric)

    def resolve(self, node: ast.Name) -> Variable | None:
        """The variable a name denotes, None for a global (whose use may reach a metamethod)."""
        scopes = self.scopes
        variable = scopes.visible.get(node.id)
        if variable is None:
            scopes.function.busy = True
        elif variable.function is not scopes.function:
            scopes.capture(variable, node.first)
        self.mangle(node.id, node.first)
        return variable

    # Expressions: each returns the child that is left to visit

    def emit_constant(self, node: ast.Expression) -> None:
        return

    def emit_vararg(self, node: ast.Vararg) -> None:
        if not self.scopes.function.vararg:
            self.fail("cannot use '...' outside a vararg function", node.first)

    def emit_name(self, node: ast.Name) -> None:
        if self.resolve(node) is None and node.id in self.types:
            self.edits.replace(node.first, f"{TYPES}.{node.id}")

    def emit_paren(self, node: ast.Paren) -> ast.Expression:
        return node.expression

    def emit_member(self, node: ast.Member) -> ast.Expression:
        self.scopes.function.busy = True
        return node.object

    def emit_index(self, node: ast.Index) -> ast.Expression:
        self.scopes.function.busy = True
        self.visit(node.key)
        return node.object

    def emit_call(self, node: ast.Call) -> ast.Expression:
        self.scopes.function.busy = True
        for argument in node.arguments:
            self.visit(argument)
        return node.function

    def emit_method_call(self, node: ast.MethodCall) -> ast.Expression:
        self.scopes.function.busy = True
        for argument in node.arguments:
            self.visit(argument)
        return node.object

    def emit_unary(self, node: ast.Unary) -> ast.Expression:
        if node.operator != "not":
            self.scopes.function.busy = True
        return node.operand

    def emit_binary(self, node: ast.Binary) -> ast.Expression:
        if node.operator not in _LOGICAL_OPERATORS:
            self.scopes.function.busy = True
        self.visit(node.right)
        return node.left

    def emit_cast(self, node: ast.Cast | ast.NonNil) -> ast.Expression:
        inner = node.expression
        self.edits.erase(inner.last + 1, node.last + 1)
        return inner

    def emit_table(self, node: ast.Table) -> None:
        listed = self.ends_in_list(node)
        if listed:
            self.edits.before(node.first, f"({OPERATORS}.list")
        for field in node.fields:
            if field.__class__ is ast.NamedField:
                self.close_field(field.name.encode(), field.first, "[{}]")
            elif field.__class__ is ast.KeyedField:
                self.emit_stored_key(field.key)
            self.visit(field.value)
        if listed:
            self.edits.after(node.last, ")")
        elif (places := places_to_pad(node)) > 0:
            self.edits.after(node.fields[-1].last, ",nil" * places)

    def ends_in_list(self, node: ast.Table) -> bool:
        """Whether a run of the constructor tells how many values it has, and `list` must look for gaps among them."""
        if not node.fields or self.chunk.deep or any(map(may_be_index, node.fields)):
            return False
        last = node.fields[-1]
        return last.__class__ is ast.Field and gives_several(last.value)

    def emit_function(self, node: ast.Function, has_self: bool = False) -> None:
        edits, scopes = self.edits, self.scopes
        if node.type_parameters:
            edits.erase(node.type_parameters[0].first - 1, node.open)
        function = scopes.enter_function(node.line, node.vararg is not None)
        mark = scopes.enter()
        if has_self:
            scopes.declare("self", node.open)
        for parameter in node.parameters:
            self.declare(parameter)
        closing = node.open + 1
        if node.vararg is not None:
            edits.erase(node.vararg.first + 1, node.vararg.last + 1)
            closing = node.vararg.last + 1
        elif node.parameters:
            closing = node.parameters[-1].last + 1
        edits.erase(closing + 1, node.body.first)
        tick = LEAN_TICK if self.must_be_lean() else TICK
        self.emit_block(node.body)
        if function.busy:
            edits.after(closing, tick)
        scopes.leave(mark)
        scopes.leave_function()

    # Keys of stores

    def close_field(self, key: bytes, token: int, form: str) -> None:
        """Rename a constant key of a store if it names a closed metatable field; `form` is how it is written."""
        if key in CLOSED_FIELDS:
            self.edits.replace(token, form.format(CLOSED_FIELDS[key]))

    def emit_stored_key(self, key: ast.Expression) -> None:
        """Visit the key of `t[key] = v` or `{[key] = v}`; unless it cannot be the string "__mode", guard it.

        Operators do not vouch for their result, a metamethod may have made it. "__gc" needs no guard at run time:
        Lua looks for it only in `setmetatable`, which the kernel wraps.
        """
        safety = self.key_safety(key)
        if safety is KeySafety.UNKNOWN:
            self.guards_keys = True
            self.edits.before(key.first, "__wpy_k(")
            self.visit(key)
            self.edits.after(key.last, ")")
            return
        self.visit(key)
        if isinstance(key, ast.String):
            self.close_field(key.value, key.first, "{}")
        elif safety is KeySafety.NAME:
            self.guard_name(key)
        elif safety is KeySafety.NUMBER and (name := number_source(key)) is not None:
            self.scopes.visible[name.id].keys.append(key)

    def key_safety(self, key: ast.Expression) -> KeySafety:
        if isinstance(key, ast.String) or is_never_string(key):
            return KeySafety.SAFE
        name = number_source(key)
        variable = self.scopes.visible.get(name.id) if name is not None else None
        if variable is None:
            return KeySafety.UNKNOWN
        if variable.numeric:
            return KeySafety.NUMBER
        return KeySafety.NAME if name is key else KeySafety.UNKNOWN

    def must_be_lean(self) -> bool:
        """Whether injected code at this point must do without locals and blocks of its own."""
        return self.chunk.deep or self.scopes.active_locals() > LOCALS_TO_SPARE

    def guard_name(self, key: ast.Expression) -> None:
        self.edits.replace(key.first, guarded(self.edits.texts[key.first]))

    def guard_assigned(self, variable: Variable) -> None:
        """Guard the stores that trusted a loop variable to be a number, though the body assigns it."""
        for key in variable.keys:
            if isinstance(key, ast.Name):
                self.guard_name(key)
            else:
                self.guards_keys = True
                self.edits.before(key.first, "__wpy_k(")
                self.edits.after(key.last, ")")


def guarded(name: str) -> str:
    """The guard for a local variable: 5 ns, where calling `__wpy_k` costs 12."""
    return f'{name}=="__mode" and "__mode\\0" or {name}'


def gives_several(node: ast.Expression) -> bool:
    """Whether at the end of a list this stands for any number of values; a cast does not change that."""
    while isinstance(node, ast.Cast | ast.NonNil):
        node = node.expression
    return isinstance(node, _MULTIPLE)


def places_to_pad(node: ast.Table) -> int:
    """How many nils follow the values of a constructor, so that `#` finds the last of them behind a gap.

    Lua 5.5 begins its search for a border in the middle of a new array: with as many places again the middle is the
    last value (docs/decisions/007-gaps.md). Nothing is added where no value but the last can be nil.
    """
    values = [field.value for field in node.fields if field.__class__ is ast.Field]
    return len(values) if any(may_be_nil(value) for value in values[:-1]) else 0


def may_be_index(field: ast.Field) -> bool:
    """Whether a field of a constructor may have a number of its own choice as its key."""
    return isinstance(field, ast.KeyedField) and not isinstance(field.key, ast.String)


def may_be_nil(node: ast.Expression) -> bool:
    while True:
        if isinstance(node, ast.Paren | ast.Cast | ast.NonNil):
            node = node.expression
        elif isinstance(node, ast.Binary) and node.operator == "or":
            node = node.right
        elif isinstance(node, ast.Binary) and node.operator == "and":
            if may_be_nil(node.right):
                return True
            node = node.left
        else:
            return isinstance(node, _MAYBE_NIL)


def is_never_string(key: ast.Expression) -> bool:
    """Whether no run of this expression can give a string."""
    if isinstance(key, ast.Binary):
        return key.operator in _BOOLEAN_OPERATORS
    if isinstance(key, ast.Unary):
        return key.operator == "not" or (key.operator == "-" and isinstance(key.operand, ast.Number))
    return isinstance(key, ast.Nil | ast.Boolean | ast.Number | ast.Function | ast.Table)


def number_source(key: ast.Expression) -> ast.Name | None:
    """The name that decides whether `key` is a number: `i` itself, `i + 1`, `2 * i`."""
    if isinstance(key, ast.Binary) and key.operator in _ARITHMETIC:
        if isinstance(key.right, ast.Number):
            key = key.left
        elif isinstance(key.left, ast.Number):
            key = key.right
    return key if isinstance(key, ast.Name) else None


def concat_groups(count: int) -> Iterator[tuple[int, int]]:
    """First and last operand of each group that a chain of `count` operands is emitted in."""
    if count <= 2 * CONCAT_GROUP:
        return
    size = CONCAT_GROUP
    while size < count:
        for start in range(0, count, size):
            end = min(start + size, count) - 1
            if end > start:
                yield start, end
        size *= CONCAT_GROUP
