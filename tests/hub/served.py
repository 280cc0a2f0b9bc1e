"""A hub as its users have it: `wippy hub serve` in an OS process of its own, and packs to put on it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from apps.program import LIMIT, WIPPY, eventually, free_port
from wippy.core.ids import EntryId
from wippy.hub import protocol
from wippy.hub.client import HubClient, Patience
from wippy.hub.credentials import Token
from wippy.hub.publish import Publication, publish
from wippy.hub.server.database import Database
from wippy.hub.server.tokens import Scope, Tokens
from wippy.project.wapp import MemoryTree, Resource
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry, entry

T = TypeVar("T")

HASTE = Patience(attempts=3, first=0.01, most=0.02, jitter=0.0)


class Served:
    """A running hub."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = [WIPPY, "hub", "serve", "--dir", str(self.directory), "--addr", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Hub in "), line

    def kill(self) -> None:
        """As a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(LIMIT)

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(LIMIT)

    def token(self, *orgs: str, scope: Scope = "publish", user: str = "ada") -> Token:
        database = Database(self.directory / "hub.db")
        try:
            return Tokens(database).issue(user, list(orgs) or ["acme"], scope)
        finally:
            database.close()

    def client(self, token: Token | None = None) -> HubClient:
        return HubClient(self.url, token, patience=HASTE)

    def ask(self, work: Callable[[HubClient], Awaitable[T]], token: Token | None = None) -> T:
        async def run() -> T:
            async with self.client(token) as client:
                return await work(client)

        return asyncio.run(run())

    def create(self, token: Token, name: str = "acme/http", visibility: str = "public", **fields: str) -> None:
        org, _, module = name.partition("/")
        wanted = protocol.NewModule(org=org, name=module, visibility=visibility, **fields)
        self.ask(lambda client: client.create_module(wanted), token)

    def publish(self, token: Token, path: Path, name: str, version: str, **fields: Any) -> str:
        return self.ask(lambda client: publish(client, Publication(path, name, version, **fields)), token)

    def offer(self, token: Token, name: str = "acme/http", version: str = "1.0.0", **made: Any) -> Path:
        """A module on the hub, registered when it was not."""
        if not self._knows(token, name):
            self.create(token, name)
        label = made.pop("label", "")
        path = pack(self.directory.parent / "made", name, version, **made)
        self.publish(token, path, name, version, label=label)
        return path

    def _knows(self, token: Token, name: str) -> bool:
        from wippy.core.errors import Error

        about = protocol.AboutModule(module=protocol.ModuleRef.named(name))
        try:
            self.ask(lambda client: client.call(protocol.GET_MODULE, about), token)
        except Error:
            return False
        return True


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Served]:
    hub = Served(directory, free_port())
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def pack(
    directory: Path,
    name: str = "acme/http",
    version: str = "1.0.0",
    *,
    entries: list[Entry] | None = None,
    needs: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    **metadata: Any,
) -> Path:
    """A module's pack: a definition, an entry `x` that says its version, its dependencies, the files of `static`."""
    org, _, module = name.partition("/")
    ns = f"{org}.{module}"
    made = [
        entry(f"{ns}:definition", "ns.definition", {"module": module, "readme": f"# {name} {version}"}),
        entry(f"{ns}:x", "registry.entry", {"version": version}),
        *(
            entry(f"{ns}:needs.{number}", "ns.dependency", {"component": other, "version": wanted})
            for number, (other, wanted) in enumerate((needs or {}).items())
        ),
        *(entries or []),
    ]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{org}-{module}-{version}.wapp"
    resources = [Resource(EntryId(ns, "static"), MemoryTree(files))] if files else []
    known = {"name": module, "namespace": ns, "version": version, "description": f"What {module} does", **metadata}
    write_pack(path, known, made, resources)
    return path


__all__ = ["HASTE", "Served", "eventually", "pack", "serving"]
