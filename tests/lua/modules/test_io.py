"""Module io and terminals (spec 04b §17)."""

from __future__ import annotations

import asyncio
import io
import os
from typing import Any

import pytest

from lua.modules.guest import Guest, check, run
from wippy.core.errors import Error
from wippy.lua.modules.io import Terminal


class Console:
    """A terminal over memory."""

    def __init__(self, text: bytes = b"", args: tuple[str, ...] = ()) -> None:
        self.out, self.err = io.BytesIO(), io.BytesIO()
        self.terminal = Terminal(io.BytesIO(text), self.out, self.err, args)


def talk(source: str, text: bytes = b"", args: tuple[str, ...] = ()) -> tuple[Any, bytes, bytes]:
    console = Console(text, args)

    async def program(guest: Guest) -> Any:
        return await guest.process(source, terminal=console.terminal)

    result = run(program)
    return result, console.out.getvalue(), console.err.getvalue()


def test_write_print_and_eprint() -> None:
    result, out, err = talk(
        "local ok = io.write('a', 1, true, nil, 2.0) io.print('x', 'y') io.print() io.eprint('bad') "
        "return {ok, io.flush()}"
    )
    assert (result, out, err) == ([True, True], b"a1truenil2x\ty\n\n", b"bad\n")


def test_values_are_written_as_tostring_shows_them() -> None:
    _, out, _ = talk("io.print(setmetatable({}, {__tostring = function() return 'me' end}), errors.new('oops'))")
    assert out == b"me\toops\n"


def test_bytes_are_written_unchanged() -> None:
    assert talk("io.write('\\255\\0x')")[1] == b"\xff\x00x"


def test_readline_splits_lines_and_ends_with_eof() -> None:
    source = (
        "local out = {} while true do local line, e = io.readline() if not line then out[#out "
        "+ 1] = tostring(e) break end out[#out + 1] = line end return out"
    )
    assert talk(source, b"one\r\ntwo\n\nlast")[0] == ["one", "two", "", "last", "EOF"]


def test_read_and_readline_share_one_buffer() -> None:
    assert talk("local a = io.read(3) local b = io.readline() local c = io.read(0) return {a, b, c}", b"abcdef\nrest")[
        0
    ] == ["abc", "def", "rest"]


def test_arguments() -> None:
    assert talk("return io.args()", args=("a", "-b"))[0] == ["a", "-b"]


def test_raw_mode_needs_a_real_terminal() -> None:
    assert talk("local v, e = io.raw() return {v == nil, e:message()}")[0] == [True, "stdin is not a terminal"]


@pytest.mark.parametrize(
    "call", ["write('x')", "print('x')", "eprint('x')", "read()", "readline()", "flush()", "raw()"]
)
def test_outside_a_terminal_everything_is_unavailable(call: str) -> None:
    assert check(f"local v, e = io.{call} return {{v == nil, e:kind(), e:retryable(), e:message()}}") == [
        True,
        "Unavailable",
        False,
        "no terminal context",
    ]


def test_outside_a_terminal_there_are_no_arguments() -> None:
    assert check("return #io.args()") == 0


def test_input_arrives_while_other_coroutines_go_on() -> None:
    read_end, write_end = os.pipe()
    stdin = os.fdopen(read_end, "rb", buffering=0)
    terminal = Terminal(stdin, io.BytesIO(), io.BytesIO())

    async def program(guest: Guest) -> Any:
        source = (
            "local ticks = 0 coroutine.spawn(function() for i = 1, 3 do time.sleep('2ms') ticks = ticks + 1 end end) "
            "local name = io.readline() return {name, ticks}"
        )
        running = asyncio.ensure_future(guest.process(source, terminal=terminal))
        await asyncio.sleep(0.1)
        os.write(write_end, b"Ann\n")
        return await running

    try:
        assert run(program) == ["Ann", 3]
    finally:
        terminal.close()
        os.close(write_end)


def test_a_cancelled_read_loses_no_input() -> None:
    async def main() -> bytes:
        read_end, write_end = os.pipe()
        terminal = Terminal(os.fdopen(read_end, "rb", buffering=0), io.BytesIO(), io.BytesIO())
        waiting = asyncio.ensure_future(terminal.readline())
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        os.write(write_end, b"kept\n")
        os.close(write_end)
        try:
            return await terminal.readline()
        finally:
            terminal.close()

    assert asyncio.run(main()) == b"kept"


def test_raw_mode_is_counted_on_a_real_terminal() -> None:
    import pty
    import termios

    controller, terminal_end = pty.openpty()
    stdin = os.fdopen(terminal_end, "rb", buffering=0)
    terminal = Terminal(stdin, io.BytesIO(), io.BytesIO())

    def echoes() -> bool:
        return bool(termios.tcgetattr(stdin.fileno())[3] & termios.ECHO)

    assert echoes()
    terminal.raw(True)
    terminal.raw(True)
    terminal.raw(False)
    assert not echoes()
    terminal.raw(False)
    assert echoes()
    terminal.raw(True)
    terminal.close()
    assert echoes()
    os.close(controller)


def test_a_broken_output_is_an_internal_error() -> None:
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(Error) as caught:
        Terminal(io.BytesIO(), closed, closed).write(b"x")
    assert caught.value.kind == "Internal"
