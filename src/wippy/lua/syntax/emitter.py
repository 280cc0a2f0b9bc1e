"""From the tree to Lua 5.5: erasure, ticks, closed holes (spec 02 §4; kernel-notes items 1 and 4).

A method per node class edits the tokens of its node and visits its children. Methods of expressions return the child
that is left to visit, or None, so that the long left chains of the tree are followed in a loop. To change what a
construct becomes, override its method.
"""

from __future__ import annotations

from . import ast
from .arithmetic_emitter import JOIN, ArithmeticEmitter, is_plain_counter
from .expression_emitter import (
    CLOSED_FIELDS,
    LOCALS_TO_SPARE,
    OPERATORS,
    PREFIX,
    TYPES,
    KeySafety,
    gives_several,
    guarded,
)
from .scopes import Loop, Mark
from .ticks import COUNTER, LEAN_TICK, SLOW, TICK, count_in_register, fits_blocks, run_in_blocks

_KEY_GUARD = 'local function __wpy_k(k) if k=="__mode" then return "__mode\\0" end return k end '
_FIRST_THREE = "local function __wpy_3(a,b,c) return a,b,c end "
_NUMERIC_STATE, _GENERIC_STATE = 2, 3
"""Locals that Lua itself adds for a loop."""


class Emitter(ArithmeticEmitter):
    """Emits one chunk. Raises LuaSyntaxError for bad jumps and exceeded limits."""

    def __init__(self, chunk: ast.Chunk, source: bytes) -> None:
        super().__init__(chunk, source)
        self.truncates_iterators = False
        self.labels_made = 0
        self.block_mark = self.scopes.enter()
        self.trailing_labels: set[ast.Node] = set()
        self.emitters |= {
            ast.Local: self.emit_local,
            ast.LocalFunction: self.emit_local_function,
            ast.FunctionStatement: self.emit_function_statement,
            ast.Assign: self.emit_assign,
            ast.CallStatement: self.emit_call_statement,
            ast.Do: self.emit_do,
            ast.While: self.emit_while,
            ast.Repeat: self.emit_repeat,
            ast.If: self.emit_if,
            ast.NumericFor: self.emit_numeric_for,
            ast.GenericFor: self.emit_generic_for,
            ast.Return: self.emit_return,
            ast.Break: self.emit_break,
            ast.Goto: self.emit_goto,
            ast.Label: self.emit_label,
            ast.TypeAlias: self.emit_type,
            ast.Interface: self.emit_type,
        }

    def emit(self) -> bytes:
        """The factory's source: called with the environment and the slow function it returns the guest's chunk."""
        self.scopes.enter_function(1, vararg=True)
        self.emit_block(self.chunk.block)
        self.scopes.leave_function()
        self.finish_trusted()
        return f"{self.prologue()}{self.edits.render()} \nend".encode("latin-1")

    def prologue(self) -> str:
        guard = _KEY_GUARD if self.guards_keys else ""
        three = _FIRST_THREE if self.truncates_iterators else ""
        return f"local _ENV,{SLOW},{TYPES},{JOIN},{OPERATORS}=...;local {COUNTER}=0;{guard}{three}return function(...)"

    def emit_block(self, block: ast.Block, trailing: bool = True) -> None:
        """Statements in a scope of their own; not `trailing` if code that sees this scope follows them."""
        mark = self.enter_block(block, trailing)
        self.leave_block(mark)

    def enter_block(self, block: ast.Block, trailing: bool) -> tuple[Mark, Mark]:
        """Emit the statements of a block and leave its scope open for `leave_block`."""
        outer = self.block_mark
        mark = self.block_mark = self.scopes.enter()
        emitters = self.emitters
        if trailing:
            self.note_trailing_labels(block)
        for statement in block.statements:
            emitters[statement.__class__](statement)
        return outer, mark

    def leave_block(self, marks: tuple[Mark, Mark]) -> None:
        self.block_mark, mark = marks
        self.scopes.leave(mark)

    def note_trailing_labels(self, block: ast.Block) -> None:
        for statement in reversed(block.statements):
            if isinstance(statement, ast.Label):
                self.trailing_labels.add(statement)
            elif not isinstance(statement, ast.TypeAlias | ast.Interface):
                return

    def visit_all(self, values: list[ast.Expression]) -> None:
        for value in values:
            self.visit(value)

    # Declarations and assignments

    def emit_local(self, node: ast.Local) -> None:
        self.visit_all(node.values)
        self.note_values([self.declare(name) for name in node.names], node.values)

    def emit_local_function(self, node: ast.LocalFunction) -> None:
        self.declare(node.name)
        self.emit_function(node.function)

    def emit_function_statement(self, node: ast.FunctionStatement) -> None:
        target = node.target
        if isinstance(target, ast.Member) and target.name.encode() in CLOSED_FIELDS:
            self.assign_closed_function(node, target)
        self.emit_target(target, named=False)
        self.emit_function(node.function, has_self=node.is_method)

    def assign_closed_function(self, node: ast.FunctionStatement, target: ast.Member) -> None:
        """`function mt.__gc(...)` has no spelling with another key; it becomes an assignment."""
        edits = self.edits
        edits.replace(node.first, "")
        edits.replace(target.last - 1, f"[{CLOSED_FIELDS[target.name.encode()]}]=")
        edits.replace(target.last, "function")
        if node.is_method:
            function = node.function
            more = function.parameters or function.vararg is not None
            edits.after(function.open, "self," if more else "self")

    def emit_assign(self, node: ast.Assign) -> None:
        self.separate(node)
        self.note_assignment(node)
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Index) and self.can_store_through_local(target):
            self.store_through_local(node, target)
            return
        for target in node.targets:
            self.emit_target(target)
        self.visit_all(node.values)

    def can_store_through_local(self, target: ast.Index) -> bool:
        """Whether `t[key] = v` needs a guard that a local makes cheaper: `t` a local, `key` a computed value."""
        return (
            isinstance(target.object, ast.Name)
            and target.object.id in self.scopes.visible
            and self.key_safety(target.key) is KeySafety.UNKNOWN
            and not self.must_be_lean()
        )

    def store_through_local(self, node: ast.Assign, target: ast.Index) -> None:
        """`do local n=key t[guarded n]= v end`: 6 ns less than a call of the guard, the tokens all in place."""
        edits = self.edits
        self.scopes.function.busy = True
        self.visit(target.object)
        table = edits.texts[target.first]
        edits.replace(target.first, "do local __wpy_n=")
        edits.replace(target.first + 1, "")
        edits.replace(target.last, f"{table}[{guarded('__wpy_n')}]")
        self.visit(target.key)
        self.visit_all(node.values)
        edits.after(node.last, "end")

    def emit_target(self, target: ast.Expression, named: bool = True) -> None:
        """The left side of a store. Not `named` where the field is renamed elsewhere."""
        if isinstance(target, ast.Name):
            variable = self.resolve(target)
            if variable is not None:
                variable.assigned = True
            return
        self.scopes.function.busy = True
        if isinstance(target, ast.Member):
            if named and target.name.encode() in CLOSED_FIELDS:
                self.edits.replace(target.last - 1, "[")
                self.close_field(target.name.encode(), target.last, "{}]")
            self.visit(target.object)
        elif isinstance(target, ast.Index):
            self.emit_stored_key(target.key)
            self.visit(target.object)

    def emit_call_statement(self, node: ast.CallStatement) -> None:
        self.separate(node)
        self.visit(node.call)

    def separate(self, node: ast.Statement) -> None:
        """Keep a statement that begins with `(` from continuing one that ended in an erased type."""
        if self.edits.texts[node.first] == "(":
            self.edits.before(node.first, ";")

    # Control

    def emit_do(self, node: ast.Do) -> None:
        self.emit_block(node.body)

    def emit_if(self, node: ast.If) -> None:
        for arm in node.arms:
            self.visit(arm.condition)
            self.emit_block(arm.body)
        if node.otherwise is not None:
            self.emit_block(node.otherwise)

    def emit_return(self, node: ast.Return) -> None:
        self.visit_all(node.values)

    def emit_break(self, node: ast.Break) -> None:
        loop = self.scopes.function.loop
        if loop is None:
            self.fail("break outside a loop", node.first)
        loop.breaks.append(node.first)

    def emit_goto(self, node: ast.Goto) -> None:
        self.mangle(node.label, node.first + 1)
        if self.scopes.goto(node):
            self.edits.before(node.first, self.tick())

    def emit_label(self, node: ast.Label) -> None:
        self.scopes.label(node, self.block_mark, node in self.trailing_labels)
        self.mangle(node.name, node.first, "::{}::")

    def emit_type(self, node: ast.Statement) -> None:
        self.edits.erase(node.first, node.last + 1)

    # Loops

    def tick(self) -> str:
        """A tick for the current point."""
        return LEAN_TICK if self.must_be_lean() else TICK

    def enter_loop(self) -> Loop:
        function = self.scopes.function
        function.busy = True
        if function.loop is not None:
            function.loop.innermost = False
        function.loop = Loop(function.loop, function.peak)
        function.peak = self.scopes.active_locals()
        return function.loop

    def leave_loop(self, loop: Loop, node: ast.Statement, body: int) -> None:
        """Tick a loop whose body has been emitted and follows token `body`."""
        if not loop.innermost:
            self.edits.after(body, self.tick())
        elif self.is_tight(loop):
            self.edits.after(body, LEAN_TICK)
        elif isinstance(node, ast.NumericFor) and fits_blocks(self.edits, node):
            self.labels_made += 1
            run_in_blocks(self.edits, node, loop.breaks, f"{PREFIX}b{self.labels_made}")
        else:
            count_in_register(self.edits, node, body)
        self.close_loop(loop)

    def is_tight(self, loop: Loop) -> bool:
        return self.chunk.deep or self.scopes.function.peak > LOCALS_TO_SPARE

    def close_loop(self, loop: Loop) -> None:
        function = self.scopes.function
        function.loop = loop.outer
        function.peak = max(function.peak, loop.peak)

    def emit_while(self, node: ast.While) -> None:
        self.visit(node.condition)
        loop = self.enter_loop()
        self.emit_block(node.body)
        self.leave_loop(loop, node, node.body.first - 1)

    def emit_repeat(self, node: ast.Repeat) -> None:
        loop = self.enter_loop()
        marks = self.enter_block(node.body, trailing=False)
        self.visit(node.condition)
        self.leave_block(marks)
        self.leave_loop(loop, node, node.first)

    def emit_numeric_for(self, node: ast.NumericFor) -> None:
        self.visit(node.start)
        self.visit(node.limit)
        self.visit(node.step)
        self.emit_for_body(node, [node.variable], node.body, _NUMERIC_STATE, numeric=True)

    def emit_generic_for(self, node: ast.GenericFor) -> None:
        values = node.values
        if may_close(values):
            self.truncates_iterators = True
            self.edits.before(values[0].first, "__wpy_3(")
        self.visit_all(values)
        if may_close(values):
            self.edits.after(values[-1].last, ")")
        self.emit_for_body(node, node.names, node.body, _GENERIC_STATE, numeric=False)

    def emit_for_body(
        self, node: ast.Statement, names: list[ast.TypedName], body: ast.Block, hidden: int, numeric: bool
    ) -> None:
        scopes = self.scopes
        function = scopes.function
        loop = self.enter_loop()
        mark = scopes.enter()
        function.hidden += hidden
        variables = [self.declare(name, numeric) for name in names]
        variables[0].plain = isinstance(node, ast.NumericFor) and is_plain_counter(node)
        control = self.edits.texts[names[0].first]
        self.emit_block(body)
        function.hidden -= hidden
        scopes.leave(mark)
        self.leave_loop(loop, node, body.first - 1)
        if variables[0].assigned:
            # Lua 5.5 makes the control variable of a loop constant: a body that assigns it gets a copy.
            self.edits.after(body.first - 1, f"local {control}={control}")
            self.guard_assigned(variables[0])


def may_close(values: list[ast.Expression]) -> bool:
    """Whether the values of a generic `for` may include a fourth, which Lua would close after the loop."""
    return len(values) > 3 or gives_several(values[-1])
