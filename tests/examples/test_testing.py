"""The tests of the example applications pass, and print what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

from apps.program import copy_of, wippy
from examples.pages import blocks

EXAMPLE = Path(__file__).parents[2] / "examples" / "testing"


def timeless(text: str) -> str:
    return re.sub(r"<1ms|\d+ms", "T", text)


def test_the_tests_of_the_example_pass_and_print_what_its_page_shows() -> None:
    outcome = wippy(EXAMPLE, "test")
    (shown,) = blocks(EXAMPLE / "README.md", "text")
    assert (outcome.code, timeless(outcome.out), outcome.err) == (0, timeless(shown), "")


def test_a_changed_discount_is_noticed(tmp_path: Path) -> None:
    directory = copy_of(EXAMPLE, tmp_path)
    source = directory / "src" / "basket.lua"
    source.write_text(source.read_text().replace("* 9 // 10", "* 11 // 10"))
    outcome = wippy(directory, "test")
    assert outcome.code == 1
    assert (
        "a basket > with many of a thing > costs less\n    assertion failed: expected less than 4500, got 4950"
        in outcome.out
    )
