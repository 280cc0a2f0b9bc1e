"""Processes as applications see them (spec 03 §20 "Processes")."""

from __future__ import annotations

import pytest

from apps.guest import App
from wippy import Error

ECHO = """
    local inbox = process.inbox()
    while true do
      local m = inbox:receive()
      process.send(m:from(), "echo", m:payload():data())
    end
"""
WAITING = "process.inbox():receive()"
OBEDIENT = """
    local event = process.events():receive()
    return { kind = event.kind, reason = event.reason, from = event.from }
"""
CRASHING = 'error("crashed on purpose", 0)'


def app() -> App:
    found = App()
    found.process("echo", ECHO).process("waiting", WAITING).process("obedient", OBEDIENT).process("crashing", CRASHING)
    found.process("done", "return { answer = 42 }").process("give", "return ...")
    return found.process("fails_when_told", 'process.inbox():receive() error("told to")').process(
        "ends_when_told", "process.inbox():receive()"
    )


# Identity ----------------------------------------


def test_identity() -> None:
    first, second, own, entry = app().run("return { spawn('done'), spawn('done'), process.pid(), process.id() }")
    assert first != second and entry == "app:main"
    assert all(pid.startswith("{app:host|0x") and pid.endswith("}") for pid in (first, second, own))


def test_arguments_reach_the_method_by_position() -> None:
    found = app().run(
        "local a, b, c, d = ... return { a, b, c == nil, d, select('#', ...) }", 1, "two", None, {"three": [3]}
    )
    assert found == [1, "two", True, {"three": [3]}, 4]


def test_numbers_keep_their_subtype() -> None:
    found = app().run(
        """
        local kinds = {}
        for i, v in ipairs({ ... }) do kinds[i] = math.type(v) end
        process.send(spawn("echo"), "n", { 1, 1.0 })
        local back = process.inbox():receive():payload():data()
        return { kinds, math.type(back[1]), math.type(back[2]) }
        """,
        1,
        1.0,
        2**53,
    )
    assert found == [["integer", "float", "integer"], "integer", "float"]


# Messages ----------------------------------------


def test_a_message_sent_right_after_spawn_arrives_and_is_answered() -> None:
    assert app().run(
        """
        local replies = process.listen("echo")
        process.send(spawn("echo"), "hello", { n = 1 })
        return within(replies)
        """
    ) == {"n": 1}


def test_messages_of_one_sender_arrive_in_order() -> None:
    got = (
        app()
        .process("counter", 'for i = 1, 5 do process.send((...), "n", i) end')
        .run(
            """
            spawn("counter", process.pid())
            local got = {}
            for i = 1, 5 do got[i] = process.inbox():receive():payload():data() end
            return got
            """
        )
    )
    assert got == [1, 2, 3, 4, 5]


def test_a_listened_topic_does_not_reach_the_inbox() -> None:
    found = app().run(
        """
        local inbox, a = process.inbox(), process.listen("a")
        local me = process.pid()
        process.send(me, "a", 1)
        process.send(me, "b", 2)
        process.send(me, "a", 3)
        local counts = { a = 0, inbox = 0 }
        for _ = 1, 3 do
          local r = channel.select({ a:case_receive(), inbox:case_receive() })
          local name = r.channel == a and "a" or "inbox"
          counts[name] = counts[name] + 1
        end
        return counts
        """
    )
    assert found == {"a": 2, "inbox": 1}


def test_listen_gives_values_or_messages() -> None:
    found = app().run(
        """
        local raw, full = process.listen("raw"), process.listen("full", { message = true })
        local me = process.pid()
        process.send(me, "raw", { x = 1 })
        process.send(me, "raw")
        process.send(me, "raw", 1, 2, 3)
        process.send(me, "full", "v")
        local message = full:receive()
        local first = raw:receive()
        local none, open = raw:receive()
        local parts = { message:topic(), message:payload():data(), message:from() == me }
        return { first, none == nil and open, raw:receive(), parts }
        """
    )
    assert found == [{"x": 1}, True, [1, 2, 3], ["full", "v", True]]


