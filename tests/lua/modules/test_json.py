"""Module json (spec 04b §1)."""

from __future__ import annotations

import json
import math

import pytest

from lua.modules.guest import check

FAILURE = (
    "local v, e = {} return {{ v = v, kind = e and e:kind(), retry = e and e:retryable(), text = e and e:message() }}"
)


def failure(call: str) -> dict[str, object]:
    found = check(FAILURE.format(call))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("nil", "null"),
        ("true", "true"),
        ("42", "42"),
        ("-9223372036854775807 - 1", "-9223372036854775808"),
        ("10 / 2", "5"),
        ("0.1", "0.1"),
        ("1e21 + 0.0", "1" + "0" * 21),
        ("1.5e-7", "0.00000015"),
        ("0/0", "null"),
        ("1/0", "null"),
        ("'a\\nb'", '"a\\nb"'),
        ("'<a&b>'", '"\\u003ca\\u0026b\\u003e"'),
        ("'\\226\\128\\168'", '"\\u2028"'),
        ("'\\255x'", '"�x"'),
        ("'é'", '"é"'),
        ("'\\1'", '"\\u0001"'),
        ("{}", "[]"),
        ("{1, 2, {3}}", "[1,2,[3]]"),
        ("{a = {b = 'c'}}", '{"a":{"b":"c"}}'),
        ("print", "null"),
        ("{f = print}", '{"f":null}'),
        ("errors.new('bad')", '"bad"'),
        ("time.now()", "null"),
    ],
)
def test_value_is_encoded(expression: str, text: str) -> None:
    assert check(f"return json.encode({expression})") == text


def test_whole_floats_inside_structures_have_no_fraction() -> None:
    assert check("return json.encode({3.0, x and 1 or 2.5})") == "[3,2.5]"


@pytest.mark.parametrize(
    "expression",
    ["{[1] = 1, [3] = 3}", "{[2] = 1}", "{1, a = 2}", "{[0] = 1}", "{[true] = 1}", "{1, nil, 3}"],
)
def test_sparse_and_mixed_tables_are_internal_errors(expression: str) -> None:
    found = failure(f"json.encode({expression})")
    assert (found.get("v"), found["kind"], found["retry"]) == (None, "Internal", False)


def test_cycle_is_an_internal_error_but_a_shared_table_is_not() -> None:
    assert check("local t = {} t.t = t local _, e = json.encode(t) return e:kind()") == "Internal"
    assert json.loads(check("local t = {1} return json.encode({t, t})")) == [[1], [1]]


def test_nesting_beyond_128_levels_is_an_internal_error_both_ways() -> None:
    nested = "local t = {1} for i = 2, N do t = {t} end local v, e = json.encode(t) return e and e:kind() or 'ok'"
    assert check(nested.replace("N", "128")) == "ok"
    assert check(nested.replace("N", "129")) == "Internal"
    decode = "local v, e = json.decode(('['):rep(N) .. (']'):rep(N)) return e and e:kind() or 'ok'"
    assert check(decode.replace("N", "128")) == "ok"
    assert check(decode.replace("N", "129")) == "Internal"


def test_metatables_of_guests_are_not_consulted() -> None:
    source = (
        "return json.encode(setmetatable({a = 1}, {__index = function() error('ran') end, __len "
        "= function() error('ran') end}))"
    )
    assert check(source) == '{"a":1}'


def test_empty_object_stays_an_object_through_a_round_trip() -> None:
    assert check('return json.encode(json.decode(\'{"a": {}, "b": []}\').a)') == "{}"
    assert check("local t = json.decode('{}') t.x = 1 return json.encode(t)") == '{"x":1}'
    assert check("local t = json.decode('{}') t[1] = 1 return json.encode(t)") == "[1]"


def test_a_decoded_empty_object_can_get_a_metatable() -> None:
    source = "local t = json.decode('{}') return {getmetatable(t) == nil, setmetatable(t, {__index = {x = 1}}).x}"
    assert check(source) == [True, 1]
    assert "t:f1" in check("local ok, e = pcall(function() local t = setmetatable(1, {}) return t end) return e")


def test_decoding_keeps_the_number_subtypes() -> None:
    found = check(
        "local v = json.decode('[1, 1.0, 1e2, -0, 9223372036854775807]') local out = {} "
        "for i = 1, 5 do out[i] = math.type(v[i]) end out[6] = v[5] return out"
    )
    assert found == ["integer", "float", "float", "integer", "integer", 2**63 - 1]


def test_decoding_scalars_texts_and_structures() -> None:
    document = {"a": [1, 2.5, 'x\n"\\/\b\f\r\té€😀', True, False], "b": {"c": {"d": "e"}}, "f": ""}
    assert check("return json.decode(...)", json.dumps(document)) == document
    assert check("return json.decode(...)", json.dumps(document, ensure_ascii=False, indent=2)) == document


