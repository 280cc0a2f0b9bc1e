"""`wippy lint`: checks the Lua entries of the project without running anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wippy.cli.options import Verb, configuration_options, globals_of, lock_option
from wippy.core.errors import Error, invalid

if TYPE_CHECKING:
    from wippy.lua.lint.diagnostics import Diagnostic
    from wippy.registry.entry import Entry


@click.command(cls=Verb)
@lock_option
@click.option("--level", type=click.Choice(["error", "warning", "hint"]), default="warning", show_default=True,
              help="Least severity that is shown and counted.")  # fmt: skip
@click.option("--ns", "namespaces", multiple=True, metavar="NS",
              help="Only these namespaces; p.* takes those below as well. Repeatable, or with commas.")  # fmt: skip
@click.option("--code", "codes", multiple=True, metavar="CODE", help="Only these codes. Repeatable, or with commas.")
@click.option("--limit", type=int, default=0, help="Show at most so many findings; the counts stay.")
@click.option("--rules", is_flag=True, help="Look for the style rules W0001 to W0007 as well.")
@click.option("--summary", is_flag=True, help="Counts by namespace and code instead of findings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--no-color", is_flag=True, help="No colours.")
@click.option("--cache-reset", is_flag=True, help="Forget cached results first.")
@configuration_options
@click.pass_context
def lint(
    context: click.Context,
    lock_file: Path,
    level: str,
    namespaces: tuple[str, ...],
    codes: tuple[str, ...],
    limit: int,
    rules: bool,
    summary: bool,
    as_json: bool,
    no_color: bool,
    cache_reset: bool,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> int:
    """Check the Lua entries: syntax, names, modules, imports, arguments.

    Nothing is executed. Exits 1 when errors are found.

    \b
    Examples:
      wippy lint
      wippy lint --rules --level hint --ns 'app.*'
    """
    from wippy.cli.project_entries import read_entries
    from wippy.compute.lua_entries import is_code, is_compiled, source_of
    from wippy.lua.lint.report import Filter, Report, in_namespace

    entries = list(read_entries(globals_of(context), lock_file, profiles, settings).values())
    namespaces = _listed(namespaces)
    wanted = Filter(level, namespaces, frozenset(map(str.upper, _listed(codes))))
    sources = {str(e.id): source_of(e) for e in entries if is_code(e)}
    selected = _selected(sources, {str(e.id): e for e in entries}, namespaces)
    compiled = [e for e in entries if is_compiled(e) and in_namespace(str(e.id), namespaces)]
    report = Report.of(_findings(entries, selected, rules), len(selected) + len(compiled), wanted)
    if as_json:
        click.echo(report.json(limit))
    elif summary:
        click.echo(report.summary())
    else:
        click.echo(report.text(sources, limit, colour=not no_color and sys.stdout.isatty()))
    failure = report.failure()
    if failure is not None:
        raise invalid(failure)
    return 0


def _listed(values: Sequence[str]) -> tuple[str, ...]:
    """The items of a flag that may be repeated and may take several with commas."""
    return tuple(item.strip() for text in values for item in text.split(",") if item.strip())


def _selected(sources: Mapping[str, bytes], entries: Mapping[str, Entry], namespaces: Sequence[str]) -> list[str]:
    """The entries of the wanted namespaces and everything they import."""
    from wippy.compute.lua_entries import imports_of
    from wippy.lua.lint.report import in_namespace

    waiting = [entry_id for entry_id in sources if in_namespace(entry_id, namespaces)]
    chosen: dict[str, None] = {}
    while waiting:
        entry_id = waiting.pop()
        if entry_id in chosen or entry_id not in sources:
            continue
        chosen[entry_id] = None
        waiting += imports_of(entries[entry_id]).values()
    return sorted(chosen)


def _findings(entries: Sequence[Entry], selected: Sequence[str], rules: bool) -> list[Diagnostic]:
    from wippy.compute.lua_entries import DeclaredModules, lint_entry
    from wippy.lua.lint.diagnostics import finding
    from wippy.lua.lint.rules import check_entry

    by_id = {str(e.id): e for e in entries}
    modules = DeclaredModules()
    found: list[Diagnostic] = []
    for entry_id in selected:
        entry = by_id[entry_id]
        try:
            found += check_entry(lint_entry(entry, by_id.get, modules), rules=rules)
        except Error as e:
            found.append(finding(entry_id, "M0002", e.message, 1, 1))
    return found
