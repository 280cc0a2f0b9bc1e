"""The guest module `system` (spec 03 §15, §20; spec 04b §20)."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from apps.guest import MODULES, App
from apps.program import project, wippy
from wippy import Runtime
from wippy.core.errors import Error
from wippy.project.config import Config
from wippy.services.system.locks import Locks

WITH_SYSTEM = [*MODULES, "system"]


def app(workers: int = 0) -> App:
    return App(workers)


def run(body: str, *args: Any, on: App | None = None) -> Any:
    found = on or app()
    found.process("main", f"local system = require('system')\n{body}", modules=WITH_SYSTEM)
    return found.use(lambda runtime: runtime.run_process("app:main", "app:host", *args))


FAILURE = "local v, e = {call} return {{ e and e:kind(), e and e:message(), e and e:retryable(), v }}"


def failure(call: str) -> list[Any]:
    return list(run(FAILURE.format(call=call)))


# Reading ----------------------------------------


def test_every_read_function_returns_a_plausible_value() -> None:
    found = run("""
        local m = system.memory.stats()
        return {
          stats = m, allocated = system.memory.allocated(), objects = system.memory.heap_objects(),
          tasks = system.runtime.goroutines(), cpus = system.runtime.cpu_count(), procs = system.runtime.max_procs(),
          pid = system.process.pid(), hostname = system.process.hostname(), cwd = system.process.cwd(),
        }
    """)
    names = (
        "alloc total_alloc sys heap_alloc heap_sys heap_idle heap_in_use heap_released heap_objects stack_in_use "
        "stack_sys mspan_in_use mspan_sys num_gc next_gc"
    )
    stats = found.pop("stats")
    assert sorted(stats) == sorted(names.split())
    assert all(isinstance(value, float) and value >= 0 for value in stats.values())
    assert stats["alloc"] > 100_000 and stats["heap_objects"] > 1000 and stats["sys"] > stats["alloc"]
    assert found["allocated"] > 100_000 and found["objects"] > 1000
    assert found["tasks"] > 0 and found["cpus"] == os.cpu_count() and found["procs"] > 0
    assert found["pid"] == os.getpid()
    assert (found["hostname"], found["cwd"]) == (socket.gethostname(), os.getcwd())


def test_modules_are_listed_with_their_classes() -> None:
    listed = {m["name"]: m for m in run("return system.modules()")}
    assert {"process", "channel", "json", "sql", "system"} <= set(listed)
    assert "process" in listed["system"]["class"]
    assert listed["json"]["description"]


def test_hosts_and_their_processes() -> None:
    body = """
        local pid = spawn("idle")
        while system.hosts.processes("app:host")[2].state ~= "idle" do time.sleep("1ms") end
        local processes = system.hosts.processes("app:host")
        return { hosts = system.hosts.list(), processes = processes, child = pid, me = process.pid() }
    """
    idle = "process.registry.register('idle')\nprocess.listen('a') process.inbox():receive()"
    before = time.time_ns()
    found = run(body, on=app().process("idle", idle))
    (host,) = found["hosts"]
    assert (host["id"], host["workers"], host["processes"], host["stolen"]) == ("app:host", 1, 2, 0)
    assert host["executed"] > 0 and host["queue_depth"] >= 0
    by_pid = {p["pid"]: p for p in found["processes"]}
    assert set(by_pid) == {found["child"], found["me"]}
    child = by_pid[found["child"]]
    assert (child["host"], child["source"], child["state"]) == ("app:host", "app:idle", "idle")
    assert child["parent"] == found["me"] and child["name"] == "idle"
    assert child["steps"] >= 2
    assert before - 1e9 < child["started_at"] < time.time_ns() + 1e9
    assert child["stats"] == {"subscriptions": 1, "threads": 1, "channels": 2}
    assert by_pid[found["me"]]["state"] == "blocked", "it waits for the answer"
    assert "parent" not in by_pid[found["me"]]


def test_processes_of_hosts_on_threads_are_found() -> None:
    body = """
        for _ = 1, 4 do spawn("idle") end
        return { #system.hosts.processes("app:host"), system.hosts.list()[1].workers }
    """
    found = run(body, on=app(workers=2).process("idle", "process.inbox():receive()"))
    assert found == [5, min(2, os.cpu_count() or 1)]


def test_the_state_of_a_process_that_computes_is_running_and_its_time_counts() -> None:
    body = """
        spawn("busy")
        system.hosts.processes("app:host")
        time.sleep("50ms")
        for _, p in ipairs(system.hosts.processes("app:host")) do
          if p.source == "app:busy" then return { p.state, p.cpu } end
        end
    """
    state, cpu = run(body, on=app().process("busy", "while true do end"))
    assert state == "running"
    assert 0.01 < cpu < 5


def test_an_actor_of_a_process_is_shown() -> None:
    service = app().process("idle", "process.inbox():receive()")
    service.add(
        "svc",
        "process.service",
        process="idle",
        host="host",
        lifecycle={"auto_start": True, "security": {"actor": {"id": "robot"}}},
    )
    body = "for _, p in ipairs(system.hosts.processes('app:host')) do if p.actor_id then return p.actor_id end end"
    assert run(body, on=service) == "robot"


def test_limits_of_a_process_are_shown() -> None:
    limited = app().add(
        "small", "process.host", host={}, limits={"mailbox": 5, "cpu_total": "3s"}, lifecycle={"auto_start": True}
    )
    limited.process("idle", "process.inbox():receive()")
    body = """
        process.spawn("app:idle", "app:small")
        return system.hosts.processes("app:small")[1].limits
    """
    assert run(body, on=limited) == {"mailbox": 5.0, "cpu_total": 3.0}


def test_exceeded_limits_are_counted() -> None:
    limited = app().add("small", "process.host", limits={"mailbox": 2}, lifecycle={"auto_start": True})
    limited.process("full", "for _ = 1, 5 do process.send(process.pid(), 'x') end")
    body = """
        local before = system.hosts.exceeded().mailbox
        for _ = 1, 3 do
          process.spawn_monitored("app:full", "app:small")
          process.events():receive()
        end
        return { before == nil, system.hosts.exceeded().mailbox }
    """
    assert run(body, on=limited) == [True, 3.0]


def test_services_and_their_states() -> None:
    broken = app().process("broken", "error('no')")
    broken.add(
        "broken.service",
        "process.service",
        process="broken",
        host="host",
        lifecycle={"auto_start": True, "startup": "optional", "restart": {"initial_delay": "1m"}},
    )
    found = run(
        """
        while system.supervisor.state("app:broken.service").status ~= "failed" do time.sleep("1ms") end
        return { all = system.supervisor.states(), host = system.supervisor.state("app:host"),
                 broken = system.supervisor.state("app:broken.service") }
        """,
        on=broken,
    )
    assert [s["id"] for s in found["all"]] == ["app:broken.service", "app:host"]
    host, failed = found["host"], found["broken"]
    assert (host["status"], host["desired"], host["retry_count"]) == ("running", "running", 0)
    assert host["started_at"] > 1e18 and host["last_update"] >= host["started_at"]
    assert (failed["status"], failed["desired"], failed["details"]) == ("failed", "running", "attempt 1")
    assert failed["retry_count"] == 1


@pytest.mark.parametrize("variable", ["WIPPY_NODE_ID", "WIPPY_RELAY_NODE_NAME", None])
def test_a_named_node_is_told_by_its_pids(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, "north")
    found = App().process(
        "echo", "local m = process.inbox():receive() process.send(m:from(), 'back', m:payload():data())"
    )
    found.process(
        "main",
        """
        local pid = assert(process.spawn("app:echo", "app:host"))
        process.send(pid, "go", "ada")
        local m = process.inbox():receive()
        return { system.node.id(), process.pid():match("^{(.-)|"), m:from() == pid, m:payload():data() }
        """,
        modules=["system"],
    )
    config = Config({} if variable else {"relay.node_name": "north"})

    async def session() -> object:
        async with found.runtime(config=config) as runtime:
            return await runtime.run_process("app:main", "app:host")

    assert asyncio.run(session()) == ["north", "north@app:host", True, "ada"]


def test_a_node_name_that_no_pid_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIPPY_NODE_ID", "a@b")
    with pytest.raises(Error, match='node name "a@b" must not contain @'):
        App().run("return 1")


def test_a_node_on_its_own() -> None:
    found = run("""
        local out = {}
        for name, f in pairs(system.raft) do
          local v, e = f()
          out[name] = { v == nil, e:kind(), e:message() }
        end
        local addr, e = system.node.addr()
        return { raft = out, id = system.node.id(), role = system.node.role(), addr = e:kind(),
                 members = system.cluster.members(), leader = system.cluster.leader(), size = system.cluster.size() }
    """)
    names = {"is_leader", "is_member", "role", "term", "commit_index", "stats"}
    assert found["raft"] == {name: [True, "Internal", "raft not available"] for name in names}
    assert (found["id"], found["role"], found["addr"]) == ("local", "non-member", "Internal")
    assert (found["members"], found["leader"], found["size"]) == ([{"id": "local", "is_local": True}], "", 1.0)


# Limits, percentages, collector ----------------------------------------


def test_limits_and_percentages_return_previous_values() -> None:
    found = run("""
        local m, g, r = system.memory, system.gc, system.runtime
        return { m.get_limit(), m.set_limit(200 * 1024 * 1024), m.set_limit(-1), m.get_limit(),
                 g.get_percent(), g.set_percent(50), g.set_percent(-1), g.get_percent(),
                 r.max_procs(3) == r.max_procs(1) , r.max_procs() }
    """)
    assert found[:8] == [float(1 << 30), float(1 << 30), float(200 << 20), -1.0, 100.0, 100.0, 50.0, -1.0]
    assert found[9] == 1.0


def test_a_memory_limit_holds_and_a_tiny_one_leaves_the_runtime_what_it_needs() -> None:
    greedy = app().process("greedy", "local t = {} for i = 1, 1e8 do t[i] = { i } end")
    found = run(
        """
        system.memory.set_limit(1)
        local pid = spawn_monitored("greedy")
        local event = process.events():receive()
        return { event.result.error:message(), system.memory.get_limit() }
        """,
        on=greedy,
    )
    assert found == ["not enough memory", 1.0]


def test_a_collection_on_request_frees_what_is_garbage() -> None:
    freed = run("""
        local t = {}
        for i = 1, 200000 do t[i] = { i } end
        local full = system.memory.allocated()
        t = nil
        local ok = system.gc.collect()
        return { ok, full - system.memory.allocated() > 5000000 }
    """)
    assert freed == [True, True]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("system.memory.set_limit(-2)", "Invalid"),
        ("system.memory.set_limit()", "Invalid"),
        ("system.gc.set_percent()", "Invalid"),
        ("system.runtime.max_procs(0)", "Invalid"),
        ("system.runtime.max_procs(-1)", "Invalid"),
        ("system.hosts.processes('')", "Invalid"),
        ("system.hosts.processes('app:none')", "NotFound"),
        ("system.supervisor.state('')", "Invalid"),
        ("system.supervisor.state('app:none')", "Internal"),
        ("system.lock.acquire('')", "Invalid"),
        ("system.lock.acquire(string.rep('x', 2000))", "Invalid"),
        ("system.lock.release('')", "Invalid"),
    ],
)
def test_invalid_arguments(call: str, kind: str) -> None:
    found, message, retryable, value = [*failure(call), None][:4]
    assert (found, retryable, value) == (kind, False, None)
    assert message


def test_wrong_types_raise_and_tables_are_frozen() -> None:
    found = run("""
        local out = {}
        for i, f in ipairs({
          function() system.hosts.processes({}) end, function() system.memory.set_limit("much") end,
          function() system.lock.acquire(nil) end, function() system.lock.acquire = print end,
          function() system.exit = nil end, function() system.raft.term = 1 end,
        }) do out[i] = pcall(f) end
        return out
    """)
    assert found == [False] * 6


# Locks ----------------------------------------


def test_a_lock_has_one_holder_who_may_take_it_again() -> None:
    other = "local s = require('system') local ok, e = s.lock.acquire('l') return { ok, e and e:kind(), e and e:message(), (s.lock.release('l')) }"  # noqa: E501
    found = run(
        """
        local first, again = system.lock.acquire("l"), system.lock.acquire("l")
        local elsewhere = process.exec("app:other", "app:host")
        local released, twice = system.lock.release("l"), system.lock.release("l")
        return { first, again, elsewhere, released, twice, process.exec("app:other", "app:host") }
        """,
        on=app().process("other", other, modules=WITH_SYSTEM),
    )
    assert found == [
        True,
        True,
        [False, "AlreadyExists", "lock held: l", False],
        True,
        False,
        [True, None, None, True],
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_locks_are_freed_when_their_owner_ends(workers: int) -> None:
    holder = """
        local s = require("system")
        s.lock.acquire("a") s.lock.acquire("b")
        process.send(..., "has")
        process.inbox():receive()
    """
    found = run(
        """
        local child = spawn_monitored("holder", process.pid())
        process.inbox():receive()
        local held = { (system.lock.acquire("a")), (system.lock.acquire("b")) }
        process.terminate(child)
        process.events():receive()
        return { held, (system.lock.acquire("a")), (system.lock.acquire("b")) }
        """,
        on=app(workers).process("holder", holder, modules=WITH_SYSTEM),
    )
    assert found == [[False, False], True, True]


def test_a_lock_taken_in_a_function_goes_with_the_call() -> None:
    found = run(
        "return { funcs.call('app:take'), (system.lock.acquire('l')) }",
        on=app().function("take", "return (require('system').lock.acquire('l'))", modules=WITH_SYSTEM),
    )
    assert found == [True, True]


def test_a_lock_stays_through_an_upgrade() -> None:
    new = "local s = require('system') return { (s.lock.acquire('l')), (s.lock.release('l')) }"
    body = "system.lock.acquire('l') process.upgrade('app:new')"
    assert run(body, on=app().process("new", new, modules=WITH_SYSTEM)) == [True, True]


def test_a_process_has_a_bounded_number_of_locks() -> None:
    found = run("""
        for i = 1, 10000 do if not system.lock.acquire("l" .. i) then return i end end
        local again = system.lock.acquire("l5")
        local v, e = system.lock.acquire("one more")
        system.lock.release("l1")
        return { again, v, e:kind(), (system.lock.acquire("one more")) }
    """)
    assert found == [True, None, "RateLimited", True]


def test_what_is_kept_of_locks_goes_with_them() -> None:
    locks = Locks()
    assert locks.acquire(b"a", b"1") and locks.acquire(b"b", b"1") and not locks.acquire(b"a", b"2")
    assert not locks.release(b"a", b"2") and locks.release(b"a", b"1")
    locks.release_all(b"1")
    assert len(locks) == 0 and locks._held == {}


# Exit ----------------------------------------


def test_exit_asks_the_runtime_to_end_and_later_calls_only_change_the_code() -> None:
    async def work(runtime: Runtime) -> list[int]:
        codes = []
        for code in (3, 4):
            assert await runtime.run_process("app:main", "app:host", code) is True
            codes.append(await asyncio.wait_for(runtime.exited(), 5))
        return codes

    body = "return (require('system').exit(...))"
    assert app().process("main", body, modules=WITH_SYSTEM).use(work) == [3, 4]


SERVED = """\
version: "1.0"
namespace: app
entries:
  - name: host
    kind: process.host
    lifecycle: {auto_start: true}
  - name: terminal
    kind: terminal.host
    lifecycle: {auto_start: true}
  - name: main
    kind: process.lua
    source: file://main.lua
    modules: [system, time, io]
"""
SERVICE = """\
  - name: service
    kind: process.service
    process: main
    host: host
    lifecycle: {auto_start: true}
"""
MAIN = """\
local system = require("system")
local function main()
  system.exit(3)
  process.events():receive()
  system.exit(%d)
  return 5
end
return { main = main }
"""


def test_system_exit_3_exits_3_and_services_are_stopped_in_order(tmp_path: Path) -> None:
    directory = project(tmp_path, _index=SERVED + SERVICE, **{"main.lua": MAIN % 3})
    assert wippy(directory, "run").code == 3


def test_a_later_exit_while_stopping_changes_the_code(tmp_path: Path) -> None:
    directory = project(tmp_path, _index=SERVED + SERVICE, **{"main.lua": MAIN % 4})
    assert wippy(directory, "run").code == 4


def test_a_command_can_exit_with_a_code(tmp_path: Path) -> None:
    directory = project(tmp_path, _index=SERVED, **{"main.lua": MAIN % 6})
    assert wippy(directory, "run", "-x", "app:main").code == 6
