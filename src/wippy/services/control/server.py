"""The control socket: what runs on this node, for local tools of the same user (`wippy top`).

A Unix socket of mode 0600 in a directory of mode 0700; a peer of another user is turned away by what the kernel says of
it (SO_PEERCRED). A request is one line of JSON, `{"get": "processes", ...}`; so is its answer, `{"ok": ...}` or
`{"error": {"kind", "message"}}`. It looks; the one thing it changes is the version of the registry
(docs/decisions/022-changing-through-the-control-socket.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.compute.introspection import Introspection, Order
from wippy.core.errors import Error, invalid
from wippy.registry.inspection import Inspection

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.control")

LONGEST_PATH = 107  # bytes that the address of a Unix socket holds
LONGEST_REQUEST = 4096  # bytes
MOST_CONNECTIONS = 16
MOST_ROWS = 1000
SILENCE = 60.0  # seconds after which a connection that asks nothing is closed


class Processes(msgspec.Struct, tag_field="get", tag="processes", forbid_unknown_fields=True):
    """The first `limit` processes in an order, and how many there are: {total, processes}."""

    sort: Order = "cpu"
    limit: int = 100


class Process(msgspec.Struct, tag_field="get", tag="process", forbid_unknown_fields=True):
    """One process."""

    pid: str


class Overview(msgspec.Struct, tag_field="get", tag="overview", forbid_unknown_fields=True):
    """Processes as `Processes` gives them, and hosts, services, exceeded limits, and the node: {pid, at, processor,
    memory}."""

    sort: Order = "cpu"
    limit: int = 100


class Versions(msgspec.Struct, tag_field="get", tag="versions", forbid_unknown_fields=True):
    """The last `limit` versions of the registry, as `registry.inspection` shows them."""

    limit: int = 100


class Difference(msgspec.Struct, tag_field="get", tag="difference", forbid_unknown_fields=True):
    """What differs between two versions; `to` is the current one unless it is given."""

    version: int
    to: int | None = None


class Rollback(msgspec.Struct, tag_field="get", tag="rollback", forbid_unknown_fields=True):
    """Goes to another version of the registry: {from, to}."""

    version: int


Request = Processes | Process | Overview | Versions | Difference | Rollback
_decoder = msgspec.json.Decoder(Request)


class ControlServer:
    """Serves one node. `start` and `stop` belong to its event loop."""

    def __init__(self, node: Node, path: Path) -> None:
        self._node = node
        self._look = Introspection(node)
        self.path = path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises Error(Invalid) when the path cannot be used, or another runtime serves it."""
        listening = _bound(self.path)
        self._server = await asyncio.start_unix_server(self._connected, sock=listening, limit=LONGEST_REQUEST)
        log.info("control socket at %s", self.path)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None
        self.path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MOST_CONNECTIONS and _same_user(writer):
                await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), SILENCE)
            except (TimeoutError, ValueError):  # silent, or longer than a request may be
                return
            if not line.endswith(b"\n"):
                return
            writer.write(await self._answer(line) + b"\n")
            await asyncio.wait_for(writer.drain(), SILENCE)

    async def _answer(self, line: bytes) -> bytes:
        try:
            try:
                request = _decoder.decode(line)
            except msgspec.MsgspecError as e:
                raise invalid(str(e)) from None
            return msgspec.json.encode({"ok": await self._result(request)})
        except Error as e:
            return msgspec.json.encode({"error": {"kind": e.kind, "message": e.message}})
        except Exception:
            log.exception("a request to the control socket failed")
            return msgspec.json.encode({"error": {"kind": "Internal", "message": "the request failed"}})

    async def _result(self, request: Request) -> Any:
        if isinstance(request, Process):
            return await self._look.process(request.pid)
        if isinstance(request, (Versions, Difference, Rollback)):
            return await self._versions(request)
        listed = await self._processes(request)
        if isinstance(request, Processes):
            return listed
        times = os.times()
        return {
            **listed,
            "hosts": await self._look.hosts(),
            "services": self._look.services(),
            "exceeded": await self._look.exceeded(),
            "node": {
                "pid": os.getpid(),
                "at": self._node.clock.monotonic(),
                "processor": times.user + times.system,
                "memory": sum(shard.memory for shard in self._node.shards),
            },
        }

    async def _versions(self, request: Versions | Difference | Rollback) -> Any:
        registry = self._node.registry
        inspection = Inspection(registry.history, registry.version, registry.baseline)
        if isinstance(request, Versions):
            return await inspection.versions(request.limit)
        if isinstance(request, Difference):
            return await inspection.difference(request.version, request.to)
        before = registry.version
        after = await registry.apply_version(request.version)
        log.info("registry moved from %s to %s through the control socket", before, after)
        return {"from": before.id, "to": after.id}

    async def _processes(self, request: Processes | Overview) -> dict[str, Any]:
        found, total = await self._look.largest(request.sort, max(0, min(request.limit, MOST_ROWS)))
        return {"total": total, "processes": found}


def _bound(path: Path) -> socket.socket:
    """A socket at `path` that only this user can reach."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise invalid(f"the path of a control socket may have {LONGEST_PATH} bytes: {path}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(path.parent)
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(before)
        listening.listen(MOST_CONNECTIONS)
        listening.setblocking(False)
    except OSError as e:
        raise invalid(f"no control socket at {path}: {e.strerror or e}") from None
    return listening


def _check_directory(directory: Path) -> None:
    found = directory.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise invalid(f"the directory of a control socket must be yours alone (mode 700): {directory}")


def _remove_stale(path: Path) -> None:
    """What a runtime that has ended left behind; anything else is not touched."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise invalid(f"{path} exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise invalid(f"another runtime serves {path}")


def _same_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer runs as this user."""
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    if user != os.geteuid():
        log.warning("user %d was turned away from the control socket", user)
        return False
    return True
