"""Which hub, and with which token (spec 01 §16.3).

Tokens are kept in `.wippy/credentials.yaml` of the project and in the user's configuration directory, for the owner
alone. A `Token` does not show what it is when it is printed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wippy.core.errors import invalid
from wippy.project.yaml import YamlError, load

DEFAULT_REGISTRY = "https://hub.wippy.ai"
PLAIN_HOSTS = frozenset({"localhost", "127.0.0.1", "host.docker.internal", "host.containers.internal"})
"""Where a token may travel unencrypted: this machine."""

_TOKEN = re.compile(r"wpy_[A-Za-z0-9_.~+/=-]{16,1020}\Z")


class Token(str):
    """A secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Token(***)"


def checked_token(text: str) -> Token:
    """Raises Error(Invalid), without the text, for what cannot be a token."""
    if _TOKEN.match(text.strip()) is None:
        raise invalid("a token starts with wpy_ and has at least 20 characters")
    return Token(text.strip())


def checked_registry(url: str) -> str:
    """`url` without a trailing slash. Raises Error(Invalid) unless it is https, or http to this machine."""
    text = url.strip()
    text = (text if "://" in text else f"https://{text}").rstrip("/")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
        raise invalid(f'registry "{url}" is not a URL such as {DEFAULT_REGISTRY}')
    if parts.scheme == "http" and host not in PLAIN_HOSTS:
        raise invalid(f"registry {text} must be https: plain http is for {', '.join(sorted(PLAIN_HOSTS))}")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    token: str
    registry: str = ""
    user_id: str = ""
    username: str = ""
    scope: str = ""
    orgs: list[str] = []
    expires_at: str = ""
    created_at: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.registry})"


class _Content(msgspec.Struct, frozen=True):
    version: str = "1.0"
    default: str = ""
    credentials: dict[str, Credential] = {}


class CredentialFile:
    """One of the files. It is read again at every use: other programs write it too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def default(self) -> str:
        """The registry that is used when none is named."""
        return self._read().default

    def get(self, registry: str) -> Credential | None:
        return self._read().credentials.get(registry)

    def put(self, registry: str, credential: Credential) -> None:
        """Stores it; the registry becomes the default. Raises Error(Invalid), OSError."""
        known = dict(self._read().credentials)
        self._write(_Content(default=registry, credentials={**known, registry: credential}))

    def remove(self, registry: str) -> bool:
        """Forgets it; whether there was one."""
        content = self._read()
        known = dict(content.credentials)
        if known.pop(registry, None) is None:
            return False
        default = content.default if content.default != registry else next(iter(known), "")
        self._write(_Content(default=default, credentials=known))
        return True

    def _read(self) -> _Content:
        try:
            return msgspec.convert(load(self.path.read_bytes()) or {}, _Content, strict=False)
        except FileNotFoundError:
            return _Content()
        except OSError as error:
            raise invalid(f"{self.path}: cannot be read: {error.strerror or error}") from None
        except YamlError as error:
            raise invalid(f"{self.path}:{error.line}:{error.column}: {error.reason}") from None
        except msgspec.ValidationError:
            raise invalid(f"{self.path}: not a credentials file: remove it and log in again") from None

    def _write(self, content: _Content) -> None:
        import yaml

        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            yaml.safe_dump(msgspec.to_builtins(content), file, sort_keys=False, allow_unicode=True)
        temporary.replace(self.path)


class Account:
    """The registry and the token that a caller uses."""

    def __init__(self, directory: Path = Path(), environ: Mapping[str, str] | None = None) -> None:
        """`directory`: the project's."""
        self._environ = os.environ if environ is None else environ
        self.local = CredentialFile(directory / ".wippy" / "credentials.yaml")
        self.everywhere = CredentialFile(_user_directory(self._environ) / "wippy" / "credentials.yaml")

    def registry(self, flag: str | None = None, configured: str = "") -> str:
        """The flag, else `WIPPY_REGISTRY`, else what is configured (`modules.registry_url`), else the hub that somebody
        logged in to last. Raises Error(Invalid)."""
        named = flag or self._environ.get("WIPPY_REGISTRY") or configured
        return checked_registry(named or self.local.default or self.everywhere.default or DEFAULT_REGISTRY)

    def token(self, registry: str) -> Token | None:
        """`WIPPY_TOKEN`, else the project's, else the user's for this registry."""
        given = self._environ.get("WIPPY_TOKEN")
        if given:
            return checked_token(given)
        found = self.stored(registry)
        return Token(found.token) if found is not None and found.token else None

    def stored(self, registry: str) -> Credential | None:
        """What a file says of this registry, the project's first."""
        return self.local.get(registry) or self.everywhere.get(registry)


def _user_directory(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or Path.home())
    if environ.get("XDG_CONFIG_HOME"):
        return Path(environ["XDG_CONFIG_HOME"])
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return home / ".config"


def user_cache(environ: Mapping[str, str] | None = None) -> Path:
    """Where packs that no project owns are kept: `WIPPY_CACHE_DIR`, else `~/.wippy/cache`."""
    known: Mapping[str, Any] = os.environ if environ is None else environ
    return Path(known.get("WIPPY_CACHE_DIR") or Path(known.get("HOME") or Path.home()) / ".wippy" / "cache")
