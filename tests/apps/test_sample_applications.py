"""Whole small applications of the kinds that must run unchanged (spec 03 §20 "Sample applications").

The others are in `examples/`: ping-pong, worker pool, supervision, key-value, event bus, ten thousand tickers, shop.
"""

from __future__ import annotations

from apps.guest import App
from apps.web import served


def test_a_pipeline_of_four_stages_replies_to_a_pid() -> None:
    app = App()
    stage = """
        local work, following = ...
        local inbox = process.inbox()
        while true do
          local job = inbox:receive():payload():data()
          job.trail = job.trail .. work
          if following then process.send(following, "job", job) else process.send(job.reply_to, "done", job) end
        end
    """
    app.process("stage", stage)
    assert (
        app.run(
            """
        local last
        for _, work in ipairs({ "d", "c", "b", "a" }) do last = spawn("stage", work, last) end
        local done = process.listen("done")
        for i = 1, 20 do process.send(last, "job", { n = i, trail = "", reply_to = process.pid() }) end
        for i = 1, 20 do
          local job = done:receive()
          if job.n ~= i or job.trail ~= "abcd" then return job end
        end
        return "in order"
        """
        )
        == "in order"
    )


def test_chat_rooms_with_names_and_the_bus() -> None:
    app = App()
    app.process(
        "room",
        """
        local name = ...
        process.registry.register("room." .. name)
        local inbox, members = process.inbox(), {}
        while true do
          local m = inbox:receive()
          local data = m:payload() and m:payload():data()
          if m:topic() == "join" then
            members[#members + 1] = m:from()
            events.send("chat", "room.joined", "/" .. name, { members = #members })
            process.send(m:from(), "joined", #members)
          elseif m:topic() == "say" then
            for _, pid in ipairs(members) do process.send(pid, "said", { room = name, text = data }) end
          end
        end
        """,
    )
    app.process(
        "member",
        """
        local room, to = ...
        local said, joined = process.listen("said"), process.listen("joined")
        process.send("room." .. room, "join")
        joined:receive()
        process.send(to, "ready")
        process.send(to, "heard", (said:receive()))
        """,
    )
    assert app.run(
        """
        local sub = events.subscribe("chat", "room.joined")
        local ready, heard = process.listen("ready"), process.listen("heard")
        for _, room in ipairs({ "red", "blue" }) do
          spawn("room", room)
          while not process.registry.lookup("room." .. room) do time.sleep("1ms") end
          for _ = 1, 2 do spawn("member", room, process.pid()) end
        end
        for _ = 1, 4 do ready:receive() end
        process.send("room.red", "say", "to red")
        process.send("room.blue", "say", "to blue")
        local counts, joins = {}, {}
        for _ = 1, 4 do
          local h = heard:receive()
          counts[h.room .. ":" .. h.text] = (counts[h.room .. ":" .. h.text] or 0) + 1
        end
        for _ = 1, 4 do
          local e = sub:channel():receive()
          joins[e.path] = e.data.members
        end
        return { counts, joins }
        """
    ) == [{"red:to red": 2, "blue:to blue": 2}, {"/red": 2, "/blue": 2}]


def test_an_echo_service_with_a_worker_for_each_message_and_a_coroutine_for_statistics() -> None:
    app = App()
    app.process("worker", "local text = ... if text == 'bad' then error('cannot echo this', 0) end return text:upper()")
    app.process(
        "echo",
        """
        process.registry.register("echo")
        local inbox, exits, waiting = process.inbox(), process.events(), {}
        local stats = { done = 0, failed = 0 }
        coroutine.spawn(function()
          local asked = process.listen("stats", { message = true })
          while true do
            local m = asked:receive()
            process.send(m:from(), "stats", stats)
          end
        end)
        while true do
          local r = channel.select({ inbox:case_receive(), exits:case_receive() })
          if r.channel == inbox then
            local text = r.value:payload():data()
            waiting[process.spawn_monitored("app:worker", "app:host", text)] = r.value:from()
          else
            local result, to = r.value.result, waiting[r.value.from]
            waiting[r.value.from] = nil
            if result.error then stats.failed = stats.failed + 1 else stats.done = stats.done + 1 end
            process.send(to, "echoed", result.error and "sorry: " .. result.error or result.value)
          end
        end
        """,
    )
    assert app.run(
        """
        spawn("echo")
        while not process.registry.lookup("echo") do time.sleep("1ms") end
        local echoed, stats = process.listen("echoed"), process.listen("stats")
        local got = {}
        for _, text in ipairs({ "one", "bad", "two" }) do process.send("echo", "say", text) end
        for _ = 1, 3 do got[echoed:receive()] = true end
        process.send("echo", "stats")
        return { got.ONE, got.TWO, got["sorry: cannot echo this"], (stats:receive()) }
        """
    ) == [True, True, True, {"done": 2, "failed": 1}]


def test_actors_behind_http() -> None:
    """An actor per user; the handler waits on its own inbox with a timeout; another answers 202 with a PID."""
    app = App()
    app.process(
        "cart",
        """
        local user = ...
        process.registry.register("cart." .. user)
        local items = {}
        while true do
          local m = process.inbox():receive()
          local item = m:payload():data()
          if item ~= "" then items[#items + 1] = item end
          if item ~= "silence" then process.send(m:from(), "items", items) end
        end
        """,
    )
    app.endpoint(
        "POST /cart/{user}",
        """
        local name = "cart." .. req:param("user")
        if not process.registry.lookup(name) then
          process.spawn("app:cart", "app:host", req:param("user"))
          while not process.registry.lookup(name) do time.sleep("1ms") end
        end
        process.send(name, "add", (req:body()))
        local inbox, limit = process.inbox(), time.after("100ms")
        local r = channel.select({ inbox:case_receive(), limit:case_receive() })
        if r.channel == limit then
          res:set_status(504)
          res:write_json({ error = "the cart does not answer" })
        else
          res:write_json({ items = r.value:payload():data() })
        end
        """,
    )
    app.endpoint(
        "POST /jobs",
        """
        local pid = process.spawn("app:cart", "app:host", "job")
        res:set_status(202)
        res:write_json({ pid = pid })
        """,
    )
    with served(app) as site:
        assert site.ask("POST", "/cart/ada", b"apple").json == {"items": ["apple"]}
        assert site.ask("POST", "/cart/ada", b"pear").json == {"items": ["apple", "pear"]}
        assert site.ask("POST", "/cart/bob", b"plum").json == {"items": ["plum"]}
        assert site.ask("POST", "/cart/ada", b"silence").status == 504
        accepted = site.ask("POST", "/jobs", b"")
        assert accepted.status == 202 and accepted.json["pid"].startswith("{app:host|0x")
