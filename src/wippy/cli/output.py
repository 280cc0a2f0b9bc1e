"""How verbs print entries: tables, JSON, YAML. Numbers of files are floats inside; whole ones print without `.0`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


def presentable(value: Any) -> Any:
    """`value` with whole floats as integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: presentable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [presentable(item) for item in value]
    return value


def as_json(value: Any) -> str:
    return json.dumps(presentable(value), indent=2, ensure_ascii=False)


def as_yaml(value: Any) -> str:
    """Block style; texts of several lines as literal blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(presentable(value), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    return "\n".join(line.rstrip() for line in lines)


def warn(message: str) -> None:
    click.echo(f"Warning: {message}", err=True)
