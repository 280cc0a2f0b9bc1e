# ruff: noqa: E501 (guest programs of one line)
"""Types as values: names, reflection, comparison, primitives, passing them on (spec 02 §5.1-5.3, §6)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project

TYPES = """
type Sku = string @min_len(3)
type Item = { sku: Sku, count: integer, note?: string, tags: {string}, prices: {[string]: number} }
type Status = "on" | "off"
type Callback = (number, string) -> boolean
type Many = (number) -> (string, number)
type Nothing = () -> ()
type Maybe = Item?
type Both = {a: number} & {b: string}
type Box<T> = { value: T }
type Pair<A, B: number> = { first: A, second: B }
type Numbers = {number}
type Scores = {[string]: number}
interface Shape function area(): number end
"""


def value(project: Project, expression: str, top: str = TYPES, **fields: Any) -> Any:
    return project.run(f"return {expression}", top=top, **fields)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("type(Item)", "type"),
        ("tostring(Item)", "Item"),
        ("Item:name()", "Item"),
        ("Item.sku:name()", "Sku"),
        ("Item.count:name() == nil or Item.count:name()", "integer"),
        ("Item.tags:name() == nil", True),
        ("tostring(Item.tags)", "{string}"),
        ("tostring(Item.prices)", "{[string]: number}"),
        ("tostring(Maybe)", "Maybe"),
        ("tostring(Pair(string, integer))", "Pair"),
        ("Item.nonsense == nil", True),
        ("Numbers.field == nil", True),
        ("Item.is == Item.is", True),
        ("(Item.tags.is({'x'}))[1]", "x"),
        ("Item.is(5) == nil", True),
        ("Item.is(nil) == nil", True),
        ("type(Item.kind)", "function"),
        ("'type: ' .. tostring(Sku)", "type: Sku"),
        ("getmetatable(Item) == nil or getmetatable(Item) == false", True),
    ],
)
def test_names_and_members(project: Project, expression: str, expected: Any) -> None:
    assert value(project, expression) == expected


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("Item", "record"),
        ("Sku", "string"),
        ("Status", "union"),
        ("Callback", "function"),
        ("Maybe", "optional"),
        ("Both", "intersection"),
        ("Box", "generic"),
        ("Box(number)", "instantiated"),
        ("Numbers", "array"),
        ("Scores", "map"),
        ("Shape", "unknown"),
        ("Many:ret()", "tuple"),
        ("number", "number"),
        ("integer", "integer"),
        ("string", "string"),
        ("boolean", "boolean"),
        ("any", "any"),
        ("unknown", "unknown"),
        ("never", "never"),
    ],
)
def test_kinds(project: Project, expression: str, kind: str) -> None:
    assert value(project, f"({expression}):kind()") == kind


def test_fields_come_in_declaration_order(project: Project) -> None:
    program = """
        local out = {}
        for name, t in Item:fields() do out[#out + 1] = name .. "=" .. tostring(t) end
        return { table.concat(out, " "), Sku:fields() == nil }
    """
    assert project.run(program, top=TYPES) == [
        "sku=Sku count=integer note=string tags={string} prices={[string]: number}",
        True,
    ]


def test_parts_of_types(project: Project) -> None:
    program = """
        local function list(iterator) local out = {} for t in iterator do out[#out + 1] = tostring(t) end return table.concat(out, ",") end
        local constraints = {}
        for name, constraint in Pair:tparams() do constraints[#constraints + 1] = name .. ":" .. tostring(constraint) end
        return {
          tostring(Numbers:elem()), tostring(Scores:key()), tostring(Scores:val()), tostring(Maybe:inner()),
          list(Status:variants()), list(Callback:params()), tostring(Callback:ret()), tostring(Many:ret()),
          Nothing:ret() == nil, table.concat(constraints, " "),
        }
    """
    assert project.run(program, top=TYPES) == [
        "number",
        "string",
        "number",
        "Item",
        '"on","off"',
        "number,string",
        "boolean",
        "(string, number)",
        True,
        "A:nil B:number",
    ]


def test_parts_that_a_type_does_not_have_are_nil(project: Project) -> None:
    names = ["fields", "elem", "key", "val", "inner", "variants", "params", "ret", "tparams"]
    calls = ", ".join(f"Sku:{name}() == nil" for name in names)
    assert value(project, f"{{ {calls} }}") == [True] * len(names)


def test_parts_look_through_annotations(project: Project) -> None:
    top = "type T = {string} @min_len(1)\ntype R = T"
    assert value(project, "{ tostring(T:elem()), T:kind(), tostring(R:elem()) }", top) == ["string", "array", "string"]


COMPARISONS = [
    ("integer < number", True),
    ("number < integer", False),
    ("number <= number", True),
    ("number < number", False),
    ("string <= any", True),
    ("never <= string", True),
    ("A == B", True),
    ("A ~= C", True),
    ("A == C", False),
    ("C <= A", True),
    ("A <= C", False),
    ("One <= Two", True),
    ("Two <= One", False),
    ("One <= string", True),
    ("NumberList == Numbers", True),
    ("Box(number) == Box(number)", True),
    ("Box(number) == Box(string)", False),
    ("Box(integer) <= Box(number)", True),
    ("Opt == Inline", True),
    ("string <= Opt", True),
    ("Opt <= string", False),
    ("any == unknown", False),
    ("Tree == Tree2", True),
    ("A == 5", False),
    ("A ~= nil", True),
    ("string == string", True),
    ("Text == string", True),
    ("string == Text", True),
    ("string <= Text", True),
]


@pytest.mark.parametrize(("expression", "expected"), COMPARISONS)
def test_comparison_is_structural(project: Project, expression: str, expected: bool) -> None:
    top = """
        type A = { x: number, y: string }
        type B = { y: string, x: number }
        type C = { x: number, y: string, z: boolean }
        type One = "a"
        type Two = "a" | "b"
        type NumberList = {number}
        type Numbers = {number}
        type Box<T> = { value: T }
        type Opt = string?
        type Inline = string | nil
        type Tree = { next: Tree? }
        type Tree2 = { next: Tree2? }
        type Text = string
    """
    assert value(project, expression, top) is expected


def test_types_are_table_keys_by_identity(project: Project) -> None:
    program = """
        local validators = { [Item] = "item", [Sku] = "sku", [string] = "text", [number] = "number" }
        return { validators[Item], validators[Item.sku], validators[string], validators[number], validators[Box] == nil }
    """
    assert project.run(program, top=TYPES) == ["item", "sku", "text", "number", True]


def test_types_travel_in_tables_and_arguments(project: Project) -> None:
    program = """
        local c = { t = Item, nested = { s = Sku } }
        local function check(t, v) local ok, err = t:is(v) return err and err:message() or "fine" end
        local cases = { { t = number, v = "x" }, { t = Sku, v = "ab" }, { t = string, v = "ok" } }
        local out = { check(c.t, {}), check(c.nested.s, "abc") }
        for _, case in ipairs(cases) do out[#out + 1] = check(case.t, case.v) end
        local _, e = c.t:is(5)
        out[#out + 1] = e:message()
        return out
    """
    assert project.run(program, top=TYPES) == [
        "sku: required field missing",
        "fine",
        "expected number, got string",
        "length below minimum",
        "fine",
        "expected Item, got number",
    ]


@pytest.mark.parametrize("write", ["Item.sku = 1", "Item.new = 1", "rawset(Item, 'x', 1)", "setmetatable(Item, {})"])
def test_types_cannot_be_changed(project: Project, write: str) -> None:
    assert value(project, f"(pcall(function() {write} end))") is False


def test_declarations_are_visible_from_the_first_statement_and_as_globals(project: Project) -> None:
    source = """
        local early = Late:kind()
        local function main() return { early, _G.Late ~= nil, Late:is({n = 1}) ~= nil, _G.Late == Late } end
        type Late = { n: number }
        return { main = main }
    """
    assert project.function("main", source).call() == ["record", True, True, True]


def test_locals_and_parameters_shadow_type_names(project: Project) -> None:
    program = """
        local function f(Item) return Item end
        local Sku = 5
        local function g(string, number) return string .. number end
        return { f(1), Sku, g("a", "b") }
    """
    assert project.run(program, top=TYPES) == [1, 5, "ab"]


def test_types_declared_in_inner_blocks_and_functions(project: Project) -> None:
    program = """
        type Inner = { n: number }
        do type Deeper = { s: string } end
        local function f() type Deepest = { b: boolean } return Deepest end
        assert(f():kind() == "record")
        return { (Inner:is({n = 1})) ~= nil, (Deeper:is({s = 1})) == nil }
    """
    assert project.run(program) == [True, True]


PRIMITIVES = [
    ("string('x')", "x"),
    ("integer(5)", 5),
    ("integer(5.0)", 5.0),
    ("number(2.5)", 2.5),
    ("boolean(false)", False),
    ("any(7)", 7),
    ("(integer:is(5))", 5),
    ("integer:is('x') == nil", True),
    ("string:kind()", "string"),
    ("string:name()", "string"),
    ("(string:is('x'))", "x"),
    ("string:is(1) == nil", True),
    ("(string.is('x'))", "x"),
    ("string.is(1) == nil", True),
    ("string.upper('x')", "X"),
    ("string.format('%d', 3)", "3"),
    ("('x'):rep(3)", "xxx"),
    ("string.rep('x', 3)", "xxx"),
    ("type(number)", "type"),
    ("type(string)", "table"),
    ("tostring(integer)", "integer"),
    ("type(unknown)", "type"),
    ("math.type(integer(5))", "integer"),
    ("pcall(string, nil)", False),
    ("pcall(integer, 1.5)", False),
    ("pcall(never, nil)", False),
    ("pcall(boolean, 1)", False),
    ("(any:is(nil)) == nil", True),
]


@pytest.mark.parametrize(("expression", "expected"), PRIMITIVES)
def test_primitive_types_coexist_with_the_libraries(project: Project, expression: str, expected: Any) -> None:
    found = value(project, f"({expression})", "")
    assert found == expected and type(found) is type(expected)


def test_a_primitive_refuses_with_a_positioned_text(project: Project) -> None:
    program = "local ok, e = pcall(function() local s = string(nil) return s end) return e"
    assert project.run(program) == "app:main:3: expected string, got nil"


def test_primitive_names_can_be_shadowed(project: Project) -> None:
    assert project.run("local string, number = 1, 2 return string + number") == 3


# Through libraries -------------------------------------------------------------------------------------------------

INNER = """
type Item = { sku: string @min_len(3), count: integer @min(1) }
type Status = "on" | "off"
type Box<T> = { value: T }
return { Item = Item, Status = Status, Box = Box }
"""
OUTER = """
local inner = require("inner")
type Order = { items: {inner.Item}, status: inner.Status, note?: string }
type Local = { name: string }
return { Order = Order, Item = inner.Item, Status = inner.Status, inner = inner, Box = inner.Box }
"""


def two_levels(project: Project) -> Project:
    project.library("inner", INNER)
    return project.library("outer", OUTER, imports={"inner": "app:inner"})


def test_library_types_two_levels_deep_as_values(project: Project) -> None:
    program = """
        local outer = require("outer")
        local function message(t, v) local _, e = t:is(v) return e and e:message() or "fine" end
        return {
          message(outer.Order, { items = { { sku = "abc", count = 1 } }, status = "on" }),
          message(outer.Order, { items = { { sku = "ab", count = 1 } }, status = "on" }),
          message(outer.Order, { items = { { sku = "abc", count = 0 } }, status = "on" }),
          message(outer.Item, { sku = "abc" }),
          message(outer.inner.Item, { sku = "abc", count = 1.5 }),
          message(outer.Status, "x"),
          message(outer.Box(number), { value = "x" }),
          tostring(outer.Order), outer.Item == outer.inner.Item,
        }
    """
    assert two_levels(project).run(program, imports={"outer": "app:outer"}) == [
        "fine",
        "items[1].sku: length below minimum",
        "items[1].count: value below minimum",
        "count: required field missing",
        "count: expected integer, got number",
        "expected Status, got string",
        "value: expected number, got string",
        "Order",
        True,
    ]


def test_library_types_two_levels_deep_as_annotations(project: Project) -> None:
    top = """
        local outer = require("outer")
        type Batch = { orders: {outer.Order}, first: outer.Item, status: outer.Status? }
    """
    program = """
        local function take(order: outer.Order): outer.Item return order.items[1] end
        local function message(v) local _, e = Batch:is(v) return e and e:message() or "fine" end
        local good = { sku = "abc", count = 1 }
        return {
          take({ items = { "first" } }),
          message({ orders = {}, first = good }),
          message({ orders = {}, first = { sku = "ab", count = 1 } }),
          message({ orders = { { items = {}, status = "no" } }, first = good }),
          message({ orders = { { items = { good, { sku = "abc", count = -1 } }, status = "on" } }, first = good }),
        }
    """
    assert two_levels(project).run(program, top=top, imports={"outer": "app:outer"}) == [
        "first",
        "fine",
        "first.sku: length below minimum",
        "orders[1].status: expected Status, got string",
        "orders[1].items[2].count: value below minimum",
    ]


def test_types_are_found_under_the_alias_an_importer_chooses(project: Project) -> None:
    project.library("models", "type User = { name: string }\nreturn { User = User }")
    top = 'local m = require("things")\ntype T = { user: m.User }'
    program = "local _, e = T:is({ user = {} }) return e:message()"
    assert project.run(program, top=top, imports={"things": "app:models"}) == "user.name: required field missing"


def test_two_libraries_with_one_type_name_keep_their_own(project: Project) -> None:
    library = "type T = {} return {{ check = function(v) return (T:is(v)) ~= nil end, T = T }}"
    project.library("a", library.format("string"))
    project.library("b", library.format("number"))
    program = """
        local a, b = require("a"), require("b")
        return { a.check("x"), a.check(1), b.check(1), b.check("x"), (T:is(true)), a.T == b.T }
    """
    found = project.run(program, top="type T = boolean", imports={"a": "app:a", "b": "app:b"})
    assert found == [True, False, True, False, True, False]


def test_a_global_of_that_name_hides_a_type(project: Project) -> None:
    program = """
        Clash = 5
        return { _G.Clash, (T:is("x")) }
    """
    assert project.run(program, top="type T = string\ntype Other = number") == [5, "x"]


def test_qualified_types_of_an_unknown_module_are_unresolved(project: Project) -> None:
    program = "local v, e = T:is({ x = 1 }) return { v == nil, type(e) }"
    assert project.run(program, top="type T = { x: nowhere.Thing }") == [True, "userdata"]
