"""The guest module `eval_runner` (spec 03 §13): what may be in a program, compiling it. module.lua runs it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wippy.compute.code import compile_source
from wippy.core.errors import Error, denied, internal, invalid, not_found
from wippy.lua.bindings import Caller
from wippy.lua.modules.catalog import LIBRARIES
from wippy.lua.modules.core import KERNEL_MODULES
from wippy.lua.modules.declare import Module, Permission
from wippy.project import settings
from wippy.services.eval.cache import Key, Program, ProgramCache

if TYPE_CHECKING:
    from wippy.compute.node import Node

NAME = "eval"
"""What stands in front of line numbers."""
BANNED = frozenset({"process", "storage", "network"})
LARGEST = 1024 * 1024
QUICK = 2048  # bytes of source that are compiled at once; more is compiled on a thread

COMPILE = Permission("eval.compile", denial="permission denied: eval.compile")
RUN = Permission("eval.run", denial="permission denied: eval.run")
MODULE = Permission("eval.module", "module", "permission denied: eval.module {resource}", attributes=("entry_id",))
IMPORT = Permission("eval.import", "id", "permission denied: eval.import {resource}", attributes=("entry_id", "alias"))
CLASS = Permission("eval.class", "class", "permission denied: eval.class {resource}", attributes=("entry_id",))


class Import(NamedTuple):
    alias: str
    id: str
    modules: list[str]


class Wanted(NamedTuple):
    """What a program wants. Without `modules` it may use every one that its classes admit."""

    method: str
    modules: list[str]
    imports: list[Import]
    classes: list[str]


def _wanted(body: dict[str, Any]) -> Wanted:
    """As module.lua gives it; an empty list of Lua's is an empty map."""
    imports = [Import(alias, entry_id, list(modules)) for alias, entry_id, modules in body["imports"]]
    return Wanted(body["method"], list(body["modules"]), imports, list(body["classes"]))


class Evaluator:
    """Checks and compiles programs."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._thread: ThreadPoolExecutor | None = None

    @cached_property
    def cache(self) -> ProgramCache:
        config = self._node.config
        size, ttl = config.get(settings.EVAL_CACHE_SIZE), config.get(settings.EVAL_CACHE_TTL)
        return ProgramCache(size, ttl.seconds, self._node.clock.monotonic)

    async def program(self, caller: Caller, source: bytes, wanted: Wanted) -> Program:
        """A program whose every part is allowed. Raises Error: PermissionDenied, NotFound, Invalid, Internal."""
        if not source:
            raise invalid("source is required")
        attributes = {"entry_id": caller.entry_id}
        for name in wanted.classes:
            caller.require(CLASS, name, attributes)
        for name in wanted.modules:
            caller.require(MODULE, name, attributes)
            self._check_class(name, wanted.classes)
        for wish in wanted.imports:
            caller.require(IMPORT, wish.id, {**attributes, "alias": wish.alias})
            self._node.code.library(wish.id)
            for name in wish.modules:
                caller.require(MODULE, name, attributes)
                self.classes(name)
        return await self._compiled(source, wanted)

    def classes(self, name: str) -> tuple[str, ...]:
        """The classes of a module. Raises Error(NotFound)."""
        if name in LIBRARIES:
            return ()
        declared = KERNEL_MODULES.get(name) or self._node.bindings.find(name)
        if declared is None:
            raise not_found(f'module "{name}" is not available')
        return declared.classes

    def _check_class(self, name: str, allowed: list[str]) -> None:
        for found in self.classes(name):
            if found in BANNED and found not in allowed:
                raise denied(f'module "{name}" has forbidden class "{found}"')

    def admit(self, caller: Caller, name: str, allowed: list[str]) -> str:
        """For programs without a list of modules: "" when one may be used, else why not. Raises Error(PermissionDenied)
        for one that the classes admit and the guest may not use."""
        try:
            self._check_class(name, allowed)
        except Error as e:
            return e.message
        caller.require(MODULE, name, {"entry_id": caller.entry_id})
        return ""

    async def _compiled(self, source: bytes, wanted: Wanted) -> Program:
        key = Key(source, wanted.method, tuple(wanted.modules), tuple(wanted.classes))
        known = self.cache.get(key)
        if known is not None:
            return known
        if len(source) > LARGEST:
            raise internal(f"compile failed: source is larger than {LARGEST} bytes")
        try:
            if len(source) <= QUICK:
                chunk = compile_source(source, NAME)
            else:
                chunk = await asyncio.get_running_loop().run_in_executor(
                    self._one_thread(), compile_source, source, NAME
                )
        except Error as e:
            raise internal(f"compile failed: {e.message}") from None
        return self.cache.put(key, chunk)

    def _one_thread(self) -> ThreadPoolExecutor:
        """Guests that compile much wait for each other, not everybody for them."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "wippy-eval")
        return self._thread


def module(node: Node) -> Module:
    """The declaration of `eval_runner` for a node."""
    eval_runner = Module(
        "eval_runner",
        "Runs code that is there only at run time, as its caller and with no more than it is given.",
        classes=("nondeterministic",),
        source=Path(__file__).with_name("module.lua"),
    )
    evaluator = Evaluator(node)

    @eval_runner.function(
        "prepare(source: bytes, wanted: table) -> table",
        caller=True,
        private=True,
        yields=True,
        permission=RUN,
        asks=(MODULE, IMPORT, CLASS),
    )
    async def prepare(caller: Caller, source: bytes, wanted: dict[str, Any]) -> dict[str, Any]:
        """What the shard needs to run a program."""
        number, chunk = await evaluator.program(caller, source, _wanted(wanted))
        return {"number": number, "code": chunk.code, "types": chunk.types}

    @eval_runner.function(
        "check(source: bytes, wanted: table) -> boolean",
        caller=True,
        private=True,
        yields=True,
        permission=COMPILE,
        asks=(MODULE, IMPORT, CLASS),
    )
    async def check(caller: Caller, source: bytes, wanted: dict[str, Any]) -> bool:
        """Compiles a program."""
        await evaluator.program(caller, source, _wanted(wanted))
        return True

    @eval_runner.function("library(id: string) -> table", private=True)
    def library(entry_id: str) -> dict[str, Any]:
        """What the shard needs to run a library."""
        return node.code.library(entry_id)

    @eval_runner.function("admit(name: string, classes: table) -> string", caller=True, private=True, asks=(MODULE,))
    def admit(caller: Caller, name: str, classes: list[str]) -> str:
        """Whether a program without a list of modules may use one."""
        return evaluator.admit(caller, name, list(classes))

    checked = (MODULE, IMPORT, CLASS)
    eval_runner.in_lua(_IN_LUA, _HANDLES_IN_LUA, {"run": (RUN, *checked), "compile": (COMPILE, *checked)})
    return eval_runner


_IN_LUA = {
    "run(config: table) -> any": "Runs code to its end; its result. Fields: source, method (a member of the table "
    "that the code returns; none: the code itself), args, modules, imports (alias to library, or to {id, modules}), "
    "context, allow_classes, custom_modules. Errors: Invalid, NotFound, PermissionDenied, Internal (compile failed, "
    "run failed), and those of the code. (yields)",
    "compile(source: string, method: string?, options: table?) -> Program": "Checks code without running it. Options: "
    "modules, imports. Errors as of run. (yields)",
}
_HANDLES_IN_LUA = {
    "Program": {
        "method() -> string": "The method it was compiled with.",
        "modules() -> table": "The modules it was compiled with.",
    },
}
