"""Fails allocations of a single kernel turn, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .driver import TURN, Driver

STEP = 16


class Pressure:
    """Runs turns of a shard with an allowance of so many bytes above what is in use."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.shard = driver.shard
        self.lua = driver.shard._lua

    def turn(self, allowance: int, name: str = "run", *args: Any) -> bool:
        """One kernel call that may allocate `allowance` bytes. Whether it went through without a failed allocation."""
        if name == "run":
            args = (self.driver.clock.monotonic(), TURN)
        return self.squeezed(allowance, lambda: self.shard.call(name, *args))

    def squeezed(self, allowance: int, action: Callable[[], object]) -> bool:
        """Runs `action`, in which every kernel call may allocate `allowance` bytes until one fails."""
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
            action()
        finally:
            del shard._room
            del shard._recover
            self.lua.set_max_memory(shard._hard)
            self.driver.lua("collectgarbage('restart')")
        return not failed
