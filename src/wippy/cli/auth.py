"""`wippy auth`: tokens of hubs. None is ever printed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wippy.cli.lazy import LazyGroup
from wippy.cli.options import Verb, globals_of, registry_option
from wippy.core.errors import PERMISSION_DENIED, Error

if TYPE_CHECKING:
    from wippy.hub import protocol
    from wippy.hub.credentials import Account, Token

VERBS = {
    "login": ("wippy.cli.auth:login", "Store a token, once the hub has confirmed it."),
    "logout": ("wippy.cli.auth:logout", "Forget the token of a hub."),
    "status": ("wippy.cli.auth:status", "Say who you are to a hub."),
}

local_option = click.option("--local", is_flag=True, help="In .wippy of the current directory, not for the user.")


@click.command("auth", cls=LazyGroup, verbs=VERBS, invoke_without_command=True)
@click.pass_context
def auth(context: click.Context) -> None:
    """Log in to a hub, out of it, and see whose token is used.

    \b
    Examples:
      wippy auth login --registry https://hub.example.com
      wippy auth status --json
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@click.command("login", cls=Verb)
@click.option("--token", help="The token; asked for when it is not given.")
@registry_option
@local_option
@click.pass_context
def login(context: click.Context, token: str | None, registry: str | None, local: bool) -> None:
    """Store a token. It is sent to the hub first: one that it does not know is not stored.

    \b
    Examples:
      wippy auth login
      wippy auth login --token "$HUB_TOKEN" --registry https://hub.example.com --local
    """
    from wippy.hub.credentials import Account, Credential, checked_registry, checked_token

    account = Account(Path())
    url = _registry(context, account, registry)
    secret = checked_token(token if token is not None else click.prompt(f"Token for {url}", hide_input=True))
    found = asyncio.run(_account(url, secret))
    credential = Credential(
        token=str(secret),
        registry=checked_registry(url),
        user_id=found.user_id,
        username=found.username,
        scope=found.scope,
        orgs=found.orgs,
        expires_at=found.expires_at,
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    file = account.local if local else account.everywhere
    file.put(url, credential)
    click.echo(f"Logged in to {url}{f' as {found.username}' if found.username else ''}")


@click.command("logout", cls=Verb)
@registry_option
@local_option
@click.pass_context
def logout(context: click.Context, registry: str | None, local: bool) -> None:
    """Forget the token of a hub. The token itself stays good: the hub's administrator revokes it.

    \b
    Examples:
      wippy auth logout
      wippy auth logout --registry https://hub.example.com --local
    """
    from wippy.hub.credentials import Account

    account = Account(Path())
    url = _registry(context, account, registry)
    removed = (account.local if local else account.everywhere).remove(url)
    click.echo(f"Logged out of {url}" if removed else f"Not logged in to {url}")


@click.command("status", cls=Verb)
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
@registry_option
@click.pass_context
def status(context: click.Context, json_output: bool, registry: str | None) -> None:
    """Say who you are to a hub, as the hub says it. The exit code is 0 also when you are nobody.

    \b
    Examples:
      wippy auth status
      wippy auth status --json
    """
    from wippy.hub.credentials import Account

    account = Account(Path())
    url = _registry(context, account, registry)
    token, stored = account.token(url), account.stored(url)
    shown: dict[str, Any] = {
        "authenticated": False,
        "registry": url,
        "scope": stored.scope if stored else "",
        "orgs": stored.orgs if stored else [],
        "expired": False,
        "expires_at": stored.expires_at if stored else "",
        "error": "",
    }
    if token is None:
        shown["error"] = "not logged in"
    else:
        shown |= asyncio.run(_status(url, token))
    expires = shown["expires_at"]
    shown["expired"] = bool(expires) and expires <= datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if json_output:
        click.echo(json.dumps(shown, indent=2))
    elif shown["authenticated"]:
        click.echo(f"Logged in to {url}: {', '.join(shown['orgs']) or 'no organization'} ({shown['scope'] or 'read'})")
    else:
        click.echo(f"Not logged in to {url}{': the token has expired' if shown['expired'] else ''}")


def _registry(context: click.Context, account: Account, named: str | None) -> str:
    from wippy.hub.connection import configured_registry
    from wippy.project.config_files import Layers, load_config

    return account.registry(named, configured_registry(load_config(Layers(globals_of(context).config))))


async def _status(url: str, token: Token) -> dict[str, Any]:
    try:
        found = await _account(url, token)
    except Error as error:
        return {"error": error.message if error.kind != PERMISSION_DENIED else "the token is not accepted"}
    return {"authenticated": True, "scope": found.scope, "orgs": found.orgs, "expires_at": found.expires_at}


async def _account(url: str, token: Token) -> protocol.Account:
    from wippy.hub.client import HubClient

    async with HubClient(url, token) as client:
        return await client.account()
