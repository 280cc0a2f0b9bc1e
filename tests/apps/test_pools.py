"""Pools of functions as applications see them (spec 03 §6 "Pools")."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from wippy import Error

COUNTS = "busy = (busy or 0) + 1 local n = busy time.sleep('3ms') busy = busy - 1 return n"


@pytest.mark.parametrize("pool", [{"type": "inline"}, {"type": "static", "workers": 1}, {"workers": 1}, {"size": 1}])
def test_one_instance_serves_processes_of_all_threads_one_after_the_other(pool: dict[str, Any]) -> None:
    app = App(workers=2).function("counts", COUNTS, pool=pool)
    app.process(
        "asks", "local most = 0 for _ = 1, 5 do most = math.max(most, (funcs.call('app:counts'))) end return most"
    )
    assert (
        app.run(
            """
        local most = 0
        for _ = 1, 4 do spawn_monitored("asks") end
        for _ = 1, 4 do most = math.max(most, within(process.events(), "15s").result.value) end
        return most
        """
        )
        == 1
    )


def test_the_end_of_a_caller_on_another_thread_ends_the_call() -> None:
    app = App(workers=2)
    app.function("slow", "process.registry.register('the.call') time.sleep('10s') return 1", pool={"type": "inline"})
    app.process("asks", "funcs.call('app:slow')")
    assert (
        app.run(
            """
        for _ = 1, 2 do
          local pid = spawn("asks")
          while not process.registry.lookup("the.call") do time.sleep("1ms") end
          process.monitor(process.registry.lookup("the.call"))
          process.terminate(pid)
          local e = within(process.events())
          if tostring(e.result.error) ~= "context canceled" then return tostring(e.result.error) end
        end
        return "ended"
        """
        )
        == "ended"
    )


def test_an_async_waits_for_room_in_the_queue_of_a_static_pool() -> None:
    app = App().function("slow", "time.sleep('30ms') return 1", pool={"type": "static", "workers": 1, "buffer": 2})
    assert app.run(
        """
        local began, waited, futures = time.now(), {}, {}
        for i = 1, 5 do
          futures[i] = funcs.async("app:slow")
          waited[i] = time.now():sub(began):milliseconds() >= 20
        end
        for i = 1, 5 do futures[i]:channel():receive() end
        return waited
        """
    ) == [False, False, False, True, True]


def test_an_async_that_waits_for_room_ends_with_its_process() -> None:
    app = App().function("slow", "time.sleep('20ms') return 1", pool={"type": "static", "workers": 1, "buffer": 1})
    app.process("asks", "for _ = 1, 10 do funcs.async('app:slow') end")
    assert (
        app.run(
            """
        local pid = spawn_monitored("asks")
        time.sleep("5ms")
        process.terminate(pid)
        within(process.events())
        local value = funcs.async("app:slow"):channel():receive():data()
        return value
        """
        )
        == 1
    )


@pytest.mark.parametrize(
    ("pool", "text"),
    [
        ({"type": "static", "workers": 0}, "pool.size must be greater than 0 for worker pools"),
        ({"type": "static", "size": 0}, "pool.size must be greater than 0 for worker pools"),
        ({"type": "inline", "size": 0}, "pool.size must be greater than 0 for non-flex pools"),
        ({"size": -1}, "pool.size must be greater than 0 for non-flex pools"),
        ({"max_size": -1}, "pool.max_size must not be negative"),
        ({"type": "elastic"}, "type"),
    ],
)
def test_wrong_sizes_are_refused(pool: dict[str, Any], text: str) -> None:
    app = App().function("f", "return 1", pool=pool)
    with pytest.raises(Error) as raised:
        app.call("f")
    assert text in str(raised.value)


def test_a_change_replaces_the_pool_and_running_calls_finish_on_the_old_code() -> None:
    app = App().function("f", "time.sleep('30ms') return 'old'", pool={"type": "static", "workers": 1})
    app.process(
        "main",
        """
        local running = { funcs.async("app:f"), funcs.async("app:f") }
        local c = registry.snapshot():changes()
        local data = registry.get("app:f").data
        data.source = "return { main = function() return 'new' end }"
        c:update({ id = "app:f", kind = "function.lua", data = data })
        assert(c:apply())
        local new = funcs.call("app:f")
        return { new, running[1]:channel():receive():data(), running[2]:channel():receive():data() }
        """,
        modules=["registry", "funcs"],
    )
    assert app.use(lambda runtime: runtime.run_process("app:main", "app:host")) == ["new", "old", "old"]
