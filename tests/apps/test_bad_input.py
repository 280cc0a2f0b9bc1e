"""What is wrong with a project is one clear message and exit code 1; never a Python traceback."""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path

import pytest

from apps.program import Outcome, project, wippy

TERMINAL = """\
version: "1.0"
namespace: app

entries:
  - name: terminal
    kind: terminal.host
    lifecycle: { auto_start: true }

"""
MAIN = """\
  - name: main
    kind: process.lua
    source: file://main.lua
"""
FINE = "return { main = function() end }\n"
LIBRARY = """\
  - name: {name}
    kind: library.lua
    source: return {{}}
    imports: {{ other: app:{imports} }}
"""
WEB = """\
version: "1.0"
namespace: app

entries:
  - name: web
    kind: http.service
    addr: 127.0.0.1:0
    lifecycle: { auto_start: true }

  - name: root
    kind: http.router
    meta: { server: web }
    prefix: /

  - name: handler
    kind: function.lua
    source: return { main = print }
    method: main

"""
ENDPOINT = """\
  - name: {name}
    kind: http.endpoint
    meta: {{ router: root }}
    method: GET
    path: {path}
    func: handler

"""
DATABASE = """\
version: "1.0"
namespace: app

entries:
  - name: db
    kind: db.sql.sqlite
    file: {file}
    lifecycle: {{ auto_start: true }}
"""


def failure(outcome: Outcome) -> str:
    """The message of a run that failed as it should."""
    assert outcome.code == 1, outcome
    assert "Traceback" not in outcome.err and outcome.out == ""
    lines = [line for line in outcome.err.splitlines() if not line.startswith("{")]
    assert lines and not any(line.startswith("Error: ") for line in lines[1:]), outcome.err
    assert "run with --debug" not in outcome.err
    return "\n".join(lines).removeprefix("Error: ")


def run(directory: Path, index: str, main: str = FINE, *words: str) -> str:
    project(directory, _index=index, **{"main.lua": main})
    return failure(wippy(directory, "run", *(words or ("-x", "app:main"))))


# Definition files ----------------------------------------


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("namespace: app\nentries:\n  - name: [a\n    kind: x\n", r"src/_index.yaml:4:9: .*expected ',' or '\]'"),
        ("namespace: app\nentries:\n\t- name: a\n", "src/_index.yaml:3:1: found character that cannot start any token"),
        ("namespace: app\nnamespace: b\n", 'src/_index.yaml:2:1: duplicate key "namespace"'),
        ("namespace: app\nentries: 5\n", "src/_index.yaml:2:10: `entries` must be a list"),
        ("namespace: app\nentries: [5]\n", "src/_index.yaml:2:11: an entry must be a map"),
        ("namespace: [app]\nentries: []\n", "src/_index.yaml:1:12: `namespace` must be a text"),
        ("namespace: app\nentries:\n  - kind: process.lua\n", "src/_index.yaml:3:5: an entry needs a `name`"),
        ("namespace: app\nentries:\n  - name: main\n", 'src/_index.yaml:3:5: entry "main" needs a `kind`'),
    ],
)
def test_malformed_files(tmp_path: Path, index: str, message: str) -> None:
    assert re.search(message, run(tmp_path, index))


def test_a_malformed_json_file(tmp_path: Path) -> None:
    project(tmp_path, **{"app.json": '{"namespace": "app",\n "entries": [1 2]}'})
    assert re.match(r"src/app.json:2:\d+: ", failure(wippy(tmp_path, "run")))


def test_a_missing_source_file(tmp_path: Path) -> None:
    project(tmp_path, _index=TERMINAL + MAIN)
    message = failure(wippy(tmp_path, "run"))
    assert message == "src/_index.yaml:11:13: file://main.lua: no such file or directory: src/main.lua"


def test_a_source_that_is_no_text(tmp_path: Path) -> None:
    project(tmp_path, _index=TERMINAL + MAIN)
    (tmp_path / "src" / "main.lua").write_bytes(b"return '\xff'")
    assert failure(wippy(tmp_path, "run")).startswith("src/_index.yaml:11:13: file://main.lua: not UTF-8 text")


