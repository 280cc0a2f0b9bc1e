"""`wippy registry history | diff | rollback`: the versions of a running application, through its control socket, or of
a stopped one, in the history that its configuration names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from wippy.cli.options import CONTROL, Globals, Verb, configuration_options, globals_of, lock_option
from wippy.cli.output import as_json, table
from wippy.core.errors import Error, conflict, invalid, not_found

if TYPE_CHECKING:
    from wippy.project.config import Config
    from wippy.registry.history import History

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LIMIT = 50


class Versions(Protocol):
    """What the verbs ask; the shapes are those of `registry.inspection`."""

    def versions(self, limit: int) -> dict[str, Any]: ...

    def difference(self, version: int, to: int | None) -> dict[str, Any]: ...

    def rollback(self, version: int) -> dict[str, Any]: ...


class VersionNumber(click.ParamType[int]):
    """`3` or `v3`."""

    name = "version"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        digits = str(value).removeprefix("v")
        if not digits.isdecimal():
            self.fail(f'"{value}" is no version: write 3 or v3', parameter, context)
        return int(digits)


def versions_options(function: F) -> F:
    """The flags that say whose versions, and `--json`."""
    function = configuration_options(lock_option(function))
    function = click.option("--json", "json_output", is_flag=True, help="Print JSON.")(function)
    return click.option(
        "--control",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help=f"The control socket of the running application [{CONTROL}, when it is served].",
    )(function)


@click.command(cls=Verb)
@click.option(
    "-n", "--lines", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True, help="The most versions to list."
)
@versions_options
@click.pass_context
def history(
    context: click.Context,
    lines: int,
    control: Path | None,
    json_output: bool,
    lock_file: Path,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """List the versions of the registry, the oldest first. The current one is marked with a star.

    \b
    Examples:
      wippy registry history
      wippy registry history --json -n 5
    """
    found = _open(globals_of(context), control, lock_file, profiles, settings).versions(lines)
    if json_output:
        click.echo(as_json(found))
        return
    rows = [_row(version, found["current"]) for version in found["versions"]]
    click.echo(table(("VERSION", "PARENT", "CREATED", "UPDATED", "DELETED"), rows))
    hidden = found["total"] - len(rows)
    older = f", {hidden} older not shown" if hidden else ""
    click.echo(f"\nCurrent: v{found['current']}{older}")


def _row(version: dict[str, Any], current: int) -> tuple[str, ...]:
    mark = " *" if version["id"] == current else ""
    parent = "-" if version["parent"] is None else f"v{version['parent']}"
    counts = (str(len(version[verb]) or "") for verb in ("create", "update", "delete"))
    return (f"v{version['id']}{mark}", parent, *counts)


@click.command(cls=Verb)
@click.argument("version", type=VersionNumber(), metavar="A")
@click.argument("to", type=VersionNumber(), metavar="[B]", required=False)
@versions_options
@click.pass_context
def diff(
    context: click.Context,
    version: int,
    to: int | None,
    control: Path | None,
    json_output: bool,
    lock_file: Path,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Show what leads from version A to version B, or to the current version. v0 is what the files say.

    \b
    Examples:
      wippy registry diff v3
      wippy registry diff 0 4 --json
    """
    from wippy.cli.differences import described

    found = _open(globals_of(context), control, lock_file, profiles, settings).difference(version, to)
    if json_output:
        click.echo(as_json(found))
    elif not found["changes"]:
        click.echo(f"No differences between v{found['from']} and v{found['to']}")
    else:
        click.echo(described(found["changes"]))