def test_messages_that_came_before_listen_are_delivered_to_it() -> None:
    found = app().run(
        """
        local me = process.pid()
        for i = 1, 3 do process.send(me, "late", i) end
        process.send(me, "other", "x")
        local late = process.listen("late")
        local got = {}
        for i = 1, 3 do got[i] = late:receive() end
        return { got, process.inbox():receive():topic() }
        """
    )
    assert found == [[1, 2, 3], "other"]


def test_unlisten_closes_the_channel_and_later_messages_go_to_the_inbox() -> None:
    found = app().run(
        """
        local a, me = process.listen("a"), process.pid()
        local ok = process.unlisten(a)
        process.send(me, "a", 1)
        local v, open = a:receive()
        local again = process.unlisten(a)
        return { ok, v == nil, open, again, process.inbox():receive():payload():data() }
        """
    )
    assert found == [True, True, False, False, 1]


def test_channels_of_a_process_are_the_same_objects_every_time() -> None:
    assert app().run(
        """
        process.send(process.pid(), "t", 1)
        local t = process.listen("t")
        local r = channel.select({ process.events():case_receive(), t:case_receive() })
        return process.inbox() == process.inbox() and process.events() == process.events()
          and process.listen("t") == t and r.channel == t and process.inbox() ~= t
        """
    )


def test_after_is_the_timeout_of_a_select() -> None:
    assert app().run(
        """
        local limit = time.after("20ms")
        local r = channel.select({ process.inbox():case_receive(), limit:case_receive() })
        return r.channel == limit and r.ok
        """
    )


def test_default_does_not_wait() -> None:
    assert app().run("return channel.select({ process.inbox():case_receive(), default = true })") == {
        "default": True,
        "ok": True,
    }


def test_message_parts() -> None:
    found = app().run(
        """
        local me, inbox = process.pid(), process.inbox()
        process.send(me, "none")
        process.send(me, "two", 1, "x")
        local none, two = inbox:receive(), inbox:receive()
        local parts = two:payload()
        return { none:payload() == nil, #parts, parts[1]:data(), parts[2]:data(), tostring(two), none:from() == me }
        """
    )
    assert found == [True, 2, 1, "x", "process.Message{topic=two}", True]


def test_messages_are_copies() -> None:
    found = app().run(
        """
        local t = { list = { 1, 2 }, f = print, ch = channel.new(0) }
        t.again, t.me = t.list, t
        process.send(process.pid(), "t", t)
        t.list[1] = 99
        local got = process.inbox():receive():payload():data()
        return { got.list[1], got.again == got.list, got.me == got, got.f == nil, got.ch == nil }
        """
    )
    assert found == [1, True, True, True, True]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        ('process.send(spawn("done") and "{app:host|0x0ffff}", "t")', "NotFound", "process not found"),
        ('process.send("{nowhere|0x00001}", "t")', "NotFound", "host not found"),
        ('process.send("nobody", "t")', "NotFound", "could not resolve 'nobody' as PID or registered name"),
        ('process.send(process.pid(), "@pid/inbox", 1)', "Invalid", "cannot send to @ topics"),
        ("process.send(process.pid())", "Invalid", "send requires at least destination and topic arguments"),
        ('process.listen("")', "Invalid", "topic cannot be empty"),
        ('process.listen("@x")', "Invalid", "cannot listen to @ topics"),
        ('process.spawn("app:nothing", "app:host")', "NotFound", "app:nothing"),
        ('process.spawn("app:done", "app:nothing")', "NotFound", "host not found"),
        ('process.spawn("app:done", "app:done")', "Internal", "host does not implement process.Host"),
        ('process.spawn("app:done")', "Invalid", "spawn requires at least id and host arguments"),
        ('process.exec("done", "app:host")', "Invalid", ""),
        ('process.registry.lookup("nobody")', "NotFound", "name not registered"),
        ('process.registry.register("n", "nonsense")', "Invalid", "invalid pid format: missing braces"),
        ('process.registry.register("n", process.pid(), "x")', "Invalid", ""),
        (
            'process.registry.register("n", nil, process.registry.CONSISTENT)',
            "Internal",
            "global registry not available",
        ),
        ('process.terminate("{app:host|0x0ffff}")', "Internal", "terminate failed"),
        ('process.monitor("{app:host|0x0ffff}")', "Internal", "monitor failed"),
        ('process.link("{app:host|0x0ffff}")', "Internal", "link failed"),
        ('process.cancel("{app:host|0x0ffff}")', "Internal", "cancel failed"),
    ],
)
def test_failures_are_returned(call: str, kind: str, text: str) -> None:
    value, got_kind, message = app().run(f"local v, e = {call} return {{ v or false, e:kind(), e:message() }}")
    assert not value and got_kind == kind and text in message


