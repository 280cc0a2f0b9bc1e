# ruff: noqa: E501 (guest programs of one line)
"""The acceptance bullets of `json`, `yaml`, `base64`, `hash` and `uuid` (spec 04b §1-3, §12, §14), by an application."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any

import pytest

from language.project import Project

FAILURE = """
local function failure(v, e)
  return { value = v == nil, kind = e:kind(), retryable = e:retryable(), message = e:message() }
end
"""


def run(project: Project, body: str, *args: Any) -> Any:
    modules = ["json", "yaml", "base64", "hash", "uuid"]
    return project.run(body, *args, top=FAILURE, modules=modules)


def failure(project: Project, call: str) -> tuple[str, bool, str]:
    found = run(project, f"return failure({call})")
    assert found["value"] is True
    return found["kind"], found["retryable"], found["message"]


# json


@pytest.mark.parametrize(
    "value",
    [True, False, 0, 42, -7, 2**53, 1.5, -0.25, "", "text", "é😀", [], [1, "two", False], {"a": 1, "b": {"c": [1, 2]}}],
    ids=repr,
)
def test_json_scalars_arrays_and_objects_both_ways(project: Project, value: Any) -> None:
    text = json.dumps(value)
    body = "local text = ... local v = json.decode(text) return { json.encode(v), math.type(v) or type(v) }"
    encoded, kind = run(project, body, text)
    kinds = {int: "integer", float: "float", bool: "boolean", str: "string", list: "table", dict: "table"}
    assert json.loads(encoded) == value and kind == kinds[type(value)]


def test_json_nil_and_null(project: Project) -> None:
    body = "return { json.encode(nil), json.decode('null') == nil, json.decode('{\"a\":null}').a == nil }"
    assert run(project, body) == ["null", True, True]


def test_json_an_empty_table_is_an_array_unless_it_was_an_object(project: Project) -> None:
    body = "return { json.encode({}), json.encode(json.decode('{}')), json.encode({ a = json.decode('[{}]') }) }"
    assert run(project, body) == ["[]", "{}", '{"a":[{}]}']


@pytest.mark.parametrize("table", ["{ [1] = 1, [3] = 3 }", "{ 1, nil, 3 }", "{ 1, a = 2 }", "{ [2] = 1 }"])
def test_json_sparse_and_mixed_tables_are_internal_and_not_retryable(project: Project, table: str) -> None:
    assert failure(project, f"json.encode({table})")[:2] == ("Internal", False)


@pytest.mark.parametrize(
    ("argument", "kind"), [("''", "Invalid"), ("5", "Invalid"), ("nil", "Invalid"), ("'not json'", "Internal")]
)
def test_json_decoding_what_is_no_json(project: Project, argument: str, kind: str) -> None:
    assert failure(project, f"json.decode({argument})")[:2] == (kind, False)


def test_json_round_trip_of_nested_data_and_of_texts_with_line_ends(project: Project) -> None:
    value = {"list": [{"deep": [[1, 2], []]}, "a\nb\r\tc\\\"'"], "n": 1.25, "yes": True, "<&>": "\u2028"}
    body = "local v, text = ... return { json.encode(json.decode(json.encode(v))), json.encode(json.decode(text)) }"
    assert [json.loads(text) for text in run(project, body, value, json.dumps(value))] == [value, value]


def test_json_validation(project: Project) -> None:
    body = """
        local schema = { type = "object", required = { "name" }, properties = { name = { type = "string" }, age = { type = "integer" } } }
        local text = json.encode(schema)
        local function verdict(...)
          local ok, e = ...
          return { ok, select("#", ...), e and e:kind() or "none", e and e:message() or "" }
        end
        return {
          verdict(json.validate(schema, { name = "x", age = 5 })),
          verdict(json.validate(schema, { age = 5 })),
          verdict(json.validate(schema, { name = 5 })),
          verdict(json.validate(text, { name = "x" })),
          verdict(json.validate(text, {})),
          verdict(json.validate(schema, nil)),
          verdict(json.validate(nil, {})),
          verdict(json.validate_string(schema, '{"name": "x"}')),
          verdict(json.validate_string(text, '{"name": 1}')),
          verdict(json.validate(schema, {})),
        }
    """
    good, missing, wrong, by_text, text_missing, no_data, no_schema, string, bad_string, empty = run(project, body)
    assert good == by_text == string == [True, 1, "none", ""]
    for found in (missing, wrong, text_missing, bad_string, empty):
        assert found[:3] == [False, 2, "Invalid"]
    assert no_data[:3] == [False, 2, "Invalid"] and "data is required" in no_data[3]
    assert no_schema[:3] == [False, 2, "Invalid"] and "schema is required" in no_schema[3]


# yaml


def test_yaml_both_ways_with_and_without_options(project: Project) -> None:
    body = """
        local v = { name = "x", list = { 1, 2.5, "three" }, map = { on = true, empty = {} } }
        local plain = yaml.encode({ b = { c = 1, a = { d = 2 } }, a = "x" })
        local ordered = yaml.encode({ b = 1, name = "n", a = { z = 1, name = 2 } }, { field_order = { "name" }, sort_unordered = true })
        return { plain, yaml.decode(yaml.encode(v)), ordered, yaml.decode("when: 2024-01-02\\n5: five\\nnone: null\\nn: 3") }
    """
    plain, back, ordered, decoded = run(project, body)
    assert plain == "a: x\nb:\n    a:\n        d: 2\n    c: 1\n"
    assert back == {"name": "x", "list": [1, 2.5, "three"], "map": {"on": True, "empty": {}}}
    assert ordered == "name: n\na:\n  name: 2\n  z: 1\nb: 1\n"
    assert decoded == {"when": 1704153600, "5": "five", "n": 3}


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("yaml.encode('x')", "Invalid"),
        ("yaml.encode(nil)", "Invalid"),
        ("yaml.decode('')", "Invalid"),
        ("yaml.decode(5)", "Invalid"),
        ("yaml.decode('a: [1')", "Internal"),
        ("yaml.decode('18446744073709551615')", "Internal"),
    ],
)
def test_yaml_refuses(project: Project, call: str, kind: str) -> None:
    assert failure(project, call)[:2] == (kind, False)
    if call == "yaml.encode('x')":
        assert failure(project, call)[2] == "table expected"


# base64


@pytest.mark.parametrize("data", ["", "a", "ab", "abc", "é\n\x00", "x" * 1000])
def test_base64_both_ways_with_padding(project: Project, data: str) -> None:
    expected = base64.b64encode(data.encode()).decode()
    body = (
        "local s = ... return { base64.encode(s), base64.decode(base64.encode(s)), select('#', base64.decode('YQ==')) }"
    )
    assert run(project, body, data) == [expected, data, 1]


def test_base64_of_all_bytes_and_with_line_ends(project: Project) -> None:
    body = """
        local bytes = {}
        for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
        local all = table.concat(bytes)
        return { base64.decode(base64.encode(all)) == all, base64.decode("aGVs\\r\\nbG8=\\n") }
    """
    assert run(project, body) == [True, "hello"]


@pytest.mark.parametrize(("argument", "text"), [("5", ""), ("nil", ""), ("'!!!'", "illegal base64"), ("'YQ'", "illegal base64")])  # fmt: skip
def test_base64_refuses(project: Project, argument: str, text: str) -> None:
    kind, retryable, message = failure(project, f"base64.decode({argument})")
    assert (kind, retryable) == ("Invalid", False) and text in message


# hash


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("data", ["hello", ""])
def test_hash_known_digests_lengths_and_raw(project: Project, algorithm: str, data: str) -> None:
    body = f"""
        local data = ...
        local raw, keyed_raw = hash.{algorithm}(data, true), hash.hmac_{algorithm}(data, "key", true)
        local function hex(s) return (s:gsub(".", function(c) return string.format("%02x", c:byte()) end)) end
        return {{ hash.{algorithm}(data), hex(raw), #raw, hash.hmac_{algorithm}(data, "key"), hex(keyed_raw) }}
    """
    expected = hashlib.new(algorithm, data.encode()).hexdigest()
    keyed = hmac.new(b"key", data.encode(), algorithm).hexdigest()
    assert run(project, body, data) == [expected, expected, len(expected) // 2, keyed, keyed]
    assert len(expected) == {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}[algorithm]


def test_hash_is_deterministic_and_tells_inputs_and_keys_apart(project: Project) -> None:
    body = """
        return {
          hash.sha256("a") == hash.sha256("a"), hash.sha256("a") ~= hash.sha256("b"), hash.fnv32("a") ~= hash.fnv32("b"),
          hash.hmac_sha256("a", "k") ~= hash.hmac_sha256("a", "l"), hash.hmac_sha256("a", "k") ~= hash.hmac_sha256("k", "a"),
          hash.fnv32("hello"), math.type(hash.fnv64("hello")),
        }
    """
    assert run(project, body) == [True] * 5 + [3069866343.0, "float"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("hash.md5(5)", "data must be a string"),
        ("hash.fnv64({})", "data must be a string"),
        ("hash.hmac_sha512('x', nil)", "secret must be a string"),
        ("hash.hmac_sha512(nil, 'x')", "data must be a string"),
    ],
)
def test_hash_refuses(project: Project, call: str, message: str) -> None:
    assert failure(project, call) == ("Invalid", False, message)


# uuid

DNS = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def test_uuid_new_identifiers_are_valid_lower_case_and_unique(project: Project) -> None:
    body = """
        local out, seen, different = {}, {}, 0
        for _, name in ipairs { "v1", "v4", "v7" } do
          local id = uuid[name]()
          out[#out + 1] = { #id, id == id:lower(), uuid.validate(id), uuid.version(id), uuid.variant(id) }
        end
        for _ = 1, 50 do
          local id = uuid.v4()
          if not seen[id] then seen[id], different = true, different + 1 end
        end
        return { out, different }
    """
    out, different = run(project, body)
    assert out == [[36, True, True, version, "RFC4122"] for version in (1, 4, 7)]
    assert different == 50


def test_uuid_of_names_is_deterministic_and_differs_by_version(project: Project) -> None:
    body = "local ns = ... return { uuid.v3(ns, 'a'), uuid.v3(ns, 'a'), uuid.v5(ns, 'a'), uuid.v5(ns, 'a'), uuid.v5(ns, 'b') }"
    v3, v3_again, v5, v5_again, other = run(project, body, DNS)
    space = uuid.UUID(DNS)
    assert v3 == v3_again == str(uuid.uuid3(space, "a")) and v5 == v5_again == str(uuid.uuid5(space, "a"))
    assert len({v3, v5, other}) == 3


def test_uuid_parse_of_version_1_has_time_and_node_and_version_4_has_none(project: Project) -> None:
    body = """
        local one, four, seven = uuid.parse(uuid.v1()), uuid.parse(uuid.v4()), uuid.parse(uuid.v7())
        return {
          one.version, one.variant, math.abs(one.timestamp - os.time()) < 100, #one.node,
          four.version, four.timestamp == nil, four.node == nil,
          math.abs(seven.timestamp - os.time()) < 100, seven.node == nil,
        }
    """
    assert run(project, body) == [1, "RFC4122", True, 6, 4, True, True, True, True]


def test_uuid_format_variants(project: Project) -> None:
    body = "local id = ... return { uuid.format(id), uuid.format(id, 'standard'), uuid.format(id, 'simple'), uuid.format(id, 'urn') }"
    assert run(project, body, DNS.upper()) == [DNS, DNS, DNS.replace("-", ""), f"urn:uuid:{DNS}"]


@pytest.mark.parametrize(
    "call",
    [
        "uuid.v3('bad', 'x')", "uuid.v5(nil, 'x')", "uuid.version('bad')", "uuid.version(5)", "uuid.variant({})",
        "uuid.variant('')", "uuid.parse('bad')", "uuid.parse(nil)", "uuid.format('bad')", "uuid.format(uuid.v4(), 'bad')",
    ],
)  # fmt: skip
def test_uuid_every_invalid_input_is_invalid(project: Project, call: str) -> None:
    assert failure(project, call)[:2] == ("Invalid", False)


def test_uuid_validate_takes_any_value(project: Project) -> None:
    body = """
        local id = ...
        local out = {}
        for i, v in ipairs { id, id:gsub("-", ""), "urn:uuid:" .. id, "{" .. id .. "}" } do out[i] = uuid.validate(v) end
        return { out, uuid.validate(5), uuid.validate(nil), uuid.validate({}), uuid.validate(id:sub(1, 35)), uuid.validate(id .. "0") }
    """
    body = body.replace('id:gsub("-", "")', '(id:gsub("-", ""))')
    assert run(project, body, DNS) == [[True] * 4, False, False, False, False, False]