@click.command(cls=Verb)
@click.argument("version", type=VersionNumber(), metavar="V")
@versions_options
@click.pass_context
def rollback(
    context: click.Context,
    version: int,
    control: Path | None,
    json_output: bool,
    lock_file: Path,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Go to version V, back or forward. Nothing is lost: the versions after it stay, and can be gone to again.

    A running application changes at once, or refuses and stays as it is. A stopped one starts at V next time.

    \b
    Examples:
      wippy registry rollback v3
      wippy registry rollback 0
    """
    moved = _open(globals_of(context), control, lock_file, profiles, settings).rollback(version)
    if json_output:
        click.echo(as_json(moved))
    elif moved["from"] == moved["to"]:
        click.echo(f"Already at v{moved['to']}")
    elif moved["running"]:
        click.echo(f"Now at v{moved['to']} (was v{moved['from']})")
    else:
        click.echo(f"The next start will be at v{moved['to']} (was v{moved['from']})")


def _open(
    flags: Globals, control: Path | None, lock_file: Path, profiles: Sequence[str], settings: Sequence[str]
) -> Versions:
    """Whoever knows the versions: the running application, else its history."""
    from wippy.project.config_files import Layers, load_config

    path = control if control is not None else CONTROL
    if control is not None or path.exists():
        try:
            return Running(path)
        except Error:
            if control is not None:
                raise
    layers = Layers(files=flags.config, profiles=profiles, settings=settings, flags=flags.flag_leaves())
    return Stopped(load_config(layers), flags, lock_file, profiles, settings)


class Running:
    """A running application. Raises Error(Unavailable) when nobody serves `path`."""

    def __init__(self, path: Path) -> None:
        from wippy.services.control.client import Control

        self._control = Control(path, patience=None)

    def versions(self, limit: int) -> dict[str, Any]:
        return self._ask("versions", limit=limit)

    def difference(self, version: int, to: int | None) -> dict[str, Any]:
        return self._ask("difference", version=version, to=to)

    def rollback(self, version: int) -> dict[str, Any]:
        return {**self._ask("rollback", version=version), "running": True}

    def _ask(self, what: str, **options: Any) -> dict[str, Any]:
        with self._control:
            answer: dict[str, Any] = self._control.ask(what, **options)
        return answer


class Stopped:
    """The history of an application that does not run."""

    def __init__(
        self, config: Config, flags: Globals, lock_file: Path, profiles: Sequence[str], settings: Sequence[str]
    ) -> None:
        from wippy.project.history import history_type, sqlite_path

        kind = history_type(config)
        if kind not in ("sqlite", "postgres"):
            raise invalid(
                "no application runs here with a control socket (`wippy run --control`), and its history is not kept: "
                f"registry.history_type is {kind}, not sqlite or postgres"
            )
        if kind == "sqlite" and not sqlite_path(config).exists():
            raise not_found(f"there is no history yet: {sqlite_path(config)} does not exist")
        self._config = config
        self._files = (flags, lock_file, profiles, settings)

    def versions(self, limit: int) -> dict[str, Any]:
        from wippy.registry.history import Version
        from wippy.registry.inspection import Inspection
        from wippy.registry.state import State

        async def work(history: History, head: Version) -> dict[str, Any]:
            return await Inspection(history, head, State()).versions(limit)

        return self._run(work)

    def difference(self, version: int, to: int | None) -> dict[str, Any]:
        from wippy.cli.project_entries import read_entries
        from wippy.registry.history import Version
        from wippy.registry.inspection import Inspection

        baseline = read_entries(*self._files)

        async def work(history: History, head: Version) -> dict[str, Any]:
            return await Inspection(history, head, baseline).difference(version, to)

        return self._run(work)

    def rollback(self, version: int) -> dict[str, Any]:
        from wippy.registry.history import Version

        async def work(history: History, head: Version) -> dict[str, Any]:
            target = history.version(version)
            if await history.held():
                raise conflict(
                    "an application is running on this history: stop it, or start it with `wippy run --control`"
                )
            if target != head:
                await history.move_head(target, head)
            return {"from": head.id, "to": target.id, "running": False}

        return self._run(work)

    def _run(self, work: Callable[..., Any]) -> dict[str, Any]:
        from wippy.project.history import history_of

        async def session() -> dict[str, Any]:
            history = history_of(self._config)
            try:
                found: dict[str, Any] = await work(history, await history.open())
            finally:
                await history.close()
            return found

        return asyncio.run(session())
