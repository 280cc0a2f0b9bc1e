# ruff: noqa: E501 (guest programs of one line)
"""Guest module `yaml` (spec 04b §2)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml as library

from lua.modules.guest import check


def encode(value: Any, options: str = "nil") -> str:
    return str(
        check(f"return yaml.encode(..., {options})", value)
        if options == "nil"
        else check(f"local v = ... return yaml.encode(v, {options})", value)
    )


def decode(text: str) -> Any:
    return check("return yaml.decode(...)", text)


def failure(call: str, *args: Any) -> list[Any]:
    return list(check(f"local v, e = {call} return {{v == nil, e:kind(), e:retryable(), e:message()}}", *args))


def test_keys_are_sorted_and_indented_by_four() -> None:
    assert encode({"b": 1, "a": {"d": True, "c": "x"}}) == "a:\n    c: x\n    d: true\nb: 1\n"


def test_options_order_fields_at_every_level_and_indent_by_two() -> None:
    value = {"z": 1, "meta": {"z": 2, "name": "n", "a": 3}, "name": "top"}
    options = "{field_order = {'name', 'meta', 'absent'}, sort_unordered = true}"
    assert encode(value, options) == "name: top\nmeta:\n  name: n\n  a: 3\n  z: 2\nz: 1\n"


def test_fields_outside_the_order_are_all_there_without_sorting() -> None:
    text = encode({"c": 1, "b": 2, "a": 3}, "{field_order = {'b'}}")
    assert text.startswith("b: 2\n") and library.safe_load(text) == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("{}", "{}\n"),
        ("{a = {}}", "a: {}\n"),
        ("{1, 'x', true}", "- 1\n- x\n- true\n"),
        ("{a = 5.0}", "a: 5\n"),
        ("{a = 1.5}", "a: 1.5\n"),
        ("{a = 'yes'}", "a: 'yes'\n"),
        ("{a = 'a\\nb\\n'}", "a: |\n    a\n    b\n"),
        ("{a = 'é'}", "a: é\n"),
        ("{[1] = 'a', [3] = 'c'}", "- a\n- null\n- c\n"),
        ("{1, x = 2}", "- 1\n"),
        ("{[0] = 'zero'}", '"0": zero\n'),
        ("{e = errors.new('bad')}", "e: bad\n"),
    ],
)
def test_what_values_look_like(expression: str, text: str) -> None:
    assert check(f"return yaml.encode({expression})") == text


TEXTS = [
    "",
    "null",
    "~",
    "true",
    "1",
    "0o17",
    "0x1f",
    "1_000",
    "1e3",
    ".5",
    ".inf",
    "2024-01-02",
    "<<",
    "- a",
    "a: b",
    "#x",
    " x ",
    "é\t",
    "a\n\nb",
    "|",
    "{",
    "*a",
    "&a",
    "!x",
    "%",
    "@",
    "`",
    "'",
    '"',
    "\x07",
    "yes",
    "0755",
]


def test_every_text_survives_a_round_trip() -> None:
    program = "local back = yaml.decode(yaml.encode({list = ...})) return back.list"
    assert check(program, TEXTS) == TEXTS
    keys = "local t = {} for i, s in ipairs(...) do t['k' .. s] = s end local b = yaml.decode(yaml.encode(t)) for k, v in pairs(b) do assert(k == 'k' .. v) end return true"
    assert check(keys, TEXTS) is True


def test_bytes_survive_a_round_trip() -> None:
    assert check("return yaml.decode(yaml.encode({b = '\\255\\0\\254'})).b == '\\255\\0\\254'") is True


@pytest.mark.parametrize(
    "value", [{"a": [1, {"b": [2.5, "x", False]}], "c": {"d": {"e": "f"}}}, [[1, 2], [3]], {"n": -(2**63)}]
)
def test_structures_survive_a_round_trip(value: Any) -> None:
    assert check("return yaml.decode(yaml.encode(...))", value) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 2.5, ~]\n", {"a": 1, "b": ["x", 2.5]}),
        ("yes", "yes"),
        ("0x1f", 31),
        ("5.0", 5.0),
        ("null", None),
        ("# nothing", None),
        ("1: a\ntrue: b\n~: c\n", {"1": "a", "true": "b", "~": "c"}),
        ("2024-01-02", 1704153600),
        ("2024-01-02T03:04:05Z", 1704164645),
        ("2024-01-02T03:04:05.5+01:00", 1704161045),
        ("'2024-01-02'", "2024-01-02"),
        ("2024-99-99", "2024-99-99"),
        ("9223372036854775807", 2**63 - 1),
        ("1e30", 1e30),
        ("99999999999999999999999", 1e23),
        ("a: &x {k: 1}\nb:\n  <<: *x\n  l: 2\n", {"a": {"k": 1}, "b": {"k": 1, "l": 2}}),
        ("--- 1\n--- 2\n", 1),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_decoding(text: str, value: Any) -> None:
    found = decode(text)
    assert found == value and type(found) is type(value)


def test_decoded_numbers_keep_their_subtype() -> None:
    assert check(
        "local v = yaml.decode('[1, 1.0, 1e2]') return {math.type(v[1]), math.type(v[2]), math.type(v[3])}"
    ) == [
        "integer",
        "float",
        "float",
    ]


@pytest.mark.parametrize(
    "text",
    ["a: [1", "a: b: c", "\t- x", "a: 1\na: 2", "9223372036854775808", "&a [*a]", "a: *missing", "'open", "[" * 100000],
)
def test_bad_yaml_is_internal(text: str) -> None:
    assert failure("yaml.decode(...)", text)[:3] == [True, "Internal", False]


def test_an_alias_bomb_is_refused_quickly() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert failure("yaml.decode(...)", text)[1] == "Internal"


@pytest.mark.parametrize("argument", ["''", "nil", "5", "{}"])
def test_decoding_what_is_no_text_is_invalid(argument: str) -> None:
    assert failure(f"yaml.decode({argument})")[:3] == [True, "Invalid", False]


@pytest.mark.parametrize("argument", ["nil", "'x'", "5", "errors.new('x')"])
def test_encoding_what_is_no_table_is_invalid(argument: str) -> None:
    assert failure(f"yaml.encode({argument})") == [True, "Invalid", False, "table expected"]


def test_sparse_and_cyclic_tables_do_not_encode() -> None:
    assert failure("yaml.encode({[1] = 1, [100000000] = 2})")[1] == "Internal"
    assert failure("(function() local t = {} t.t = t return yaml.encode(t) end)()")[1] == "Internal"
