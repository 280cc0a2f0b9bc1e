"""Functions, futures, contexts and the event bus (spec 03 §6-8, §20)."""

from __future__ import annotations

import pytest

from apps.guest import App
from wippy import Error


def app() -> App:
    found = App()
    found.function("echo", "return ...").function("nothing", "local x = 1").function("two", "return 1, 2")
    found.function("slow", "local ms, v = ... time.sleep(ms * 1000000) return v")
    found.function(
        "fail",
        "local kind, retryable = ... return nil, errors.new({ message = 'no', kind = kind, retryable = retryable })",
    )
    found.function("raise", "error('raised', 0)").function("text", "return nil, 'just text'")
    found.function("context", "return { ctx.get('a'), (ctx.all()) }")
    return found


# Calls ----------------------------------------


def test_values_of_every_type_come_back() -> None:
    found = app().run(
        """
        local got = {}
        for i, v in ipairs({ 1, 1.5, "text", true, { a = { 1, 2 } } }) do got[i] = funcs.call("app:echo", v) end
        return got
        """
    )
    assert found == [1, 1.5, "text", True, {"a": [1, 2]}]


def test_only_the_first_result_comes_back() -> None:
    assert app().run("return { select('#', funcs.call('app:two')), (funcs.call('app:two')) }") == [2, 1]


def test_no_result_is_nil_without_an_error() -> None:
    assert app().run("local v, e = funcs.call('app:nothing') return v == nil and e == nil")


@pytest.mark.parametrize("kind", ["Invalid", "Unavailable", "NotFound", "PermissionDenied", "Internal"])
@pytest.mark.parametrize("retryable", [True, False, None])
def test_kind_and_retryable_survive_calls_executors_and_asyncs(kind: str, retryable: bool | None) -> None:
    found = app().run(
        """
        local function parts(e) return { e:kind(), tostring(e:retryable()), e:message() } end
        local kind, retryable = ...
        local _, plain = funcs.call("app:fail", kind, retryable)
        local _, executor = funcs.new():call("app:fail", kind, retryable)
        local future = funcs.async("app:fail", kind, retryable)
        local item = future:channel():receive()
        return { parts(plain), parts(executor), parts(item) }
        """,
        kind,
        retryable,
    )
    assert found == [[kind, {True: "true", False: "false", None: "nil"}[retryable], "no"]] * 3


@pytest.mark.parametrize(
    ("id", "kind", "text"),
    [
        ("", "Invalid", "function ID required"),
        ("name", "Invalid", "namespace required in function ID"),
        (":name", "Invalid", "namespace required in function ID"),
        ("app:", "Invalid", "name required in function ID"),
        ("app:unknown", "NotFound", "no handler registered for target"),
        ("app:host", "NotFound", "no handler registered for target"),
        ("app:raise", "Internal", "raised"),
        ("app:text", "Internal", "just text"),
    ],
)
def test_failures_are_the_second_value(id: str, kind: str, text: str) -> None:
    for call in ("funcs.call", "funcs.async"):
        if call == "funcs.async" and id in ("app:raise", "app:text"):
            continue
        got = app().run(f"local v, e = {call}(...) return {{ v == nil, e:kind(), e:message() }}", id)
        assert got == [True, kind, text]


def test_a_module_that_is_not_declared_cannot_be_required() -> None:
    found = App().function("f", "return require('json') ~= nil", modules=[])
    with pytest.raises(Error, match="json"):
        found.call("f")


def test_a_library_is_imported_by_its_alias() -> None:
    found = App().add("maths", "library.lua", source="return { twice = function(n) return 2 * n end }")
    found.function("f", "return require('m').twice(...) + m.twice(1)", imports={"m": "app:maths"})
    assert found.call("f", 20) == 42


def test_variables_of_a_library_belong_to_each_process() -> None:
    counter = "local n = 0 return { next = function() n = n + 1 return n end }"
    found = App().add("counter", "library.lua", source=counter)
    found.process("child", "return counter.next()", imports={"counter": "app:counter"})
    found.process(
        "main",
        "counter.next() return { counter.next(), process.exec('app:child', 'app:host') }",
        imports={"counter": "app:counter"},
    )
    assert found.use(lambda runtime: runtime.run_process("app:main", "app:host")) == [2, 1]


def test_a_process_with_a_default_host_can_be_called() -> None:
    found = app().process(
        "job", "local a, b = ... if b then error('told so', 0) end return a", meta={"default_host": "app:host"}
    )
    assert found.run(
        """
        local _, err = funcs.call("app:job", 1, true)
        local future = funcs.async("app:job", 3)
        return { funcs.call("app:job", { n = 1 }), err:message(), future:channel():receive():data() }
        """
    ) == [{"n": 1}, "told so", 3]


# Futures ----------------------------------------


