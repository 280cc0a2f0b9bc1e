"""A process that does what it is told, and notes in the log what it sees: the guest side of test_actor_model.

An operation is a list: its name, then its arguments. Processes are named by labels ("p0"); `known` maps them to PIDs.
Each note is one line of JSON: [label, number, what, ...].

    born PID                              its main has begun
    begin I NAME, done I RESULT TEXT      one operation of a script; RESULT is true, false or a text
    mail TOPIC LABEL N FROM               a message
    event KIND FROM DETAIL HOLDERS LATE   an event; who holds the names at that moment, and whether its sender took mail
"""

from __future__ import annotations

from typing import Any

Operation = list[Any]
NAMES = ("n0", "n1", "n2")
EXIT, LINK_DOWN, CANCEL = "pid.exit", "pid.link.down", "pid.cancel"
VARIANTS = ("spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored")
ENDINGS = {"exit": "V:{}", "fail": "E:Internal:{}", "raise": "E:Internal:{}", "fault": "E:Conflict:{}"}
TERMINATED, LINKED = "E:Internal:process terminated", "E:Internal:linked process failed"

PUPPET = """
local known, label, script = ...
known[label] = process.pid()
local noted = 0
local function note(...)
  noted = noted + 1
  print(json.encode({ label, noted, ... }))
end

local HOST, SELF = "%(host)s", process.id()
local perform = {}
function perform.spawn(variant, child, ops)
  local pid, err = process[variant](SELF, HOST, known, child, ops)
  known[child] = pid
  return pid, err
end
function perform.spawn_named(variant, child, ops, name, n)
  local spawner = process.with_context({}):with_name(name)
  spawner = spawner:with_message("m", { label, n }):with_message("t", { label, n })
  return spawner[variant](spawner, SELF, HOST, known, child, ops)
end
function perform.send(to, topic, n) return process.send(known[to] or to, topic, { label, n }) end
function perform.cancel(to, reason) return process.cancel(known[to] or to, reason) end
for _, verb in ipairs({ "link", "unlink", "monitor", "unmonitor", "terminate" }) do
  perform[verb] = function(to) return process[verb](known[to] or to) end
end
function perform.trap(on) return process.set_options({ trap_links = on }) end
function perform.register(name, to) return process.registry.register(name, known[to]) end
function perform.unregister(name) return process.registry.unregister(name) end
function perform.lookup(name) return process.registry.lookup(name) end
function perform.pause() coroutine.yield() return true end
function perform.upgrade() process.upgrade("", known, label, {}) end

local ending = {
  exit = function(text) return text end,
  fail = function(text) return nil, text end,
  raise = function(text) error(text, 0) end,
  fault = function(text) return nil, errors.new({ message = text, kind = errors.CONFLICT, retryable = true }) end,
}

-- The operation that ends this process, or nothing.
local function act(ops)
  for i, op in ipairs(ops) do
    note("begin", i, op[1])
    if ending[op[1]] then return op end
    local v, err = perform[op[1]](table.unpack(op, 2))
    note("done", i, v or false, err and tostring(err) or "")
  end
end

local function event(e)
  local result, holders = e.result, {}
  for i, name in ipairs(%(names)s) do holders[i] = process.registry.lookup(name) or "" end
  if not result then return note("event", e.kind, e.from, e.reason, holders, "") end
  local failed = result.error
  local detail = failed and "E:" .. failed:kind() .. ":" .. failed:message() or "V:" .. tostring(result.value)
  local _, late = process.send(e.from, "m", { label, 0 })
  note("event", e.kind, e.from, detail, holders, late and tostring(late) or "taken")
end

local function live()
  note("born", process.pid())
  local last = act(script)
  if last then return last end
  local inbox, topic, events = process.inbox(), process.listen("t", { message = true }), process.events()
  while not last do
    local r = channel.select({ topic:case_receive(), inbox:case_receive(), events:case_receive() })
    if r.channel == events then
      event(r.value)
    elseif r.value:topic() == "do" then
      local told = r.value:payload():data()
      for k, pid in pairs(told.known) do known[k] = pid end
      last = act(told.ops)
    else
      local data = r.value:payload():data()
      note("mail", r.value:topic(), data[1], data[2], r.value:from())
    end
  end
  return last
end
local last = live()
return ending[last[1]](last[2])
"""


def puppet(host: str) -> str:
    """The body of the puppet's main; its processes start on `host`."""
    names = "{ " + ", ".join(f'"{name}"' for name in NAMES) + " }"
    return PUPPET % {"host": host, "names": names}
