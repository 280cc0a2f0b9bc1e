"""Route patterns and the table that finds the most specific one (spec 05 §2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from wippy.core.errors import Error, conflict, invalid

LITERAL, PARAM, REST, SUBTREE, END = "literal", "param", "rest", "subtree", "end"
_PARAM = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}\Z|:([A-Za-z_][A-Za-z0-9_]*)\Z")


class Segment(NamedTuple):
    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a pattern, and what answers it."""

    method: str
    pattern: str
    segments: tuple[Segment, ...]
    target: Any

    def __str__(self) -> str:
        route = f"{self.method} {self.pattern}"
        return f"{route} ({self.target})" if self.target is not None else route


class Match(NamedTuple):
    """`route` is None when nothing fits: `allowed` lists the methods the path knows (405), `redirect` where to go."""

    route: Route | None
    params: dict[str, str]
    allowed: tuple[str, ...] = ()
    redirect: str = ""


def join(prefix: str, path: str) -> str:
    """A router's prefix in front of an endpoint's path; one trailing slash of the prefix is removed."""
    return prefix.removesuffix("/") + path


def parse_pattern(pattern: str) -> tuple[Segment, ...]:
    """The segments of `/users/{id}/files/{rest...}`. Raises Error(Invalid)."""
    if not pattern.startswith("/"):
        raise invalid(f'path "{pattern}" must start with "/"')
    parts = pattern[1:].split("/")
    segments: list[Segment] = []
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "" and last:
            segments.append(Segment(SUBTREE))
        elif part == "{$}" and last:
            segments.append(Segment(END))
        else:
            segments.append(_segment(pattern, part, last))
    names = [s.text for s in segments if s.kind in (PARAM, REST)]
    if len(set(names)) != len(names):
        raise invalid(f'path "{pattern}" names a parameter twice')
    return tuple(segments)


def _segment(pattern: str, part: str, last: bool) -> Segment:
    found = _PARAM.match(part)
    if found:
        name, rest, colon = found.groups()
        if rest and not last:
            raise invalid(f'path "{pattern}": {{{name}...}} must come last')
        return Segment(REST if rest else PARAM, name or colon)
    if "{" in part or "}" in part:
        raise invalid(f'path "{pattern}": a parameter must be a whole segment, such as {{id}}')
    return Segment(LITERAL, unquote(part))


def _shape(route: Route) -> tuple[str, ...]:
    return tuple(f"={s.text}" if s.kind == LITERAL else s.kind for s in route.segments)


def _relation(a: Route, b: Route) -> str:
    """Of two patterns with as many segments: `disjoint`, `nested` (one is more specific) or `clash`."""
    a_wider = b_wider = False
    for left, right in zip(a.segments, b.segments, strict=True):
        if left.kind == right.kind:
            if left.kind == LITERAL and left.text != right.text:
                return "disjoint"
        elif left.kind == LITERAL:
            b_wider = True
        elif right.kind == LITERAL:
            a_wider = True
        elif PARAM in (left.kind, right.kind):
            a_wider, b_wider = a_wider or left.kind != PARAM, b_wider or right.kind != PARAM
    if a_wider and b_wider:
        return "clash"
    return "nested" if a_wider or b_wider else "clash"


def find_conflicts(routes: Iterable[Route]) -> list[tuple[Route, Route]]:
    """Pairs that overlap with neither more specific."""
    clashes = []
    groups: dict[tuple[str, int], list[Route]] = {}
    for route in routes:
        group = groups.setdefault((route.method, len(route.segments)), [])
        clashes += [(other, route) for other in group if _relation(other, route) == "clash"]
        group.append(route)
    return clashes


@dataclass(slots=True)
class _Level:
    """One place in the tree of patterns."""

    literals: dict[str, _Level] = field(default_factory=dict)
    param: _Level | None = None
    ends: dict[str, Route] = field(default_factory=dict)
    subtree: dict[str, Route] = field(default_factory=dict)


class RoutingTable:
    """Immutable: built once, replaced as a whole. Raises Error(Conflict) when patterns are ambiguous."""

    def __init__(self, routes: Iterable[Route]) -> None:
        routes = list(routes)
        clashes = find_conflicts(routes)
        if clashes:
            pairs = [f"{a} and {b}" for a, b in clashes]
            raise conflict(f"ambiguous routes: {'; '.join(pairs)}", conflicts=pairs)
        self._root = _Level()
        self._static: dict[tuple[str, str], Route] = {}
        for route in routes:
            self._add(route)
        for route in routes:
            if all(s.kind == LITERAL for s in route.segments):
                self._static[route.method, "/" + "/".join(s.text for s in route.segments)] = route

    def _add(self, route: Route) -> None:
        level = self._root
        for segment in route.segments:
            if segment.kind == LITERAL:
                level = level.literals.setdefault(segment.text, _Level())
            elif segment.kind == PARAM:
                level.param = level.param or _Level()
                level = level.param
            elif segment.kind == END:
                level = level.literals.setdefault("", _Level())
            else:
                level.subtree[route.method] = route
                return
        level.ends[route.method] = route

    def match(self, method: str, path: str) -> Match:
        """The route of a request path (percent-decoded by the server, without query)."""
        route = self._static.get((method, path))
        if route is not None:
            return Match(route, {})
        cleaned = clean(path)
        if cleaned != path:
            return Match(None, {}, redirect=cleaned)
        parts = path[1:].split("/")
        allowed: set[str] = set()
        for found in self._walk(self._root, parts, 0):
            chosen = found.get(method) or (found.get("GET") if method == "HEAD" else None)
            if chosen is not None:
                return Match(chosen, _params(chosen, parts))
            allowed.update(found)
        if allowed:
            if "GET" in allowed:
                allowed.add("HEAD")
            return Match(None, {}, allowed=tuple(sorted(allowed)))
        if not path.endswith("/") and any(found for found in self._walk(self._root, [*parts, ""], 0)):
            return Match(None, {}, redirect=path + "/")
        return Match(None, {})

    def _walk(self, level: _Level, parts: list[str], at: int) -> Iterator[dict[str, Route]]:
        """Everything that fits, most specific first."""
        if at == len(parts):
            if level.ends:
                yield level.ends
            return
        part = parts[at]
        following = level.literals.get(part)
        if following is not None:
            yield from self._walk(following, parts, at + 1)
        if level.param is not None and part != "":
            yield from self._walk(level.param, parts, at + 1)
        if level.subtree:
            yield level.subtree


def _params(route: Route, parts: list[str]) -> dict[str, str]:
    return {s.text: parts[at] for at, s in enumerate(route.segments) if s.kind == PARAM}


def clean(path: str) -> str:
    """Without `//`, `.` and `..`; a trailing slash stays."""
    if "//" not in path and "/." not in path:
        return path or "/"
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept:
                kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    trailing = path.endswith(("/", "/.", "/.."))
    return "/" + "/".join(kept) + ("/" if trailing and kept else "")


def check_method(method: str) -> str:
    """Raises Error(Invalid) unless `method` is one of the upper-case methods an endpoint may have."""
    known = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")
    if method not in known:
        hint = f', did you mean "{method.upper()}"?' if method.upper() in known else ""
        raise Error("Invalid", f'method "{method}" is not one of {", ".join(known)}{hint}')
    return method
