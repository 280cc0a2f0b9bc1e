"""The guest module `exec` (spec 03 §14): executors and the processes they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wippy.core.errors import INVALID, internal, invalid
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import HandleClass, Module, Permission
from wippy.lua.wire import HandleRef
from wippy.services.exec.child import Child
from wippy.services.exec.executor import Executor
from wippy.services.exec.pipes import Output
from wippy.services.stream.module import keep

if TYPE_CHECKING:
    from wippy.compute.node import Node

GET = Permission("exec.get", "id", "not allowed to access executor: {resource}", kind=INVALID)
RUN = Permission("exec.run", "command", "not allowed to run command: {resource}", kind=INVALID)


def module(node: Node) -> Module:
    """The declaration of `exec` for a node."""
    exec_ = Module(
        "exec",
        "Programs outside of the runtime, on this computer or in containers.",
        classes=("process", "io", "nondeterministic"),
        source=Path(__file__).with_name("module.lua"),
    )
    processes = exec_.handle("Process")

    def executor(entry_id: str) -> Executor:
        found = node.resources.get(entry_id)
        if not isinstance(found, Executor):
            raise internal(f"executor not found: {entry_id}")
        return found

    @exec_.function("get(id: string) -> Executor", permission=GET)
    def get(entry_id: str) -> bool:
        """An executor. Errors: Invalid (empty id, not allowed), Internal (no such executor)."""
        if entry_id == "":
            raise invalid("resource id is required")
        executor(entry_id)
        return True

    @exec_.function(
        "prepare(id: string, command: string, directory: string, names: table, values: table) -> any",
        caller=True,
        private=True,
        permission=RUN,
    )
    def prepare(
        caller: Caller, entry_id: str, command: str, directory: str, names: list[str | bytes], values: list[str | bytes]
    ) -> HandleRef:
        environment = {_text(name): _text(value) for name, value in zip(names, values, strict=True)}
        child = executor(entry_id).child(command, directory, environment, caller.pid_key)
        return caller.keep(processes, child, child.abandon)

    _declare_process(processes)
    exec_.in_lua({}, _HANDLES_IN_LUA, {"Executor.exec": (RUN,)})
    return exec_


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _output(caller: Caller, child: Child, output: Output) -> HandleRef:
    child.check_open()
    output.wanted = True
    return keep(caller, output)


def _declare_process(processes: HandleClass) -> None:
    @processes.method("start() -> boolean", yields=True)
    async def start(child: Child) -> bool:
        """Starts it. Errors: Invalid (started already, closed), Internal (cannot be started), Unavailable (no container
        engine)."""
        await child.start()
        return True

    @processes.method("wait() -> integer", caller=True, yields=True)
    async def wait(caller: Caller, child: Child) -> int:
        """Waits for its end: the exit code, -1 when a signal ended it. Then it is closed. Errors: Invalid."""
        code = await child.wait()
        if await child.is_gone():
            caller.drop(child)
        return code

    @processes.method("stdout_stream() -> Stream", caller=True, yields=True)
    async def stdout_stream(caller: Caller, child: Child) -> HandleRef:
        """What it writes to stdout; the same object each time. Errors: Invalid."""
        return _output(caller, child, child.stdout)

    @processes.method("stderr_stream() -> Stream", caller=True, yields=True)
    async def stderr_stream(caller: Caller, child: Child) -> HandleRef:
        """What it writes to stderr; the same object each time. Errors: Invalid."""
        return _output(caller, child, child.stderr)

    @processes.method("write_stdin(data: bytes) -> boolean", yields=True)
    async def write_stdin(child: Child, data: bytes) -> bool:
        """Writes to its stdin, waiting until it fits; "" closes stdin. Errors: Invalid, Internal."""
        await child.write(data)
        return True

    @processes.method("signal(number: integer) -> boolean", yields=True)
    async def send_signal(child: Child, number: int) -> bool:
        """Sends it a signal by its number. Errors: Invalid (not started, no such signal), Internal (has ended)."""
        await child.signal(number)
        return True

    @processes.method("close(force: boolean?) -> boolean", caller=True, yields=True)
    async def close(caller: Caller, child: Child, force: bool | None = None) -> bool:
        """Asks it, and what it started, to end (SIGTERM; 10 s later SIGKILL), or forces it. Again does nothing."""
        await child.close(bool(force), lambda: caller.drop(child))
        return True


_HANDLES_IN_LUA = {
    "Executor": {
        "exec(command: string, options: table?) -> Process": "A process that is not started yet. The command is split "
        "at blanks, quotes group. Options: work_dir, env. Errors: Invalid (no command, released, not allowed), "
        "Internal (not whitelisted).",
        "release() -> boolean": "Gives the executor back; its processes go on.",
    },
}
