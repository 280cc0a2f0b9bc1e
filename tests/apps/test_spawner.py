"""The Spawner, and processes as functions (spec 03 §3.9, §6)."""

from __future__ import annotations

import pytest

from apps.guest import App

READER = """
    local got = {}
    for i = 1, (...) do
      local m = process.inbox():receive()
      got[i] = { m:topic(), m:from(), m:payload() and m:payload():data() }
    end
    return got
"""


def app(workers: int = 0) -> App:
    found = App(workers)
    found.process("reader", READER).process("waiting", "process.inbox():receive()")
    found.process("failing", "error('on purpose', 0)").process("inherits", "return ctx.get('who')")
    return found.process("slow", "local e = process.events():receive() return { e.kind, e.reason }")


def test_messages_of_a_spawner_come_first_and_in_order_and_from_nobody() -> None:
    assert app().run(
        """
        local s = process.with_context({}):with_message("first", { n = 1 }):with_message("second", 2)
        local pid = s:with_message("third"):spawn_monitored("app:reader", "app:host", 3)
        process.send(pid, "later", "x")
        local event = within(process.events())
        local got = event.result.value
        return { got[1], got[2][1], got[2][2], got[3][1], #got }
        """
    ) == [["first", "", {"n": 1}], "second", "", "third", 3]


def test_every_builder_method_gives_a_new_spawner() -> None:
    assert app().run(
        """
        local base = process.with_context({ who = "base" })
        local other = base:with_context({ who = "other" }):with_message("m", "only other")
        local a = base:exec("app:inherits", "app:host")
        local b = other:exec("app:inherits", "app:host")
        return { a, b, base == other }
        """
    ) == ["base", "other", False]


def test_a_name_is_registered_before_the_child_runs() -> None:
    assert app().run(
        """
        local s = process.with_context({}):with_name("the.reader")
        local pid = s:spawn("app:waiting", "app:host")
        return { process.registry.lookup("the.reader") == pid, process.send("the.reader", "go") }
        """
    ) == [True, True]


def test_a_held_name_is_signaled_and_nothing_is_started() -> None:
    assert app().run(
        """
        local first = process.with_context({}):with_name("one"):spawn_monitored("app:reader", "app:host", 2)
        local s = process.with_context({}):with_name("one"):with_message("hello", "again")
        local second = s:spawn("app:failing", "app:host")
        local third = s:spawn_monitored("app:failing", "app:host")
        local event = within(process.events())
        local got = event.result.value
        return { first == second, first == third, event.from == first, got[1][3], got[2][1] }
        """
    ) == [True, True, True, "again", "hello"]


def test_no_relation_is_added_to_the_holder_of_a_name() -> None:
    assert (
        app().run(
            """
        local first = process.with_context({}):with_name("one"):spawn("app:reader", "app:host", 1)
        process.with_context({}):with_name("one"):spawn_linked_monitored("app:waiting", "app:host")
        process.terminate(first)
        return select(2, within(process.events(), "100ms"))
        """
        )
        == "timeout"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("with_name('')", "name cannot be empty"),
        ("with_name(nil)", "string expected"),
        ("with_message('@pid/inbox', 1)", "cannot send to @ topics"),
        ("with_context({ 1 })", "string keys"),
        ("with_actor(nil)", "Actor expected"),
        ("with_scope({})", "Scope expected"),
        ("spawn('app:waiting')", "spawn requires at least id and host arguments"),
        ("exec('app:waiting')", "exec requires at least id and host arguments"),
    ],
)
def test_mistakes_raise(call: str, text: str) -> None:
    found = app().run(
        f"local s = process.with_context({{}}) local ok, e = pcall(function() s:{call} end) return {{ ok, e .. '' }}"
    )
    assert found[0] is False
    assert text in found[1]


def test_what_the_runtime_finds_out_is_returned() -> None:
    assert app().run(
        """
        local s = process.with_context({})
        local _, a = s:spawn("app:nothing", "app:host")
        local _, b = s:spawn("app:waiting", "app:nowhere")
        local _, c = s:exec("app:failing", "app:host")
        return { a:kind(), b:kind(), tostring(c) }
        """
    ) == ["NotFound", "NotFound", "on purpose"]


def test_messages_and_names_travel_to_another_lua_state() -> None:
    found = app(workers=2).run(
        """
        local out = {}
        for i = 1, 6 do
          local s = process.with_context({}):with_name("reader." .. i):with_message("n", i)
          local pid = s:spawn_monitored("app:reader", "app:host", 2)
          local again = s:spawn_monitored("app:reader", "app:host", 2)
          local event = within(process.events())
          out[i] = { pid == again, event.result.value[1][3], event.result.value[2][3] }
        end
        return out
        """
    )
    assert found == [[True, i, i] for i in range(1, 7)]


def test_exec_runs_on_another_lua_state_as_well() -> None:
    found = app(workers=2).run(
        """
        local out = {}
        for i = 1, 6 do
          local pid = process.spawn("app:waiting", "app:host")    -- placement goes round
          out[i] = process.with_context({ who = "w" .. i }):exec("app:inherits", "app:host")
        end
        local _, err = process.exec("app:failing", "app:host")
        return { out, tostring(err) }
        """
    )
    assert found == [[f"w{i}" for i in range(1, 7)], "on purpose"]


def test_a_process_with_a_default_host_is_called_like_a_function() -> None:
    found = app()
    found.process("double", "return (...) * 2", meta={"default_host": "app:host"})
    found.process("thrown", "error('the message', 0)", meta={"options": {"default_host": "app:host"}})
    assert found.run(
        """
        local a = funcs.call("app:double", 21)
        local _, err = funcs.call("app:thrown")
        local future = funcs.async("app:double", 4)
        local value = future:response():receive()
        return { a, tostring(err), value:data() }
        """
    ) == [42, "the message", 8]


def test_a_called_process_is_told_that_its_caller_is_gone_and_goes_on() -> None:
    found = app()
    found.process(
        "called",
        """
        local event = process.events():receive()
        process.send("main.process", "told", event.kind, event.reason)
        """,
        meta={"default_host": "app:host"},
    )
    found.process("caller", "funcs.call('app:called')")
    assert found.run(
        """
        process.registry.register("main.process")
        local pid = spawn("caller")
        time.sleep("20ms")
        process.terminate(pid)
        local m = within(process.inbox())
        return { m:payload()[1]:data(), m:payload()[2]:data() }
        """
    ) == ["pid.cancel", "caller context canceled"]
