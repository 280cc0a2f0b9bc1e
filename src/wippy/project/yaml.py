"""YAML as definition files use it (spec 01 §2): the 1.2 core schema with a few habits of 1.1.

`yes/no/on/off` are texts; `true/false/null` in common casings are not; integers may be written `0x1f`, `0o17`, `0755`,
`0b1`, `1_000`; `<<` merges; timestamps stay text; only the first document counts. Duplicate keys and keys that are not
texts are errors. The C parser composes the nodes; building values from them here takes 0.6 of the time of
PyYAML's loader and keeps line numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

EXTRA_NODES = 1_000_000
"""How many values aliases may add to those the text spells out."""

_PLAIN = "plain"
_TEXT = "tag:yaml.org,2002:str"
_MAP = "tag:yaml.org,2002:map"
_LIST = "tag:yaml.org,2002:seq"

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FLOATS = {
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER_START = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+|0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?\Z")


DEEPEST = 500
"""Levels a text may nest: the C parser composes nodes on the C stack, which a hostile text would overflow."""

_INDENTED = re.compile(rf"^[ \t?-]{{{DEEPEST // 2},}}", re.MULTILINE)

_SURROGATES = re.compile(rb"((?<!\\)(?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class YamlError(Exception):
    """A text that is not a document: what is wrong, and where (from 1; 0 when unknown)."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


