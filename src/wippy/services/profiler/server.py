"""The profiler that `wippy run --profiler` serves over HTTP, for the person at the machine (spec 01 §5.4).

GET /                    what there is
GET /processes           the processes of guests by processor time, with memory; `?seconds=N` first watches for so long
GET /process?pid=PID     one of them: stacks of guest code, mail, relations
GET /stacks              where the threads of the runtime are
GET /profile?seconds=N   samples of those stacks, in the collapsed form that flame graphs are drawn from
"""

from __future__ import annotations

import asyncio
import collections
import logging
import sys
import threading
import traceback
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.compute.introspection import Introspection
from wippy.core.errors import invalid, not_found
from wippy.services.pages import JSON, Maker, Page, PageServer

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.profiler")

SAMPLE_SECONDS = 0.005
LONGEST_SECONDS = 60.0
SHOWN = 100  # processes


class Profiler:
    """Serves one node at `address` (`host:port`). `start` and `stop` belong to its event loop."""

    def __init__(self, node: Node, address: str) -> None:
        self._look = Introspection(node)
        pages: dict[str, Maker] = {
            "/": self._overview,
            "/processes": self._processes,
            "/process": self._process,
            "/stacks": self._stacks,
            "/profile": self._profile,
        }
        self._server = PageServer("profiler.address", address, pages)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    async def start(self) -> None:
        """Raises Error(Invalid) when the address cannot be listened at."""
        await self._server.start()
        log.info("profiler at port %d", self.port)

    async def stop(self) -> None:
        await self._server.stop()

    # Pages

    async def _overview(self, query: dict[str, str]) -> Page:
        return Page((__doc__ or "").partition("\n\n")[2])

    async def _processes(self, query: dict[str, str]) -> Page:
        if "seconds" in query:
            await self._look.processes()
            await asyncio.sleep(_seconds(query))
        found = await self._look.processes(memory=True)
        found.sort(key=lambda process: (process.cpu or 0.0, process.memory or 0), reverse=True)
        return _json(found[:SHOWN])

    async def _process(self, query: dict[str, str]) -> Page:
        if "pid" not in query:
            raise not_found("which process? Add ?pid=")
        return _json(await self._look.process(query["pid"]))

    async def _stacks(self, query: dict[str, str]) -> Page:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts = []
        for ident, frame in sys._current_frames().items():
            parts.append(f"thread {names.get(ident, ident)}\n{''.join(traceback.format_stack(frame))}")
        return Page("\n".join(parts))

    async def _profile(self, query: dict[str, str]) -> Page:
        counts = await asyncio.to_thread(_sample, _seconds(query))
        return Page("".join(f"{stack} {count}\n" for stack, count in counts.most_common()))


def _seconds(query: dict[str, str]) -> float:
    try:
        seconds = float(query.get("seconds", "5"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise invalid(f"seconds must be more than 0 and at most {LONGEST_SECONDS:g}")
    return seconds


def _json(value: Any) -> Page:
    return Page(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n", JSON)


def _sample(seconds: float) -> collections.Counter[str]:
    """Stacks of all threads but the one that looks, outermost function first, and how often each was seen."""
    own, counts, done = threading.get_ident(), collections.Counter[str](), threading.Event()
    rounds = max(int(seconds / SAMPLE_SECONDS), 1)
    for _ in range(rounds):
        for ident, frame in sys._current_frames().items():
            if ident != own:
                counts[_collapsed(frame)] += 1
        done.wait(SAMPLE_SECONDS)
    return counts


def _collapsed(frame: FrameType | None) -> str:
    names = []
    while frame is not None:
        names.append(f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return ";".join(reversed(names))
