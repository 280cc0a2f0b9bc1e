"""Running compiled chunks on a bare Lua 5.5 state, without the kernel."""

from __future__ import annotations

import re
from typing import NamedTuple

from lupa.lua55 import LuaRuntime

from wippy.lua.compile import compile_chunk

NAME = "app:main"

_HARNESS = r"""
local function environment(lines)
    local function out(...)
        local shown = {}
        for i = 1, select("#", ...) do
            local v = select(i, ...)
            local kind = type(v)
            shown[i] = (kind == "table" or kind == "function") and kind or tostring(v)
        end
        lines[#lines + 1] = table.concat(shown, " ")
    end
    local env = setmetatable({out = out}, {__index = _G})
    env._G = env
    return env
end
local function finish(lines, calls, ok, problem)
    if not ok then lines[#lines + 1] = "error: " .. tostring(problem) end
    return table.concat(lines, "\n"), calls
end
local function join(v) return v end
-- Lua's own operators, with errors at the line of the guest.
local function operator(f)
    return function(a, b)
        local ok, v = pcall(f, a, b)
        if ok then return v end
        error(type(v) == "string" and v:gsub("^[^:]+:%d+: ", "") or v, 2)
    end
end
local operators = {
    div = operator(function(a, b) return a // b end), mod = operator(function(a, b) return a % b end),
    band = operator(function(a, b) return a & b end), bor = operator(function(a, b) return a | b end),
    bxor = operator(function(a, b) return a ~ b end), bnot = operator(function(a) return ~a end),
    shl = operator(function(a, b) return a << b end), shr = operator(function(a, b) return a >> b end),
    list = function(t) return t end,
}
local function compiled(code, name, limit, budget)
    local factory, message = load(code, "=" .. name, "t", {})
    if not factory then return "load: " .. message, 0 end
    local lines, calls = {}, 0
    local function slow()
        calls = calls + 1
        if limit and calls > limit then error("out of ticks", 0) end
        return budget
    end
    local chunk = factory(environment(lines), slow, {}, join, operators)
    local ok, problem = pcall(chunk)
    return finish(lines, calls, ok, problem)
end
local function refusal(code, name)
    local _, message = load(code, "=" .. name, "t", {})
    return message
end
local function plain(code, name)
    local lines = {}
    local chunk, message = load(code, "=" .. name, "t", environment(lines))
    if not chunk then return "load: " .. message, 0 end
    local ok, problem = pcall(chunk)
    return finish(lines, 0, ok, problem)
end
return compiled, plain, refusal
"""

_compiled, _plain, _refusal = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True).execute(_HARNESS)


class Outcome(NamedTuple):
    """What a chunk passed to `out`, a line a call, then its error if it failed; and how often ticks ran out."""

    text: str
    slow_calls: int


def run(source: bytes | str, limit: int | None = None, budget: int = 1_000_000) -> Outcome:
    """Compile and run a chunk; after `limit` calls of the slow function it is stopped with `out of ticks`."""
    code = compile_chunk(_bytes(source), NAME).code
    return Outcome(*_compiled(code, NAME, limit, budget))


def run_plain(source: bytes | str) -> str:
    """Run a chunk of plain Lua 5.5 as it is."""
    return str(_plain(_bytes(source), NAME)[0])


def output(source: bytes | str) -> str:
    return run(source).text


def _bytes(source: bytes | str) -> bytes:
    return source.encode() if isinstance(source, str) else source


def loader_refusal(source: bytes) -> str | None:
    """Lua's own complaint about the code emitted for a chunk, None if it loads."""
    return _refusal(compile_chunk(source, NAME).code, NAME)


def nameless(text: str) -> str:
    """Without the variables that Lua names in its errors: operands that go through a function lose them."""
    return re.sub(r" \((local|global|upvalue|field|constant|method) '[^']*'\)", "", text)
