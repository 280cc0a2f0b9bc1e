"""Options of calls: retry and time limit, of executors and of entries (spec 03 §6, "Retry interceptor")."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from apps.web import served
from wippy import Error

COUNTED = """
local calls, starts = 0, {}
local function main(fails, kind, retryable, as_text)
  if fails == "count" then
    local n = calls
    calls = 0
    return n
  end
  calls = calls + 1
  if calls <= fails then
    if as_text then error("thrown", 0) end
    return nil, errors.new({ message = "failure " .. calls, kind = kind, retryable = retryable })
  end
  return "done after " .. calls
end
return { main = main }
"""


def app(meta: dict[str, Any] | None = None) -> App:
    return App().function("counted", COUNTED, meta=meta, pool={"type": "inline"})


def outcome(options: str, *arguments: Any, meta: dict[str, Any] | None = None) -> list[Any]:
    """Result or error of one call with these options, and how often the function ran."""
    return app(meta).run(  # type: ignore[no-any-return]
        f"""
        local ex = funcs.new():with_options({options})
        local v, e = ex:call("app:counted", ...)
        return {{ v or {{ e:kind(), e:retryable(), e:message() }}, (funcs.call("app:counted", "count")) }}
        """,
        *arguments,
    )


FAST = "{ retry = { max_attempts = 5, initial_delay = 1 } }"


def test_a_call_that_fails_twice_succeeds_on_the_third_of_five_attempts() -> None:
    assert outcome(FAST, 2, "Unavailable", True) == ["done after 3", 3]


def test_the_last_error_is_returned_when_all_attempts_fail() -> None:
    options = "{ retry = { max_attempts = 3, initial_delay = 1 } }"
    assert outcome(options, 9, "Unavailable", True) == [["Unavailable", True, "failure 3"], 3]


@pytest.mark.parametrize("options", ["{}", "{ retry = {} }", "{ retry = { max_attempts = 1 } }", "{ timeout = 0 }"])
def test_without_more_than_one_attempt_a_call_is_made_once(options: str) -> None:
    assert outcome(options, 9, "Unavailable", True) == [["Unavailable", True, "failure 1"], 1]


@pytest.mark.parametrize(
    ("kind", "retryable", "retry", "executions"),
    [
        ("Unavailable", None, "", 3),
        ("Timeout", True, "", 3),
        ("NotFound", None, "", 3),
        ("Unavailable", False, "", 1),
        ("PermissionDenied", True, "", 1),
        ("Invalid", None, "", 1),
        ("Internal", True, "", 1),
        ("Canceled", True, "", 1),
        ("Internal", None, "retry_kinds = { 'Internal' }", 3),
        ("Internal", False, "retry_kinds = { 'Internal' }", 1),
        ("Canceled", True, "retry_kinds = { 'Canceled' }", 1),
        ("Unavailable", True, "skip_kinds = { 'Unavailable', 'Timeout' }", 1),
        ("NotFound", True, "skip_kinds = { 'Unavailable', 'Timeout' }", 3),
    ],
)
def test_which_errors_are_worth_another_attempt(kind: str, retryable: bool | None, retry: str, executions: int) -> None:
    options = f"{{ retry = {{ max_attempts = 3, initial_delay = 1, {retry} }} }}"
    assert outcome(options, 9, kind, retryable)[1] == executions


def test_a_thrown_text_is_internal_and_final() -> None:
    assert outcome(FAST, 9, None, None, True) == [["Internal", None, "thrown"], 1]


def test_waits_grow_by_the_factor_up_to_the_longest() -> None:
    found = App().function(
        "times",
        """
        local at = {}
        local function main(ask)
          if ask then return at end
          at[#at + 1] = time.now():unix_nano() // 1000000
          return nil, errors.new({ message = "again", kind = "Unavailable" })
        end
        return { main = main }
        """,
        pool={"type": "inline"},
    )
    waits = found.run(
        """
        local retry = { max_attempts = 5, initial_delay = "20ms", backoff_factor = 2, max_delay = 50, jitter = 0 }
        funcs.new():with_options({ retry = retry }):call("app:times")
        local at, waits = funcs.call("app:times", true), {}
        for i = 2, #at do waits[#waits + 1] = at[i] - at[i - 1] end
        return waits
        """
    )
    assert len(waits) == 4
    for wait, least in zip(waits, (19, 39, 49, 49), strict=True):
        assert least <= wait < least + 30


def test_an_attempt_does_not_see_what_the_one_before_did_to_its_arguments() -> None:
    found = App().function(
        "greedy",
        """
        local t = ...
        t.n = t.n + 1
        if t.n < 5 and not t.tried then t.tried = true end
        return nil, errors.new({ message = tostring(t.n), kind = "Unavailable" })
        """,
    )
    assert (
        found.run(
            """
            local _, e = funcs.new():with_options({ retry = { max_attempts = 3, initial_delay = 1 } })
              :call("app:greedy", { n = 1 })
            return e:message()
            """
        )
        == "2"
    )


def test_an_async_is_repeated_as_well() -> None:
    assert app().run(
        f"""
        local future = funcs.new():with_options({FAST}):async("app:counted", 2, "Unavailable")
        return {{ future:channel():receive():data(), (funcs.call("app:counted", "count")) }}
        """
    ) == ["done after 3", 3]


def test_a_canceled_future_is_not_tried_again() -> None:
    assert app().run(
        """
        local ex = funcs.new():with_options({ retry = { max_attempts = 100, initial_delay = 5 } })
        local future = ex:async("app:counted", 1000, "Unavailable")
        time.sleep("12ms")
        future:cancel()
        local ran = funcs.call("app:counted", "count")
        time.sleep("30ms")
        return { ran > 0, (funcs.call("app:counted", "count")) }
        """
    ) == [True, 0]


def test_the_end_of_the_caller_ends_the_attempts() -> None:
    found = app().process(
        "caller",
        """
        funcs.new():with_options({ retry = { max_attempts = 1000, initial_delay = 2 } })
          :call("app:counted", 1000, "Unavailable")
        """,
    )
    assert (
        found.run(
            """
        local pid = spawn("caller")
        repeat time.sleep("1ms") until funcs.call("app:counted", "count") > 0
        process.terminate(pid)
        funcs.call("app:counted", "count")
        time.sleep("20ms")
        return (funcs.call("app:counted", "count"))
        """
        )
        == 0
    )


def test_the_entry_has_default_options_that_a_call_overlays() -> None:
    meta = {"options": {"retry": {"max_attempts": 3, "initial_delay": "1ms"}}}
    assert app(meta).run(
        """
        local v, e = funcs.call("app:counted", 9, "Unavailable")
        local plain = { e:message(), (funcs.call("app:counted", "count")) }
        v, e = funcs.new():with_options({ retry = { max_attempts = 2, initial_delay = 1 } })
          :call("app:counted", 9, "Unavailable")
        return { plain, { e:message(), (funcs.call("app:counted", "count")) } }
        """
    ) == [["failure 3", 3], ["failure 2", 2]]


def test_default_options_hold_for_calls_of_the_host_too() -> None:
    found = app({"options": {"retry": {"max_attempts": 3, "initial_delay": "1ms"}}})
    assert found.call("counted", 2, "Unavailable", True) == "done after 3"
    limited = App().function("slow", "time.sleep('5s')", meta={"options": {"timeout": "10ms"}})
    with pytest.raises(Error) as failed:
        limited.call("slow")
    assert (failed.value.kind, failed.value.retryable) == ("Timeout", True)


def test_a_handler_that_has_begun_its_response_is_not_repeated() -> None:
    options = {"options": {"retry": {"max_attempts": 3, "initial_delay": "1ms"}}}
    guest = App()
    body = """
        calls = (calls or 0) + 1
        if req:query("touch") then res:set_status(201) res:write("try " .. calls) end
        if calls < 3 then return nil, errors.new({ message = "no", kind = "Unavailable" }) end
        res:write("try " .. calls)
        return true
    """
    guest.endpoint("GET /x", body, meta=options, pool={"type": "inline"})
    with served(guest) as site:
        begun, plain = site.get("/x?touch=1"), site.get("/x")
    assert (begun.status, begun.text, plain.status, plain.text) == (201, "try 1", 200, "try 3")


def test_a_process_with_a_default_host_is_repeated() -> None:
    found = App().process(
        "job",
        """
        local pid = process.registry.lookup("main")
        process.send(pid, "ran")
        return nil, errors.new({ message = "no", kind = "Unavailable" })
        """,
        meta={"options": {"default_host": "app:host", "retry": {"max_attempts": 3, "initial_delay": 1}}},
    )
    assert (
        found.run(
            """
        process.registry.register("main")
        local ran, n = process.listen("ran"), 0
        local _, e = funcs.call("app:job")
        while within(ran, "50ms") ~= nil do n = n + 1 end
        return { e:kind(), n }
        """
        )[0]
        == "Unavailable"
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("{ retry = 3 }", "retry"),
        ("{ retry = { max_attempts = 'many' } }", "retry.max_attempts"),
        ("{ retry = { max_attempts = -1 } }", "retry.max_attempts"),
        ("{ retry = { max_attempts = 0/0 } }", "retry.max_attempts"),
        ("{ retry = { max_attempts = 2, initial_delay = 'soon' } }", "retry.initial_delay"),
        ("{ retry = { max_attempts = 2, initial_delay = -1 } }", "retry.initial_delay"),
        ("{ retry = { max_attempts = 2, backoff_factor = {} } }", "retry.backoff_factor"),
        ("{ retry = { max_attempts = 2, retry_kinds = 'Internal' } }", "retry.retry_kinds"),
        ("{ retry = { max_attempts = 2, skip_kinds = { 0/0 } } }", "retry.skip_kinds"),
        ("{ timeout = {} }", "timeout"),
        ("{ timeout = '-1s' }", "timeout"),
    ],
)
def test_options_without_a_meaning_are_invalid(options: str, named: str) -> None:
    (kind, retryable, message), executions = outcome(options, 0)
    assert (kind, retryable, executions) == ("Invalid", False, 0) and f"call option {named} must be" in message


# Time limit ----------------------------------------


def test_a_time_limit_holds_for_a_call_with_all_its_attempts() -> None:
    found = app().run(
        """
        local ex = funcs.new():with_options({ timeout = "30ms", retry = { max_attempts = 1000, initial_delay = 3 } })
        local _, e = ex:call("app:counted", 1000, "Unavailable")
        local ran = funcs.call("app:counted", "count")
        time.sleep("10ms")
        return { e:kind(), e:retryable(), ran > 1, (funcs.call("app:counted", "count")) }
        """
    )
    assert found == ["Timeout", True, True, 0]


def test_a_time_limit_of_an_async() -> None:
    found = App().function("slow", "time.sleep('10s')")
    assert found.run(
        """
        local future = funcs.new():with_options({ timeout = 10 }):async("app:slow")
        local item = future:channel():receive()
        return { item:kind(), item:message(), future:is_complete() }
        """
    ) == ["Timeout", "function call timed out", True]


def test_a_time_limit_ends_what_was_called() -> None:
    found = App().function("slow", "process.registry.register('slow') time.sleep('10s')")
    assert found.run(
        """
        local _, e = funcs.new():with_options({ timeout = "10ms" }):call("app:slow")
        time.sleep("5ms")
        return { e:kind(), process.registry.lookup("slow") == nil }
        """
    ) == ["Timeout", True]


def test_an_unknown_network_fails_the_call_instead_of_going_without() -> None:
    found = App().function("plain", "return 1").process("child", "return 1")
    assert found.run(
        """
        local v, e = funcs.new():with_options({ network = "app:tor" }):call("app:plain")
        local pid, err = process.with_options({ network = "app:tor" }):spawn("app:child", "app:host")
        return { v == nil, e:kind(), e:message(), pid == nil, err:message(),
          (funcs.new():with_options({ network = "" }):call("app:plain")) }
        """
    ) == [True, "NotFound", "network not found: app:tor", True, "network not found: app:tor", 1]
