"""One application started by a verb: served until a signal, or to run one process on a terminal host (spec 01 §18)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import msgspec

from wippy.cli.logging import configure_logging
from wippy.cli.options import Globals
from wippy.core.errors import Error, invalid, not_found, unavailable
from wippy.core.ids import EntryId
from wippy.project import settings

if TYPE_CHECKING:
    from wippy.cli.run_target import Target
    from wippy.runtime import Runtime

HOST_WAIT = 5.0  # seconds a terminal host may take to come up

DEFAULT_HOST = "wippy.terminal:host"
"""The host of the pack wippy/terminal: commands run there when there are others beside it (spec 07b §B)."""

JSON_LINES = {"console": False, "json": True}
"""`logger.encoding`; without it what the stream is decides."""


class Execution(msgspec.Struct, frozen=True):
    """How a process runs on a terminal host.

    out: where it writes, instead of standard output. started: called with the runtime before the process starts.
    patience: how many seconds the process may take to end after a signal. interrupted: the exit code after one.
    """

    out: BinaryIO | None = None
    started: Callable[[Runtime], None] | None = None
    patience: float = 0.0
    interrupted: int = 0


PLAIN = Execution()


class Session:
    """One invocation: its application, and how it is run."""

    def __init__(
        self,
        flags: Globals,
        target: Target,
        profiles: Sequence[str],
        settings: Sequence[str],
        overrides: Sequence[str],
        control: str | None = None,
    ) -> None:
        from wippy.project.config_files import Layers

        self._flags = flags
        self._control = control
        self._early_logging()
        self.application = target.load(Layers(flags.config, profiles, settings, overrides, flags=flags.flag_leaves()))
        self._config = self.application.config

    def _early_logging(self) -> None:
        configure_logging(-1 if self._flags.verbose else 0, silent=self._flags.silent, tracebacks=self._flags.debug)

    def _runtime(self) -> Runtime:
        from wippy.runtime import Runtime

        loaded = self.application.loaded
        return Runtime(
            entries=loaded.entries,
            module_roots=loaded.module_roots,
            resources=loaded.resources,
            config=self._config,
            memory=self._flags.memory_limit,
            control=self._control,
        )

    def _loop(self, main: Any) -> int:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code: int = runner.run(main)
        return code

    def serve(self) -> int:
        """Until a signal, or until the application asks to end; its exit code."""
        stream = sys.stdout if self._flags.console else None
        configure_logging(
            self._config.get(settings.LOG_LEVEL),
            silent=self._flags.silent,
            stream=stream,
            json_lines=False if self._flags.console else JSON_LINES.get(self._config.get(settings.LOG_ENCODING)),
            tracebacks=self._flags.debug,
        )
        return self._loop(_serve(self._runtime()))

    def execute(self, process: str, host: str | None, words: Sequence[str], how: Execution = PLAIN) -> int:
        """One process on a terminal host; the exit code its result means (spec 01 §18)."""
        if not self._flags.has_log_flags:
            configure_logging(silent=True)
        return self._loop(_execute(self._runtime(), process, self._terminal_host(host), tuple(words), how))

    def _terminal_host(self, wanted: str | None) -> str:
        hosts = sorted(str(e.id) for e in self.application.loaded.entries if e.kind == "terminal.host")
        if wanted is not None:
            if wanted not in hosts:
                raise not_found(f"terminal host {wanted} not found in registry")
            return wanted
        if not hosts:
            raise not_found("no terminal.host found in registry: add an entry of that kind")
        if len(hosts) > 1 and DEFAULT_HOST in hosts:
            return DEFAULT_HOST
        if len(hosts) > 1:
            raise invalid(f"multiple terminal hosts found ({', '.join(hosts)}), use --host to specify")
        return hosts[0]


@contextlib.asynccontextmanager
async def _signals() -> Any:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the OS process."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def received() -> None:
        if asked.is_set():
            os._exit(1)
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received)
    try:
        yield asked
    finally:
        if not asked.is_set():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def _serve(runtime: Runtime) -> int:
    async with _signals() as asked:
        starting = asyncio.ensure_future(runtime.start())
        waiting = asyncio.ensure_future(asked.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await runtime.stop()
            return 0
        starting.result()
        exited = asyncio.ensure_future(runtime.exited())
        await asyncio.wait({exited, waiting}, return_when=asyncio.FIRST_COMPLETED)
        exited.cancel()
        await runtime.stop()
        return (runtime.exit_code or 0) & 0xFF


async def _execute(runtime: Runtime, process: str, host: str, words: tuple[str, ...], how: Execution) -> int:
    from wippy.lua.modules.io import Terminal

    async with _signals() as asked:
        await runtime.start()
        terminal = Terminal(sys.stdin.buffer, how.out or sys.stdout.buffer, sys.stderr.buffer, words)
        try:
            _check_process(runtime, process)
            if how.started is not None:
                how.started(runtime)
            running = asyncio.ensure_future(_on_host(runtime, process, host, words, terminal))
            code = await _result(runtime, running, host, asked, how)
        finally:
            terminal.close()
            await runtime.stop()
        return code if runtime.exit_code is None else runtime.exit_code & 0xFF


def _check_process(runtime: Runtime, process: str) -> None:
    """Raises Error unless the entry is one of those that can be started."""
    entry = runtime.node.registry.get(EntryId.parse(process))
    if entry is None:
        raise not_found(f"process {process} not found")
    if not entry.kind.startswith("process.") or entry.kind in ("process.host", "process.service"):
        raise invalid(f"{entry.label()} is not a process")


async def _result(
    runtime: Runtime, running: asyncio.Future[Any], host: str, asked: asyncio.Event, how: Execution
) -> int:
    """The exit code of the process, or what `how` says when a signal or `system.exit` came first."""
    waiting, exited = asyncio.ensure_future(asked.wait()), asyncio.ensure_future(runtime.exited())
    await asyncio.wait({running, waiting, exited}, return_when=asyncio.FIRST_COMPLETED)
    exited.cancel()
    if not running.done():
        runtime.node.cancel(runtime.node.resources[host].pid, "runtime stopping")
        if how.patience:
            await asyncio.wait({running}, timeout=how.patience)
        running.cancel()
        waiting.cancel()
        return how.interrupted if asked.is_set() else 0
    waiting.cancel()
    try:
        return exit_code(running.result())
    except Error as e:
        click.echo(e.message, err=True)
        return 1


async def _on_host(runtime: Runtime, process: str, host: str, words: tuple[str, ...], terminal: Any) -> Any:
    found = runtime.node.resources.get(host)
    deadline = asyncio.get_running_loop().time() + HOST_WAIT
    if found is not None and not found.running:
        await runtime.node.supervisor.start(host)
    while found is None or not found.running:
        if asyncio.get_running_loop().time() > deadline:
            raise unavailable(f"terminal host {host} is not running")
        await asyncio.sleep(0.02)
    EntryId.parse(process)
    return await found.run(process, words, terminal)


def exit_code(result: Any) -> int:
    """What a terminal process's result means: a text is printed, numbers and booleans are codes."""
    if isinstance(result, bool):
        return 0 if result else 1
    if isinstance(result, float):
        return int(result) & 0xFF if math.isfinite(result) else 1
    if isinstance(result, int):
        return result & 0xFF
    if isinstance(result, (str, bytes)):
        sys.stdout.buffer.write((result.encode() if isinstance(result, str) else result) + b"\n")
        sys.stdout.flush()
    return 0
