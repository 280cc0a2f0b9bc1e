"""Data as YAML that our own reader reads back unchanged: what it could take for something else is quoted."""

from __future__ import annotations

import re
from typing import Any

from wippy.project.yaml import plain

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*\Z")


def block_yaml(value: Any) -> str:
    """Block style; texts of several lines as literal blocks where YAML can. Whole floats print without `.0`."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))

    def number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
        if value.is_integer() and abs(value) < 1e15:
            return dumper.represent_scalar("tag:yaml.org,2002:int", str(int(value)))
        return yaml.SafeDumper.represent_float(dumper, value)

    Dumper.add_representer(str, text)
    Dumper.add_representer(float, number)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)


def _style(value: str) -> str | None:
    if "\n" in value and value.isascii() and not value.startswith((" ", "\t", "\n")):
        return "|"
    return None if _PLAIN.match(value) and isinstance(plain(value), str) else '"'
