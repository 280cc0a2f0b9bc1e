"""What handlers read and write (spec 05 §2.3, §4)."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.guest import App
from apps.program import eventually
from apps.web import Site, served

TEXT = "text/plain; charset=utf-8"

REQUEST = """
    res:write_json({
      method = req:method(), path = req:path(), query = req:query("a"), missing = req:query("zz") == nil,
      params = req:query_params(), header = req:header("X-One"), lower = req:header("x-one"),
      none = req:header("X-None") == nil, host_header = req:header("Host") == nil, host = req:host(),
      type = req:content_type(), length = req:content_length(), has_body = req:has_body(), remote = req:remote_addr(),
      json = req:accepts("application/json"), html = req:accepts("text/html"),
      is_json = req:is_content_type("application/json"), text = tostring(req) .. tostring(res),
    })
"""

HANDLERS: dict[str, str] = {
    # outcomes
    "GET /nothing": "local x = 1",
    "GET /nil": "return nil",
    "GET /value": "return { a = 1 }",
    "GET /raise": "error('secret plan')",
    "GET /error-object": "error(errors.new({ message = 'not there', kind = errors.NOT_FOUND }))",
    "GET /returned-text": "return nil, 'returned text'",
    "GET /returned-error": "return nil, errors.new({ message = 'bad', kind = errors.INVALID })",
    "GET /raise-after-write": "res:write('partial') error('too late')",
    "GET /header-only": "res:set_header('X-A', '1')",
    "GET /type-only": "res:set_content_type('text/css')",
    "GET /background": "coroutine.spawn(function() time.sleep('5s') res:write('never') end) res:write('now')",
    # response
    "GET /write": "res:write('one ') res:write('two ') res:write(3)",
    "GET /json": "res:write_json({ list = { 1, 2.5, 'x' }, empty = {}, yes = true })",
    "GET /json-own-type": "res:set_content_type('application/problem+json') res:write_json({ a = 1 })",
    "GET /status-then-json": "res:set_status(201) res:write_json({ a = 1 })",
    "GET /status-then-header": """
        res:set_header('X-Before', '1')
        res:set_header('x-before', '2')
        res:set_status(http.STATUS.ACCEPTED)
        local codes = {}
        for i, e in ipairs({
          res:set_status(500), res:set_header('X-After', '1'), res:set_content_type('a/b'), res:set_transfer('sse'),
        }) do codes[i] = e:kind() .. tostring(e:retryable()) end
        res:write(table.concat(codes, ' '))
    """,
    "GET /no-content": "res:set_status(204) local e = res:write('x') logger:info('no-content: ' .. e:kind())",
    "GET /not-modified": "res:set_header('etag', '\"a\"') res:set_status(304)",
    "GET /html": "res:write('<!DOCTYPE html><p>')",
    "GET /xml": "res:write('<?xml version=\"1.0\"?>')",
    "GET /png": "res:write('\\137PNG\\r\\n\\26\\n')",
    "GET /binary": "res:write('\\0\\1\\2')",
    "GET /bad-header": """
        local kinds = {}
        for _, pair in ipairs({ { 'X', 'a\\r\\nX-Evil: 1' }, { 'X Y', 'a' }, { 'X:', 'a' }, { '', 'a' } }) do
          local e = res:set_header(pair[1], pair[2])
          table.insert(kinds, e and e:kind() or 'accepted')
        end
        res:write(table.concat(kinds, ' '))
    """,
    "GET /unicode-header": "res:set_header('X-Name', 'Zoë') res:write('ok')",
    "GET /bad-json": "local e = res:write_json({ 1, x = 2 }) res:write(e and e:kind() or 'accepted')",
    "GET /bad-status": "local e = res:set_status(99) res:write(e:kind())",
    "GET /wrong-types": """
        local failed = {}
        for _, f in ipairs({
          function() res:set_status('x') end, function() res:set_header(1, 'x') end, function() res:write({}) end,
          function() res:set_transfer('x') end, function() res:write_event({ data = 1 }) end,
          function() res:write_event({ name = 'x' }) end, function() res:write_event({ name = '', data = 1 }) end,
          function() http.request(1) end, function() req:query(1) end,
        }) do table.insert(failed, tostring((pcall(f)))) end
        res:write(table.concat(failed, ' '))
    """,
    "GET /large": "res:write(string.rep('x', 1000000))",
    # streams
    "GET /chunked": """
        res:set_transfer('chunked')
        res:write('a')
        res:flush()
        time.sleep('20ms')
        res:write('b')
        res:flush()
        res:write('c')
    """,
    "GET /flush-only": "res:flush() res:write('after')",
    "GET /events": """
        res:write_event({ name = 'tick', data = { n = 1 } })
        time.sleep('10ms')
        res:write_event({ name = 'tick', data = 'two' })
    """,
    "GET /event-after-body": "res:write('x') local e = res:write_event({ name = 'n', data = 1 }) res:write(e:kind())",
    "GET /transfer-sse": "res:set_transfer(http.TRANSFER.SSE) res:write('data: x\\n\\n')",
    "GET /forever": """
        logger:info('forever begins')
        process.registry.register('forever')
        local i = 0
        while true do
          i = i + 1
          res:write_event({ name = 'n', data = i })
          time.sleep('5ms')
        end
    """,
    "GET /slow": "logger:info('slow begins') process.registry.register('slow') time.sleep('30s') res:write('done')",
    # request
    "GET /request": REQUEST,
    "POST /request": REQUEST,
    "POST /body": """
        local body = req:body()
        local _, again = req:body()
        res:write_json({ body, again and again:kind() or 'none' })
    """,
    "POST /limited": """
        local _, e = http.request({ max_body = 10 }):body()
        res:write(e and e:kind() .. tostring(e:retryable()) or 'ok')
    """,
    "POST /body-json": """
        local v, e = req:body_json()
        if e then return res:write(e:kind()) end
        res:write_json({ got = v, int = math.type(v.n) })
    """,
    "POST /echo": "res:set_content_type(req:content_type() or 'none') res:write(req:body())",
    "POST /form": """
        local form, e = req:parse_multipart()
        if e then return res:write(e:kind()) end
        local f = form.files.upload[1]
        local file = { f:name(), f:size(), f:header('content-type'), #form.files.upload }
        res:write_json({ values = form.values, file = file })
    """,
    "POST /form-errors": "local _, e = req:parse_multipart() res:write(e:kind())",
    # binding
    "GET /nested": "local own, err = funcs.call('app:no_request') res:write_json(own)",
    "GET /spawns": "local pid = spawn('lives') res:set_status(202) res:write_json({ pid = pid })",
    "GET /inbox": "spawn('answers', process.pid()) local m = process.inbox():receive() res:write(m:payload():data())",
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    app = App()
    for route, body in HANDLERS.items():
        app.endpoint(route, body)
    app.function(
        "no_request",
        "local a, e = http.request() local b, f = http.response() return { a == nil, e:kind(), b == nil, f:kind() }",
        modules=["http"],
    )
    app.process("lives", "process.registry.register('lives') process.inbox():receive()")
    app.process("answers", "process.send((...), 'answer', 'from a process')")
    with served(app) as running:
        yield running


# Outcomes ----------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "type", "body"),
    [
        ("/nothing", 500, TEXT, "no response sent\n"),
        ("/nil", 200, "application/json", ""),
        ("/value", 200, "application/json", ""),
        ("/error-object", 500, TEXT, "not there\n"),
        ("/returned-text", 500, TEXT, "returned text\n"),
        ("/returned-error", 500, TEXT, "bad\n"),
        ("/raise-after-write", 200, TEXT, "partial"),
        ("/header-only", 200, None, ""),
        ("/background", 200, TEXT, "now"),
        ("/write", 200, TEXT, "one two 3"),
        ("/html", 200, "text/html; charset=utf-8", "<!DOCTYPE html><p>"),
        ("/xml", 200, "text/xml; charset=utf-8", '<?xml version="1.0"?>'),
        ("/status-then-json", 201, TEXT, '{"a":1}'),
        ("/no-content", 204, None, ""),
        ("/not-modified", 304, None, ""),
        ("/bad-header", 200, TEXT, "Invalid Invalid Invalid Invalid"),
        ("/bad-status", 200, TEXT, "Invalid"),
        ("/bad-json", 200, TEXT, "Invalid"),
        ("/wrong-types", 200, TEXT, " ".join(["false"] * 9)),
        ("/event-after-body", 200, TEXT, "xInvalid"),
    ],
)
def test_what_an_outcome_means(site: Site, path: str, status: int, type: str | None, body: str) -> None:
    answer = site.get(path)
    assert (answer.status, answer.headers.get("content-type"), answer.text) == (status, type, body)


@pytest.mark.parametrize(("path", "type"), [("/png", "image/png"), ("/binary", "application/octet-stream")])
def test_binary_bodies_are_sniffed(site: Site, path: str, type: str) -> None:
    assert site.get(path).headers["content-type"] == type


def test_setting_only_a_content_type_is_no_response(site: Site) -> None:
    assert site.get("/type-only").status == 500


def test_a_raised_error_is_500_its_stack_is_logged_and_the_server_goes_on(site: Site) -> None:
    answer = site.get("/raise")
    assert answer.status == 500 and answer.text.endswith(": secret plan\n")
    assert "Traceback" not in answer.text and "stack" not in answer.text
    (record,) = eventually(lambda: site.logged("secret plan"))
    fields = record.__dict__["fields"]
    assert record.levelno == logging.ERROR
    assert fields["entry"].startswith("app:h") and fields["stack"].startswith(fields["entry"] + ":")
    assert site.get("/write").status == 200


def test_a_small_response_has_a_length(site: Site) -> None:
    answer = site.get("/write")
    assert answer.headers["content-length"] == "9" and "transfer-encoding" not in answer.headers


def test_json(site: Site) -> None:
    answer = site.get("/json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["list"] == [1, 2.5, "x"] and answer.json["yes"] is True


def test_write_json_overrides_an_earlier_content_type(site: Site) -> None:
    assert site.get("/json-own-type").headers["content-type"] == "application/json"


def test_headers_are_final_once_the_status_is_set(site: Site) -> None:
    answer = site.get("/status-then-header")
    assert answer.status == 202 and answer.text == "Invalidfalse Invalidfalse Invalidfalse Invalidfalse"
    assert answer.headers["x-before"] == "2" and "x-after" not in answer.headers


def test_a_body_on_204_fails(site: Site) -> None:
    site.get("/no-content")
    assert site.logged("no-content: Internal")


def test_a_large_body_arrives_whole(site: Site) -> None:
    assert site.get("/large").body == b"x" * 1_000_000


def test_text_in_headers(site: Site) -> None:
    assert site.get("/unicode-header").status == 200


# Streaming ----------------------------------------


def stream(site: Site, path: str) -> Iterator[bytes]:
    """The pieces of a response as they arrive."""
    with site.connect(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        while chunk := connection.recv(65536):
            yield chunk


def test_chunks_arrive_when_they_are_flushed(site: Site) -> None:
    pieces = list(stream(site, "/chunked"))
    assert b"transfer-encoding: chunked" in pieces[0].lower() and len(pieces) >= 2
    answer = site.get("/chunked")
    assert answer.text == "abc" and answer.headers["cache-control"] == "no-cache"


def test_flush_sends_the_head(site: Site) -> None:
    assert site.get("/flush-only").text == "after"


def test_events_are_server_sent_events(site: Site) -> None:
    answer = site.get("/events")
    assert answer.headers["content-type"] == "text/event-stream" and answer.headers["cache-control"] == "no-cache"
    assert answer.text == 'event: tick\ndata: {"n":1}\n\nevent: tick\ndata: "two"\n\n'


def test_the_sse_transfer_sets_its_headers(site: Site) -> None:
    answer = site.get("/transfer-sse")
    assert answer.headers["content-type"] == "text/event-stream" and answer.text == "data: x\n\n"


def named(site: Site, name: str) -> Callable[[], Any]:
    return lambda: site.run(site.runtime.node.lookup(name))


def test_a_client_that_leaves_ends_a_stream(site: Site) -> None:
    connection = site.connect("GET /forever HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"event: n" in read_until(connection, b"event: n")
    eventually(named(site, "forever"))
    connection.close()
    eventually(lambda: named(site, "forever")() is None)


def test_a_client_that_leaves_cancels_a_handler_that_waits(site: Site) -> None:
    connection = site.connect("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(named(site, "slow"))
    connection.close()
    eventually(lambda: named(site, "slow")() is None)
    assert site.get("/write").status == 200


def read_until(connection: socket.socket, text: bytes) -> bytes:
    received = b""
    while text not in received:
        chunk = connection.recv(65536)
        assert chunk, received
        received += chunk
    return received


# Requests ----------------------------------------


def test_the_parts_of_a_request(site: Site) -> None:
    answer = site.ask(
        "GET",
        "/request?a=1&a=2&b=x%20y&c&%zz",
        None,
        {"X-One": "v", "Accept": "text/html, application/json", "Host": "h:1"},
    ).json
    assert answer["remote"].startswith("127.0.0.1:")
    del answer["remote"]
    assert answer["params"].pop("%zz", None) in (None, "")
    assert answer == {
        "method": "GET",
        "path": "/request",
        "query": "1",
        "missing": True,
        "params": {"a": "1,2", "b": "x y", "c": ""},
        "header": "v",
        "lower": "v",
        "none": True,
        "host_header": True,
        "length": 0,
        "host": "h:1",
        "has_body": False,
        "json": True,
        "html": True,
        "is_json": False,
        "text": "http.Request{method=GET, path=/request}http.Response{}",
    }


def test_a_request_with_a_body(site: Site) -> None:
    answer = site.ask("POST", "/request", {"n": 1}, {"Content-Type": "application/json; charset=utf-8"}).json
    assert answer["has_body"] and answer["length"] == len(json.dumps({"n": 1})) and answer["is_json"]
    assert answer["type"] == "application/json; charset=utf-8" and answer["json"] is False


def test_headers_that_come_twice_are_joined(site: Site) -> None:
    raw = site.raw("GET /request HTTP/1.1\r\nHost: x\r\nX-One: a\r\nX-One: b\r\nConnection: close\r\n\r\n")
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["header"] == "a, b"


def test_a_body_can_be_read_once(site: Site) -> None:
    assert site.ask("POST", "/body", b"hello").json == ["hello", "Internal"]
    assert site.ask("POST", "/body", b"").json == ["", "none"]


def test_bytes_come_back_as_they_are(site: Site) -> None:
    data = bytes(range(256)) * 10
    answer = site.ask("POST", "/echo", data, {"Content-Type": "application/x-own"})
    assert answer.body == data and answer.headers["content-type"] == "application/x-own"


def test_a_chunked_body_is_read(site: Site) -> None:
    raw = site.raw(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert raw.endswith(b"abcde")


def test_a_body_beyond_its_limit_is_invalid(site: Site) -> None:
    assert site.ask("POST", "/limited", b"0123456789").text == "ok"
    assert site.ask("POST", "/limited", b"0123456789a").text == "Invalidfalse"
    raw = site.raw(
        "POST /limited HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "b\r\n0123456789a\r\n0\r\n\r\n"
    )
    assert b"Invalidfalse" in raw


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b"\xff", b"[" * 1000])
def test_a_body_that_is_no_json_is_invalid(site: Site, body: bytes) -> None:
    assert site.ask("POST", "/body-json", body).text == "Invalid"


def test_a_json_body_is_decoded(site: Site) -> None:
    answer = site.ask("POST", "/body-json", {"n": 3, "deep": {"list": [1, 2.5, "x"], "empty": {}, "none": []}})
    assert answer.json == {"int": "integer", "got": {"n": 3, "deep": {"list": [1, 2.5, "x"], "empty": {}, "none": []}}}


def test_a_form_with_a_file(site: Site) -> None:
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\nx\r\n'
        b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\ny\r\n'
        b'--B\r\nContent-Disposition: form-data; name="upload"; filename="f.bin"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00\xff\r\n--B--\r\n"
    )
    answer = site.ask("POST", "/form", parts, {"Content-Type": "multipart/form-data; boundary=B"}).json
    assert answer == {"values": {"a": "1", "b": ["x", "y"]}, "file": ["f.bin", 2, "image/png", 1]}


def test_a_form_that_is_none_is_an_error(site: Site) -> None:
    assert (
        site.ask("POST", "/form-errors", b"x=1", {"Content-Type": "application/x-www-form-urlencoded"}).text
        == "Invalid"
    )
    assert (
        site.ask("POST", "/form-errors", b"x", {"Content-Type": "multipart/form-data; boundary=B"}).text == "Internal"
    )


# Binding ----------------------------------------


def test_the_request_belongs_to_its_handler_alone(site: Site) -> None:
    assert site.get("/nested").json == [True, "Internal", True, "Internal"]


def test_a_handler_spawns_a_process_that_outlives_it(site: Site) -> None:
    answer = site.get("/spawns")
    assert answer.status == 202
    assert eventually(named(site, "lives")) == answer.json["pid"]


def test_a_handler_waits_on_its_inbox(site: Site) -> None:
    assert site.get("/inbox").text == "from a process"


def test_requests_on_one_connection(site: Site) -> None:
    request = "GET /write HTTP/1.1\r\nHost: x\r\n\r\n"
    last = "GET /write HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert site.raw(request * 4 + last).count(b"one two 3") == 5


def test_many_requests_at_once(site: Site) -> None:
    connections = [site.connect("GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") for _ in range(50)]
    for connection in connections:
        with connection:
            read_until(connection, b'"two"')
