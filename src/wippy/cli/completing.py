"""What stands where a shell wants to complete a word: ids of entries, commands of the project.

The project is read as it is on disk, nothing is linked or downloaded. Whatever goes wrong means that there is nothing
to offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from wippy.registry.entry import Entry

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def entry_ids(*kinds: str, test: Callable[[Entry], bool] = lambda entry: True) -> Completer:
    """Completes ids of entries whose kind begins with one of `kinds`, and that pass `test`."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = (entry for entry in _entries(context) if entry.kind.startswith(kinds or "") and test(entry))
        return _items(((str(entry.id), entry.kind) for entry in found), incomplete)

    return complete


def processes() -> Completer:
    """Completes ids of what `wippy run -x` can run."""
    return entry_ids("process.", test=lambda entry: entry.kind not in ("process.host", "process.service"))


def tests() -> Completer:
    """Completes ids of tests."""
    return entry_ids(test=lambda entry: entry.meta.get("type") == "test")


def suites(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes names of suites of tests."""
    found = {
        str(entry.meta["suite"]): ""
        for entry in _entries(context)
        if entry.meta.get("type") == "test"
        if entry.meta.get("suite")
    }
    return _items(found.items(), incomplete)


def targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the first word of `wippy run`: a command of the project, or a file."""
    from wippy.project.packs import is_command

    if incomplete.startswith((".", "/", "~")):
        return [CompletionItem(incomplete, type="file")]
    commands = (entry.meta["command"] for entry in _entries(context) if is_command(entry))
    found = {command["name"]: str(command.get("short", "")) for command in commands}
    return _items([*found.items(), ("list", "Print the commands.")], incomplete)


def _items(found: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(value, help=help or None) for value, help in sorted(found) if value.startswith(incomplete)]


def _entries(context: click.Context) -> Iterator[Entry]:
    from wippy.cli.options import globals_of
    from wippy.project.config_files import Layers, load_config
    from wippy.project.loader import load_project
    from wippy.project.lockfile import read_lock

    try:
        config = load_config(Layers(files=globals_of(context).config))
        yield from load_project(read_lock(Path("wippy.lock")), config).entries
    except Exception:
        return
