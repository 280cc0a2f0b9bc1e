"""The program as a whole: help, errors, exit codes, start-up cost (spec 01 §18)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.program import Run
from wippy.cli import main as main_module
from wippy.cli.main import VERBS, wippy
from wippy.cli.options import Globals, globals_of, parse_memory
from wippy.core.errors import Error, invalid


def test_no_arguments_print_banner_and_help(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "") and out.startswith("wippy: ") and "Commands:" in out and "registry" in out


HELPED = ["init", "version", "registry", "registry list", "registry show", "add", "install", "update", "remove"]
HELPED += ["search", "show", "readme", "publish", "auth", "auth login", "auth logout", "auth status", "hub"]
HELPED += ["hub serve", "hub yank", "hub token", "hub token create", "hub token list", "hub token revoke"]


@pytest.mark.parametrize("verb", [words.split() for words in HELPED])
def test_every_help_says_what_it_does_and_shows_two_examples(run: Run, verb: list[str]) -> None:
    code, out, _ = run(*verb, "--help")
    examples = [line for line in out.splitlines() if line.startswith("    wippy ")]
    assert code == 0 and len(examples) >= 2 and "Global flags:" in out and "--config" in out


def test_summaries_of_the_table_belong_to_commands_that_exist() -> None:
    context = click.Context(wippy)
    assert all(wippy.get_command(context, name) is not None for name in VERBS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "Error: No such option"),
        (["init", "--nope"], "Try 'wippy init --help'."),
        (["nope"], "Error: No such command 'nope'."),
        (["registry", "show"], "Missing argument"),
        (["version", "extra"], "unexpected extra argument"),
        (["version", "-m", "lots"], 'invalid memory limit "lots"'),
    ],
)
def test_errors_are_one_message_on_stderr_and_exit_one(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert code == 1 and out == "" and err.startswith("Error: ") and message in err


def test_global_flags_stand_anywhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Globals] = []

    @click.command(cls=main_module.LazyGroup, verbs={})
    def nothing() -> None:
        pass

    from wippy.cli import version as module

    original = module.version.callback
    assert original is not None

    def callback(short: bool) -> None:
        seen.append(globals_of(click.get_current_context()))
        original(short=short)

    monkeypatch.setattr(module.version, "callback", callback)
    assert run("--config", "a.yaml", "-v", "version", "--short", "--config", "b.yaml", "-m", "2G").code == 0
    (flags,) = seen
    assert flags.config == (Path("a.yaml"), Path("b.yaml"))
    assert flags.verbose and flags.memory_limit == 2 << 30 and flags.has_log_flags
    assert flags.flag_leaves() == {"logmanager.min_level": -1}


def test_console_flag_leaves_the_prefix_out(run: Run) -> None:
    assert run("-c", "registry", "show", "x").err.endswith("entry not found: x\n")
    assert "Error:" not in run("-c", "registry", "show", "x").err


def test_traceback_only_with_debug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from wippy.cli import version as module

    def broken(short: bool) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(module.version, "callback", broken)
    plain, debug = run("version"), run("version", "--debug")
    assert plain.code == 1 and plain.err == "Error: KeyError: 'surprise' (run with --debug for the traceback)\n"
    assert "Traceback (most recent call last)" in debug.err and debug.err.endswith(plain.err)

    def rejected(short: bool) -> None:
        raise invalid("app:x (k) at a.yaml:1: no")

    monkeypatch.setattr(module.version, "callback", rejected)
    assert run("version").err == "Error: app:x (k) at a.yaml:1: no\n"


def test_memory_limits() -> None:
    assert [parse_memory(text) for text in ("512", "1K", "3mb", "2GB", "1T")] == [512, 1024, 3 << 20, 2 << 30, 1 << 40]
    for text in ("", "G", "-1G", "1.5G", "0"):
        with pytest.raises(Error):
            parse_memory(text)


def test_version(run: Run) -> None:
    short = run("version", "--short").out.strip()
    assert short.count(".") == 2 and run("version").out.startswith(f"wippy {short} (Python 3.")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, wippy.cli.main; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'rich", "'yaml", "'msgspec", "'asyncio", "'lupa", "'logging", "'wippy.registry", "'wippy.project"):
        assert heavy not in loaded, heavy


def test_a_reader_that_leaves_is_no_traceback(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from wippy.cli.main import main; main(['--help'])"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait() in (0, 1) and "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_init_writes_a_lock_and_no_directories(run: Run, tmp_path: Path) -> None:
    assert run("init").out == "Wrote wippy.lock (src: ./src, modules: .wippy)\n"
    assert (tmp_path / "wippy.lock").read_text() == "directories:\n    modules: .wippy\n    src: ./src\n"
    assert [path.name for path in tmp_path.iterdir()] == ["wippy.lock"]


def test_init_keeps_what_an_existing_lock_says(run: Run, tmp_path: Path) -> None:
    lock = tmp_path / "my.lock"
    lock.write_text("directories: {src: ./code}\nmodules: [{name: a/b, version: v1.0.0}]\n")
    assert run("init", "-l", "my.lock", "--modules-dir", "deps").code == 0
    text = lock.read_text()
    assert "src: ./code" in text and "modules: deps" in text and "- name: a/b" in text


def test_init_reports_a_broken_lock(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wippy.lock").write_text("modules: [{name: bad}]")
    outcome = run("init")
    assert outcome.code == 1 and outcome.err.startswith("Error: wippy.lock: ")


def test_json_output_is_json(run: Run) -> None:
    assert json.loads(run("registry", "list", "--json", "-s").out) == []
