"""`wippy test`: runs the tests of a project, a pack or a module (spec 01 §18, spec 07b §A.2)."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wippy.cli.completing import suites as suite_names
from wippy.cli.completing import tests
from wippy.cli.options import Verb, configuration_options, globals_of, host_option, registry_option
from wippy.cli.output import as_json
from wippy.cli.run_target import Application, target_of
from wippy.cli.session import Execution, Session
from wippy.cli.test_results import INTERRUPTED, TestResults
from wippy.core.errors import Error, invalid, not_found

if TYPE_CHECKING:
    from wippy.registry.entry import Entry

TEST = "test"
PATIENCE = 3.0  # seconds the runner may take to say what it has found out, after Ctrl-C

ADD_RUNNER = """\
this application has tests ({count}, such as {example}) and nothing that runs them. Add the pack wippy/test:

    wippy add wippy/test

and to a definition file, such as src/_index.yaml:

    - name: test_dep
      kind: ns.dependency
      component: wippy/test
      version: "*"
"""


@click.command(cls=Verb, name=TEST)
@click.argument("words", nargs=-1, metavar="[TARGET] [FILTER]...", shell_complete=tests())
@click.option(
    "--suite",
    "suites",
    multiple=True,
    metavar="NAME",
    help="Run the tests of this suite. Repeatable.",
    shell_complete=suite_names,
)
@click.option("--list", "list_only", is_flag=True, help="Print the tests and run none.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first entry with a failure.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML too.")
@click.option("--json", "json_output", is_flag=True, help="Print the results as JSON, and nothing else.")
@host_option
@click.option("-o", "--override", "overrides", multiple=True, metavar="NS:ENTRY:PATH=VALUE", help="Change an entry.")
@registry_option
@configuration_options
@click.pass_context
def test(
    context: click.Context,
    words: tuple[str, ...],
    suites: tuple[str, ...],
    list_only: bool,
    fail_fast: bool,
    junit: Path | None,
    json_output: bool,
    host: str | None,
    overrides: tuple[str, ...],
    registry: str | None,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> int:
    """Run the tests of the project: the entries with meta.type "test".

    A filter is a part of an entry's id; several mean any of them. A first word that ends with .wapp is a pack, one like
    org/module or org/module@1.2 a module: their tests are run instead. The pack wippy/test brings the runner; an entry
    of your own with meta.command.use_case "test" takes its place. Exit code 1 when something failed, 130 after Ctrl-C.

    \b
    Examples:
      wippy test
      wippy test orders --suite checkout
      wippy test shop-1.2.0.wapp
      wippy test --junit build/tests.xml
    """
    target, filters = target_of(words, registry)
    session = Session(globals_of(context), target, profiles, settings, overrides)
    runner = find_runner(session.application)
    if runner is None:
        click.echo('No tests found: a test is a function with meta.type "test"')
        return 0
    flags = [word for suite in suites for word in ("--suite", suite)]
    flags += ["--list"] * list_only + ["--fail-fast"] * fail_fast + _of_module(session.application)
    run = _Run(session, str(runner.id), junit, json_output)
    return run.execute(host, [*flags, *filters])


class _Run:
    """One run of a test runner, and what is made of its results."""

    def __init__(self, session: Session, runner: str, junit: Path | None, json_output: bool) -> None:
        self._session = session
        self._runner = runner
        self._junit = junit
        self._json = json_output
        self._results = TestResults()

    def execute(self, host: str | None, words: Sequence[str]) -> int:
        sink = io.BytesIO() if self._json else None
        how = Execution(out=sink, started=self._results.follow, patience=PATIENCE, interrupted=INTERRUPTED)
        try:
            code = self._session.execute(self._runner, host, words, how)
        except Error:
            self._write(1)
            raise
        finally:
            _show_cursor()
        self._write(code)
        if self._json:
            click.echo(as_json(self._results.report(code)))
        return code

    def _write(self, code: int) -> None:
        from wippy.cli.junit import write_junit

        if self._junit is not None:
            write_junit(self._junit, self._results, self._runner, code)


def _show_cursor() -> None:
    """A runner hides it; one that failed has not brought it back."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[?25h")
        sys.stdout.flush()


def find_runner(application: Application) -> Entry | None:
    """The process that runs tests: the application's own before those of modules. None: nothing to run.

    Raises Error(Invalid) when there are several, Error(NotFound) when there are tests and none.
    """
    entries = application.loaded.entries
    found = [entry for entry in entries if is_runner(entry)]
    own = [entry for entry in found if "module" not in entry.meta] or found
    if len(own) > 1:
        names = ", ".join(sorted(str(entry.id) for entry in own))
        advice = "leave one, or take others out with disable.entries in .wippy.yaml"
        raise invalid(f"multiple test runners found ({names}): {advice}")
    if own:
        return own[0]
    tests = sorted(str(entry.id) for entry in entries if entry.meta.get("type") == TEST)
    if tests:
        raise not_found(ADD_RUNNER.format(count=len(tests), example=tests[0]).rstrip())
    return None


def is_runner(entry: Entry) -> bool:
    """Whether the entry is a command that runs tests."""
    command = entry.meta.get("command")
    return entry.kind.startswith("process.") and isinstance(command, dict) and command.get("use_case") == TEST


def _of_module(application: Application) -> list[str]:
    """The flag that keeps the tests of other modules out, when the target is a module."""
    return ["--module", application.module] if application.module else []
