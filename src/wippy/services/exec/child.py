"""A program that a guest runs: from the request to its end (spec 03 §14). How it is run is up to a `Program`.

Life: new, started, ended or closed. A child that its guest forgets is stopped when the guest ends: first asked
(SIGTERM), after a moment forced (SIGKILL), with everything it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Protocol

from wippy.core.errors import internal, invalid
from wippy.services.exec.pipes import Input, Output

NOT_STARTED = "process not started: call start() first"
CLOSED = "process is closed"

LOOK = 0.1  # seconds between two looks at pipes that nobody reads
PATIENCE = 1.0  # seconds without a reading after which a guest that waits for the end is taken to read no more
GRACE = 1.0  # seconds between asking and forcing when the guest has ended
LENIENCE = 10.0  # seconds between asking and forcing when the guest closed it
HIGHEST_SIGNAL = 64


class Program(Protocol):
    """What runs the command."""

    async def launch(self, stdin: Input, stdout: Output, stderr: Output) -> None:
        """Starts it and attaches the pipes. Raises Error; then nothing runs."""

    async def ended(self) -> int:
        """Returns its exit code when it has ended; -1 when a signal ended it. May be awaited by several."""

    async def send(self, number: int) -> None:
        """Sends it a signal. Raises Error(Internal)."""

    async def stop(self, number: int) -> bool:
        """Sends a signal (0: none) to it and everything it started; False when nothing of that is left."""

    async def release(self) -> None:
        """Called once it has ended: gives everything back."""


class Child:
    """One program on behalf of one guest. Belongs to the event loop's thread."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.stdin, self.stdout, self.stderr = Input(), Output(), Output()
        self._started = False
        self._closed = False
        self._waiting = 0
        self._end: asyncio.Task[int] | None = None
        self._flow: asyncio.Task[None] | None = None
        self._forcing: asyncio.Task[None] | None = None

    def check_open(self) -> None:
        """Raises Error(Invalid) once it is closed."""
        if self._closed:
            raise invalid(CLOSED)

    def _check_started(self) -> None:
        self.check_open()
        if not self._started or self._end is None:
            raise invalid(NOT_STARTED)

    async def start(self) -> None:
        """Raises Error(Invalid) the second time, Error when it cannot be started."""
        self.check_open()
        if self._started:
            raise invalid("process already started")
        self._started = True
        await self._program.launch(self.stdin, self.stdout, self.stderr)
        self._end = asyncio.ensure_future(self._watch())
        self._end.add_done_callback(lambda end: end.cancelled() or end.exception())  # nobody may ever wait for it
        self._flow = asyncio.ensure_future(self._keep_flowing())
        if self._closed:
            await self.abandon()

    async def _watch(self) -> int:
        try:
            return await self._program.ended()
        finally:
            await self.stdin.close()
            await self._program.release()

    # Output that nobody reads ----------------------------------------

    async def _keep_flowing(self) -> None:
        """Nobody waits for ever because of output that nobody reads, and what nobody reads any more is closed."""
        await asyncio.gather(self._look_after(self.stdout), self._look_after(self.stderr))

    async def _look_after(self, output: Output) -> None:
        assert self._end is not None
        idle, reads = 0.0, 0
        while not output.ended:
            pause = LOOK if not self._end.done() else 10 * LOOK
            await asyncio.sleep(pause)
            idle = idle + pause if output.reads == reads and not output.pending else 0.0
            reads = output.reads
            if self._end.done():
                if self._closed and idle >= LENIENCE:
                    await output.close()
            elif output.full and self._is_unread(output, idle):
                with contextlib.suppress(OSError):
                    await output.discard()

    def _is_unread(self, output: Output, idle: float) -> bool:
        if not self._waiting:
            return not output.wanted
        return not output.reads or idle >= PATIENCE

    # What guests do ----------------------------------------

    async def wait(self) -> int:
        """The exit code, once it has ended; -1 when a signal ended it. Closes it: output that was not read is lost,
        except from a stream that somebody reads."""
        self._check_started()
        assert self._end is not None
        self._waiting += 1
        try:
            code = await asyncio.shield(self._end)
        finally:
            self._waiting -= 1
        self._closed = True
        for output in (self.stdout, self.stderr):
            if not output.reads:
                await output.close()
        return code

    async def write(self, data: bytes) -> None:
        """Writes to its stdin; nothing (b"") closes that."""
        self._check_started()
        if data:
            await self.stdin.write(data)
        else:
            await self.stdin.close()

    async def signal(self, number: int) -> None:
        self._check_started()
        if not 0 < number <= HIGHEST_SIGNAL:
            raise invalid(f"{number} is no signal")
        assert self._end is not None
        if self._end.done():
            raise internal("process has ended")
        await self._program.send(number)

    async def is_gone(self) -> bool:
        """Whether nothing of it, and nothing that it started, is left."""
        return self._end is not None and self._end.done() and not await self._program.stop(0)

    async def close(self, force: bool, when_gone: Callable[[], None]) -> None:
        """Asks it to end (SIGTERM), or forces it (SIGKILL). Again does nothing. `when_gone` is called some time."""
        if self._closed:
            return
        self._closed = True
        if self._end is None:
            await self._close_pipes()
            when_gone()
        elif force:
            await self._program.stop(signal.SIGKILL)
            await asyncio.wait((self._end,))
            await self._close_pipes()
            when_gone()
        else:
            await self._program.stop(signal.SIGTERM)
            self._forcing = asyncio.ensure_future(self._force_after(LENIENCE))
            self._forcing.add_done_callback(lambda done: None if done.cancelled() else when_gone())

    async def abandon(self) -> None:
        """The guest has ended: so does the child, and everything it started."""
        self._closed = True
        if self._forcing is not None:
            self._forcing.cancel()
        if self._end is not None and await self._program.stop(signal.SIGTERM):
            await self._force_after(GRACE)
        await self._close_pipes()

    async def _force_after(self, seconds: float) -> None:
        """Forces what is still there after so many seconds."""
        assert self._end is not None
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + seconds, 0.005
        while await self._program.stop(0):
            if loop.time() >= deadline:
                await self._program.stop(signal.SIGKILL)
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, LOOK)
        await asyncio.wait((self._end,))

    async def _close_pipes(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            await stream.close()
        if self._flow is not None:
            self._flow.cancel()
