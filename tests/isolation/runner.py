"""Runs one attempt in this OS process, beside a neighbour in the same shard. Prints what came of it as JSON.

python runner.py attacks|survivals|evaluated NAME
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from isolation import evaluation  # noqa: E402
from isolation.attempts import TOOLS, Attempt, collect  # noqa: E402
from isolation.survival import ALIVE, FUNCTIONS, parent_of, terminate  # noqa: E402
from lua.kernel.driver import Driver, Source  # noqa: E402
from lua.kernel.invariants import FINGERPRINT, INVARIANTS  # noqa: E402

PARTNER = """return { main = function()
  local inbox = process.inbox()
  while true do
    local m = inbox:receive()
    process.send(m:from(), "pong", m:payload():data())
  end
end }"""
MODULES = ("funcs", "events", "time", "ctx", "json")


class KernelErrors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Run:
    """One attempt from start to verdict."""

    def __init__(self, attempt: Attempt, errors: KernelErrors, folder: str = "attacks") -> None:
        self.attempt = attempt
        self.errors = errors
        self.breaches: list[str] = []
        entries = entries_of(attempt, folder)
        memory = int(attempt.number("memory", 256)) << 20
        evaluated = folder == "evaluated"
        self.driver = evaluation.Evaluating(entries, memory=memory) if evaluated else Driver(entries, memory=memory)
        self.partner = self.driver.start("t:partner")
        self.neighbour = self.driver.start("t:neighbour", self.partner)
        self.warm_up()
        self.fingerprint = self.driver.lua(FINGERPRINT)
        self.driver.longest_turn = 0.0

    def warm_up(self) -> None:
        answers, _ = self.report()
        self.expect("the neighbour starts", lambda: self.report()[0] >= answers + 3, 5)

    def report(self) -> tuple[int, int]:
        """How many answers the neighbour had, and how many signs of life of the attacker."""
        driver = self.driver
        before = len(driver.logs)
        driver.deliver(self.neighbour, "report")

        def found() -> list[str]:
            return [m for _, m, _ in driver.logs[before:] if m.startswith("REPORT ")]

        if not driver.settle(lambda: bool(found()), 8):
            self.breaches.append("the neighbour does not answer")
            return 0, 0
        answers, alive = found()[0].split()[1:]
        return int(answers), int(alive)

    def expect(self, what: str, condition: Any, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while not condition():
            self.driver.turn()
            if time.monotonic() > limit:
                self.breaches.append(f"not so: {what}")
                return

    def attack(self) -> str:
        """Starts the attacker and waits for its end. Its PID, or "" when it did not start."""
        driver, attempt = self.driver, self.attempt
        number = driver.begin("t:attack", self.neighbour, self.partner)
        spins = attempt.has("spins")
        patience = 5.0 if isinstance(driver, evaluation.Evaluating) else 1.5
        deadline = attempt.number("deadline", 0.25 if spins else patience)
        driver.settle(lambda: number in driver.replies, deadline)
        pid, error = driver.replies.get(number, ("", None))
        if error is not None:
            return ""
        ended = bool(pid) and driver.settle(lambda: pid in driver.exits, deadline)
        if attempt.has("ends") and not ended:
            self.breaches.append("the runtime did not end it")
        if not ended and pid and not spins and not attempt.has("keep") and not attempt.has("ends"):
            self.breaches.append("it did not come to its end")
        return str(pid or "")

    def gets_on(self) -> None:
        answers, _ = self.report()
        self.expect("the neighbour gets on", lambda: self.report()[0] >= answers + 3, 5)

    def finish(self, pid: str) -> dict[str, Any]:
        driver = self.driver
        if pid and pid not in driver.exits:
            driver.terminate(pid)
            self.expect("it can be terminated", lambda: pid in driver.exits, 5)
        driver.deliver(self.neighbour, "finish")
        self.expect("the neighbour ends", lambda: self.neighbour in driver.exits, 8)
        problems, error = driver.exits.get(self.neighbour, ("no result", None))
        if problems or error:
            self.breaches.append(f"neighbour: {problems or error}")
        if driver.lua(FINGERPRINT) != self.fingerprint:
            self.breaches.append("a library has changed")
        invariants = driver.lua(INVARIANTS)
        if invariants:
            self.breaches.append(f"kernel: {invariants.decode()}")
        self.breaches += [m for _, m, _ in driver.logs if m.startswith("BREACH")][:10]
        self.breaches += [f"kernel error: {text[:300]}" for text in self.errors.texts[:5]]
        held = driver.longest_turn
        if held > self.attempt.number("limit", 1.5):
            self.breaches.append(f"held the shard for {held:.2f} s")
        value, error = driver.exits.get(pid, (None, None))
        return {
            "breaches": self.breaches,
            "outcome": str(error) if error else repr(value)[:200],
            "held": round(held, 3),
        }


def entries_of(attempt: Attempt, folder: str) -> dict[str, Source | str]:
    libraries = {name: f"t:{name}" for name in attempt.options.get("libraries", "").split(",") if name}
    entries: dict[str, Source | str] = {
        "t:tools": TOOLS,
        "t:partner": PARTNER,
        "t:neighbour": Source(
            (HERE / "neighbour.lua").read_text(),
            modules=MODULES,
            libraries={} if attempt.name == "loop-library-body" else dict(libraries),
        ),
    }
    if folder == "evaluated":
        return entries | evaluation.entries_of(attempt, TOOLS, MODULES)
    extra = tuple(m for m in attempt.options.get("modules", "").split(",") if m)
    imports = {"tools": "t:tools"} | libraries
    modules = tuple(dict.fromkeys(MODULES + extra))
    if folder == "survivals":
        code = attempt.code.replace("(neighbour, partner) ", "(neighbour, partner) " + ALIVE)
        pool = 1 if attempt.options.get("by") in FUNCTIONS else None
        entries["t:attack"] = Source(code, pool=pool, modules=modules, libraries=imports)
        entries["t:parent"] = parent_of(attempt)
    else:
        entries["t:attack"] = Source(attempt.code, modules=modules, libraries=imports)
    for part in attempt.parts:
        pool = int(part.options["pool"]) if "pool" in part.options else None
        entries[f"t:{part.name}"] = Source(part.text, pool=pool, modules=MODULES)
    return entries


def main(folder: str, name: str) -> None:
    errors = KernelErrors()
    logging.getLogger("wippy").addHandler(errors)
    attempt = collect(folder)[name]
    run = Run(attempt, errors, folder)
    if folder == "survivals":
        result = terminate(run)
    else:
        pid = run.attack()
        run.gets_on()
        if attempt.has("alive"):
            evaluation.still_alive(run)
        result = run.finish(pid)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
