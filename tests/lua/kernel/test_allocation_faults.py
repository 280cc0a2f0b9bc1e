"""Every allocation of a kernel operation fails in turn: all or nothing happens, and everybody else goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from wippy.lua.shard import REPLY

from .driver import TURN, Driver, Source, main
from .invariants import INVARIANTS
from .pressure import STEP, Pressure
from .test_evaluation import EVALUATOR, MODULES

OUT_OF_MEMORY = "not enough memory"

ENTRIES: dict[str, Source | str] = {
    # Does what its argument says when it is told to go, then says so.
    "t:actor": Source(
        """
        local actions = {}
        function actions.send(peer) return process.send(peer, "mail", { n = 1, text = "x", list = { 1, 2, 3 } }) end
        function actions.send_listened(peer) return process.send(peer, "topic", { n = 1, text = "x", list = {
          1, 2, 3 } }) end
        function actions.send_many(peer) for i = 1, 5 do process.send(peer, "mail", i, { i }) end end
        function actions.spawn(peer) return process.spawn("t:child", "t:host", peer, { 1, 2, 3 }) end
        function actions.spawn_related(peer) return process.spawn_linked_monitored("t:child", "t:host", peer) end
        function actions.call() local v, e = funcs.call("t:double", 21) if v ~= 42 then error(tostring(e)) end end
        function actions.async()
          local f = funcs.async("t:double", 21)
          local p = f:channel():receive()
          if not p.data then error(tostring(p)) end
          if p:data() ~= 42 then error("wrong answer") end
        end
        function actions.retry()
          local options = { retry = { max_attempts = 5, initial_delay = 0, retry_kinds = { "Internal" } } }
          local v, e = funcs.new():with_options(options):call("t:flaky")
          if v ~= 42 then error(tostring(e)) end
        end
        function actions.limited()
          local v, e = funcs.new():with_options({ timeout = 5000 }):call("t:double", 21)
          if v ~= 42 then error(tostring(e)) end
        end
        function actions.evaluate()
          local v, e = evaluator.run(function() time.sleep("1us") return { 42 } end)
          if e then error(tostring(e)) end
          if v[1] ~= 42 then error("wrong value") end
        end
        function actions.exit()
          actions.ended = true
          local list = {}
          for i = 1, 40 do list[i] = { i } end
          return list
        end
        function actions.fail() actions.ended = true error({ code = 1 }) end
        function actions.monitor(peer) return process.monitor(peer) end
        function actions.link(peer) return process.link(peer) end
        function actions.name() return process.registry.register("name of " .. process.pid()) end
        function actions.listen() return process.listen("late") end
        function actions.publish() return events.send("sys", "kind", "/path", { list = { 1, 2 } }) end
        function actions.subscribe() return events.subscribe("other") end
        function actions.cancel(peer) return process.cancel(peer, "reason") end
        function actions.sleep() time.sleep("1us") end
        function actions.timers() local c = time.after("1us") c:receive() end
        function actions.channels()
          local c = channel.new(0)
          coroutine.spawn(function() c:send({ 1 }) end)
          c:receive()
        end
        function actions.pick()
          local a, b = channel.new(0), channel.new(1)
          coroutine.spawn(function() b:send(7) end)
          local r = channel.select { a:case_receive(), b:case_receive() }
          if r.value ~= 7 then error("wrong value") end
        end
        function actions.table_error() error(setmetatable({}, { __tostring = function() return "text" ..
          #process.pid() end })) end
        return { main = function(action, peer)
          process.set_options({ trap_links = true })
          local inbox = process.inbox()
          while true do
            local m = inbox:receive()
            if m:topic() == "go" then
              local result = actions[action](peer)
              if actions.ended then return result end
              print("DONE")
            else
              process.send(m:payload():data(), "pong")
            end
          end
        end }""",
        modules=MODULES,
    ),
    # Counts what it gets.
    "t:peer": """return { main = function()
        local inbox, topic, events_channel = process.inbox(), process.listen("topic"), process.events()
        process.set_options({ trap_links = true })
        local sub = events.subscribe("sys"):channel()
        local got = { mail = 0, topic = 0, event = 0, pub = 0 }
        while true do
          local r = channel.select { inbox:case_receive(), topic:case_receive(), events_channel:case_receive(),
            sub:case_receive() }
          if r.channel == topic then got.topic = got.topic + 1
          elseif r.channel == sub then got.pub = got.pub + 1
          elseif r.channel == events_channel then got.event = got.event + 1
          elseif r.value:topic() == "report" then
            print("GOT " .. got.mail .. " " .. got.topic .. " " .. got.event .. " " .. got.pub)
            got = { mail = 0, topic = 0, event = 0, pub = 0 }
          else got.mail = got.mail + 1 end
        end
      end }""",
    "t:child": "return { main = function(peer) process.send(peer, 'mail') process.inbox():receive() end }",
    "t:double": main("local n = ... return n * 2", pool=4),
    "t:flaky": main(
        "calls = (calls or 0) + 1 if calls % 2 == 1 then return nil, errors.new({ message = 'no', kind = 'Unavailable',"
        "details = { 1 } }) end return 42",
        pool=4,
    ),
    "t:watcher": """return { main = function(target)
        process.set_options({ trap_links = true })
        process.monitor(target)
        process.link(target)
        print("WATCHING")
        local events_channel = process.events()
        while true do
          local e = events_channel:receive()
          print("SAW " .. e.kind .. " " .. tostring(e.result.error))
        end
      end }""",
    "t:waiter": """return { main = function(kind)
        local inbox = process.inbox()
        if kind == "sleep" then time.sleep("1ms") end
        if kind == "after" then time.after("1ms"):receive() end
        if kind == "select" then channel.select { time.after("1ms"):case_receive(), inbox:case_receive() } end
        if kind == "ticker" then local t = time.ticker("1ms") t:channel():receive() t:stop() end
        print("WOKE")
      end }""",
    "t:flooded": main("local i = process.inbox() while true do i:receive() end"),
}


@dataclass
class Scene:
    """An actor that will perform one action, and a peer that counts."""

    driver: Driver
    peer: str
    pressure: Pressure

    def printed(self, text: str) -> int:
        return sum(line.startswith(text) for line in self.driver.printed())

    def check(self) -> None:
        problem = self.driver.lua(INVARIANTS)
        assert problem is None, problem

    def got(self) -> tuple[int, int, int, int]:
        """Mail, topic values, events and bus events that the peer has had since it was asked last."""
        before = self.printed("GOT")
        self.driver.deliver(self.peer, "report")
        self.driver.until(lambda: self.printed("GOT") > before)
        line = [line for line in self.driver.printed() if line.startswith("GOT")][-1]
        mail, topic, event, published = map(int, line.split()[1:])
        return mail, topic, event, published


@pytest.fixture
def scene(caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.CRITICAL, "wippy.lua")
    driver = Driver(ENTRIES)
    driver.lua(EVALUATOR)
    peer = driver.start("t:peer")
    driver.idle()
    made = Scene(driver, peer, Pressure(driver))
    for action in ("send", "call", "spawn", "publish"):
        perform(made, action, 1 << 20)
    made.got()
    return made


def perform(scene: Scene, action: str, allowance: int) -> bool:
    """Lets an actor perform `action` in a turn of limited memory. Whether nothing failed and it was done."""
    driver = scene.driver
    pid = driver.start("t:actor", action, scene.peer)
    driver.idle()
    done = scene.printed("DONE")
    driver.deliver(pid, "go")
    name, args = driver.shard.inbox.popleft()
    driver.shard.call(name, *args)
    went_through = scene.pressure.turn(allowance)
    driver.until(lambda: pid in driver.exits or scene.printed("DONE") > done, 2)
    scene.check()
    if pid in driver.exits:
        error = driver.exits[pid][1]
        ended = action in ("exit", "fail", "table_error")
        assert error is None or OUT_OF_MEMORY in error.message or ended, error
        return went_through and ended and (error is None or OUT_OF_MEMORY not in error.message)
    driver.terminate(pid)
    driver.until(lambda: pid in driver.exits)
    return went_through


@pytest.mark.parametrize(
    "action",
    [
        "send",
        "send_listened",
        "send_many",
        "spawn",
        "spawn_related",
        "call",
        "async",
        "retry",
        "limited",
        "evaluate",
        "exit",
        "fail",
        "monitor",
        "link",
        "name",
        "listen",
        "publish",
        "subscribe",
        "cancel",
        "sleep",
        "timers",
        "channels",
        "pick",
        "table_error",
    ],
)
def test_operation_happens_as_a_whole_or_ends_its_process(scene: Scene, action: str) -> None:
    failures = 0
    successes = 0
    allowance = 0
    while successes < 2:
        done = perform(scene, action, allowance)
        successes = successes + 1 if done else 0
        failures += not done
        scene.got()
        allowance += STEP
        assert allowance < 60_000, "the operation never succeeds"
    assert failures > 0


@pytest.mark.parametrize(
    ("action", "most"), [("send", (1, 0, 0, 0)), ("send_listened", (0, 1, 0, 0)), ("publish", (0, 0, 0, 1))]
)
def test_receiver_gets_a_message_once_or_not_at_all(scene: Scene, action: str, most: tuple[int, ...]) -> None:
    allowance, done = 0, False
    while not done:
        done = perform(scene, action, allowance)
        got = scene.got()
        assert got == most if done else all(a <= b for a, b in zip(got, most, strict=True)), allowance
        allowance += STEP // 2


@pytest.mark.parametrize("outcome", ["exit", "fail"])
def test_watchers_and_links_hear_of_an_end_exactly_once(scene: Scene, outcome: str) -> None:
    driver = scene.driver
    allowance, went_through = 0, False
    while not went_through:
        pid = driver.start("t:actor", outcome, scene.peer)
        watchers = [driver.start("t:watcher", pid) for _ in range(3)]
        driver.idle()
        before = len(driver.printed())
        driver.deliver(pid, "go")
        name, args = driver.shard.inbox.popleft()
        driver.shard.call(name, *args)
        went_through = scene.pressure.turn(allowance)
        driver.until(lambda pid=pid: pid in driver.exits)
        driver.idle()
        scene.check()
        failed = driver.exits[pid][1] is not None
        seen = [line.split()[1] for line in driver.printed()[before:] if line.startswith("SAW")]
        alive = [w for w in watchers if w not in driver.exits]
        assert seen.count("pid.exit") >= len(alive), allowance
        assert seen.count("pid.exit") <= 3
        assert seen.count("pid.link.down") >= (len(alive) if failed else 0), allowance
        assert seen.count("pid.link.down") <= 3
        for watcher in alive:
            driver.terminate(watcher)
        driver.idle()
        allowance += STEP


@pytest.mark.parametrize("kind", ["sleep", "after", "select", "ticker"])
def test_timers_fire_after_a_failure(scene: Scene, kind: str) -> None:
    driver = scene.driver
    allowance, went_through = 0, False
    while not went_through:
        woke = scene.printed("WOKE")
        pid = driver.start("t:waiter", kind)
        driver.idle()
        limit = driver.clock.monotonic() + 1_200_000
        while driver.clock.monotonic() < limit:
            pass
        went_through = scene.pressure.turn(allowance)
        driver.until(lambda pid=pid: pid in driver.exits, 2)
        error = driver.exits[pid][1]
        assert scene.printed("WOKE") == woke + 1 or (error and error.message == OUT_OF_MEMORY), allowance
        scene.check()
        allowance += STEP


def test_pool_keeps_its_instances_through_failures(scene: Scene) -> None:
    driver = scene.driver
    allowance, done = 0, False
    while not done:
        done = perform(scene, "call", allowance)
        allowance += STEP * 2
    driver.idle()
    state = driver.lua("""
        local S = ...
        local pool = S.definitions["t:double"].pool
        return pool.idle .. " " .. pool.size .. " " .. pool.waiting.last - pool.waiting.first + 1""")
    idle, size, waiting = map(int, state.split())
    assert idle == size
    assert waiting == 0
    assert driver.call("t:double", 4) == [8, None]


@pytest.mark.parametrize("name", ["call", "spawn", "deliver", "terminate", "publish", "lookup"])
def test_calls_of_the_host_are_answered_through_failures(scene: Scene, name: str) -> None:
    driver, pressure = scene.driver, scene.pressure
    calls: dict[str, Callable[[int], tuple[object, ...]]] = {
        "call": lambda n: (n, b"t:double", 0, None, b"\x91\x05", None),
        "spawn": lambda n: (n, b"t:child", b"t:host", 0, None, b"\x90", True, None, False, False, False),
        "deliver": lambda n: (scene.peer.encode(), b"mail", b"", b"\x91\x93\x01\x02\x03"),
        "terminate": lambda n: (b"{t:host|0x00000}",),
        "publish": lambda n: (b"sys", b"kind", b"/p", b"\x91\x01"),
        "lookup": lambda n: (b"name",),
    }
    allowance, went_through = 0, False
    while not went_through:
        number = 1_000_000 + allowance
        went_through = pressure.turn(allowance, name, *calls[name](number))
        driver.idle()
        scene.check()
        if name in ("call", "spawn"):
            driver.until(lambda number=number: number in driver.replies)
            _, error = driver.replies[number]
            assert error is None or error.message == OUT_OF_MEMORY or OUT_OF_MEMORY in error.message
        allowance += STEP
    scene.got()


def test_queued_calls_are_all_answered_once_through_failures(scene: Scene) -> None:
    driver = scene.driver
    allowance, went_through = 0, False
    while not went_through:
        numbers = range(2_000_000 + allowance * 10, 2_000_004 + allowance * 10)
        for n in numbers:
            driver.shard.post("call", n, b"t:double", 0, None, b"\x91\x05", None)
        answered: list[int] = []

        def turn(answered: list[int] = answered) -> None:
            for request in driver.shard.turn(TURN):
                if request.code == REPLY:
                    answered.append(request.number)
                driver._answer(driver.shard, request)

        went_through = scene.pressure.squeezed(allowance, turn)
        driver.until(lambda numbers=numbers: all(n in driver.replies for n in numbers))
        assert len(answered) == len(set(answered))
        for n in numbers:
            value, error = driver.replies.pop(n)
            assert value == 10 or OUT_OF_MEMORY in error.message
        scene.check()
        allowance += STEP * 2


def test_shard_at_its_ceiling_survives_calls_from_the_host(caplog: pytest.LogCaptureFixture) -> None:
    """Tens of thousands of deliveries into a full shard: refused or taken, never an abort or a damaged mailbox."""
    caplog.set_level(logging.CRITICAL, "wippy.lua")
    driver = Driver(ENTRIES, memory=8 << 20)
    pid = driver.start("t:peer")
    driver.idle()
    # A message sends to itself without reading: its queue grows to the ceiling from the host's side.
    hoard = driver.start("t:waiter", "none")
    driver.idle()
    shard = driver.shard
    shard._hard = shard.memory + (1 << 20)
    target = driver.start("t:flooded")
    driver.idle()
    driver.lua(
        "local S, pid = ... local p = S.find_process(pid) p.inbox.w = false p.th, p.tt = false, false", target.encode()
    )
    taken = 0
    for i in range(30_000):
        answer = shard.call("deliver", target.encode(), b"mail", b"", b"\x91\x93\x01\x02\xa5hello")
        taken += answer is True
        if i % 1000 == 0:
            shard.call("run", driver.clock.monotonic(), 0.001)
    queue = driver.lua(
        """local S, pid = ... local q = S.find_process(pid).mbox
        for i = q.first, q.last do if q[i] == nil then return -1 end end return q.last - q.first + 1""",
        target.encode(),
    )
    assert queue == taken
    assert hoard in driver.exits
    driver.terminate(target)
    driver.until(lambda: target in driver.exits)
    driver.deliver(pid, "report")
    driver.until(lambda: any(line.startswith("GOT") for line in driver.printed()))
    assert driver.lua(INVARIANTS) is None
