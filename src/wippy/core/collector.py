"""Python's cycle collector, held back while very many objects are made, and spared those that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Loading makes many small objects and no garbage cycles: the collector would take a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


MANY = 2000
"""Entries from which on it is worth while to set them apart."""


def set_apart() -> None:
    """What has been loaded stays: full collections need not look at it any more.

    Among 20,000 entries each of them stopped everything for 70 to 90 ms; setting them apart takes as long, once.
    """
    gc.collect()
    gc.freeze()


def take_back() -> None:
    """What was set apart is looked at again; for a runtime that has stopped inside a program that goes on."""
    gc.unfreeze()
