"""`wippy run`: starts the application; with a command or `-x`, runs one process on a terminal host and ends."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from wippy.cli.logging import configure_logging
from wippy.cli.options import CONTROL, Globals, Verb, configuration_options, globals_of, registry_option
from wippy.cli.run_target import LIST, ProjectTarget, Target, target_of
from wippy.core.errors import Error, invalid, not_found, unavailable
from wippy.core.ids import EntryId
from wippy.project import settings

if TYPE_CHECKING:
    from wippy.runtime import Runtime

HOST_WAIT = 5.0  # seconds a terminal host may take to come up


@click.command(cls=Verb)
@click.argument("target", required=False)
@click.argument("arguments", nargs=-1)
@click.option("-x", "--exec", "process", metavar="NS:ENTRY", help="Run this process on a terminal host, then end.")
@click.option("--host", metavar="NS:ENTRY", help="The terminal host to use when there are several.")
@click.option("-o", "--override", "overrides", multiple=True, metavar="NS:ENTRY:PATH=VALUE", help="Change an entry.")
@click.option(
    "--control",
    is_flag=False,
    flag_value=str(CONTROL),
    metavar="[PATH]",
    help=f"Serve a control socket for `wippy top` [{CONTROL}].",
)
@registry_option
@configuration_options
@click.pass_context
def run(
    context: click.Context,
    target: str | None,
    arguments: tuple[str, ...],
    process: str | None,
    host: str | None,
    overrides: tuple[str, ...],
    control: str | None,
    registry: str | None,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> int:
    """Run the application in the current directory, in a pack, or a module of a hub.

    Without a target it serves until SIGINT or SIGTERM: the first asks everything to finish, a second ends at once. A
    target names a command (an entry with meta.command); `wippy run list` prints them. A target that ends with .wapp is
    a pack; one like org/module or org/module@1.2 is a module: it is recorded in wippy.lock, and later runs start from
    there. The word after a pack or a module names one of its commands. Words after the command are arguments; words
    that begin with a dash follow `--`. Modules that wippy.lock names and that are not here are downloaded first.

    \b
    Examples:
      wippy run
      wippy run -x app:hello World
      wippy run migrate -- --fast
      wippy run shop-1.2.0.wapp migrate
      wippy run acme/tool@^1.2 report
    """
    words: Sequence[str] = arguments if target is None else (target, *arguments)
    chosen: Target = ProjectTarget(registry)
    if process is None:
        chosen, words = target_of(words, registry)
    session = _Session(globals_of(context), chosen, profiles, settings, overrides, control)
    if process is not None:
        return session.execute(process, host, words)
    if words and words[0] == LIST and LIST not in session.application.commands:
        session.application.print_commands(chosen.name)
        return 0
    process = chosen.process(session.application, words[0] if words else None)
    return session.serve() if process is None else session.execute(process, host, words[1:])


class _Session:
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
            json_lines=False if self._flags.console else None,
            tracebacks=self._flags.debug,
        )
        return self._loop(_serve(self._runtime()))

    def execute(self, process: str, host: str | None, words: Sequence[str]) -> int:
        """One process on a terminal host; the exit code its result means (spec 01 §18)."""
        if not self._flags.has_log_flags:
            configure_logging(silent=True)
        return self._loop(_execute(self._runtime(), process, self._terminal_host(host), tuple(words)))

    def _terminal_host(self, wanted: str | None) -> str:
        hosts = sorted(str(e.id) for e in self.application.loaded.entries if e.kind == "terminal.host")
        if wanted is not None:
            if wanted not in hosts:
                raise not_found(f"terminal host {wanted} not found in registry")
            return wanted
        if not hosts:
            raise not_found("no terminal.host found in registry: add an entry of that kind")
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


async def _execute(runtime: Runtime, process: str, host: str, words: tuple[str, ...]) -> int:
    from wippy.lua.modules.io import Terminal

    async with _signals() as asked:
        await runtime.start()
        terminal = Terminal(sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer, words)
        try:
            _check_process(runtime, process)
            running = asyncio.ensure_future(_on_host(runtime, process, host, words, terminal))
            code = await _result(runtime, running, host, asked)
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


async def _result(runtime: Runtime, running: asyncio.Future[Any], host: str, asked: asyncio.Event) -> int:
    """The exit code of the process, or 0 when a signal or `system.exit` came first."""
    waiting, exited = asyncio.ensure_future(asked.wait()), asyncio.ensure_future(runtime.exited())
    await asyncio.wait({running, waiting, exited}, return_when=asyncio.FIRST_COMPLETED)
    exited.cancel()
    if not running.done():
        runtime.node.cancel(runtime.node.resources[host].pid, "runtime stopping")
        running.cancel()
        waiting.cancel()
        return 0
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
