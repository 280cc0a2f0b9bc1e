"""Programs in containers of a Docker engine (or one that speaks its interface)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any
from urllib.parse import quote

from wippy.core.errors import Error, internal
from wippy.services.exec.command import Command
from wippy.services.exec.descriptor import Descriptor
from wippy.services.exec.engine import Answer, Engine
from wippy.services.exec.pipes import Input, Output
from wippy.services.stream.descriptors import Descriptors, Owner

HEAD = 8  # bytes in front of every piece of output: stream, three zeros, length


class Demultiplexer:
    """Takes the content out of an attached connection, and is read like what it reads from."""

    def __init__(self, early: bytes) -> None:
        self._early = early
        self._head = b""
        self._left = 0

    def take(self, source: Descriptor, most: int) -> bytes | None:
        """Up to `most` bytes: None for nothing yet, b"" at the end."""
        while self._left == 0:
            piece = self._raw(source, HEAD - len(self._head))
            if not piece:
                return piece
            self._head += piece
            if len(self._head) == HEAD:
                self._left, self._head = int.from_bytes(self._head[4:], "big"), b""
        piece = self._raw(source, min(most, self._left))
        self._left -= len(piece or b"")
        return piece

    def _raw(self, source: Descriptor, most: int) -> bytes | None:
        if self._early:
            piece, self._early = self._early[:most], self._early[most:]
            return piece
        return source.read(most)


class DockerProgram:
    """Runs a command in a container of its own. `settings`: what of the container does not depend on the command."""

    def __init__(
        self, engine: Engine, settings: dict[str, Any], command: Command, descriptors: Descriptors, owner: Owner
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._command = command
        self._descriptors = descriptors
        self._owner = owner
        self._id = ""
        self._result: asyncio.Future[int] | None = None

    def _request(self) -> dict[str, Any]:
        words, directory, environment = self._command
        return {
            **self._settings,
            "Cmd": words,
            "WorkingDir": directory,
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "OpenStdin": True,
            "StdinOnce": True,
            "Tty": False,
        }

    async def launch(self, stdin: Input, stdout: Output, stderr: Output) -> None:
        created = await self._engine.call("POST", "/containers/create", self._request())
        self._id = quote(str(created["Id"]), safe="")
        try:
            stdin.attach((await self._attach("stdin", writing=True))[0])
            for output, name in ((stdout, "stdout"), (stderr, "stderr")):
                source, early = await self._attach(name)
                output.attach(source, Demultiplexer(early).take)
            waiting = await self._engine.begin("POST", f"/containers/{self._id}/wait?condition=next-exit")
            self._result = asyncio.ensure_future(self._exit_code(waiting))
            await self._engine.call("POST", f"/containers/{self._id}/start")
        except BaseException:
            if self._result is not None:
                self._result.cancel()
            for stream in (stdin, stdout, stderr):
                await stream.close()
            removed = asyncio.ensure_future(self._remove())
            await asyncio.shield(removed)
            raise

    async def _attach(self, name: str, *, writing: bool = False) -> tuple[Descriptor, bytes]:
        try:
            self._descriptors.take(self._owner)
        except OSError as e:
            raise internal(f"process cannot be started: {e.strerror}") from None
        try:
            answer = await self._engine.attach(f"/containers/{self._id}/attach?stream=1&{name}=1")
        except BaseException:
            self._descriptors.give_back(self._owner)
            raise
        return self._kept(answer, writing), answer.received

    def _kept(self, answer: Answer, writing: bool) -> Descriptor:
        def close() -> None:
            self._descriptors.give_back(self._owner)

        return Descriptor(answer.connection.detach(), writing=writing, on_close=close)

    async def _remove(self) -> None:
        with contextlib.suppress(Error):
            await self._engine.call("DELETE", f"/containers/{self._id}?force=1")

    # Its end ----------------------------------------

    async def _exit_code(self, waiting: Answer) -> int:
        value = await self._engine.finish(waiting)
        failure = (value.get("Error") or {}).get("Message") if isinstance(value, dict) else "no exit code"
        if failure:
            raise internal(f"container engine: {failure}")
        return int(value["StatusCode"])

    async def ended(self) -> int:
        assert self._result is not None
        return await asyncio.shield(self._result)

    async def release(self) -> None:
        """What is left of the container is up to `auto_remove`."""

    async def send(self, number: int) -> None:
        await self._engine.call("POST", f"/containers/{self._id}/kill?signal={_name(number)}")

    async def stop(self, number: int) -> bool:
        if self._result is None or self._result.done():
            return False
        if number:
            with contextlib.suppress(Error):
                await self.send(number)
        return True


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
