"""Fails allocations of a single kernel turn, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .driver import TURN, Driver

STEP = 16
MOST = 40_000


class Pressure:
    """Runs turns of a shard with an allowance of so many bytes above what is in use."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.shard = driver.shard
        self.lua = driver.shard._lua

    def turn(self, allowance: int, name: str = "run", *args: Any) -> bool:
        """One kernel call that may allocate `allowance` bytes. Whether it went through without a failed allocation."""
        shard, room, recover = self.shard, self.shard._room, self.shard._recover
        failed: list[str] = []
        self.driver.lua("collectgarbage() collectgarbage('stop')")

        def tight(_size: int) -> None:
            self.lua.set_max_memory(self.lua.get_memory_used() + allowance)

        def recovering(name: str, args: tuple[Any, ...]) -> None:
            shard._room = room  # type: ignore[method-assign]
            failed.append(name)
            recover(name, args)

        shard._room = tight  # type: ignore[method-assign]
        shard._recover = recovering  # type: ignore[method-assign]
        try:
            if name == "run":
                args = (self.driver.clock.monotonic(), TURN)
            result = shard.call(name, *args)
        finally:
            del shard._room
            del shard._recover
            self.lua.set_max_memory(shard._hard)
            self.driver.lua("collectgarbage('restart')")
        if name == "run" and result is not None:
            shard.busy = True
        return not failed

    def every_failure(self, attempt: Callable[[int], bool]) -> Iterator[int]:
        """Calls `attempt` with growing allowances until it says that nothing failed; yields each allowance tried."""
        allowance = 0
        while allowance < MOST:
            enough = attempt(allowance)
            yield allowance
            if enough:
                return
            allowance += STEP
        raise AssertionError("the operation never succeeds")
