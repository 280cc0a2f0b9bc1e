"""Guests that evaluate code."""

from __future__ import annotations

from typing import Any

from apps.guest import App

LIBRARY = """
local Counter = {}
Counter.__index = Counter
function Counter:add(n) self.n = self.n + (n or 1) return self.n end
local M = { name = "shapes" }
function M.counter(n) return setmetatable({ n = n }, Counter) end
function M.twice(f, v) return f(f(v)) end
function M.now() return type(require("time").now()) end
function M.hidden() return process.pid() end
function M.set(v) kept = v end
function M.get() return kept end
function M.extra() return hash and hash.md5("x") end
return M
"""


def app(config: str) -> App:
    """A function `run` that evaluates the configuration and gives value, kind and text."""
    found = App().add("shapes", "library.lua", source=LIBRARY, modules=["time"])
    found.add("broken", "library.lua", source="error('no library')")
    found.function("named", "return ctx.get('who')")
    body = f"""
    local v, e = eval_runner.run({config})
    return {{ value = v, kind = e and e:kind(), text = e and tostring(e), retryable = e and e:retryable() }}"""
    return found.function("run", body, modules=["eval_runner", "ctx", "funcs", "time"])


def run(config: str) -> Any:
    """What the evaluated code gives; (kind, text) when it fails."""
    found = app(config).use(lambda runtime: runtime.call("app:run"))
    return (found["kind"], found["text"]) if "kind" in found else found.get("value")
