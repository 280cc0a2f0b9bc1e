"""Definition files: the YAML and JSON files that hold entries (spec 01 §2).

A file with a root `namespace` is a definition file. When such a file is broken, it is an error; a YAML file that is
broken and none of ours is a warning; other files are left alone. A broken file gives no entries at all.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

import msgspec
from yaml.nodes import MappingNode, Node, SequenceNode

from wippy.core.collector import without_collector
from wippy.core.ids import EntryId
from wippy.project.problems import Problem, Severity
from wippy.project.tree import SourceTree, inside
from wippy.project.yaml import Construction, YamlError, compose, compose_json, error_at
from wippy.registry.entry import Entry, Origin

EXTENSIONS = (".yaml", ".yml", ".json")

_CLAIMS_NAMESPACE = re.compile(rb"""^(?:namespace|\s*\{?\s*"namespace")\s*:""", re.MULTILINE)
_NOT_DATA = frozenset({"name", "kind", "meta", "data"})
_NOT_DATA_AT_ROOT = _NOT_DATA | {"namespace", "version", "requirements", "entries"}


class Definitions(msgspec.Struct):
    """What was read: entries in file order, problems in file order."""

    entries: list[Entry] = []
    problems: list[Problem] = []

    def extend(self, other: Definitions) -> None:
        self.entries += other.entries
        self.problems += other.problems


def load_directory(tree: SourceTree, directory: str = "") -> Definitions:
    """Every definition file of `tree` below `directory`. A directory that cannot be read is a problem."""
    found = Definitions([], [])
    prefix = f"{directory.strip('/')}/" if directory.strip("/") else ""
    try:
        with without_collector():
            for path in tree.files():
                if path.endswith(EXTENSIONS) and path.startswith(prefix):
                    found.extend(load_file(tree, path))
    except OSError as error:
        found.problems.append(Problem("error", str(error.filename or ""), error.strerror or str(error)))
    return found


def load_file(tree: SourceTree, path: str) -> Definitions:
    """The entries of one file, or the problem that it is."""
    shown = tree.display(path)
    try:
        text = tree.read(path)
    except OSError as error:
        return Definitions([], [Problem("warning", shown, f"cannot be read: {error.strerror or error}")])
    try:
        return Definitions(_DefinitionFile(tree, path, shown, text).entries(), [])
    except YamlError as error:
        severity: Severity = "error" if _CLAIMS_NAMESPACE.search(text) else "warning"
        return Definitions([], [Problem(severity, shown, error.reason, error.line, error.column)])


def deduplicate(definitions: Definitions) -> None:
    """Of several entries with one id only the last stays; each time a warning is added."""
    last: dict[EntryId, Entry] = {}
    for entry in definitions.entries:
        earlier = last.pop(entry.id, None)
        if earlier is not None:
            where = f" (first at {earlier.origin})" if earlier.origin else ""
            reason = f"entry {entry.id} is defined twice{where}; the last definition counts"
            place = entry.origin or Origin("", 0)
            definitions.problems.append(Problem("warning", place.path, reason, place.line))
        last[entry.id] = entry
    definitions.entries = list(last.values())


class _DefinitionFile:
    def __init__(self, tree: SourceTree, path: str, shown: str, text: bytes) -> None:
        self._tree = tree
        self._directory = posixpath.dirname(path)
        self._path = path
        self._shown = shown
        self._text = text
        self._build = Construction(len(text), whole_floats=True, include=self._include)

    def entries(self) -> list[Entry]:
        """Raises `YamlError`."""
        root = self._root()
        if not isinstance(root, MappingNode):
            return []
        fields = self._build.fields(root)
        namespace = self._namespace(fields)
        if namespace is None:
            return []
        defaults = self._meta(fields, "the file's meta")
        listed = self._listed(fields)
        if listed:
            return [self._entry(node, namespace, defaults) for node in listed]
        if "name" in fields and "kind" in fields:
            return [self._single(root, namespace)]
        if listed is None:
            raise error_at(root, "a definition file needs `entries`, or `name` and `kind`")
        return []

    def _root(self) -> Node | None:
        return compose_json(self._text) if self._path.endswith(".json") else compose(self._text)

    def _namespace(self, fields: dict[str, tuple[Node, Node]]) -> str | None:
        """The namespace; None when the file is not a definition file."""
        if "namespace" not in fields:
            return None
        node = fields["namespace"][1]
        value = self._build.value(node)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str):
            raise error_at(node, "`namespace` must be a text")
        return value

    def _listed(self, fields: dict[str, tuple[Node, Node]]) -> list[Node] | None:
        if "entries" not in fields:
            return None
        node = fields["entries"][1]
        if isinstance(node, SequenceNode):
            return list(node.value)
        if self._build.value(node) is None:
            return None
        raise error_at(node, "`entries` must be a list")

    def _meta(self, fields: dict[str, tuple[Node, Node]], what: str) -> dict[str, Any]:
        if "meta" not in fields:
            return {}
        node = fields["meta"][1]
        value = self._build.value(node)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise error_at(node, f"{what} must be a map")
        return value

    def _entry(self, node: Node, namespace: str, defaults: dict[str, Any]) -> Entry:
        if not isinstance(node, MappingNode):
            raise error_at(node, "an entry must be a map with `name` and `kind`")
        lines: dict[str, int] = {}
        fields: dict[str, Any] = self._build.value(node, lines)
        return self._made(node, namespace, defaults, fields, _NOT_DATA, lines)

    def _single(self, root: MappingNode, namespace: str) -> Entry:
        lines: dict[str, int] = {}
        fields: dict[str, Any] = self._build.value(root, lines)
        return self._made(root, namespace, {}, fields, _NOT_DATA_AT_ROOT, lines)

    def _made(
        self,
        node: Node,
        namespace: str,
        defaults: dict[str, Any],
        fields: dict[str, Any],
        not_data: frozenset[str],
        lines: dict[str, int],
    ) -> Entry:
        name, kind, meta = (fields.get(key) for key in ("name", "kind", "meta"))
        if not isinstance(name, str) or not name.strip():
            raise error_at(node, f"an entry needs a `name` (text){_among(fields)}")
        if not isinstance(kind, str) or not kind.strip():
            raise error_at(node, f'entry "{name}" needs a `kind` (text){_among(fields)}')
        if meta is not None and not isinstance(meta, dict):
            raise error_at(node, f'entry "{name}": `meta` must be a map')
        if "data" in fields:
            data = fields["data"]
            lines = {path.removeprefix("data."): line for path, line in lines.items() if path != "data"}
        else:
            data = {key: value for key, value in fields.items() if key not in not_data}
        origin = Origin(self._shown, node.start_mark.line + 1, lines)
        return Entry(EntryId(namespace, name), kind, {**defaults, **(meta or {})}, data, origin)

    def _include(self, reference: str) -> str:
        """The text that `file://...` stands for."""
        path = reference[len("file://") :]
        if not path.strip("/"):
            raise YamlError("file:// without a path")
        clean = inside(self._directory, path)
        if clean is None:
            raise YamlError(f"{reference}: path traversal detected")
        try:
            return self._tree.read(clean).decode()
        except OSError as error:
            reason = error.strerror or str(error)
            raise YamlError(f"{reference}: {reason[:1].lower()}{reason[1:]}: {self._tree.display(clean)}") from None
        except UnicodeDecodeError:
            raise YamlError(f"{reference}: not UTF-8 text: {self._tree.display(clean)}") from None


def _among(fields: dict[str, Any]) -> str:
    return f"; it has {', '.join(list(fields)[:6])}" if fields else ""
