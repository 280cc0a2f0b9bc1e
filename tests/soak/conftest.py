from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def unheard() -> Iterator[None]:
    """Failures of guests are meant here; pytest would keep every line, and the memory is measured."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