# Entries ----------------------------------------


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            MAIN.replace("process.lua", "proces.lua"),
            'app:main (proces.lua) at src/_index.yaml:10: unknown kind "proces.lua", did you mean "process.lua"?',
        ),
        (
            MAIN + "    modules: io\n",
            'app:main (process.lua) at src/_index.yaml:12: field "modules": expected list, got text',
        ),
        (
            "  - name: main\n    kind: process.lua\n",
            'app:main (process.lua) at src/_index.yaml:9: field "source": required field is missing',
        ),
        (
            "  - name: host\n    kind: process.host\n    lifecycle:\n      auto_start: maybe\n",
            'app:host (process.host) at src/_index.yaml:12: field "lifecycle.auto_start": expected boolean, got text',
        ),
        (
            "  - name: host\n    kind: process.host\n    lifecycle: { stop_timeout: 5 }\n",
            'field "lifecycle.stop_timeout": expected a duration text such as "30s", got number 5',
        ),
        (
            MAIN + "  - name: s\n    kind: process.service\n    process: main\n    host: nope\n",
            'app:s (process.service) at src/_index.yaml:15: field "host": entry not found: app:nope',
        ),
        (
            MAIN + "  - name: s\n    kind: process.service\n    process: nope\n    host: terminal\n",
            'app:s (process.service) at src/_index.yaml:14: field "process": entry not found: app:nope',
        ),
        (
            MAIN + "    imports: { lib: app:nope }\n",
            'app:main (process.lua) at src/_index.yaml:9: node with ID app:nope not found (import "lib")',
        ),
        (
            MAIN + "    modules: [jsn]\n",
            'app:main (process.lua) at src/_index.yaml:9: module "jsn"',
        ),
        (
            MAIN + LIBRARY.format(name="a", imports="b") + LIBRARY.format(name="b", imports="a"),
            "these need each other: app:a -> app:b -> app:a",
        ),
        (
            MAIN + LIBRARY.format(name="a", imports="a"),
            "adding dependency would create a cycle: app:a -> app:a",
        ),
        (
            MAIN + "  - name: s\n    kind: process.service\n    process: main\n    host: terminal\n"
            "    lifecycle: { auto_start: true, requires: [app:nope] }\n",
            "app:nope",
        ),
    ],
)  # fmt: skip
def test_wrong_entries(tmp_path: Path, entry: str, message: str) -> None:
    assert message in run(tmp_path, TERMINAL + entry)


@pytest.mark.parametrize(
    ("source", "place", "expected"),
    [
        ("local x = 1\nlocal function main(\n  return x\nend\n", "app:main:3:3", "expected a name, found 'return'"),
        ("local x = 1\nif x then\n", "app:main:3:1", "expected 'end' (to close 'if' at line 2), found end of file"),
        ("local s = 'open\n", "app:main:1:11", ""),
        ("return {\n  main = function( end\n}\n", "app:main:2:", "expected"),
        ("local x: = 1", "app:main:1:10", "expected a type"),
        ("x = = 1", "app:main:1:5", "expected an expression"),
        ("for i = 1 do end", "app:main:1:", "expected ','"),
        ("goto nowhere", "app:main:1:", "nowhere"),
    ],
)
def test_lua_syntax_errors(tmp_path: Path, source: str, place: str, expected: str) -> None:
    message = run(tmp_path, TERMINAL + MAIN, source)
    assert message.startswith("app:main (process.lua) at src/_index.yaml:9: error: ")
    assert f"--> {place}" in message and expected in message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("return {}", 'method "main" not found in module'),
        ("return 5", 'method "main" not found in module'),
        ("error('boom')", "failed to execute script: app:main:1: boom"),
        ("return { main = function() error('boom') end }", "app:main:1: boom"),
        ("return { main = function() return nil, 'no luck' end }", "no luck"),
        ("return { main = function() require('io') end }", "app:main:1: module 'io' not found"),
    ],
)
def test_programs_that_fail(tmp_path: Path, source: str, message: str) -> None:
    assert run(tmp_path, TERMINAL + MAIN, source) == message


# Words of the command line ----------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-x", "app:main", "--host", "app:zzz"), "terminal host app:zzz not found in registry"),
        (("-x", "app:nope"), "process app:nope not found"),
        (("-x", "app:terminal"), "app:terminal (terminal.host) at src/_index.yaml:5 is not a process"),
        (("nope",), "command \"nope\" not found. Use 'wippy run list' to see available commands"),
        (("-x", "app:main", "-o", "app:zz:a=1"), 'override errors: ["app:zz:a": entry not found: app:zz]'),
        (("-x", "app:main", "-o", "zz"), 'malformed override "zz": expected namespace:entry:path=value'),
        (("-x", "app:main", "--set", "zz"), 'malformed --set "zz": expected section.path=value'),
        (("-x", "app:main", "--profile", "zz"), 'unknown profile "zz" (no profiles are defined)'),
        (("-x", "app:main", "--config", "nope.yaml"), "nope.yaml: cannot be read: No such file or directory"),
    ],
)
def test_wrong_words(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    assert run(tmp_path, TERMINAL + MAIN, FINE, *words) == message


def test_no_terminal_host(tmp_path: Path) -> None:
    message = run(tmp_path, "namespace: app\nentries:\n" + MAIN)
    assert message == "no terminal.host found in registry: add an entry of that kind"


def test_two_terminal_hosts(tmp_path: Path) -> None:
    second = "  - name: other\n    kind: terminal.host\n"
    message = run(tmp_path, TERMINAL + MAIN + second)
    assert message == "multiple terminal hosts found (app:other, app:terminal), use --host to specify"
    assert wippy(tmp_path, "run", "-x", "app:main", "--host", "app:terminal").code == 0


# Configuration and lock ----------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"\.wippy\.yaml:2:1: did not find expected node content"),
        ("version: '9'\n", r"\.wippy\.yaml: unsupported version: 9"),
        ("shutdown: {}\n", r"\.wippy\.yaml: missing version field"),
        ("version: '1.0'\na: {}\na: {}\n", r'\.wippy\.yaml:3:1: duplicate key "a"'),
        ("version: '1.0'\na: { b: '${env:WIPPY_TEST_UNSET}' }\n", "WIPPY_TEST_UNSET"),
    ],
)
def test_broken_configuration(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / ".wippy.yaml").write_text(text)
    assert re.match(f".*{message}", run(tmp_path, TERMINAL + MAIN))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "wippy.lock:2:1: did not find expected node content"),
        ("- 1\n", "wippy.lock: "),
        ("directories: 5\n", "wippy.lock: "),
        ("directories: { src: '' }\n", "wippy.lock: directories.modules and directories.src must not be empty"),
        ("modules: [{ name: x }]\n", "wippy.lock: "),
    ],
)
def test_broken_lock(tmp_path: Path, text: str, message: str) -> None:
    project(tmp_path, _index=TERMINAL + MAIN, **{"main.lua": FINE})
    (tmp_path / "wippy.lock").write_text(text)
    assert failure(wippy(tmp_path, "run", "-x", "app:main")).startswith(message)


