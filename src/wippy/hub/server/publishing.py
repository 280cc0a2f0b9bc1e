"""How a version comes to be: an upload is verified as a whole, its pack is put in place, then one transaction makes the
version, its labels and its dependencies known. What a crash leaves behind is removed at the next start."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import Error, already_exists, conflict, invalid, not_found
from wippy.core.semver import Version, is_version
from wippy.hub import protocol
from wippy.hub.inspection import Inspected, inspect_pack, verify_files
from wippy.hub.server.catalog import Stored
from wippy.hub.server.database import Database, now
from wippy.hub.server.tokens import Principal
from wippy.project.wapp.reader import read_pack

log = logging.getLogger("wippy.hub")

LARGEST_UPLOAD = 512 * 1024 * 1024  # bytes
AT_ONCE = 2
"""Packs that are verified at the same time: each takes a core and up to some 100 MB."""
VISIBILITIES = ("public", "private", "internal")
TYPES = ("library", "application", "agent", "plugin")

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Publishing:
    """The changing side of a hub in `directory`."""

    def __init__(self, directory: Path, database: Database, largest: int = LARGEST_UPLOAD) -> None:
        self._packs = directory / "packs"
        self._incoming = directory / "incoming"
        self._database = database
        self._largest = largest
        self._verifying = asyncio.Semaphore(AT_ONCE)
        for folder in (self._packs, self._incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clean(self) -> None:
        """Removes what a crash left: uploads that never ended, packs that no version has. For a hub that begins."""
        for left in self._incoming.iterdir():
            left.unlink()
        known = {row["digest"] for row in self._database.rows("SELECT DISTINCT digest FROM versions")}
        for pack in self._packs.glob("*/*.wapp"):
            if pack.stem not in known:
                pack.unlink()
        with self._database.transaction():
            self._database.run(
                "UPDATE publishes SET status = 'failed', error = :reason WHERE status = 'uploaded'",
                reason="the hub ended before the upload was confirmed",
            )

    def pack(self, digest: str) -> Path:
        """Where the pack of a version is."""
        return self._packs / digest[:2] / f"{digest}.wapp"

    # Modules ----------------------------------------

    def create_module(self, module: protocol.NewModule, caller: Principal) -> str:
        """The id of a new module. Raises Error(AlreadyExists), Error(Invalid), Error(PermissionDenied)."""
        caller.require_publishing(module.org)
        if not (_NAME.match(module.org) and _NAME.match(module.name)):
            raise invalid(f'"{module.org}/{module.name}": lower-case letters, digits and inner hyphens make a name')
        visibility, kind = module.visibility or "private", module.type or "application"
        if visibility not in VISIBILITIES or kind not in TYPES:
            raise invalid(f"visibility is one of {', '.join(VISIBILITIES)}; type one of {', '.join(TYPES)}")
        module_id, moment = str(uuid.uuid4()), now()
        with self._database.transaction():
            if self._module(module.org, module.name) is not None:
                raise already_exists(f"module {module.org}/{module.name} exists already")
            self._database.run(
                "INSERT INTO modules (id, org, name, visibility, type, display_name, description, searched, created,"
                " updated) VALUES (:id, :org, :name, :visibility, :type, :display, :about, :searched, :now, :now)",
                id=module_id,
                org=module.org,
                name=module.name,
                visibility=visibility,
                type=kind,
                display=module.display_name,
                about=module.description,
                searched=f"{module.org}/{module.name} {module.display_name} {module.description}".lower(),
                now=moment,
            )
        log.info("module %s/%s registered by %s", module.org, module.name, caller.username)
        return module_id

    def _module(self, org: str, name: str) -> dict[str, Any] | None:
        return self._database.row("SELECT * FROM modules WHERE org = :org AND name = :name", org=org, name=name)

    # Publishing ----------------------------------------

    def initiate(self, request: protocol.InitiatePublish, caller: Principal) -> protocol.PublishStatus:
        """Announces a version. Raises Error(Invalid), Error(NotFound) for an unknown module, Error(PermissionDenied),
        Error(AlreadyExists)."""
        caller.require_publishing(request.org)
        request = msgspec.structs.replace(request, digest=request.digest.removeprefix("sha256:").lower())
        _check(request, self._largest)
        if self._module(request.org, request.module) is None:
            raise not_found(f"module not found: {request.org}/{request.module}")
        existing = self._existing(request)
        if existing is not None and existing["digest"] != request.digest:
            raise already_exists(f"{request.org}/{request.module} {request.version} is published already")
        publish_id = uuid.uuid4().hex
        with self._database.transaction():
            self._database.run(
                "INSERT INTO publishes (id, org, request, status, created)"
                " VALUES (:id, :org, :request, 'pending', :now)",
                id=publish_id,
                org=request.org,
                request=msgspec.json.encode(request).decode(),
                now=now(),
            )
        return self.status(publish_id, caller)

    def status(self, publish_id: str, caller: Principal) -> protocol.PublishStatus:
        """Raises Error(NotFound), Error(PermissionDenied)."""
        row = self._publish(publish_id, caller)
        return protocol.PublishStatus(
            publish_id=publish_id,
            status=row["status"],
            error=row["error"],
            version_id=row["version_id"],
            upload_url=f"{protocol.UPLOAD}?publish_id={publish_id}",
        )

    async def upload(self, publish_id: str, caller: Principal, pieces: AsyncIterator[bytes]) -> None:
        """Takes the pack of an announced version and verifies it as far as it stands alone. Raises Error(Invalid)."""
        request = self._request(self._publish(publish_id, caller, "pending"))
        target = self._incoming / publish_id
        part = target.with_name(f"{publish_id}.{secrets.token_hex(4)}")
        try:
            await _received(part, pieces, request.digest, request.size_bytes)
            async with self._verifying:
                await asyncio.to_thread(_verified, part, request)
            part.replace(target)
            self._set(publish_id, "uploaded")
        except Error as error:
            self._set(publish_id, "failed", error.message)
            raise
        finally:
            part.unlink(missing_ok=True)

    async def confirm(self, publish_id: str, caller: Principal) -> protocol.PublishStatus:
        """Makes an uploaded version known. Raises Error(AlreadyExists), Error(Conflict) when nothing was uploaded."""
        row = self._publish(publish_id, caller)
        if row["status"] == "completed":
            return self.status(publish_id, caller)
        if row["status"] != "uploaded":
            raise conflict(f"publish {publish_id} is {row['status']}, not uploaded")
        request, uploaded = self._request(row), self._incoming / publish_id
        async with self._verifying:
            inspected = await asyncio.to_thread(_verified, uploaded, request)
        await asyncio.to_thread(self._put_in_place, uploaded, request.digest)
        try:
            self._commit(publish_id, request, inspected, caller)
        except Error as error:
            self._set(publish_id, "failed", error.message)
            raise
        log.info("%s %s published by %s", inspected.name, request.version, caller.username)
        return self.status(publish_id, caller)

    def cancel(self, publish_id: str, caller: Principal) -> protocol.PublishStatus:
        row = self._publish(publish_id, caller)
        if row["status"] in ("pending", "uploaded"):
            (self._incoming / publish_id).unlink(missing_ok=True)
            self._set(publish_id, "canceled")
        return self.status(publish_id, caller)

    def yank(self, version: dict[str, Any], module: dict[str, Any], yanked: bool, caller: Principal) -> None:
        """Takes a version out of what is resolved, or back into it; who has locked it still gets it."""
        caller.require_publishing(module["org"])
        with self._database.transaction():
            self._database.run("UPDATE versions SET yanked = :yanked WHERE id = :id", yanked=yanked, id=version["id"])
        log.info("%s/%s %s yanked: %s", module["org"], module["name"], version["version"], yanked)

    def count_download(self, versions: list[dict[str, Any]]) -> None:
        """One more download of the versions that have a pack."""
        day = now()[:10]
        with self._database.transaction():
            for row in versions:
                self._database.run("UPDATE versions SET downloads = downloads + 1 WHERE id = :id", id=row["id"])
                self._database.run("UPDATE modules SET downloads = downloads + 1 WHERE id = :id", id=row["module_id"])
                self._database.run(
                    "INSERT INTO downloads (module_id, day, count) VALUES (:id, :day, 1)"
                    " ON CONFLICT (module_id, day) DO UPDATE SET count = count + 1",
                    id=row["module_id"],
                    day=day,
                )

    # The steps ----------------------------------------

    def _publish(self, publish_id: str, caller: Principal, wanted: str = "") -> dict[str, Any]:
        row = self._database.row("SELECT * FROM publishes WHERE id = :id", id=publish_id)
        if row is None:
            raise not_found(f"publish not found: {publish_id}")
        caller.require_publishing(row["org"])
        if wanted and row["status"] != wanted:
            raise conflict(f"publish {publish_id} is {row['status']}, not {wanted}")
        return row

    def _request(self, row: dict[str, Any]) -> protocol.InitiatePublish:
        return msgspec.json.decode(row["request"], type=protocol.InitiatePublish)

    def _set(self, publish_id: str, status: str, error: str = "") -> None:
        with self._database.transaction():
            self._database.run(
                "UPDATE publishes SET status = :status, error = :error WHERE id = :id",
                status=status,
                error=error,
                id=publish_id,
            )

    def _existing(self, request: protocol.InitiatePublish) -> dict[str, Any] | None:
        """The version of this precedence: `v1.0.0` and `1.0.0+x` are the same one."""
        rows = self._database.rows(
            "SELECT v.* FROM versions v JOIN modules m ON m.id = v.module_id WHERE m.org = :org AND m.name = :name",
            org=request.org,
            name=request.module,
        )
        wanted = Version.parse(request.version)
        return next((row for row in rows if Version.parse(row["version"]) == wanted), None)

    def _put_in_place(self, uploaded: Path, digest: str) -> None:
        target = self.pack(digest)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        uploaded.replace(target)
        for folder in (target.parent, self._packs):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _commit(
        self, publish_id: str, request: protocol.InitiatePublish, inspected: Inspected, caller: Principal
    ) -> None:
        with self._database.transaction():
            module = self._module(request.org, request.module)
            if module is None:
                raise not_found(f"module not found: {request.org}/{request.module}")
            existing = self._existing(request)
            if existing is None:
                version_id = self._insert(module, request, inspected, caller)
            elif existing["digest"] == request.digest:
                version_id = existing["id"]
            else:
                raise already_exists(f"{inspected.name} {request.version} is published already")
            if request.label:
                self._database.run(
                    "INSERT INTO labels (module_id, label, version_id) VALUES (:module, :label, :version)"
                    " ON CONFLICT (module_id, label) DO UPDATE SET version_id = :version",
                    module=module["id"],
                    label=request.label,
                    version=version_id,
                )
            self._database.run(
                "UPDATE publishes SET status = 'completed', version_id = :version WHERE id = :id",
                version=version_id,
                id=publish_id,
            )

    def _insert(
        self, module: dict[str, Any], request: protocol.InitiatePublish, inspected: Inspected, caller: Principal
    ) -> str:
        version_id, moment, about = str(uuid.uuid4()), now(), inspected.content.metadata
        content = msgspec.structs.replace(
            inspected.content, protected=request.protected, release_notes=request.release_notes
        )
        self._database.run(
            "INSERT INTO versions (id, module_id, version, digest, size, published_by, created, content)"
            " VALUES (:id, :module, :version, :digest, :size, :by, :now, :content)",
            id=version_id,
            module=module["id"],
            version=request.version,
            digest=request.digest,
            size=request.size_bytes,
            by=caller.username,
            now=moment,
            content=msgspec.json.encode(Stored(content, inspected.contracts)).decode(),
        )
        for dependency in inspected.content.dependencies or ():
            self._database.run(
                "INSERT INTO dependencies (version_id, org, name, wanted) VALUES (:id, :org, :name, :wanted)",
                id=version_id,
                org=dependency.org,
                name=dependency.name,
                wanted=dependency.version_constraint,
            )
        described = about.description or module["description"]
        searched = [f"{request.org}/{request.module}", module["display_name"], described, *about.keywords]
        self._database.run(
            "UPDATE modules SET updated = :now, description = :about, searched = :searched, license = :license,"
            " keywords = :keywords WHERE id = :id",
            now=moment,
            about=described,
            searched=" ".join(searched).lower(),
            license=about.license,
            keywords=msgspec.json.encode(about.keywords).decode(),
            id=module["id"],
        )
        return version_id


def _check(request: protocol.InitiatePublish, largest: int) -> None:
    if not is_version(request.version):
        raise invalid(f'"{request.version}" is not a semantic version')
    if not _DIGEST.match(request.digest):
        raise invalid("the digest must be a SHA-256 in hex")
    if not 0 < request.size_bytes <= largest:
        raise invalid(f"a pack of {request.size_bytes} bytes is not taken: {largest} is the most")
    if request.label and (_LABEL.match(request.label) is None or request.label == "latest"):
        raise invalid(f'"{request.label}" cannot be a label')


async def _received(part: Path, pieces: AsyncIterator[bytes], digest: str, size: int) -> None:
    seen, written = hashlib.sha256(), 0
    with part.open("xb") as file:
        async for piece in pieces:
            written += len(piece)
            if written > size:
                raise invalid(f"the upload is larger than the {size} bytes that were announced")
            seen.update(piece)
            file.write(piece)
        if written != size:
            raise invalid(f"the upload is incomplete: {written} of {size} bytes arrived")
        if seen.hexdigest() != digest:
            raise invalid(f"checksum mismatch: {digest} was announced, {seen.hexdigest()} arrived")
        file.flush()
        os.fsync(file.fileno())


def _verified(path: Path, request: protocol.InitiatePublish) -> Inspected:
    """What the pack says of itself, which must be what was announced."""
    try:
        pack = read_pack(path)
        verify_files(pack)
        inspected = inspect_pack(pack)
    except Error as error:
        raise Error(error.kind, error.message.replace(str(path), "the pack"), False, error.details) from None
    announced = f"{request.org}/{request.module}"
    if inspected.name != announced:
        raise invalid(f"the pack is of {inspected.name}, not of {announced}")
    if inspected.version != request.version:
        raise invalid(f"the pack is version {inspected.version}, not {request.version}")
    return inspected