@pytest.mark.parametrize(
    "call", ["process.send(nil, 't')", "process.send({}, 't')", "process.send('x', 5)", "process.listen(1)"]
)
def test_wrong_argument_types_raise(call: str) -> None:
    assert "bad argument" in app().run(f"local ok, e = pcall(function() {call} end) return not ok and tostring(e)")


def test_sending_to_a_finished_process_is_not_found() -> None:
    ok, message = app().run(
        """
        local pid = spawn_monitored("done")
        process.events():receive()
        local ok, err = process.send(pid, "t", 1)
        return { not ok, tostring(err) }
        """
    )
    assert ok and "not found" in message


def test_sending_to_a_process_terminated_a_moment_ago_is_not_found() -> None:
    ok, message = app().run(
        """
        local pid = spawn("waiting")
        process.terminate(pid)
        local ok, err = process.send(pid, "t", 1)
        return { not ok, tostring(err) }
        """
    )
    assert ok and "not found" in message


# Ends ----------------------------------------


def test_exit_of_a_child_that_ends_at_once() -> None:
    found = app().run(
        """
        local pid = spawn_monitored("done")
        local e = process.events():receive()
        return { e.kind == process.event.EXIT, e.from == pid, e.result, type(e.at) }
        """
    )
    assert found == [True, True, {"value": {"answer": 42}}, "number"]


def test_exit_of_a_crash_has_an_error_and_no_value() -> None:
    found = app().run(
        """
        spawn_monitored("crashing")
        local e = process.events():receive()
        return { e.kind, e.result.value == nil, tostring(e.result.error), e.result.error:kind(), e.error == nil }
        """
    )
    assert found == ["pid.exit", True, "crashed on purpose", "Internal", True]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return 1, 2", {"value": 1}),
        ("return 'v', false", {"value": "v"}),
        ("return 'v', { 1 }", {"value": "v"}),
        ("return", {}),
        ("return 'v', 'broken'", ["Internal", "broken", False]),
        (
            "return 'v', errors.new({ message = 'm', kind = errors.CONFLICT, retryable = true })",
            ["Conflict", "m", True],
        ),
        ("error(errors.new({ message = 'm', kind = errors.TIMEOUT }))", ["Timeout", "m", None]),
        ("error('raised', 0)", ["Internal", "raised", None]),
        ("coroutine.spawn(function() error('inner', 0) end) process.inbox():receive()", ["Internal", "inner", None]),
        ("channel.select({})", ["Internal", "deadlock", False]),
    ],
)
def test_outcomes(body: str, outcome: object) -> None:
    found = (
        app()
        .process("child", body)
        .run(
            """
            spawn_monitored("child")
            local r = process.events():receive().result
            local e = r.error
            if not e then return r end
            return { e:kind(), e:message(), e:retryable() }
            """
        )
    )
    if isinstance(outcome, list) and outcome[1] == "deadlock":
        assert found[1] == "deadlock: all coroutines blocked with no pending operations (threads=1)"
    elif isinstance(outcome, list):
        assert [*found, None][:3] == outcome
    else:
        assert found == outcome or (outcome == {} and found in ({}, []))