def test_without_a_lock_the_files_of_the_directory_count(tmp_path: Path) -> None:
    project(tmp_path, _index=TERMINAL + MAIN, **{"main.lua": FINE})
    (tmp_path / "wippy.lock").unlink()
    assert wippy(tmp_path, "run", "-x", "app:main") == Outcome(0, "", "")


def test_an_empty_directory_has_nothing_to_run(tmp_path: Path) -> None:
    assert failure(wippy(tmp_path, "run", "-x", "app:main")).startswith("no terminal.host found in registry")
    assert wippy(tmp_path, "run", "list").out.startswith("No commands found.")


def test_a_source_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "wippy.lock").write_text("directories: { src: ./nowhere }\n")
    outcome = wippy(tmp_path, "run", "-x", "app:main")
    assert outcome.code == 1 and "nowhere: source directory not found" in outcome.err


# Resources ----------------------------------------


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        project(tmp_path, _index=WEB)
        message = failure(wippy(tmp_path, "run", "-o", f"app:web:addr={address}"))
    assert message == (
        f"service app:web (http.service) at src/_index.yaml:5 failed to start: "
        f"cannot listen on {address}: the address is in use"
    )


@pytest.mark.parametrize("address", ["8.8.8.8:1", "no.such.host.invalid:80"])
def test_an_address_that_is_not_ours(tmp_path: Path, address: str) -> None:
    project(tmp_path, _index=WEB)
    message = failure(wippy(tmp_path, "run", "-o", f"app:web:addr={address}"))
    assert "app:web" in message and f"cannot listen on {address}: " in message


def test_a_duplicate_route(tmp_path: Path) -> None:
    index = WEB + ENDPOINT.format(name="one", path="/x") + ENDPOINT.format(name="two", path="/x")
    message = run(tmp_path, index, FINE, "--silent")
    assert "GET /x (app:one (http.endpoint) at src/_index.yaml:20)" in message
    assert "GET /x (app:two (http.endpoint) at src/_index.yaml:27)" in message


def test_a_corrupt_database(tmp_path: Path) -> None:
    project(tmp_path, _index=DATABASE.format(file="x.db"))
    (tmp_path / "x.db").write_bytes(b"this is no database " * 100)
    message = failure(wippy(tmp_path, "run"))
    assert message.startswith("service app:db (db.sql.sqlite) at src/_index.yaml:5 failed to start: ")
    assert message.endswith("x.db: file is not a database")


def test_a_database_that_is_a_directory(tmp_path: Path) -> None:
    project(tmp_path, _index=DATABASE.format(file="src"))
    assert failure(wippy(tmp_path, "run")).endswith("src: unable to open database file")


def test_a_database_in_a_missing_directory(tmp_path: Path) -> None:
    project(tmp_path, _index=DATABASE.format(file="nowhere/x.db"))
    assert failure(wippy(tmp_path, "run")).endswith("nowhere/x.db: unable to open database file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_database_without_permission(tmp_path: Path) -> None:
    project(tmp_path, _index=DATABASE.format(file="x.db"))
    (tmp_path / "x.db").touch()
    (tmp_path / "x.db").chmod(stat.S_IWUSR)
    assert "unable to open database file" in failure(wippy(tmp_path, "run"))


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    project(tmp_path, _index="namespace: app\nentries: 5\n")
    outcome = wippy(tmp_path, "run", "--debug")
    assert outcome.code == 1 and "Traceback (most recent call last)" in outcome.err
    assert outcome.err.rstrip().endswith("Error: src/_index.yaml:2:10: `entries` must be a list")
