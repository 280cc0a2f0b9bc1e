"""Statements and blocks; `parse` is the entry to the whole front end (spec 02 §3)."""

from __future__ import annotations

from collections.abc import Callable

from . import ast
from .expression_parser import ExpressionParser
from .lexer import tokenize
from .tokens import EOF, LABEL, NAME

_BLOCK_ENDS = frozenset(["end", "else", "elseif", "until", EOF])


def parse(source: bytes, name: str) -> ast.Chunk:
    """The tree of a chunk; raises LuaSyntaxError (positions name the entry `name`) if it is none.

    Jumps and limits of functions are not looked at: the emitter checks them.
    """
    parser = Parser(tokenize(source, name), source, name)
    try:
        return parser.chunk()
    except RecursionError:
        # Levels are counted, so this happens only when the caller's own stack is nearly full.
        raise parser.error("nesting too deep") from None


class Parser(ExpressionParser):
    """Parses statements by their first token; everything else is an assignment or a call."""

    def chunk(self) -> ast.Chunk:
        self.types: list[ast.TypeAlias | ast.Interface] = []
        self.by_keyword: dict[str, Callable[[], ast.Statement]] = {
            "local": self.local_statement,
            "if": self.if_statement,
            "return": self.return_statement,
            "function": self.function_statement,
            "for": self.for_statement,
            "while": self.while_statement,
            "do": self.do_statement,
            "repeat": self.repeat_statement,
            "break": self.break_statement,
            "goto": self.goto_statement,
            LABEL: self.label_statement,
            "interface": self.interface_statement,
        }
        block = self.block()
        if self.kinds[self.i] != EOF:
            raise self.expected("end of file")
        return ast.Chunk(1, 1, 0, self.i, self.entry, block, self.tokens, self.deep, self.types)

    def block(self) -> ast.Block:
        """Statements up to a token that ends a block, which is not consumed."""
        kinds = self.kinds
        by_keyword = self.by_keyword
        first = self.i
        statements: list[ast.Statement] = []
        self.depth += 1
        if self.depth > self.ceiling:
            self.pass_ceiling()
        while (kind := kinds[self.i]) not in _BLOCK_ENDS:
            if kind == ";":
                self.i += 1
                continue
            parse_statement = by_keyword.get(kind)
            if parse_statement is None:
                statements.append(self.expression_statement())
                continue
            statements.append(parse_statement())
            if kind == "return":
                if kinds[self.i] == ";":
                    self.i += 1
                if kinds[self.i] not in _BLOCK_ENDS:
                    raise self.error(
                        f"'return' must be the last statement of its block, found {self.tokens.describe(self.i)}"
                    )
                break
        self.depth -= 1
        return ast.Block(self.lines[first], self.columns[first], first, self.i - 1, statements)

    def expression_statement(self) -> ast.Statement:
        """An assignment or a call, or a `type` alias, whose keyword is an ordinary name."""
        kinds = self.kinds
        first = self.i
        kind = kinds[first]
        if kind == NAME:
            if self.texts[first] == "type" and kinds[first + 1] == NAME and kinds[first + 2] in ("=", "<"):
                return self.type_statement()
        elif kind != "(":
            raise self.expected("a statement")
        target = self.suffixed()
        kind = kinds[self.i]
        if kind == "=" or kind == ",":
            return self.assignment(target)
        if isinstance(target, ast.Call | ast.MethodCall):
            return ast.CallStatement(target.line, target.column, first, self.i - 1, target)
        if kind == NAME:
            raise self.error(f"unexpected {self.tokens.describe(self.i)}: a statement is an assignment or a call")
        raise self.expected("'=' or a call")

    def assignment(self, target: ast.Expression) -> ast.Statement:
        first = target.first
        targets = [target]
        while self.kinds[self.i] == ",":
            self.i += 1
            if self.kinds[self.i] not in (NAME, "("):
                raise self.expected("a name")
            targets.append(self.suffixed())
        for node in targets:
            if not isinstance(node, ast.Name | ast.Member | ast.Index):
                raise self.error("cannot assign to this expression", node.first)
        self.expect("=")
        values = self.expression_list()
        return ast.Assign(self.lines[first], self.columns[first], first, self.i - 1, targets, values)

    def local_statement(self) -> ast.Statement:
        first = self.i
        line, column = self.lines[first], self.columns[first]
        self.i += 1
        if self.kinds[self.i] == "function":
            keyword = self.i
            self.i += 1
            at = self.i
            name = ast.TypedName(self.lines[at], self.columns[at], at, at, self.expect_name(), None)
            function = self.function_body(keyword)
            return ast.LocalFunction(line, column, first, self.i - 1, name, function)
        names = [self.local_name()]
        while self.kinds[self.i] == ",":
            self.i += 1
            names.append(self.local_name())
        values: list[ast.Expression] = []
        if self.kinds[self.i] == "=":
            self.i += 1
            values = self.expression_list()
        return ast.Local(line, column, first, self.i - 1, names, values)

    def local_name(self) -> ast.TypedName:
        name = self.typed_name()
        if self.kinds[self.i] == "<":
            raise self.error("attributes of locals (<const>, <close>) are not part of the language")
        return name

    def if_statement(self) -> ast.Statement:
        first = self.i
        arms: list[ast.Arm] = []
        otherwise = None
        while self.kinds[self.i] in ("if", "elseif"):
            arms.append(self.arm())
        if self.kinds[self.i] == "else":
            self.i += 1
            otherwise = self.block()
        self.expect_closing("end", first)
        return ast.If(self.lines[first], self.columns[first], first, self.i - 1, arms, otherwise)

    def arm(self) -> ast.Arm:
        first = self.i
        self.i += 1
        condition = self.expression()
        self.expect("then")
        body = self.block()
        return ast.Arm(self.lines[first], self.columns[first], first, self.i - 1, condition, body)

    def while_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        condition = self.expression()
        self.expect("do")
        body = self.block()
        self.expect_closing("end", first)
        return ast.While(self.lines[first], self.columns[first], first, self.i - 1, condition, body)

    def do_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        body = self.block()
        self.expect_closing("end", first)
        return ast.Do(self.lines[first], self.columns[first], first, self.i - 1, body)

    def repeat_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        body = self.block()
        self.expect_closing("until", first)
        condition = self.expression()
        return ast.Repeat(self.lines[first], self.columns[first], first, self.i - 1, body, condition)

    def for_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        names = [self.loop_name()]
        if self.kinds[self.i] == "=":
            return self.numeric_for(first, names[0])
        while self.kinds[self.i] == ",":
            self.i += 1
            names.append(self.loop_name())
        if self.kinds[self.i] != "in":
            raise self.expected("'=' or 'in'" if len(names) == 1 else "'in'")
        self.i += 1
        values = self.expression_list()
        self.expect("do")
        body = self.block()
        self.expect_closing("end", first)
        return ast.GenericFor(self.lines[first], self.columns[first], first, self.i - 1, names, values, body)

    def numeric_for(self, first: int, variable: ast.TypedName) -> ast.Statement:
        self.i += 1
        start = self.expression()
        self.expect(",")
        limit = self.expression()
        step = None
        if self.kinds[self.i] == ",":
            self.i += 1
            step = self.expression()
        self.expect("do")
        body = self.block()
        self.expect_closing("end", first)
        return ast.NumericFor(
            self.lines[first], self.columns[first], first, self.i - 1, variable, start, limit, step, body
        )

    def loop_name(self) -> ast.TypedName:
        first = self.i
        name = self.expect_name()
        if self.kinds[self.i] == ":":
            raise self.error("loop variables take no annotation")
        return ast.TypedName(self.lines[first], self.columns[first], first, first, name, None)

    def function_statement(self) -> ast.Statement:
        first = self.i
        at = first + 1
        line, column = self.lines[at], self.columns[at]
        self.i = at
        target: ast.Expression = ast.Name(line, column, at, at, self.expect_name())
        is_method = False
        while not is_method and self.kinds[self.i] in (".", ":"):
            is_method = self.kinds[self.i] == ":"
            self.i += 1
            name = self.field_name("a method name" if is_method else "a field name")
            target = ast.Member(line, column, at, self.i - 1, target, name)
        function = self.function_body(first)
        return ast.FunctionStatement(
            self.lines[first], self.columns[first], first, self.i - 1, target, is_method, function
        )

    def return_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        values: list[ast.Expression] = []
        if self.kinds[self.i] not in _BLOCK_ENDS and self.kinds[self.i] != ";":
            values = self.expression_list()
        return ast.Return(self.lines[first], self.columns[first], first, self.i - 1, values)

    def break_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        return ast.Break(self.lines[first], self.columns[first], first, first)

    def goto_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        label = self.expect_name()
        return ast.Goto(self.lines[first], self.columns[first], first, first + 1, label)

    def label_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        name = self.tokens.literals[first]
        assert isinstance(name, str)
        return ast.Label(self.lines[first], self.columns[first], first, first, name)

    def type_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        name = self.expect_name()
        parameters = self.type_parameters()
        self.expect("=")
        kind = self.type()
        alias = ast.TypeAlias(self.lines[first], self.columns[first], first, self.i - 1, name, parameters, kind)
        self.types.append(alias)
        return alias

    def interface_statement(self) -> ast.Statement:
        first = self.i
        self.i += 1
        name = self.expect_name()
        parents: list[str] = []
        while self.kinds[self.i] == ("," if parents else ":"):
            self.i += 1
            parents.append(self.expect_name())
        methods: list[ast.InterfaceMethod] = []
        while self.kinds[self.i] == "function":
            methods.append(self.interface_method())
        self.expect_closing("end", first)
        interface = ast.Interface(self.lines[first], self.columns[first], first, self.i - 1, name, parents, methods)
        self.types.append(interface)
        return interface

    def interface_method(self) -> ast.InterfaceMethod:
        first = self.i
        self.i += 1
        name = self.expect_name()
        opening = self.expect("(")
        parameters: list[ast.TypedName] = []
        if self.kinds[self.i] != ")":
            parameters.append(self.typed_name())
            while self.kinds[self.i] == ",":
                self.i += 1
                parameters.append(self.typed_name())
        self.expect_closing(")", opening)
        returns = None
        if self.kinds[self.i] == ":":
            self.i += 1
            returns = self.return_types(several=True)
        return ast.InterfaceMethod(self.lines[first], self.columns[first], first, self.i - 1, name, parameters, returns)
