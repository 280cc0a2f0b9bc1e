"""`wippy top`: what a running node is doing, from its control socket."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from wippy.cli.options import CONTROL, Verb

BETWEEN = 0.5  # seconds between the two looks of a one-shot: the first only begins to measure
PLAIN_WIDTH = 100


@click.command(cls=Verb)
@click.argument("path", required=False, type=click.Path(path_type=Path), default=CONTROL)
@click.option("--once", is_flag=True, help="Print the table once and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures once, as JSON.")
@click.option(
    "--sort", type=click.Choice(["cpu", "memory", "mailbox"]), default="cpu", show_default=True, help="Largest first."
)
@click.option(
    "-n", "--lines", type=click.IntRange(1, 1000), default=100, show_default=True, help="The most processes to show."
)
def top(path: Path, once: bool, as_json: bool, sort: str, lines: int) -> int:
    """Show what a running node is doing: processes, hosts, services.

    The node must have been started with `wippy run --control`. PATH is its control socket, by default that of the
    project in the current directory. Without a terminal the table is printed once.

    \b
    Examples:
      wippy top
      wippy top --once --sort memory
    """
    from wippy.services.control.client import Control

    with Control(path) as control:
        if as_json or once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            _print_once(control, sort, lines, as_json=as_json)
            return 0
        from wippy.cli.top_screen import show

        show(control, sort, lines)
        return 0


def _print_once(control: Any, sort: str, lines: int, *, as_json: bool) -> None:
    from wippy.cli.output import as_json as json_text
    from wippy.cli.top_view import Snapshot, plain

    first = Snapshot(control.ask("overview", sort=sort, limit=lines))
    time.sleep(BETWEEN)
    second = Snapshot(control.ask("overview", sort=sort, limit=lines), first)
    if as_json:
        shown = [{**p, "percent": second.percent(p)} for p in second.ordered(sort)]
        click.echo(json_text({**second.data, "processes": shown}))
    else:
        click.echo(plain(second, sort, PLAIN_WIDTH))