def test_a_future_before_and_after_its_completion() -> None:
    found = app().run(
        """
        local f = funcs.async("app:slow", 5, "v")
        local before = { f:is_complete(), f:result() == nil, select(2, f:error()) }
        local item, open = f:response():receive()
        local _, again = f:channel():receive()
        local after = { f:is_complete(), f:result():data(), f:channel() == f:response(), f:is_canceled() }
        return { before, item:data(), open, again, after }
        """
    )
    assert found == [[False, True, False], "v", True, False, [True, "v", True, False]]


def test_a_future_that_fails() -> None:
    found = app().run(
        """
        local f = funcs.async("app:fail", "Invalid")
        local item = f:channel():receive()
        local err, failed = f:error()
        local value, result_err = f:result()
        return { errors.is(item, "Invalid"), failed, err:kind(), err:message(), value == nil, result_err:kind() }
        """
    )
    assert found == [True, True, "Internal", "async call failed: no", True, "Invalid"]


def test_cancel_of_a_future() -> None:
    found = app().run(
        """
        local f = funcs.async("app:slow", 10000, "v")
        local ok = f:cancel()
        local _, open = f:channel():receive()
        local _, err = f:result()
        f:cancel()
        return { ok, open, f:is_canceled(), err:kind() }
        """
    )
    assert found == [True, False, True, "Canceled"]


def test_asyncs_run_together() -> None:
    assert app().run(
        """
        local began, futures = time.now(), {}
        for i = 1, 5 do futures[i] = funcs.async("app:slow", 100, i) end
        for i = 1, 5 do assert(futures[i]:channel():receive():data() == i) end
        return time.now():sub(began):milliseconds() < 400
        """
    )


def test_the_faster_of_two_futures_wins_a_select() -> None:
    assert (
        app().run(
            """
        local slow, fast = funcs.async("app:slow", 500, "slow"), funcs.async("app:slow", 5, "fast")
        local r = channel.select({ slow:channel():case_receive(), fast:channel():case_receive() })
        return r.value:data()
        """
        )
        == "fast"
    )


def test_a_timeout_of_an_executor_is_an_error() -> None:
    assert app().run(
        """
        local _, text = funcs.new():with_options({ timeout = "10ms" }):call("app:slow", 10000)
        local _, number = funcs.new():with_options({ timeout = 10 }):call("app:slow", 10000)
        local fine = funcs.new():with_options({ timeout = "5s" }):call("app:slow", 1, "in time")
        return { text:kind(), number:kind(), fine }
        """
    ) == ["Timeout", "Timeout", "in time"]


# Pools ----------------------------------------


def test_an_inline_function_serves_one_call_at_a_time() -> None:
    found = App().function(
        "inline",
        "busy = (busy or 0) + 1 local most = busy time.sleep('2ms') busy = busy - 1 return most",
        pool={"type": "inline"},
    )
    assert (
        found.run(
            """
        local futures, most = {}, 0
        for i = 1, 5 do futures[i] = funcs.async("app:inline") end
        for i = 1, 5 do most = math.max(most, futures[i]:channel():receive():data()) end
        return most
        """
        )
        == 1
    )


def test_calls_beyond_a_pool_wait_for_their_turn() -> None:
    found = App().function("pooled", "time.sleep('1ms') return (...)", pool={"type": "static", "workers": 2})
    assert (
        found.run(
            """
        local futures, sum = {}, 0
        for i = 1, 50 do futures[i] = funcs.async("app:pooled", i) end
        for i = 1, 50 do sum = sum + futures[i]:channel():receive():data() end
        return sum
        """
        )
        == 1275
    )


def test_a_crash_does_not_cost_an_instance() -> None:
    found = App().function("fragile", "if ... then error('x') end return 'fine'", pool={"type": "inline"})
    assert (
        found.run(
            """
        for _ = 1, 3 do funcs.call("app:fragile", true) end
        return (funcs.call("app:fragile"))
        """
        )
        == "fine"
    )


# Lifetimes ----------------------------------------


def test_the_end_of_a_caller_cancels_what_it_called() -> None:
    found = app()
    found.function("watched", "process.registry.register('watched') process.send('main', 'up') time.sleep('10s')")
    found.process("caller", "funcs.call('app:watched')")
    found.process("starter", "funcs.async('app:watched') process.inbox():receive()")
    assert (
        found.run(
            """
        process.registry.register("main")
        local up, gone = process.listen("up"), {}
        for i, name in ipairs({ "caller", "starter" }) do
          local pid = spawn(name)
          within(up)
          process.monitor("watched")
          process.terminate(pid)
          local e = within(process.events())
          gone[i] = { e.kind, e.result.error:kind(), process.registry.lookup("watched") == nil }
        end
        return gone
        """
        )
        == [["pid.exit", "Canceled", True]] * 2
    )


