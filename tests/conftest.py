"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers import Postgres, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that all tests of the session share, each with a database of its own."""
    with postgres_server() as server:
        yield server
