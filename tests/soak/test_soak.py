"""Many messages and many lives leave nothing behind. `make soak`: 5 million messages, 500,000 spawns (SOAK_MESSAGES,
SOAK_SPAWNS)."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from apps.guest import App
from soak.measure import MIB, Remains, quiet, remains
from wippy import Runtime

MESSAGES = int(os.environ.get("SOAK_MESSAGES", "300000"))
SPAWNS = int(os.environ.get("SOAK_SPAWNS", "30000"))
PARTS = 5
TOLERANCE = 1 * MIB  # of what the Lua states hold
RESIDENT = 32 * MIB  # the allocator keeps what it once had

ECHO = """
    local inbox = process.inbox()
    while true do
      local m = inbox:receive()
      local data = m:payload():data()
      if data == "end" then return end
      process.send(m:from(), "back", data)
    end
"""
TALK = """
    local n = ...
    local echo, inbox = spawn("echo"), process.inbox()
    for i = 1, n do
      process.send(echo, "there", { i = i, s = "hello" })
      if inbox:receive():payload():data().i ~= i then error("out of order") end
    end
    process.send(echo, "there", "end")
    return n
"""
LIFE = """
    local parent, i = ...
    process.registry.register("life." .. i % 100)
    time.after("1h")
    if i % 3 == 0 then error("third", 0) end
    return i
"""
BREED = """
    local n = ...
    local ev = process.events()
    for i = 1, n do
      local pid = spawn_monitored("life", process.pid(), i)
      local e = ev:receive()
      if e.from ~= pid or (e.result.error == nil) ~= (i % 3 ~= 0) then error("a wrong end") end
    end
    return n
"""


@pytest.mark.parametrize("threads", [0, 2])
def test_memory_is_flat_over_messages_and_spawns(threads: int, capsys: pytest.CaptureFixture[str]) -> None:
    app = App(workers=threads)
    for name, body in (("echo", ECHO), ("talk", TALK), ("life", LIFE), ("breed", BREED)):
        app.process(name, body)
    samples: list[Remains] = []
    began = time.monotonic()

    async def part(runtime: Runtime) -> None:
        # Half of them are answers.
        await runtime.run_process("app:talk", "app:host", MESSAGES // 4 // PARTS)
        await runtime.run_process("app:breed", "app:host", SPAWNS // 2 // PARTS)

    async def work(runtime: Runtime) -> None:
        at_rest = (await remains(runtime.node)).live
        for _ in range(PARTS + 1):  # the first one warms up
            await part(runtime)
            await quiet(runtime.node, at_rest)
            samples.append(await remains(runtime.node))

    async def session() -> None:
        async with app.runtime() as runtime:
            await work(runtime)

    asyncio.run(session())
    with capsys.disabled():
        print(
            f"\nsoak threads={threads}: {MESSAGES // 2} messages, {SPAWNS // 2} spawns in "
            f"{time.monotonic() - began:.1f} s; "
            f"Lua {' '.join(f'{s.bytes / MIB:.2f}' for s in samples)} MiB, "
            f"resident {' '.join(f'{s.resident / MIB:.0f}' for s in samples)} MiB"
        )
    assert samples[-1].bytes - samples[0].bytes < TOLERANCE
    assert samples[-1].resident - samples[0].resident < RESIDENT
