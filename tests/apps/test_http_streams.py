"""Bodies as streams (spec 05 §4.1, §15; spec 03 §12)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from apps.guest import App
from apps.program import eventually
from apps.web import Site, served

HANDLERS: dict[str, str] = {
    "POST /echo": """
        local s = req:stream()
        local pieces, total = 0, 0
        while true do
          local chunk, err = s:read(1000)
          if err then return nil, err end
          if not chunk then break end
          pieces, total = pieces + 1, total + #chunk
          res:write(chunk)
        end
        local ok, err = s:close()
        assert(ok and err == nil)
    """,
    "POST /measure": """
        local s, total, longest = req:stream(), 0, 0
        while true do
          local chunk, err = s:read(tonumber(req:query("n")))
          if err then return res:write(err:kind() .. ": " .. tostring(err)) end
          if not chunk then break end
          total, longest = total + #chunk, math.max(longest, #chunk)
        end
        res:write_json({ total = total, longest = longest, has_body = req:has_body() })
    """,
    "POST /twice": """
        local s = req:stream()
        local kinds = {}
        for _, f in ipairs({ req.body, req.stream, req.body_json, req.parse_multipart }) do
          local v, e = f(req)
          kinds[#kinds + 1] = e and e:kind() .. tostring(e:retryable()) or "fine"
        end
        res:write_json(kinds)
    """,
    "POST /stat": """
        local s = req:stream()
        local before = s:stat()
        s:read(3)
        local after = s:stat()
        local at, seek_error = s:seek("set", 0)
        local n, write_error = s:write("x")
        s:close()
        s:close()
        local data, closed = s:read()
        res:write_json({
          before, after.position, at, seek_error:kind(), n, write_error:kind(), data == nil, tostring(closed),
          closed:retryable(), select(2, s:stat()):kind(), tostring(select(2, s:scanner())), s:flush(),
        })
    """,
    "POST /lines": """
        local scanner, lines = req:stream():scanner(), {}
        while scanner:scan() do lines[#lines + 1] = scanner:text() end
        res:write_json({ lines, scanner:err() == nil })
    """,
    "POST /stalled": """
        local s = http.request({ timeout = 50 }):stream()
        s:read()
        local _, err = s:read()
        local _, again = s:read()
        res:write(err:kind() .. ": " .. tostring(err) .. "; " .. tostring(again))
    """,
    "POST /closed-while-reading": """
        local s, result = req:stream(), channel.new(1)
        s:read()
        coroutine.spawn(function() result:send(select(2, s:read())) end)
        time.sleep("20ms")
        s:close()
        res:write(tostring(result:receive()))
    """,
    "POST /reads-on": """
        local s = req:stream()
        process.registry.register("reads-on")
        local _, err
        repeat _, err = s:read() until err
        logger:info("reads-on: " .. err:kind())
        time.sleep("1m")
    """,
    "POST /slow-reader": """
        local s = req:stream()
        process.registry.register("slow-reader")
        s:read(10)
        process.inbox():receive()
        local total = 10
        while true do
          local chunk = s:read()
          if not chunk then break end
          total = total + #chunk
        end
        res:write_json({ total })
    """,
    "POST /upload": """
        local form, err = req:parse_multipart(tonumber(req:query("memory")))
        if err then return res:write(err:kind() .. ": " .. tostring(err)) end
        local out = { values = form.values, files = {} }
        for field, list in pairs(form.files) do
          for i, file in ipairs(list) do
            local s, other = file:stream(), file:stream()
            local first = s:read(4)
            s:seek("set", 1)
            local rest, n = s:read(3), s:seek("end", 0)
            local total = 0
            while true do
              local chunk = other:read()
              if not chunk then break end
              total = total + #chunk
            end
            out.files[#out.files + 1] = {
              file:name(), file:size(), file:header("CONTENT-TYPE"), first, rest, n, total, tostring(file),
            }
          end
        end
        res:write_json(out)
    """,
    "GET /flood": """
        local piece = string.rep("x", 65536)
        process.registry.register("flood")
        for i = 1, 4000 do
          res:write(piece)
          if res:flush() then break end
          if i % 100 == 0 then logger:info("flood " .. i) end
        end
    """,
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    app = App()
    for route, body in HANDLERS.items():
        app.endpoint(route, body)
    with served(app) as running:
        yield running


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 32768, 300_000])
def test_a_request_body_is_echoed_chunk_by_chunk(site: Site, size: int) -> None:
    body = bytes(i * 7 % 256 for i in range(size))
    answer = site.ask("POST", "/echo", body)
    assert answer.status == (500 if size == 0 else 200)  # without a body nothing is written
    assert size == 0 or answer.body == body


def test_an_empty_post_has_no_body(site: Site) -> None:
    assert site.ask("POST", "/measure?n=10", b"").json == {"total": 0, "longest": 0, "has_body": False}


@pytest.mark.parametrize(("n", "most"), [(1, 1), (7, 7), (0, 32768), (50_000, 50_000)])
def test_read_gives_at_most_what_was_asked_for(site: Site, n: int, most: int) -> None:
    size = 5_000 if n < 10 else 200_000
    answer = site.ask("POST", f"/measure?n={n}", b"x" * size).json
    assert answer["total"] == size
    assert 0 < answer["longest"] <= most


def test_a_stream_is_not_bound_by_max_body(site: Site) -> None:
    assert site.ask("POST", "/measure?n=1000000", b"x" * 20_000_000).json["total"] == 20_000_000


def test_a_body_can_be_taken_once(site: Site) -> None:
    assert site.ask("POST", "/twice", b"abc").json == ["Internalfalse"] * 3 + ["Invalidfalse"]
    assert site.ask("POST", "/twice", b"").json == ["fine", "fine", "Invalidfalse", "Invalidfalse"]


def test_what_a_body_stream_can_do(site: Site) -> None:
    assert site.ask("POST", "/stat", b"hello").json == [
        {"size": 5, "position": 0, "readable": True, "writable": False, "seekable": False}, 3, -1, "Internal",
        0, "Internal", True, "stream is closed", False, "Internal", "stream is closed", False,
        "stream is closed",
    ]  # fmt: skip


def test_a_scanner_over_a_chunked_body(site: Site) -> None:
    head = "POST /lines HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    pieces = ["one\r\ntw", "o\nth", "ree"]
    raw = site.raw(head + "".join(f"{len(p):x}\r\n{p}\r\n" for p in pieces) + "0\r\n\r\n")
    assert b'[["one","two","three"],true]' in raw


def begun(path: str, declared: int, sent: str) -> str:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {declared}\r\n\r\n{sent}"


def received(connection: socket.socket, text: bytes) -> bytes:
    found = b""
    while text not in found:
        piece = connection.recv(65536)
        assert piece, found
        found += piece
    return found


def test_a_reading_takes_no_longer_than_the_timeout_of_the_request(site: Site) -> None:
    with site.connect(begun("/stalled", 100, "some")) as connection:
        slow = b"reading the request body took too long"
        assert b"Internal: " + slow + b"; " + slow in received(connection, b"; reading the request body took too long")


def test_closing_ends_a_reading_that_waits(site: Site) -> None:
    with site.connect(begun("/closed-while-reading", 100, "some")) as connection:
        received(connection, b"stream is closed")


def test_a_client_that_sends_faster_than_the_handler_reads_has_to_wait(site: Site) -> None:
    size = 64_000_000
    with site.connect(f"POST /slow-reader HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n") as connection:
        connection.setblocking(False)
        sent = 0
        piece = b"x" * 1_000_000

        def push() -> int:
            """How much went through, until nothing does for a while."""
            nonlocal sent
            with contextlib.suppress(BlockingIOError):
                while sent < size:
                    sent += connection.send(piece[: size - sent])
            return sent

        pid = eventually(lambda: (push(), site.run(site.runtime.node.lookup("slow-reader")))[1])
        for _ in range(50):
            push()
            site.run(asyncio.sleep(0.01))
        assert sent < size / 2
        connection.setblocking(True)
        site.run(site.runtime.node.deliver(pid, "go"))
        while sent < size:
            sent += connection.send(piece[: size - sent])
        received(connection, b"[64000000]")


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=B"}


def form(*parts: tuple[str, bytes]) -> bytes:
    written = (b"--B\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (h.encode(), b) for h, b in parts)
    return b"".join(written) + b"--B--\r\n"


@pytest.mark.parametrize("memory", [1, 100, 33554432])
def test_uploaded_files_are_streams_in_memory_and_on_disk(site: Site, memory: int) -> None:
    body = form(
        ('name="a"', b"1"),
        ('name="f"; filename="dir/x.bin"\r\nContent-Type: image/png', b"0123456789" * 20_000),
        ('name="b"', b"2"),
    )
    assert site.ask("POST", f"/upload?memory={memory}", body, BOUNDARY).json == {
        "values": {"a": "1", "b": "2"},
        "files": [["x.bin", 200_000, "image/png", "0123", "123", 200_000, 200_000,
                   "http.MultipartFile{name=x.bin, size=200000}"]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        (b"--B\r\nbroken", BOUNDARY, "Internal"),
        (b"", BOUNDARY, "Internal"),
        (form(('name="a"', b"1"))[:-8], BOUNDARY, "Internal"),
        (b"x", {"Content-Type": "multipart/form-data"}, "Internal"),
        (b"x", {"Content-Type": "text/plain"}, "Invalid"),
        (form(*[('name="a"', b"1")] * 1100), BOUNDARY, "Internal"),
        (form(('name="a"', b"x" * 11_000_000)), BOUNDARY, "Internal"),
    ],
)
def test_a_bad_form_is_an_error(site: Site, body: bytes, headers: dict[str, str], answer: str) -> None:
    assert site.ask("POST", "/upload?memory=1000", body, headers).text.partition(":")[0] == answer


@pytest.mark.parametrize(
    "declared", ["Content-Length: 100\r\n\r\n0123", "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n"]
)
def test_a_client_that_goes_before_its_body_is_complete_ends_the_handler(site: Site, declared: str) -> None:
    with site.connect("POST /reads-on HTTP/1.1\r\nHost: x\r\n" + declared) as connection:
        eventually(lambda: site.run(site.runtime.node.lookup("reads-on")))
        connection.shutdown(socket.SHUT_RDWR)
    eventually(lambda: site.run(site.runtime.node.lookup("reads-on")) is None)
    assert all(record.getMessage() == "reads-on: Internal" for record in site.logged("reads-on:"))


def test_streams_are_closed_with_their_handlers(site: Site) -> None:
    handles = site.runtime.node.bindings.handles
    before = len(handles)
    for _ in range(5):
        site.ask("POST", "/lines", b"a\nb")
    eventually(lambda: len(handles) <= before)


def test_a_handler_waits_for_a_client_that_reads_slowly(site: Site) -> None:
    with site.connect("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        eventually(lambda: site.run(site.runtime.node.lookup("flood")))
        for _ in range(50):
            site.run(asyncio.sleep(0.01))
        assert max((int(r.getMessage().split()[1]) for r in site.logged("flood ")), default=0) < 1000
        total = 0
        while total < 4000 * 65536:
            piece = connection.recv(1 << 20)
            assert piece
            total += len(piece)
