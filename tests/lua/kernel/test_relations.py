"""Monitors, links, names (spec 03 §3.3, §3.10, §19.11-14)."""

from __future__ import annotations

import pytest

from .driver import Driver, main

WAIT = "process.inbox():receive()"


def events_of(driver: Driver, body: str, *args: str) -> list[str]:
    """Runs `body`, then lists kind and error text of the events that arrived within 20 ms."""
    collect = """
        local list, c = {}, process.events()
        while true do
          local r = channel.select { c:case_receive(), time.after("20ms"):case_receive() }
          if r.channel ~= c then break end
          local e = r.value
          local failed = e.result.error
          list[#list + 1] = e.kind .. " " .. (failed and failed:message() or tostring(e.result.value))
        end
        return list"""
    found = driver.do(body + collect, *args)
    return list(found) if isinstance(found, list) else []


def test_monitor_sees_the_result_or_the_error(driver: Driver) -> None:
    fine, bad = driver.define("return 5"), driver.define("error('boom')")
    assert events_of(driver, 'process.spawn_monitored((...), "t:host")', fine) == ["pid.exit 5"]
    (event,) = events_of(driver, 'process.spawn_monitored((...), "t:host")', bad)
    assert event.startswith("pid.exit t:entry")
    assert event.endswith("boom")


def test_linked_failure_ends_a_peer_that_does_not_trap(driver: Driver) -> None:
    bad = driver.define("error('boom')")
    error = driver.fails('process.spawn_linked((...), "t:host") ' + WAIT, bad)
    assert error.message == "linked process failed"


def test_trapping_peer_gets_link_down(driver: Driver) -> None:
    bad = driver.define("time.sleep('1ms') return nil, 'boom'")
    body = 'process.set_options({ trap_links = true }) process.spawn_linked((...), "t:host") '
    assert events_of(driver, body, bad) == ["pid.link.down boom"]


def test_exit_comes_before_link_down(driver: Driver) -> None:
    bad = driver.define("return nil, 'boom'")
    body = 'process.set_options({ trap_links = true }) process.spawn_linked_monitored((...), "t:host") '
    assert events_of(driver, body, bad) == ["pid.exit boom", "pid.link.down boom"]


def test_clean_end_dissolves_links_silently(driver: Driver) -> None:
    fine = driver.define("return 1")
    body = 'process.set_options({ trap_links = true }) process.spawn_linked((...), "t:host") '
    assert events_of(driver, body, fine) == []


def test_failure_cascades_through_processes_that_do_not_trap(driver: Driver) -> None:
    last = driver.define("time.sleep('2ms') error('boom')")
    middle = driver.define(f"process.spawn_linked((...), 't:host') {WAIT}")
    body = 'process.set_options({ trap_links = true }) process.spawn_linked_monitored((...), "t:host", select(2, ...)) '
    assert events_of(driver, body, middle, last) == [
        "pid.exit linked process failed",
        "pid.link.down linked process failed",
    ]


def test_unmonitor_and_unlink_suppress_events(driver: Driver) -> None:
    bad = driver.define("time.sleep('2ms') error('boom')")
    body = """
        process.set_options({ trap_links = true })
        local pid = process.spawn_linked_monitored((...), "t:host")
        if not process.unmonitor(pid) or not process.unlink(pid) then error("refused") end """
    assert events_of(driver, body, bad) == []


def test_monitoring_twice_and_monitoring_nobody_are_errors_without_events(driver: Driver) -> None:
    child = driver.define("time.sleep('1ms') return 1")
    body = """
        local pid = process.spawn_monitored((...), "t:host")
        local ok, e = process.monitor(pid)
        if ok ~= nil or not e:message():find("already monitoring pid", 1, true) then error(tostring(e)) end
        local ok2, e2 = process.monitor("{t:host|0xfff00}")
        if ok2 ~= nil or e2:kind() ~= "Internal" or not e2:message():find("pid not registered", 1, true) then
          error(tostring(e2)) end """
    assert events_of(driver, body, child) == ["pid.exit 1"]


def test_linking_twice_is_fine(driver: Driver) -> None:
    child = driver.define(WAIT)
    body = (
        'local pid = process.spawn((...), "t:host") return process.link(pid) and process.link(pid) and '
        "process.unlink(pid)"
    )
    assert driver.do(body, child) is True


def test_terminate_tells_watchers_and_links(driver: Driver) -> None:
    child = driver.define(WAIT)
    body = """
        process.set_options({ trap_links = true })
        local pid = process.spawn_linked_monitored((...), "t:host")
        process.terminate(pid) """
    assert events_of(driver, body, child) == ["pid.exit process terminated", "pid.link.down process terminated"]


@pytest.mark.parametrize("verb", ["terminate", "cancel", "monitor", "link"])
def test_controls_of_nobody_fail_with_their_name(driver: Driver, verb: str) -> None:
    kind, message, retryable = driver.do(
        (
            "local verb = ... local ok, e = process[verb]('{t:host|0xfff00}') return { e:kind(), "
            "e:message(), e:retryable() }"
        ),
        verb,
    )
    assert kind == "Internal"
    assert message.startswith(f"{verb} failed")
    assert retryable is False


