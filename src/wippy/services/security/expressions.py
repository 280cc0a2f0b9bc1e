"""Policies that decide by an expression (spec 05 §9.3)."""

from __future__ import annotations

import logging

from wippy.core.errors import Error, invalid
from wippy.services.security.conditions import Request
from wippy.services.security.policies import Applies

log = logging.getLogger("wippy.security")

STEPS = 100_000
"""What one judgement may cost; it holds the shard while it runs."""


def compiled(expression: str) -> Applies:
    """What `expression` says of a request: true, or anything else, which is no. A run that fails says no.

    Its names are `actor` {id, meta}, `action`, `resource` and `meta`. Raises Error(Invalid) for a mistake in it.
    """
    from wippy.expr import Program

    try:
        program = Program(expression)
    except Error as e:
        raise invalid(f'field "policy.expression": {e.message}') from None

    def applies(request: Request) -> bool:
        env = {
            "actor": {"id": request.actor.id, "meta": request.actor.meta},
            "action": request.action,
            "resource": request.resource,
            "meta": request.meta,
        }
        try:
            return program.run(env, steps=STEPS) is True
        except Error as e:
            log.debug("policy expression %r failed: %s", expression, e)
            return False

    return applies
