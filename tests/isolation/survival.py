"""Ends a process by every means there is, and watches whether its code runs on: by messages to the neighbour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from isolation.attempts import Attempt
from lua.kernel.driver import Source

if TYPE_CHECKING:
    from isolation.runner import Run

ALIVE = 'local function alive() return process.send(neighbour, "alive") end '
PARENTS = {
    "terminate": """
        local pid = process.spawn_monitored("t:attack", "t:host", neighbour)
        print("VICTIM " .. pid)
        process.inbox():receive()
        process.terminate(pid)
        process.events():receive()""",
    "link": """
        local pid = process.spawn_linked("t:attack", "t:host", neighbour)
        print("VICTIM " .. pid)
        process.inbox():receive()
        error("the parent fails")""",
    "call": """
        print("VICTIM ")
        coroutine.spawn(function() process.inbox():receive() error("the caller ends") end)
        funcs.call("t:attack", neighbour)""",
    "future": """
        print("VICTIM ")
        local f = funcs.async("t:attack", neighbour)
        process.inbox():receive()
        f:cancel()""",
    "timeout": """
        print("VICTIM ")
        funcs.new():with_options({ timeout = 100 }):call("t:attack", neighbour)""",
}
PARENTS["itself"] = PARENTS["budget"] = PARENTS["memory"] = """
        local pid = process.spawn_monitored("t:attack", "t:host", neighbour)
        print("VICTIM " .. pid)
        process.events():receive()"""
FUNCTIONS = ("call", "future", "timeout")


def parent_of(attempt: Attempt) -> Source:
    by = attempt.options.get("by", "terminate")
    return Source(f"return {{ main = function(neighbour) {PARENTS[by]}\nend }}")


def terminate(run: Run) -> dict[str, Any]:
    driver = run.driver
    parent = driver.start("t:parent", run.neighbour)
    driver.until(lambda: any(line.startswith("VICTIM") for line in driver.printed()))
    run.expect("it lives", lambda: run.report()[1] >= 3, 8)
    driver.deliver(parent, "now")
    run.expect("it is ended", lambda: parent in driver.exits, 8)
    driver.turn()
    _, before = run.report()
    limit = time.monotonic() + 0.1
    while time.monotonic() < limit:
        driver.turn()
    answers, after = run.report()
    if after > before:
        run.breaches.append(f"its code ran on: {after - before} more messages")
    run.expect("the neighbour gets on", lambda: run.report()[0] >= answers + 3, 5)
    return run.finish("")
