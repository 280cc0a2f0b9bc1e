"""The control socket: who may ask, what, and how much."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from apps.guest import App
from wippy import Error, Runtime
from wippy.services.control import server
from wippy.services.control.client import Control

LIMIT = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


def use(path: Path, work: Callable[[Runtime], Awaitable[Any]], app: App | None = None) -> Any:
    async def session() -> Any:
        async with (app or App()).runtime(control=path) as runtime:
            return await asyncio.wait_for(work(runtime), LIMIT)

    return asyncio.run(session())


async def ask(path: Path, *lines: bytes) -> list[Any]:
    """The answers to lines on one connection, until it is closed."""
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
    answers = []
    try:
        writer.writelines(lines)
        for _ in lines:
            line = await reader.readline()
            if not line:
                break
            answers.append(json.loads(line))
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answers


def test_there_is_no_socket_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def work(_: Runtime) -> None:
        assert list(tmp_path.rglob("*.sock")) == []

    App().use(work)


def test_only_its_owner_can_reach_the_socket_and_it_goes_with_the_runtime(path: Path) -> None:
    async def work(_: Runtime) -> None:
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    use(path, work)
    assert not path.exists()


def test_a_peer_of_another_user_is_turned_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(_: Runtime) -> None:
        monkeypatch.setattr(server.os, "geteuid", lambda: os.getuid() + 1)
        assert await ask(path, b'{"get": "processes"}\n') == []
        monkeypatch.undo()
        assert "ok" in (await ask(path, b'{"get": "processes"}\n'))[0]

    use(path, work)


def test_another_user_of_the_machine_cannot_connect(path: Path) -> None:
    """Only root can try as somebody else; other users see that they themselves are served."""
    program = (
        "import os, socket, sys\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "try: s.connect(sys.argv[1]); s.sendall(b'{}\\n'); print('served' if s.recv(100) else 'closed')\n"
        "except PermissionError: print('refused')"
    )

    async def work(_: Runtime) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(path), stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0]

    assert use(path, work) == (b"refused\n" if os.geteuid() == 0 else b"served\n")


def test_the_answers(path: Path) -> None:
    app = App().service("main", "process.registry.register('main') process.inbox():receive()")

    async def work(runtime: Runtime) -> None:
        overview, listed = await ask(path, b'{"get": "overview"}\n', b'{"get": "processes", "sort": "mailbox"}\n')
        found = overview["ok"]
        assert set(found) == {"total", "processes", "hosts", "services", "exceeded", "node"}
        assert [h["id"] for h in found["hosts"]] == ["app:host"]
        assert [s["status"] for s in found["services"]] == ["running", "running"]
        assert found["node"]["pid"] == os.getpid()
        (process,) = listed["ok"]["processes"]
        assert process["entry"] == "app:main" and process["memory"] > 500
        request = json.dumps({"get": "process", "pid": process["pid"]}).encode()
        (detail,) = await ask(path, request + b"\n")
        assert detail["ok"]["names"] == ["main"] and detail["ok"]["stacks"][0]["kind"] == "main"

    use(path, work, app)


@pytest.mark.parametrize("sort", ["cpu", "memory", "mailbox"])
def test_the_largest_come_first_and_no_more_than_asked(path: Path, sort: str) -> None:
    large = """
        local keep = {}
        for i = 1, 3000 do keep[i] = { i } end
        for i = 1, 5 do process.send(process.pid(), "x") end
        process.registry.register("large")
        time.sleep("1m")
        return keep
    """
    app = App().process("idle", "process.inbox():receive()").process("large", large)

    async def work(runtime: Runtime) -> Any:
        for _ in range(20):
            await runtime.spawn("app:idle", "app:host")
        await runtime.processes()
        await runtime.spawn("app:large", "app:host")
        while await runtime.node.lookup("large") is None:
            await asyncio.sleep(0.001)
        request = json.dumps({"get": "processes", "sort": sort, "limit": 3}).encode() + b"\n"
        return (await ask(path, request))[0]["ok"]

    found = use(path, work, app)
    assert found["total"] == 21 and len(found["processes"]) == 3
    assert found["processes"][0]["entry"] == "app:large"
    assert found["processes"][0]["memory"] > 50_000


@pytest.mark.parametrize(
    "line",
    [b"nonsense\n", b"{}\n", b"[]\n", b'{"get": "stop"}\n', b'{"get": "processes", "sort": "pid"}\n', b"\xff\n", b"\n",
     b'{"get": "process"}\n', b'{"get": "processes", "limit": "all"}\n', b"[" * 4000 + b"\n"],
)  # fmt: skip
def test_a_request_that_is_none_is_refused_and_the_next_one_answered(path: Path, line: bytes) -> None:
    async def work(_: Runtime) -> None:
        refused, answered = await ask(path, line, b'{"get": "processes"}\n')
        assert refused["error"]["kind"] == "Invalid" and refused["error"]["message"]
        assert answered == {"ok": {"total": 0, "processes": []}}

    use(path, work)


def test_a_process_that_is_not_there(path: Path) -> None:
    async def work(_: Runtime) -> None:
        (answer,) = await ask(path, b'{"get": "process", "pid": "{app:host|0x00100}"}\n')
        assert answer == {"error": {"kind": "NotFound", "message": "process not found"}}

    use(path, work)


def test_a_request_without_end_closes_the_connection(path: Path) -> None:
    async def work(_: Runtime) -> None:
        assert await ask(path, b"x" * 100_000) == []

    use(path, work)


def test_connections_are_bounded_and_silent_ones_are_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(server, "SILENCE", 0.2)

    async def work(_: Runtime) -> None:
        silent = [await asyncio.open_unix_connection(path) for _ in range(2)]
        assert await ask(path, b'{"get": "processes"}\n') == []
        for reader, _writer in silent:
            assert await reader.read() == b"", "closed from the other side"
        assert "ok" in (await ask(path, b'{"get": "processes"}\n'))[0]

    use(path, work)


def test_a_stop_does_not_wait_for_who_is_connected(path: Path) -> None:
    async def session() -> bytes:
        async with App().runtime(control=path):
            reader, _ = await asyncio.open_unix_connection(path)
        return await reader.read()

    assert asyncio.run(asyncio.wait_for(session(), 5)) == b""


# Where it can be ----------------------------------------


def start(path: Path) -> Error:
    async def work(_: Runtime) -> None:
        raise AssertionError("started")

    with pytest.raises(Error) as failed:
        use(path, work)
    assert failed.value.kind == "Invalid"
    return failed.value


def test_a_directory_that_others_can_enter_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    assert "must be yours alone (mode 700)" in start(path).message


def test_what_is_no_socket_is_not_replaced(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")
    assert "is no socket" in start(path).message
    assert path.read_text() == "precious"


def test_a_path_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    assert "107 bytes" in start(tmp_path / ("x" * 120)).message


def test_a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    async def work(_: Runtime) -> None:
        other = App().runtime(control=path)
        with pytest.raises(Error) as failed:
            await other.start()
        assert "another runtime serves" in failed.value.message
        assert "ok" in (await ask(path, b'{"get": "processes"}\n'))[0], "the first one goes on"

    use(path, work)


# The client ----------------------------------------


def test_the_client(path: Path) -> None:
    with pytest.raises(Error) as failed:
        Control(path)
    assert failed.value.kind == "Unavailable" and "wippy run --control" in failed.value.message

    async def work(runtime: Runtime) -> None:
        def talk() -> None:
            with Control(path) as control:
                assert control.ask("overview", sort="memory", limit=5)["total"] == 0
                with pytest.raises(Error) as refused:
                    control.ask("process", pid="none")
                assert refused.value.kind == "NotFound"
                asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(5)
                with pytest.raises(Error) as gone:
                    control.ask("overview")
                assert gone.value.kind == "Unavailable"

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(talk)

    use(path, work)
