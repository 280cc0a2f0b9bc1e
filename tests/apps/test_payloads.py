"""Payloads and their formats (spec 03 §4 `payload`, §20 "Context, events, payload")."""

from __future__ import annotations

import pytest

from apps.guest import App

VALUE = '{ name = "ada", list = { 1, 2.5, "x" }, nested = { ok = true, none = {} } }'


def run(body: str) -> object:
    return App().run(body)


def test_formats_are_constants() -> None:
    assert run("return payload.format") == {
        "JSON": "json/plain",
        "YAML": "yaml/plain",
        "STRING": "text/plain",
        "BYTES": "application/octet-stream",
        "MSGPACK": "application/msgpack",
        "LUA": "lua/any",
        "GOLANG": "golang/any",
        "ERROR": "golang/error",
    }


@pytest.mark.parametrize("value", ["1", "2.5", "'text'", "true", "false", VALUE])
def test_new_holds_any_value(value: str) -> None:
    body = f"local p = payload.new({value}) return {{ p:get_format(), p:data(), p:unmarshal(), tostring(p) }}"
    plain = run(f"return {{ {value} }}")
    assert isinstance(plain, list)
    assert run(body) == ["lua/any", plain[0], plain[0], "payload{format=lua/any}"]


def test_an_error_has_a_format_of_its_own() -> None:
    assert run(
        """
        local p = payload.new(errors.new({ kind = errors.TIMEOUT, message = "late" }))
        return { p:get_format(), p:data():kind(), tostring(p:data()), p:transcode(payload.format.STRING):data() }
        """
    ) == ["golang/error", "Timeout", "late", "late"]


@pytest.mark.parametrize("name", ["JSON", "YAML", "MSGPACK", "GOLANG", "LUA"])
def test_round_trips(name: str) -> None:
    body = f"""
        local value = {VALUE}
        local p = payload.new(value):transcode(payload.format.{name})
        local back = p:transcode(payload.format.LUA)
        return {{ p:get_format() == payload.format.{name}, back:get_format(), back:data(), p:unmarshal() }}
    """
    value = {"name": "ada", "list": [1, 2.5, "x"], "nested": {"ok": True, "none": {}}}
    found = run(body)
    assert isinstance(found, list)
    assert found[:2] == [True, "lua/any"]
    for decoded in found[2:]:
        assert {**decoded, "nested": {**decoded["nested"], "none": decoded["nested"]["none"] or {}}} == value


def test_from_one_text_to_another() -> None:
    assert run(
        """
        local yaml = payload.new({ a = { 1, 2 } }):transcode(payload.format.JSON):transcode(payload.format.YAML)
        local packed = yaml:transcode(payload.format.MSGPACK)
        return { yaml:get_format(), yaml:data(), packed:data(), payload.new("plain"):transcode("yaml/plain"):data() }
        """
    ) == ["yaml/plain", {"a": [1, 2]}, {"a": [1, 2]}, "plain"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("12", "12"), ("5.0", "5"), ("0.5", "0.5"), ("true", "true"), ("false", "false"), ("nil", ""), ("'x'", "x")],
)
def test_texts_of_scalars(value: str, text: str) -> None:
    body = f"""
        local p = payload.new({value})
        return {{ p:transcode(payload.format.STRING):data(), p:transcode(payload.format.BYTES):data() }}
    """
    assert run(body) == [text, text]


@pytest.mark.parametrize("target", ["nothing/known", "golang/error", ""])
def test_an_unknown_or_impossible_target_is_an_error(target: str) -> None:
    body = f"""
        local p, err = payload.new(1):transcode("{target}")
        return {{ p == nil, err:kind(), err:retryable(), err:message():find("transcode failed") ~= nil }}
    """
    assert run(body) == [True, "Internal", False, True]


def test_what_has_no_form_is_an_error() -> None:
    assert run(
        """
        local _, a = payload.new({}):transcode(payload.format.STRING)
        local cyclic = {} cyclic.self = cyclic
        local _, b = payload.new(cyclic):transcode(payload.format.MSGPACK)
        local _, c = payload.new(cyclic):transcode(payload.format.JSON)
        return { a:kind(), b:kind(), c:kind() }
        """
    ) == ["Internal", "Internal", "Internal"]


def test_wrong_arguments_raise() -> None:
    assert run(
        """
        local p = payload.new(1)
        local function raises(...) return not pcall(...) end
        return { raises(p.transcode, p, 1), raises(p.transcode, {}, "x"), raises(p.data, 1), p.nothing == nil }
        """
    ) == [True, True, True, True]
