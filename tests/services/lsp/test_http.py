"""The language server over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any, NamedTuple

from services.lsp.application import FUNCTION, TOTAL, served
from services.lsp.client import at
from wippy import Runtime

HOVER = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "textDocument/hover",
    "params": {"textDocument": {"uri": FUNCTION}, "position": at(TOTAL, "add(a")},
}


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(port: int, method: str, body: Any, path: str, headers: dict[str, str]) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    found = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    connection.close()
    return found


def replies(
    directory: Path, *requests: tuple[str, Any], path: str = "/lsp", settings: tuple[str, ...] = (), **headers: str
) -> list[Reply]:
    """The answers to requests (method, body), one after the other."""

    async def body(runtime: Runtime) -> list[Reply]:
        port = runtime.companions["language_server"].http_port
        assert port is not None
        return [await asyncio.to_thread(fetch, port, method, data, path, headers) for method, data in requests]

    return served(directory, body, *settings)


def test_a_post_is_answered(tmp_path: Path) -> None:
    initialize = {"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {"capabilities": {}}}
    first, second, third = replies(tmp_path, ("POST", initialize), ("POST", HOVER), ("POST", initialize))
    assert first.status == 200 and first.headers["content-type"].startswith("application/json")
    assert first.json["result"]["capabilities"]["hoverProvider"] and third.json == first.json
    assert "add(a, b)" in second.json["result"]["contents"]["value"]


def test_each_request_stands_for_itself(tmp_path: Path) -> None:
    shutdown = {"jsonrpc": "2.0", "id": 2, "method": "shutdown"}
    first, second, third = replies(tmp_path, ("POST", HOVER), ("POST", shutdown), ("POST", HOVER))
    assert second.json == {"jsonrpc": "2.0", "id": 2, "result": None}
    assert first.json == third.json and first.json["result"] is not None


def test_a_batch_is_answered_as_one_and_notifications_with_nothing(tmp_path: Path) -> None:
    text = TOTAL.replace("add", "plus")
    document = {"uri": FUNCTION, "languageId": "lua", "version": 1, "text": text}
    opened = {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": document}}
    unknown = {"jsonrpc": "2.0", "id": 2, "method": "nope"}
    batch, notification, many, empty = replies(
        tmp_path, ("POST", [opened, HOVER, unknown]), ("POST", opened), ("POST", [opened, opened]), ("POST", [])
    )
    hover, refused = batch.json
    assert "plus(a, b)" in hover["result"]["contents"]["value"]
    assert refused["error"] == {"code": -32601, "message": "method not found: nope"}
    assert (notification.status, notification.body) == (many.status, many.body) == (204, b"")
    assert empty.json["error"]["code"] == -32600


def test_a_bad_body_is_a_parse_error(tmp_path: Path) -> None:
    (found,) = replies(tmp_path, ("POST", b"{nonsense"))
    assert found.status == 200 and found.json["id"] is None and found.json["error"]["code"] == -32700


def test_browsers_may_ask(tmp_path: Path) -> None:
    options, post = replies(tmp_path, ("OPTIONS", None), ("POST", HOVER), Origin="https://editor.example")
    assert (options.status, options.body) == (204, b"")
    assert options.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert options.headers["access-control-allow-headers"] == "Content-Type"
    assert options.headers["access-control-allow-origin"] == post.headers["access-control-allow-origin"] == "*"


def test_only_the_origins_that_are_allowed_may_ask(tmp_path: Path) -> None:
    settings = ("lsp.http_allow_origin=https://a.example, https://b.example",)
    (good,) = replies(tmp_path, ("POST", HOVER), settings=settings, Origin="https://b.example")
    (bad,) = replies(tmp_path, ("POST", HOVER), settings=settings, Origin="https://evil.example")
    (none,) = replies(tmp_path, ("POST", HOVER), settings=settings)
    assert good.headers["access-control-allow-origin"] == "https://b.example" and good.headers["vary"] == "Origin"
    assert bad.status == 403 and b"add" not in bad.body
    assert none.status == 200


def test_other_verbs_other_paths_and_long_messages(tmp_path: Path) -> None:
    settings = ("lsp.max_message_bytes=2000", "lsp.http_path=/code")
    get, put, long = replies(
        tmp_path, ("GET", None), ("PUT", HOVER), ("POST", b"x" * 3000), path="/code", settings=settings
    )
    assert (get.status, put.status, get.headers["allow"]) == (405, 405, "POST, OPTIONS")
    assert long.status == 413
    (elsewhere,) = replies(tmp_path, ("POST", HOVER), settings=settings)
    assert elsewhere.status == 404


def test_it_is_off_unless_enabled(tmp_path: Path) -> None:
    async def body(runtime: Runtime) -> Any:
        return runtime.companions["language_server"].http_port

    assert served(tmp_path, body, "lsp.http_enabled=false") is None
