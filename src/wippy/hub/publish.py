"""Publishing a pack from this side: sends it, and waits until the hub has made a version of it (spec 01 §18)."""

from __future__ import annotations

import asyncio
import string
from pathlib import Path
from urllib.parse import quote

import msgspec

from wippy.core.errors import CONFLICT, Error, invalid, timeout
from wippy.hub import protocol
from wippy.hub.client import HubClient
from wippy.hub.inspection import digest_of

POLL_SECONDS = 2.0
LIMIT_SECONDS = 600.0

_PLAIN = string.ascii_letters + string.digits + string.punctuation.replace("%", "") + " "


class Publication(msgspec.Struct, frozen=True):
    """What is published: `name` is org/module."""

    pack: Path
    name: str
    version: str
    label: str = ""
    release_notes: str = ""
    protected: bool = False

    def headers(self) -> dict[str, str]:
        """What the upload says of itself; texts are percent-encoded where a header cannot hold them."""
        org, _, module = self.name.partition("/")
        return {
            "X-Wippy-Org": org,
            "X-Wippy-Module": module,
            "X-Wippy-Version": self.version,
            "X-Wippy-Label": self.label,
            "X-Wippy-Digest": digest_of(self.pack),
            "X-Wippy-Size": str(self.pack.stat().st_size),
            "X-Wippy-Protected": "true" if self.protected else "false",
            "X-Wippy-Release-Notes": quote(self.release_notes, safe=_PLAIN).strip(),
        }


async def publish(client: HubClient, publication: Publication) -> str:
    """Publishes; returns the id of the version.

    Raises what the hub says: Error(NotFound) for a module that is not registered, Error(AlreadyExists),
    Error(PermissionDenied); Error(Invalid) with its reason when it refuses the pack; Error(Timeout) after ten minutes.
    """
    status = await client.upload(publication.pack, publication.headers())
    deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
    about = protocol.AboutPublish(publish_id=status.publish_id)
    while status.status not in ("completed", "failed", "canceled"):
        if asyncio.get_running_loop().time() > deadline:
            raise timeout(f"the hub has not finished publishing {publication.name} {publication.version}")
        await asyncio.sleep(POLL_SECONDS)
        status = await client.call(protocol.PUBLISH_STATUS, about)
    if status.status == "failed":
        raise invalid(f"the hub refused {publication.name} {publication.version}: {status.error}")
    if status.status == "canceled":
        raise Error(CONFLICT, f"publishing {publication.name} {publication.version} was canceled")
    return status.version_id
