"""Every measurement runs in a process of its own: the heap that another one leaves behind costs up to a third."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.rows import Row


def measured(module: str, name: str) -> list[Row]:
    """The rows of the coroutine function `name` of `module`, on uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows: list[Row] = runner.run(getattr(importlib.import_module(module), name)())
        return rows


def each(module: str, *names: str) -> Iterator[Row]:
    """The rows of several measurements, one process after the other."""
    for name in names:
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            yield from pool.submit(measured, module, name).result()
