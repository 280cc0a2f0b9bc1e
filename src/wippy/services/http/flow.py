"""Back pressure for streamed responses.

The server takes whatever it is given and keeps it until the client reads (measured with granian 2.8: 177 MB in half a
second for a client that does not read). So we look at the connection ourselves: while the operating system accepts no
more for it, nothing more is handed to the server. See docs/decisions/009-streams.md.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
from ipaddress import ip_address

WINDOW = 256 * 1024  # bytes handed over between two looks at the connection
LISTING = "/dev/fd"
SHORTEST, LONGEST = 0.002, 0.05  # seconds between two looks at one that accepts nothing


class Flow:
    """One response on its way to `client` ("address:port", "[address]:port")."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._handed_over = 0
        self._descriptor: int | None = None

    async def sent(self, size: int) -> None:
        """Returns when more may be sent after these bytes."""
        self._handed_over += size
        if self._handed_over < WINDOW:
            return
        self._handed_over = 0
        if not self._is_ours():
            self._descriptor = await asyncio.get_running_loop().run_in_executor(None, connection_of, self._client)
        pause = SHORTEST
        await asyncio.sleep(0)
        while self._is_ours() and not self._accepts():
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    def _is_ours(self) -> bool:
        """Whether the descriptor still stands for the client's connection, which the server may have closed."""
        return self._descriptor is not None and peer_of(self._descriptor) == self._client

    def _accepts(self) -> bool:
        assert self._descriptor is not None
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))


def peer_of(descriptor: int) -> str | None:
    """The other end of a TCP connection as the server writes it; None for everything else."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        known = socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        if known.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        host, port = known.getpeername()[:2]
    except OSError:
        return None
    finally:
        known.detach()
    address = ip_address(host.partition("%")[0])
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def connection_of(client: str) -> int | None:
    """The descriptor of the connection with `client`; None when this system does not list descriptors."""
    try:
        listed = os.listdir(LISTING)
    except OSError:
        return None
    return next((number for number in map(int, listed) if peer_of(number) == client), None)
