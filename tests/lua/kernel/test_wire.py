"""The byte form of values: to the host and back, and between shards."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wippy.core.errors import Error
from wippy.lua.wire import decode, encode, encode_list

from .driver import Driver, main

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
TEXTS = st.text() | st.binary()
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS
KEYS = st.text(min_size=1) | st.floats(allow_nan=False).filter(
    lambda v: v != math.floor(v) if math.isfinite(v) else True
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner.filter(lambda v: v is not None), min_size=1, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)

ENTRIES: dict[str, Any] = {
    "t:echo": main("return ...", pool=1),
    "t:far": main("local m = process.inbox():receive() process.send(m:from(), 'back', m:payload():data())"),
}
ONE = Driver(ENTRIES)


def expected(value: Any) -> Any:
    """What comes back: bytes that are UTF-8 are text, empty tables are maps, nil values are absent."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [expected(v) for v in value]
    if isinstance(value, dict):
        return {k: expected(v) for k, v in value.items() if v is not None}
    return value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, float) and isinstance(b, float):
        return math.copysign(1, a) == math.copysign(1, b) and a == b
    return type(a) is type(b) and a == b


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_values_of_the_host_come_back_as_they_were(value: Any) -> None:
    result, error = ONE.call("t:echo", value)
    assert error is None
    assert same(result, expected(value)), (value, result)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_kernel_text_is_what_the_host_would_write(value: Any) -> None:
    body = ONE.lua("local S, text = ... return S.encode(false, S.decode_list(text))", encode_list([value]))
    assert same(decode(body), [expected(value)])


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_text_between_shards_keeps_every_value(value: Any) -> None:
    body = ONE.lua("local S, text = ... return S.encode(true, S.decode_list(text))", encode_list([value]))
    again = ONE.lua("local S, text = ... return S.encode(false, S.decode_list(text, true))", body)
    assert same(decode(again), [expected(value)])


def test_shared_parts_and_cycles_cross_shards() -> None:
    driver = Driver(dict(ENTRIES), shards=2)
    body = """
        local pid = process.spawn("t:far", "t:away")
        local part = { 1, 2.0, "\\255" }
        local t = { part, part, n = 5, e = errors.new({ message = "m", kind = "K" }) }
        t.self, t[t] = t, part
        process.send(pid, "x", t)
        local c = process.inbox():receive():payload():data()
        return { c.self == c, c[1] == c[2], c[c] == c[1], c[1] ~= part, math.type(c[1][1]), math.type(c[1][2]),
          c[1][3] == "\\255",
          c.n, c.e:kind(), c.e:message() }"""
    assert driver.do(body) == [True, True, True, True, "integer", "float", True, 5, "K", "m"]


def test_handles_functions_and_metatables_do_not_cross_shards() -> None:
    driver = Driver(dict(ENTRIES), shards=2)
    body = """
        local pid = process.spawn("t:far", "t:away")
        process.send(pid, "x", setmetatable({ c = channel.new(), f = print, a = 1, [channel.new()] = 1 }, {
          __index = { b = 1 } }))
        local c, n = process.inbox():receive():payload():data(), 0
        for _ in pairs(c) do n = n + 1 end
        return { n, c.a, c.b == nil }"""
    assert driver.do(body) == [1, 1, True]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("local t = {} t.t = t return t", "nested too deep"),
        ("local t = {} for i = 1, 300 do t = { t } end return t", "nested too deep"),
        ("local t = { 1 } for i = 1, 60 do t = { t, t } end return t", "too large"),
    ],
)
def test_what_has_no_byte_form_is_an_error_of_its_process(body: str, message: str) -> None:
    driver = Driver({})
    pid = driver.start(driver.define(body))
    driver.until(lambda: pid in driver.exits, 20)
    assert message in driver.exits[pid][1].message


def test_errors_cross_with_kind_retryable_and_details() -> None:
    error = Error("NotFound", "m", True, {"list": [1, 2], "text": "x"})
    result, failed = ONE.call("t:echo", error)
    assert failed is None
    assert (result.kind, result.message, result.retryable, result.details) == ("NotFound", "m", True, error.details)


def test_host_refuses_what_has_no_data_form() -> None:
    for value in (object(), 2**70, {1, 2}.__class__):
        with pytest.raises(Error):
            encode(value)


@pytest.mark.parametrize("size", [0, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_every_length_of_header(size: int) -> None:
    for value in ("x" * size, b"\xff" * size, list(range(size)), {str(i): i for i in range(size)}):
        if value in ([], b""):
            continue
        result, error = ONE.call("t:echo", value)
        assert error is None
        assert result == value


@pytest.mark.parametrize(
    "value", [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, -1, -32, -33, -128, -(2**31), -(2**63)]
)
def test_every_width_of_integer(value: int) -> None:
    assert ONE.call("t:echo", value)[0] == value
    assert isinstance(ONE.call("t:echo", float(value))[0], float)
