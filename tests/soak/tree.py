"""A supervised tree under load: branches (services) keep named workers, feeders (services) send them numbered messages.

A message counts as accepted when `send` answered true. A worker wants the numbers of every feeder without a gap; at the
end each feeder compares what it sent to a worker that lives with what that has read.
"""

from __future__ import annotations

from apps.guest import App

BRANCHES, WORKERS, FEEDERS = 3, 6, 3
RESTART = {"initial_delay": "5ms", "max_delay": "20ms", "jitter": 0}

WORKER = """
    local read, inbox = {}, process.inbox()
    local wanted = process.listen("control", { message = true })
    while true do
      local r = channel.select({ inbox:case_receive(), wanted:case_receive() })
      local m = r.value
      local from, data = m:from(), m:payload():data()
      if data == "count" then
        process.send(from, "counted", { pid = process.pid(), n = read[from] or 0 })
      elseif data == "crash" then
        error("told to", 0)
      elseif data ~= (read[from] or 0) + 1 then
        events.send("chaos", "lost", process.pid(), { after = read[from] or 0, came = data })
      end
      if math.type(data) then read[from] = data end
    end
"""
BRANCH = """
    local number, workers = ...
    local ok, err = process.registry.register("branch." .. number)
    if not ok then events.send("chaos", "leak", "branch." .. number, tostring(err)) end
    process.set_options({ trap_links = true })
    local children, ev = {}, process.events()
    local function start(name)
      local spawner = process.with_context({}):with_name(name)
      local pid, err = spawner:spawn_linked_monitored("app:worker", "app:host")
      if not pid then error(err) end
      if children[pid] then events.send("chaos", "leak", name, "its holder was to be dead") end
      children[pid] = name
    end
    for i = 1, workers do start("worker." .. number .. "." .. i) end
    while true do
      local e = ev:receive()
      if e.kind == process.event.CANCEL then
        for pid in pairs(children) do process.terminate(pid) end
        return
      end
      local name = children[e.from]
      if e.kind == process.event.EXIT and name then
        if process.registry.lookup(name) == e.from then events.send("chaos", "leak", name, "held after EXIT") end
        children[e.from] = nil
        events.send("chaos", "restart", name)
        start(name)
      end
    end
"""
FEEDER = """
    local number, branches, workers = ...
    process.registry.register("feeder." .. number)
    local sent, total, ev, control = {}, 0, process.events(), process.listen("stop")
    local counted = process.listen("counted")
    local function pressed()
      return channel.select({ ev:case_receive(), control:case_receive(), default = true })
    end
    while true do
      local r = pressed()
      if r.channel == ev then return end
      if r.channel == control then break end
      for _ = 1, 20 do
        local pid = process.registry.lookup("worker." .. math.random(branches) .. "." .. math.random(workers))
        if pid and process.send(pid, "work", (sent[pid] or 0) + 1) then
          sent[pid] = (sent[pid] or 0) + 1
          total = total + 1
        end
      end
      coroutine.yield()
      if total % 1000 < 20 then time.sleep("1ms") end
    end
    local checked, wrong = 0, 0
    for pid, n in pairs(sent) do
      if process.send(pid, "work", "count") then
        local r = channel.select({ counted:case_receive(), time.after("5s"):case_receive() })
        checked = checked + n
        if r.channel ~= counted or r.value.pid ~= pid or r.value.n ~= n then wrong = wrong + 1 end
      end
    end
    events.send("chaos", "verdict", "feeder." .. number, { sent = total, checked = checked, wrong = wrong })
    ev:receive()
"""
KILLER = """
    local branches, workers, feeders = ...
    local control, killed = process.listen("stop"), 0
    while true do
      local pause = time.after(math.random(1, 4) .. "ms")
      if channel.select({ control:case_receive(), pause:case_receive() }).channel == control then return killed end
      local dice, name = math.random(100), "worker." .. math.random(branches) .. "." .. math.random(workers)
      local ok
      if dice == 1 then ok = process.terminate("branch." .. math.random(branches))
      elseif dice == 2 then ok = process.terminate("feeder." .. math.random(feeders))
      elseif dice < 30 then ok = process.send(name, "control", "crash")
      else ok = process.terminate(name) end
      if ok then killed = killed + 1 end
    end
"""


def tree(threads: int) -> App:
    app = App(workers=threads).process("worker", WORKER).process("killer", KILLER)
    for i in range(1, BRANCHES + 1):
        app.service(f"branch{i}", BRANCH, input=[i, WORKERS], auto_start=False, restart=RESTART)
    for i in range(1, FEEDERS + 1):
        app.service(f"feeder{i}", FEEDER, input=[i, BRANCHES, WORKERS], auto_start=False, restart=RESTART)
    return app


SERVICES = [f"app:branch{i}.service" for i in range(1, BRANCHES + 1)] + [
    f"app:feeder{i}.service" for i in range(1, FEEDERS + 1)
]
NAMES = (
    [f"branch.{i}" for i in range(1, BRANCHES + 1)]
    + [f"feeder.{i}" for i in range(1, FEEDERS + 1)]
    + [f"worker.{i}.{j}" for i in range(1, BRANCHES + 1) for j in range(1, WORKERS + 1)]
)
