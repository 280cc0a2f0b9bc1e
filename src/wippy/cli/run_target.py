"""What `wippy run` runs: the project in the current directory, or packs (spec 01 §18).

A target says which configuration an application starts with, which entries it has, and what the words after it mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from wippy.core.errors import invalid, not_found

if TYPE_CHECKING:
    from wippy.core.ids import EntryId
    from wippy.project.config import Config
    from wippy.project.config_files import Layers
    from wippy.project.wapp import Pack
    from wippy.registry.entry import Entry
    from wippy.runtime import Loaded

_MODULE = re.compile(r"[^/@\s]+/[^/@\s]+(?:@.+)?\Z")

LIST = "list"
"""The word that asks for the commands instead of naming one."""


class Application:
    """A configuration, the entries that go with it, and which of them are commands. module: the `org/module` that a
    pack holds, else ""."""

    def __init__(self, config: Config, loaded: Loaded, commands: Mapping[str, Entry], module: str = "") -> None:
        self.config = config
        self.loaded = loaded
        self.module = module
        self.commands = dict(sorted(commands.items()))

    def print_commands(self, target: str = "") -> None:
        if not self.commands:
            click.echo("No commands found. A process entry with meta.command.name is a command.")
            return
        click.echo("Available commands:")
        width = max(len(name) for name in self.commands)
        for name, entry in self.commands.items():
            click.echo(f"  {name.ljust(width)}  {entry.meta['command'].get('short', '')} ({entry.id})")
        click.echo(f"\nRun with: wippy run {target}<command>")


class Target(Protocol):
    """What the first word of `wippy run` may stand for."""

    name: str
    """What is written before a command, with a space behind it; "" for the project."""

    def load(self, layers: Layers) -> Application:
        """Reads configuration and entries. Raises Error."""

    def process(self, application: Application, command: str | None) -> str | None:
        """The process that a command, or none, asks for; None: serve until a signal. Raises Error."""


class ProjectTarget:
    """The project in the current directory: without a command it serves."""

    name = ""

    def __init__(self, registry: str | None = None) -> None:
        """registry: the hub that modules are downloaded from which the lock file names and which are not here."""
        self._registry = registry

    def load(self, layers: Layers) -> Application:
        from wippy.cli.missing import install_missing
        from wippy.project.config_files import load_config
        from wippy.runtime import read_project

        config = load_config(layers)
        install_missing(config, self._registry)
        loaded = read_project(Path(), config)
        return Application(config, loaded, commands_of(loaded.entries))

    def process(self, application: Application, command: str | None) -> str | None:
        if command is None:
            return None
        if command not in application.commands:
            raise not_found(f"command \"{command}\" not found. Use 'wippy run list' to see available commands")
        return str(application.commands[command].id)


class PackTarget:
    """Packs: those of the dependencies first, the main one last; its commands and its runtime defaults count."""

    def __init__(self, name: str, packs: Sequence[Path]) -> None:
        self.name = f"{name} "
        self._packs = packs

    def read(self, layers: Layers) -> list[Pack]:
        """The packs themselves."""
        from wippy.project.wapp.reader import read_pack

        return [read_pack(path) for path in self._packs]

    def load(self, layers: Layers) -> Application:
        import msgspec

        from wippy.project.config_files import load_config
        from wippy.project.packs import defaults_of, module_of, own_commands
        from wippy.runtime import read_packs

        packs = self.read(layers)
        defaults = defaults_of(packs[-1])
        layers = msgspec.structs.replace(layers, pack_defaults=defaults.leaves, pack_profiles=defaults.profiles)
        config = load_config(layers)
        loaded = read_packs(packs, config)
        commands = commands_of(loaded.entries, own_commands(packs[-1]))
        return Application(config, loaded, commands, module_of(packs[-1].metadata))

    def process(self, application: Application, command: str | None) -> str | None:
        commands = application.commands
        if command is not None:
            if command not in commands:
                raise not_found(f'command "{command}" not found in pack')
            return str(commands[command].id)
        commands = {name: entry for name, entry in commands.items() if _use_case(entry) != "test"}
        if not commands:
            return None
        marked = [name for name, entry in commands.items() if entry.meta["command"].get("main") is True]
        if len(marked) > 1:
            raise invalid(f"multiple commands marked as main in pack: {', '.join(marked)}")
        if not marked and len(commands) > 1:
            raise invalid(f"no command is marked as main; specify one of: {', '.join(commands)}")
        return str(commands[marked[0] if marked else next(iter(commands))].id)


def commands_of(entries: Sequence[Entry], only: set[EntryId] | None = None) -> dict[str, Entry]:
    """The commands among `entries` by name; only those whose id is in `only`, if given."""
    from wippy.project.packs import is_command

    found = (entry for entry in entries if is_command(entry) and (only is None or entry.id in only))
    return {entry.meta["command"]["name"]: entry for entry in found}


def _use_case(entry: Entry) -> str:
    return str(entry.meta["command"].get("use_case", "run"))


def _pack_target(word: str, registry: str | None) -> Target | None:
    return PackTarget(word, [Path(word)]) if word.endswith(".wapp") else None


def _module_target(word: str, registry: str | None) -> Target | None:
    if _MODULE.match(word) is None or Path(word).exists():
        return None
    from wippy.cli.module_target import ModuleTarget

    return ModuleTarget(word, registry)


TARGETS: list[Callable[[str, str | None], Target | None]] = [_pack_target, _module_target]
"""Asked in turn whether a first word is theirs; a word that nobody takes is a command of the project."""


def target_of(words: Sequence[str], registry: str | None = None) -> tuple[Target, Sequence[str]]:
    """The target that the positional words name, and the words that are left. registry: the hub for modules."""
    for find in TARGETS if words else ():
        target = find(words[0], registry)
        if target is not None:
            return target, words[1:]
    return ProjectTarget(registry), words
