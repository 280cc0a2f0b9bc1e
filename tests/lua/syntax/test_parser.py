"""The shape of trees: precedence, ambiguities, every construct (spec 02 §3)."""

import sys

import pytest

from wippy.lua.compile import compile_chunk
from wippy.lua.syntax import ast
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.parser import parse
from wippy.lua.syntax.printer import Printer

from .trees import difference


def tree(source: str) -> ast.Chunk:
    return parse(source.encode("latin-1"), "app:main")


def statement(source: str) -> ast.Statement:
    return tree(source).block.statements[0]


def expression(source: str) -> ast.Expression:
    node = statement(f"return {source}")
    assert isinstance(node, ast.Return)
    return node.values[0]


def annotation(source: str) -> ast.Type:
    node = statement(f"type T = {source}")
    assert isinstance(node, ast.TypeAlias)
    return node.type


def grouped(node: ast.Expression) -> str:
    """The expression with every operator's operands in brackets."""
    if isinstance(node, ast.Binary):
        return f"[{grouped(node.left)} {node.operator} {grouped(node.right)}]"
    if isinstance(node, ast.Concat):
        return f"[{' .. '.join(map(grouped, node.operands))}]"
    if isinstance(node, ast.Unary):
        return f"[{node.operator} {grouped(node.operand)}]"
    if isinstance(node, ast.Cast):
        return f"[{grouped(node.expression)} {node.style} {Printer().type(node.type)}]"
    if isinstance(node, ast.NonNil):
        return f"[{grouped(node.expression)}!]"
    return Printer().expression(node)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("a or b and c", "[a or [b and c]]"),
        ("a and b < c", "[a and [b < c]]"),
        ("a < b | c", "[a < [b | c]]"),
        ("a | b ~ c", "[a | [b ~ c]]"),
        ("a ~ b & c", "[a ~ [b & c]]"),
        ("a & b << c", "[a & [b << c]]"),
        ("a << b .. c", "[a << [b .. c]]"),
        ("a .. b .. c + d", "[a .. b .. [c + d]]"),
        ("a + b * c", "[a + [b * c]]"),
        ("a - b - c", "[[a - b] - c]"),
        ("a * -b", "[a * [- b]]"),
        ("-a ^ b", "[- [a ^ b]]"),
        ("a ^ b ^ c", "[a ^ [b ^ c]]"),
        ("a ^ -b ^ c", "[a ^ [- [b ^ c]]]"),
        ("not a == b", "[[not a] == b]"),
        ("a .. b == c", "[[a .. b] == c]"),
        ("a + b as T", "[a + [b as T]]"),
        ("-x :: T", "[- [x :: T]]"),
        ("a ^ b :: T", "[a ^ [b :: T]]"),
        ("x as T + 1", "[[x as T] + 1]"),
        ("f(x) :: {string}", "[f(x) :: {string}]"),
        ("x as A | B", "[x as A | B]"),
        ("x :: A & B", "[x :: A & B]"),
        ("x as T? == y", "[[x as T?] == y]"),
        ("x! + 1", "[[x!] + 1]"),
        ("x as A as B", "[[x as A] as B]"),
        ("x :: A[] :: B", "[[x :: {A}] :: B]"),
        ("x as number[] < y", "[[x as {number}] < y]"),
        ("f < g > h", "[[f < g] > h]"),
    ],
)
def test_operators_bind_as_specified(source: str, shape: str) -> None:
    assert grouped(expression(source)) == shape


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("A | B & C", "(A | B) & C"),
        ("A | B | C", "A | B | C"),
        ("(A) -> B | C", "(A) -> (B | C)"),
        ("(A) -> (B) -> C", "(A) -> ((B) -> C)"),
        ("(A)", "A"),
        ("((A))", "A"),
        ("A??", "A?"),
        ("T[]", "{T}"),
        ("T[][]", "{{T}}"),
        ("() -> (A)", "() -> A"),
        ("fun(a: A): B", "(a: A) -> B"),
        ("fun(A)", "(A) -> ()"),
        ("(...A) -> B", "(...A) -> B"),
        ("(A, ...) -> B", "(A, ...any) -> B"),
        ("{a: T @min(1), b: U}", "{a: (T @min(1)), b: U}"),
        ("{a: T? @min(1)}", "{a: (T?) @min(1)}"),
        ("A extends B ? C : D", "A extends (B) ? (C) : (D)"),
        ("A extends B? ? C? : D?", "A extends (B?) ? (C?) : (D?)"),
        ("A extends B ? C : D extends E ? F : G", "A extends B ? C : (D extends E ? F : G)"),
        ("Box<Box<Box<T>>>", "Box<Box<Box<T> > >"),
    ],
)
def test_types_group_as_specified(source: str, same: str) -> None:
    assert difference(annotation(source), annotation(same)) is None


