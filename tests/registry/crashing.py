"""What the crash test kills: applies one change set after the other, and prints a line before and after each.

`python crashing.py FILE FIRST LAST`: the change with number n sets `app:counter` to n, creates `app:e<n>` and deletes
`app:e<n-2>`, so that every version can be told from its neighbours.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wippy.core.ids import EntryId
from wippy.registry.changes import Create, Delete, Operation, Update
from wippy.registry.entry import Entry, entry
from wippy.registry.history import History
from wippy.registry.history_sqlite import SqliteStore
from wippy.registry.registry import Registry

BASELINE = (entry("app:counter", "registry.entry", {"n": 0}),)


def operations(number: int) -> list[Operation]:
    found: list[Operation] = [
        Update(entry("app:counter", "registry.entry", {"n": number})),
        Create(entry(f"app:e{number}", "registry.entry", {"filling": "x" * 2000})),
    ]
    if number > 2:
        found.append(Delete(EntryId("app", f"e{number - 2}")))
    return found


def expected(number: int) -> dict[EntryId, Entry]:
    """The entries after so many changes."""
    found = {entry.id: entry for entry in BASELINE}
    for n in range(max(1, number - 1), number + 1):
        found |= {each.entry.id: each.entry for each in operations(n) if not isinstance(each, Delete)}
    return found


async def opened(path: Path) -> Registry:
    registry = Registry(history=History(SqliteStore(path)))
    await registry.load(BASELINE)
    return registry


async def main(path: Path, last: int) -> None:
    registry = await opened(path)
    for number in range(registry.version.id + 1, last + 1):
        print("apply", number, flush=True)
        await registry.apply(operations(number))
        print("done", number, flush=True)
    await registry.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
