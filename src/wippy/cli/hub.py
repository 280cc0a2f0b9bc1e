"""`wippy hub`: a hub of one's own. `serve` runs it, `token` says who may publish on it, `yank` takes a version back."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wippy.cli.lazy import LazyGroup
from wippy.cli.options import Verb, globals_of, registry_option
from wippy.cli.output import as_json, table
from wippy.core.durations import parse_duration
from wippy.core.errors import invalid

if TYPE_CHECKING:
    from wippy.hub.server.database import Database

DIRECTORY = Path(".wippy/hub")
ADDRESS = "127.0.0.1:8765"

VERBS = {
    "serve": ("wippy.cli.hub:serve", "Serve the hub in a directory."),
    "token": ("wippy.cli.hub:token", "Make, list and revoke tokens of a hub in a directory."),
    "yank": ("wippy.cli.hub:yank", "Take a published version out of what is resolved, or back into it."),
}
TOKEN_VERBS = {
    "create": ("wippy.cli.hub:create_token", "Make a token; it is printed once."),
    "list": ("wippy.cli.hub:list_tokens", "List tokens, without their secrets."),
    "revoke": ("wippy.cli.hub:revoke_token", "End a token."),
}

directory_option = click.option(
    "-d",
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DIRECTORY,
    show_default=True,
    help="Where the hub keeps its packs.",
)


@click.command("hub", cls=LazyGroup, verbs=VERBS, invoke_without_command=True)
@click.pass_context
def hub(context: click.Context) -> None:
    """Run a hub: a server that modules are published to and installed from.

    \b
    Examples:
      wippy hub token create --org acme
      wippy hub serve --dir /var/lib/wippy-hub
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@click.command("serve", cls=Verb)
@directory_option
@click.option("--addr", default=ADDRESS, show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option("--cert", type=click.Path(path_type=Path, exists=True), help="A TLS certificate (PEM).")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="The key of the certificate.")
@click.option("--public-url", default="", metavar="URL", help="How others reach it, when not as they call it.")
@click.option("--max-size", default="512M", show_default=True, metavar="N[K|M|G]", help="The largest pack it takes.")
@click.pass_context
def serve(
    context: click.Context,
    directory: Path,
    addr: str,
    cert: Path | None,
    key: Path | None,
    public_url: str,
    max_size: str,
) -> None:
    """Serve the hub in a directory until SIGINT or SIGTERM.

    Everybody may read public modules; other modules are seen, and all are published, with a token. Clients use plain
    HTTP on this machine only: for others give it a certificate, or put it behind a proxy that has one.

    \b
    Examples:
      wippy hub serve
      wippy hub serve --addr 0.0.0.0:443 --cert hub.pem --key hub.key
    """
    from wippy.cli.logging import configure_logging
    from wippy.cli.options import parse_memory

    if (cert is None) != (key is None):
        raise invalid("--cert and --key belong together")
    flags = globals_of(context)
    configure_logging(-1 if flags.verbose else 0, silent=flags.silent, tracebacks=flags.debug)
    tls = (cert, key) if cert and key else None
    _in_loop(_serve(directory, addr, tls, public_url, parse_memory(max_size)))


async def _serve(directory: Path, addr: str, tls: tuple[Path, Path] | None, public_url: str, largest: int) -> None:
    from wippy.hub.server.application import Hub
    from wippy.services.http.server import HttpListener

    served = Hub(directory, largest=largest, public_url=public_url)
    try:
        asked = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
        listener = HttpListener(addr, served, tls)
        await listener.start()
        click.echo(f"Hub in {directory} at {'https' if tls else 'http'}://{addr}")
        await asked.wait()
        await listener.stop()
    finally:
        served.close()