def test_messages_of_a_child_come_before_its_exit() -> None:
    found = (
        app()
        .process("chatty", 'for i = 1, 100 do process.send((...), "n", i) end')
        .run(
            """
            local n, last, events = process.listen("n"), 0, process.events()
            spawn_monitored("chatty", process.pid())
            while true do
              local r = channel.select({ n:case_receive(), events:case_receive() })
              if r.channel == events then break end
              last = r.value
            end
            return last
            """
        )
    )
    assert found == 100


def test_returning_from_main_ends_the_other_coroutines() -> None:
    found = (
        app()
        .process(
            "parent",
            """
            local to = ...
            coroutine.spawn(function() time.sleep("10ms") process.send(to, "late", 1) end)
            return "first"
            """,
        )
        .run(
            """
            spawn_monitored("parent", process.pid())
            local late = process.listen("late")
            local exit = process.events():receive().result.value
            local _, why = within(late, "50ms")
            return { exit, why }
            """
        )
    )
    assert found == ["first", "timeout"]


# Cancel and terminate ----------------------------------------


def test_cancel_reaches_events_and_the_result_reaches_the_watcher() -> None:
    found = app().run(
        """
        local pid = spawn_monitored("obedient")
        local ok, err = process.cancel(pid, "enough")
        local value = process.events():receive().result.value
        return { ok, err == nil, value.kind, value.reason, value.from == process.pid() }
        """
    )
    assert found == [True, True, "pid.cancel", "enough", True]


def test_cancel_is_only_a_request() -> None:
    assert (
        app().run(
            """
        local pid = spawn("echo")
        process.cancel(pid)
        local replies = process.listen("echo")
        process.send(pid, "t", "still here")
        return within(replies)
        """
        )
        == "still here"
    )


def test_terminate_ends_a_process() -> None:
    found = app().run(
        """
        local pid = spawn_monitored("waiting")
        local ok = process.terminate(pid)
        local e = process.events():receive()
        return { ok, e.from == pid, tostring(e.result.error), process.send(pid, "t") == nil }
        """
    )
    assert found == [True, True, "process terminated", True]


def test_terminate_ends_a_process_that_never_stops_by_itself() -> None:
    found = (
        app()
        .process("spin", "while true do pcall(function() end) end")
        .run(
            """
            local pid = spawn_monitored("spin")
            time.sleep("5ms")
            process.terminate(pid)
            return tostring(process.events():receive().result.error)
            """
        )
    )
    assert found == "process terminated"


# Monitors and links ----------------------------------------


def test_monitor_of_a_running_process() -> None:
    found = app().run(
        """
        local pid = spawn("ends_when_told")
        local ok = process.monitor(pid)
        local again, err = process.monitor(pid)
        process.send(pid, "go")
        local e = process.events():receive()
        return { ok, again == nil, tostring(err), e.kind, e.from == pid }
        """
    )
    assert found[:2] == [True, True] and "already monitoring pid" in found[2] and found[3:] == ["pid.exit", True]


def test_unmonitor_suppresses_exit() -> None:
    found = app().run(
        """
        local pid = spawn_monitored("ends_when_told")
        local ok = process.unmonitor(pid)
        process.send(pid, "go")
        local _, why = within(process.events(), "100ms")
        return { ok, why, process.unmonitor(pid) }
        """
    )
    assert found == [True, "timeout", True]


def test_a_failed_link_is_heard_by_who_traps_it() -> None:
    found = app().run(
        """
        process.set_options({ trap_links = true })
        local pid = spawn_linked("crashing")
        local e = process.events():receive()
        return { e.kind == process.event.LINK_DOWN, e.from == pid, tostring(e.result.error) }
        """
    )
    assert found == [True, True, "crashed on purpose"]


