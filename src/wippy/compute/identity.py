"""Who acts: actors and scopes, and the one permission check of the runtime (spec 05 §9.5).

Guests hold only the number of their identity; number 0 is "nobody" and is what everything starts with.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import msgspec

Verdict = Literal["allow", "deny", "undefined"]


class Actor(NamedTuple):
    id: str
    meta: dict[str, Any]


class Scope(Protocol):
    """A set of policies."""

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Verdict: ...


class Identity(NamedTuple):
    actor: Actor | None
    scope: Scope | None


class Identities:
    """The identities in use on a node, by number, and the check that every permission goes through."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._known: list[Identity] = [Identity(None, None)]
        self._numbers: dict[tuple[bytes, int], int] = {}

    def add(self, actor: Actor | None, scope: Scope | None) -> int:
        """The number under which guests act as `actor` within `scope`."""
        if actor is None and scope is None:
            return 0
        key = (msgspec.msgpack.encode(actor, enc_hook=str), id(scope))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._known)
            self._known.append(Identity(actor, scope))
        return number

    def derive(self, number: int, actor: Actor | None, scope: Scope | None) -> int:
        """`number` with another actor or scope; what is None stays inherited (spec 05 §9.6)."""
        known = self._known[number]
        return self.add(actor or known.actor, scope or known.scope)

    def get(self, number: int) -> Identity:
        return self._known[number]

    def open(self, number: int) -> bool:
        """Whether every permission passes without a policy being asked."""
        actor, scope = self._known[number]
        return (actor is None or scope is None) and not self.strict

    def permitted(self, number: int, action: str, resource: str, meta: dict[str, Any] | None = None) -> bool:
        """With actor and scope: allowed if the scope says so. Otherwise: allowed unless strict mode is on."""
        actor, scope = self._known[number]
        if actor is None or scope is None:
            return not self.strict
        return scope.evaluate(actor, action, resource, meta or {}) == "allow"