class _Composer(CParser):
    """The C parser with a resolver that only says whether a scalar was written plain."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else _TEXT
        return _MAP if kind is MappingNode else _LIST

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


def compose(text: str | bytes) -> Node | None:
    """The root node of the first document; None when there is none. Raises `YamlError`."""
    try:
        _check_nesting(text)
        parser = _Composer(text)
        return parser.get_node() if parser.check_node() else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "invalid YAML"
        raise YamlError(reason, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0) from None
    except yaml.reader.ReaderError as error:
        raise YamlError(f"{error.reason} at byte {error.position}") from None
    except (RecursionError, ValueError) as error:
        raise YamlError(str(error)) from None


def _check_nesting(text: str | bytes) -> None:
    """Raises `YamlError` for a text that nests too deeply. Only one that could is read for it."""
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    if shown.count("[") + shown.count("{") <= DEEPEST and _INDENTED.search(shown) is None:
        return
    depth, parser = 0, _Composer(text)
    while parser.check_event():
        event: Any = parser.get_event()
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise YamlError("nested too deeply", event.start_mark.line + 1, event.start_mark.column + 1)


def compose_json(text: bytes) -> Node | None:
    """The root node of a JSON document, for its lines. Raises `YamlError` for what is not JSON."""
    load_json(text)
    text = text.replace(b"\t", b" ")  # JSON has no literal tab inside a string
    return compose(_SURROGATES.sub(_code_point, text))


def load(text: str | bytes, *, whole_floats: bool = False) -> Any:
    """The value of the first document; None when it is empty. Raises `YamlError`.

    `whole_floats`: every number becomes a float, as in registry entries.
    """
    node = compose(text)
    return None if node is None else Construction(len(text), whole_floats).value(node)


def load_json(text: bytes) -> Any:
    """A JSON document by the same rules, every number a float. Raises `YamlError`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            keys = [key for key, _ in pairs]
            raise YamlError(f'duplicate key "{next(key for key in keys if keys.count(key) > 1)}"')
        return result

    try:
        return json.loads(text, parse_int=float, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise YamlError(error.msg, error.lineno, error.colno) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise YamlError(str(error)) from None


class Construction:
    """Builds values from nodes.

    `include` is offered every text value that begins with `file://` and returns its replacement; it may raise
    `YamlError` without a position.
    """

    def __init__(self, size: int, whole_floats: bool = False, include: Callable[[str], str] | None = None) -> None:
        self._left = size + EXTRA_NODES
        self._whole_floats = whole_floats
        self._include = include
        self._open: set[int] = set()

    def value(self, node: Node, lines: dict[str, int] | None = None, prefix: str = "") -> Any:
        """The value of `node`. Into `lines` goes the line of every map field below it, by dotted path."""
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        self._enter(node)
        try:
            if isinstance(node, MappingNode):
                return self._map(node, lines, prefix)
            return [self.value(item, lines, f"{prefix}[{index}].") for index, item in enumerate(node.value)]
        except RecursionError:
            raise error_at(node, "nested too deeply") from None
        finally:
            self._open.discard(id(node))

    def fields(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        """Key -> (key node, value node) of a mapping, merges included; values are not built."""
        fields: dict[str, tuple[Node, Node]] = {}
        merges: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.value == "<<" and key_node.tag == _PLAIN:
                merges.append(value_node)
                continue
            key = self._key(key_node)
            if key in fields:
                raise error_at(key_node, f'duplicate key "{key}"')
            fields[key] = (key_node, value_node)
        for merged in merges:
            self._merge(fields, merged)
        return fields

    def _map(self, node: MappingNode, lines: dict[str, int] | None, prefix: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, (key_node, value_node) in self.fields(node).items():
            if lines is not None:
                path = prefix + key
                lines[path] = key_node.start_mark.line + 1
                result[key] = self.value(value_node, lines, path + ".")
            else:
                result[key] = self.value(value_node)
        return result

    def _merge(self, fields: dict[str, tuple[Node, Node]], merged: Node) -> None:
        self._enter(merged)
        if isinstance(merged, SequenceNode):
            for item in merged.value:
                self._merge(fields, item)
        elif isinstance(merged, MappingNode):
            for key, pair in self.fields(merged).items():
                fields.setdefault(key, pair)
        else:
            raise error_at(merged, "a merge (<<) needs a map or a list of maps")
        self._open.discard(id(merged))

    def _enter(self, node: Node) -> None:
        if id(node) in self._open:
            raise error_at(node, "an anchor contains itself")
        self._open.add(id(node))
        self._left -= 1 + len(node.value)
        if self._left < 0:
            raise error_at(node, "excessive aliasing")

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise error_at(node, "a map key must be a text")
        if node.tag == _PLAIN and not isinstance(plain(node.value), str):
            raise error_at(node, f"a map key must be a text, got {node.value or 'null'} (quote it)")
        return str(node.value)

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        if node.tag == _PLAIN:
            value = plain(text)
        elif node.tag == _TEXT:
            value = text
        else:
            value = _tagged(node)
        if isinstance(value, str):
            if self._include is not None and value.startswith("file://"):
                return self._included(node, value)
        elif self._whole_floats and type(value) is int:
            return _float(node, value)
        return value

    def _included(self, node: ScalarNode, text: str) -> str:
        assert self._include is not None
        try:
            return self._include(text)
        except YamlError as error:
            raise error_at(node, error.reason) from None


def plain(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _INTEGER.match(text):
        return _integer(text.replace("_", ""), text)
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return _FLOATS.get(text, text)


def error_at(node: Node, reason: str) -> YamlError:
    return YamlError(reason, node.start_mark.line + 1, node.start_mark.column + 1)


def _code_point(match: re.Match[bytes]) -> bytes:
    """A surrogate pair as YAML writes it."""
    point = 0x10000 + ((int(match[2], 16) - 0xD800) << 10) + int(match[3], 16) - 0xDC00
    return match[1] + b"\\U%08x" % point


def _integer(digits: str, text: str) -> Any:
    body, sign = (digits[1:], -1) if digits[0] == "-" else (digits.lstrip("+"), 1)
    try:
        if body[:1] == "0" and len(body) > 1:
            base = {"x": 16, "o": 8, "b": 2}.get(body[1])
            return sign * (int(body[2:], base) if base else int(body, 8))
        return sign * int(body)
    except ValueError:
        return text


def _float(node: ScalarNode, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise error_at(node, "number out of range") from None


def _tagged(node: ScalarNode) -> Any:
    """A scalar with an explicit tag: the core tags are obeyed, others mean the plain value."""
    tag = node.tag.rpartition(":")[2]
    if tag in ("str", "binary", "timestamp") or node.tag == "!":
        return node.value
    value = plain(node.value)
    if tag == "float" and type(value) is int:
        return float(value)
    wanted = {"int": int, "bool": bool, "float": float, "null": type(None)}.get(tag)
    if wanted is not None and type(value) is not wanted:
        raise error_at(node, f"cannot read {node.value!r} as {tag}")
    return value
