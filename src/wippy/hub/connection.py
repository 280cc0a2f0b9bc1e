"""A client for whoever asks: the hub and the token of a command line, a configuration, a project."""

from __future__ import annotations

from pathlib import Path

from wippy.hub.client import REQUEST_SECONDS, HubClient
from wippy.hub.credentials import Account


def connect(
    registry: str | None = None,
    *,
    configured: str = "",
    directory: Path = Path(),
    seconds: float = REQUEST_SECONDS,
) -> HubClient:
    """registry: the flag. configured: `modules.registry_url`. directory: the project's. Raises Error(Invalid)."""
    account = Account(directory)
    url = account.registry(registry, configured)
    return HubClient(url, account.token(url), seconds=seconds)
