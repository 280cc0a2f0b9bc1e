"""The stack ends inside a kernel operation, at every depth: all or nothing happens to the process at the other end."""

from __future__ import annotations

import pytest

from .driver import Driver, Source
from .invariants import INVARIANTS

LOCALS = ", ".join(f"a{i}" for i in range(180))
PADS = range(0, 190, 3)

ACTOR = f"""
local depth = 0
local function sink(n, f, peer)
  local {LOCALS}
  if n == 0 then return (f(peer)) end
  depth = depth + 1
  return (sink(n - 1, f, peer))
end
local pads = {{
  {", ".join(f"function(peer, act) local b{', b'.join(map(str, range(k + 1)))} return (act(peer)) end" for k in PADS)}
}}
local acts = {{
  mail = function(peer) return process.send(peer, "mail", {{ 1 }}) end,
  topic = function(peer) return process.send(peer, "topic", {{ 1 }}) end,
  cancel = function(peer) return process.cancel(peer, "reason") end,
}}
return {{ main = function(peer, name, pad)
  pcall(sink, 1e9)
  local act = acts[name]
  local ok, sent = pcall(sink, depth - 1, function(p) return pads[pad](p, act) end, peer)
  return ok and sent == true
end }}"""

PEER = """return { main = function()
  local inbox, topic, events_channel = process.inbox(), process.listen("topic"), process.events()
  local got = 0
  while true do
    local r = channel.select { inbox:case_receive(), topic:case_receive(), events_channel:case_receive() }
    if r.channel == inbox and r.value:topic() == "report" then
      print("GOT " .. got)
      got = 0
    else
      got = got + 1
    end
  end
end }"""
WAITER = """return { main = function()
  local inbox, got = process.inbox(), 0
  while true do
    if inbox:receive():topic() == "report" then
      print("GOT " .. got)
      got = 0
    else
      got = got + 1
    end
  end
end }"""


@pytest.mark.parametrize(
    ("peer_kind", "act"), [("peer", "mail"), ("peer", "topic"), ("peer", "cancel"), ("waiter", "mail")]
)
def test_operation_at_the_end_of_the_stack_is_done_or_not(peer_kind: str, act: str) -> None:
    driver = Driver({"t:actor": Source(ACTOR), "t:peer": PEER, "t:waiter": WAITER})
    peer = driver.start(f"t:{peer_kind}")
    driver.idle()
    outcomes = set()
    for pad in range(1, len(PADS) + 1):
        sent = driver.value("t:actor", peer, act, pad)
        driver.idle()
        assert driver.lua(INVARIANTS) is None
        driver.deliver(peer, "report")
        driver.until(lambda: bool(driver.printed()))
        got = int(driver.printed()[-1].split()[1])
        driver.logs.clear()
        assert got == 1 if sent else got <= 1
        outcomes.add(sent)
    assert outcomes == {True, False}
