"""Modules base64, hash and uuid (spec 04b §3, §12, §14)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid

import pytest

from lua.modules.guest import check

BYTES = bytes(range(256))


def test_base64_round_trip_of_text_and_bytes() -> None:
    assert check("return base64.encode('hello')") == "aGVsbG8="
    assert check("return base64.encode(...)", BYTES) == base64.b64encode(BYTES).decode()
    assert check("return base64.decode(base64.encode(...))", BYTES) == BYTES
    assert check("return {base64.encode(''), base64.decode('')}") == ["", ""]


def test_base64_ignores_line_ends_and_returns_one_value() -> None:
    assert check("return base64.decode('aGVs\\r\\nbG8=\\n')") == "hello"
    assert check("return select('#', base64.encode('x')) + select('#', base64.decode('eA=='))") == 2


@pytest.mark.parametrize("text", ["a", "abc", "====", "a-b_", "aGVsbG8", "aGVsbG8=x"])
def test_base64_refuses_bad_input(text: str) -> None:
    assert check(
        "local v, e = base64.decode(...) return {v == nil, e:kind(), e:message():find('illegal base64') ~= nil}", text
    ) == [
        True,
        "Invalid",
        True,
    ]


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_base64_of_what_is_no_text_is_invalid(name: str) -> None:
    assert check(f"local v, e = base64.{name}(42) return {{v == nil, e:kind(), e:retryable()}}") == [
        True,
        "Invalid",
        False,
    ]


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("data", ["hello", ""])
def test_digests(name: str, data: str) -> None:
    expected = hashlib.new(name, data.encode())
    assert check(f"return hash.{name}(...)", data) == expected.hexdigest()
    assert check(f"local d = hash.{name}(..., true) return {{#d, base64.encode(d)}}", data) == [
        expected.digest_size,
        base64.b64encode(expected.digest()).decode(),
    ]
    keyed = hmac.new(b"key", data.encode(), name).hexdigest()
    assert check(f"return hash.hmac_{name}(..., 'key')", data) == keyed
    assert check(f"return hash.hmac_{name}(..., 'other')", data) != keyed


def test_digest_of_raw_bytes() -> None:
    assert check("return hash.sha256(...)", BYTES) == hashlib.sha256(BYTES).hexdigest()


def test_fnv_is_a_float() -> None:
    assert check("return {hash.fnv32('hello'), math.type(hash.fnv32(''))}") == [0xB6FA7167, "float"]
    assert check("return hash.fnv64('hello')") == float(0x7B495389BDBDD4C7)
    assert check("return hash.fnv64('')") == float(0xCBF29CE484222325)
    assert check("return hash.fnv32(('x'):rep(10000))") == _fnv32(b"x" * 10000)


def _fnv32(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = value * 0x01000193 & 0xFFFFFFFF ^ byte
    return value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("hash.md5(42)", "data must be a string"),
        ("hash.hmac_sha256({}, 'k')", "data must be a string"),
        ("hash.hmac_sha256('d')", "secret must be a string"),
        ("hash.fnv64()", "data must be a string"),
    ],
)
def test_hash_arguments_are_checked_as_results(call: str, message: str) -> None:
    assert check(f"local v, e = {call} return {{v == nil, e:kind(), e:message()}}") == [True, "Invalid", message]


def test_new_identifiers_have_their_version_and_are_unique() -> None:
    found = check(
        "local out = {} for i = 1, 50 do out[i] = uuid.v4() end out[51], out[52] = uuid.v1(), uuid.v7() return out"
    )
    parsed = [uuid.UUID(text) for text in found]
    assert len(set(parsed)) == 52
    assert [u.version for u in parsed] == [4] * 50 + [1, 7]
    assert {u.variant for u in parsed} == {uuid.RFC_4122}
    assert all(len(text) == 36 and text == text.lower() for text in found)


def test_version_7_sorts_by_creation_and_version_1_tells_the_time() -> None:
    found = check("local out = {} for i = 1, 200 do out[i] = uuid.v7() end return out")
    assert found == sorted(found)
    stamps = check("return {uuid.parse(uuid.v1()).timestamp, uuid.parse(uuid.v7()).timestamp}")
    assert all(abs(stamp - time.time()) < 5 for stamp in stamps)


def test_name_based_identifiers() -> None:
    space = str(uuid.NAMESPACE_DNS)
    assert check("return uuid.v3(..., 'example.com')", space) == str(uuid.uuid3(uuid.NAMESPACE_DNS, "example.com"))
    assert check("return uuid.v5(..., 'example.com')", space) == str(uuid.uuid5(uuid.NAMESPACE_DNS, "example.com"))


def test_validate_takes_any_value() -> None:
    good = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    forms = [good, good.upper(), good.replace("-", ""), f"urn:uuid:{good}", f"{{{good}}}"]
    assert (
        check("local out = {} for i, v in ipairs(...) do out[i] = uuid.validate(v) end return out", forms) == [True] * 5
    )
    assert (
        check(
            "local out = {} for i, v in ipairs(...) do out[i] = uuid.validate(v) end return out",
            [good[:-1], good + "0", "", "x" * 36],
        )
        == [False] * 4
    )
    assert (
        check("return {uuid.validate(1), uuid.validate(nil), uuid.validate({}), uuid.validate(print)}") == [False] * 4
    )


def test_parse_reads_version_variant_time_and_node() -> None:
    found = check("local p = uuid.parse(uuid.v1()) return {p.version, p.variant, #p.node, math.type(p.timestamp)}")
    assert found == [1, "RFC4122", 6, "integer"]
    assert check("local p = uuid.parse(uuid.v4()) return p") == {"version": 4, "variant": "RFC4122"}


def test_format_writes_the_three_forms() -> None:
    text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    assert check(
        (
            "local u = ... return {uuid.format(u), uuid.format(u, 'simple'), uuid.format(u, 'urn'), "
            "uuid.version(u), uuid.variant(u)}"
        ),
        text,
    ) == [
        text,
        text.replace("-", ""),
        f"urn:uuid:{text}",
        1,
        "RFC4122",
    ]


@pytest.mark.parametrize(
    "call",
    [
        "v3('bad', 'x')",
        "v5(42, 'x')",
        "v5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 42)",
        "version('bad')",
        "version(42)",
        "variant('')",
        "parse('bad')",
        "format('bad')",
        "format('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'other')",
    ],
)
def test_invalid_identifiers_are_invalid(call: str) -> None:
    assert check(f"local v, e = uuid.{call} return {{v == nil, e:kind(), e:retryable()}}") == [True, "Invalid", False]
