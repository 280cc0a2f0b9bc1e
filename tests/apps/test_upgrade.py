"""process.upgrade and OUTDATED (spec 03 §3.7, §3.8)."""

from __future__ import annotations

from apps.guest import App

NEW = """
    local m = process.inbox():receive()
    return { "new", m:payload():data(), process.registry.lookup("it") == process.pid(), ... }
"""


def app() -> App:
    found = App()
    found.process("new", NEW)
    found.process(
        "old",
        """
        process.registry.register("it")
        local topic = process.listen("topic")
        coroutine.spawn(function() while true do time.sleep("1ms") end end)
        process.send(process.pid(), "other", "kept")
        process.upgrade("app:new", 1, { two = 2 })
        """,
    )
    return found


def test_new_code_keeps_pid_names_mail_and_watchers() -> None:
    assert app().run(
        """
        local pid = spawn_monitored("old")
        local event = within(process.events())
        return { event.from == pid, event.result.value }
        """
    ) == [True, ["new", "kept", True, 1, {"two": 2}]]


def test_unread_mail_of_listened_topics_comes_back() -> None:
    found = App()
    found.process(
        "second",
        """
        local got = {}
        local inbox = process.inbox()
        for i = 1, 4 do
          local m = inbox:receive()
          got[i] = { m:topic(), m:payload():data(), m:from() ~= "" }
        end
        return got
        """,
    )
    found.process(
        "first",
        """
        local a, b = process.listen("a"), process.listen("b", { message = true })
        process.send("main", "ready")
        for _ = 1, 5 do time.sleep("2ms") end
        local read = a:receive()
        process.upgrade("app:second")
        """,
    )
    assert found.run(
        """
        process.registry.register("main")
        local pid = spawn_monitored("first")
        within(process.inbox())
        for i = 1, 3 do process.send(pid, "a", i) end
        process.send(pid, "b", "message")
        process.send(pid, "plain", "x")
        local event = within(process.events())
        local by_topic = {}
        for _, m in ipairs(event.result.value) do
          by_topic[m[1]] = by_topic[m[1]] or {}
          table.insert(by_topic[m[1]], m[2])
          if not m[3] then return "no sender" end
        end
        return by_topic
        """
    ) == {"a": [2, 3], "b": ["message"], "plain": ["x"]}


def test_links_survive_and_hear_of_the_end() -> None:
    found = App()
    found.process("failing", "error('after the upgrade', 0)")
    found.process("first", "process.upgrade('app:failing')")
    assert found.run(
        """
        process.set_options({ trap_links = true })
        local pid = spawn_linked("first")
        local event = within(process.events())
        return { event.kind, event.from == pid, tostring(event.result.error) }
        """
    ) == ["pid.link.down", True, "after the upgrade"]


def test_code_that_cannot_start_fails_the_process() -> None:
    found = App()
    found.process("first", "process.upgrade(...)")
    found.add("bad", "process.lua", source="error('in the module body')", method="main")
    found.process(
        "nested",
        "pcall(function() coroutine.wrap(function() process.upgrade('app:nothing') end)() end) return 'went on'",
    )
    results = found.run(
        """
        local out = {}
        for i, id in ipairs({ "app:nothing", "app:bad" }) do
          spawn_monitored("first", id)
          out[i] = tostring(within(process.events()).result.error)
        end
        spawn_monitored("nested")
        out[3] = tostring(within(process.events()).result.error)
        return out
        """
    )
    assert results[0].startswith("upgrade: create failed: ") and "app:nothing" in results[0]
    assert results[1].startswith("upgrade: init failed: ") and "in the module body" in results[1]
    assert results[2].startswith("upgrade: create failed: ")


def test_in_a_function_it_ends_the_call_with_nil() -> None:
    found = App()
    found.function("f", "process.upgrade() return 1")
    assert found.run("local v, err = funcs.call('app:f') return { v == nil, err == nil }") == [True, True]


def test_timers_and_calls_of_the_old_code_do_not_reach_the_new_one() -> None:
    found = App()
    found.function("slow", "time.sleep('10s') return 1")
    found.process("second", "local r = select(2, within(process.inbox(), '60ms')) return r")
    found.process(
        "first",
        """
        local after, ticker = time.after("10ms"), time.ticker("5ms")
        funcs.async("app:slow")
        coroutine.spawn(function() funcs.call("app:slow") end)
        process.upgrade("app:second")
        """,
    )
    assert found.run("spawn_monitored('first') return within(process.events()).result.value") == "timeout"


WATCHING = """
    process.set_options({ upgradable = true })
    process.send("main", "ready")
    local event = process.events():receive()
    if event.kind ~= process.event.OUTDATED then return event.kind end
    process.send("main", "outdated", event.sources)
    process.upgrade()
"""


WATCHING = """
    local talk = require("talk")
    process.set_options({ upgradable = true })
    local at = (...) or 0
    process.send("main", "runs", talk.version, at)
    local told = process.inbox():receive()       -- until then the changes merge into one event
    local event = process.events():receive()
    if event.kind ~= process.event.OUTDATED then return event.kind end
    process.send("main", "outdated", event.sources)
    process.upgrade(nil, at + 1)
"""

CHANGE = """
    local inbox = process.inbox()
    process.registry.register("main")
    local pid = process.spawn("app:watching", "app:host")
    local seen = {}
    local function note()
      local m = inbox:receive()
      local p = m:payload()
      seen[#seen + 1] = m:topic() == "runs" and { p[1]:data(), p[2]:data() } or p:data()
    end
    local function version(n)
      local changes = registry.snapshot():changes()
      changes:update({ id = "app:talk", kind = "library.lua", data = { source = "return { version = " .. n .. " }" } })
      assert(changes:apply())
    end
    note()
    version(2)
    version(3)
    process.send(pid, "go on")
    note()
    note()
    return seen
"""


def test_who_wants_to_know_hears_once_of_all_changes_and_takes_the_new_code() -> None:
    found = App()
    found.add("talk", "library.lua", source="return { version = 1 }")
    found.process("watching", WATCHING, imports={"talk": "app:talk"})
    found.process("main", CHANGE, modules=["registry"])
    seen = found.use(lambda runtime: runtime.run_process("app:main", "app:host"))
    assert seen == [[1, 0], ["app:talk", "app:watching"], [3, 1]]


def test_nobody_else_is_told() -> None:
    found = App()
    found.add("talk", "library.lua", source="return { version = 1 }")
    found.process(
        "plain",
        "local talk = require('talk') return (select(2, within(process.events(), '50ms')))",
        imports={"talk": "app:talk"},
    )
    body = CHANGE[CHANGE.index("local function version") : CHANGE.index("note()\n    version")]
    found.process(
        "main",
        f"""
        {body}
        spawn_monitored("plain")
        version(2)
        return within(process.events()).result.value
        """,
        modules=["registry", "time"],
    )
    assert found.use(lambda runtime: runtime.run_process("app:main", "app:host")) == "timeout"
