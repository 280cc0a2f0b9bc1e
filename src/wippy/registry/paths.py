"""Reference paths: where entries name other entries (spec 01 §9).

A path is dotted. A segment is a key, `*` (any key or list item) or `*_env` (any key with that ending). What it leads
to may be a text, a list of texts, or a map whose values are texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

META_PATHS = (
    "parent",
    "depends_on",
    "groups",
    "server",
    "router",
    "*_env",
    "temporal.activity.worker",
    "temporal.workflow.worker",
)
DATA_PATHS = (
    "config",
    "groups",
    "imports.*",
    "*.depends_on",
    "server",
    "middleware",
    "post_middleware",
    "network",
    "tls.*_env",
    "driver",
    "dead_letter.queue",
    "queue",
    "func",
    "storage",
    "storages",
    "store",
    "bucket",
    "bucket_env",
    "endpoint_env",
    "region_env",
    "access_key_id_env",
    "secret_access_key_env",
    "set",
    "token_store",
    "lifecycle.security.policies",
    "lifecycle.security.groups",
    "security.policies",
    "security.groups",
    "security.token_store",
    "host",
    "process",
    "fs",
    "contracts.*.contract",
    "contracts.*.methods.*",
    "env",
    "*_env",
    "lifecycle.requires",
    "lifecycle.depends_on",
    # Not in the reference's list (spec 01 §1: fields that published examples write without a namespace).
    "database",
    "client",
)


class PathSet:
    """Several paths compiled into one tree, so that a document is walked once."""

    __slots__ = ("any_key", "env_key", "keys", "leaf")

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self.keys: dict[str, PathSet] = {}
        self.any_key: PathSet | None = None
        self.env_key: PathSet | None = None
        self.leaf = False
        for path in paths:
            self._add(path.split("."))

    def _add(self, segments: list[str]) -> None:
        if not segments:
            self.leaf = True
            return
        head, rest = segments[0], segments[1:]
        if head == "*":
            self.any_key = self.any_key or PathSet()
            self.any_key._add(rest)
        elif head == "*_env":
            self.env_key = self.env_key or PathSet()
            self.env_key._add(rest)
        else:
            self.keys.setdefault(head, PathSet())._add(rest)

    def texts(self, tree: Any) -> Iterator[str]:
        """Every text that one of the paths leads to."""
        if self.leaf:
            yield from leaf_texts(tree)
        if isinstance(tree, dict):
            for key, value in tree.items():
                yield from self._below(key, value)
        elif isinstance(tree, list) and self.any_key is not None:
            for item in tree:
                yield from self.any_key.texts(item)

    def _below(self, key: str, value: Any) -> Iterator[str]:
        exact = self.keys.get(key)
        if exact is not None:
            yield from exact.texts(value)
        if self.any_key is not None and (self.any_key.leaf or isinstance(value, (dict, list))):
            yield from self.any_key.texts(value)
        if self.env_key is not None and key.endswith("_env"):
            yield from self.env_key.texts(value)


def leaf_texts(value: Any) -> Iterator[str]:
    """The texts of a reference leaf: itself, its items, or its values; `{ns, name}` counts as one id."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, (str, dict)):
                yield from leaf_texts(item)
    elif isinstance(value, dict):
        ns, name = value.get("ns"), value.get("name")
        if isinstance(name, str) and isinstance(ns, str):
            yield f"{ns}:{name}"
        else:
            yield from (item for item in value.values() if isinstance(item, str))


def split_path(path: str) -> tuple[str, str]:
    """`meta.x` is a path into meta, `data.x` and `x` are paths into data."""
    root, dot, rest = path.partition(".")
    if dot and root in ("meta", "data"):
        return root, rest
    return "data", path
