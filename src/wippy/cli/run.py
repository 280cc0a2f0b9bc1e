"""`wippy run`: starts the application; with a command or `-x`, runs one process on a terminal host and ends."""

from __future__ import annotations

from collections.abc import Sequence

import click

from wippy.cli.completing import processes, targets
from wippy.cli.options import CONTROL, Verb, configuration_options, globals_of, host_option, registry_option
from wippy.cli.run_target import LIST, ProjectTarget, Target, target_of
from wippy.cli.session import Session


@click.command(cls=Verb)
@click.argument("target", required=False, shell_complete=targets)
@click.argument("arguments", nargs=-1)
@click.option(
    "-x",
    "--exec",
    "process",
    metavar="NS:ENTRY",
    help="Run this process on a terminal host, then end.",
    shell_complete=processes(),
)
@host_option
@click.option("-o", "--override", "overrides", multiple=True, metavar="NS:ENTRY:PATH=VALUE", help="Change an entry.")
@click.option(
    "--control",
    is_flag=False,
    flag_value=str(CONTROL),
    metavar="[PATH]",
    help=f"Serve a control socket for `wippy top` [{CONTROL}].",
)
@registry_option
@configuration_options
@click.pass_context
def run(
    context: click.Context,
    target: str | None,
    arguments: tuple[str, ...],
    process: str | None,
    host: str | None,
    overrides: tuple[str, ...],
    control: str | None,
    registry: str | None,
    profiles: tuple[str, ...],
    settings: tuple[str, ...],
) -> int:
    """Run the application in the current directory, in a pack, or a module of a hub.

    Without a target it serves until SIGINT or SIGTERM: the first asks everything to finish, a second ends at once. A
    target names a command (an entry with meta.command); `wippy run list` prints them. A target that ends with .wapp is
    a pack; one like org/module or org/module@1.2 is a module: it is recorded in wippy.lock, and later runs start from
    there. The word after a pack or a module names one of its commands. Words after the command are arguments; words
    that begin with a dash follow `--`. Modules that wippy.lock names and that are not here are downloaded first.

    \b
    Examples:
      wippy run
      wippy run -x app:hello World
      wippy run migrate -- --fast
      wippy run shop-1.2.0.wapp migrate
      wippy run acme/tool@^1.2 report
    """
    words: Sequence[str] = arguments if target is None else (target, *arguments)
    chosen: Target = ProjectTarget(registry)
    if process is None:
        chosen, words = target_of(words, registry)
    session = Session(globals_of(context), chosen, profiles, settings, overrides, control)
    if process is not None:
        return session.execute(process, host, words)
    if words and words[0] == LIST and LIST not in session.application.commands:
        session.application.print_commands(chosen.name)
        return 0
    process = chosen.process(session.application, words[0] if words else None)
    return session.serve() if process is None else session.execute(process, host, words[1:])
