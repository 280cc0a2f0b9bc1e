"""A client for whoever asks: the hub and the token of a command line, a configuration, a project."""

from __future__ import annotations

from pathlib import Path

from wippy.hub.client import REQUEST_SECONDS, HubClient
from wippy.hub.credentials import Account, Token
from wippy.project import settings
from wippy.project.config import Config


def connect(
    registry: str | None = None,
    config: Config | None = None,
    *,
    directory: Path = Path(),
    token: Token | None = None,
    seconds: float = REQUEST_SECONDS,
) -> HubClient:
    """registry: the flag. directory: the project's. token: instead of a stored one. Raises Error(Invalid)."""
    account = Account(directory)
    url = account.registry(registry, configured_registry(config) if config is not None else "")
    return HubClient(url, token or account.token(url), seconds=seconds)


def configured_registry(config: Config) -> str:
    """The hub that the configuration names; empty when it leaves that to others."""
    return config.get(settings.REGISTRY_URL) if settings.REGISTRY_URL.key in config.leaves else ""
