"""Attempts made by code that a guest evaluates (spec 03 §13): an attempt's text is the source; its caller has secrets.

Options besides those of attempts.py: `modules` and `classes` are what the caller gives the code, `method` the member
that is called, `alive` says that the code sends signs of life, which must end with it. `--+ name` is a library.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from isolation.attempts import Attempt
from lua.kernel.driver import Driver, Source
from wippy.core.errors import not_found
from wippy.lua import shard as codes
from wippy.lua.bindings import Caller
from wippy.lua.modules.catalog import MODULES, Catalog
from wippy.lua.shard import Request, Shard
from wippy.lua.wire import decode
from wippy.project.config import Config
from wippy.services.catalog import MODULES as SERVICES
from wippy.services.eval.module import module as eval_runner

if TYPE_CHECKING:
    from isolation.runner import Run

PRELUDE = (
    "local neighbour, partner, given = ... "
    "local breach, refused, clean = tools.breach, tools.refused, tools.clean "
    "local function alive() return process.send(neighbour, 'alive') end "
)
CALLER = """
secret, kept = "of the caller", { "of the caller" }
local upvalue = { text = "of the caller" }
local known = {}
for name in pairs(_G) do known[name] = true end
return { main = function(neighbour, partner)
  local given = { n = 1, deep = { 1 }, f = function() return upvalue end }
  local value, err = eval_runner.run({
    source = %s, method = %s, modules = %s, allow_classes = %s, imports = { %s },
    args = { neighbour, partner, given }, custom_modules = { config = given }, context = { given = given },
  })
  tools.clean(value, "result")
  tools.clean(err, "error")
  for _, v in ipairs { secret, kept[1], upvalue.text } do
    if v ~= "of the caller" then tools.breach("secrets") end
  end
  if given.n ~= 1 or given.deep[1] ~= 1 or given.deep[2] ~= nil then tools.breach("given") end
  for name in pairs(_G) do if not known[name] then tools.breach("global " .. tostring(name)) end end
  return err and tostring(err) or "returned"
end }
"""


class _NoNode:
    """Stands for the node of service modules, of which only the classes matter."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


class Evaluating(Driver):
    """A host that serves the operations of `eval_runner`."""

    def __init__(self, entries: dict[str, Source | str], *, memory: int) -> None:
        self.config = Config()
        self.code = self
        super().__init__(entries, memory=memory)
        evaluator = eval_runner(self)  # type: ignore[arg-type]
        services = Catalog(_NoNode(), MODULES, {k: v for k, v in SERVICES.items() if k != "eval_runner"})
        self.bindings.provide(lambda name: evaluator if name == "eval_runner" else services.find(name))

    def library(self, entry_id: str) -> dict[str, Any]:
        if entry_id not in self.entries or self.entries[entry_id].method != "":
            raise not_found(f"library {entry_id} not found")
        return self.definition(entry_id)

    def _answer(self, shard: Shard, request: Request) -> None:
        if request.code != codes.OP:
            super()._answer(shard, request)
            return
        index, process, identity, entry, http, *values = decode(request.a)
        caller = Caller(self.bindings, shard.index, process, identity, entry, http)
        shard.post("complete", request.number, *asyncio.run(self.bindings.primitives[index - 1](caller, values)))


def _long(text: str) -> str:
    return f"[==========[\n{text}]==========]"


def _list(texts: list[str]) -> str:
    return "{ " + ", ".join(map(_long, texts)) + " }"


def entries_of(attempt: Attempt, library: str, modules: tuple[str, ...]) -> dict[str, Source | str]:
    """The caller of an attempt, and the libraries of the attempt."""
    listed = {name: [m for m in attempt.options.get(name, "").split(",") if m] for name in ("modules", "classes")}
    source = attempt.text if attempt.has("chunk") else PRELUDE + attempt.text
    imports = ", ".join(f'{name} = "t:{name}"' for name in ("tools", *(part.name for part in attempt.parts)))
    caller = CALLER % (
        _long(source),
        _long(attempt.options.get("method", "")),
        _list(listed["modules"]),
        _list(listed["classes"]),
        imports,
    )
    entries: dict[str, Source | str] = {
        "t:tools": Source(library, method=""),
        "t:attack": Source(caller, modules=(*modules, "eval_runner"), libraries={"tools": "t:tools"}),
    }
    for part in attempt.parts:
        entries[f"t:{part.name}"] = Source(part.text, method="", modules=tuple(part.listed("modules")))
    return entries


def still_alive(run: Run) -> None:
    """Whether the code runs on although its caller has ended."""
    run.driver.settle(lambda: False, 0.05)
    _, before = run.report()
    run.driver.settle(lambda: False, 0.1)
    _, after = run.report()
    if not before:
        run.breaches.append("it never lived")
    if after > before:
        run.breaches.append(f"its code ran on: {after - before} more messages")
