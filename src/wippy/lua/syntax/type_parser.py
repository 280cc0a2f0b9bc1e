"""Types: annotations, aliases, casts (spec 02 §3 `type`)."""

from __future__ import annotations

from . import ast
from .cursor import Cursor
from .tokens import FIELD_NAMES, NAME, NUMBER, STRING

_CONSTANTS: dict[str, bool | None] = {"nil": None, "true": True, "false": False}
_FIRST_HALF = {">>": ">", ">=": "="}
_FRAMES = 2
"""One level of type nesting counts this many levels: it takes about twice the Python frames of an expression's."""


class TypeParser(Cursor):
    """Parses types; expressions inside them (`typeof`, validator arguments) are left to the subclass."""

    def type(self, primary: ast.Type | None = None) -> ast.Type:
        """A whole type: unions and intersections on one left-associative level, or a conditional type.

        With `primary` only the rest of a type that begins with it.
        """
        self.depth += _FRAMES
        if self.depth > self.ceiling:
            self.pass_ceiling()
        first = self.i if primary is None else primary.first
        node = self.suffixed_type(primary)
        kind = self.kinds[self.i]
        if kind == "extends":
            node = self.conditional_type(node)
        elif kind in ("|", "&"):
            node = self.combined_type(node, first)
        self.depth -= _FRAMES
        return node

    def combined_type(self, node: ast.Type, first: int) -> ast.Type:
        """`A | B & C` is `(A | B) & C`; each change of operator counts as a level."""
        depth = self.depth
        kinds = self.kinds
        while (operator := kinds[self.i]) in ("|", "&"):
            members = [node]
            while kinds[self.i] == operator:
                self.i += 1
                members.append(self.suffixed_type())
            self.depth += _FRAMES
            if self.depth > self.ceiling:
                self.pass_ceiling()
            combine = ast.UnionType if operator == "|" else ast.IntersectionType
            node = combine(self.lines[first], self.columns[first], first, self.i - 1, members)
        self.depth = depth
        return node

    def conditional_type(self, subject: ast.Type) -> ast.Type:
        self.i += 1
        first = self.i
        bound = self.annotated_type(self.primary_type(), first)
        while self.kinds[self.i] == "?" and self.kinds[self.i + 1] == "?":
            self.i += 1
            bound = ast.OptionalType(bound.line, bound.column, first, self.i - 1, bound)
        self.expect("?")
        consequent = self.type()
        self.expect(":")
        alternative = self.type()
        return ast.ConditionalType(
            subject.line, subject.column, subject.first, self.i - 1, subject, bound, consequent, alternative
        )

    def suffixed_type(self, primary: ast.Type | None = None) -> ast.Type:
        """`stype`: a primary type, its validators, `?`. Several `?` mean the same as one."""
        node = primary or self.primary_type()
        first = node.first
        kinds = self.kinds
        while True:
            kind = kinds[self.i]
            if kind == "?":
                self.i += 1
                if not isinstance(node, ast.OptionalType):
                    node = ast.OptionalType(node.line, node.column, first, self.i - 1, node)
            elif kind == "@":
                node = self.annotated_type(node, first)
            else:
                return node

    def annotated_type(self, node: ast.Type, first: int) -> ast.Type:
        """`node` with the validators that follow, if any do."""
        validators = []
        while self.kinds[self.i] == "@":
            validators.append(self.validator())
        if not validators:
            return node
        if isinstance(node, ast.AnnotatedType):
            validators = node.validators + validators
            node = node.type
        return ast.AnnotatedType(node.line, node.column, first, self.i - 1, node, validators)

    def validator(self) -> ast.Validator:
        first = self.i
        self.i += 1
        name = self.expect_name()
        arguments: list[ast.Expression] = []
        opening = self.i
        if self.kinds[opening] == "(":
            self.i += 1
            if self.kinds[self.i] != ")":
                arguments = self.expression_list()
            self.expect_closing(")", opening)
        return ast.Validator(self.lines[first], self.columns[first], first, self.i - 1, name, arguments)

    def primary_type(self) -> ast.Type:
        """`ptype`: everything up to and including the `[]` and `[K]` suffixes."""
        first = self.i
        line, column = self.lines[first], self.columns[first]
        kind = self.kinds[first]
        node: ast.Type
        if kind == NAME:
            node = self.named_type()
        elif kind == "{":
            node = self.braces(first, readonly=False)
        elif kind == "(":
            node = self.parenthesised_type()
        elif kind == "readonly" and self.kinds[first + 1] == "{":
            self.i += 1
            node = self.braces(first, readonly=True)
        elif kind in (STRING, NUMBER, "-", "nil", "true", "false"):
            node = self.literal_type()
        elif kind == "fun":
            node = self.fun_type()
        elif kind == "interface":
            self.i += 1
            fields = self.record_fields(self.expect("{"))
            node = ast.InterfaceType(line, column, first, self.i - 1, fields)
        elif kind == "typeof":
            self.i += 1
            opening = self.expect("(")
            expression = self.expression()
            self.expect_closing(")", opening)
            node = ast.TypeOf(line, column, first, self.i - 1, expression)
        elif kind == "keyof":
            self.i += 1
            opening = self.expect("(")
            inner = self.type()
            self.expect_closing(")", opening)
            node = ast.KeyOf(line, column, first, self.i - 1, inner)
        elif kind == "asserts":
            node = self.asserts_type()
        elif kind == "function":
            raise self.error("'function' is not a type: write a function type such as (number) -> string, or any")
        else:
            raise self.expected("a type")
        return self.type_suffixes(node) if self.kinds[self.i] == "[" else node

    def type_suffixes(self, node: ast.Type) -> ast.Type:
        """`T[]` and `T[K]`, each a level."""
        depth = self.depth
        first, line, column = node.first, node.line, node.column
        while self.kinds[self.i] == "[":
            self.depth += _FRAMES
            if self.depth > self.ceiling:
                self.pass_ceiling()
            opening = self.i
            self.i += 1
            if self.kinds[self.i] == "]":
                self.i += 1
                node = ast.ArrayType(line, column, first, self.i - 1, node, False)
            else:
                index = self.type()
                self.expect_closing("]", opening)
                node = ast.IndexedType(line, column, first, self.i - 1, node, index)
        self.depth = depth
        return node

    def named_type(self) -> ast.Type:
        first = self.i
        line, column, name = self.lines[first], self.columns[first], self.texts[first]
        self.i += 1
        kind = self.kinds[self.i]
        if kind == ".":
            self.i += 1
            member = self.field_name("a type name")
            return ast.QualifiedType(line, column, first, self.i - 1, name, member)
        if kind != "<":
            return ast.NamedType(line, column, first, first, name, [])
        arguments = self.type_list_after()
        self.close_angle()
        return ast.NamedType(line, column, first, self.i - 1, name, arguments)

    def type_list_after(self) -> list[ast.Type]:
        """Types separated by commas, after the current token."""
        self.i += 1
        types = [self.type()]
        while self.kinds[self.i] == ",":
            self.i += 1
            types.append(self.type())
        return types

    def close_angle(self) -> None:
        """Step over `>`; of a token that only begins with it, `>` is taken away and the rest stays."""
        kind = self.kinds[self.i]
        if kind in _FIRST_HALF:
            self.kinds[self.i] = self.texts[self.i] = _FIRST_HALF[kind]
        else:
            self.expect(">")

    def field_name(self, what: str) -> str:
        index = self.i
        if self.kinds[index] not in FIELD_NAMES:
            raise self.expected(what)
        self.i = index + 1
        return self.texts[index]

    def literal_type(self) -> ast.Type:
        first = self.i
        negative = self.kinds[first] == "-"
        if negative:
            self.i += 1
        index = self.i
        kind = self.kinds[index]
        value: bool | int | float | bytes | None
        if kind in _CONSTANTS:
            value = _CONSTANTS[kind]
        else:
            literal = self.tokens.literals.get(index)
            if literal is None or isinstance(literal, str) or (negative and isinstance(literal, bytes)):
                raise self.expected("a number")
            value = -literal if negative and not isinstance(literal, bytes) else literal
        self.i = index + 1
        return ast.LiteralType(self.lines[first], self.columns[first], first, index, value)

    def braces(self, first: int, readonly: bool) -> ast.Type:
        """Array, map or record; `first` is the token the type begins at, perhaps `readonly`."""
        line, column = self.lines[first], self.columns[first]
        opening = self.expect("{")
        kind, following = self.kinds[self.i], self.kinds[self.i + 1] if self.kinds[self.i] != "EOF" else ""
        if kind == "[":
            bracket = self.i
            self.i += 1
            key = self.type()
            self.expect_closing("]", bracket)
            self.expect(":")
            value = self.type()
            self.expect_closing("}", opening)
            return ast.MapType(line, column, first, self.i - 1, key, value, readonly)
        if kind == "}" or (kind in FIELD_NAMES and following in (":", "?:")):
            fields = self.record_fields(opening)
            return ast.RecordType(line, column, first, self.i - 1, fields, readonly)
        element = self.type()
        self.expect_closing("}", opening)
        return ast.ArrayType(line, column, first, self.i - 1, element, readonly)

    def record_fields(self, opening: int) -> list[ast.RecordField]:
        fields = []
        while self.kinds[self.i] != "}":
            fields.append(self.record_field())
            if self.kinds[self.i] != ",":
                break
            self.i += 1
        self.expect_closing("}", opening)
        return fields

    def record_field(self) -> ast.RecordField:
        first = self.i
        name = self.field_name("a field name")
        optional = self.kinds[self.i] == "?:"
        if optional:
            self.i += 1
        else:
            self.expect(":")
        kind = self.type()
        return ast.RecordField(self.lines[first], self.columns[first], first, self.i - 1, name, kind, optional)

    def parenthesised_type(self) -> ast.Type:
        """`(A) -> B`, or parentheses around one type."""
        first = self.i
        parameters, vararg = self.type_arguments()
        if self.kinds[self.i] == "->":
            return self.arrow(first, parameters, vararg)
        if len(parameters) == 1 and vararg is None and parameters[0].name is None:
            return parameters[0].type
        raise self.expected("'->'")

    def arrow(self, first: int, parameters: list[ast.TypeArgument], vararg: ast.Type | None) -> ast.Type:
        """The rest of a function type from `->` on; a chain of arrows nests to the right."""
        self.depth += _FRAMES
        if self.depth > self.ceiling:
            self.pass_ceiling()
        self.i += 1
        returns = self.return_types(several=False)
        self.depth -= _FRAMES
        return ast.FunctionType(self.lines[first], self.columns[first], first, self.i - 1, parameters, vararg, returns)

    def fun_type(self) -> ast.Type:
        first = self.i
        self.i += 1
        if self.kinds[self.i] != "(":
            raise self.expected("'('")
        parameters, vararg = self.type_arguments()
        returns: list[ast.Type] = []
        if self.kinds[self.i] == ":":
            self.i += 1
            returns = self.return_types(several=False)
        return ast.FunctionType(self.lines[first], self.columns[first], first, self.i - 1, parameters, vararg, returns)

    def type_arguments(self) -> tuple[list[ast.TypeArgument], ast.Type | None]:
        """`( A, b: B, ...C )` of a function type: its parameters and the type of its varargs."""
        opening = self.expect("(")
        parameters: list[ast.TypeArgument] = []
        vararg: ast.Type | None = None
        while self.kinds[self.i] != ")":
            if self.kinds[self.i] == "...":
                vararg = self.vararg_type()
                break
            parameters.append(self.type_argument())
            if self.kinds[self.i] != ",":
                break
            self.i += 1
        self.expect_closing(")", opening)
        return parameters, vararg

    def type_argument(self) -> ast.TypeArgument:
        first = self.i
        name = None
        if self.kinds[first] == NAME and self.kinds[first + 1] == ":":
            name = self.texts[first]
            self.i += 2
        kind = self.type()
        return ast.TypeArgument(self.lines[first], self.columns[first], first, self.i - 1, name, kind)

    def vararg_type(self) -> ast.Type:
        """`...T` in a function type; a bare `...` means any."""
        dots = self.i
        self.i += 1
        if self.kinds[self.i] == ")":
            return ast.NamedType(self.lines[dots], self.columns[dots], dots, dots, "any", [])
        if self.kinds[self.i] == ":":
            self.i += 1
        return self.type()

    def return_types(self, several: bool) -> list[ast.Type]:
        """What follows `:` or `->`: nothing `()`, several types in parentheses, or one type.

        With `several` (function bodies) types may also be listed without parentheses.
        """
        first = self.i
        if self.kinds[first] == "(":
            parameters, vararg = self.type_arguments()
            if self.kinds[self.i] == "->":
                types = [self.type(self.type_suffixes(self.arrow(first, parameters, vararg)))]
            elif len(parameters) == 1 and vararg is None and parameters[0].name is None:
                types = [self.type(self.type_suffixes(parameters[0].type))]
            else:
                return self.return_tuple(parameters, vararg)
        else:
            types = [self.type()]
        while several and self.kinds[self.i] == ",":
            self.i += 1
            types.append(self.type())
        return types

    def return_tuple(self, parameters: list[ast.TypeArgument], vararg: ast.Type | None) -> list[ast.Type]:
        if vararg is not None:
            raise self.expected("'->'")
        for parameter in parameters:
            if parameter.name is not None:
                raise self.error("names are not allowed in a list of return types", parameter.first)
        return [parameter.type for parameter in parameters]

    def asserts_type(self) -> ast.Type:
        first = self.i
        self.i += 1
        name = self.expect_name()
        kind = None
        if self.kinds[self.i] == "is":
            self.i += 1
            kind = self.type()
        return ast.Asserts(self.lines[first], self.columns[first], first, self.i - 1, name, kind)

    def type_parameters(self) -> list[ast.TypeParameter]:
        """`<T, U: V>` if the current token opens one, else nothing."""
        parameters: list[ast.TypeParameter] = []
        if self.kinds[self.i] != "<":
            return parameters
        while not parameters or self.kinds[self.i] == ",":
            self.i += 1
            first = self.i
            name = self.expect_name()
            constraint = self.optional_annotation()
            parameters.append(
                ast.TypeParameter(self.lines[first], self.columns[first], first, self.i - 1, name, constraint)
            )
        self.close_angle()
        return parameters

    def optional_annotation(self) -> ast.Type | None:
        """`: T` if it is there."""
        if self.kinds[self.i] != ":":
            return None
        self.i += 1
        return self.type()
