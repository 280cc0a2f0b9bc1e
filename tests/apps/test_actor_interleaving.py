"""Random programs of processes that all run at once: on one shard, on two that take turns, on two threads."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.actor_puppet import ENDINGS, NAMES, VARIANTS, Operation, puppet
from apps.actor_trace import Checker, collect
from apps.guest import App
from lua.kernel.driver import Driver, main
from wippy import Runtime

EXAMPLES = int(os.environ.get("ACTOR_EXAMPLES", "0"))
FIRST = ("p0", "p1", "p2", "p3")
CHOICES = ["send", "send", "send", "pause", "link", "unlink", "monitor", "monitor", "unmonitor", "terminate", "cancel",
           "register", "register", "unregister", "lookup", "trap", "spawn", "spawn"]  # fmt: skip


class Program:
    """What every process is told to do; children get their scripts from their spawner."""

    def __init__(self, chance: random.Random) -> None:
        self.scripts: dict[str, list[Operation]] = {}
        self._chance = chance
        self._number = 0
        for label in FIRST:
            self._script(label, list(FIRST), chance.randrange(1, 10), 2)

    def _script(self, label: str, known: list[str], length: int, depth: int) -> list[Operation]:
        ops: list[Operation] = [["trap", True]] if self._chance.random() < 0.5 else []
        self.scripts[label] = ops
        known = [*known, label] if label not in known else known
        ops.extend(self._operation(label, known, depth) for _ in range(length))
        if self._chance.random() < 0.4:
            ops.append([self._chance.choice(sorted(ENDINGS)), label])
        return ops

    def _operation(self, label: str, known: list[str], depth: int) -> Operation:
        what, to, name = self._chance.choice(CHOICES), self._chance.choice(known), self._chance.choice(NAMES)
        self._number += 1
        if what == "send":
            return ["send", to, self._chance.choice("mt"), self._number]
        if what == "spawn" and depth:
            child = f"{label}.{self._number}"
            ops = self._script(child, known, self._chance.randrange(5), depth - 1)
            known.append(child)
            return ["spawn", self._chance.choice(VARIANTS), child, ops]
        if what in ("pause", "spawn"):
            return ["pause"]
        if what == "trap":
            return ["trap", self._chance.random() < 0.8]
        if what == "register":
            return ["register", name, to]
        return [what, name if what in ("unregister", "lookup") else to]


def run_by_hand(program: Program, shards: int) -> None:
    """Nothing decides but the program: turns of the shards follow each other."""
    host = "t:away" if shards > 1 else "t:host"
    driver = Driver({"t:puppet": main(puppet(host), modules=("json",))}, shards=shards)
    pids = {label: driver.start("t:puppet", {"": ""}, label, [], shard=i % shards) for i, label in enumerate(FIRST)}
    driver.idle()
    for label, pid in pids.items():
        driver.deliver(pid, "do", {"known": pids, "ops": program.scripts[label]})
    driver.idle()
    lines = [json.loads(message) for level, message, _ in driver.logs if level == "info"]
    living = {
        pid.decode()
        for i in range(shards)
        for pid in driver.lua(
            "local S, l = ..., {} for p in S.each_process() do l[#l + 1] = not p.dead and p.pid or nil end return l",
            shard=i,
        ).values()
    }
    Checker(collect(lines), program.scripts, living).check()
    for i in range(shards):
        for name in NAMES:
            holder = driver.lua("local S, name = ... return S.lookup_name(name)", name.encode(), shard=i)
            assert holder is None or holder.decode() in living, f"{name} is held by a dead process"


@pytest.mark.parametrize("shards", [1, 2])
def test_what_processes_see_follows_the_rules_whatever_the_interleaving(shards: int) -> None:
    @settings(
        max_examples=EXAMPLES or 80, derandomize=not EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 1 << 40))
    def every(seed: int) -> None:
        run_by_hand(Program(random.Random(seed)), shards)

    every()


class Lines(logging.Handler):
    """What guests print."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO and record.getMessage().startswith("["):
            self.lines.append(json.loads(record.getMessage()))


async def run_on_threads(runtime: Runtime, seed: int, heard: Lines) -> None:
    heard.lines = []
    program = Program(random.Random(seed))
    pids = {label: await runtime.spawn("app:puppet", "app:host", {"": ""}, label, []) for label in FIRST}
    for label, pid in pids.items():
        await runtime.send(pid, "do", {"known": pids, "ops": program.scripts[label]})  # it may have been ended by now
    deadline = time.monotonic() + 5
    while True:
        before = -1
        while before != len(heard.lines):
            before = len(heard.lines)
            await asyncio.sleep(0.02)
        try:
            await check(runtime, program, heard)
            break
        except AssertionError:  # perhaps something is still on its way
            if time.monotonic() > deadline:
                raise
    await end_all(runtime, [trace.pid for trace in collect(heard.lines).values()])


async def end_all(runtime: Runtime, pids: list[str]) -> None:
    """Nobody of one program may still speak in the next one."""
    over = {"known": {"": ""}, "ops": [["exit", "over"]]}
    while pids:
        pids = [pid for pid in pids if await runtime.send(pid, "do", over)]


async def check(runtime: Runtime, program: Program, heard: Lines) -> None:
    traces = collect(heard.lines)
    nothing = {"known": {"": ""}, "ops": []}
    living = {trace.pid for trace in traces.values() if await runtime.send(trace.pid, "do", nothing)}
    Checker(traces, program.scripts, living).check()
    for name in NAMES:
        holder = await runtime.node.lookup(name)
        assert holder is None or holder in living, f"{name} is held by a dead process"


def test_the_rules_hold_between_threads() -> None:
    app = App(workers=2).process("puppet", puppet("app:host"))
    heard = Lines()

    async def work(runtime: Runtime) -> None:
        for seed in range(EXAMPLES or 25):
            await run_on_threads(runtime, seed, heard)

    root = logging.getLogger()
    root.addHandler(heard)
    logging.getLogger("wippy").setLevel(logging.INFO)
    try:
        app.use(work)
    finally:
        root.removeHandler(heard)
