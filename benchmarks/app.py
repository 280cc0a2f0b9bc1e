"""The guest programs that are measured, as entries of a small application."""

from __future__ import annotations

from typing import Any

from wippy.core.ids import EntryId
from wippy.registry.entry import Entry

PONG = """
local function main()
  local inbox = process.inbox()
  while true do
    local m = inbox:receive()
    if m:topic() == "stop" then return end
    process.send(m:from(), "pong", m:payload():data())
  end
end
return { main = main }
"""
PING = """
local function main(n)
  local peer = assert(process.spawn("bench:pong", "bench:host"))
  local inbox = process.inbox()
  for i = 1, n do
    process.send(peer, "ping", { i = i, s = "hello" })
    inbox:receive()
  end
  process.send(peer, "stop")
  return n
end
return { main = main }
"""
NOOP = "return { main = function() end }"
CHURN = """
local function main(n)
  for i = 1, n do assert(process.spawn("bench:noop", "bench:host")) end
  return n
end
return { main = main }
"""
IDLE = """
local function main() process.inbox():receive() end
return { main = main }
"""
MANY = """
local function main(n)
  for i = 1, n do assert(process.spawn("bench:idle", "bench:host")) end
  return n
end
return { main = main }
"""
CALLER = """
local funcs = require("funcs")
local function main(n)
  local sum = 0
  for i = 1, n do sum = sum + funcs.call("bench:add", i, 1) end
  return sum
end
return { main = main }
"""
ADD = "return { main = function(a, b) return a + b end }"
TICKER = """
local time = require("time")
local function main(period, count)
  local late, last = {}, 0
  local ticker = time.ticker(period * 1000000)
  local channel = ticker:channel()
  local before = time.now()
  for i = 1, count do
    channel:receive()
    local now = time.now()
    late[i] = now:sub(before):milliseconds() - period
    before = now
  end
  ticker:stop()
  return late
end
return { main = main }
"""
SPIN = "return { main = function() while true do end end }"
HELLO_HTTP = """
local http = require("http")
local function handler()
  http.response():write_json({ hello = "world", answer = 42 })
end
return { handler = handler }
"""
FIB = """
local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end
return fib(%d)
"""
TEXT = """
local parts, sum = {}, 0
for i = 1, %d do
  local s = "item" .. i
  parts[#parts + 1] = s:sub(1, 4) .. i
  sum = sum + #s
  if #parts > 1000 then
    local joined = table.concat(parts, ",")
    sum = sum + #joined
    parts = {}
  end
end
return sum
"""


def _lua(name: str, kind: str, source: str, modules: list[str] | None = None, method: str = "main") -> Entry:
    data: dict[str, Any] = {"source": source, "method": method, "modules": modules or []}
    return Entry(EntryId("bench", name), kind, {}, data)


def entries(port: int | None = None) -> list[Entry]:
    """The application; with `port` also the HTTP side."""
    started = {"auto_start": True, "stop_timeout": "100ms"}
    found = [
        Entry(EntryId("bench", "host"), "process.host", {}, {"lifecycle": started}),
        _lua("pong", "process.lua", PONG),
        _lua("ping", "process.lua", PING),
        _lua("idle", "process.lua", IDLE),
        _lua("many", "process.lua", MANY),
        _lua("noop", "process.lua", NOOP),
        _lua("churn", "process.lua", CHURN),
        _lua("caller", "process.lua", CALLER, ["funcs"]),
        _lua("ticker", "process.lua", TICKER, ["time"]),
        _lua("spin", "process.lua", SPIN),
        _lua("add", "function.lua", ADD),
        _lua("fib", "process.lua", f"return {{ main = function() {FIB % 30} end }}"),
        _lua("text", "process.lua", f"return {{ main = function() {TEXT % 1_000_000} end }}"),
    ]
    if port is not None:
        found += [
            Entry(EntryId("bench", "web"), "http.service", {}, {"addr": f"127.0.0.1:{port}", "lifecycle": started}),
            Entry(EntryId("bench", "api"), "http.router", {"server": "bench:web"}, {"prefix": "/api"}),
            _lua("hello", "function.lua", HELLO_HTTP, ["http"], "handler"),
            Entry(
                EntryId("bench", "hello.get"),
                "http.endpoint",
                {"router": "bench:api"},
                {"method": "GET", "path": "/hello", "func": "bench:hello"},
            ),
        ]
    return found
