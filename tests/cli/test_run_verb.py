"""`wippy run` of commands and processes: arguments, output, exit codes (spec 01 §18)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from apps.program import LIMIT, WIPPY, Outcome, project, wippy

INDEX = """\
version: "1.0"
namespace: app

entries:
  - name: terminal
    kind: terminal.host
    lifecycle: { auto_start: true }

  - name: processes
    kind: process.host
    lifecycle: { auto_start: true }

  - name: main
    kind: process.lua
    meta: { command: { name: tell, short: Tell something } }
    source: file://main.lua
    modules: [io, logger, json]

  - name: child
    kind: process.lua
    source: return { main = function() return "from the child" end }
"""


def run(directory: Path, body: str, *words: str) -> Outcome:
    source = f'local io = require("io")\nlocal function main(...)\n{body}\nend\nreturn {{ main = main }}\n'
    project(directory, _index=INDEX, **{"main.lua": source})
    return wippy(directory, "run", *words)


@pytest.mark.parametrize(
    ("body", "code", "out", "err"),
    [
        ("", 0, "", ""),
        ("return nil", 0, "", ""),
        ("return {}", 0, "", ""),
        ("return 'a text'", 0, "a text\n", ""),
        ("return 0", 0, "", ""),
        ("return 3", 3, "", ""),
        ("return 3.9", 3, "", ""),
        ("return 0/0", 1, "", ""),
        ("return true", 0, "", ""),
        ("return false", 1, "", ""),
        ("return nil, 'no luck'", 1, "", "no luck\n"),
        ("return 5, errors.new({ message = 'bad', kind = errors.INVALID })", 1, "", "bad\n"),
        ("error('raised', 0)", 1, "", "raised\n"),
        ("io.print('out') io.eprint('err') return 2", 2, "out\n", "err\n"),
    ],
)
def test_the_result_becomes_the_exit_code(tmp_path: Path, body: str, code: int, out: str, err: str) -> None:
    assert run(tmp_path, body, "tell") == Outcome(code, out, err)


ARGUMENTS = "io.print(select('#', ...), ...) io.print(table.concat(io.args(), '|'))"


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("tell",), "0\n\n"),
        (("tell", "a", "b c"), "2\ta\tb c\na|b c\n"),
        (("-x", "app:main", "a", "1"), "2\ta\t1\na|1\n"),
        (("tell", "--", "--fast", "-x"), "2\t--fast\t-x\n--fast|-x\n"),
        (("tell", "--host", "app:terminal", "ü"), "1\tü\nü\n"),
    ],
)
def test_words_are_text_arguments(tmp_path: Path, words: tuple[str, ...], out: str) -> None:
    assert run(tmp_path, ARGUMENTS, *words) == Outcome(0, out, "")


def test_an_unknown_flag_is_an_error(tmp_path: Path) -> None:
    outcome = run(tmp_path, ARGUMENTS, "tell", "--nope")
    assert outcome.code == 1 and "No such option" in outcome.err and outcome.out == ""


def test_logs_do_not_mix_with_output(tmp_path: Path) -> None:
    body = "require('logger'):info('a log line') io.print('output')"
    assert run(tmp_path, body, "tell") == Outcome(0, "output\n", "")
    verbose = run(tmp_path, body, "-v", "tell")
    assert verbose.out == "output\n" and "a log line" in verbose.err


def test_standard_input_is_read(tmp_path: Path) -> None:
    body = "while true do local line, err = io.readline() if err then return end io.print('<' .. line .. '>') end"
    project(
        tmp_path, _index=INDEX, **{"main.lua": f'local io = require("io")\nreturn {{ main = function() {body} end }}\n'}
    )
    done = subprocess.run(
        [WIPPY, "run", "tell"], cwd=tmp_path, input="one\ntwo\nlast", capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stdout) == (0, "<one>\n<two>\n<last>\n")


def test_a_command_uses_the_hosts_of_the_project(tmp_path: Path) -> None:
    assert run(tmp_path, "return process.exec('app:child', 'app:processes')", "tell").out == "from the child\n"


def test_other_processes_have_no_terminal(tmp_path: Path) -> None:
    project(
        tmp_path,
        _index=INDEX.replace(
            'return { main = function() return "from the child" end }', "file://child.lua\n    modules: [io]"
        ),
    )
    (tmp_path / "src" / "child.lua").write_text(
        "return { main = function() local _, e = io.print('x') return e:message() end }"
    )
    (tmp_path / "src" / "main.lua").write_text(
        "return { main = function() return process.exec('app:child', 'app:processes') end }"
    )
    assert wippy(tmp_path, "run", "tell").out == "no terminal context\n"


def test_run_list_shows_the_commands(tmp_path: Path) -> None:
    outcome = run(tmp_path, "", "list")
    assert outcome.code == 0
    assert outcome.out == "Available commands:\n  tell  Tell something (app:main)\n\nRun with: wippy run <command>\n"


LOGS_AND_ENDS = """\
namespace: app
entries:
  - { name: processes, kind: process.host, lifecycle: { auto_start: true } }
  - name: main
    kind: process.lua
    modules: [logger, system]
    source: return { main = function() logger:info("here") system.exit(0) end }
  - { name: service, kind: process.service, process: main, host: processes, lifecycle: { auto_start: true } }
"""


@pytest.mark.parametrize(("encoding", "is_json"), [("json", True), ("console", False)])
def test_the_encoding_of_the_log_is_what_the_configuration_says(tmp_path: Path, encoding: str, is_json: bool) -> None:
    project(tmp_path, _index=LOGS_AND_ENDS)
    code, _, err = wippy(tmp_path, "run", "--set", f"logger.encoding={encoding}")
    (line,) = [line for line in err.splitlines() if "here" in line]
    assert code == 0 and line.startswith("{") is is_json
