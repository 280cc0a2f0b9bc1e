"""The guest module `http` (spec 05 §4): the request's data comes over once, the response is collected by module.lua."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wippy.core.errors import Error, internal, invalid
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module
from wippy.services.http.exchange import Exchange
from wippy.services.http.service import exchanges_of

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
        return await exchange(caller).body(limit, milliseconds / 1000)

    @http.function("send(head: bytes, chunk: bytes) -> boolean", caller=True, private=True, yields=True)
    async def send(caller: Caller, head: bytes, chunk: bytes) -> bool:
        """Streams: the head with the first chunk, then chunks."""
        await exchange(caller).stream(head, chunk)
        return True

    @http.function("multipart(limit: integer) -> table", caller=True, private=True, yields=True)
    async def multipart(caller: Caller, limit: int) -> dict[str, Any]:
        """The fields and files of a form."""
        found = exchange(caller)
        kind = found.describe()["headers"].get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            raise invalid("request is not multipart/form-data")
        return _form(kind, await found.body(limit, 300))

    return http


def _form(content_type: str, body: bytes) -> dict[str, Any]:
    from email import message_from_bytes
    from email.message import Message
    from email.policy import HTTP

    message: Message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=HTTP)
    if not message.is_multipart():
        raise Error("Internal", "malformed multipart form")
    values: dict[str, list[bytes]] = {}
    files: dict[str, list[dict[str, Any]]] = {}
    for part in message.get_payload():
        assert isinstance(part, Message)
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            continue
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        filename = part.get_filename()
        if filename is None:
            values.setdefault(name, []).append(data)
        else:
            headers = {key.lower(): str(value) for key, value in part.items()}
            files.setdefault(name, []).append(
                {"name": filename, "size": len(data), "headers": headers, "content": data}
            )
    return {"values": {k: v[0] if len(v) == 1 else v for k, v in values.items()}, "files": files}


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
        "body_json() -> any": "The body as JSON. (yields)",
        "parse_multipart(memory: number?) -> table": "The fields and files of a form. (yields)",
    },
    "File": {
        "name() -> string": "The name of an uploaded file.",
        "size() -> integer": "Its bytes.",
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
