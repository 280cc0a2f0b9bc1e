from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.program import Run, runner
from hub.served import Served, serving
from wippy.hub.credentials import Token


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(tmp_path, monkeypatch, capsys)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(tmp_path / "hub") as running:
        monkeypatch.setenv("WIPPY_REGISTRY", running.url)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        yield running


@pytest.fixture
def token(hub: Served) -> Token:
    return hub.token("acme")
