"""What a hub has, as one caller may see it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from wippy.core.errors import Error, not_found
from wippy.core.semver import Version, select
from wippy.hub import protocol
from wippy.hub.server.database import Database
from wippy.hub.server.tokens import EVERY_ORG, Principal

LARGEST_PAGE = 100
STATISTICS_DAYS = 90

_SEEN = (
    "(m.visibility = 'public' OR (m.visibility = 'internal' AND :known)"
    " OR :everything OR m.org IN (SELECT value FROM json_each(:orgs)))"
)
_ORDERS = {
    "name_asc": "m.org, m.name",
    "name_desc": "m.org DESC, m.name DESC",
    "created_desc": "m.created DESC, m.org, m.name",
    "updated_desc": "m.updated DESC, m.org, m.name",
    "downloads_desc": "m.downloads DESC, m.org, m.name",
}


class Page(NamedTuple):
    """`number` from 1; both are brought into their limits."""

    number: int
    size: int

    @classmethod
    def of(cls, number: int, size: int) -> Page:
        return cls(min(max(number, 1), 1_000_000), min(max(size, 1), LARGEST_PAGE))

    @property
    def values(self) -> dict[str, int]:
        return {"limit": self.size, "offset": (self.number - 1) * self.size}


class Stored(msgspec.Struct, frozen=True):
    """The JSON column of a version: what its pack says."""

    version: protocol.Version
    contracts: list[protocol.Contract] = []


class Catalog:
    def __init__(self, database: Database) -> None:
        self._database = database

    # Modules ----------------------------------------

    def find(self, ref: protocol.ModuleRef, caller: Principal) -> dict[str, Any]:
        """The row of a module. Raises Error(NotFound), also for one that the caller may not see."""
        condition = "m.org = :org AND m.name = :name" if ref.name else "m.id = :id"
        values = {"org": ref.name.org, "name": ref.name.name} if ref.name else {"id": ref.id}
        row = self._database.row(f"SELECT m.* FROM modules m WHERE {condition} AND {_SEEN}", **values, **_seen(caller))
        if row is None:
            raise not_found(f"module not found: {ref}")
        return row

    def module(self, ref: protocol.ModuleRef, caller: Principal) -> protocol.Module:
        return self.shown(self.find(ref, caller), whole=True)

    def modules(self, request: protocol.ListModules | protocol.SearchModules, caller: Principal) -> protocol.Modules:
        page = Page.of(request.page, request.page_size)
        conditions, values = _conditions(request)
        where = " AND ".join([_SEEN, *conditions])
        values |= _seen(caller)
        order = _ORDERS.get(request.sort_order, _ORDERS["name_asc"])
        if isinstance(request, protocol.SearchModules) and not request.sort_order:
            values["exact"] = request.query.strip().lower()
            order = f"m.name = :exact OR m.org || '/' || m.name = :exact DESC, {_ORDERS['downloads_desc']}"
        counted = self._database.row(f"SELECT count(*) AS total FROM modules m WHERE {where}", **values)
        rows = self._database.rows(
            f"SELECT m.* FROM modules m WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset",
            **values,
            **page.values,
        )
        return protocol.Modules(
            modules=[self.shown(row) for row in rows],
            total=counted["total"] if counted else 0,
            page=page.number,
            page_size=page.size,
        )

    def shown(self, row: dict[str, Any], *, whole: bool = False) -> protocol.Module:
        """A module as a caller sees it. whole: with contracts and statistics."""
        latest = self._latest(row["id"])
        stored = _stored(latest) if latest else Stored(protocol.Version())
        about = stored.version.metadata
        return protocol.Module(
            id=row["id"],
            name=row["name"],
            org=row["org"],
            org_id=row["org"],
            full_name=f"{row['org']}/{row['name']}",
            display_name=row["display_name"] or row["name"],
            description=row["description"],
            latest_version=latest["version"] if latest else "",
            total_downloads=row["downloads"],
            create_time=row["created"],
            update_time=row["updated"],
            visibility=row["visibility"],
            deprecated=bool(row["deprecated"]),
            deprecation_message=row["deprecation_message"],
            type=row["type"],
            keywords=about.keywords,
            license=about.license,
            repository=about.repository,
            homepage=about.homepage,
            protected=stored.version.protected,
            contracts=stored.contracts if whole else [],
            download_stats=self._statistics(row["id"]) if whole else [],
        )

    def _statistics(self, module_id: str) -> list[protocol.DayCount]:
        rows = self._database.rows(
            "SELECT day AS date, count FROM downloads WHERE module_id = :id ORDER BY day DESC LIMIT :days",
            id=module_id,
            days=STATISTICS_DAYS,
        )
        return [protocol.DayCount(**row) for row in reversed(rows)]

    # Versions ----------------------------------------

    def versions(self, request: protocol.ListVersions, caller: Principal) -> protocol.Versions:
        """The newest first."""
        module = self.find(request.module, caller)
        page = Page.of(request.page, request.page_size)
        rows = self._versions(module["id"], yanked=request.include_yanked)
        start = page.values["offset"]
        return protocol.Versions(
            versions=[self.described(row) for row in rows[start : start + page.size]],
            total=len(rows),
            page=page.number,
            page_size=page.size,
        )

    def _versions(self, module_id: str, *, yanked: bool) -> list[dict[str, Any]]:
        rows = self._database.rows(
            "SELECT * FROM versions WHERE module_id = :id AND (:yanked OR NOT yanked)", id=module_id, yanked=yanked
        )
        return sorted(rows, key=lambda row: Version.parse(row["version"]), reverse=True)

    def find_version(self, about: protocol.AboutVersion, caller: Principal) -> dict[str, Any]:
        """The row of a version. Raises Error(NotFound)."""
        module = self.find(about.module, caller)
        ref = about.version
        row = self._labelled(module["id"], ref.label or "latest")
        if ref.id or ref.version:
            row = self._database.row(
                "SELECT * FROM versions"
                " WHERE module_id = :module AND (id = :id OR version IN (:version, :plain, 'v' || :plain))",
                module=module["id"],
                id=ref.id,
                version=ref.version,
                plain=ref.version.removeprefix("v"),
            )
        if row is None:
            raise not_found(f"version not found: {module['org']}/{module['name']} {ref}")
        return row

    def _labelled(self, module_id: str, label: str) -> dict[str, Any] | None:
        row = self._database.row(
            "SELECT v.* FROM labels l JOIN versions v ON v.id = l.version_id"
            " WHERE l.module_id = :id AND l.label = :label AND NOT v.yanked",
            id=module_id,
            label=label,
        )
        return row or (self._latest(module_id) if label == "latest" else None)

    def _latest(self, module_id: str) -> dict[str, Any] | None:
        """The highest stable version that is not yanked, else the highest pre-release."""
        rows = self._versions(module_id, yanked=False)
        best = select([Version.parse(row["version"]) for row in rows], ())
        return next((row for row in rows if best and row["version"] == str(best[0])), None)

    def version(self, about: protocol.AboutVersion, caller: Principal) -> protocol.Version:
        return self.described(self.find_version(about, caller))

    def described(self, row: dict[str, Any]) -> protocol.Version:
        labels = self._database.rows("SELECT label FROM labels WHERE version_id = :id ORDER BY label", id=row["id"])
        return msgspec.structs.replace(
            _stored(row).version,
            id=row["id"],
            module_id=row["module_id"],
            version=row["version"],
            digest=row["digest"],
            size_bytes=row["size"],
            yanked=bool(row["yanked"]),
            published_by=row["published_by"],
            create_time=row["created"],
            download_count=row["downloads"],
            labels=[each["label"] for each in labels],
        )

    def dependents(self, request: protocol.ListDependents, caller: Principal) -> protocol.Dependents:
        """The latest version of every module that depends on this one."""
        module = self.find(request.module, caller)
        page = Page.of(request.page, request.page_size)
        rows = self._database.rows(
            "SELECT m.org, m.name, m.id AS module_id, v.version, d.wanted FROM dependencies d"
            " JOIN versions v ON v.id = d.version_id AND NOT v.yanked JOIN modules m ON m.id = v.module_id"
            f" WHERE d.org = :org AND d.name = :name AND {_SEEN} ORDER BY m.org, m.name",
            org=module["org"],
            name=module["name"],
            **_seen(caller),
        )
        newest: dict[str, dict[str, Any]] = {}
        for row in rows:
            known = newest.get(row["module_id"])
            if known is None or Version.parse(known["version"]) < Version.parse(row["version"]):
                newest[row["module_id"]] = row
        start = page.values["offset"]
        return protocol.Dependents(
            dependents=[
                protocol.Dependent(org=row["org"], name=row["name"], version=row["version"], constraint=row["wanted"])
                for row in list(newest.values())[start : start + page.size]
            ],
            total=len(newest),
            page=page.number,
            page_size=page.size,
        )

    def visible_pack(self, digest: str, caller: Principal) -> list[dict[str, Any]]:
        """The versions with this pack that the caller may see. Raises Error(NotFound) when there are none."""
        rows = self._database.rows(
            f"SELECT v.id, v.module_id FROM versions v JOIN modules m ON m.id = v.module_id"
            f" WHERE v.digest = :digest AND {_SEEN}",
            digest=digest,
            **_seen(caller),
        )
        if not rows:
            raise not_found(f"pack not found: {digest}")
        return rows


def _seen(caller: Principal) -> dict[str, Any]:
    return {
        "known": bool(caller.id),
        "everything": EVERY_ORG in caller.orgs,
        "orgs": json.dumps(list(caller.orgs)),
    }


def _conditions(request: protocol.ListModules | protocol.SearchModules) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    org = request.org or request.organization_id
    for name, value in (("org", org), ("type", request.type), ("visibility", request.visibility)):
        if value:
            conditions.append(f"m.{name} = :{name}")
            values[name] = value
    if not isinstance(request, protocol.SearchModules):
        return conditions, values
    for index, word in enumerate(request.query.lower().split()[:16]):
        conditions.append(f"instr(m.searched, :word{index})")
        values[f"word{index}"] = word
    for index, keyword in enumerate(request.keywords[:16]):
        conditions.append(f"EXISTS (SELECT 1 FROM json_each(m.keywords) WHERE lower(value) = :keyword{index})")
        values[f"keyword{index}"] = keyword.lower()
    if request.license:
        conditions.append("lower(m.license) = :license")
        values["license"] = request.license.lower()
    if not request.include_deprecated:
        conditions.append("NOT m.deprecated")
    return conditions, values


def _stored(row: dict[str, Any]) -> Stored:
    try:
        return msgspec.json.decode(row["content"], type=Stored)
    except msgspec.MsgspecError as error:
        raise Error("Internal", f"version {row['id']} cannot be read: {error}") from None
