"""`wippy schema`: JSON Schema for editors, of definition files and of `.wippy.yaml`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wippy.cli.options import Verb


def _definitions() -> dict[str, Any]:
    from wippy.schema.fields import kinds
    from wippy.schema.json_schema import definition_files

    return definition_files(kinds())


def _configuration() -> dict[str, Any]:
    from wippy.schema.json_schema import runtime_configuration

    return runtime_configuration()


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {"definitions": _definitions, "config": _configuration}


@click.command(cls=Verb)
@click.argument("what", type=click.Choice(sorted(SCHEMAS)), default="definitions")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to a file instead.")
def schema(what: str, output: Path | None) -> None:
    """Print the JSON Schema of definition files, or of .wippy.yaml.

    It knows the kinds of this installation with their fields, those of installed extensions included. In an editor with
    the YAML language server, this first line of a file is enough:

    \b
      # yaml-language-server: $schema=.wippy/definitions.json

    \b
    Examples:
      wippy schema --output .wippy/definitions.json
      wippy schema config
    """
    text = json.dumps(SCHEMAS[what](), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
