"""Guest module `hash` (spec 04b §12): digests and keyed digests of byte strings.

Data comes first, the secret second. Lower-case hexadecimal text, or the digest's bytes with `raw = true`. The FNV
hashes are in hash.lua: as numbers they need no host.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from wippy.lua.modules.declare import Module

ALGORITHMS = ("md5", "sha1", "sha256", "sha512")

hash = Module(
    "hash",
    "Digests of byte strings.",
    classes=("encoding", "security", "deterministic"),
    source=Path(__file__).with_suffix(".lua"),
)


def _declare(algorithm: str) -> None:
    make = getattr(hashlib, algorithm)

    def digest(data: bytes, raw: bool | None) -> bytes:
        made = make(data, usedforsecurity=False)
        return bytes(made.digest()) if raw else made.hexdigest().encode()

    def keyed(data: bytes, secret: bytes, raw: bool | None) -> bytes:
        made = hmac.digest(secret, data, algorithm)
        return made if raw else made.hex().encode()

    digest.__doc__ = f"The {algorithm} digest of `data`. Invalid when `data` is no string."
    keyed.__doc__ = f"HMAC with {algorithm}. Invalid when `data` or `secret` is no string."
    hash.function(f"{algorithm}(data: bytes, raw: boolean?) -> bytes")(digest)
    hash.function(f"hmac_{algorithm}(data: bytes, secret: bytes, raw: boolean?) -> bytes")(keyed)


for _name in ALGORITHMS:
    _declare(_name)

hash.in_lua(
    {
        "fnv32(data: string) -> number": "The 32-bit FNV-1 hash. Invalid when `data` is no string.",
        "fnv64(data: string) -> number": "The 64-bit FNV-1 hash, low bits lost. Invalid when `data` is no string.",
    }
)
