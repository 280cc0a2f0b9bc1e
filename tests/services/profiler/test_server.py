"""The profiler of `wippy run --profiler`: what it tells over HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from apps.guest import App
from wippy import Runtime
from wippy.core.errors import Error
from wippy.project.config import Config

SPIN = "while true do end"


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def session(*paths: str) -> list[tuple[int, str]]:
    """The answers to requests while a process computes."""
    app = App().process("spin", SPIN).process("idle", "process.inbox():receive()")
    config = Config({"profiler.enabled": True, "profiler.address": "127.0.0.1:0"})

    async def body(runtime: Runtime) -> list[tuple[int, str]]:
        pid = await runtime.spawn("app:spin", "app:host")
        await runtime.spawn("app:idle", "app:host")
        port = runtime.companions["profiler"].port
        return [await asyncio.to_thread(fetch, port, path.format(pid=urllib.request.quote(pid))) for path in paths]

    async def run() -> list[tuple[int, str]]:
        async with app.runtime(config=config) as runtime:
            return await asyncio.wait_for(body(runtime), 60)

    return asyncio.run(run())


def test_processes_are_listed_by_the_processor_time_they_take() -> None:
    ((status, text),) = session("/processes?seconds=0.3")
    found: list[dict[str, Any]] = json.loads(text)
    assert status == 200 and [each["entry"] for each in found] == ["app:spin", "app:idle"]
    assert found[0]["cpu"] > 0.05 and found[0]["memory"] > 0


def test_one_process_shows_where_its_code_is() -> None:
    ((status, text),) = session("/process?pid={pid}")
    assert status == 200 and json.loads(text)["stacks"][0]["frames"][0]["source"] == "app:spin"


def test_stacks_and_samples_of_the_runtimes_threads() -> None:
    (_, stacks), (status, profile) = session("/stacks", "/profile?seconds=0.2")
    assert "thread MainThread" in stacks and status == 200
    stack, _, count = profile.splitlines()[0].rpartition(" ")
    assert int(count) > 0 and ";" in stack


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 200, "GET /profile"),
        ("/nothing", 404, "there is no /nothing here"),
        ("/profile?seconds=soon", 400, "seconds must be more than 0"),
        ("/profile?seconds=1000", 400, "at most 60"),
        ("/process", 400, "Add ?pid="),
        ("/process?pid=x", 400, "not found"),
    ],
)
def test_other_requests(path: str, status: int, text: str) -> None:
    ((answered, body),) = session(path)
    assert answered == status and text in body


def test_it_is_not_served_unless_it_is_asked_for() -> None:
    async def run() -> Any:
        async with App().runtime() as runtime:
            return runtime.companions.get("profiler")

    assert asyncio.run(run()) is None


def test_an_address_that_cannot_be_used_stops_the_start() -> None:
    async def run() -> None:
        async with App().runtime(config=Config({"profiler.enabled": True, "profiler.address": "nowhere:x"})):
            pass

    with pytest.raises(Error, match=r"profiler\.address nowhere:x cannot be used"):
        asyncio.run(run())
