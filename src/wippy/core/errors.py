"""The one error type of the runtime (spec 02 §15, 03 §0).

Every failure that crosses a boundary (guest to host, kind handler to registry, Python API to caller) is an `Error`.
Its `kind` is one of the strings below, `retryable` is True, False or None (unspecified).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_FOUND = "NotFound"
ALREADY_EXISTS = "AlreadyExists"
INVALID = "Invalid"
PERMISSION_DENIED = "PermissionDenied"
UNAVAILABLE = "Unavailable"
INTERNAL = "Internal"
CANCELED = "Canceled"
CONFLICT = "Conflict"
TIMEOUT = "Timeout"
RATE_LIMITED = "RateLimited"
UNKNOWN = ""


class Error(Exception):
    """A structured failure: kind, message, retryable, details.

    `details` is a plain mapping of data or None; an empty mapping counts as None.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        retryable: bool | None = False,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.details = dict(details) if details else None

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"Error({self.kind or 'Unknown'}: {self.message})"

    def within(self, context: str) -> Error:
        """The same failure seen from further out: `context: message`, everything else kept."""
        outer = Error(self.kind, f"{context}: {self.message}", self.retryable, self.details)
        outer.__cause__ = self
        return outer


def not_found(message: str, **details: Any) -> Error:
    return Error(NOT_FOUND, message, details=details)


def already_exists(message: str, **details: Any) -> Error:
    return Error(ALREADY_EXISTS, message, details=details)


def invalid(message: str, **details: Any) -> Error:
    return Error(INVALID, message, details=details)


def denied(message: str, **details: Any) -> Error:
    return Error(PERMISSION_DENIED, message, details=details)


def unavailable(message: str, *, retryable: bool = True, **details: Any) -> Error:
    return Error(UNAVAILABLE, message, retryable, details)


def internal(message: str, **details: Any) -> Error:
    return Error(INTERNAL, message, details=details)


def canceled(message: str = "context canceled") -> Error:
    return Error(CANCELED, message)


def conflict(message: str, *, retryable: bool = False, **details: Any) -> Error:
    return Error(CONFLICT, message, retryable, details)


def timeout(message: str, *, retryable: bool = True) -> Error:
    return Error(TIMEOUT, message, retryable)