def test_messages_before_the_end_precede_the_exit(driver: Driver) -> None:
    child = driver.define("local parent = ... process.send(parent, 'last') return 1")
    body = """
        process.spawn_monitored((...), "t:host", process.pid())
        local inbox, ev, order = process.inbox(), process.events(), {}
        for i = 1, 2 do
          local r = channel.select { inbox:case_receive(), ev:case_receive() }
          order[i] = r.channel == inbox and "mail" or "exit"
        end
        return order"""
    assert driver.do(body, child) == ["mail", "exit"]


def test_names_are_registered_looked_up_and_released(driver: Driver) -> None:
    body = """
        local r, me = process.registry, process.pid()
        local first, again = r.register("n"), r.register("n")
        local found = r.lookup("n") == me
        process.send("n", "t", 1)
        local mail = process.inbox():receive():topic()
        local gone, twice = r.unregister("n"), r.unregister("n")
        local none, e = r.lookup("n")
        return { first, again, found, mail, gone, twice, none == nil, e:kind(), e:message() }"""
    assert driver.do(body) == [True, True, True, "t", True, False, True, "NotFound", "name not registered"]


def test_name_of_another_living_process_is_taken(driver: Driver) -> None:
    child = driver.define("process.registry.register('n') " + WAIT)
    body = """
        local pid = process.spawn((...), "t:host")
        time.sleep("1ms")
        local ok, e = process.registry.register("n")
        process.terminate(pid)
        coroutine.yield()
        local after = process.registry.register("n")
        return { ok == nil, e:kind(), e:message(), after }"""
    assert driver.do(body, child) == [True, "AlreadyExists", "name already registered", True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'n', 'x'", "invalid pid format: missing braces"),
        ("'n', '{x}'", "invalid pid format: missing pipe"),
        ("'n', 1", "pid must be a string"),
        ("'n', nil, 'x'", "scope must be one of the registry constants"),
    ],
)
def test_bad_registrations_are_invalid(driver: Driver, arguments: str, message: str) -> None:
    body = f"local ok, e = process.registry.register({arguments}) return {{ e:kind(), e:message() }}"
    assert driver.do(body) == ["Invalid", message]


def test_relations_reach_over_shards() -> None:
    driver = Driver({}, shards=2)
    child = driver.define("local how = ... process.inbox():receive() if how then error(how) end return 1")
    body = """
        local child, host = ...
        process.set_options({ trap_links = true })
        local a = process.spawn_monitored(child, host)
        local b, err = process.spawn_linked(child, host, "boom")
        process.send(a, "go") process.send(b, "go")
        local list, c = {}, process.events()
        for i = 1, 2 do
          local e = c:receive()
          list[i] = e.kind .. " " .. (e.result.error and e.result.error:message():match("%a+$") or
            tostring(e.result.value))
        end
        table.sort(list)
        return list"""
    assert driver.do(body, child, "t:away") == ["pid.exit 1", "pid.link.down boom"]
    assert driver.shards[1].live == 0


def test_sending_over_shards_reports_the_dead() -> None:
    driver = Driver({}, shards=2)
    child = driver.define("return 1")
    body = """
        local pid = process.spawn_monitored((...), "t:away")
        process.events():receive()
        return select(2, process.send(pid, "t")):message()"""
    assert driver.do(body, child) == "process not found"


@pytest.mark.parametrize("verb", ["monitor", "link"])
def test_a_denied_relation_is_not_made(verb: str) -> None:
    driver = Driver({"t:idle": main(WAIT), "t:asks": main(f"local ok, e = process.{verb}(...) return e:message()")},
                    open_identity=False)  # fmt: skip
    pid = driver.start("t:idle")
    driver.denied.add((f"process.{verb}", pid))
    assert driver.value("t:asks", pid) == f"not allowed to {verb}: {pid}"
    assert driver.lua("local S, pid = ... return S.find_process(pid).relations", pid.encode()) is False


NAMED = """
    local child = ...
    local r, pid = process.registry, process.spawn_monitored(child, "t:away")
"""


def names_over_shards(body: str) -> object:
    driver = Driver({}, shards=2)
    child = driver.define("process.registry.register('own') process.inbox():receive()")
    return driver.do(NAMED + body, child)


def test_a_name_given_to_a_process_of_another_shard_ends_with_it() -> None:
    body = """
        local given, again = r.register("n", pid), r.register("n", pid)
        local held, refused = r.lookup("n") == pid, select(2, r.register("n"))
        process.send(pid, "end")
        process.events():receive()
        local dead = select(2, r.register("n", pid))
        return { given, again, held, refused:message(), r.lookup("n") == nil, dead:kind(), r.register("n") }"""
    assert names_over_shards(body) == [True, True, True, "name already registered", True, "NotFound", True]


def test_a_name_taken_back_from_another_shard_is_not_freed_again_by_its_old_holder() -> None:
    body = """
        process.send(pid, "first")
        process.events():receive()
        pid = process.spawn_monitored(child, "t:away")
        while not r.lookup("own") do time.sleep("1ms") end
        local taken = r.unregister("own") and r.register("own")
        process.send(pid, "end")
        process.events():receive()
        return { taken, r.lookup("own") == process.pid() }"""
    assert names_over_shards(body) == [True, True]
