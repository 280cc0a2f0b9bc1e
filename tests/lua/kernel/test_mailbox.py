"""Messages, topics, events (spec 03 §2.4, §3.1, §3.5-3.7)."""

from __future__ import annotations

from .driver import Driver

TO_SELF = "local me = process.pid() local function send(topic, ...) return process.send(me, topic, ...) end "


def test_messages_of_one_sender_keep_their_order(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        for i = 1, 5 do send("t" .. i % 2, i) end
        local inbox, got = process.inbox(), {}
        for i = 1, 5 do got[i] = inbox:receive():payload():data() end
        return got"""
    )
    assert driver.do(body) == [1, 2, 3, 4, 5]


def test_messages_sent_right_after_spawn_are_not_lost(driver: Driver) -> None:
    child = driver.define("""
        local parent = ...
        time.sleep("2ms")
        local topic = process.listen("late")
        process.send(parent, "got", topic:receive(), topic:receive())""")
    body = """
        local child = ...
        local pid = process.spawn(child, "t:host", process.pid())
        process.send(pid, "late", 1)
        process.send(pid, "late", 2)
        local m = process.inbox():receive():payload()
        return { m[1]:data(), m[2]:data() }"""
    assert driver.do(body, child) == [1, 2]


def test_listened_topics_and_the_inbox_are_independent(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local listened, inbox = process.listen("a"), process.inbox()
        send("a", 1) send("b", 2) send("a", 3)
        return { listened:receive(), (listened:receive()), inbox:receive():topic() }"""
    )
    assert driver.do(body) == [1, 3, "b"]


def test_full_listener_does_not_hold_back_the_inbox(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local listened, inbox = process.listen("a"), process.inbox()
        for i = 1, 10 do send("a", i) end
        send("b", "through")
        local through = inbox:receive():payload():data()
        local sum = 0
        for i = 1, 10 do sum = sum + listened:receive() end
        return { through, sum }"""
    )
    assert driver.do(body) == ["through", 55]


def test_queued_message_goes_to_the_listener_that_its_topic_gains(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        send("a", 1) send("b", 2)
        local listened = process.listen("a")
        local first = process.inbox():receive()
        return { (listened:receive()), first:topic() }"""
    )
    assert driver.do(body) == [1, "b"]


def test_raw_values_of_none_one_and_several_payloads(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local c = process.listen("a")
        send("a") send("a", "x") send("a", 1, 2, 3)
        local none, ok = c:receive()
        return { none == nil, ok, (c:receive()), c:receive() }"""
    )
    assert driver.do(body)[:3] == [True, True, "x"]
    several = driver.do(TO_SELF + 'local c = process.listen("a") send("a", 1, 2, 3) return c:receive()')
    assert several == [1, 2, 3]


def test_message_option_delivers_message_objects(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local c = process.listen("a", { message = true })
        send("a", "x")
        local m = c:receive()
        return { m:topic(), m:from() == me, m:payload():data(), tostring(m), type(m) }"""
    )
    assert driver.do(body) == ["a", True, "x", "process.Message{topic=a}", "userdata"]


def test_unlisten_closes_the_channel_and_mail_falls_back_to_the_inbox(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local c, inbox = process.listen("a"), process.inbox()
        local done = process.unlisten(c)
        send("a", 1)
        local v, ok = c:receive()
        return { done, ok, inbox:receive():topic(), (process.unlisten(c)) }"""
    )
    assert driver.do(body) == [True, False, "a", False]


def test_channels_are_the_same_object_every_time(driver: Driver) -> None:
    body = """return process.inbox() == process.inbox() and process.events() == process.events()
        and process.listen("a") == process.listen("a")"""
    assert driver.do(body) is True


def test_polling_select_does_not_see_queued_mail(driver: Driver) -> None:
    body = TO_SELF + 'send("a", 1) return channel.select({ process.inbox():case_receive(), default = true }).default'
    assert driver.do(body) is True


def test_reserved_topics_cannot_be_sent_or_listened_to(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local sent, e = send("@x")
        local c, e2 = process.listen("@x")
        local d, e3 = process.listen("")
        return { sent == nil, e:kind(), e:message(), e2:message(), e3:message() }"""
    )
    invalid = ["cannot send to @ topics", "cannot listen to @ topics", "topic cannot be empty"]
    assert driver.do(body) == [True, "Invalid", *invalid]


