"""How a guest module is declared: once, with typed signatures, permissions and class tags.

    hash = Module("hash", "Digests of byte strings.", classes=("encoding", "security", "deterministic"))

    @hash.function("md5(data: bytes, raw: boolean?) -> string")
    def md5(data: bytes, raw: bool | None) -> bytes: ...

From the declaration come the guest's function with its argument checks, the way its values cross the boundary, the
permission check, and the reference page. A function declared `yields=True` is a coroutine function: the guest's task is
suspended until it is done. An `Error` that the function raises is what the guest receives as `nil, err`; wrapped in
`Raised` it is raised in the guest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from wippy.core.errors import PERMISSION_DENIED, Error

F = TypeVar("F", bound=Callable[..., Any])

_FIELD = re.compile(r"\{(\w+)\}")

SCALARS = frozenset({"string", "bytes", "number", "integer", "boolean"})


class Raised(Exception):
    """Makes the guest see `error` as a raised error instead of a second return value."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Param(NamedTuple):
    name: str
    type: str
    optional: bool


class Signature(NamedTuple):
    """`name(data: bytes, raw: boolean?) -> string`, taken apart as far as the boundary needs it."""

    name: str
    params: tuple[Param, ...]
    variadic: bool
    returns: str
    text: str


@dataclass(frozen=True, slots=True)
class Permission:
    """One check (spec 05 §11): may the caller do `action` on a resource?

    `resource` names the argument that is the resource; a resource that is always the same is `fixed` ("" unless said
    otherwise). `attributes` are what policies find in `meta` besides. A denial is an error of `kind` with the text
    `denial`, in which `{resource}` and `{key}` stand for the resource and the attribute `key`; `raises`: the guest sees
    it raised; `filters`: what is denied is left out of the result instead; `detailed`: action and resource are details
    of the error.
    """

    action: str
    resource: str = ""
    denial: str = "not allowed: {resource}"
    kind: str = PERMISSION_DENIED
    raises: bool = False
    filters: bool = False
    fixed: str = ""
    attributes: tuple[str, ...] = ()
    detailed: bool = False

    def refusal(self, resource: str, attributes: Mapping[str, Any]) -> Exception:
        """What a function raises when the check fails."""
        shown = {**attributes, "resource": resource}
        text = _FIELD.sub(lambda field: str(shown.get(field[1], "")), self.denial)
        error = Error(self.kind, text, details={"action": self.action, "resource": resource} if self.detailed else None)
        return Raised(error) if self.raises else error

    def raising(self) -> Permission:
        """The same check where its denial is raised."""
        return replace(self, raises=True)

    def filtering(self) -> Permission:
        """The same check where what is denied is left out."""
        return replace(self, filters=True)


@dataclass(frozen=True, slots=True)
class Function:
    signature: Signature
    call: Callable[..., Any]
    yields: bool
    caller: bool
    private: bool
    permission: Permission | None
    summary: str
    asks: tuple[Permission, ...] = ()
    """Checked by the function itself."""
    in_lua: bool = False
    """Implemented by the module's Lua source or the kernel: declared for reference and linter, not bound."""

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """Everything that may be denied to its caller."""
        return ((self.permission,) if self.permission else ()) + self.asks

    @property
    def scalar(self) -> bool:
        """Whether arguments and result cross as they are, without encoding."""
        kinds = [p.type for p in self.signature.params] + [self.signature.returns]
        plain = all(kind in SCALARS for kind in kinds) and not self.signature.variadic
        return plain and not self.yields and not self.caller and not self.permissions


@dataclass(slots=True)
class HandleClass:
    """Objects of the host that guests hold: `DB`, `Statement`. Methods receive the object first."""

    name: str
    methods: dict[str, Function] = field(default_factory=dict)

    @property
    def bound(self) -> bool:
        """Whether the host keeps such objects; otherwise the module's Lua source makes them."""
        return not self.methods or not all(method.in_lua for method in self.methods.values())

    def method(
        self,
        signature: str,
        *,
        yields: bool = False,
        caller: bool = False,
        permission: Permission | None = None,
        asks: tuple[Permission, ...] = (),
    ) -> Callable[[F], F]:
        def declare(call: F) -> F:
            parsed = parse_signature(signature)
            self.methods[parsed.name] = Function(parsed, call, yields, caller, False, permission, _summary(call), asks)
            return call

        return declare


