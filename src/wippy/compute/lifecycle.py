"""The `lifecycle:` block of every supervised kind (spec 01 §19, spec 03 §16.1)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from wippy.core.config import Duration, Ref

SECOND = 1_000_000_000


class Restart(msgspec.Struct, frozen=True):
    """How long to wait before the next try, and how often to try."""

    initial_delay: Duration = Duration(SECOND)
    max_delay: Duration = Duration(90 * SECOND)
    backoff_factor: float = 2.0
    jitter: float = 0.1
    max_attempts: int = 0


class ActorConfig(msgspec.Struct, frozen=True):
    id: str = ""
    meta: dict[str, Any] = {}


class Security(msgspec.Struct, frozen=True):
    """The identity of a service, inherited by everything it starts."""

    actor: ActorConfig | None = None
    groups: list[Ref] = []
    policies: list[Ref] = []


class Lifecycle(msgspec.Struct, frozen=True):
    auto_start: bool = False
    startup: Literal["required", "optional"] = "required"
    start_timeout: Duration = Duration(10 * SECOND)
    stop_timeout: Duration = Duration(10 * SECOND)
    stable_threshold: Duration = Duration(5 * SECOND)
    requires: list[Ref] = []
    depends_on: list[Ref] = []
    restart: Restart = Restart()
    security: Security | None = None
