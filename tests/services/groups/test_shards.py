"""Process groups of a node with several shards, some of them on threads of their own (spec 03 §9)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from apps.guest import App
from wippy import Runtime

MODULES = ["funcs", "pg", "time"]

MEMBER = """
local groups, reply_to = ...
pg.open("app:groups"):join(groups)
local inbox = process.inbox()
while true do
  local m = inbox:receive()
  if m:topic() == "stop" then return end
  if m:topic() == "say" then pg.open("app:groups"):broadcast("room", "said", m:payload():data())
  else process.send(reply_to, "heard", { by = process.pid(), from = m:from(), data = m:payload():data() }) end
end
"""
LISTENER = """
local n = ...
local heard, out = process.listen("heard"), {}
process.registry.register("listener")
for i = 1, n do out[i] = heard:receive() end
return out
"""
WATCHER = """
local pid = ...
process.monitor(pid)
process.registry.register("watching")
local e = process.events():receive()
return { e.kind, #pg.open("app:groups"):get_members("room") }
"""
# Joins and leaves at random, then tells what it is still a member of.
RESTLESS = """
local seed, rounds = ...
local g, names, mine = pg.open("app:groups"), { "a", "b", "c" }, {}
for i = 1, rounds do
  seed = (seed * 1103515245 + 12345) % 2147483648
  local name = names[seed // 65536 % 3 + 1]
  if seed // 1024 % 2 == 0 or (mine[name] or 0) == 0 then
    g:join(name)
    mine[name] = (mine[name] or 0) + 1
  else
    g:leave(name)
    mine[name] = mine[name] - 1
  end
end
if seed % 2 == 0 then process.inbox():receive() end
"""
# Follows the changes from a snapshot on until it is told to stop; what it believes then.
FOLLOWER = """
local g, inbox = pg.open("app:groups"), process.inbox()
local sub, present = g:events()
local believed = {}
local function count(group, pid, by)
  local of = believed[group] or {}
  believed[group] = of
  of[pid] = (of[pid] or 0) + by
  if of[pid] < 0 then error("left more often than joined: " .. pid) end
end
for group, pids in pairs(present) do
  for _, pid in ipairs(pids) do count(group, pid, 1) end
end
process.registry.register((...))
while true do
  local r = channel.select({ sub:channel():case_receive(), inbox:case_receive() })
  if r.channel == inbox then break end
  for _, pid in ipairs(r.value.data.PIDs) do count(r.value.path, pid, r.value.kind == "member.joined" and 1 or -1) end
end
while true do
  local r = channel.select({ sub:channel():case_receive(), time.after("100ms"):case_receive() })
  if r.channel ~= sub:channel() then break end
  for _, pid in ipairs(r.value.data.PIDs) do count(r.value.path, pid, r.value.kind == "member.joined" and 1 or -1) end
end
return believed
"""


SOURCES = {
    "member": MEMBER,
    "listener": LISTENER,
    "watcher": WATCHER,
    "restless": RESTLESS,
    "follower": FOLLOWER,
}


def use(work: Callable[[Runtime], Awaitable[Any]]) -> Any:
    """Runs `work` with an application on the event loop's shard and those of two threads (one, on a single core)."""
    app = App(workers=2).add("groups", "pg.scope")
    app.add("beside", "process.host", lifecycle={"auto_start": True, "stop_timeout": "100ms"})
    for name, body in SOURCES.items():
        app.process(name, body, modules=MODULES)
    app.function("members", "return pg.open('app:groups'):get_members(...)", modules=MODULES)
    return app.use(work)


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Asks until the answer is true, and gives it."""
    while not (found := await condition()):
        await asyncio.sleep(0.001)
    return found


async def members_are(runtime: Runtime, count: int) -> bool:
    return len(await runtime.call("app:members", "room")) == count


async def spawn(runtime: Runtime, number: int, name: str, *args: Any) -> tuple[str, asyncio.Future[Any]]:
    """Every third process beside the others, on the event loop's thread."""
    host = "app:beside" if number % 3 == 0 else "app:host"
    return await runtime.node.spawn(f"app:{name}", host, args)


def are_everywhere(runtime: Runtime, pids: Iterable[str]) -> bool:
    """Whether some are on every thread there is."""
    found = {shard.index for pid in pids if (shard := runtime.node.shard_of(pid)) is not None}
    return len(found) == 1 + len(runtime.node.threads)


async def members_on_every_shard(runtime: Runtime, *args: Any) -> list[str]:
    found = [(await spawn(runtime, number, "member", *args))[0] for number in range(6)]
    assert are_everywhere(runtime, found)
    return found


def test_a_broadcast_reaches_members_on_every_shard_in_order() -> None:
    rounds = 20

    async def work(runtime: Runtime) -> Any:
        members = await members_on_every_shard(runtime, "room", "listener")
        speakers = members[:3]
        messages = rounds * len(speakers) * len(members)
        _, exited = await runtime.node.spawn("app:listener", "app:host", (messages,))
        await until(lambda: runtime.node.lookup("listener"))
        await until(lambda: members_are(runtime, len(members)))
        for n in range(rounds * len(speakers)):
            await runtime.send(speakers[n % len(speakers)], "say", n)
        return members, speakers, await exited

    members, speakers, heard = use(work)
    assert isinstance(heard, list), heard
    for member in members:
        for speaker in speakers:
            said = [h["data"] for h in heard if h["by"] == member and h["from"] == speaker]
            assert said == sorted(said) and len(said) == rounds


def test_a_member_is_gone_before_its_exit_is_heard_of_on_another_shard() -> None:
    async def work(runtime: Runtime) -> list[Any]:
        found = []
        members = await members_on_every_shard(runtime, "room", "nobody")
        await until(lambda: members_are(runtime, len(members)))
        for gone, member in enumerate(members):
            _, exited = await spawn(runtime, gone + 1, "watcher", member)
            await until(lambda: runtime.node.lookup("watching"))
            await runtime.send(member, "stop", None)
            found.append([*(await exited), len(members) - gone - 1])
        return found

    for kind, seen, left in use(work):
        assert (kind, seen) == ("pid.exit", left)


def test_snapshots_and_news_fit_together_on_every_shard() -> None:
    async def work(runtime: Runtime) -> tuple[list[Any], dict[str, list[str]]]:
        node = runtime.node
        early = [await spawn(runtime, n, "restless", n + 1, 150) for n in range(6)]
        followers = [await spawn(runtime, n, "follower", f"follower{n}") for n in range(6)]
        late = [await spawn(runtime, n, "restless", n + 50, 150) for n in range(6)]
        assert are_everywhere(runtime, (pid for pid, _ in followers))

        async def idle(pid: str) -> bool:
            return not await node.is_working(pid)

        for n in range(6):
            await until(partial(node.lookup, f"follower{n}"))
        for pid, _ in (*early, *late):
            await until(partial(idle, pid))
        for pid, _ in followers:
            await runtime.send(pid, "stop", None)
        believed = [await exited for _, exited in followers]
        members = {group: await runtime.call("app:members", group) for group in "abc"}
        return believed, members

    believed, members = use(work)
    expected = {group: Counter(pids) for group, pids in members.items() if pids}
    for one in believed:
        assert isinstance(one, dict), one
        told = {group: Counter({pid: n for pid, n in of.items() if n}) for group, of in one.items()}
        assert {group: of for group, of in told.items() if of} == expected
