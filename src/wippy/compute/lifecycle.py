"""The `lifecycle:` block of every supervised kind (spec 01 §19, spec 03 §16.1)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from wippy.core.config import Duration, Ref

SECOND = 1_000_000_000


class Restart(msgspec.Struct, frozen=True):
    """How long to wait before the next try, and how often to try."""

    initial_delay: Duration = Duration(SECOND)
    """The wait before the first new try."""
    max_delay: Duration = Duration(90 * SECOND)
    """The longest wait."""
    backoff_factor: float = 2.0
    """By how much a wait is longer than the one before."""
    jitter: float = 0.1
    """The part of a wait that is random."""
    max_attempts: int = 0
    """How often to try; 0: for ever."""


class ActorConfig(msgspec.Struct, frozen=True):
    id: str = ""
    """Who acts."""
    meta: dict[str, Any] = {}
    """What policies may ask about who acts."""


class Security(msgspec.Struct, frozen=True):
    """The identity of a service, inherited by everything it starts."""

    actor: ActorConfig | None = None
    """Who acts."""
    groups: list[Ref] = []
    """Groups of policies that make up the scope."""
    policies: list[Ref] = []
    """Policies that make up the scope."""


class Lifecycle(msgspec.Struct, frozen=True):
    auto_start: bool = False
    """Whether it starts with the application."""
    startup: Literal["required", "optional"] = "required"
    """Whether the application needs it to start."""
    start_timeout: Duration = Duration(10 * SECOND)
    """How long a start may take."""
    stop_timeout: Duration = Duration(10 * SECOND)
    """How long a stop may take before it is forced."""
    stable_threshold: Duration = Duration(5 * SECOND)
    """How long it must run for failures before to be forgotten."""
    requires: list[Ref] = []
    """Services that must run before it starts."""
    depends_on: list[Ref] = []
    """The older name of `requires`."""
    restart: Restart = Restart()
    """What happens after a failure."""
    security: Security | None = None
    """The identity it runs under, and everything it starts."""