def test_a_link_made_later_counts_as_well() -> None:
    found = app().run(
        """
        process.set_options({ trap_links = true })
        local pid = spawn("fails_when_told")
        local ok, again = process.link(pid), process.link(pid)
        process.send(pid, "go")
        return { ok, again, process.events():receive().kind }
        """
    )
    assert found == [True, True, "pid.link.down"]


def test_unlink_suppresses_link_down() -> None:
    found = app().run(
        """
        local pid = spawn_linked("fails_when_told")
        local ok = process.unlink(pid)
        process.send(pid, "go")
        local _, why = within(process.events(), "100ms")
        return { ok, why }
        """
    )
    assert found == [True, "timeout"]


def test_a_regular_end_dissolves_links_silently() -> None:
    assert (
        app().run(
            """
        process.set_options({ trap_links = true })
        spawn_linked("done")
        local _, why = within(process.events(), "100ms")
        return why
        """
        )
        == "timeout"
    )


def test_a_failed_link_ends_who_does_not_trap_it() -> None:
    found = (
        app()
        .process("parent", 'spawn_linked("crashing") process.inbox():receive()')
        .run(
            """
            spawn_monitored("parent")
            return tostring(process.events():receive().result.error)
            """
        )
    )
    assert found == "linked process failed"


def test_a_failure_cascades_through_a_chain_of_links() -> None:
    found = (
        app()
        .process(
            "chain",
            """
            local n = ...
            if n > 0 then spawn_linked("chain", n - 1) else process.send("root", "last", process.pid()) end
            process.inbox():receive()
            error("end of the chain fails")
            """,
        )
        .run(
            """
            process.registry.register("root")
            process.set_options({ trap_links = true })
            local last = process.listen("last")
            local pid = process.spawn_linked_monitored("app:chain", "app:host", 5)
            process.send(last:receive(), "fail")
            local exit, down = process.events():receive(), process.events():receive()
            return { exit.kind, down.kind, exit.from == pid, down.from == pid, tostring(down.result.error) }
            """
        )
    )
    assert found == ["pid.exit", "pid.link.down", True, True, "linked process failed"]


def test_a_star_delivers_one_event_for_each_relation() -> None:
    found = app().run(
        """
        process.set_options({ trap_links = true })
        for _ = 1, 4 do spawn_monitored("crashing") end
        for _ = 1, 3 do spawn_linked("crashing") end
        local counts = { ["pid.exit"] = 0, ["pid.link.down"] = 0 }
        for _ = 1, 7 do
          local e = process.events():receive()
          counts[e.kind] = counts[e.kind] + 1
        end
        local _, why = within(process.events(), "30ms")
        return { counts, why }
        """
    )
    assert found == [{"pid.exit": 4, "pid.link.down": 3}, "timeout"]


def test_options() -> None:
    found = app().run(
        """
        local before = process.get_options().trap_links
        local on = process.set_options({ trap_links = true })
        local now = process.get_options().trap_links
        process.set_options({ trap_links = false })
        local bad, err = process.set_options({ trap_links = 1 })
        local _, unknown = process.set_options({ colour = true })
        local _, shape = process.set_options(1)
        local messages = { err:message(), unknown:message(), shape:message() }
        return { before, on, now, process.get_options().trap_links, bad, messages }
        """
    )
    assert found == [
        False,
        True,
        True,
        False,
        False,
        ["trap_links must be a boolean", "option colour is not supported", "options parameter must be a table"],
    ]


# Names ----------------------------------------


def test_names() -> None:
    found = app().run(
        """
        local names, me = process.registry, process.pid()
        local registered, again = names.register("me"), names.register("me")
        local other = spawn("waiting")
        local taken, err = names.register("me", other)
        local found = names.lookup("me") == me
        local gone, twice = names.unregister("me"), names.unregister("me")
        local foreign = names.register("other", other)
        local known = names.lookup("other") == other
        return { registered, again, taken == nil, tostring(err), found, gone, twice, foreign, known }
        """
    )
    assert found == [True, True, True, "name already registered", True, True, False, True, True]


