"""JSON-RPC 2.0 as the Language Server Protocol uses it: messages, errors, parameters."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002
CANCELED = -32800


class RpcError(Exception):
    """What a request is answered with instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Message(NamedTuple):
    """A request, or without `expects` a notification."""

    method: str
    params: Any
    id: Any
    expects: bool


def decode(data: bytes) -> Any:
    """The JSON of a message. Raises RpcError(-32700)."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "the message is not JSON") from None


def message_of(value: Any) -> Message | None:
    """A decoded message; None for an answer to something, which nobody has asked. Raises RpcError(-32600)."""
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'a message is an object with "jsonrpc": "2.0"')
    method, number = value.get("method"), value.get("id")
    if method is None and ("result" in value or "error" in value):
        return None
    if not isinstance(method, str) or isinstance(number, (dict, list, bool)):
        raise RpcError(INVALID_REQUEST, "a request has a method, and an id that is a number or a text")
    return Message(method, value.get("params"), number, "id" in value)


def id_of(value: Any) -> Any:
    """The id to answer a message under that is no proper one."""
    number = value.get("id") if isinstance(value, dict) else None
    return number if isinstance(number, (int, float, str)) and not isinstance(number, bool) else None


def answer(number: Any, result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def failure(number: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": error.code, "message": error.message}}


# Parameters

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]


class Position(msgspec.Struct):
    line: Count
    character: Count


class Range(msgspec.Struct):
    start: Position
    end: Position


class Identifier(msgspec.Struct):
    uri: str


class Item(msgspec.Struct):
    uri: str
    text: str


class Change(msgspec.Struct):
    text: str


class Opened(msgspec.Struct, rename="camel"):
    text_document: Item


class Changed(msgspec.Struct, rename="camel"):
    text_document: Identifier
    content_changes: list[Change]


class OfDocument(msgspec.Struct, rename="camel"):
    text_document: Identifier


class At(msgspec.Struct, rename="camel"):
    text_document: Identifier
    position: Position


class ReferenceContext(msgspec.Struct, rename="camel"):
    include_declaration: bool = True


class References(msgspec.Struct, rename="camel"):
    text_document: Identifier
    position: Position
    context: ReferenceContext = msgspec.field(default_factory=ReferenceContext)


class Search(msgspec.Struct):
    query: str = ""


class CallItem(msgspec.Struct, rename="camel"):
    uri: str
    selection_range: Range
    kind: int = 12


class OfItem(msgspec.Struct):
    item: CallItem


class CancelParams(msgspec.Struct):
    id: int | str


class InitializationOptions(msgspec.Struct):
    rules: bool = False


class Initialize(msgspec.Struct, rename="camel"):
    initialization_options: InitializationOptions | None = None


def parameters(params: Any, kind: type[Any]) -> Any:
    """The parameters of a method. Raises RpcError(-32602) with what is wrong with them."""
    try:
        return msgspec.convert({} if params is None else params, kind)
    except msgspec.ValidationError as error:
        raise RpcError(INVALID_PARAMS, f"invalid params: {error}") from None
