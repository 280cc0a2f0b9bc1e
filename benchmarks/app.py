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
CONTRACT_CALLER = """
local contract = require("contract")
local function main(n)
  local adder, sum = contract.open("bench:adder"), 0
  for i = 1, n do sum = sum + adder:add(i, 1) end
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


def lua(name: str, kind: str, source: str, modules: list[str] | None = None, method: str = "main") -> Entry:
    data: dict[str, Any] = {"source": source, "method": method, "modules": modules or []}
    return Entry(EntryId("bench", name), kind, {}, data)


def entries(port: int | None = None) -> list[Entry]:
    """The application; with `port` also the HTTP side."""
    started = {"auto_start": True, "stop_timeout": "100ms"}
    found = [
        Entry(EntryId("bench", "host"), "process.host", {}, {"lifecycle": started}),
        lua("pong", "process.lua", PONG),
        lua("ping", "process.lua", PING),
        lua("idle", "process.lua", IDLE),
        lua("many", "process.lua", MANY),
        lua("noop", "process.lua", NOOP),
        lua("churn", "process.lua", CHURN),
        lua("caller", "process.lua", CALLER, ["funcs"]),
        lua("contract_caller", "process.lua", CONTRACT_CALLER, ["contract"]),
        Entry(EntryId("bench", "adding"), "contract.definition", {}, {"methods": [{"name": "add"}]}),
        Entry(
            EntryId("bench", "adder"),
            "contract.binding",
            {},
            {"contracts": [{"contract": "bench:adding", "methods": {"add": "bench:add"}}]},
        ),
        lua("ticker", "process.lua", TICKER, ["time"]),
        lua("spin", "process.lua", SPIN),
        lua("add", "function.lua", ADD),
        lua("fib", "process.lua", f"return {{ main = function() {FIB % 30} end }}"),
        lua("text", "process.lua", f"return {{ main = function() {TEXT % 1_000_000} end }}"),
    ]
    if port is not None:
        found += [
            Entry(EntryId("bench", "web"), "http.service", {}, {"addr": f"127.0.0.1:{port}", "lifecycle": started}),
            Entry(EntryId("bench", "api"), "http.router", {"server": "bench:web"}, {"prefix": "/api"}),
            lua("hello", "function.lua", HELLO_HTTP, ["http"], "handler"),
            Entry(
                EntryId("bench", "hello.get"),
                "http.endpoint",
                {"router": "bench:api"},
                {"method": "GET", "path": "/hello", "func": "bench:hello"},
            ),
        ]
    return found


def large_source(number: int) -> str:
    """A realistic module of about 3 KB: functions, records, loops, texts."""
    return "\n".join(LARGE.replace("NUMBER", str(number * 10 + part)) for part in range(3))


LARGE = """
type OrderNUMBER = {id: integer, user: string, total: number, lines: {{sku: string, quantity: integer}}}

local function total_NUMBER(order: OrderNUMBER): number
  local sum = 0
  for _, line in ipairs(order.lines) do
    if line.quantity <= 0 then goto continue end
    sum = sum + line.quantity * 10
    ::continue::
  end
  return sum
end

local function describe_NUMBER(order: OrderNUMBER, options: {verbose: boolean?}): string
  local parts = { "order " .. order.id, "user " .. order.user }
  if options.verbose then
    for i, line in ipairs(order.lines) do
      table.insert(parts, string.format("%d: %s x %d", i, line.sku, line.quantity))
    end
  end
  return table.concat(parts, "\\n")
end

local function retry_NUMBER(attempts: integer, f: () -> (any, error?)): (any, error?)
  local last
  for attempt = 1, attempts do
    local ok, value = pcall(f)
    if ok then return value end
    last = value
    while attempt > 100 do attempt = attempt - 1 end
  end
  local message = "gave up after " .. attempts .. " attempts: " .. tostring(last)
  return nil, errors.new({ message = message, kind = errors.UNAVAILABLE })
end
_ = { total_NUMBER, describe_NUMBER, retry_NUMBER }
"""


def many_entries(count: int) -> list[Entry]:
    """An application of `count` functions with sources of their own."""
    return [
        lua(f"f{i}", "function.lua", large_source(i) + "\nreturn { main = function() return 1 end }")
        for i in range(count)
    ]
