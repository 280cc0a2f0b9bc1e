"""`wippy registry`: `list` and `show` look at entries without starting anything; its other verbs are about versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wippy.cli.completing import entry_ids
from wippy.cli.lazy import LazyGroup
from wippy.cli.options import Verb, configuration_options, globals_of, lock_option
from wippy.cli.output import as_json, as_yaml, presentable, table
from wippy.cli.project_entries import read_entries
from wippy.core.errors import invalid, not_found
from wippy.project.mutation import text_form
from wippy.registry.entry import Entry
from wippy.registry.finder import compile_condition
from wippy.registry.state import State

_META_FILTER = re.compile(r"([^=~*^$]+)([=~*^$])(.*)", re.DOTALL)

VERBS = {
    "list": ("wippy.cli.registry:list_entries", "List entries, filtered by kind, namespace, name or meta."),
    "show": ("wippy.cli.registry:show_entry", "Print one entry, or one field of it."),
    "history": ("wippy.cli.registry_versions:history", "List the versions."),
    "diff": ("wippy.cli.registry_versions:diff", "Show what differs between two versions."),
    "rollback": ("wippy.cli.registry_versions:rollback", "Go to another version."),
}


@click.command("registry", cls=LazyGroup, verbs=VERBS, invoke_without_command=True)
@click.pass_context
def registry(context: click.Context) -> None:
    """Look at the entries of the project: what a boot would load, from the sources and the installed modules; and at
    the versions that changes at run time have made, of a running application or of a stopped one's history.

    \b
    Examples:
      wippy registry list --ns app
      wippy registry show app:main --field source --raw
      wippy registry diff 3 4
      wippy registry rollback 3
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@click.command("list", cls=Verb)
@click.option("-k", "--kind", metavar="GLOB", help="Only this kind, e.g. 'http.*'.")
@click.option("-n", "--ns", metavar="GLOB", help="Only this namespace.")
@click.option("--name", metavar="GLOB", help="Only this name.")
@click.option("--meta", multiple=True, metavar="FILTER", help="f=value, f~regex, f*part, f^prefix or f$suffix.")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
@click.option("--yaml", "yaml_output", is_flag=True, help="Print YAML.")
@lock_option
@configuration_options
@click.pass_context
def list_entries(
    context: click.Context,
    kind: str | None,
    ns: str | None,
    name: str | None,
    meta: tuple[str, ...],
    json_output: bool,
    yaml_output: bool,
    lock_file: Path,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """List the entries of the project, sorted by id. Several filters narrow together.

    \b
    Examples:
      wippy registry list --kind 'function.*' --ns app
      wippy registry list --meta type=test --json
    """
    conditions = [_meta_condition(text) for text in meta]
    state = read_entries(globals_of(context), lock_file, profiles, settings)
    query = {key: value for key, value in ((".kind", kind), (".ns", ns), (".name", name)) if value is not None}
    found = [entry for entry in state.find(query) if all(condition(entry) for condition in conditions)]
    if json_output or yaml_output:
        items = [{"id": str(entry.id), "kind": entry.kind, "meta": entry.meta} for entry in found]
        click.echo(as_json(items) if json_output else as_yaml(items))
    elif not found:
        click.echo("No entries found")
    else:
        click.echo(table(("ID", "KIND"), [(str(entry.id), entry.kind) for entry in found]))
        click.echo(f"\nTotal: {len(found)} entries")


@click.command("show", cls=Verb)
@click.argument("entry", metavar="ID|NAME", shell_complete=entry_ids())
@click.option("-f", "--field", metavar="PATH", help="Only this field of the data, e.g. pool.size; meta.x for meta.")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
@click.option("--yaml", "yaml_output", is_flag=True, help="Print YAML.")
@click.option("--raw", is_flag=True, help="Print texts as they are, other values as JSON.")
@lock_option
@configuration_options
@click.pass_context
def show_entry(
    context: click.Context,
    entry: str,
    field: str | None,
    json_output: bool,
    yaml_output: bool,
    raw: bool,
    lock_file: Path,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Print one entry. A name without its namespace will do when it is unique.

    \b
    Examples:
      wippy registry show app:db
      wippy registry show main --field source --raw
    """
    found = _one(read_entries(globals_of(context), lock_file, profiles, settings), entry)
    if field is not None:
        value = _field(found, field)
    elif raw:
        value = found.data
    else:
        value = {"id": str(found.id), "kind": found.kind, "meta": found.meta, "data": found.data}
    if json_output:
        click.echo(as_json(value))
    elif raw or (field is not None and not isinstance(value, (dict, list)) and not yaml_output):
        click.echo(value if isinstance(value, str) else as_json(value), nl=not str(value).endswith("\n"))
    elif yaml_output or field is not None:
        click.echo(as_yaml(value))
    else:
        click.echo(_described(found))


def _described(entry: Entry) -> str:
    lines = [f"ID:    {entry.id}", f"Kind:  {entry.kind}"]
    if entry.origin is not None:
        lines.append(f"File:  {entry.origin}")
    for title, value in (("Meta", entry.meta), ("Data", entry.data)):
        if value in (None, {}):
            continue
        lines += ["", f"{title}:", *(f"  {line}".rstrip() for line in as_yaml(value).splitlines())]
    return "\n".join(lines)


def _one(state: State, text: str) -> Entry:
    found = state.find({".id": text} if ":" in text else {".name": text})
    exact = [entry for entry in found if text in (str(entry.id), entry.id.name)]
    if not exact:
        raise not_found(f"entry not found: {text}")
    if len(exact) > 1:
        ids = "".join(f"\n  {entry.id}" for entry in exact)
        raise invalid(f'the name "{text}" is ambiguous; give the full id:{ids}')
    return exact[0]


def _field(entry: Entry, path: str) -> Any:
    for tree, keys in ((entry.data, path), (entry.meta, path.removeprefix("meta.") if "." in path else "")):
        if isinstance(tree, dict) and keys in tree:
            return tree[keys]
        value: Any = tree
        for key in keys.split("."):
            value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        if value is not _MISSING and (tree is entry.data or path.startswith("meta.")):
            return value
    raise not_found(f'field "{path}" not found in entry data')


_MISSING = object()


def _meta_condition(text: str) -> Callable[[Entry], bool]:
    match = _META_FILTER.fullmatch(text)
    if match is None:
        raise invalid(
            f'malformed --meta "{text}": expected field=value, field~regex, field*part, field^prefix, field$suffix'
        )
    field, operator, value = match.groups()
    if operator == "=":
        return lambda entry: field in entry.meta and text_form(presentable(entry.meta[field])) == value
    condition = compile_condition(f"{operator}meta.{field}", value)
    if condition is None:
        raise invalid(f'malformed --meta "{text}": invalid regular expression')
    return condition
