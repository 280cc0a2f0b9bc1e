"""`wippy add`, `install`, `update`, `remove`: the modules that a project uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wippy.cli.options import Globals, Verb, configuration_options, globals_of, lock_option, registry_option

if TYPE_CHECKING:
    from wippy.hub.workspace import Change, Workspace

T = TypeVar("T")


@click.command("add", cls=Verb)
@click.argument("modules", nargs=-1, required=True, metavar="ORG/MOD[@SEL]...")
@lock_option
@registry_option
@click.pass_context
def add(context: click.Context, modules: tuple[str, ...], lock_file: Path, registry: str | None) -> None:
    """Record modules in wippy.lock, with what they depend on, in versions that fit together.

    A selector is a version, a range or a label. No YAML is edited: an ns.dependency entry is how the application gives
    a module its parameters. `wippy install` downloads what was recorded.

    \b
    Examples:
      wippy add acme/http
      wippy add acme/http@^1.2 acme/sql@beta
    """
    from wippy.hub.workspace import parse_spec
    from wippy.project.framework import framework_pack

    for text in modules:
        parse_spec(text)
    changes = _with_workspace(
        globals_of(context), lock_file, registry, (), (), lambda workspace: workspace.add(modules)
    )
    _print_changes(changes, f"{lock_file} has {', '.join(modules)} already")
    if any(framework_pack(change.name) is None for change in changes):
        click.echo("Run 'wippy install' to download what is missing.")


@click.command("install", cls=Verb)
@click.argument("modules", nargs=-1, metavar="[ORG/MOD]...")
@lock_option
@click.option("--refresh", "--force", "--repair", "refresh", is_flag=True, help="Download also what is there.")
@registry_option
@configuration_options
@click.pass_context
def install(
    context: click.Context,
    modules: tuple[str, ...],
    lock_file: Path,
    refresh: bool,
    registry: str | None,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Download the modules of wippy.lock that are missing or damaged, each verified before it is put in place.

    Without a lock file one is made from the ns.dependency entries, as `wippy update` does. Modules that a local
    directory replaces are left alone.

    \b
    Examples:
      wippy install
      wippy install --refresh acme/http
    """
    flags = globals_of(context)

    async def work(workspace: Workspace) -> None:
        if workspace.is_new:
            _print_changes(await workspace.update(), "No modules are used")
            return
        fetched = await workspace.install(modules, refresh=refresh)
        for module in fetched:
            click.echo(f"Installed {module.name} {module.version}")
        there = (len(modules) or len(workspace.lock.modules)) - len(fetched)
        click.echo(f"{_counted(len(fetched))} installed, {there} already there")

    _with_workspace(flags, lock_file, registry, profiles, settings, work)


@click.command("update", cls=Verb)
@click.argument("modules", nargs=-1, metavar="[ORG/MOD]...")
@lock_option
@click.option("-d", "--src-dir", metavar="DIR", help="Change where the project's own entries are.")
@click.option("--modules-dir", metavar="DIR", help="Change where modules are installed.")
@registry_option
@configuration_options
@click.pass_context
def update(
    context: click.Context,
    modules: tuple[str, ...],
    lock_file: Path,
    src_dir: str | None,
    modules_dir: str | None,
    registry: str | None,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Resolve the ns.dependency entries anew, write wippy.lock, install, and remove what is not used any more.

    With names only those modules change, and the others only if you agree.

    \b
    Examples:
      wippy update
      wippy update acme/http
    """
    from wippy.project.lockfile import Directories

    async def work(workspace: Workspace) -> list[Change]:
        known = workspace.lock.directories
        workspace.lock.directories = Directories(modules_dir or known.modules, src_dir or known.src)
        return await workspace.update(modules, _confirmed)

    changes = _with_workspace(globals_of(context), lock_file, registry, profiles, settings, work)
    _print_changes(changes, "Everything is up to date")


@click.command("remove", cls=Verb)
@click.argument("modules", nargs=-1, required=True, metavar="ORG/MOD...")
@lock_option
@click.pass_context
def remove(context: click.Context, modules: tuple[str, ...], lock_file: Path) -> None:
    """Take modules out of wippy.lock and off the disk, with those that only they needed.

    A module that an entry of the project or another module needs is kept: the error says by whom.

    \b
    Examples:
      wippy remove acme/http
      wippy remove acme/http acme/sql
    """

    async def work(workspace: Workspace) -> list[Change]:
        return workspace.remove(modules)

    _print_changes(_with_workspace(globals_of(context), lock_file, None, (), (), work), "Nothing to remove")


def _with_workspace(
    flags: Globals,
    lock_file: Path,
    registry: str | None,
    profiles: Sequence[str],
    settings: Sequence[str],
    work: Callable[[Workspace], Awaitable[T]],
) -> T:
    from wippy.hub.connection import connect
    from wippy.hub.workspace import Workspace
    from wippy.project.config_files import Layers, load_config

    config = load_config(Layers(flags.config, profiles, settings, flags=flags.flag_leaves()))

    async def run() -> T:
        async with connect(registry, config, directory=lock_file.parent) as client:
            return await work(Workspace(lock_file, config, client))

    return asyncio.run(run())


def _confirmed(changes: list[Any]) -> bool:
    click.echo("Other modules have to change too:")
    for change in changes:
        click.echo(f"  {change}")
    return click.confirm("Proceed with update?", default=True)


def _print_changes(changes: Sequence[Change], nothing: str) -> None:
    for change in changes:
        click.echo(str(change))
    if not changes:
        click.echo(nothing)


def _counted(number: int) -> str:
    return f"{number} module{'' if number == 1 else 's'}"
