"""The reference page of the command line is that of the commands as they are now."""

from __future__ import annotations

from pathlib import Path

from wippy.cli.main import VERBS
from wippy.cli.reference import page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_page_is_that_of_the_commands() -> None:
    text = page()
    assert (REFERENCE / "cli.md").read_text() == text, "run `make reference`"
    assert all(f"## wippy {verb}" in text for verb in VERBS)