def test_null_is_absent_in_objects_and_a_hole_in_arrays() -> None:
    assert check(
        'local v = json.decode(\'{"a": null, "b": [1, null, 3]}\') return {v.a == nil, v.b[2] == nil, v.b[3]}'
    ) == [
        True,
        True,
        3,
    ]
    assert check("local v, e = json.decode('null') return v == nil and e == nil") is True


def test_lone_surrogates_become_the_replacement_character() -> None:
    assert check(r"return json.decode('\"\\ud800x\"')") == "�x"


def test_only_the_first_value_is_read() -> None:
    assert check("return json.decode('[1] trailing')") == [1]


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "{",
        "[1,]",
        "{'a':1}",
        '{"a":1,"a":2}',
        '{"a":null,"a":2}',
        "01",
        "1.",
        "1e",
        '"\\x"',
        '"a\nb"',
        "tru",
        "[1 2]",
        '{"a" 1}',
        "-",
    ],
)
def test_malformed_text_is_an_internal_error(text: str) -> None:
    assert check("local v, e = json.decode(...) return {v == nil, e:kind(), e:retryable()}", text) == [
        True,
        "Internal",
        False,
    ]


@pytest.mark.parametrize("argument", ["''", "nil", "42", "{}"])
def test_decoding_what_is_no_text_is_invalid(argument: str) -> None:
    found = failure(f"json.decode({argument})")
    assert (found["kind"], found["retry"]) == ("Invalid", False)


@pytest.mark.parametrize("value", [0.1, 1e300, 5e-324, 123456789.123, 1 / 3, 2.0**70])
def test_floats_survive_a_round_trip(value: float) -> None:
    text = check("return json.encode(...)", value)
    assert float(text) == value
    assert "e" not in text


def test_large_documents_are_preempted_and_survive_interleaving() -> None:
    source = (
        "local t = {} for i = 1, 20000 do t[i] = {id = i, name = 'n' .. i} end local text = json.encode(t) "
        "local back = json.decode(text) return {#back, back[20000].name, math.type(back[1].id)}"
    )
    from lua.modules.guest import Guest, run

    async def both(guest: Guest) -> list[object]:
        import asyncio

        return await asyncio.gather(guest.run(source), guest.run(source))

    assert run(both) == [[20000, "n20000", "integer"]] * 2


SCHEMA = "{type = 'object', properties = {name = {type = 'string'}, age = {type = 'number'}}, required = {'name'}}"


def test_validation_of_values_and_texts() -> None:
    assert check(f"return json.validate({SCHEMA}, {{name = 'x', age = 3}})") is True
    assert check(f'return json.validate_string({SCHEMA}, \'{{"name": "x"}}\')') is True
    assert check('return json.validate(\'{"type": "array"}\', {1, 2})') is True


@pytest.mark.parametrize(
    "call",
    [
        f"json.validate({SCHEMA}, {{age = 3}})",
        f"json.validate({SCHEMA}, {{name = 3}})",
        f"json.validate_string({SCHEMA}, '{{}}')",
        f"json.validate_string({SCHEMA}, 'not json')",
        "json.validate({type = 'nonsense'}, 1)",
        "json.validate('not json', 1)",
        "json.validate({['$ref'] = 'http://127.0.0.1:9/x'}, 1)",
        "json.validate({['$ref'] = 'file:///etc/passwd'}, 1)",
    ],
)
def test_failed_validation_is_false_and_invalid(call: str) -> None:
    assert check(f"local ok, e = {call} return {{ok, e:kind(), e:retryable()}}") == [False, "Invalid", False]


def test_missing_schema_or_data_is_named() -> None:
    assert "schema is required" in check("local _, e = json.validate(nil, 1) return e:message()")
    assert "data is required" in check("local _, e = json.validate({type = 'string'}, nil) return e:message()")


def test_an_empty_table_is_a_list_as_well_as_an_object() -> None:
    assert check("return json.validate({type = 'object', properties = {}}, {})") is True
    assert check("return json.validate({type = 'array'}, {})") is True


def test_format_is_an_annotation() -> None:
    assert check("return json.validate({type = 'string', format = 'email'}, 'no address')") is True


def test_module_is_immutable() -> None:
    assert "Immutable" in check("local ok, e = pcall(function() json.encode = 1 end) return e")


def test_infinity_and_nan_inside_structures_are_null() -> None:
    assert json.loads(check("return json.encode({1/0, -1/0, 0/0})")) == [None, None, None]
    assert math.isinf(check("return 1/0"))


def test_a_value_that_would_unfold_without_end_ends_its_process_only() -> None:
    import asyncio

    from lua.modules.guest import Guest, run
    from wippy.core.errors import Error

    async def program(guest: Guest) -> object:
        guest.node.shards[0].call("set_soft", 64.0 * (1 << 20))
        hostile = guest.run("local t = {1} for i = 1, 60 do t = {t, t} end return json.encode(t)")
        results = await asyncio.gather(hostile, guest.run("return json.encode({1})"), return_exceptions=True)
        assert isinstance(results[0], Error)
        return [results[1], await guest.run("return json.encode({2})")]

    assert run(program) == ["[1]", "[2]"]
