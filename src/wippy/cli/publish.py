"""`wippy publish`: the module in a directory becomes a version on a hub."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wippy.cli.options import Verb, globals_of, registry_option
from wippy.cli.output import warn
from wippy.core.errors import NOT_FOUND, Error, denied, invalid

if TYPE_CHECKING:
    from wippy.hub import protocol
    from wippy.hub.client import HubClient
    from wippy.hub.publish import Publication
    from wippy.packing.contents import Contents
    from wippy.project.manifest import Manifest

FIRST_VERSION = "0.1.0"


@click.command("publish", cls=Verb)
@click.option("--version", help="The version to publish. Without it you are asked, or the manifest's is taken.")
@click.option("--dry-run", is_flag=True, help="Make and check the pack, and send nothing.")
@click.option("--label", default="", help="A label that names this version from now on, such as beta.")
@click.option("--release-notes", default="", help="What is new.")
@click.option("--protected", is_flag=True, help="Mark the version as protected.")
@click.option("--embed", multiple=True, metavar="PATTERN", help="Take these fs.directory entries along. Repeatable.")
@click.option(
    "--config",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The directory of the module, where wippy.yaml is.  [default: .]",
)
@registry_option
@click.option("--create", is_flag=True, help="Register the module first.")
@click.option(
    "--module-visibility", type=click.Choice(["private", "public", "internal"]), default="private", show_default=True
)
@click.option("--module-type", type=click.Choice(["library", "application", "agent", "plugin"]))
@click.option("--module-display-name", default="", help="How the hub calls it.")
@click.pass_context
def publish(
    context: click.Context,
    version: str | None,
    dry_run: bool,
    label: str,
    release_notes: str,
    protected: bool,
    embed: tuple[str, ...],
    directory: Path,
    registry: str | None,
    create: bool,
    module_visibility: str,
    module_type: str | None,
    module_display_name: str,
) -> None:
    """Publish the module in a directory. A module that the hub does not know is registered, private unless you say.

    \b
    Examples:
      wippy publish --version 1.2.0
      wippy publish --dry-run --version 1.2.0-rc.1 --label beta
    """
    from wippy.hub import protocol
    from wippy.hub.publish import Publication
    from wippy.project.config_files import load_config
    from wippy.project.manifest import check_manifest, read_manifest

    config = load_config(directory=directory)
    manifest = read_manifest(directory)
    if manifest is None:
        raise invalid(f"{directory / 'wippy.yaml'}: not found: a module needs a manifest")
    check_manifest(manifest, directory)
    if not manifest.type and not module_type:
        warn("wippy.yaml has no `type`: `application` is assumed; this will become an error")
    new = protocol.NewModule(
        org=manifest.organization,
        name=manifest.module,
        visibility=module_visibility,
        type=module_type or manifest.type or "application",
        display_name=module_display_name,
    )

    async def run(pack: Path) -> None:
        from wippy.hub.connection import connect

        async with connect(registry, config, directory=directory) as client:
            if not dry_run and client.anonymous:
                raise denied(f"publishing needs a token: wippy auth login --registry {client.registry}")
            chosen = version or await _asked_version(client, manifest, ask=not dry_run)
            contents = _contents(directory, manifest, chosen, embed)
            _report(contents, pack, manifest, chosen, quiet=globals_of(context).silent)
            if dry_run:
                click.echo("Nothing was sent: this is a dry run")
                return
            publication = Publication(pack, manifest.name, chosen, label, release_notes, protected)
            await _published(client, publication, new, create)
            click.echo(f"Published {manifest.name} {chosen} on {client.registry}")

    with tempfile.TemporaryDirectory(prefix="wippy-publish-") as folder:
        asyncio.run(run(Path(folder) / manifest.artefact(version or "")))


def _contents(directory: Path, manifest: Manifest, version: str, embed: tuple[str, ...]) -> Contents:
    from wippy.packing.module import module_contents

    return module_contents(directory, manifest, version=version, embed=embed or None)


def _report(contents: Contents, pack: Path, manifest: Manifest, version: str, *, quiet: bool) -> None:
    """Writes the pack and says what it is. Raises Error(Invalid) for one that no hub would take."""
    from wippy.hub.inspection import digest_of, inspect_pack
    from wippy.project.wapp.reader import read_pack

    if not quiet:
        for warning in contents.warnings:
            warn(warning)
    contents.write(pack)
    inspect_pack(read_pack(pack))
    size = pack.stat().st_size
    click.echo(f"{manifest.name} {version}: {len(contents.entries)} entries, {size} bytes, sha256 {digest_of(pack)}")


async def _published(client: HubClient, publication: Publication, new: protocol.NewModule, create: bool) -> None:
    """Publishes; a module that is not known is registered, and it is tried once more."""
    from wippy.hub.publish import publish

    if create:
        await client.create_module(new)
        click.echo(f"Registered {publication.name} ({new.visibility})")
    try:
        await publish(client, publication)
    except Error as error:
        if error.kind != NOT_FOUND or create:
            raise
        await client.create_module(new)
        click.echo(f"Registered {publication.name} ({new.visibility})")
        await publish(client, publication)


async def _asked_version(client: HubClient, manifest: Manifest, *, ask: bool) -> str:
    """The manifest's version, or the one that the person chooses: a bump of the latest published one."""
    from wippy.core.semver import Version
    from wippy.hub import protocol

    if manifest.version:
        return manifest.version
    if not ask:
        raise invalid("say which version: --version, or `version` in wippy.yaml")
    about = protocol.AboutModule(module=protocol.ModuleRef.named(manifest.name))
    try:
        latest = (await client.call(protocol.GET_MODULE, about)).module.latest_version
    except Error as error:
        if error.kind != NOT_FOUND:
            raise
        latest = ""
    if not latest:
        chosen: str = click.prompt("Version to publish", default=FIRST_VERSION)
        return str(Version.parse(chosen))
    bumps = {part: str(Version.parse(latest).bumped(part)) for part in ("patch", "minor", "major")}
    shown = ", ".join(f"{part} {number}" for part, number in bumps.items())
    click.echo(f"Latest published version: {latest} ({shown})")
    answer: str = click.prompt("Bump (patch, minor, major) or version", default="patch")
    return bumps.get(answer) or str(Version.parse(answer))
