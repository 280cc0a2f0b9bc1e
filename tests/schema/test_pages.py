"""The generated reference pages: complete, and as the declarations are now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import inspect as shapes

from wippy.project import settings
from wippy.project.settings import SETTINGS
from wippy.schema.fields import Kind, fields, kinds, structs
from wippy.schema.pages import configuration_page, kinds_page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_pages_are_those_of_the_declarations() -> None:
    assert (REFERENCE / "kinds.md").read_text() == kinds_page(kinds())
    assert (REFERENCE / "configuration.md").read_text() == configuration_page()


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_kind_and_every_field_says_what_it_means(kind: Kind) -> None:
    assert kind.summary
    blocks = structs([shapes.type_info(kind.config)]) if kind.config is not None else []
    assert [f"{block.__name__}.{field.name}" for block in blocks for field in fields(block) if not field.summary] == []


def test_every_setting_says_what_it_means() -> None:
    assert all(setting.summary for setting in SETTINGS.values())


def test_a_setting_has_an_effect_exactly_if_it_says_so() -> None:
    """Read somewhere by its name in settings.py, or marked as accepted only."""
    source = Path(settings.__file__)
    names = {id(value): name for name, value in vars(settings).items() if isinstance(value, settings.Setting)}
    texts = [path.read_text() for path in source.parents[1].rglob("*.py") if path != source]
    wrong = []
    for setting in SETTINGS.values():
        name = names.get(id(setting))
        read = name is not None and any(re.search(rf"\bsettings\.{name}\b", text) for text in texts)
        if read != setting.used:
            wrong.append(setting.key)
    assert wrong == []
