"""Process groups: membership, broadcasts, subscriptions, limits (spec 03 §9)."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from wippy import Error, Runtime

MODULES = ["events", "funcs", "pg", "registry", "time"]

MEMBER = """
local groups, reply_to, tag = ...
local g = pg.open("app:groups")
local ok, err = g:join(groups)
local inbox, control = process.inbox(), process.events()
process.send(reply_to, "joined", tag or process.pid())
while true do
  local r = channel.select({ inbox:case_receive(), control:case_receive() })
  if r.channel == control or r.value:topic() == "stop" then return "stopped" end
  local payload = r.value:payload()
  if r.value:topic() == "leave" then
    g:leave(payload:data())
    process.send(reply_to, "left")
  elseif r.value:topic() == "join" then
    g:join(payload:data())
    process.send(reply_to, "joined", process.pid())
  else
    process.send(reply_to, "heard", { tag = tag, topic = r.value:topic(), from = r.value:from(),
      data = type(payload) == "userdata" and payload:data() or payload and #payload })
  end
end
"""
START = """
local g = pg.open("app:groups")
local joined, heard, left = process.listen("joined"), process.listen("heard"), process.listen("left")
local function member(groups, tag)
  local pid = spawn("member", groups, process.pid(), tag)
  within(joined)
  return pid
end
local function sorted(list) table.sort(list) return list end
local function taken(ch)
  local out = {}
  while true do
    local r = channel.select({ ch:case_receive(), time.after("30ms"):case_receive() })
    if r.channel ~= ch or not r.ok then return out end
    out[#out + 1] = r.value
  end
end
"""


def app(**config: Any) -> App:
    found = App().add("groups", "pg.scope", **config).add("other", "pg.scope")
    return found.process("member", MEMBER, modules=MODULES)


def run(body: str, *args: Any, found: App | None = None) -> Any:
    found = found or app()
    found.process("main", START + body, modules=MODULES)
    return found.use(lambda runtime: runtime.run_process("app:main", "app:host", *args))


# Opening ----------------------------------------


def test_a_scope_is_opened_by_its_id() -> None:
    assert run(
        """
        local out = { tostring(g), type(g) }
        g:release()
        return { out, tostring(g), g:release() }
        """
    ) == [["pg.Instance{app:groups}", "userdata"], "pg.Instance{app:groups, released}", True]


@pytest.mark.parametrize(
    ("id", "kind"), [("", "Invalid"), ("app:none", "Internal"), ("app:host", "Internal"), ("none", "Internal")]
)
def test_what_is_no_scope_cannot_be_opened(id: str, kind: str) -> None:
    assert run("local v, e = pg.open(...) return { v == nil, e:kind() }", id) == [True, kind]


def test_scopes_are_isolated_from_each_other() -> None:
    assert run(
        """
        local other = pg.open("app:other")
        g:join("room")
        other:join("kitchen")
        return { #other:get_members("room"), other:which_groups(), g:which_groups() }
        """
    ) == [0, ["kitchen"], ["room"]]


def test_after_release_every_method_is_invalid() -> None:
    assert run(
        """
        g:join("room")
        local second = pg.open("app:groups")
        g:release()
        local out = {}
        for _, name in ipairs({ "join", "leave", "get_members", "get_local_members", "which_groups",
            "which_local_groups", "broadcast", "broadcast_local" }) do
          local v, e = g[name](g, "room", "topic")
          out[#out + 1] = v == nil and e:kind() .. ": " .. e:message()
        end
        for _, name in ipairs({ "monitor", "events" }) do
          local sub, members, e = g[name](g, "room")
          out[#out + 1] = sub == nil and members == nil and e:kind() .. ": " .. e:message()
        end
        return { out, #second:get_members("room") }
        """
    ) == [["Invalid: pg instance is released"] * 10, 1]


# Membership ----------------------------------------


def test_join_and_leave_count() -> None:
    assert run(
        """
        local me = process.pid()
        local function mine()
          local n = 0
          for _, pid in ipairs(g:get_members("room")) do n = n + (pid == me and 1 or 0) end
          return n
        end
        local out = { g:join("room"), mine(), g:join("room"), mine(), g:leave("room"), mine(), g:leave("room"), mine() }
        local v, e = g:leave("room")
        return { out, v == nil, e:kind(), e:message(), e:retryable(), #g:which_groups() }
        """
    ) == [[True, 1, True, 2, True, 1, True, 0], True, "NotFound", "pg: process not joined in group", False, 0]


def test_lists_of_groups_are_joined_and_left_together() -> None:
    assert run(
        """
        g:join({ "a", "b", "a" })
        local joined = { #g:get_members("a"), #g:get_members("b"), sorted(g:which_groups()) }
        local some = g:leave({ "b", "none" })
        local after = { #g:get_members("a"), #g:get_members("b") }
        local none, err = g:leave({ "b", "none" })
        return { joined, some, after, none == nil, err:kind(), g:leave({ "a", "a" }), #g:which_groups() }
        """
    ) == [[2, 1, ["a", "b"]], True, [2, 0], True, "NotFound", True, 0]


def test_members_are_pids_and_unknown_groups_are_empty() -> None:
    assert run(
        """
        local one, two = member("room"), member({ "room", "room" })
        local expected = sorted({ one, two, two })
        local found, here = sorted(g:get_members("room")), sorted(g:get_local_members("room"))
        local same = #found == 3 and #here == 3
        for i, pid in ipairs(expected) do same = same and found[i] == pid and here[i] == pid end
        return { same, g:get_members("none"), g:get_local_members("none"), g:which_local_groups() }
        """
    ) == [True, {}, {}, ["room"]]


@pytest.mark.parametrize("way", ["process.send(pid, 'stop')", "process.terminate(pid)", "process.cancel(pid)"])
def test_a_process_leaves_everything_before_its_exit_is_heard_of(way: str) -> None:
    assert run(
        f"""
        local pid = member({{ "a", "b", "b" }})
        process.monitor(pid)
        {way}
        local e = within(process.events())
        return {{ e.kind, #g:get_members("a"), #g:get_members("b"), #g:which_groups() }}
        """
    ) == ["pid.exit", 0, 0, 0]


def test_a_function_is_a_member_until_it_returns() -> None:
    found = app().function(
        "joins", "local g = pg.open('app:groups') g:join('room') return #g:get_members('room')", modules=MODULES
    )
    assert run("return { funcs.call('app:joins'), #g:get_members('room') }", found=found) == [1, 0]


# Broadcasts ----------------------------------------


@pytest.mark.parametrize("method", ["broadcast", "broadcast_local"])
def test_a_broadcast_reaches_every_member_once_for_each_membership(method: str) -> None:
    assert run(
        f"""
        member("room", "one")
        member({{ "room", "room" }}, "two")
        member("elsewhere", "three")
        local ok = g:{method}("room", "news", {{ n = 1 }})
        local who = {{}}
        for _, m in ipairs(taken(heard)) do
          if m.topic ~= "news" or m.data.n ~= 1 or m.from ~= process.pid() then return m end
          who[#who + 1] = m.tag
        end
        return {{ ok, sorted(who) }}
        """
    ) == [True, ["one", "two", "two"]]


def test_a_broadcast_comes_back_to_a_sender_who_is_a_member_and_carries_any_number_of_payloads() -> None:
    assert run(
        """
        g:join("room")
        local inbox = process.inbox()
        g:broadcast("room", "none")
        g:broadcast("room", "one", 1)
        g:broadcast("room", "three", 1, nil, "x")
        local a, b, c = inbox:receive(), inbox:receive(), inbox:receive()
        local list = c:payload()
        return { a:topic(), a:payload() == nil, b:payload():data(), #list, list[1]:data(), list[2]:data() == nil,
          list[3]:data(), a:from() == process.pid() }
        """
    ) == ["none", True, 1, 3, 1, True, "x", True]


def test_every_member_gets_a_copy_of_its_own() -> None:
    assert (
        run(
            """
        g:join({ "room", "room" })
        local topic, sent = process.listen("t"), { n = 1 }
        g:broadcast("room", "t", sent)
        sent.n = 2
        local first = topic:receive()
        first.n = 3
        return topic:receive().n
        """
        )
        == 1
    )


def test_a_broadcast_to_nobody_succeeds_and_reserved_topics_are_refused() -> None:
    assert run(
        """
        local v, e = g:broadcast("room", "@pid/events", 1)
        return { g:broadcast("nobody", "t"), v == nil, e:kind(), e:message() }
        """
    ) == [True, True, "Invalid", "cannot send to @ topics"]


def test_messages_of_one_sender_keep_their_order_with_sends_and_broadcasts_mixed() -> None:
    assert run(
        """
        local pid = member("room", "m")
        for i = 1, 10 do
          process.send(pid, "s", i * 2 - 1)
          g:broadcast("room", "b", i * 2)
        end
        local got = {}
        for i = 1, 20 do got[i] = within(heard).data end
        return got
        """
    ) == list(range(1, 21))


# Subscriptions ----------------------------------------


def test_monitor_gives_the_present_and_then_every_change() -> None:
    assert run(
        """
        local one = member("room")
        local sub, members, err = g:monitor("room")
        local two = member({ "room", "elsewhere", "room" })
        process.send(one, "leave", "room")
        within(left)
        process.terminate(two)
        local names, news = { [one] = "one", [two] = "two" }, {}
        for i, e in ipairs(taken(sub:channel())) do
          local who = {}
          for k, pid in ipairs(e.data.PIDs) do who[k] = names[pid] end
          news[i] = { e.system, e.kind, e.path, e.data.Group, who }
        end
        return { #members == 1 and members[1] == one, err == nil, tostring(sub), news }
        """
    ) == [
        True,
        True,
        "pg.Subscription{}",
        [
            ["pg", "member.joined", "room", "room", ["two", "two"]],
            ["pg", "member.left", "room", "room", ["one"]],
            ["pg", "member.left", "room", "room", ["two", "two"]],
        ],
    ]


def test_events_gives_all_groups_and_their_changes() -> None:
    assert run(
        """
        local one = member({ "a", "b", "b" })
        local sub, groups, err = g:events()
        pg.open("app:other"):join("unseen")
        process.send(one, "join", "c")
        process.send(one, "leave", { "b" })
        within(left)
        local news = {}
        for i, e in ipairs(taken(sub:channel())) do news[i] = e.kind .. " " .. e.path end
        return { #groups.a, #groups.b, groups.a[1] == one, err == nil, news }
        """
    ) == [1, 2, True, True, ["member.joined c", "member.left b"]]


def test_more_news_than_the_channel_holds_are_kept_in_order() -> None:
    assert (
        run(
            """
        local sub = g:events()
        for i = 1, 200 do g:join("g" .. i) end
        for i = 1, 200 do
          local e = within(sub:channel())
          if e.path ~= "g" .. i then return e.path end
        end
        return "all"
        """
        )
        == "all"
    )


def test_a_closed_subscription_ends_with_or_without_what_it_holds() -> None:
    assert run(
        """
        local keep, drop = g:monitor("room"), g:monitor("room")
        g:join("room")
        time.sleep("5ms")
        local closed = { keep:close(), drop:close({ flush = true }), keep:close() }
        g:join("room")
        time.sleep("5ms")
        local first, open = keep:channel():receive()
        local _, again = keep:channel():receive()
        local _, dropped = drop:channel():receive()
        return { closed, first.kind, open, again, dropped }
        """
    ) == [[True, True, True], "member.joined", True, False, False]


def test_changes_are_events_of_the_bus_too() -> None:
    assert run(
        """
        local bus = events.subscribe("pg"):channel()
        g:join("room")
        local e = within(bus)
        return { e.kind, e.path, e.data.Group, e.data.PIDs[1] == process.pid() }
        """
    ) == ["member.joined", "room", "room", True]


def test_subscriptions_of_a_process_end_with_it() -> None:
    found = app().process("watcher", "local g = pg.open('app:groups') g:events() g:monitor('x')", modules=MODULES)

    async def work(runtime: Runtime) -> int:
        await runtime.run_process("app:watcher", "app:host")
        scope = runtime.node.resources["@groups"].scopes["app:groups"]
        return len(scope._subscriptions)

    assert found.use(work) == 0


def test_an_upgraded_process_stays_a_member_and_loses_its_subscriptions() -> None:
    found = app().process(
        "changing",
        """
        local generation, reply_to = ...
        local g = pg.open("app:groups")
        if generation == 1 then
          g:join({ "room", "room" })
          g:events()
          process.upgrade(nil, 2, reply_to)
        end
        g:leave("room")
        process.send(reply_to, "joined", #g:get_members("room"))
        process.inbox():receive()
        """,
        modules=MODULES,
    )

    async def work(runtime: Runtime) -> Any:
        return await runtime.run_process("app:main", "app:host")

    body = """
    local pid = spawn("changing", 1, process.pid())
    local left = within(joined)
    process.monitor(pid)
    process.send(pid, "end")
    within(process.events())
    return { left, #g:get_members("room") }
    """
    found.process("main", START + body, modules=MODULES)
    subscribed = []

    async def and_look(runtime: Runtime) -> Any:
        result = await work(runtime)
        subscribed.append(len(runtime.node.resources["@groups"].scopes["app:groups"]._subscriptions))
        return result

    assert found.use(and_look) == [1, 0]
    assert subscribed == [0]


# Limits ----------------------------------------


def test_members_of_a_group_are_limited_and_a_batch_is_all_or_nothing() -> None:
    assert run(
        """
        g:join("full") g:join("full")
        local v, e = g:join({ "fresh", "full" })
        local twice, e2 = g:join({ "x", "x", "x" })
        return { v == nil, e:kind(), e:retryable(), e:message(), #g:get_members("fresh"), twice == nil, e2:kind(),
          g:leave("full"), g:join({ "fresh", "full" }) }
        """,
        found=app(max_members_per_group=2),
    ) == [
        True,
        "RateLimited",
        True,
        "pg: too many members in group full (limit 2)",
        0,
        True,
        "RateLimited",
        True,
        True,
    ]


def test_groups_are_limited_while_they_have_members() -> None:
    assert run(
        """
        g:join({ "a", "b" })
        local v, e = g:join({ "a", "c" })
        g:leave("b")
        return { v == nil, e:kind(), e:message(), #g:get_members("a"), g:join({ "a", "c" }) }
        """,
        found=app(max_groups=2),
    ) == [True, "RateLimited", "pg: too many groups (limit 2)", 1, True]


def test_one_process_cannot_fill_the_node() -> None:
    assert run(
        """
        local batch, joins, err = {}, 0, nil
        for i = 1, 10000 do batch[i] = "g" end
        while true do
          local ok
          ok, err = g:join(batch)
          if not ok then break end
          joins = joins + #batch
        end
        local subs, sub, refused = 0, nil, nil
        while true do
          sub, _, refused = g:monitor("x")
          if not sub then break end
          subs = subs + 1
        end
        batch[10001] = "g"
        local _, long = g:join(batch)
        local _, name = g:join(string.rep("x", 1025))
        return { joins, err:kind(), subs, refused:kind(), long:kind(), name:kind() }
        """
    ) == [100000, "RateLimited", 1000, "RateLimited", "Invalid", "Invalid"]


@pytest.mark.parametrize(
    "call", ["g:join('')", "g:join({})", "g:join({ 'a', '' })", "g:leave('')", "g:get_members('')"]
)
def test_empty_groups_are_invalid(call: str) -> None:
    assert run(f"local v, e = {call} return {{ v == nil, e:kind(), #g:which_groups() }}") == [True, "Invalid", 0]


# Entries ----------------------------------------


def test_a_changed_scope_keeps_its_members_and_has_new_limits() -> None:
    assert run(
        """
        g:join("room")
        local changes = registry.snapshot():changes()
        changes:update({ id = "app:groups", kind = "pg.scope", data = { max_groups = 1 } })
        local _, err = changes:apply()
        if err then return nil, err end
        local v, e = g:join("second")
        return { #g:get_members("room"), e:kind() }
        """
    ) == [1, "RateLimited"]


def test_a_removed_scope_closes_its_subscriptions_and_refuses_its_instances() -> None:
    assert run(
        """
        g:join("room")
        local sub = g:events()
        local changes = registry.snapshot():changes()
        changes:delete("app:groups")
        local _, err = changes:apply()
        if err then return nil, err end
        local _, open = within(sub:channel())
        local v, e = g:join("room")
        local _, gone = g:get_members("room")
        local _, closed = pg.open("app:groups")
        return { open, v == nil, e:kind(), gone:kind(), closed:kind(), sub:close() }
        """
    ) == [False, True, "Internal", "Internal", "Internal", True]


def test_other_services_can_require_a_scope() -> None:
    found = app(lifecycle={"auto_start": True})
    found.service("waits", "pg.open('app:groups'):join('up') process.inbox():receive()", requires=["app:groups"])
    found.entries[-2].data["modules"] = MODULES
    assert run("while #g:get_members('up') == 0 do time.sleep('1ms') end return #g:get_members('up')", found=found) == 1


@pytest.mark.parametrize("config", [{"max_groups": -1}, {"protocol_timeout": 5}, {"max_retries": "many"}])
def test_wrong_fields_are_rejected(config: dict[str, Any]) -> None:
    with pytest.raises(Error) as refused:
        run("return 1", found=app(**config))
    assert refused.value.kind == "Invalid"


# Hostile guests ----------------------------------------


def test_handles_cannot_be_forged_and_wrong_types_raise() -> None:
    assert (
        run(
            """
        local sub = g:monitor("x")
        local let_through = {}
        local function refused(name, f, ...)
          if pcall(f, ...) then let_through[#let_through + 1] = name end
        end
        refused("a table", g.join, { id = "app:groups" }, "x")
        refused("another handle", g.join, sub, "x")
        refused("an instance as subscription", sub.channel, g)
        refused("nothing to join", g.join, g)
        refused("a number", g.join, g, 5)
        refused("a handle", g.join, g, g)
        refused("numbers in a list", g.join, g, { "a", 5 })
        refused("nothing to leave", g.leave, g)
        refused("members of nothing", g.get_members, g)
        refused("no topic", g.broadcast, g, "x")
        refused("a table as topic", g.broadcast, g, "x", {})
        refused("monitor of nothing", g.monitor, g)
        refused("close with text", sub.close, sub, "flush")
        refused("open nothing", pg.open)
        refused("keys", next, g)
        refused("writing", function() g.join = nil end)
        return let_through
        """
        )
        == {}
    )


def test_names_are_bytes() -> None:
    assert run(
        r"""
        local odd = "a\\255\\0b"
        local sub = g:monitor(odd)
        g:join({ odd, "plain" })
        local e = within(sub:channel())
        local seen = false
        for _, name in ipairs(g:which_groups()) do seen = seen or name == odd end
        return { #g:get_members(odd), #g:get_members("a\\255"), e.path == odd, e.data.Group == odd, seen }
        """.replace("\\\\", "\\")
    ) == [1, 0, True, True, True]
