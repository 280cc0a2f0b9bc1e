"""A small way of writing guest applications in tests.

    app = App()
    app.process("echo", '''
        local m = process.inbox():receive()
        process.send(m:from(), "echo", m:payload():data())
    ''')
    assert app.run('''
        process.send(spawn("echo"), "hi", 42)
        return process.inbox():receive():payload():data()
    ''') == 42

A body is the inside of `main`, with its arguments as `...`; a text that defines `main` itself is taken as the whole
file. Every module of MODULES is a global. `spawn(name, ...)` and its variants are short for
`process.spawn("app:" .. name, "app:host", ...)`.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from wippy import Runtime
from wippy.core.ids import EntryId
from wippy.project.config import Config
from wippy.registry.entry import Entry

T = TypeVar("T")

MODULES = ["ctx", "events", "funcs", "json", "logger", "time"]
LIMIT = 20.0  # seconds after which a test program counts as hung

PRELUDE = """\
local function started(pid, err) if err then error(err) end return pid end
local function spawn(name, ...) return started(process.spawn("app:" .. name, "app:host", ...)) end
local function spawn_monitored(name, ...) return started(process.spawn_monitored("app:" .. name, "app:host", ...)) end
local function spawn_linked(name, ...) return started(process.spawn_linked("app:" .. name, "app:host", ...)) end
local function within(ch, limit)
  local r = channel.select({ ch:case_receive(), time.after(limit or "5s"):case_receive() })
  if r.channel == ch then return r.value, r.ok end
  return nil, "timeout"
end
"""


def source(text: str) -> str:
    """The file of a body; a text that defines `main` is one already."""
    text = textwrap.dedent(text)
    if "function main(" in text:
        return text
    return f"{PRELUDE}local function main(...)\n{textwrap.indent(text, '  ')}\nend\nreturn {{ main = main }}\n"


class App:
    """Entries of namespace `app`, with a process host `app:host` that stops at once."""

    def __init__(self, workers: int = 0) -> None:
        self.entries: list[Entry] = []
        lifecycle = {"auto_start": True, "stop_timeout": "100ms"}
        self.add("host", "process.host", host={"workers": workers}, lifecycle=lifecycle)

    def add(self, name: str, kind: str, meta: dict[str, Any] | None = None, **data: Any) -> App:
        self.entries.append(Entry(EntryId("app", name), kind, meta or {}, data))
        return self

    def process(self, name: str, body: str, *, meta: dict[str, Any] | None = None, **data: Any) -> App:
        return self.add(name, "process.lua", meta, **{"source": source(body), "modules": MODULES, **data})

    def function(self, name: str, body: str, *, meta: dict[str, Any] | None = None, **data: Any) -> App:
        given = {"source": source(body), "method": "main", "modules": MODULES, **data}
        return self.add(name, "function.lua", meta, **given)

    def service(self, name: str, body: str, *, input: list[Any] | None = None, **lifecycle: Any) -> App:
        """A process and the service that runs it: `NAME` and `NAME.service`."""
        self.process(name, body)
        started = {"auto_start": True, "stop_timeout": "2s", **lifecycle}
        return self.add(
            f"{name}.service", "process.service", process=name, host="host", input=input or [], lifecycle=started
        )

    def endpoint(self, route: str, body: str, *, modules: list[str] | None = None, **data: Any) -> App:
        """`endpoint("GET /users/{id}", body)` on the server of `web`; `req` and `res` are there."""
        method, _, path = route.partition(" ")
        name = f"h{len(self.entries)}"
        full = f"local req, res = http.request(), http.response()\n{textwrap.dedent(body)}"
        self.function(name, full, modules=modules or [*MODULES, "http"], **data)
        return self.add(f"{name}.route", "http.endpoint", {"router": "root"}, method=method, path=path, func=name)

    def web(self, port: int, **lifecycle: Any) -> App:
        self.add(
            "web",
            "http.service",
            addr=f"127.0.0.1:{port}",
            lifecycle={"auto_start": True, "requires": ["host"], **lifecycle},
        )
        return self.add("root", "http.router", {"server": "web"}, prefix="/")

    # Running ----------------------------------------

    def runtime(self, **settings: Any) -> Runtime:
        return Runtime(entries=self.entries, config=settings.pop("config", Config()), **settings)

    def use(self, work: Callable[[Runtime], Awaitable[T]]) -> T:
        """Runs `work` with the started application."""

        async def session() -> T:
            async with self.runtime() as runtime:
                return await asyncio.wait_for(work(runtime), LIMIT)

        return asyncio.run(session())

    def run(self, body: str, *args: Any) -> Any:
        """The result of a process with this body; raises its Error."""
        self.process("main", body)
        return self.use(lambda runtime: runtime.run_process("app:main", "app:host", *args))

    def call(self, function: str, *args: Any) -> Any:
        return self.use(lambda runtime: runtime.call(f"app:{function}", *args))
