"""`wippy run --control` and `wippy top`, as users run them: one-shot, as JSON, and in a real terminal (tmux)."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.program import LIMIT, WIPPY, eventually, project, wippy

INDEX = """\
version: "1.0"
namespace: app
entries:
  - name: host
    kind: process.host
    lifecycle: {auto_start: true, stop_timeout: 100ms}
  - {name: busy, kind: process.lua, source: file://busy.lua, modules: [time]}
  - {name: stuck, kind: process.lua, source: file://stuck.lua, modules: [time]}
  - name: busy.service
    kind: process.service
    process: busy
    host: host
    lifecycle: {auto_start: true, stop_timeout: 100ms}
  - name: stuck.service
    kind: process.service
    process: stuck
    host: host
    lifecycle: {auto_start: true, stop_timeout: 100ms}
"""
BUSY = """\
local time = require("time")
local function main()
  while true do
    local n = 0
    for i = 1, 100000 do n = n + i % 7 end
    time.sleep("5ms")
  end
end
return { main = main }
"""
STUCK = """\
local time = require("time")
local function main()
  process.registry.register("clogged")
  local keep = table.create(5000)
  for i = 1, 5000 do keep[i] = { i } end
  for i = 1, 7 do process.send(process.pid(), "tick", { i = i }) end
  while true do
    time.sleep("1m")
  end
  return keep
end
return { main = main }
"""


@contextlib.contextmanager
def running(directory: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([WIPPY, "run", *words], cwd=directory, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    directory = project(tmp_path, _index=INDEX, **{"busy.lua": BUSY, "stuck.lua": STUCK})
    with running(directory, "--control"):
        eventually(lambda: wippy(directory, "top", "--json").code == 0)
        yield directory


def test_without_control_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    directory = project(tmp_path, _index=INDEX, **{"busy.lua": BUSY, "stuck.lua": STUCK})
    outcome = wippy(directory, "top")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: no runtime serves .wippy/run/control.sock")
    assert "wippy run --control" in outcome.err and "Traceback" not in outcome.err


def test_once_prints_the_table(served: Path) -> None:
    for words in (("--once",), ()):  # without a terminal it is the same
        outcome = wippy(served, "top", *words)
        assert (outcome.code, outcome.err) == (0, "")
        lines = outcome.out.splitlines()
        assert lines[0].startswith("wippy ") and "2 processes" in lines[0]
        assert lines[1].split() == ["PID", "ENTRY", "STATE", "CPU%", "MEM", "MAIL"]
        assert "app:busy" in lines[2] and "app:stuck (clogged)" in lines[3]
        assert "\x1b" not in outcome.out
        assert any(line.startswith("host app:host: 2 on 1") for line in lines)
        assert any(line.startswith("services: ") and "app:busy.service running" in line for line in lines)
    (first,) = wippy(served, "top", "--once", "--sort", "mailbox", "-n", "1").out.splitlines()[2:3]
    assert "app:stuck" in first and first.endswith(" 7")


def test_json_gives_the_figures(served: Path) -> None:
    found = json.loads(wippy(served, "top", "--json").out)
    by_entry = {p["entry"]: p for p in found["processes"]}
    assert set(by_entry) == {"app:busy", "app:stuck"}
    assert by_entry["app:busy"]["percent"] > 1 > by_entry["app:stuck"]["percent"]
    assert by_entry["app:stuck"]["mailbox"] == 7 and by_entry["app:stuck"]["memory"] > 100_000
    assert found["hosts"][0]["id"] == "app:host" and len(found["services"]) == 3


def test_another_path_can_be_chosen(tmp_path: Path) -> None:
    directory = project(tmp_path, _index=INDEX, **{"busy.lua": BUSY, "stuck.lua": STUCK})
    with running(directory, "--control=sockets/top"):
        eventually(lambda: wippy(directory, "top", "sockets/top", "--json").code == 0)


def test_a_bad_place_for_the_socket_is_one_line(tmp_path: Path) -> None:
    directory = project(tmp_path, _index=INDEX, **{"busy.lua": BUSY, "stuck.lua": STUCK})
    directory.joinpath("open").mkdir(mode=0o755)
    outcome = wippy(directory, "run", "--control=open/s")
    assert outcome.code == 1 and outcome.err.count("\n") == 1 and "must be yours alone" in outcome.err


# In a terminal ----------------------------------------


class Terminal:
    """A tmux server of its own, with one window."""

    def __init__(self, width: int, height: int) -> None:
        self._name = f"wippy-{uuid.uuid4().hex}"
        self._size = ("-x", str(width), "-y", str(height))

    def _tmux(self, *words: str) -> str:
        # -f: no configuration of the user's; -u: the terminal speaks UTF-8
        command = ["tmux", "-u", "-f", "/dev/null", "-L", self._name, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT).stdout

    def start(self, directory: Path, *words: str) -> None:
        command = f"cd {shlex.quote(str(directory))} && {shlex.join(words)}; echo ended with $?; exec sleep 60"
        self._tmux("new-session", "-d", *self._size, "sh", "-c", command)

    def screen(self, *options: str) -> str:
        return self._tmux("capture-pane", "-p", *options)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def shows(self, *texts: str) -> str:
        """The screen once it shows all the texts."""

        def look() -> str | None:
            screen = self.screen()
            return screen if all(text in screen for text in texts) else None

        try:
            return str(eventually(look))
        except AssertionError:
            raise AssertionError(f"not on the screen: {texts}\n{self.screen()}") from None

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._name, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        if os.environ.get("WIPPY_REQUIRE_SERVICES") == "1":
            pytest.fail("tmux is not installed (apt-get install tmux)")
        pytest.skip("tmux is not installed: the screens of `wippy top` cannot be looked at")
    made = Terminal(80, 24)
    yield made
    made.close()


def first_row(screen: str) -> str:
    return screen.splitlines()[2]


def test_the_table_in_a_terminal_of_80_columns(served: Path, terminal: Terminal) -> None:
    terminal.start(served, WIPPY, "top")
    screen = terminal.shows("app:busy", "app:stuck (clogged)", "services:", "q quit")
    lines = screen.splitlines()
    assert len(lines) == 24 and all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("wippy ") and "2 processes" in lines[0] and "by cpu" in lines[0]
    assert lines[1].split() == ["PID", "ENTRY", "STATE", "CPU%", "MEM", "MAIL"]
    assert lines[-1].startswith("q quit  c cpu  m memory  b mailbox")
    assert "host app:host: 2 on 1" in screen
    eventually(lambda: "app:busy" in first_row(terminal.screen()) and " - " not in first_row(terminal.screen()))

    terminal.press("b")
    assert first_row(terminal.shows("by mailbox")).rstrip().endswith(" 7")
    terminal.press("m")
    assert "app:stuck" in first_row(terminal.shows("by memory"))
    terminal.press("c")
    assert "app:busy" in first_row(terminal.shows("by cpu"))

    terminal.press("q")
    terminal.shows("ended with 0")


def test_one_process_with_its_stack_and_mailbox(served: Path, terminal: Terminal) -> None:
    terminal.start(served, WIPPY, "top", "--sort", "mailbox")
    terminal.shows("by mailbox", "app:stuck")
    terminal.press("Down")
    eventually(lambda: any(x.startswith("\x1b[7m{") and "app:busy" in x for x in terminal.screen("-e").splitlines()))
    terminal.press("Up")
    eventually(lambda: not any(x.startswith("\x1b[7m{") for x in terminal.screen("-e").splitlines()))
    terminal.press("Enter")
    screen = terminal.shows("esc back")
    for part in ("entry     app:stuck", "names     clogged", "mailbox   7 unread", "7 ", "tick", "main:",
                 'app:stuck:8  time.sleep("1m")'):  # fmt: skip
        assert part in screen
    terminal.press("Escape")
    terminal.shows("by mailbox", "PID")
    terminal.press("Down")
    terminal.press("Enter")
    terminal.shows("entry     app:busy")
    terminal.press("q")
    terminal.shows("ended with 0")


def test_the_terminal_may_change_its_size(served: Path, terminal: Terminal) -> None:
    terminal.start(served, WIPPY, "top")
    terminal.shows("app:busy")
    for width, height in ((40, 6), (120, 40), (20, 3)):
        terminal.resize(width, height)
        terminal.shows("wippy ")
    terminal.resize(100, 30)
    terminal.shows("app:busy", "q quit")
    terminal.press("q")
    terminal.shows("ended with 0")


@pytest.mark.parametrize("kind", ["vt100", "xterm"])
def test_simple_terminals_will_do(served: Path, terminal: Terminal, kind: str) -> None:
    terminal.start(served, "env", f"TERM={kind}", "LC_ALL=POSIX", WIPPY, "top")
    terminal.shows("app:busy", "q quit")
    terminal.press("q")
    terminal.shows("ended with 0")


def test_a_terminal_that_cannot_place_text_gets_one_line(served: Path, terminal: Terminal) -> None:
    terminal.start(served, "env", "TERM=nonsense", WIPPY, "top")
    assert "Traceback" not in terminal.shows("this terminal cannot show a table", "ended with 1")


def test_when_the_runtime_ends_top_ends_with_one_line(tmp_path: Path, terminal: Terminal) -> None:
    directory = project(tmp_path, _index=INDEX, **{"busy.lua": BUSY, "stuck.lua": STUCK})
    with running(directory, "--control") as process:
        eventually(lambda: wippy(directory, "top", "--json").code == 0)
        terminal.start(directory, WIPPY, "top")
        terminal.shows("app:busy")
        process.send_signal(signal.SIGTERM)
        screen = terminal.shows("Error: the runtime has ended", "ended with 1")
    assert "Traceback" not in screen
