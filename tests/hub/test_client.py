"""A hub that fails in every way (spec 01 §16.2, §16.3)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hub.served import HASTE
from wippy.core.errors import Error
from wippy.hub import protocol
from wippy.hub.client import HubClient, Patience
from wippy.hub.credentials import Token

T = TypeVar("T")

TOKEN = Token("wpy_" + "secret" * 6)
PACK = b"pack" * 5000
DIGEST = hashlib.sha256(PACK).hexdigest()
MODULE = protocol.AboutModule(module=protocol.ModuleRef.named("acme/http"))


class Stub:
    """Answers requests with what the test says, in turn; the last answer is given for ever."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.url = ""

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-le")), 0
            )
            self.requests.append(head + await reader.readexactly(length))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer == b"hang":
                await asyncio.sleep(30)
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def use(self, work: Callable[[HubClient], Awaitable[T]], **options: Any) -> T:
        async def run() -> T:
            server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            try:
                async with HubClient(self.url, TOKEN, **{"patience": HASTE, **options}) as client:
                    return await work(client)
            finally:
                server.close()

        return asyncio.run(run())

    def refused(self, work: Callable[[HubClient], Awaitable[Any]], **options: Any) -> Error:
        with pytest.raises(Error) as caught:
            self.use(work, **options)
        return caught.value


def http(status: int, body: Any = b"", length: int | None = None) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} X\r\ncontent-length: {len(data) if length is None else length}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + data


OK = http(200, {"module": {"id": "m1", "name": "http", "totalDownloads": "7", "unknown": 1}})


async def get(client: HubClient) -> protocol.Module:
    return (await client.call(protocol.GET_MODULE, MODULE)).module


def fetch(target: Path, digest: str = DIGEST, size: int = len(PACK), url: str = "/p") -> Any:
    return lambda client: client.download(protocol.Download(url=url, digest=digest, size_bytes=size), target)


def test_an_answer_is_read_leniently() -> None:
    assert Stub(OK).use(get) == protocol.Module(id="m1", name="http", total_downloads=7)


def test_a_request_is_json_with_the_token() -> None:
    stub = Stub(OK)
    stub.use(get)
    head, _, body = stub.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /wippy.api.hub.module.v1.ModuleService/GetModule ")
    assert f"Bearer {TOKEN}".encode() in head
    assert json.loads(body) == {"module": {"name": {"org": "acme", "name": "http"}}}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    stub = Stub(http(status), http(status), OK)
    assert stub.use(get).id == "m1" and len(stub.requests) == 3


def test_after_the_last_attempt_the_error_is_told() -> None:
    stub = Stub(http(503, {"code": "unavailable", "message": "busy"}))
    error = stub.refused(get)
    assert len(stub.requests) == HASTE.attempts
    assert (error.kind, error.message, error.retryable, error.details) == (
        "Unavailable",
        "busy",
        True,
        {"code": "unavailable"},
    )


def test_pauses_double_up_to_a_limit() -> None:
    patience = Patience(jitter=0.0)
    assert [patience.pause(n) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert (patience.attempts, patience.downloads) == (8, 3)
    assert 0.5 <= Patience().pause(1) <= 0.75


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, "invalid_argument", "Invalid", False),
        (404, "not_found", "NotFound", False),
        (409, "already_exists", "AlreadyExists", False),
        (403, "permission_denied", "PermissionDenied", False),
        (401, "unauthenticated", "PermissionDenied", False),
        (429, "resource_exhausted", "RateLimited", True),
        (503, "unavailable", "Unavailable", True),
        (504, "deadline_exceeded", "Timeout", True),
        (499, "canceled", "Canceled", False),
        (412, "failed_precondition", "Conflict", False),
        (409, "aborted", "Conflict", False),
        (500, "data_loss", "Internal", False),
        (418, "", "Internal", False),
    ],
)
def test_codes_of_a_hub_are_kinds_of_errors(status: int, code: str, kind: str, retryable: bool) -> None:
    error = Stub(http(status, {"code": code, "message": "no"} if code else b"<html>")).refused(get)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.details is not None and error.details["code"] == (code or "internal")


def test_a_hub_that_is_not_there_is_unavailable_at_once() -> None:
    async def run() -> None:
        async with HubClient("http://127.0.0.1:9", TOKEN) as client:
            await get(client)

    with pytest.raises(Error) as caught:
        asyncio.run(run())
    assert (caught.value.kind, caught.value.retryable) == ("Unavailable", True)
    assert "http://127.0.0.1:9 cannot be reached" in caught.value.message and TOKEN not in caught.value.message


def test_a_hub_that_does_not_answer_in_time() -> None:
    stub = Stub(b"hang")
    error = stub.refused(get, seconds=0.05)
    assert (error.kind, error.retryable, len(stub.requests)) == ("Timeout", True, 3)


@pytest.mark.parametrize("answer", [http(200, b"{"), http(200, {"module": 1}), http(200, {})])
def test_an_answer_that_is_not_understood(answer: bytes) -> None:
    assert "answer is not understood" in Stub(answer).refused(get).message


