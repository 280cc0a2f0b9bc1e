"""JSON Web Tokens of the guest module `crypto` (spec 04b §13), on PyJWT."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from wippy.core.errors import Error, internal, invalid

ALGORITHMS = frozenset({"HS256", "HS384", "HS512", "RS256"})
_FIXED_HEADERS = frozenset({"alg", "b64", "crit"})
"""What a `_header` table cannot set: it would change how the token is signed."""

_CHECKS = {
    "verify_signature": True,
    "verify_exp": True,
    "verify_nbf": True,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _jwt() -> Any:
    import jwt

    warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)
    return jwt


def encode_token(payload: Any, key: bytes, algorithm: str | None) -> str:
    """A token that carries `payload`. Raises Error(Invalid) for what is no map and for a key that does not fit."""
    jwt = _jwt()
    claims = _claims(payload)
    header = claims.pop("_header", None) or {}
    if not isinstance(header, Mapping):
        raise invalid("_header must be a map")
    if not key:
        raise invalid("key cannot be empty")
    headers = {name: value for name, value in header.items() if name not in _FIXED_HEADERS}
    try:
        return str(jwt.encode(claims, key, algorithm=_algorithm(algorithm), headers=headers))
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as e:
        raise invalid(f"failed to encode token: {e}") from None


def verify_token(token: str, key: bytes, algorithm: str | None, require_exp: bool) -> dict[str, Any]:
    """The claims of `token`. Raises Error(Internal) for any failure."""
    jwt = _jwt()
    name = _algorithm(algorithm)
    try:
        public = _public_key(key) if name == "RS256" else key
        options = {**_CHECKS, "require": ["exp"] if require_exp else []}
        claims = jwt.decode(token, public, algorithms=[name], options=options)
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise internal(f"failed to verify token: {e}") from None
    return {name: _floats(value) for name, value in claims.items()}


def _algorithm(name: str | None) -> str:
    return name if name in ALGORITHMS else "HS256"


def _claims(payload: Any) -> dict[str, Any]:
    if payload == []:
        return {}
    if not isinstance(payload, Mapping) or not all(isinstance(name, str) for name in payload):
        raise invalid("payload must be a map")
    return {name: _plain(value) for name, value in payload.items()}


def _plain(value: Any) -> Any:
    """A value as JSON writes it: whole floats without a fraction, errors as their message."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.message if isinstance(value, Error) else value


def _floats(value: Any) -> Any:
    """Claims as the guest gets them: every number is a float."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    return [_floats(item) for item in value] if isinstance(value, list) else value


def _public_key(pem: bytes) -> Any:
    if b"BEGIN CERTIFICATE" not in pem:
        return pem
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem).public_key()