def test_record_field_marks_are_told_apart() -> None:
    record = annotation("{a?: T, b: T?, readonly: T, typeof: T,}")
    assert isinstance(record, ast.RecordType)
    assert [(field.name, field.optional, type(field.type)) for field in record.fields] == [
        ("a", True, ast.NamedType),
        ("b", False, ast.OptionalType),
        ("readonly", False, ast.NamedType),
        ("typeof", False, ast.NamedType),
    ]


def test_types_keep_what_they_say() -> None:
    node = annotation("readonly {[string]: -1 | 'x' | nil | true | 1.5}")
    assert isinstance(node, ast.MapType)
    assert node.readonly
    assert isinstance(node.value, ast.UnionType)
    assert [member.value for member in node.value.members] == [-1, b"x", None, True, 1.5]
    checked = annotation('string @min_len(1) @pattern("^a$")')
    assert isinstance(checked, ast.AnnotatedType)
    assert [(v.name, len(v.arguments)) for v in checked.validators] == [("min_len", 1), ("pattern", 1)]


@pytest.mark.parametrize(
    ("annotation", "returns"),
    [
        ("", None),
        (": ()", []),
        (": A", ["A"]),
        (": (A)", ["A"]),
        (": A, B", ["A", "B"]),
        (": (A, B?)", ["A", "B?"]),
        (": (A) -> B", ["(A) -> B"]),
        (": (A, B) -> C, D", ["(A, B) -> C", "D"]),
        (": (A) | B", ["A | B"]),
        (": (A)[]?", ["{A}?"]),
        (": () -> ()", ["() -> ()"]),
        (": asserts x is T", ["asserts x is T"]),
    ],
)
def test_return_annotation(annotation: str, returns: list[str] | None) -> None:
    function = expression(f"function(){annotation} end")
    assert isinstance(function, ast.Function)
    printed = None if function.returns is None else [Printer().type(node) for node in function.returns]
    assert printed == returns


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("type T = any", ast.TypeAlias),
        ("type T<A, B: Box<A>> = any", ast.TypeAlias),
        ("type(v)", ast.CallStatement),
        ("type = 1", ast.Assign),
        ("type.x = 1", ast.Assign),
        ("type 'x'", ast.CallStatement),
        ("local type = 1", ast.Local),
        ("interface I : A, B function m(a: T, b): (A, B) function n() end", ast.Interface),
        ("a.b[c]:d(e).f, g = 1", ast.Assign),
        ("(f)()", ast.CallStatement),
        ("f\n(x)", ast.CallStatement),
        ("f{} 'x' [[y]]", ast.CallStatement),
        ("::name::", ast.Label),
        ("break", ast.Break),
        ("function a.b.as:is() end", ast.FunctionStatement),
        ("local x: Box<T>= 1", ast.Local),
    ],
)
def test_statement_is_recognised(source: str, kind: type[ast.Statement]) -> None:
    block = tree(source).block
    assert [type(node) for node in block.statements] == [kind]


def test_statements_may_be_separated_and_break_may_stand_anywhere() -> None:
    block = tree(";;; a() ; while x do break; b() end ; return 1;").block
    assert [type(node) for node in block.statements] == [ast.CallStatement, ast.While, ast.Return]


def test_nodes_know_where_they_stand() -> None:
    source = "local x = 1\nlocal function f(a: {number}): string\n    return a.b:c(1) :: string\nend"
    chunk = tree(source)
    function = chunk.block.statements[1]
    assert isinstance(function, ast.LocalFunction)
    assert (function.line, function.column) == (2, 1)
    parameter = function.function.parameters[0]
    assert parameter.type is not None
    assert (parameter.type.line, parameter.type.column) == (2, 21)
    result = function.function.body.statements[0]
    assert isinstance(result, ast.Return)
    cast = result.values[0]
    tokens = chunk.tokens
    assert (cast.line, cast.column, tokens.texts[cast.first], tokens.texts[cast.last]) == (3, 12, "a", "string")
    assert tokens.texts[function.last] == "end"


def test_compiling_on_an_almost_full_stack_fails_cleanly() -> None:
    source = b"return " + b"(" * 60 + b"1" + b")" * 60

    def compile_below(frames: int) -> None:
        if frames:
            compile_below(frames - 1)
        else:
            compile_chunk(source, "app:main")

    used = 0
    frame = sys._getframe()
    while frame is not None:
        used, frame = used + 1, frame.f_back  # type: ignore[assignment]
    with pytest.raises(LuaSyntaxError, match="nesting too deep"):
        compile_below(sys.getrecursionlimit() - used - 100)
