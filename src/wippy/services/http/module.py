"""The guest module `http` (spec 05 §4): the request's data comes over once, the response is collected by module.lua."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wippy.core.errors import internal
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module
from wippy.lua.wire import HandleRef
from wippy.services.http.exchange import Exchange
from wippy.services.http.service import exchanges_of
from wippy.services.stream.module import keep

if TYPE_CHECKING:
    from wippy.compute.node import Node


def module(node: Node) -> Module:
    """The declaration of `http` for a node."""
    http = Module(
        "http",
        "The request being served and its response.",
        classes=("network", "io", "nondeterministic"),
        source=Path(__file__).with_name("module.lua"),
    )
    http.in_lua(_IN_LUA, _HANDLES_IN_LUA)
    http.values |= _VALUES
    exchanges = exchanges_of(node)

    def exchange(caller: Caller) -> Exchange:
        found = exchanges.get(caller.request)
        if found is None:
            raise internal("no http request in this context")
        return found

    @http.function("describe() -> table", caller=True, private=True)
    def describe(caller: Caller) -> dict[str, Any]:
        """The request without its body."""
        return exchange(caller).describe()

    @http.function("body(limit: integer, milliseconds: number) -> string", caller=True, private=True, yields=True)
    async def body(caller: Caller, limit: int, milliseconds: float) -> bytes:
        """The whole request body."""
        return await exchange(caller).body.whole(limit, milliseconds / 1000)

    @http.function("stream(milliseconds: number) -> any", caller=True, private=True)
    def stream(caller: Caller, milliseconds: float) -> HandleRef:
        """A stream over the request body; the time limits each reading."""
        return keep(caller, exchange(caller).body.stream(milliseconds / 1000))

    @http.function("send(head: bytes, chunk: bytes) -> boolean", caller=True, private=True, yields=True)
    async def send(caller: Caller, head: bytes, chunk: bytes) -> bool:
        """Streams: the head with the first chunk, then chunks."""
        await exchange(caller).stream(head, chunk)
        return True

    @http.function("multipart(memory: integer, milliseconds: number) -> table", caller=True, private=True, yields=True)
    async def multipart(caller: Caller, memory: int, milliseconds: float) -> dict[str, Any]:
        """The fields of a form, and what is known of its files."""
        found = exchange(caller)
        form = await found.form(memory, milliseconds / 1000)
        return form.described()

    @http.function("file_stream(field: string, number: integer) -> any", caller=True, private=True)
    def file_stream(caller: Caller, field: str, number: int) -> HandleRef:
        """A stream over a file of the form."""
        return keep(caller, exchange(caller).uploaded(field, number).stream())

    return http


_IN_LUA = {
    "request(options: table?) -> Request": "The request being served.",
    "response() -> Response": "Its response.",
}
_HANDLES_IN_LUA = {
    "Request": {
        "method() -> string": "GET, POST and so on.",
        "path() -> string": "The path.",
        "query(name: string) -> string?": "A query parameter.",
        "query_params() -> table": "All query parameters.",
        "header(name: string) -> string?": "A header.",
        "content_type() -> string?": "The type of the body.",
        "content_length() -> integer": "The length of the body.",
        "host() -> string": "The host that was asked for.",
        "remote_addr() -> string": "The address of the client.",
        "param(name: string) -> string?": "A parameter of the route.",
        "params() -> table": "All parameters of the route.",
        "has_body() -> boolean": "Whether there is a body.",
        "accepts(kind: string) -> boolean": "Whether the client takes this type.",
        "is_content_type(kind: string) -> boolean": "Whether the body has this type.",
        "body() -> string": "The body. (yields)",
        "stream() -> Stream": "The body piece by piece, as it arrives; however large.",
        "body_json() -> any": "The body as JSON. (yields)",
        "parse_multipart(memory: number?) -> table": "The fields and files of a form. (yields)",
    },
    "MultipartFile": {
        "name() -> string": "The name of an uploaded file.",
        "size() -> integer": "Its bytes.",
        "stream() -> Stream": "Its content, from the beginning.",
        "header(name: string) -> string?": "A header of its part.",
    },
    "Response": {
        "set_status(code: number)": "Sets the status.",
        "set_header(name: string, value: string)": "Sets a header.",
        "set_content_type(kind: string)": "Sets the type of the body.",
        "set_transfer(mode: string)": "Chooses how the body is sent: one of `http.TRANSFER`.",
        "write(data: string)": "Adds to the body.",
        "write_json(value: any)": "Adds a value as JSON.",
        "write_event(event: table)": "Sends an event of a stream. (yields)",
        "flush()": "Sends what was written. (yields)",
    },
}
_VALUES = {
    "METHOD": "Methods: `http.METHOD.GET` and so on.",
    "STATUS": "Status codes by name: `http.STATUS.NOT_FOUND` is 404.",
    "CONTENT": "Types of bodies: JSON, FORM, MULTIPART, TEXT, STREAM.",
    "TRANSFER": "Ways to send a body: CHUNKED, SSE.",
    "ERROR": "Names of failures: PARSE_FAILED, INVALID_STATE, WRITE_FAILED, STREAM_ERROR.",
}