class Module:
    """A guest module: what `require(name)` gives."""

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        classes: tuple[str, ...] = (),
        source: Path | None = None,
        constants: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self.classes = classes
        self.source = source
        self.prefix = f"{name}."
        self.constants = constants or {}
        self.values: dict[str, str] = {}
        """Other values that the module's Lua source makes, and what they are."""
        self.functions: dict[str, Function] = {}
        self.handles: dict[str, HandleClass] = {}

    def function(
        self,
        signature: str,
        *,
        yields: bool = False,
        caller: bool = False,
        private: bool = False,
        permission: Permission | None = None,
        asks: tuple[Permission, ...] = (),
    ) -> Callable[[F], F]:
        """Declares a function. Its name may be dotted (`as.int`): a member of a nested table.

        `caller=True`: the implementation receives the `Caller` first. `private=True`: only the module's own Lua source
        sees it. `permission` is checked before the function runs, `asks` are those it checks itself through
        `Caller.require` or `Caller.allowed`.
        """

        def declare(call: F) -> F:
            parsed, summary = parse_signature(signature), _summary(call)
            if parsed.name in self.functions:
                raise ValueError(f"{self.name}.{parsed.name} is declared twice")
            self.functions[parsed.name] = Function(parsed, call, yields, caller, private, permission, summary, asks)
            return call

        return declare

    def members(self) -> frozenset[str]:
        """The names a guest finds in the module's table."""
        public = (name for name, function in self.functions.items() if not function.private)
        return frozenset(name.partition(".")[0] for name in (*public, *self.constants, *self.values))

    def handle(self, name: str) -> HandleClass:
        """Declares a class of handles. The class is named `module.name` in `tostring`."""
        declared = HandleClass(f"{self.name}.{name}")
        self.handles[name] = declared
        return declared

    def in_lua(
        self,
        functions: Mapping[str, str],
        handles: Mapping[str, Mapping[str, str]] | None = None,
        permissions: Mapping[str, tuple[Permission, ...]] | None = None,
    ) -> None:
        """Declares what the module's Lua source, or the kernel, implements: signatures with their summaries.

        A summary that ends with `(yields)` marks a function that suspends. `permissions`: what a function (`get`) or a
        method (`Store.get`) checks, with `S.denied` or through a private function of the host.
        """
        asked = dict(permissions or {})
        for signature, summary in functions.items():
            declared = _implemented_in_lua(signature, summary, "", asked)
            if declared.signature.name in self.functions:
                raise ValueError(f"{self.name}.{declared.signature.name} is declared twice")
            self.functions[declared.signature.name] = declared
        for name, methods in (handles or {}).items():
            handle = self.handles.get(name) or self.handle(name)
            for signature, summary in methods.items():
                declared = _implemented_in_lua(signature, summary, f"{name}.", asked)
                handle.methods[declared.signature.name] = declared
        if asked:
            raise ValueError(f"{self.name}: permissions of unknown functions: {', '.join(asked)}")

    def public(self) -> Iterator[tuple[str, Function]]:
        """What guests can call, by name: functions as `get`, methods as `Store.get`."""
        yield from ((name, f) for name, f in self.functions.items() if not f.private)
        for handle, declared in self.handles.items():
            yield from ((f"{handle}.{name}", f) for name, f in declared.methods.items())

    def permissions(self) -> tuple[Permission, ...]:
        """All checks of the module, once each."""
        methods = [f for handle in self.handles.values() for f in handle.methods.values()]
        return tuple(dict.fromkeys(p for f in [*self.functions.values(), *methods] for p in f.permissions))


def _implemented_in_lua(text: str, summary: str, prefix: str, asked: dict[str, tuple[Permission, ...]]) -> Function:
    yields = summary.endswith("(yields)")
    plain = summary.removesuffix("(yields)").rstrip()
    parsed = parse_signature(text)
    asks = asked.pop(prefix + parsed.name, ())
    return Function(parsed, _never_called, yields, False, False, None, plain, asks, in_lua=True)


def _never_called(*_: Any) -> NoReturn:
    raise NotImplementedError("implemented in Lua")


_HEAD = re.compile(r"\s*([\w.]+)\s*\(")


def parse_signature(text: str) -> Signature:
    """Takes `name(a: type, b: type?, ...any) -> result` apart."""
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"not a signature: {text!r}")
    close = _closing(text, head.end() - 1)
    params: list[Param] = []
    variadic = False
    for part in _split(text[head.end() : close]):
        if part.startswith("..."):
            variadic = True
            continue
        name, _, kind = part.partition(":")
        kind = kind.strip()
        params.append(Param(name.strip(), kind.removesuffix("?"), kind.endswith("?") or kind in ("any", "unknown")))
    returns = text[close + 1 :].partition("->")[2].strip()
    return Signature(head.group(1), tuple(params), variadic, returns, text.strip())


def _closing(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] in "({") - (text[at] in ")}")
        if depth == 0:
            return at
    raise ValueError(f"unbalanced signature: {text!r}")


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in "({<[") - (char in ")}>]")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _summary(call: Callable[..., Any]) -> str:
    return (call.__doc__ or "").strip()
