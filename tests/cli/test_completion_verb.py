"""`wippy completion`: the scripts, and the answers to shells, asked through the environment as the scripts do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from apps.program import LIMIT, WIPPY, Outcome, project, wippy

INDEX = """\
version: "1.0"
namespace: app
entries:
  - { name: terminal, kind: terminal.host }
  - { name: workers, kind: process.host }
  - { name: hello, kind: process.lua, meta: { command: { name: hello, short: Say hello } }, source: "return {}" }
  - { name: help, kind: process.lua, source: "return {}" }
  - { name: cart_test, kind: function.lua, meta: { type: test, suite: cart }, source: "return {}", method: run }
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("app"), _index=INDEX)


def ask(directory: Path, *words: str, shell: str = "bash") -> Outcome:
    """What is answered to a shell that wants to complete the last of the words."""
    position = words[-1] if shell == "fish" else str(len(words) - 1)
    line = " ".join(words)
    return wippy(directory, env={"_WIPPY_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": position})


def values(directory: Path, *words: str) -> list[str]:
    answer = ask(directory, *words)
    assert (answer.code, answer.err) == (0, "")
    return [line.removeprefix("plain,") for line in answer.out.split()]


def test_verbs_are_completed(app: Path) -> None:
    assert values(app, "wippy", "re") == ["registry", "remove", "readme"]
    assert {"run", "test", "completion", "hub"} <= set(values(app, "wippy", ""))


def test_flags_are_completed(app: Path) -> None:
    assert values(app, "wippy", "test", "--f") == ["--fail-fast"]
    assert "--profile" in values(app, "wippy", "run", "--")


def test_verbs_of_verbs_are_completed(app: Path) -> None:
    assert values(app, "wippy", "registry", "sh") == ["show"]


def test_commands_of_the_project_are_completed(app: Path) -> None:
    assert values(app, "wippy", "run", "") == ["hello", "list"]
    assert values(app, "wippy", "run", "h") == ["hello"]
    assert ask(app, "wippy", "run", "./").out == "file,./\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", "-x", ""), ["app:hello", "app:help"]),
        (("run", "-x", "app:hell"), ["app:hello"]),
        (("run", "--host", ""), ["app:terminal"]),
        (("test", "--host", "app:"), ["app:terminal"]),
        (("test", ""), ["app:cart_test"]),
        (("test", "--suite", "c"), ["cart"]),
        (("registry", "show", "app:he"), ["app:hello", "app:help"]),
        (("registry", "show", "none"), []),
        (("completion", ""), ["bash", "zsh", "fish"]),
    ],
)
def test_ids_and_names_are_completed(app: Path, words: tuple[str, ...], expected: list[str]) -> None:
    assert values(app, "wippy", *words) == expected


def test_zsh_and_fish_get_help_too(app: Path) -> None:
    assert ask(app, "wippy", "run", "h", shell="zsh").out == "plain\nhello\nSay hello\n"
    assert ask(app, "wippy", "registry", "show", "app:hell", shell="zsh").out == "plain\napp\\:hello\nprocess.lua\n"
    assert ask(app, "wippy", "run", "h", shell="fish").out == "plain,hello\tSay hello\n"


@pytest.mark.parametrize("content", [None, "directories: [", "directories: { src: ./none }", "\x00"])
def test_errors_are_silent(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "wippy.lock").write_text(content)
    (tmp_path / ".wippy.yaml").write_text("version: broken: [")
    for words in (("wippy", "run", ""), ("wippy", "run", "-x", ""), ("wippy", "registry", "show", "a")):
        answer = ask(tmp_path, *words)
        assert answer.err == "" and answer.out.strip() in ("", "plain,list")


def test_a_shell_that_asks_nonsense_gets_nothing(app: Path) -> None:
    for env in ({}, {"COMP_WORDS": "wippy run"}, {"COMP_WORDS": "wippy", "COMP_CWORD": "x"}):
        answer = wippy(app, env={"_WIPPY_COMPLETE": "bash_complete", **env})
        assert (answer.code, answer.out, answer.err) == (1, "", "")


def test_an_answer_is_fast_and_imports_no_verb(app: Path) -> None:
    ask(app, "wippy", "re")
    started = time.monotonic()
    ask(app, "wippy", "re")
    assert time.monotonic() - started < 2
    code = (
        "import sys, wippy.cli.main; print([m for m in sys.modules if m in ('wippy.runtime', 'lupa', 'wippy.cli.run')])"
    )
    done = subprocess.run(
        [str(Path(WIPPY).with_name("python")), "-c", code], capture_output=True, text=True, timeout=LIMIT
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_its_variable_and_the_program(app: Path, shell: str) -> None:
    script = wippy(app, "completion", shell)
    assert (script.code, script.err) == (0, "")
    assert f"_WIPPY_COMPLETE={shell}_complete" in script.out and "wippy" in script.out
    if shutil.which(shell) is not None:
        checked = subprocess.run([shell, "-n"], input=script.out, capture_output=True, text=True, timeout=LIMIT)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_other_shells_are_refused(app: Path) -> None:
    refused = wippy(app, "completion", "tcsh")
    assert refused.code == 1 and "'bash', 'zsh', 'fish'" in refused.err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wippy ru", "run"),
        ("wippy run -x app:he", "hello help"),
        ("wippy run --host=app:t", "terminal"),
        ("wippy run -x app:hello --verb", "--verbose"),
        ("wippy registry show ", "app:cart_test app:hello app:help app:terminal app:workers"),
        ("wippy run 'a b", ""),
    ],
)
def test_bash_completes_ids_behind_their_colon(app: Path, line: str, expected: str) -> None:
    """bash itself runs the script; it begins a new word at a colon, so only what is behind it is to be given."""
    program = (
        'source <(wippy completion bash); COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; _wippy_completion wippy;'
        ' echo "${COMPREPLY[*]}"'
    )
    path = f"{Path(WIPPY).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", line], cwd=app, capture_output=True, text=True, timeout=LIMIT,
        env={**os.environ, "PATH": path, "COMP_WORDBREAKS": " \t\n\"'><=;|&(:"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (expected + "\n", "")
