"""`wippy pack`: the application in the current directory as one file."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wippy.cli.options import Verb, configuration_options, globals_of, lock_option
from wippy.cli.output import table, warn
from wippy.core.errors import invalid

if TYPE_CHECKING:
    from wippy.packing.application import Packing


@click.command(cls=Verb)
@click.argument("out", required=False, type=click.Path(path_type=Path), metavar="[OUT.wapp]")
@lock_option
@click.option("-d", "--description", default="", help="What the pack is, in a sentence.")
@click.option("-t", "--tags", multiple=True, help="Tags. Repeatable, or with commas.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="A field of the pack's metadata. Repeatable.")
@click.option("--embed", multiple=True, metavar="PATTERN", help="Take these fs.directory entries along. Repeatable.")
@click.option("--embed-all", is_flag=True, help="Take all fs.directory entries along.")
@click.option("--list", "list_only", is_flag=True, help="Print the fs.directory entries and write nothing.")
@click.option("--exclude-ns", multiple=True, metavar="PATTERN", help="Leave out these namespaces. Repeatable.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out these entries, ns:name. Repeatable.")
@click.option("--bytecode", multiple=True, metavar="PATTERN", help="Compile these entries; '**' for all. Repeatable.")
@configuration_options
@click.pass_context
def pack(
    context: click.Context,
    out: Path | None,
    lock_file: Path,
    description: str,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    embed: tuple[str, ...],
    embed_all: bool,
    list_only: bool,
    exclude_ns: tuple[str, ...],
    exclude: tuple[str, ...],
    bytecode: tuple[str, ...],
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Put the application and everything installed with it into one file that `wippy run` runs anywhere.

    Directories named by --embed, else by `embed:` of wippy.yaml, travel along as read-only files. Nothing is installed.
    The same project gives the same bytes; SOURCE_DATE_EPOCH sets the time that the pack states.

    \b
    Examples:
      wippy pack shop.wapp --embed app:public
      wippy pack shop.wapp --bytecode '**' --exclude-ns 'app.test.**'
    """
    from wippy.packing.application import Packing, PackOptions
    from wippy.project.config_files import Layers, load_config

    if embed and embed_all:
        raise click.UsageError("--embed and --embed-all exclude each other", context)
    flags = globals_of(context)
    config = load_config(Layers(files=flags.config, profiles=profiles, settings=settings, flags=flags.flag_leaves()))
    options = PackOptions(
        description=description,
        tags=[tag.strip() for text in tags for tag in text.split(",") if tag.strip()],
        meta=meta,
        embed=embed or None,
        embed_all=embed_all,
        exclude_namespaces=exclude_ns,
        exclude_entries=exclude,
        bytecode=bytecode,
    )
    packing = Packing(lock_file, config, options)
    if list_only:
        _print_directories(packing)
        return
    target = out or _default_name(packing)
    contents = packing.contents()
    if not flags.silent:
        for warning in contents.warnings:
            warn(warning)
    contents.write(target)
    click.echo(f"{target}: {_count(contents.entries, 'entry', 'entries')}, {_count(contents.resources, 'resource')}")


def _count(items: Sized, one: str, several: str = "") -> str:
    return f"{len(items)} {one if len(items) == 1 else several or one + 's'}"


def _print_directories(packing: Packing) -> None:
    rows = [
        (str(entry.id), "(known at run time)" if directory is None else str(directory), "yes" if embedded else "no")
        for entry, directory, embedded in packing.directories()
    ]
    click.echo(table(("ID", "DIRECTORY", "EMBEDDED"), rows) if rows else "No fs.directory entries found")


def _default_name(packing: Packing) -> Path:
    if packing.manifest is None or not packing.manifest.module:
        raise invalid("say what to write: wippy pack OUT.wapp (or name the module in wippy.yaml)")
    return Path(packing.manifest.artefact())
