"""Guest module `io` (spec 04b §17) and the terminal behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from wippy.core.errors import Error, internal, unavailable
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module

CHUNK = 65536
LONGEST_LINE = 64 << 20


class Terminal:
    """What one process reads and writes: streams of bytes, arguments, raw mode. To be used from one event loop.

    Input is read by a thread, only when somebody waits for it, into the one buffer that all reads share.
    """

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO, args: Sequence[str] = ()) -> None:
        self.args = tuple(args)
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._buffer = bytearray()
        self._ended = False
        self._reading = asyncio.Lock()
        self._input: _Input | None = None
        self._raw = 0
        self._cooked: Any = None

    def write(self, data: bytes, *, error: bool = False) -> None:
        """Writes to standard output, or standard error, at once. Raises Error(Internal)."""
        stream = self._stderr if error else self._stdout
        try:
            stream.write(data)
            stream.flush()
        except (OSError, ValueError) as e:
            raise internal(f"write failed: {e}") from None

    def capabilities(self) -> dict[str, Any]:
        """Whether standard output is a terminal, whether it is to be coloured (`NO_COLOR`), and its width."""
        try:
            output = self._stdout.isatty()
            columns = os.get_terminal_size(self._stdout.fileno()).columns if output else 0
        except (OSError, ValueError, AttributeError):
            output, columns = False, 0
        dumb = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        return {"output": output, "color": output and not dumb, "columns": columns or 80}

    def flush(self) -> None:
        """Nothing is held back; only tells whether the stream still works. Raises Error(Internal)."""
        try:
            self._stdout.flush()
        except (OSError, ValueError) as e:
            raise internal(f"flush failed: {e}") from None

    async def read(self, size: int) -> bytes:
        """1 to `size` bytes. Raises Error(Internal) with the text `EOF` at the end of input."""
        async with self._reading:
            if not self._buffer:
                await self._fill()
            return self._take(size)

    async def readline(self) -> bytes:
        """A line without its end; what stands before the end of input counts as a line. Errors as in `read`."""
        async with self._reading:
            searched = 0
            while True:
                end = self._buffer.find(b"\n", searched)
                if end >= 0:
                    line = self._take(end + 1)
                    return line[:-2] if line.endswith(b"\r\n") else line[:-1]
                searched = len(self._buffer)
                if self._ended or searched > LONGEST_LINE:
                    return self._take(searched)
                await self._fill()

    async def _fill(self) -> None:
        if self._ended:
            return
        if self._input is None:
            self._input = _Input(self._stdin, asyncio.get_running_loop())
        data = await self._input.more()
        self._ended = not data
        self._buffer += data

    def _take(self, size: int) -> bytes:
        if not self._buffer:
            raise Error("Internal", "EOF", False)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def raw(self, enable: bool) -> None:
        """Raw mode, counted: it ends with as many calls as have begun it. Raises Error(Unavailable)."""
        if not enable and self._raw == 0:
            return
        self._raw += 1 if enable else -1
        try:
            if enable and self._raw == 1:
                self._enter_raw()
            elif not enable and self._raw == 0:
                self._leave_raw()
        except Error:
            self._raw = 0
            raise

    def _enter_raw(self) -> None:
        try:
            import termios
            import tty
        except ImportError:
            raise unavailable("raw mode control is not available", retryable=False) from None
        try:
            descriptor = self._stdin.fileno()
            self._cooked = termios.tcgetattr(descriptor)
            tty.setraw(descriptor)
        except (termios.error, OSError, ValueError):
            raise unavailable("stdin is not a terminal", retryable=False) from None

    def _leave_raw(self) -> None:
        if self._cooked is None:
            return
        import termios

        cooked, self._cooked = self._cooked, None
        try:
            termios.tcsetattr(self._stdin.fileno(), termios.TCSADRAIN, cooked)
        except (termios.error, OSError, ValueError) as e:
            raise internal(f"terminal mode cannot be restored: {e}") from None

    def close(self) -> None:
        """Ends raw mode and the reader; standard streams stay open."""
        self._raw = 0
        try:
            self._leave_raw()
        finally:
            if self._input is not None:
                self._input.close()


class _Input:
    """Reads a stream on a thread, a chunk for each demand. A stream without a descriptor is read as it can be."""

    def __init__(self, stream: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._demand = threading.Semaphore(0)
        self._waiting: asyncio.Future[bytes] | None = None
        self._unclaimed = b""
        self._outstanding = False
        self._closing = False
        self._wake_read, self._wake_write = os.pipe()
        threading.Thread(target=self._run, name="terminal input", daemon=True).start()

    async def more(self) -> bytes:
        """The next bytes; b"" at the end of input. Cancelling keeps what arrives for the next call."""
        if self._unclaimed:
            data, self._unclaimed = self._unclaimed, b""
            return data
        self._waiting = self._loop.create_future()
        if not self._outstanding:
            self._outstanding = True
            self._demand.release()
        return await self._waiting

    def _arrived(self, data: bytes) -> None:
        self._outstanding = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(data)
        else:
            self._unclaimed += data

    def _run(self) -> None:
        try:
            while True:
                self._demand.acquire()
                if self._closing:
                    return
                data = self._read()
                if self._closing:
                    return
                self._loop.call_soon_threadsafe(self._arrived, data)
        except RuntimeError:  # the loop is closed
            return
        finally:
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _read(self) -> bytes:
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError, AttributeError):
            return self._stream.read(CHUNK) or b""
        try:
            self._wait_for(descriptor)
            return b"" if self._closing else os.read(descriptor, CHUNK)
        except OSError:
            return b""

    def _wait_for(self, descriptor: int) -> None:
        with selectors.SelectSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            selector.select()

    def close(self) -> None:
        self._closing = True
        self._demand.release()
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")


class Terminals(Protocol):
    """The node, as far as this module needs it: terminals by (shard, process number)."""

    terminals: dict[tuple[int, int], Any]


def module(node: Terminals) -> Module:
    io = Module(
        "io",
        "The terminal of a command-line process.",
        classes=("io", "nondeterministic"),
        source=Path(__file__).with_suffix(".lua"),
    )

    io.in_lua(
        {
            "write(...any) -> boolean": "Writes values as they print, one after the other.",
            "print(...any) -> boolean": "Writes values as they print, separated by tabs, and a line end.",
            "eprint(...any) -> boolean": "The same to standard error.",
        }
    )

    def terminal(caller: Caller) -> Terminal:
        found = node.terminals.get(caller.pid_key)
        if found is None:
            raise unavailable("no terminal context", retryable=False)
        if not isinstance(found, Terminal):
            raise internal("the terminal of this process cannot be used")
        return found

    @io.function("emit(data: bytes, error: boolean) -> boolean", caller=True, private=True)
    def emit(caller: Caller, data: bytes, error: bool) -> bool:
        terminal(caller).write(data, error=error)
        return True

    @io.function("read(size: integer?) -> string", yields=True, caller=True)
    async def read(caller: Caller, size: int | None = None) -> bytes:
        """Up to `size` bytes (1024) of standard input. `EOF` at its end."""
        return await terminal(caller).read(size if size is not None and size > 0 else 1024)

    @io.function("readline() -> string", yields=True, caller=True)
    async def readline(caller: Caller) -> bytes:
        """A line of standard input, without its end. `EOF` when there is none left."""
        return await terminal(caller).readline()

    @io.function("raw(enable: boolean?) -> boolean", yields=True, caller=True)
    async def raw(caller: Caller, enable: bool | None = None) -> bool:
        """Switches raw mode on (default) or off; counted. Unavailable when standard input is no terminal."""
        terminal(caller).raw(enable is not False)
        return True

    @io.function("flush() -> boolean", caller=True)
    def flush(caller: Caller) -> bool:
        """Makes sure that everything written has left."""
        terminal(caller).flush()
        return True

    @io.function("terminal() -> {output: boolean, color: boolean, columns: integer}", caller=True)
    def capabilities(caller: Caller) -> dict[str, Any]:
        """Whether standard output is a terminal, whether it wants colours (`NO_COLOR`), and how wide it is."""
        return terminal(caller).capabilities()

    @io.function("args() -> {string}", caller=True)
    def args(caller: Caller) -> list[str]:
        """The command-line arguments; none outside a terminal."""
        found = node.terminals.get(caller.pid_key)
        return list(found.args) if found is not None else []

    return io
