"""Route patterns (spec 05 §2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from wippy.core.errors import Error, invalid

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


@lru_cache(maxsize=65536)
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


def clash(a: Route, b: Route) -> bool:
    """Whether two patterns with as many segments overlap and neither is more specific."""
    a_wider = b_wider = False
    for left, right in zip(a.segments, b.segments, strict=True):
        if left.kind == right.kind:
            if left.kind == LITERAL and left.text != right.text:
                return False
        elif left.kind == LITERAL:
            b_wider = True
        elif right.kind == LITERAL:
            a_wider = True
        elif PARAM in (left.kind, right.kind):
            a_wider, b_wider = a_wider or left.kind != PARAM, b_wider or right.kind != PARAM
    return a_wider == b_wider


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
