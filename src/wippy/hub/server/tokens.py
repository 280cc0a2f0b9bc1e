"""Who may do what on a hub. Only hashes of tokens are stored: they are random, so a plain digest keeps them."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from typing import Any, Literal

import msgspec

from wippy.core.errors import Error, denied, invalid, not_found
from wippy.hub import protocol
from wippy.hub.credentials import Token
from wippy.hub.server.database import Database, now

Scope = Literal["read", "publish"]
EVERY_ORG = "*"


class Principal(msgspec.Struct, frozen=True):
    """Somebody who asks. Without an id: anybody."""

    id: str = ""
    username: str = ""
    orgs: tuple[str, ...] = ()
    scope: str = ""
    expires: str = ""

    def belongs_to(self, org: str) -> bool:
        return EVERY_ORG in self.orgs or org in self.orgs

    def require_publishing(self, org: str) -> None:
        """Raises Error(PermissionDenied) unless modules of `org` may be changed."""
        if not self.id:
            raise unauthenticated("a token is needed to publish")
        if self.scope != "publish" or not self.belongs_to(org):
            raise denied(f"this token may not publish modules of {org}")

    def account(self) -> protocol.Account:
        return protocol.Account(
            orgs=list(self.orgs), username=self.username, user_id=self.id, scope=self.scope, expires_at=self.expires
        )


ANYBODY = Principal()


class Tokens:
    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(self, username: str, orgs: list[str], scope: Scope, expires: str = "") -> Token:
        """A new token: to be shown once, it cannot be had again. expires: RFC 3339, empty for never."""
        if not orgs or not all(orgs):
            raise invalid("a token belongs to at least one organization")
        token = Token(f"wpy_{secrets.token_urlsafe(32)}")
        with self._database.transaction():
            self._database.run(
                "INSERT INTO tokens (id, hash, username, orgs, scope, created, expires)"
                " VALUES (:id, :hash, :username, :orgs, :scope, :created, :expires)",
                id=uuid.uuid4().hex[:12],
                hash=_hash(token),
                username=username,
                orgs=json.dumps(orgs),
                scope=scope,
                created=now(),
                expires=expires,
            )
        return token

    def principal(self, token: str) -> Principal:
        """Whose token it is. Raises Error(PermissionDenied) for one that is unknown, revoked or expired."""
        row = self._database.row("SELECT * FROM tokens WHERE hash = :hash AND NOT revoked", hash=_hash(token))
        if row is None:
            raise unauthenticated("the token is not known")
        if row["expires"] and row["expires"] <= now():
            raise unauthenticated("the token has expired")
        orgs = tuple(json.loads(row["orgs"]))
        return Principal(row["id"], row["username"], orgs, row["scope"], row["expires"])

    def list(self) -> list[dict[str, Any]]:
        """All that can be told of them."""
        columns = "id, username, orgs, scope, created, expires, revoked"
        rows = self._database.rows(f"SELECT {columns} FROM tokens ORDER BY created, id")
        return [{**row, "orgs": json.loads(row["orgs"]), "revoked": bool(row["revoked"])} for row in rows]

    def revoke(self, token_id: str) -> None:
        """Raises Error(NotFound)."""
        with self._database.transaction():
            if self._database.row("SELECT id FROM tokens WHERE id = :id", id=token_id) is None:
                raise not_found(f"token not found: {token_id}")
            self._database.run("UPDATE tokens SET revoked = 1 WHERE id = :id", id=token_id)


def unauthenticated(message: str) -> Error:
    return denied(message, code="unauthenticated")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
