"""Declared modules at the boundary: every function gets a number, and a wrapper that converts, checks and answers.

A wrapper answers `(True, value)`, `(False, error)` or `(2, error)` (raise it); no exception reaches the guest's side.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, Protocol

from wippy.core.errors import Error, internal, not_found
from wippy.lua.modules.declare import Function, HandleClass, Module, Permission, Raised
from wippy.lua.wire import HandleRef, decode, encode, encode_list

log = logging.getLogger("wippy.lua")

Answer = tuple[bool | int, Any]
Primitive = Callable[..., Answer]


class Many(tuple[Any, ...]):
    """Several return values of a declared function."""


class Authority(Protocol):
    """Who decides about permissions (compute.identity)."""

    def permitted(self, identity: int, action: str, resource: str, attributes: dict[str, Any] | None) -> bool: ...


class Caller(NamedTuple):
    """On whose behalf a declared function runs."""

    bindings: Bindings
    shard: int
    process: int
    identity: int
    entry_id: str
    request: int

    @property
    def pid_key(self) -> tuple[int, int]:
        """Names the process on this node: the owner of its handles."""
        return (self.shard, self.process)

    def keep(self, handle_class: HandleClass, item: Any, close: Callable[[], Any] | None = None) -> HandleRef:
        """Gives the guest a handle on `item`; `close` is called when the process ends and the handle is still kept."""
        return self.bindings.handles.add(self.pid_key, self.bindings.class_number(handle_class), item, close)

    def drop(self, item: Any) -> None:
        """Forgets the handles on `item`, which its process closed itself: nothing is called when the process ends."""
        self.bindings.handles.drop(self.pid_key, item)

    def allowed(self, permission: Permission, resource: str = "", attributes: dict[str, Any] | None = None) -> bool:
        """The permission check (spec 05 §9.5). `permission` stands in the function's declaration."""
        return self.bindings.authority.permitted(
            self.identity, permission.action, permission.fixed or resource, attributes
        )

    def require(self, permission: Permission, resource: str = "", attributes: dict[str, Any] | None = None) -> None:
        """Raises the permission's denial unless it passes."""
        if not self.allowed(permission, resource, attributes):
            raise permission.refusal(permission.fixed or resource, attributes or {})


class Handles:
    """Host objects that guests hold, by owner. They go with their process (spec 04a §0)."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._items: dict[int, tuple[int, Any, Callable[[], Any] | None]] = {}
        self._owned: dict[tuple[int, int], set[int]] = {}

    def add(self, owner: tuple[int, int], class_number: int, item: Any, close: Callable[[], Any] | None) -> HandleRef:
        number = next(self._numbers)
        self._items[number] = (class_number, item, close)
        self._owned.setdefault(owner, set()).add(number)
        return HandleRef(class_number, number)

    def get(self, ref: HandleRef) -> Any:
        """The object behind a handle. Raises Error(NotFound) once its process has ended."""
        found = self._items.get(ref.number)
        if found is None or found[0] != ref.handle_class:
            raise not_found("handle is closed")
        return found[1]

    def drop(self, owner: tuple[int, int], item: Any) -> None:
        """Forgets what a process closed itself."""
        owned = self._owned.get(owner, set())
        for number in [n for n in tuple(owned) if self._items[n][1] is item]:
            owned.discard(number)
            del self._items[number]

    def release_all(self) -> list[Awaitable[None]]:
        """As `release`, for every process."""
        return [waiting for owner in list(self._owned) for waiting in self.release(owner)]

    def release(self, owner: tuple[int, int]) -> list[Awaitable[None]]:
        """Drops what a process kept; returns what is left to await of the closing."""
        waiting = []
        for number in self._owned.pop(owner, ()):
            _, _, close = self._items.pop(number)
            if close is None:
                continue
            try:
                left = close()
            except Exception:
                log.exception("closing a handle failed")
                continue
            if left is not None:
                waiting.append(left)
        return waiting

    def __len__(self) -> int:
        return len(self._items)


class Bindings:
    """The modules of a node and the numbered functions behind them."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.handles = Handles()
        self.primitives: list[Callable[..., Any]] = []
        self._specs: dict[str, dict[str, Any]] = {}
        self._classes: dict[int, int] = {}
        self._finders: list[Callable[[str], Module | None]] = []
        self._lock = threading.RLock()  # shards on threads ask for modules

    def provide(self, find: Callable[[str], Module | None]) -> None:
        """Adds a source of modules; asked in order when a guest first uses a name."""
        self._finders.append(find)

    def find(self, name: str) -> Module | None:
        return next((m for m in (find(name) for find in self._finders) if m is not None), None)

    def add_primitive(self, call: Callable[..., Any]) -> int:
        """Numbers a raw function `call(shard_index, *values)`."""
        with self._lock:
            self.primitives.append(call)
            return len(self.primitives)

    def class_number(self, handle_class: HandleClass) -> int:
        return self._classes.setdefault(id(handle_class), len(self._classes) + 1)

    def spec(self, name: str) -> dict[str, Any]:
        """What the kernel needs to build module `name`. Raises Error(NotFound) for an unknown module."""
        with self._lock:
            known = self._specs.get(name)
            if known is None:
                module = self.find(name)
                if module is None:
                    raise not_found(f'module "{name}" not found')
                known = self._specs[name] = self._bind(module)
            return known

    def _bind(self, module: Module) -> dict[str, Any]:
        return {
            "name": module.name,
            "permissions": declared_permissions(module.permissions()),
            "source": module.source.read_text("utf-8") if module.source else "",
            "constants": module.constants,
            "functions": [self._function(f, method=False) for f in module.functions.values() if not f.in_lua],
            "classes": [self._class(name, declared) for name, declared in module.handles.items() if declared.bound],
        }

    def _class(self, name: str, declared: HandleClass) -> dict[str, Any]:
        return {
            "name": declared.name,
            "short": name,
            "number": self.class_number(declared),
            "methods": [self._function(f, method=True) for f in declared.methods.values() if not f.in_lua],
        }

    def _function(self, function: Function, *, method: bool) -> dict[str, Any]:
        call: Callable[..., Any]
        if function.yields:
            mode, call = "operation", _operation(self, function, method)
        elif function.scalar and not method:
            mode, call = "scalar", _scalar(function)
        else:
            mode, call = "primitive", _primitive(self, function, method)
        self.primitives.append(call)
        params = [{"name": p.name, "type": p.type, "optional": p.optional} for p in function.signature.params]
        return {
            "name": function.signature.name,
            "index": len(self.primitives),
            "mode": mode,
            "private": function.private,
            "params": [{"name": "self", "type": "any", "optional": False}, *params] if method else params,
        }


