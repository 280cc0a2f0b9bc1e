from __future__ import annotations

import pytest

from .driver import Driver


@pytest.fixture
def driver() -> Driver:
    """One shard without entries; tests define their own."""
    return Driver({})
