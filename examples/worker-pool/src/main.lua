-- Three workers share nine jobs. All of them are coroutines of this one process and talk through channels.
local io = require("io")
local time = require("time")

type Job = {number: integer, size: integer}
type Outcome = {number: integer, worker: integer, answer: integer}

local WORKERS, JOBS = 3, 9

local function work(worker: integer, jobs, outcomes)
  while true do
    local job, open = jobs:receive()
    if not open then return end
    time.sleep("5ms")
    outcomes:send({ number = job.number, worker = worker, answer = job.size * job.size })
  end
end

local function main()
  local jobs, outcomes = channel.new(0), channel.new(JOBS)
  for worker = 1, WORKERS do
    coroutine.spawn(function() work(worker, jobs, outcomes) end)
  end

  for number = 1, JOBS do
    jobs:send({ number = number, size = number * 10 }) -- waits until a worker is free
  end
  jobs:close()

  local answers: {integer} = {}
  local busy: {[integer]: boolean} = {}
  for _ = 1, JOBS do
    local outcome = outcomes:receive()
    answers[outcome.number] = outcome.answer
    busy[outcome.worker] = true
  end
  io.print("answers: " .. table.concat(answers, " "))
  io.print("workers that helped: " .. #busy)
end

return { main = main }
