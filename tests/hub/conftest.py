from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.served import Served, serving
from wippy.hub.credentials import Token


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def token(hub: Served) -> Token:
    return hub.token("acme")