def _in_loop(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


# Tokens ---------------------------------------------------------------------------------------------------------------


@click.command("token", cls=LazyGroup, verbs=TOKEN_VERBS, invoke_without_command=True)
@click.pass_context
def token(context: click.Context) -> None:
    """Say who may publish on a hub. Works on its directory, while it is served or not.

    \b
    Examples:
      wippy hub token create --org acme --user ci
      wippy hub token list
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@click.command("create", cls=Verb)
@directory_option
@click.option("--org", "orgs", multiple=True, required=True, help="An organization it is for, or `*`. Repeatable.")
@click.option("--user", default="", help="Whose it is: shown with what is published.")
@click.option("--scope", type=click.Choice(["publish", "read"]), default="publish", show_default=True)
@click.option("--expires", metavar="DURATION", help="How long it is good for, e.g. 720h. Without it: until revoked.")
def create_token(directory: Path, orgs: tuple[str, ...], user: str, scope: str, expires: str | None) -> None:
    """Make a token and print it: only its hash is kept, it cannot be shown again.

    \b
    Examples:
      wippy hub token create --org acme
      wippy hub token create --org acme --scope read --expires 720h
    """
    from wippy.hub.server.tokens import Tokens

    until = ""
    if expires is not None:
        end = datetime.now(UTC) + timedelta(microseconds=parse_duration(expires) / 1000)
        until = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    issued = Tokens(_database(directory)).issue(user, list(orgs), "read" if scope == "read" else "publish", until)
    click.echo(str(issued))


@click.command("list", cls=Verb)
@directory_option
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def list_tokens(directory: Path, json_output: bool) -> None:
    """List the tokens of a hub: whose they are, what for, whether they still count.

    \b
    Examples:
      wippy hub token list
      wippy hub token list --json
    """
    from wippy.hub.server.tokens import Tokens

    found = Tokens(_database(directory)).list()
    if json_output:
        click.echo(as_json(found))
        return
    rows = [(token["id"], token["username"], ",".join(token["orgs"]), token["scope"], _state(token)) for token in found]
    click.echo(table(("ID", "USER", "ORGS", "SCOPE", "STATE"), rows) if rows else "No tokens")


def _state(row: dict[str, Any]) -> str:
    return "revoked" if row["revoked"] else f"until {row['expires']}" if row["expires"] else "good"


@click.command("revoke", cls=Verb)
@directory_option
@click.argument("token_id", metavar="ID")
def revoke_token(directory: Path, token_id: str) -> None:
    """End a token, by the id that `list` shows.

    \b
    Examples:
      wippy hub token revoke 4f1c2a
      wippy hub token revoke 4f1c2a --dir /var/lib/wippy-hub
    """
    from wippy.hub.server.tokens import Tokens

    Tokens(_database(directory)).revoke(token_id)
    click.echo(f"Revoked {token_id}")


def _database(directory: Path) -> Database:
    from wippy.hub.server.database import Database

    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Database(directory / "hub.db")


# Yanking --------------------------------------------------------------------------------------------------------------


@click.command("yank", cls=Verb)
@click.argument("target", metavar="ORG/MOD@VERSION")
@click.option("--undo", is_flag=True, help="Take it back in.")
@registry_option
@click.pass_context
def yank(context: click.Context, target: str, undo: bool, registry: str | None) -> None:
    """Take a published version out of what is resolved. Who has it in a lock file still gets it.

    \b
    Examples:
      wippy hub yank acme/http@1.2.0
      wippy hub yank acme/http@1.2.0 --undo
    """
    from wippy.hub import protocol
    from wippy.hub.connection import connect
    from wippy.project.config_files import Layers, load_config

    match = re.fullmatch(r"([^/@]+/[^/@]+)@(.+)", target)
    if match is None:
        raise invalid(f'"{target}": expected org/module@version')

    config = load_config(Layers(globals_of(context).config))

    async def run() -> None:
        async with connect(registry, config) as client:
            await client.call(
                protocol.YANK_VERSION,
                protocol.YankVersion(
                    module=protocol.ModuleRef.named(match[1]),
                    version=protocol.VersionRef(version=match[2]),
                    yanked=not undo,
                ),
            )

    asyncio.run(run())
    click.echo(f"{'Restored' if undo else 'Yanked'} {target}")