def test_a_process_spawned_by_a_function_outlives_it() -> None:
    found = (
        app().process("lives", "process.inbox():receive() return 'lived'").function("starts", "return spawn('lives')")
    )
    assert (
        found.run(
            """
        local pid = funcs.call("app:starts")
        process.monitor(pid)
        process.send(pid, "go")
        return within(process.events()).result.value
        """
        )
        == "lived"
    )


def test_a_function_has_a_mailbox_of_its_own() -> None:
    found = app().process(
        "echo_back", "local m = process.inbox():receive() process.send(m:from(), 'back', m:payload():data())"
    )
    found.function(
        "asks", "local back = process.listen('back') process.send(spawn('echo_back'), 'q', 'hi') return within(back)"
    )
    assert found.run("return (funcs.call('app:asks'))") == "hi"


# Context ----------------------------------------


def test_context_of_a_call() -> None:
    found = app().run(
        """
        local ex = funcs.new():with_context({ a = 1, deep = { b = { 2 } } })
        local none, missing = ctx.get("a")
        local _, empty = ctx.get("")
        local failures = { missing:kind(), missing:message(), empty:kind() }
        return { ex:call("app:context"), none == nil, failures, next((ctx.all())) == nil }
        """
    )
    assert found == [[1, {"a": 1, "deep": {"b": [2]}}], True, ["NotFound", "key not found: a", "Invalid"], True]


def test_context_is_inherited_and_merged() -> None:
    found = app().function(
        "middle", "return { funcs.call('app:context'), funcs.new():with_context({ a = 2 }):call('app:context') }"
    )
    assert found.run("return funcs.new():with_context({ a = 1, c = 3 }):call('app:middle')") == [
        [1, {"a": 1, "c": 3}],
        [2, {"a": 2, "c": 3}],
    ]


def test_executors_are_immutable() -> None:
    assert app().run(
        """
        local one = funcs.new()
        local two = one:with_context({ a = 1 })
        return { one ~= two, one:call("app:context")[1] == nil, two:call("app:context")[1] }
        """
    ) == [True, True, 1]


def test_context_reaches_an_async_and_a_process() -> None:
    found = (
        app()
        .process("child", "return (ctx.get('a'))")
        .function("spawns", "return process.exec('app:child', 'app:host')")
    )
    assert found.run(
        """
        local ex = funcs.new():with_context({ a = "here" })
        return { ex:async("app:spawns"):channel():receive():data(), (ex:call("app:spawns")) }
        """
    ) == ["here", "here"]


# Events ----------------------------------------


def test_subscriptions_match_system_and_kind() -> None:
    found = App().run(
        """
        local subs = {
          all = events.subscribe("test"), exact = events.subscribe("test", "user.made"),
          prefix = events.subscribe("test", "user.*"), systems = events.subscribe("te*", "*"),
          none = events.subscribe("other"),
        }
        events.send("test", "user.made", "/u/1", { id = 1 })
        events.send("test", "user.gone", "/u/1")
        events.send("test", "thing.made", "/t/1")
        local counts = {}
        for name, sub in pairs(subs) do
          counts[name] = 0
          while true do
            local r = channel.select({ sub:channel():case_receive(), default = true })
            if r.default then break end
            counts[name] = counts[name] + 1
          end
        end
        return counts
        """
    )
    assert found == {"all": 3, "exact": 1, "prefix": 2, "systems": 3, "none": 0}


def test_an_event_has_its_parts_and_data_only_when_given() -> None:
    assert App().run(
        """
        local sub = events.subscribe("s")
        events.send("s", "k", "p", { n = { 1 } })
        events.send("s", "k2", "p2")
        local first, second = sub:channel():receive(), sub:channel():receive()
        return { first, second }
        """
    ) == [{"system": "s", "kind": "k", "path": "p", "data": {"n": [1]}}, {"system": "s", "kind": "k2", "path": "p2"}]


def test_more_events_than_a_channel_holds_arrive_in_order() -> None:
    found = App().run(
        """
        local sub, got = events.subscribe("s"), {}
        for i = 1, 200 do events.send("s", "k", "p", i) end
        for i = 1, 200 do got[i] = sub:channel():receive().data end
        return got
        """
    )
    assert found == list(range(1, 201))


def test_a_closed_subscription_ends() -> None:
    assert App().run(
        """
        local sub = events.subscribe("s")
        local closed, again = sub:close(), sub:close()
        events.send("s", "k", "p")
        return { closed, again, select(2, sub:channel():receive()) }
        """
    ) == [True, True, False]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("events.send('', 'k', 'p')", "system is required"),
        ("events.send('s', '', 'p')", "kind is required"),
        ("events.send('s', 'k', '')", "path is required"),
        ("events.subscribe('')", "system pattern is required"),
    ],
)
def test_empty_names_are_refused(call: str, text: str) -> None:
    assert App().run(f"local v, e = {call} return {{ v == nil, e:kind(), e:message() }}") == [True, "Invalid", text]