def test_host_may_deliver_reserved_topics_to_a_later_subscription(driver: Driver) -> None:
    pid = driver.start(
        driver.define("""
        process.inbox()
        time.sleep("3ms")
        local c = channel.new(1)
        subscribe("@future:1", c)
        return c:receive()""")
    )
    driver.deliver(pid, "@future:1", 42)
    driver.until(lambda: pid in driver.exits)
    assert driver.exits[pid] == (42, None)


def test_sending_to_nobody_says_not_found(driver: Driver) -> None:
    for dest in ("{t:host|0xfff00}", "{t:host|0x00001}", "nobody"):
        kind, message = driver.do(
            "local d = ... local ok, e = process.send(d, 't') return { e:kind(), e:message() }", dest
        )
        assert kind == "NotFound"
        assert "not found" in message or "resolve" in message


def test_sending_to_a_finished_process_says_not_found(driver: Driver) -> None:
    child = driver.define("return 1")
    body = """
        local pid = process.spawn_monitored((...), "t:host")
        process.events():receive()
        local ok, e = process.send(pid, "t")
        return { ok == nil, e:kind(), e:message() }"""
    assert driver.do(body, child) == [True, "NotFound", "process not found"]


def test_sending_to_a_process_ended_a_moment_ago_says_not_found(driver: Driver) -> None:
    child = driver.define("process.inbox():receive()")
    body = """
        local pid = process.spawn((...), "t:host")
        process.terminate(pid)
        return select(2, process.send(pid, "t")):message()"""
    assert driver.do(body, child) == "process not found"


def test_bad_arguments_raise_and_missing_ones_are_invalid(driver: Driver) -> None:
    assert "string expected" in driver.do("return select(2, pcall(process.send, 1, 't'))")
    assert "string expected" in driver.do("return select(2, pcall(process.send, process.pid(), {}))")
    assert driver.do("return select(2, process.send('x')):message()") == (
        "send requires at least destination and topic arguments"
    )


def test_denied_send_is_a_permission_error() -> None:
    driver = Driver({}, open_identity=False)
    driver.denied.add(("process.send", "{t:host|0x00100}"))
    kind, message = driver.do("local ok, e = process.send(process.pid(), 't') return { e:kind(), e:message() }")
    assert (kind, message) == ("PermissionDenied", "not allowed to send: {t:host|0x00100}")


def test_cancel_is_an_event_with_a_reason(driver: Driver) -> None:
    body = """
        process.cancel(process.pid(), "why")
        process.cancel(process.pid(), 5)
        local c = process.events()
        local a, b = c:receive(), c:receive()
        return { a.kind == process.event.CANCEL, a.from == process.pid(), a.reason, b.reason, type(a.at) }"""
    assert driver.do(body) == [True, True, "why", "5", "number"]


def test_one_topic_is_bound_to_one_channel(driver: Driver) -> None:
    body = """
        local a, b = channel.new(1), channel.new(1)
        local first = subscribe("t", a)
        local again = subscribe("t", a)
        local ok, e = subscribe("t", b)
        return { first, again, ok == nil, e:kind(), e:message(), (unsubscribe(a)), (unsubscribe(a)) }"""
    assert driver.do(body) == [True, True, True, "AlreadyExists", 'topic "t" already subscribed', True, False]


def test_mail_for_a_waiting_select_and_a_waiting_sibling(driver: Driver) -> None:
    body = (
        TO_SELF
        + """
        local inbox, got = process.inbox(), {}
        coroutine.spawn(function() local m = inbox:receive() got[#got + 1] = m:payload():data() end)
        coroutine.spawn(function() local r = channel.select({ inbox:case_receive() }) got[#got + 1] =
          r.value:payload():data() end)
        for i = 1, 4 do send("t", i) end
        coroutine.yield()
        return { got[1], got[2], inbox:receive():payload():data(), inbox:receive():payload():data() }"""
    )
    assert driver.do(body) == [1, 2, 3, 4]
