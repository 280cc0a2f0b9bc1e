"""Who runs when: tasks of one process, and processes beside each other (spec 03 §19.1-5)."""

from __future__ import annotations

from .driver import Driver

SPIN = "while true do end"


def test_sibling_is_never_interrupted_between_suspension_points(driver: Driver) -> None:
    body = """
        local shared, done = 0, channel.new(4)
        for i = 1, 4 do
          coroutine.spawn(function()
            for j = 1, 50 do
              local before = shared
              for k = 1, 20000 do end
              shared = before + 1
              coroutine.yield()
            end
            done:send(true)
          end)
        end
        for i = 1, 4 do done:receive() end
        return shared"""
    for _ in range(3):
        driver.start(driver.define(SPIN))
    pid = driver.start(driver.define(body))
    driver.until(lambda: pid in driver.exits, 20)
    assert driver.exits[pid] == (200, None)


def test_spawned_task_runs_up_to_its_first_suspension(driver: Driver) -> None:
    body = """
        local log = {}
        coroutine.spawn(function() log[#log + 1] = "task" coroutine.yield() log[#log + 1] = "task again" end)
        log[#log + 1] = "main"
        coroutine.yield()
        return table.concat(log, ", ")"""
    assert driver.do(body) == "task, main, task again"


def test_yield_lets_the_other_tasks_run_first(driver: Driver) -> None:
    body = """
        local log = {}
        for i = 1, 3 do coroutine.spawn(function() for j = 1, 2 do log[#log + 1] = i coroutine.yield() end end) end
        coroutine.yield() coroutine.yield()
        return log"""
    assert driver.do(body) == [1, 2, 3, 1, 2, 3]


def test_spinning_processes_share_the_time(driver: Driver) -> None:
    counter = driver.define("local n = 0 while true do n = n + 1 if n % 1000 == 0 then count = n end end")
    pids = [driver.start(counter) for _ in range(4)]
    driver.settle(lambda: False, 0.3)
    counts = [driver.lua("local S, pid = ... return S.find_process(pid).env.count or 0", pid.encode()) for pid in pids]
    assert min(counts) > 0
    assert max(counts) < 4 * min(counts)


def test_message_beside_spinning_processes_is_answered_soon(driver: Driver) -> None:
    for _ in range(4):
        driver.start(driver.define(SPIN))
    echo = driver.start(
        driver.define("local i = process.inbox() while true do local m = i:receive() process.send(m:from(), 'x') end")
    )
    body = """
        local echo, inbox, worst = ..., process.inbox(), 0
        for i = 1, 50 do
          local a = time.now()
          process.send(echo, "x")
          inbox:receive()
          local ms = time.now():sub(a):milliseconds()
          if ms > worst then worst = ms end
        end
        return worst"""
    assert driver.do(body, echo) < 50


def test_completions_resume_tasks_in_the_order_they_come(driver: Driver) -> None:
    f = driver.define("time.sleep((...) * 1000000) return (...)", pool=4)
    body = """
        local f, order, done = ..., {}, channel.new(3)
        for _, ms in ipairs { 6, 2, 4 } do
          coroutine.spawn(function() local v = funcs.call(f, ms) order[#order + 1] = v done:send(true) end)
        end
        for i = 1, 3 do done:receive() end
        return order"""
    assert driver.do(body, f) == [2, 4, 6]


def test_turn_ends_in_time_beside_endless_work(driver: Driver) -> None:
    for _ in range(20):
        driver.start(driver.define(SPIN))
    driver.longest_turn = 0
    driver.settle(lambda: False, 0.2)
    assert driver.longest_turn < 0.05


def test_suspension_works_in_pcall_metamethods_iterators_and_coroutines(driver: Driver) -> None:
    body = """
        local function wait() time.sleep("1ms") return 1 end
        local n = 0
        local ok, v = pcall(wait)
        n = n + v
        local o = setmetatable({}, { __index = wait, __add = wait, __lt = function() wait() return true end,
          __call = wait, __len = wait })
        n = n + o.x + (o + 1) + o() + #o + (o < o and 1 or 0)
        for i in function(_, i) wait() i = (i or 0) + 1 if i <= 2 then return i end end do n = n + i end
        n = n + coroutine.wrap(function() return coroutine.wrap(wait)() end)()
        local t = { 3, 1, 2 }
        table.sort(t, function(a, b) wait() return a < b end)
        return { n, t[1], (("a"):gsub("a", function() wait() return "b" end)) }"""
    assert driver.do(body) == [10, 1, "b"]


def test_slice_goes_on_where_it_was_cut(driver: Driver) -> None:
    driver.start(driver.define(SPIN))
    body = "local n = 0 for i = 1, 3000000 do n = n + i % 7 end return n"
    pid = driver.start(driver.define(body))
    driver.until(lambda: pid in driver.exits, 20)
    assert driver.exits[pid][0] == sum(i % 7 for i in range(1, 3000001))


def test_recursion_ends_as_an_error_that_can_be_caught(driver: Driver) -> None:
    body = (
        "local function f(n) return 1 + f(n + 1) end local ok, e = pcall(f, 1) return { ok, e:match('stack overflow') }"
    )
    assert driver.do(body) == [False, "stack overflow"]
    deep = "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(5000)"
    assert driver.do(deep) == 5000
