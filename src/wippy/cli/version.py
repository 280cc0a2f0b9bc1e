"""`wippy version`."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from wippy.cli.options import Verb


@click.command(cls=Verb)
@click.option("--short", is_flag=True, help="Only the number.")
def version(short: bool) -> None:
    """Print the version of wippy and of what it runs on.

    \b
    Examples:
      wippy version
      wippy version --short
    """
    number = metadata.version("wippy")
    click.echo(number if short else f"wippy {number} (Python {platform.python_version()}, {platform.platform()})")
