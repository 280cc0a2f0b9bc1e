"""Error objects (spec 02 §15, §16)."""

from __future__ import annotations

import pytest

from .driver import Driver


def test_new_error_has_its_fields(driver: Driver) -> None:
    body = """
        local e = errors.new({ message = "m", kind = errors.CONFLICT, retryable = true, details = { a = { 1, 2 } } })
        local p = errors.new("text", "ignored")
        return { e:message(), e:kind(), e:retryable(), e:details().a, p:message(), p:kind(), p:retryable() ==
          nil, p:details() == nil,
          type(e), tostring(e) }"""
    assert driver.do(body) == ["m", "Conflict", True, [1, 2], "text", "", True, True, "userdata", "m"]


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("{}", "message field is required"), ("{ message = 1 }", "message must be a string"),
        ("1", "expected string or table"), ("nil", "expected string or table"), ("channel.new()", ("expected string or "
        "table")),
    ],
)  # fmt: skip
def test_bad_arguments_of_new_raise(driver: Driver, argument: str, text: str) -> None:
    assert text in driver.do(f"return select(2, pcall(errors.new, {argument}))")


def test_errors_concatenate_as_their_message(driver: Driver) -> None:
    body = """
        local e = errors.new("m")
        return { "x: " .. e, e .. "!", e .. e, ("%s"):format(e), table.concat({ "a", e }, " ") }"""
    assert driver.do(body) == ["x: m", "m!", "mm", "m", "a m"]


def test_wrap_keeps_message_kind_and_details(driver: Driver) -> None:
    body = """
        local e = errors.new({ message = "m", kind = "K", details = { a = 1 } })
        local w = errors.wrap(e, "ctx")
        local w2 = errors.wrap(w, "outer")
        return { w:message(), w:kind(), w:details().a, w2:message(), w:stack():find("ctx", 1, true) ~= nil,
          errors.wrap("t", "c"):message() }"""
    assert driver.do(body) == ["m", "K", 1, "ctx: m", True, "t"]


def test_is_looks_at_the_outer_error_only(driver: Driver) -> None:
    body = """
        local e = errors.new({ message = "m", kind = "NotFound" })
        return { errors.is(e, errors.NOT_FOUND), errors.is(e, "x"), errors.is(nil, "x"), errors.is("x", "x"),
          errors.is({}, "") }"""
    assert driver.do(body) == [True, False, False, False, False]


def test_stack_names_the_guests_lines(driver: Driver) -> None:
    entry = driver.define(
        "local function inner() local e = errors.new('m') return e end\nlocal e = inner() return { "
        "e:stack(), errors.call_stack(e) }"
    )
    stack, call_stack = driver.value(entry)
    assert f"{entry}:1 (inner)" in stack
    assert call_stack["frames"][0]["line"] == 1
    assert "wippy/" not in stack


def test_errors_keep_their_identity_inside_one_state(driver: Driver) -> None:
    assert (
        driver.do("local e = errors.new('m') local ok, got = pcall(error, e) return got == e and ({ [e] = 1 })[e] == 1")
        is True
    )


def test_details_that_are_no_data_become_text(driver: Driver) -> None:
    body = (
        "local d = errors.new({ message = 'm', details = { f = print, e = errors.new('x') } "
        "}):details() return { type(d.f), d.e }"
    )
    assert driver.do(body) == ["string", "x"]


def test_unknown_members_are_nil_and_writes_raise(driver: Driver) -> None:
    body = "local e = errors.new('m') return { e.code == nil, (pcall(function() e.code = 1 end)) }"
    assert driver.do(body) == [True, False]
