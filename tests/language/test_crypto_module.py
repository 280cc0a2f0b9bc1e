# ruff: noqa: E501 (guest programs of one line)
"""The acceptance bullets of `crypto` (spec 04b §13), by an application on disk."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from language.project import Project

FAILURE = """
local function failure(v, e) return { v == nil, e:kind(), e:retryable() } end
local function header(token)
  local part = token:match("^[^.]+"):gsub("-", "+"):gsub("_", "/")
  return json.decode(base64.decode(part .. ("="):rep(-#part % 4)))
end
"""


def run(project: Project, body: str, *args: Any) -> Any:
    return project.run(body, *args, top=FAILURE, modules=["crypto", "json", "base64", "uuid"])


CIPHERS = [("aes", 16), ("aes", 24), ("aes", 32), ("chacha20", 32)]


@pytest.mark.parametrize(("cipher", "size"), CIPHERS)
def test_round_trips_with_and_without_aad(project: Project, cipher: str, size: int) -> None:
    body = f"""
        local key, data = crypto.random.bytes({size}), "secret \\0 data"
        local plain = crypto.encrypt.{cipher}(data, key)
        local bound = crypto.encrypt.{cipher}(data, key, "context")
        return {{
          crypto.decrypt.{cipher}(plain, key) == data, crypto.decrypt.{cipher}(bound, key, "context") == data,
          #plain == 12 + #data + 16, plain ~= crypto.encrypt.{cipher}(data, key), crypto.decrypt.{cipher}(crypto.encrypt.{cipher}("", key), key),
        }}
    """
    assert run(project, body) == [True, True, True, True, ""]


@pytest.mark.parametrize(("cipher", "size"), CIPHERS)
def test_wrong_key_wrong_aad_and_tampering_are_internal_and_not_retryable(
    project: Project, cipher: str, size: int
) -> None:
    body = f"""
        local key = crypto.random.bytes({size})
        local sealed = crypto.encrypt.{cipher}("data", key, "context")
        return {{
          failure(crypto.decrypt.{cipher}(sealed, crypto.random.bytes({size}), "context")),
          failure(crypto.decrypt.{cipher}(sealed, key, "other")), failure(crypto.decrypt.{cipher}(sealed, key)),
          failure(crypto.decrypt.{cipher}(sealed:sub(1, -2) .. (sealed:sub(-1) == "x" and "y" or "x"), key, "context")),
        }}
    """
    assert run(project, body) == [[True, "Internal", False]] * 4


@pytest.mark.parametrize(
    "call",
    [
        "crypto.encrypt.aes('x', 'short')",
        "crypto.encrypt.chacha20('x', 'short')",
        "crypto.decrypt.aes(('x'):rep(40), 'short')",
        "crypto.decrypt.aes('short', ('k'):rep(16))",
        "crypto.decrypt.chacha20('', ('k'):rep(32))",
        "crypto.hmac.sha256('', 'data')",
        "crypto.hmac.sha512('', 'data')",
        "crypto.random.bytes(0)",
        "crypto.random.bytes(-1)",
        "crypto.random.bytes(1048577)",
        "crypto.random.string(0)",
        "crypto.random.string(-1)",
        "crypto.random.string(5, '')",
        "crypto.pbkdf2('', 'salt', 1, 32)",
        "crypto.pbkdf2('password', '', 1, 32)",
        "crypto.pbkdf2('password', 'salt', 0, 32)",
        "crypto.pbkdf2('password', 'salt', -1, 32)",
        "crypto.pbkdf2('password', 'salt', 10000001, 32)",
        "crypto.pbkdf2('password', 'salt', 1, 0)",
        "crypto.pbkdf2('password', 'salt', 1, 32, 'md5')",
        "crypto.jwt.encode({ 1, 2 }, 'key')",
    ],
)
def test_every_invalid_argument_is_invalid(project: Project, call: str) -> None:
    assert run(project, f"return failure({call})") == [True, "Invalid", False]


def test_hmac_lengths_and_values(project: Project) -> None:
    body = "return { crypto.hmac.sha256('key', 'data'), crypto.hmac.sha512('key', 'data'), #crypto.hmac.sha256('key', '') }"
    expected = [hmac.new(b"key", b"data", name).hexdigest() for name in ("sha256", "sha512")]
    assert run(project, body) == [*expected, 64]


def test_random_lengths_and_charsets(project: Project) -> None:
    body = """
        return {
          #crypto.random.bytes(1), #crypto.random.bytes(1048576), #crypto.random.string(40),
          crypto.random.string(200):match("^[A-Za-z0-9]+$") ~= nil, crypto.random.string(100, "ab"):match("^[ab]+$") ~= nil,
          crypto.random.string(30) ~= crypto.random.string(30), uuid.version(crypto.random.uuid()),
        }
    """
    assert run(project, body) == [1, 1048576, 40, True, True, True, 4]


def test_tokens_by_default_and_by_other_algorithms(project: Project) -> None:
    body = """
        local claims = { sub = "ada", exp = os.time() + 60, n = 5 }
        local out = {}
        for i, algorithm in ipairs { "default", "HS384", "HS512" } do
          local token
          if algorithm == "default" then token = crypto.jwt.encode(claims, "key") else token = crypto.jwt.encode(claims, "key", algorithm) end
          local read = crypto.jwt.verify(token, "key", algorithm ~= "default" and algorithm or nil)
          out[i] = { read.sub, read.n, math.type(read.n), header(token).alg }
        end
        return out
    """
    assert run(project, body) == [["ada", 5.0, "float", name] for name in ("HS256", "HS384", "HS512")]


def test_tokens_that_do_not_verify_are_internal(project: Project) -> None:
    body = """
        local token = crypto.jwt.encode({ exp = os.time() + 60 }, "key")
        return {
          failure(crypto.jwt.verify(token, "other")), failure(crypto.jwt.verify("garbage", "key")),
          failure(crypto.jwt.verify(token, "key", "HS512")), failure(crypto.jwt.verify(token .. "x", "key")),
          failure(crypto.jwt.verify(crypto.jwt.encode({ exp = os.time() - 60 }, "key"), "key")),
          failure(crypto.jwt.verify(crypto.jwt.encode({ sub = "x" }, "key"), "key")),
          crypto.jwt.verify(crypto.jwt.encode({ sub = "x" }, "key"), "key", "HS256", false).sub,
        }
    """
    assert run(project, body) == [[True, "Internal", False]] * 6 + ["x"]


def test_a_header_table_goes_to_the_header_and_not_to_the_claims(project: Project) -> None:
    body = """
        local token = crypto.jwt.encode({ sub = "x", exp = os.time() + 60, _header = { kid = "k1" } }, "key")
        local claims = crypto.jwt.verify(token, "key")
        return { header(token).kid, header(token).alg, claims._header == nil, claims.sub }
    """
    assert run(project, body) == ["k1", "HS256", True, "x"]


def test_pbkdf2_is_deterministic(project: Project) -> None:
    body = """
        local function hex(s) return (s:gsub(".", function(c) return string.format("%02x", c:byte()) end)) end
        return {
          hex(crypto.pbkdf2("password", "salt", 100, 32)), hex(crypto.pbkdf2("password", "salt", 100, 20, "sha512")),
          crypto.pbkdf2("password", "salt", 10, 16) == crypto.pbkdf2("password", "salt", 10, 16),
          crypto.pbkdf2("password", "salt", 10, 16) ~= crypto.pbkdf2("password", "pepper", 10, 16),
        }
    """
    expected = [
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100, 32).hex(),
        hashlib.pbkdf2_hmac("sha512", b"password", b"salt", 100, 20).hex(),
    ]
    assert run(project, body) == [*expected, True, True]


def test_constant_time_compare(project: Project) -> None:
    body = "local c = crypto.constant_time_compare return { c('a', 'a'), c('a', 'b'), c('a', 'aa'), c('', '') }"
    assert run(project, body) == [True, False, False, True]


def test_numbers_stand_for_their_digits_where_bytes_are_wanted(project: Project) -> None:
    body = "return { crypto.hmac.sha256(5, 1.0) == crypto.hmac.sha256('5', '1'), crypto.constant_time_compare(5, '5') }"
    assert run(project, body) == [True, True]