def test_redirects_are_not_followed() -> None:
    stub = Stub(b"HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    assert stub.refused(get).kind == "Internal" and len(stub.requests) == 1


def test_all_pages_of_versions_are_read() -> None:
    def page(*versions: str) -> bytes:
        return http(200, {"versions": [{"version": v} for v in versions], "total": 3})

    stub = Stub(page("1.0.0", "1.1.0"), page("1.2.0"))
    found = stub.use(lambda client: client.versions(MODULE.module))
    assert [v.version for v in found] == ["1.0.0", "1.1.0", "1.2.0"]
    endless = Stub(http(200, {"versions": [{"version": "1.0.0"}], "total": 10**9}))
    assert "without end" in endless.refused(lambda client: client.versions(MODULE.module)).message


def test_proxies_are_those_of_the_environment_but_this_machine_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from wippy.hub.client import _proxy

    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "internal.example.com")
    assert _proxy("https://hub.example.com/x") == "http://proxy:3128"
    assert _proxy("https://internal.example.com") is None and _proxy("http://localhost:1") is None


def test_what_netrc_says_does_not_take_the_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    stub = Stub(OK)
    stub.use(get)
    assert f"Bearer {TOKEN}".encode() in stub.requests[0]


# Downloads ----------------------------------------------------------------------------------------------------------


def test_a_download_is_put_in_place_whole(tmp_path: Path) -> None:
    Stub(http(200, PACK)).use(fetch(tmp_path / "a/b/got.wapp"))
    assert (tmp_path / "a/b/got.wapp").read_bytes() == PACK
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["got.wapp"]


def untouched(directory: Path) -> bool:
    """What was there before is there, and nothing else."""
    return {path.name: path.read_bytes() for path in directory.iterdir()} == {"got.wapp": b"before"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (http(200, PACK[:-1] + b"!"), "checksum mismatch: expected"),
        (http(200, PACK[:-1]), "of 20000 bytes arrived"),
        (http(200, PACK + b"!"), "sends more than the 20000 bytes"),
        (http(200, PACK[:9000], len(PACK)), "went away in the middle"),
        (http(500, b""), "status 500"),
    ],
)
def test_a_download_that_goes_wrong_three_times_changes_nothing(tmp_path: Path, answer: bytes, message: str) -> None:
    (tmp_path / "got.wapp").write_bytes(b"before")
    stub = Stub(answer)
    assert message in stub.refused(fetch(tmp_path / "got.wapp")).message
    assert len(stub.requests) == 3 and untouched(tmp_path)


def test_a_damaged_download_is_tried_again(tmp_path: Path) -> None:
    stub = Stub(http(200, b"x" * len(PACK)), http(200, PACK[:9], len(PACK)), http(200, PACK))
    stub.use(fetch(tmp_path / "got.wapp"))
    assert (tmp_path / "got.wapp").read_bytes() == PACK


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "got.wapp").write_bytes(b"before")
    monkeypatch.setattr("wippy.hub.client._write_all", full)
    stub = Stub(http(200, PACK))
    error = stub.refused(fetch(tmp_path / "got.wapp"))
    assert error.kind == "Internal" and "No space left on device" in error.message
    assert len(stub.requests) == 1 and untouched(tmp_path)


def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "got.wapp").write_bytes(b"before")

    async def impatient(client: HubClient) -> None:
        await asyncio.wait_for(fetch(tmp_path / "got.wapp")(client), 0.2)

    slow = http(200, PACK[:10], len(PACK)).replace(b"connection: close\r\n", b"")

    class Stalled(Stub):
        async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(slow)
            await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        Stalled(b"").use(impatient)
    assert untouched(tmp_path)


def test_a_token_goes_to_its_own_hub_only(tmp_path: Path) -> None:
    other, seen = Stub(http(200, PACK)), list[bytes]()

    async def run() -> None:
        server = await asyncio.start_server(other._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with HubClient("http://localhost:1", TOKEN, patience=HASTE) as client:
            await fetch(tmp_path / "got.wapp", url=f"http://127.0.0.1:{port}/p")(client)
        server.close()
        seen.extend(other.requests)

    asyncio.run(run())
    assert len(seen) == 1 and b"uthorization" not in seen[0] and TOKEN.encode() not in seen[0]


@pytest.mark.parametrize("url", ["http://example.com/p", "ftp://127.0.0.1/p", "file:///etc/passwd"])
def test_packs_come_encrypted_or_from_this_machine(tmp_path: Path, url: str) -> None:
    assert Stub(OK).refused(fetch(tmp_path / "got.wapp", url=url)).kind == "Invalid"
    assert not list(tmp_path.iterdir())


def test_a_download_without_a_digest_is_refused(tmp_path: Path) -> None:
    assert "names no digest" in Stub(OK).refused(fetch(tmp_path / "got.wapp", digest="")).message


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = Stub(http(200, PACK)).refused(fetch(tmp_path / "file" / "got.wapp"))
    assert error.kind == "Internal" and "cannot be written" in error.message
    assert os.listdir(tmp_path) == ["file"]
