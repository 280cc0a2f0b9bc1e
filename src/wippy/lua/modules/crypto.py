"""Guest module `crypto` (spec 04b §13): random values, keyed digests, authenticated encryption, key derivation.

Tokens are in `crypto_jwt.py`. `cryptography` is imported when a guest first encrypts.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from wippy.core.errors import Error, internal, invalid
from wippy.lua.modules.crypto_jwt import encode_token, verify_token
from wippy.lua.modules.declare import Module

MOST_RANDOM = 1 << 20
MOST_ITERATIONS = 10_000_000
MOST_DERIVATION_WORK = 100_000_000
"""Iterations times blocks of the derived key: a bound for what one call may cost."""

NONCE = 12
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

crypto = Module(
    "crypto",
    "Random values, keyed digests, authenticated encryption, tokens, key derivation.",
    classes=("security", "nondeterministic", "workflow"),
)

# Random -------------------------------------------------------------------------------------------------------------


def _amount(count: int | None) -> int:
    if count is None or not 1 <= count <= MOST_RANDOM:
        raise invalid(f"length must be between 1 and {MOST_RANDOM}")
    return count


@crypto.function("random.bytes(count: integer) -> bytes")
def random_bytes(count: int) -> bytes:
    """`count` random bytes, 1 to 1048576. Invalid for another count."""
    return os.urandom(_amount(count))


@crypto.function("random.string(length: integer, charset: bytes?) -> string")
def random_string(length: int, charset: bytes | None) -> bytes:
    """Random characters of `charset` (letters and digits), each a random byte modulo its length. Invalid for `""`."""
    if charset is None:
        charset = LETTERS
    if not charset:
        raise invalid("charset cannot be empty")
    return bytes(charset[byte % len(charset)] for byte in os.urandom(_amount(length)))


@crypto.function("random.uuid() -> string")
def random_uuid() -> bytes:
    """A random identifier (UUID version 4)."""
    return str(uuid.uuid4()).encode()


# Keyed digests ------------------------------------------------------------------------------------------------------


def _declare_hmac(algorithm: str) -> None:
    def digest(key: bytes, data: bytes) -> bytes:
        if not key:
            raise invalid("key cannot be empty")
        return hmac.digest(key, data, algorithm).hex().encode()

    digest.__doc__ = f"HMAC with {algorithm} in hexadecimal; the key comes first. Invalid for an empty key."
    crypto.function(f"hmac.{algorithm}(key: bytes, data: bytes) -> string")(digest)


for _name in ("sha256", "sha512"):
    _declare_hmac(_name)


@crypto.function("constant_time_compare(a: bytes, b: bytes) -> boolean")
def constant_time_compare(a: bytes, b: bytes) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ. False for different lengths."""
    return hmac.compare_digest(a, b)


# Encryption ---------------------------------------------------------------------------------------------------------


@cache
def _ciphers() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    return AESGCM, ChaCha20Poly1305


def _aes(key: bytes) -> Any:
    if len(key) not in (16, 24, 32):
        raise invalid(f"key must have 16, 24 or 32 bytes, got {len(key)}")
    return _ciphers()[0](key)


def _chacha20(key: bytes) -> Any:
    if len(key) != 32:
        raise invalid(f"key must have 32 bytes, got {len(key)}")
    return _ciphers()[1](key)


def _opened(cipher: Any, data: bytes, aad: bytes | None) -> bytes:
    from cryptography.exceptions import InvalidTag

    if len(data) < NONCE:
        raise invalid("data is too short")
    try:
        return bytes(cipher.decrypt(data[:NONCE], data[NONCE:], aad))
    except InvalidTag:
        raise internal("decryption failed: message authentication failed") from None


def _sealed(cipher: Any, data: bytes, aad: bytes | None) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + bytes(cipher.encrypt(nonce, data, aad))


@crypto.function("encrypt.aes(data: bytes, key: bytes, aad: bytes?) -> bytes")
def encrypt_aes(data: bytes, key: bytes, aad: bytes | None) -> bytes:
    """AES-GCM: nonce (12 bytes), ciphertext, tag (16). Invalid unless the key has 16, 24 or 32 bytes."""
    return _sealed(_aes(key), data, aad)


