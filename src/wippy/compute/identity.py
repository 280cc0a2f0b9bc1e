"""Who acts: actors and scopes, and the one permission check of the runtime (spec 05 §9.5).

Guests hold only the number of their identity; number 0 is "nobody" and is what everything starts with. An identity is
kept while it has uses: a service that runs under it, a shard with contexts of it (kernel/contexts.lua).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from wippy.core.errors import not_found

log = logging.getLogger("wippy.security")

Verdict = Literal["allow", "deny", "undefined"]


class Actor(NamedTuple):
    id: str
    meta: dict[str, Any]


class Scope(Protocol):
    """A set of policies. Equal sets are equal and hash alike."""

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Verdict: ...


class Identity(NamedTuple):
    actor: Actor | None
    scope: Scope | None

    @property
    def complete(self) -> bool:
        """Whether there is somebody to judge and something to judge by."""
        return self.actor is not None and self.scope is not None


NOBODY = Identity(None, None)


@dataclass(slots=True)
class _Known:
    identity: Identity
    key: Any
    uses: int


def _no_scopes(numbers: Sequence[int]) -> Scope:
    raise not_found("there are no policies")


class Identities:
    """The identities in use on a node, by number, and the check that every permission goes through.

    Shards on threads call in, so that counting is done under a lock. Numbers are never used again: an identity that is
    gone is allowed nothing.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.scope_of: Callable[[Sequence[int]], Scope] = _no_scopes
        """The scope of policies by number; provided by whoever keeps policies."""
        self._lock = threading.Lock()
        self._last = 0
        self._known: dict[int, _Known] = {}
        self._numbers: dict[Any, int] = {}

    def add(self, actor: Actor | None, scope: Scope | None) -> int:
        """The number under which guests act as `actor` within `scope`, with one use that `release` gives back."""
        if actor is None and scope is None:
            return 0
        key = (actor and (actor.id, msgspec.msgpack.encode(actor.meta, enc_hook=str)), scope)
        with self._lock:
            number = self._numbers.get(key)
            if number is None:
                self._last = number = self._last + 1
                self._numbers[key] = number
                self._known[number] = _Known(Identity(actor, scope), key, 0)
            self._known[number].uses += 1
            return number

    def derive(self, number: int, actor: tuple[str, dict[str, Any]] | None, policies: Sequence[int] | None) -> int:
        """`number` with another actor (id, meta) or scope (policies by number); what is None stays inherited (spec 05
        §9.6). One use, as with `add`."""
        known = self.get(number)
        return self.add(
            known.actor if actor is None else Actor(*actor),
            known.scope if policies is None else self.scope_of(policies),
        )

    def hold(self, number: int) -> bool:
        """One more use. Whether every permission passes without a policy being asked. Raises Error(NotFound)."""
        with self._lock:
            if number:
                found = self._known.get(number)
                if found is None:
                    raise not_found("identity is gone")
                found.uses += 1
        return self.open(number)

    def release(self, number: int) -> None:
        """Gives one use back."""
        with self._lock:
            found = self._known.get(number)
            if found is None:
                return
            found.uses -= 1
            if found.uses == 0:
                del self._known[number], self._numbers[found.key]

    def __len__(self) -> int:
        return len(self._known)

    def get(self, number: int) -> Identity:
        """The identity; nobody's for one that is gone."""
        found = self._known.get(number)
        return NOBODY if found is None else found.identity

    def open(self, number: int) -> bool:
        """Whether every permission passes without a policy being asked."""
        return not self.strict and not self.get(number).complete

    def permitted(self, number: int, action: str, resource: str, meta: dict[str, Any] | None = None) -> bool:
        """With actor and scope: allowed if the scope says so. Otherwise: allowed unless strict mode is on."""
        found = self._known.get(number)
        if found is None and number:
            return False
        actor, scope = found.identity if found is not None else NOBODY
        if actor is None or scope is None:
            log.debug("no %s to check %s on %s", "actor" if actor is None else "scope", action, resource)
            return not self.strict
        return scope.evaluate(actor, action, resource, meta or {}) == "allow"
