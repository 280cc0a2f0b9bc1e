"""`wippy search`, `show`, `readme`: what there is on a hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from wippy.cli.options import Globals, Verb, globals_of, registry_option
from wippy.cli.output import table
from wippy.core.errors import invalid, not_found

if TYPE_CHECKING:
    from wippy.hub import protocol
    from wippy.hub.client import HubClient

T = TypeVar("T")

SHOWN = 60
"""Characters of a description in a table."""


@click.command("search", cls=Verb)
@click.argument("query")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most.")
@registry_option
@click.pass_context
def search(context: click.Context, query: str, json_output: bool, limit: int, registry: str | None) -> None:
    """Find modules by words of their names, descriptions and keywords.

    \b
    Examples:
      wippy search http
      wippy search "vector store" --json --limit 5
    """
    from wippy.hub import protocol

    if not query.strip():
        raise invalid("query required")
    request = protocol.SearchModules(query=query, page_size=limit)
    found = _ask(globals_of(context), registry, lambda client: client.call(protocol.SEARCH_MODULES, request)).modules
    if json_output:
        items = [
            {
                "name": module.name,
                "org": module.org,
                "version": module.latest_version,
                "description": module.description,
                "downloads": module.total_downloads,
            }
            for module in found
        ]
        click.echo(json.dumps(items, indent=2, ensure_ascii=False))
    elif not found:
        click.echo("No modules found")
    else:
        rows = [
            (f"{m.org}/{m.name}", m.latest_version or "-", str(m.total_downloads), _shortened(m.description))
            for m in found
        ]
        click.echo(table(("MODULE", "VERSION", "DOWNLOADS", "DESCRIPTION"), rows))


@click.command("readme", cls=Verb)
@click.argument("module", metavar="ORG/MOD[@SEL]")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
@registry_option
@click.pass_context
def readme(context: click.Context, module: str, json_output: bool, registry: str | None) -> None:
    """Print the readme of a module.

    \b
    Examples:
      wippy readme acme/http
      wippy readme acme/http@1.2.0
    """
    from wippy.hub import protocol

    async def work(client: HubClient) -> protocol.Readme:
        return await client.call(protocol.GET_README, await _about(client, module))

    found = _ask(globals_of(context), registry, work)
    if json_output:
        click.echo(json.dumps(_fields(found), indent=2, ensure_ascii=False))
    else:
        click.echo(found.content or f"{module} has no readme")


@click.command("show", cls=Verb)
@click.argument("module", metavar="ORG/MOD[@SEL]")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
@registry_option
@click.pass_context
def show(context: click.Context, module: str, json_output: bool, registry: str | None) -> None:
    """Print what a hub knows of a module: its versions, what it needs, what a host must give it.

    \b
    Examples:
      wippy show acme/http
      wippy show acme/http@1.2.0 --json
    """
    from wippy.hub import protocol

    async def work(client: HubClient) -> tuple[protocol.Module, protocol.Version, list[protocol.Version]]:
        about = await _about(client, module)
        known = await client.call(protocol.GET_MODULE, protocol.AboutModule(module=about.module))
        version = await client.call(protocol.GET_VERSION, about)
        return known.module, version.version, await client.versions(about.module)

    known, version, versions = _ask(globals_of(context), registry, work)
    if json_output:
        shown = {"module": _fields(known), "version": _fields(version), "versions": [v.version for v in versions]}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_described(known, version, versions)))


def _described(module: protocol.Module, version: protocol.Version, versions: list[protocol.Version]) -> list[str]:
    named = [f"{v.version} (yanked)" if v.yanked else v.version for v in versions]
    needs = [f"{d.org}/{d.name} {d.version_constraint or '*'}" for d in version.dependencies or ()]
    wants = [r.name if r.default is None else f"{r.name} ({r.default!r})" for r in version.requirements]
    rows = [
        ("version", f"{version.version}{' (yanked)' if version.yanked else ''}"),
        ("published", f"{version.create_time}{f' by {version.published_by}' if version.published_by else ''}"),
        ("type", module.type),
        ("license", module.license),
        ("homepage", module.homepage),
        ("repository", module.repository),
        ("downloads", str(module.total_downloads)),
        ("digest", f"sha256:{version.digest}" if version.digest else ""),
        ("size", f"{version.size_bytes} bytes"),
        ("entries", f"{version.entry_count} ({', '.join(version.entry_kinds)})" if version.entry_count else ""),
        ("needs", ", ".join(needs)),
        ("requires", ", ".join(wants)),
        ("versions", ", ".join(named)),
        ("deprecated", module.deprecation_message if module.deprecated else ""),
    ]
    title = f"{module.org}/{module.name}" + (f": {module.description}" if module.description else "")
    return [title, *(f"  {name.ljust(12)}{value}" for name, value in rows if value)]


async def _about(client: HubClient, text: str) -> protocol.AboutVersion:
    """`org/mod`, and behind an `@` a version, a range or a label. Raises Error(Invalid), Error(NotFound)."""
    from wippy.core.semver import is_version
    from wippy.hub import protocol
    from wippy.hub.resolver import label_of, matching
    from wippy.hub.sources import release_of
    from wippy.hub.workspace import parse_spec

    wish = parse_spec(text)
    module, label = protocol.ModuleRef.named(wish.module), label_of(wish.wanted)
    if label:
        return protocol.AboutVersion(module=module, version=protocol.VersionRef(label=label))
    if is_version(wish.wanted):
        return protocol.AboutVersion(module=module, version=protocol.VersionRef(version=wish.wanted))
    found = matching([release_of(wish.module, version) for version in await client.versions(module)], [wish])
    if not found:
        raise not_found(f"no version of {wish.module} fits {wish.wanted}")
    return protocol.AboutVersion(module=module, version=protocol.VersionRef(version=found[0].version))


def _fields(message: protocol.Message) -> object:
    import msgspec

    return msgspec.to_builtins(message)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."


def _ask(flags: Globals, registry: str | None, work: Callable[[HubClient], Awaitable[T]]) -> T:
    from wippy.hub.connection import connect
    from wippy.project.config_files import Layers, load_config

    config = load_config(Layers(flags.config))

    async def run() -> T:
        async with connect(registry, config) as client:
            return await work(client)

    return asyncio.run(run())