def declared_permissions(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """Permissions for the kernel's `S.permission` (kernel/permissions.lua), one for each action."""
    by_action = {permission.action: permission for permission in permissions}
    return [
        {
            "action": permission.action,
            "denial": permission.denial,
            "kind": permission.kind,
            "fixed": permission.fixed,
            "pid": "pid" in permission.attributes,
        }
        for permission in by_action.values()
    ]


def failure(error: BaseException) -> Answer:
    """The answer for an exception: errors as they are, anything else is logged and becomes Error(Internal)."""
    status: bool | int = False
    if isinstance(error, Raised):
        status, error = 2, error.error
    if not isinstance(error, Error):
        log.error("a module function failed", exc_info=error)
        error = internal(f"{type(error).__name__}: {error}")
    try:
        return status, encode(error)
    except Error:
        return status, encode(Error(error.kind, error.message, error.retryable))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(value: Any) -> Any:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _scalar(function: Function) -> Primitive:
    """Values cross as they are; text is decoded by the declared type."""
    call = function.call
    decoded = [i for i, p in enumerate(function.signature.params) if p.type == "string"]
    wants = len(function.signature.params)

    def answer(_shard: int, *values: Any) -> Answer:
        try:
            args: list[Any] = list(values[:wants])
            for i in decoded:
                if isinstance(args[i], bytes):
                    args[i] = _text(args[i])
            return True, _bytes(call(*args))
        except Exception as e:
            return failure(e)

    return answer


def _converters(function: Function, skip: int) -> list[tuple[int, Callable[[Any], Any]]]:
    out: list[tuple[int, Callable[[Any], Any]]] = []
    for i, param in enumerate(function.signature.params):
        if param.type == "bytes":
            out.append((i + skip, _bytes))
        elif param.type == "string":
            out.append((i + skip, lambda v: _text(v) if isinstance(v, bytes) else v))
    return out


class _Call(NamedTuple):
    """What a wrapper needs to run a declared function with decoded arguments."""

    bindings: Bindings
    function: Function
    method: bool
    converters: list[tuple[int, Callable[[Any], Any]]]
    wants: int

    def arguments(self, caller: Caller, values: list[Any]) -> list[Any]:
        for i, convert in self.converters:
            if i < len(values):
                values[i] = convert(values[i])
        if not self.function.signature.variadic:
            del values[self.wants :]
        if values and isinstance(values[0], HandleRef):
            values[0] = self.bindings.handles.get(values[0])
        for i in range(1, len(values)):
            if isinstance(values[i], HandleRef):
                values[i] = self.bindings.handles.get(values[i])
        self._check(caller, values)
        return [caller, *values] if self.function.caller else values

    def _check(self, caller: Caller, values: list[Any]) -> None:
        permission = self.function.permission
        if permission is None:
            return
        resource = ""
        if permission.resource:
            names = [p.name for p in self.function.signature.params]
            resource = str(values[names.index(permission.resource) + int(self.method)])
        caller.require(permission, resource)


def _prepared(bindings: Bindings, function: Function, method: bool) -> _Call:
    skip = int(method)
    return _Call(bindings, function, method, _converters(function, skip), len(function.signature.params) + skip)


def _results(value: Any) -> bytes:
    return encode_list(value if isinstance(value, Many) else (value,))


def _primitive(bindings: Bindings, function: Function, method: bool) -> Primitive:
    prepared = _prepared(bindings, function, method)

    def answer(shard: int, process: int, identity: int, entry: bytes, request: int, body: bytes) -> Answer:
        try:
            caller = Caller(bindings, shard, process, identity, _text(entry), request)
            value = function.call(*prepared.arguments(caller, decode(body)))
            return True, None if value is None else _results(value)
        except Exception as e:
            return failure(e)

    return answer


def _operation(bindings: Bindings, function: Function, method: bool) -> Callable[..., Awaitable[Answer]]:
    prepared = _prepared(bindings, function, method)

    async def answer(caller: Caller, values: list[Any]) -> Answer:
        try:
            value = await function.call(*prepared.arguments(caller, values))
            return True, None if value is None else _results(value)
        except Exception as e:
            return failure(e)

    return answer