def test_a_name_can_be_sent_to_and_goes_with_its_process() -> None:
    found = (
        app()
        .process("named", 'process.registry.register("server") process.send((...), "ready") process.inbox():receive()')
        .run(
            """
            local ready = process.listen("ready")
            spawn_monitored("named", process.pid())
            ready:receive()
            local sent = process.send("server", "stop")
            process.events():receive()
            local pid, err = process.registry.lookup("server")
            return { sent, pid == nil, err:kind() }
            """
        )
    )
    assert found == [True, True, "NotFound"]


# exec and contexts ----------------------------------------


def test_exec_runs_a_process_to_its_end() -> None:
    found = app().run(
        """
        local value = process.exec("app:give", "app:host", { x = 1 })
        local none, err = process.exec("app:crashing", "app:host")
        return { value, none == nil, tostring(err) }
        """
    )
    assert found == [{"x": 1}, True, "crashed on purpose"]


def test_context_is_inherited_by_children_and_grandchildren() -> None:
    found = (
        app()
        .process("leaf", "return { ctx.get('a'), ctx.get('b') }")
        .process("middle", "return process.exec('app:leaf', 'app:host')")
        .run(
            """
            local spawner = process.with_context({ a = 1 }):with_context({ b = { c = 2 } })
            local pid = spawner:spawn_monitored("app:middle", "app:host")
            local value = process.events():receive().result.value
            return { value, ctx.get("a") == nil, type(pid) }
            """
        )
    )
    assert found == [[1, {"c": 2}], True, "string"]


def test_a_service_answers_requesters_from_the_exits_of_its_workers() -> None:
    found = (
        app()
        .process("worker", "local n = ... if n == 3 then error('three', 0) end return n * n")
        .process(
            "server",
            """
            local inbox, events, waiting = process.inbox(), process.events(), {}
            while true do
              local r = channel.select({ inbox:case_receive(), events:case_receive() })
              if r.channel == inbox then
                local m = r.value
                waiting[spawn_monitored("worker", m:payload():data())] = m:from()
              else
                local to, result = waiting[r.value.from], r.value.result
                process.send(to, "answer", result.error and tostring(result.error) or result.value)
              end
            end
            """,
        )
        .run(
            """
            local server, answers, got = spawn("server"), process.listen("answer"), {}
            for i = 1, 4 do process.send(server, "do", i) end
            for i = 1, 4 do got[i] = within(answers) end
            return got
            """
        )
    )
    assert sorted(map(str, found)) == ["1", "16", "4", "three"]


def test_many_processes_among_several_lua_states_answer() -> None:
    """More processes than one state takes: the others go to a second one, and messages and exits cross."""
    found = (
        app()
        .process(
            "reports", 'local to = ... process.send(to, "hi", process.pid()) process.inbox():receive() return "bye"'
        )
        .run(
            """
            local hi, n, me = process.listen("hi"), 17000, process.pid()
            local last
            for _ = 1, n do last = spawn_monitored("reports", me) end
            local pids = {}
            for i = 1, n do pids[i] = hi:receive() end
            for i = 1, n do process.send(pids[i], "go") end
            local byes = 0
            for _ = 1, n do if process.events():receive().result.value == "bye" then byes = byes + 1 end end
            return byes
            """
        )
    )
    assert found == 17000


def test_a_name_is_found_from_another_lua_state() -> None:
    found = (
        app()
        .process("named", "process.registry.register('far') process.send((...), 'up') process.inbox():receive()")
        .run(
            """
            local up = process.listen("up")
            for _ = 1, 16100 do spawn("waiting") end
            local pid = spawn("named", process.pid())
            up:receive()
            local found, taken = process.registry.lookup("far") == pid, process.registry.register("far") == nil
            return { found, taken, process.send("far", "x") }
            """
        )
    )
    assert found == [True, True, True]


def test_an_unknown_failure_names_the_entry() -> None:
    with pytest.raises(Error) as failed:
        app().run("local x = nil return x.y")
    assert failed.value.message.startswith("app:main:") and "attempt to index" in failed.value.message
