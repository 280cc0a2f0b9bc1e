"""Programs on this computer, each in a session and process group of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from contextlib import ExitStack, suppress

from wippy.core.errors import Error, internal
from wippy.services.exec.command import Command
from wippy.services.exec.descriptor import Descriptor
from wippy.services.exec.pipes import Input, Output
from wippy.services.stream.descriptors import Descriptors, Owner


class NativeProgram:
    """Runs a command found through the runtime's own PATH, in an environment that has nothing of the runtime's."""

    def __init__(self, command: Command, descriptors: Descriptors, owner: Owner) -> None:
        self._command = command
        self._descriptors = descriptors
        self._owner = owner
        self._process: subprocess.Popen[bytes] | None = None
        self._code: asyncio.Future[int] | None = None

    async def launch(self, stdin: Input, stdout: Output, stderr: Output) -> None:
        with ExitStack() as undo:
            ours = [self._pipe(undo) for _ in range(3)]
            (theirs_in, in_), (out, theirs_out), (err, theirs_err) = ours
            self._process = self._spawn(theirs_in, theirs_out, theirs_err)
            undo.pop_all()
        for number in (theirs_in, theirs_out, theirs_err):
            os.close(number)
        stdin.attach(self._kept(in_, writing=True))
        stdout.attach(self._kept(out))
        stderr.attach(self._kept(err))
        self._code = asyncio.ensure_future(self._reaped(self._process))

    def _pipe(self, undo: ExitStack) -> tuple[int, int]:
        """Both ends. One of them stays with us and counts for the guest."""
        try:
            self._descriptors.take(self._owner)
            undo.callback(self._descriptors.give_back, self._owner)
            ends = os.pipe2(os.O_CLOEXEC)
        except OSError as e:
            raise self._not_started(e) from None
        for number in ends:
            undo.callback(os.close, number)
        return ends

    def _spawn(self, stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        words, directory, environment = self._command
        try:
            return subprocess.Popen(
                words,
                executable=_found(words[0]),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=directory or None,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as e:
            raise self._not_started(e) from None

    def _not_started(self, reason: OSError | ValueError) -> Error:
        text = getattr(reason, "strerror", None) or str(reason)
        return internal(f"{self._command.words[0]} cannot be started: {text.lower()}")

    def _kept(self, number: int, *, writing: bool = False) -> Descriptor:
        def close() -> None:
            self._descriptors.give_back(self._owner)

        return Descriptor(number, writing=writing, on_close=close)

    # Its end ----------------------------------------

    async def _reaped(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for its end and takes its exit code from the system, so that it leaves no zombie."""
        if hasattr(os, "pidfd_open"):
            ended = Descriptor(os.pidfd_open(process.pid))
            try:
                await ended.ready()
            finally:
                ended.close()
            code = process.wait()
        else:
            code = await _in_thread(process)
        return code if code >= 0 else -1

    async def ended(self) -> int:
        assert self._code is not None
        return await asyncio.shield(self._code)

    async def release(self) -> None:
        """Everything went with the process."""

    async def send(self, number: int) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def stop(self, number: int) -> bool:
        """The group's number is its own as long as somebody is in it; when its first process has been reaped and the
        number belongs to a process again, the group has ended before."""
        assert self._process is not None
        pid = self._process.pid
        try:
            if self._process.returncode is not None and _is_alive(pid):
                return False
            os.killpg(pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _found(name: str) -> str:
    """The program's path. A name with a slash is one. Raises OSError."""
    if "/" in name:
        return name
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(2, "executable not found in PATH")
    return path


async def _in_thread(process: subprocess.Popen[bytes]) -> int:
    """Where the system has no descriptors of processes: a thread waits."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def settle(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def wait() -> None:
        code = process.wait()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, code)

    threading.Thread(target=wait, name=f"wait {process.pid}", daemon=True).start()
    code: int = await ended
    return code
