"""The table that finds the most specific route of a path (spec 05 §2.1).

A tree of segments that is never changed: another table is made of it, which shares all levels that did not change. So a
change costs as much as the patterns that changed, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wippy.core.errors import conflict
from wippy.services.http.routing import END, LITERAL, PARAM, Match, Route, Segment, clash, clean


class _Level:
    """One place in the tree. `owner` is the change that made it, and may still write into it."""

    __slots__ = ("ends", "literals", "owner", "param", "subtree")

    def __init__(self, owner: object, of: _Level | None = None) -> None:
        self.owner = owner
        self.literals: dict[str, _Level] = dict(of.literals) if of else {}
        self.param: _Level | None = of.param if of else None
        self.ends: dict[str, Route] = dict(of.ends) if of else {}
        self.subtree: dict[str, Route] = dict(of.subtree) if of else {}

    @property
    def empty(self) -> bool:
        return not (self.literals or self.param or self.ends or self.subtree)


class RoutingTable:
    """Immutable. A new one is empty; `changed` makes others."""

    def __init__(self) -> None:
        self._root = _Level(None)
        self._static: dict[tuple[str, str], Route] = {}

    def changed(self, removed: Iterable[Route], added: Iterable[Route]) -> RoutingTable:
        """The table without some routes, then with others. Raises Error(Conflict) when patterns are ambiguous."""
        table = RoutingTable()
        owner = object()
        root, static = self._root, self._static.copy()
        for route in removed:
            root = _without(root, route, 0, owner)
            if _is_static(route):
                static.pop(_static_key(route), None)
        clashes: list[str] = []
        for route in added:
            clashes += [f"{other} and {route}" for other in _overlapping(root, route, 0) if clash(other, route)]
            root = _with(root, route, 0, owner)
            if _is_static(route):
                static[_static_key(route)] = route
        if clashes:
            raise conflict(f"ambiguous routes: {'; '.join(clashes)}", conflicts=clashes)
        table._root, table._static = root, static
        return table

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


def _is_static(route: Route) -> bool:
    return all(segment.kind == LITERAL for segment in route.segments)


def _static_key(route: Route) -> tuple[str, str]:
    return route.method, "/" + "/".join(segment.text for segment in route.segments)


def _literal(segment: Segment) -> str | None:
    """Under which text a segment stands among the literals: a path that ends with `/{$}` has a last part "" ."""
    return segment.text if segment.kind == LITERAL else "" if segment.kind == END else None


def _with(level: _Level | None, route: Route, at: int, owner: object) -> _Level:
    """`level` with a route below it."""
    if level is None or level.owner is not owner:
        level = _Level(owner, level)
    if at == len(route.segments):
        level.ends[route.method] = route
        return level
    segment = route.segments[at]
    text = _literal(segment)
    if text is not None:
        level.literals[text] = _with(level.literals.get(text), route, at + 1, owner)
    elif segment.kind == PARAM:
        level.param = _with(level.param, route, at + 1, owner)
    else:
        level.subtree[route.method] = route
    return level


def _without(level: _Level, route: Route, at: int, owner: object) -> _Level:
    """`level` without a route that is below it; levels that hold nothing go."""
    if level.owner is not owner:
        level = _Level(owner, level)
    if at == len(route.segments):
        del level.ends[route.method]
        return level
    segment = route.segments[at]
    text = _literal(segment)
    if text is not None:
        below = _without(level.literals[text], route, at + 1, owner)
        level.literals[text] = below
        if below.empty:
            del level.literals[text]
    elif segment.kind == PARAM:
        assert level.param is not None
        below = _without(level.param, route, at + 1, owner)
        level.param = None if below.empty else below
    else:
        del level.subtree[route.method]
    return level


def _overlapping(level: _Level, route: Route, at: int) -> Iterator[Route]:
    """Routes of the same method and as many segments, all that overlap among them."""
    if at == len(route.segments):
        if route.method in level.ends:
            yield level.ends[route.method]
        return
    segment = route.segments[at]
    if segment.kind == LITERAL:
        texts: Iterable[str] = (segment.text, "") if segment.text else ("",)
    else:
        texts = level.literals
    for text in texts:
        below = level.literals.get(text)
        if below is not None:
            yield from _overlapping(below, route, at + 1)
    if level.param is not None:
        yield from _overlapping(level.param, route, at + 1)
    if at + 1 == len(route.segments) and route.method in level.subtree:
        yield level.subtree[route.method]
