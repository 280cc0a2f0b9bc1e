"""Talks to a hub: operations, downloads, uploads (spec 01 §16.3).

What may pass by itself (no answer in time, status 408, 429, 5xx) is tried again, with growing pauses. A token goes to
the hub it belongs to and nowhere else. The HTTP library is imported at the first request.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec

from wippy.core.errors import INTERNAL, Error, internal, invalid, unavailable
from wippy.hub import protocol
from wippy.hub.credentials import PLAIN_HOSTS, Token, checked_registry
from wippy.hub.protocol import Message, Method

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
R = TypeVar("R")

LARGEST_ANSWER = 64 * 1024 * 1024  # bytes
LARGEST_PACK = 1100 * 1024 * 1024  # bytes; the format allows 1 GiB of data (spec 01 §17)
PIECE = 256 * 1024  # bytes
MOST_PAGES = 1000
REQUEST_SECONDS = 30.0
PART = ".part"
"""Ends the name of a download that is not complete."""
SILENCE = 30.0  # seconds a download may stand still


class Patience(msgspec.Struct, frozen=True):
    """How often something is tried, and the seconds between: `first`, doubled up to `most`, plus up to `jitter`."""

    attempts: int = 8
    downloads: int = 3
    first: float = 0.5
    most: float = 30.0
    jitter: float = 0.25

    def pause(self, failures: int) -> float:
        return min(self.first * 2.0 ** (failures - 1), self.most) + random.random() * self.jitter


class Passing(Error):
    """What may be gone when the same is tried again: no answer in time, a busy hub, a damaged download."""


class HubClient:
    """One hub, on behalf of one caller. Closed with `close` or as a context."""

    def __init__(
        self,
        registry: str,
        token: Token | None = None,
        *,
        patience: Patience | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> None:
        """seconds: how long one request may take, its repetitions not counted. Raises Error(Invalid) for a registry
        that may not be used."""
        self.registry = checked_registry(registry)
        self._token = token
        self._patience = patience or Patience()
        self._seconds = seconds
        self._session: ClientSession | None = None

    @property
    def anonymous(self) -> bool:
        """Whether it has no token."""
        return self._token is None

    # Operations ----------------------------------------

    async def call(self, method: Method[Q, A], request: Q) -> A:
        """The answer of an operation.

        Raises what the hub says, with its `code` among the details; Error(Unavailable) and Error(Timeout), retryable,
        when it does not answer; Error(Internal) when the answer is not understood.
        """
        body = msgspec.json.encode(request)

        async def attempt() -> A:
            headers = {"content-type": "application/json", **self._authorization()}
            async with self._answered("POST", self._url(method.path), data=body, headers=headers) as response:
                return _decoded(await _whole(response), method.answer)

        return await self._tried(attempt, self._patience.attempts)

    async def account(self) -> protocol.Account:
        """Whose token it is. Raises Error(PermissionDenied) when it is nobody's."""

        async def attempt() -> protocol.Account:
            async with self._answered("GET", self._url(protocol.ORGS), headers=self._authorization()) as response:
                return _decoded(await _whole(response), protocol.Account)

        return await self._tried(attempt, self._patience.attempts)

    async def create_module(self, module: protocol.NewModule) -> protocol.Module:
        """Registers a module. Raises Error(AlreadyExists)."""
        body = msgspec.json.encode(module)

        async def attempt() -> protocol.Module:
            headers = {"content-type": "application/json", **self._authorization()}
            async with self._answered("POST", self._url(protocol.MODULES), data=body, headers=headers) as response:
                return _decoded(await _whole(response), protocol.OneModule).module

        return await self._tried(attempt, self._patience.attempts)

    async def versions(self, module: protocol.ModuleRef, *, include_yanked: bool = True) -> list[protocol.Version]:
        """Every version, page by page."""
        found: list[protocol.Version] = []
        for page in range(1, MOST_PAGES + 1):
            request = protocol.ListVersions(module=module, page=page, include_yanked=include_yanked)
            answer = await self.call(protocol.LIST_VERSIONS, request)
            found += answer.versions
            if not answer.versions or len(found) >= answer.total:
                return found
        raise internal(f"{self.registry} lists versions of {module} without end")

    # Packs ----------------------------------------

    async def download(
        self, source: protocol.Download, target: Path, verify: Callable[[Path], Any] | None = None
    ) -> None:
        """Puts a pack at `target`, whole and verified, or leaves everything as it was.

        verify: looks at the file before it is in place, in a thread; what it raises is raised.
        Raises Error(Internal) when size or digest are wrong three times, or the disk does not take it; Error(Invalid)
        for a URL that may not be used; else as `call`.
        """
        digest = source.digest.removeprefix("sha256:").lower()
        if len(digest) != 64:
            raise internal(f"{self.registry} names no digest for {target.name}")
        url = urljoin(f"{self.registry}/", source.url)
        checked_registry(url.partition("?")[0])
        headers = self._authorization() if _origin(url) == _origin(self.registry) else {}

        async def attempt() -> None:
            async with self._answered("GET", url, headers=headers, whole=False) as response:
                await _stored(response, target, digest, source.size_bytes, verify)

        await self._tried(attempt, self._patience.downloads)

    async def upload(self, pack: Path, headers: dict[str, str]) -> protocol.PublishStatus:
        """Sends a pack; `headers` say what it is (spec 01 §16.3). The hub takes the same pack twice without harm."""

        async def attempt() -> protocol.PublishStatus:
            with pack.open("rb") as file:
                sent = {**headers, "content-type": "application/octet-stream", **self._authorization()}
                url = self._url(protocol.UPLOAD)
                async with self._answered("POST", url, data=file, headers=sent, whole=False) as response:
                    return _published(await _whole(response))

        return await self._tried(attempt, self._patience.attempts)

    # Life ----------------------------------------

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> HubClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Requests ----------------------------------------

    def _url(self, path: str) -> str:
        return self.registry + path

    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

    async def _tried(self, attempt: Callable[[], Awaitable[R]], attempts: int) -> R:
        for failures in range(1, attempts + 1):
            try:
                return await attempt()
            except Error as error:
                if failures == attempts or not isinstance(error, Passing):
                    raise
            await asyncio.sleep(self._patience.pause(failures))
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _answered(
        self, verb: str, url: str, *, whole: bool = True, **options: Any
    ) -> AsyncIterator[ClientResponse]:
        """An answer of status 2xx. whole: the time for the request covers its answer too."""
        import aiohttp

        session = self._opened()
        limits = aiohttp.ClientTimeout(total=self._seconds if whole else None, connect=self._seconds, sock_read=SILENCE)
        try:
            options |= {"timeout": limits, "allow_redirects": False, "proxy": _proxy(url)}
            async with session.request(verb, url, **options) as response:
                if not 200 <= response.status < 300:
                    raise _refusal(response.status, await _whole(response))
                yield response
        except TimeoutError:
            raise _unanswered("deadline_exceeded", f"{self.registry} does not answer in time") from None
        except aiohttp.ClientPayloadError:
            raise _unanswered("unavailable", f"{self.registry} went away in the middle of its answer") from None
        except aiohttp.ClientSSLError as error:
            raise unavailable(f"{self.registry} cannot be trusted: {error}", retryable=False) from None
        except (aiohttp.ClientError, OSError) as error:
            raise unavailable(f"{self.registry} cannot be reached: {_reason(error)}", code="unavailable") from None

    def _opened(self) -> ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(headers={"user-agent": "wippy"})
        return self._session


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL. This machine is reached without one: tokens travel there in the
    clear. (aiohttp's own way of finding it would also put what `.netrc` says in the place of the token.)"""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if host in PLAIN_HOSTS or proxy_bypass(host) else getproxies().get(parts.scheme)


def _unanswered(code: str, message: str) -> Passing:
    return Passing(protocol.CODES[code].kind, message, True, {"code": code})


def _refusal(status: int, body: bytes) -> Error:
    error = protocol.error_of(status, body)
    if status in (408, 429) or status >= 500:
        return Passing(error.kind, error.message, error.retryable, error.details)
    return error


def _reason(error: BaseException) -> str:
    inner = getattr(error, "os_error", error)
    return str(getattr(inner, "strerror", None) or inner or type(error).__name__)


async def _whole(response: ClientResponse) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        found += piece
        if len(found) > LARGEST_ANSWER:
            raise internal(f"the hub's answer is larger than {LARGEST_ANSWER} bytes")
    return bytes(found)


def _decoded(body: bytes, answer: type[A]) -> A:
    try:
        return msgspec.json.decode(body, type=answer, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise internal(f"the hub's answer is not understood: {error}") from None


def _published(body: bytes) -> protocol.PublishStatus:
    """The answer to an upload, whose id may be spelt `publish_id`."""
    status = _decoded(body, protocol.PublishStatus)
    if status.publish_id:
        return status
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        given = msgspec.json.decode(body)
        if isinstance(given, dict) and isinstance(given.get("publish_id"), str):
            return msgspec.structs.replace(status, publish_id=given["publish_id"])
    raise internal("the hub's answer to the upload has no publish id")


async def _stored(
    response: ClientResponse, target: Path, digest: str, size: int, verify: Callable[[Path], Any] | None
) -> None:
    """The answer at `target`: written beside it, verified, then renamed."""
    if size > LARGEST_PACK:
        raise invalid(f"{target.name}: a pack of {size} bytes is too large")
    with _on_disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=PART, dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            await _written(response, file, target, digest, size)
        if verify is not None:
            await asyncio.to_thread(verify, Path(name))
        with _on_disk(target):
            os.replace(name, target)
    finally:
        with suppress(OSError):
            os.unlink(name)


async def _written(response: ClientResponse, file: FileIO, target: Path, digest: str, size: int) -> None:
    seen, written, most = hashlib.sha256(), 0, size or LARGEST_PACK
    async for piece in response.content.iter_chunked(PIECE):
        written += len(piece)
        if written > most:
            raise _damaged(target, f"the hub sends more than the {most} bytes it announced")
        seen.update(piece)
        with _on_disk(target):
            await asyncio.to_thread(_write_all, file, piece)
    if size and written != size:
        raise _damaged(target, f"{written} of {size} bytes arrived")
    if seen.hexdigest() != digest:
        raise _damaged(target, f"checksum mismatch: expected {digest}, got {seen.hexdigest()}")
    with _on_disk(target):
        await asyncio.to_thread(os.fsync, file.fileno())


def _write_all(file: FileIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


def _damaged(target: Path, reason: str) -> Passing:
    return Passing(INTERNAL, f"{target.name}: {reason}", False, {"file": target.name})


@contextmanager
def _on_disk(target: Path) -> Iterator[None]:
    """What the disk refuses, told apart from what the network does."""
    try:
        yield
    except OSError as error:
        raise internal(f"{target} cannot be written: {error.strerror or error}") from None
