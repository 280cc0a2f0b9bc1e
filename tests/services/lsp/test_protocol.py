"""The protocol around the methods: life cycle, errors, framing, clients that mean ill."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.lsp.application import FUNCTION, TOTAL, asked, port_of, served
from services.lsp.client import Client, at
from wippy import Runtime
from wippy.core.errors import Error

T = TypeVar("T")
HOVER = "textDocument/hover"
AT = {"textDocument": {"uri": FUNCTION}, "position": {"line": 0, "character": 8}}


def connected(directory: Path, body: Callable[[Client], Awaitable[T]], *settings: str) -> T:
    """What `body` gives with a client that has said nothing yet."""

    async def run(runtime: Runtime) -> T:
        async with Client(port_of(runtime)) as client:
            return await body(client)

    return served(directory, run, *settings)


def code(answer: Any) -> tuple[int, str]:
    return answer["error"]["code"], answer["error"]["message"]


def test_requests_before_initialize_are_refused(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        client.open(FUNCTION, "dropped")
        return await client.answer(HOVER, AT), await client.initialize(), await client.ask(HOVER, AT)

    refused, _, hover = connected(tmp_path, body)
    assert code(refused) == (-32002, "server not initialized")
    assert "prices" in hover["contents"]["value"]


def test_requests_after_shutdown_are_refused_and_exit_closes(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        result = await client.ask("shutdown")
        refused = await client.answer(HOVER, AT)
        client.notify("exit")
        return result, refused, await client.closed()

    result, refused, closed = asked(tmp_path, body)
    assert result is None and closed
    assert code(refused)[0] == -32600


def test_exit_leaves_the_runtime_and_other_clients_alone(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        async with Client(port_of(runtime)) as first, Client(port_of(runtime)) as second:
            await first.initialize()
            await second.initialize()
            first.notify("exit")
            assert await first.closed()
            return await second.ask(HOVER, AT)

    assert served(tmp_path, body) is not None


def test_initialize_twice_is_refused(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        return await client.answer("initialize", {"capabilities": {}})

    assert code(asked(tmp_path, body))[0] == -32600


def test_an_unknown_method_is_not_found_and_an_unknown_notification_is_nothing(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        client.notify("$/setTrace", {"value": "off"})
        client.notify("workspace/didChangeConfiguration")
        return await client.answer("textDocument/rename", AT)

    assert code(asked(tmp_path, body)) == (-32601, "method not found: textDocument/rename")


@pytest.mark.parametrize(
    "params",
    [
        [],
        {"textDocument": {"uri": FUNCTION}},
        {**AT, "position": {"line": -1, "character": 0}},
        {**AT, "position": {"line": "0", "character": 0}},
        {**AT, "position": {"line": 10**30, "character": 0}},
        {**AT, "textDocument": {"uri": 5}},
        {**AT, "textDocument": {"uri": "file:///tmp/x.lua"}},
        {**AT, "textDocument": {"uri": "no-colon"}},
    ],
)
def test_invalid_params(tmp_path: Path, params: Any) -> None:
    async def body(client: Client) -> Any:
        client.write({"jsonrpc": "2.0", "id": 9, "method": HOVER, "params": params})
        return await client.read()

    number, message = code(asked(tmp_path, body))
    assert number == -32602 and "Traceback" not in message


def test_other_schemes_are_named(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        return await client.answer(HOVER, {**AT, "textDocument": {"uri": "file:///x.lua"}})

    assert code(asked(tmp_path, body)) == (-32602, "unsupported URI scheme: file")


def test_what_is_no_json_is_a_parse_error_and_the_connection_goes_on(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        found = []
        for text in (b"{", b"\xff\xfe", b"", b'"\\ud800"', b"[" * 100_000):
            client.write(text)
            found.append(await client.read())
        return found, await client.ask(HOVER, AT)

    found, hover = asked(tmp_path, body)
    assert all(answer["id"] is None and answer["error"]["code"] == -32700 for answer in found)
    assert hover is not None


NO_REQUESTS: list[Any] = [
    5,
    "x",
    {},
    [],
    {"jsonrpc": "1.0", "method": "x", "id": 1},
    {"jsonrpc": "2.0", "id": 1},
    {"jsonrpc": "2.0", "method": 5, "id": 1},
    {"jsonrpc": "2.0", "method": "x", "id": {}},
]


@pytest.mark.parametrize("message", NO_REQUESTS)
def test_what_is_no_request_is_invalid(tmp_path: Path, message: Any) -> None:
    async def body(client: Client) -> Any:
        client.write(message)
        return await client.read()

    assert code(asked(tmp_path, body))[0] == -32600


def test_answers_of_clients_are_ignored_and_ids_may_be_texts(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        client.write({"jsonrpc": "2.0", "id": 3, "result": None})
        client.write({"jsonrpc": "2.0", "id": "a-b", "method": HOVER, "params": AT})
        return await client.read()

    assert asked(tmp_path, body)["id"] == "a-b"


def test_requests_are_answered_in_order(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        methods = ["textDocument/documentSymbol", HOVER, "workspace/symbol", "textDocument/completion"] * 10
        for number, method in enumerate(methods):
            client.write({"jsonrpc": "2.0", "id": number, "method": method, "params": AT})
        return [(await client.read())["id"] for _ in methods]

    assert asked(tmp_path, body) == list(range(40))


def test_a_request_that_waits_can_be_canceled(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        client.open(FUNCTION, TOTAL * 300)
        for number in range(1, 21):
            client.write({"jsonrpc": "2.0", "id": number, "method": "textDocument/diagnostic", "params": AT})
        client.notify("$/cancelRequest", {"id": 20})
        return [await client.read() for _ in range(20)]

    answers = asked(tmp_path, body)
    assert [answer["id"] for answer in answers] == list(range(1, 21))
    assert code(answers[-1]) == (-32800, "request canceled") and "result" in answers[0]


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 99999999999\r\n\r\n",
        b"Content-Length: 2001\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: x\r\n\r\n",
        b"Content-Type: text\r\n\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"x" * 20_000,
        b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n",
    ],
)
def test_bad_framing_and_long_messages_close_the_connection(tmp_path: Path, data: bytes) -> None:
    async def body(client: Client) -> Any:
        client.writer.write(data)
        return await client.closed()

    assert asked(tmp_path, body, "lsp.max_message_bytes=2000")


def test_a_message_in_pieces_with_further_headers_is_read(tmp_path: Path) -> None:
    async def body(client: Client) -> Any:
        data = json.dumps({"jsonrpc": "2.0", "id": 1, "method": HOVER, "params": AT}).encode()
        head = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:%d\r\n\r\n" % len(data)
        for piece in (head[:10], head[10:] + data[:7], data[7:]):
            client.writer.write(piece)
            await client.writer.drain()
        return await client.read()

    assert asked(tmp_path, body)["result"] is not None


def test_many_clients_are_served_and_too_many_are_turned_away(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        clients = [Client(port_of(runtime)) for _ in range(65)]
        for client in clients:
            await client.__aenter__()
        for client in clients[:64]:
            await client.initialize()
        answers = await asyncio.gather(*(client.ask(HOVER, AT) for client in clients[:64]))
        turned_away = await clients[64].closed()
        for client in clients:
            client.writer.close()
        return answers, turned_away

    answers, turned_away = served(tmp_path, body)
    assert all(answer == answers[0] for answer in answers) and turned_away


def test_a_failure_inside_is_told_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("secret of the inside")

    monkeypatch.setattr("wippy.services.lsp.features.hover_at", broken)

    async def body(client: Client) -> Any:
        failed = await client.answer(HOVER, AT)
        return failed, await client.about("definition", FUNCTION, at(TOTAL, "add(sum"))

    failed, definition = asked(tmp_path, body)
    assert code(failed) == (-32603, "internal error") and definition is not None


def test_it_is_off_unless_enabled(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        return runtime.companions.get("language_server")

    assert served(tmp_path, body, "lsp.enabled=false") is None


@pytest.mark.parametrize("key", ["lsp.address", "lsp.http_address"])
@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", "256.0.0.1:1"])
def test_an_address_that_cannot_be_used_stops_the_start(tmp_path: Path, key: str, address: str) -> None:
    async def body(runtime: Runtime) -> None:
        raise AssertionError("it has started")

    with pytest.raises(Error) as raised:
        served(tmp_path, body, f"{key}={address}")
    assert f"{key} {address} cannot be used" in raised.value.message