@crypto.function("decrypt.aes(data: bytes, key: bytes, aad: bytes?) -> bytes")
def decrypt_aes(data: bytes, key: bytes, aad: bytes | None) -> bytes:
    """What `encrypt.aes` was given. Invalid for short data or a bad key, Internal when it is not authentic."""
    return _opened(_aes(key), data, aad)


@crypto.function("encrypt.chacha20(data: bytes, key: bytes, aad: bytes?) -> bytes")
def encrypt_chacha20(data: bytes, key: bytes, aad: bytes | None) -> bytes:
    """ChaCha20-Poly1305, laid out as `encrypt.aes`. Invalid unless the key has 32 bytes."""
    return _sealed(_chacha20(key), data, aad)


@crypto.function("decrypt.chacha20(data: bytes, key: bytes, aad: bytes?) -> bytes")
def decrypt_chacha20(data: bytes, key: bytes, aad: bytes | None) -> bytes:
    """What `encrypt.chacha20` was given; errors as `decrypt.aes`."""
    return _opened(_chacha20(key), data, aad)


# Tokens -------------------------------------------------------------------------------------------------------------


@crypto.function("jwt.encode(payload: table, key: bytes, alg: string?) -> string")
def jwt_encode(payload: Any, key: bytes, alg: str | None) -> bytes:
    """A signed token: HS256 (default), HS384, HS512 with a secret, RS256 with a PEM private key.

    A `_header` table is left out of the claims and merged into the header. Invalid when `payload` is a list or `key`
    does not fit.
    """
    return encode_token(payload, key, alg).encode()


@crypto.function("jwt.verify(token: string, key: bytes, alg: string?, require_exp: boolean?) -> table")
def jwt_verify(token: str, key: bytes, alg: str | None = None, require_exp: bool | None = None) -> dict[str, Any]:
    """The claims of a token, numbers as floats. RS256 takes a PEM public key or certificate.

    Internal for any failure: signature, another algorithm, malformed, expired, `exp` missing unless `require_exp` is
    false.
    """
    return verify_token(token, key, alg, require_exp is not False)


# Key derivation -----------------------------------------------------------------------------------------------------

_DIGEST_SIZES = {"sha256": 32, "sha512": 64}


@cache
def _workers() -> ThreadPoolExecutor:
    """Threads of its own: slow derivations must not hold up the files and databases of the node."""
    return ThreadPoolExecutor(2, thread_name_prefix="wippy-pbkdf2")


@crypto.function(
    "pbkdf2(password: bytes, salt: bytes, iterations: integer, key_len: integer, hash: string?) -> bytes", yields=True
)
async def pbkdf2(password: bytes, salt: bytes, iterations: int, key_len: int, hash: str | None = None) -> bytes:
    """A key of `key_len` bytes, derived with sha256 (default) or sha512. Runs in a thread: the task waits.

    Invalid for an empty password or salt, iterations outside 1 to 10000000, a key length below 1, another hash, and for
    more than 10^8 iterations over all blocks of the key.
    """
    algorithm = hash or "sha256"
    problem = _derivation_problem(password, salt, iterations, key_len, algorithm)
    if problem is not None:
        raise problem
    derive = asyncio.get_running_loop().run_in_executor
    return await derive(_workers(), hashlib.pbkdf2_hmac, algorithm, password, salt, iterations, key_len)


def _derivation_problem(password: bytes, salt: bytes, iterations: int, key_len: int, algorithm: str) -> Error | None:
    if not password or not salt:
        return invalid("password and salt cannot be empty")
    if iterations is None or not 0 < iterations <= MOST_ITERATIONS:
        return invalid(f"iterations must be between 1 and {MOST_ITERATIONS}")
    size = _DIGEST_SIZES.get(algorithm)
    if size is None:
        return invalid(f"unsupported hash: {algorithm}")
    if key_len is None or key_len <= 0:
        return invalid("key length must be positive")
    if iterations * -(-key_len // size) > MOST_DERIVATION_WORK:
        return invalid("iterations and key length ask for too much work")
    return None
