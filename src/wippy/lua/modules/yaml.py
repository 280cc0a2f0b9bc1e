"""Guest module `yaml` (spec 04b §2): PyYAML's C emitter and parser, with the resolver of definition files."""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wippy.core.errors import Error, internal
from wippy.lua.modules.declare import Module
from wippy.lua.modules.plain_tables import as_list, key_text

ALIASED_NODES = 10_000
"""How many values aliases may add to those a guest's text spells out."""

DEEPEST = 128
UNSIGNED = 1 << 64
LARGEST = (1 << 63) - 1

yaml = Module(
    "yaml",
    "YAML texts.",
    classes=("encoding", "deterministic"),
    source=Path(__file__).with_suffix(".lua"),
)


@yaml.function("encode(value: table, options: {field_order: {string}?, sort_unordered: boolean?}?) -> string")
def encode(value: Any, options: Any = None) -> str:
    """The text of a table: keys sorted, indent 4. With options indent 2, at every level the fields of `field_order`
    first, the rest sorted when `sort_unordered`. Invalid for what is no table, Internal for what has no YAML form."""
    if options is None:
        tree, indent = _Arrangement([], True).of(value), 4
    else:
        given = options if isinstance(options, Mapping) else {}
        first = [str(name) for name in given.get("field_order") or []]
        tree, indent = _Arrangement(first, given.get("sort_unordered") is True).of(value), 2
    library, dumper = _dumper()
    try:
        return str(
            library.dump(
                tree,
                Dumper=dumper,
                indent=indent,
                sort_keys=False,
                allow_unicode=True,
                default_flow_style=False,
                width=2**31 - 1,
            )
        )
    except (library.YAMLError, RecursionError, ValueError) as e:
        raise internal(f"failed to encode YAML: {e}") from None


@yaml.function("decode(text: bytes) -> any")
def decode(text: bytes) -> Any:
    """The value of the first document: maps with texts as keys, timestamps as unix seconds, null as nil. Invalid for
    `""` and what is no text, Internal for bad YAML."""
    from wippy.project.yaml import YamlError, compose

    try:
        node = compose(text)
        return None if node is None else _construction()(len(text)).value(node)
    except YamlError as e:
        where = f"line {e.line}: " if e.line else ""
        raise internal(f"failed to decode YAML: {where}{e.reason}") from None


# Encoding -----------------------------------------------------------------------------------------------------------


class _Arrangement:
    """A guest's table as lists and maps in the order they are written."""

    def __init__(self, first: list[str], sort: bool) -> None:
        self._first = first
        self._sort = sort

    def of(self, value: Any, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise internal(f"nesting deeper than {DEEPEST} levels")
        if isinstance(value, Mapping):
            items = as_list(value)
            if items is None:
                return self._map(value, depth)
            value = items
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value] if value else {}
        if isinstance(value, Error):
            return value.message
        return value if value is None or isinstance(value, (bool, int, float, str, bytes)) else str(value)

    def _map(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        by_name = {key_text(name): item for name, item in value.items()}
        names = [name for name in self._first if name in by_name]
        rest = [name for name in by_name if name not in set(names)]
        if self._sort:
            rest.sort()
        return {name: self.of(by_name[name], depth + 1) for name in names + rest}


@cache
def _dumper() -> tuple[Any, Any]:
    import yaml as library
    from yaml import CSafeDumper

    from wippy.project.yaml import plain

    class Dumper(CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        style: str | None = "|"
        if "\n" not in value:
            style = None if value and isinstance(plain(value), str) and not _TIMESTAMP.match(value) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def number(dumper: Any, value: float) -> Any:
        if math.isfinite(value) and value.is_integer() and abs(value) < 1e21:
            return dumper.represent_scalar("tag:yaml.org,2002:int", f"{value:.0f}")
        return dumper.represent_float(value)

    Dumper.add_representer(str, text)
    Dumper.add_representer(float, number)
    return library, Dumper


# Decoding -----------------------------------------------------------------------------------------------------------

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.\d*)?(?:[ \t]*(Z|[-+]\d\d?(?::?\d\d)?))?)?\Z"
)


def _seconds(text: str) -> int | None:
    """Unix seconds of a timestamp; UTC when it names no zone. None for a text that is none."""
    match = _TIMESTAMP.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) - _offset(match[7])


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    return (int(hours) * 3600 + int(minutes) * 60) * (-1 if zone[0] == "-" else 1)


@cache
def _construction() -> Any:
    """How values of guests differ from those of definition files: keys of any scalar, timestamps, binary, ranges."""
    from yaml.nodes import Node, ScalarNode

    from wippy.project.yaml import Construction, error_at

    class GuestConstruction(Construction):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._left = size + ALIASED_NODES

        def _key(self, node: Node) -> str:
            if not isinstance(node, ScalarNode):
                raise error_at(node, "a map key must be a scalar")
            return str(node.value)

        def _scalar(self, node: ScalarNode) -> Any:
            tag = node.tag.rpartition(":")[2]
            if tag == "binary":
                return self._binary(node)
            value = super()._scalar(node)
            if isinstance(value, str) and tag in ("plain", "timestamp"):
                seconds = _seconds(value)
                return value if seconds is None else seconds
            if type(value) is int and not -LARGEST - 1 <= value <= LARGEST:
                if LARGEST < value < UNSIGNED:
                    raise error_at(node, f"number out of range: {node.value}")
                return float(value)
            return value

        def _binary(self, node: ScalarNode) -> bytes:
            try:
                return base64.b64decode(node.value)
            except (binascii.Error, ValueError):
                raise error_at(node, "not base64") from None

    return GuestConstruction
