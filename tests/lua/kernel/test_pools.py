"""Pools of function instances, with a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from lua.kernel.driver import Driver
from wippy.core.clock import Clock

SECOND = 1_000_000_000
SIZES = "local S, id = ... local p = S.definitions[id].pool return p.size, p.idle, p.limit"


class Moved(Clock):
    """The machine's clock, ahead by what the test says."""

    ahead = 0

    def monotonic(self) -> int:
        return super().monotonic() + self.ahead


@pytest.fixture
def moved(driver: Driver) -> Moved:
    driver.clock = Moved()
    return driver.clock


def sizes(driver: Driver, entry: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = driver.lua(SIZES, entry.encode())
    return found


@pytest.mark.parametrize("kind", ["lazy", "adaptive"])
def test_instances_that_nobody_needs_are_dropped_after_30_seconds(driver: Driver, moved: Moved, kind: str) -> None:
    f = driver.define("time.sleep('1ms') return 1", pool={"type": kind, "most": 8})
    driver.do(f"""
        local futures = {{}}
        for i = 1, 5 do futures[i] = funcs.async("{f}") end
        for i = 1, 5 do futures[i]:channel():receive() end
    """)
    made, idle, _ = sizes(driver, f)
    assert made == idle >= 1
    moved.ahead = 29 * SECOND
    driver.idle()
    assert sizes(driver, f)[:2] == (made, idle)
    driver.call(f)
    moved.ahead = 31 * SECOND
    driver.idle()
    assert sizes(driver, f)[:2] == (1, 1)
    moved.ahead = 62 * SECOND
    driver.idle()
    assert sizes(driver, f)[:2] == (0, 0)
    assert list(driver.call(f)) == [1, None]


def test_a_static_pool_keeps_its_workers(driver: Driver, moved: Moved) -> None:
    f = driver.define("return 1", pool={"type": "static", "most": 3})
    driver.call(f)
    moved.ahead = 100 * SECOND
    driver.idle()
    assert sizes(driver, f)[:2] == (1, 1)


def test_an_adaptive_pool_grows_while_calls_wait_and_that_helps(driver: Driver) -> None:
    f = driver.define("time.sleep('4ms') return 1", pool={"type": "adaptive", "most": 6})
    driver.do(f"""
        local futures = {{}}
        for i = 1, 400 do futures[i] = funcs.async("{f}") end
        for i = 1, 400 do futures[i]:channel():receive() end
    """)
    size, _, limit = sizes(driver, f)
    assert 2 <= limit <= 6 and size <= limit
