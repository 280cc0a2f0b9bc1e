"""Versions and the constraints that dependencies put on them (spec 01 §16.1).

A constraint is a list of conditions that must all hold: `>=1.2 <2.0`, `^1.4, !=1.4.3`, `1.x`. Where a version in a
condition is shorter than three numbers, or ends in a wildcard, it stands for all versions that begin with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering
from typing import Any, NamedTuple, TypeAlias

from wippy.core.errors import invalid

LONGEST_CONSTRAINT = 256
MOST_PARTS = 10

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"[vV]?({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?\Z",
    re.ASCII,
)
_PART = re.compile(r"(!=|>=|<=|=|>|<|\^|~)?\s*([^\s,=<>!^~]+)", re.ASCII)
_PREFIX = re.compile(rf"[vV]?(?:({_NUMBER})(?:\.({_NUMBER}))?(?:\.[xX*]){{0,2}}|[xX*])\Z", re.ASCII)

Key: TypeAlias = tuple[Any, ...]


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A semantic version. Order and equality are those of semver: the build part does not count."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    text: str = ""
    """As it was written, with `v` when it had one."""

    @classmethod
    def parse(cls, text: str) -> Version:
        """`1.2.3`, `v1.2.3-rc.1+build`. Raises Error(Invalid)."""
        match = _VERSION.match(text) if len(text) <= LONGEST_CONSTRAINT else None
        if match is None:
            raise invalid(f'"{text[:80]}" is not a version: expected numbers like 1.2.3')
        pre = tuple(match[4].split(".")) if match[4] else ()
        return cls(int(match[1]), int(match[2]), int(match[3]), pre, text)

    @property
    def stable(self) -> bool:
        return not self.pre

    @property
    def key(self) -> Key:
        """Sorts as the version does."""
        identifiers = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in self.pre)
        return (self.major, self.minor, self.patch, int(not self.pre), identifiers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __lt__(self, other: object) -> bool:
        return self.key < other.key if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        numbers = f"{self.major}.{self.minor}.{self.patch}"
        return self.text or (f"{numbers}-{'.'.join(self.pre)}" if self.pre else numbers)

    def bumped(self, part: str) -> Version:
        """The next `major`, `minor` or `patch` version; a pre-release of it becomes it."""
        major, minor, patch = self.major, self.minor, self.patch
        if part == "major":
            major, minor, patch = major + (not (self.pre and minor == patch == 0)), 0, 0
        elif part == "minor":
            minor, patch = minor + (not (self.pre and patch == 0)), 0
        else:
            patch += not self.pre
        return Version(major, minor, patch)


def is_version(text: str) -> bool:
    """Whether `text` is a version; anything else after an `@` is a label or a constraint."""
    return len(text) <= LONGEST_CONSTRAINT and _VERSION.match(text) is not None


class _Condition(NamedTuple):
    """Versions from `low` to before `high`; None is unbounded. `negated`: all the others."""

    low: Key | None
    high: Key | None
    negated: bool = False

    def allows(self, key: Key) -> bool:
        inside = (self.low is None or key >= self.low) and (self.high is None or key < self.high)
        return inside != self.negated


class Constraint:
    """What a dependency wants. Immutable; `str` gives it as it was written."""

    __slots__ = ("_conditions", "text")

    def __init__(self, text: str) -> None:
        """Raises Error(Invalid) for what is no constraint, is longer than 256 characters or has more than 10 parts."""
        if len(text) > LONGEST_CONSTRAINT:
            raise invalid(f"a version constraint may have {LONGEST_CONSTRAINT} characters, this one has {len(text)}")
        self.text = text.strip()
        parts = _parts(self.text)
        if len(parts) > MOST_PARTS:
            raise invalid(f'"{self.text}": a version constraint may have {MOST_PARTS} parts, this one has {len(parts)}')
        self._conditions = tuple(_condition(operator, version, self.text) for operator, version in parts)

    def allows(self, version: Version) -> bool:
        """Whether every part holds. Pre-releases count as versions here; see `select`."""
        key = version.key
        return all(condition.allows(key) for condition in self._conditions)

    def __str__(self) -> str:
        return self.text or "*"

    def __repr__(self) -> str:
        return f"Constraint({self.text!r})"


def select(versions: Iterable[Version], constraints: Iterable[Constraint]) -> list[Version]:
    """The versions that all constraints allow, best first: stable ones; pre-releases only when nothing stable fits."""
    wanted = list(constraints)
    fitting = [version for version in versions if all(constraint.allows(version) for constraint in wanted)]
    chosen = [version for version in fitting if version.stable] or fitting
    return sorted(chosen, key=lambda version: (version.key, version.text), reverse=True)


def _parts(text: str) -> list[tuple[str, str]]:
    """Operator and version of every part; between parts stand blanks and commas."""
    parts: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        if text[position] in " \t,":
            position += 1
            continue
        match = _PART.match(text, position)
        if match is None:
            raise invalid(f'"{text}" is not a version constraint: {text[position : position + 20]!r} is not understood')
        parts.append((match[1] or "", match[2]))
        position = match.end()
    return parts


_LOWEST: Key = (0, ())


def _first(*numbers: int) -> Key:
    """Before every version with these numbers, its pre-releases included."""
    return (*numbers, *_LOWEST)


def _condition(operator: str, text: str, whole: str) -> _Condition:
    if is_version(text):
        return _full(operator, Version.parse(text))
    match = _PREFIX.match(text)
    if match is None:
        raise invalid(f'"{whole}" is not a version constraint: "{text}" is not a version')
    return _partial(operator, [int(number) for number in match.groups() if number is not None])


def _full(operator: str, version: Version) -> _Condition:
    key = version.key
    after = (*key, 0)  # longer than the key it begins with: follows it, comes before anything greater
    match operator:
        case ">":
            return _Condition(after, None)
        case ">=":
            return _Condition(key, None)
        case "<":
            return _Condition(None, key)
        case "<=":
            return _Condition(None, after)
        case "!=":
            return _Condition(key, after, negated=True)
        case "^":
            return _Condition(key, _next_breaking([version.major, version.minor, version.patch]))
        case "~":
            return _Condition(key, _first(version.major, version.minor + 1, 0))
    return _Condition(key, after)


def _partial(operator: str, numbers: list[int]) -> _Condition:
    """`1`, `1.2`, `1.x`, `*`: every version that begins with `numbers`."""
    if not numbers:
        return _Condition(None, _first(0, 0, 0) if operator in (">", "<", "!=") else None)
    low = _first(*_filled(numbers))
    high = _first(*_filled([*numbers[:-1], numbers[-1] + 1]))
    start = (*_filled(numbers), 1, ())  # a lower bound that was written down leaves the pre-releases of it out
    match operator:
        case ">":
            return _Condition((*_filled([*numbers[:-1], numbers[-1] + 1]), 1, ()), None)
        case ">=":
            return _Condition(start, None)
        case "<":
            return _Condition(None, low)
        case "<=":
            return _Condition(None, high)
        case "!=":
            return _Condition(low, high, negated=True)
        case "^":
            return _Condition(start, _next_breaking(numbers))
        case "~":
            return _Condition(start, high)
    return _Condition(low, high)


def _filled(numbers: list[int]) -> tuple[int, ...]:
    return (*numbers, 0, 0, 0)[:3]


def _next_breaking(numbers: list[int]) -> Key:
    """The first version that `^` refuses: the leftmost number that is not 0, or the last one given, counts up."""
    at = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return _first(*_filled([*numbers[:at], numbers[at] + 1]))
