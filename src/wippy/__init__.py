"""wippy: an actor runtime for applications that agents help to write."""

from typing import Any

__all__ = ["Error", "Runtime"]


def __getattr__(name: str) -> Any:
    """`Runtime` and `Error`, imported when first used."""
    if name == "Runtime":
        from wippy.runtime import Runtime

        return Runtime
    if name == "Error":
        from wippy.core.errors import Error

        return Error
    raise AttributeError(f"module 'wippy' has no attribute {name!r}")
