"""Input and output of programs: nothing is lost, nothing is buffered, nobody hangs (spec 03 §12, §14)."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from services.exec.programs import app, python, run


def test_large_output_is_read_without_loss() -> None:
    body = """
    local p = ex:exec((...))
    local out = p:stdout_stream()
    p:start()
    local total = 0
    while true do
      local c = out:read(100000)
      if not c then break end
      total = total + #c
    end
    return { total, p:wait() }"""
    assert run(body, python("import sys; sys.stdout.write('x' * 5000000)")) == [5_000_000, 0]


def test_a_program_that_writes_faster_than_we_read_has_to_wait(tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    code = f"""
import os
for i in range(100):
    os.write(1, b'x' * 10000)
    open('{progress}', 'w').write(str(i))
"""
    script = tmp_path / "fast.py"
    script.write_text(code)
    body = """
    local p = ex:exec((...))
    local out = p:stdout_stream()
    p:start()
    out:read(1)
    time.sleep("300ms")
    local n = tonumber((fs.get("app:files"):readfile("progress")))
    return { n, #all(out), p:wait() }"""
    found = app(body).add("files", "fs.directory", directory=str(tmp_path))
    written, total, status = found.call("f", f"{sys.executable} {script}")
    assert written < 30
    assert (total, status) == (999_999, 0)


def test_input_and_output_larger_than_pipes_pass_through() -> None:
    body = """
    local p = ex:exec("cat")
    local out, done = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function()
      p:write_stdin(("x"):rep(1000000))
      p:write_stdin("")
      done:send(true)
    end)
    local text = all(out)
    done:receive()
    return { #text, p:wait() }"""
    assert run(body) == [1_000_000, 0]


@pytest.mark.parametrize("ask", ["", "p:stdout_stream()", "p:stdout_stream() p:stderr_stream()"])
def test_wait_returns_although_nobody_reads(ask: str) -> None:
    body = f"local p = ex:exec((...)) {ask} p:start() return p:wait()"
    code = "import sys; sys.stdout.write('x' * 1000000); sys.stderr.write('y' * 1000000)"
    began = time.monotonic()
    assert run(body, python(code)) == 0
    assert time.monotonic() - began < 8


def test_wait_returns_although_reading_stopped() -> None:
    body = "local p = ex:exec((...)) local out = p:stdout_stream() p:start() out:read(10) return p:wait()"
    assert run(body, python("import sys; sys.stdout.write('x' * 1000000)")) == 0


def test_a_reader_beside_wait_loses_nothing() -> None:
    body = """
    local p = ex:exec((...))
    local out, got = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function() got:send(#all(out)) end)
    local code = p:wait()
    return { code, (got:receive()) }"""
    assert run(body, python("import sys; sys.stdout.write('x' * 3000000)")) == [0, 3_000_000]


def test_a_program_whose_output_nobody_wants_goes_on() -> None:
    body = """
    local p = ex:exec((...))
    p:start()
    for _ = 1, 500 do
      time.sleep("10ms")
      if not p:signal(18) then return "ended" end
    end
    return "hangs" """
    assert run(body, python("import sys; sys.stdout.write('x' * 500000)")) == "ended"


def test_a_reading_that_waits_ends_when_the_stream_is_closed() -> None:
    body = """
    local p = ex:exec("sleep 30")
    local out, result = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function() result:send(tostring(select(2, out:read()))) end)
    time.sleep("20ms")
    out:close()
    local text = result:receive()
    p:close(true)
    return text"""
    assert run(body) == "stream is closed"


def test_several_coroutines_may_wait() -> None:
    body = """
    local p, codes = ex:exec("sh -c 'sleep 0.1; exit 3'"), channel.new(2)
    p:start()
    for _ = 1, 2 do coroutine.spawn(function() codes:send(p:wait()) end) end
    return { codes:receive(), (codes:receive()) }"""
    assert run(body) == [3, 3]


def test_a_scanner_over_output() -> None:
    body = """
    local p = ex:exec("printf 'a b\\\\nc'")
    local sc, words = p:stdout_stream():scanner("words"), {}
    p:start()
    while sc:scan() do words[#words + 1] = sc:text() end
    return words"""
    assert run(body) == ["a", "b", "c"]
