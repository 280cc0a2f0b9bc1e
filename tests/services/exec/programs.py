"""Guests that run programs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from apps.guest import App

MODULES = ["exec", "time", "json", "fs"]
PRELUDE = """
local exec, time, fs = require("exec"), require("time"), require("fs")
local ex = assert(exec.get("app:shell"))
local function all(s)
  local parts = {}
  while true do
    local c, e = s:read()
    if not c then return table.concat(parts), e end
    parts[#parts + 1] = c
  end
end
"""


def app(body: str, **config: Any) -> App:
    """An application with a function of this body."""
    found = App().add("shell", "exec.native", **{"default_env": {"PATH": os.environ["PATH"]}, **config})
    source = f"{PRELUDE} return {{ main = function(...) {body} end }}"
    return found.add("f", "function.lua", source=source, method="main", modules=MODULES)


def run(body: str, *args: Any, **config: Any) -> Any:
    """What a guest gives that has the executor `ex` and `all(stream)`."""
    return app(body, **config).call("f", *args)


def python(code: str) -> str:
    """A command line that runs `code`, which has no double quotes."""
    return f'{sys.executable} -c "{code}"'


def is_running(pid: int) -> bool:
    """Whether the process runs: neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def descriptors() -> int:
    """Open ones of this OS process."""
    return len(os.listdir("/proc/self/fd"))
