"""The examples do what their pages say."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.program import wippy
from examples.pages import Shown, commands, files

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = (
    "hello",
    "functions",
    "ping-pong",
    "worker-pool",
    "supervision",
    "key-value",
    "events",
    "ten-thousand",
    "testing",
)
RUNS = [(name, shown) for name in NAMES for shown in commands(EXAMPLES / name / "README.md")]


def test_every_example_is_tested() -> None:
    found = {path.parent.name for path in EXAMPLES.glob("*/wippy.lock")}
    assert found == {*NAMES, "shop"}


@pytest.mark.parametrize("name", NAMES)
def test_page_shows_the_files_as_they_are(name: str) -> None:
    directory = EXAMPLES / name
    written = {str(path.relative_to(directory)): path.read_text() for path in sorted(directory.glob("src/*"))}
    assert files(directory / "README.md") == written


@pytest.mark.parametrize(("name", "shown"), RUNS, ids=[" ".join(shown.words) for _, shown in RUNS])
def test_commands_print_what_the_page_shows(name: str, shown: Shown) -> None:
    outcome = wippy(EXAMPLES / name, *shown.words)
    assert (outcome.code, outcome.out, outcome.err) == (0, shown.output, "")


@pytest.mark.parametrize("name", NAMES)
def test_every_page_shows_a_run(name: str) -> None:
    assert any(example == name for example, _ in RUNS)


def test_a_project_lists_its_commands() -> None:
    outcome = wippy(EXAMPLES / "hello", "run", "list")
    assert outcome.out.splitlines() == [
        "Available commands:",
        "  hello  Greet somebody (hello:main)",
        "",
        "Run with: wippy run <command>",
    ]
