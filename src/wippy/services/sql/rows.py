"""SQLite values as guests see them, by the declared type of their column (spec 04a §1.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

Reader = Callable[[Any], Any]

UNPARSABLE = "0001-01-01T00:00:00Z"
MILLISECONDS_FROM = 10**12

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:([+-])(\d\d):?(\d\d))?)?\Z")


def flat(rows: Iterable[Sequence[Any]], declared: Sequence[str | None]) -> list[Any]:
    """The values of all rows, one after the other."""
    readers = _readers(tuple(declared))
    if readers is None:
        return [value for row in rows for value in row]
    return [
        read(value) if read is not None else value for row in rows for read, value in zip(readers, row, strict=True)
    ]


@lru_cache(maxsize=1024)
def _readers(declared: tuple[str | None, ...]) -> tuple[Reader | None, ...] | None:
    """A reader for each column that needs one; None when no column does."""
    found = tuple(_READERS.get(kind.lower()) if kind else None for kind in declared)
    return found if any(found) else None


def _boolean(value: Any) -> Any:
    return value > 0 if isinstance(value, int) else value


def _time(value: Any) -> Any:
    if isinstance(value, int):
        return unix_text(value // 1000 if abs(value) > MILLISECONDS_FROM else value)
    if isinstance(value, str):
        return time_text(value)
    return value


_READERS: dict[str, Reader] = {"boolean": _boolean, "timestamp": _time, "datetime": _time, "date": _time}


def time_text(text: str) -> str:
    """A date or time as RFC 3339 in UTC, to the second; `UNPARSABLE` for anything else."""
    match = _TIME.match(text.removesuffix("Z"))
    if match is None:
        return UNPARSABLE
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if hour > 23 or minute > 59 or second > 59:
        return UNPARSABLE
    try:
        days = date(year, month, day).toordinal() - 719163
    except ValueError:
        return UNPARSABLE
    at = days * 86400 + hour * 3600 + minute * 60 + second
    if match[7]:
        offset = int(match[8]) * 3600 + int(match[9]) * 60
        at += offset if match[7] == "-" else -offset
    return unix_text(at)


def unix_text(seconds: int) -> str:
    """A Unix time as RFC 3339 in UTC. Any year: the calendar repeats every 400 years."""
    days, second = divmod(seconds, 86400)
    cycles, days = divmod(days + 719162, 146097)
    day = date.fromordinal(days + 1)
    year = day.year + cycles * 400
    hour, rest = divmod(second, 3600)
    return f"{year:04d}-{day.month:02d}-{day.day:02d}T{hour:02d}:{rest // 60:02d}:{rest % 60:02d}Z"
