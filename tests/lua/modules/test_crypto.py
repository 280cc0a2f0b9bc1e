# ruff: noqa: E501 (guest programs of one line)
"""Guest module `crypto` (spec 04b §13)."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from functools import cache
from typing import Any

import pytest

from lua.modules.guest import check


def run(source: str, *args: Any) -> Any:
    return check(source, *args)


def kind_of(call: str, *args: Any) -> Any:
    """Kind and retryable of the error that a call returns."""
    return run(f"local v, e = {call} if v ~= nil then return 'no error' end return {{e:kind(), e:retryable()}}", *args)


INVALID, INTERNAL = ["Invalid", False], ["Internal", False]


def test_random_bytes_and_texts_have_the_length_asked_for() -> None:
    found = run(
        "local t = {} for i = 1, 20 do t[i] = crypto.random.string(40) end return {"
        "#crypto.random.bytes(1), #crypto.random.bytes(1048576), #crypto.random.bytes(16.9), "
        "#crypto.random.string(32), crypto.random.string(64, 'ab'):gsub('[ab]', '') == '', table.concat(t):find('[^%w]') == nil,"
        "crypto.random.bytes(16) ~= crypto.random.bytes(16)}"
    )
    assert found == [1, 1048576, 16, 32, True, True, True]


@pytest.mark.parametrize(
    "call",
    [
        "crypto.random.bytes(0)",
        "crypto.random.bytes(-1)",
        "crypto.random.bytes(1048577)",
        "crypto.random.bytes(0/0)",
        "crypto.random.string(0)",
        "crypto.random.string(-1)",
        "crypto.random.string(10, '')",
    ],
)
def test_random_lengths_and_charsets_that_are_refused(call: str) -> None:
    assert kind_of(call) == INVALID


def test_random_uuid_is_a_version_4() -> None:
    assert run("local u = crypto.random.uuid() return {#u, uuid.version(u), u ~= crypto.random.uuid()}") == [
        36,
        4,
        True,
    ]


def test_hmac_takes_the_key_first() -> None:
    found = run(
        "return {crypto.hmac.sha256('key', 'data'), crypto.hmac.sha512('key', 'data'), crypto.hmac.sha256('k', '')}"
    )
    assert found == [
        hmac.digest(b"key", b"data", "sha256").hex(),
        hmac.digest(b"key", b"data", "sha512").hex(),
        hmac.digest(b"k", b"", "sha256").hex(),
    ]
    assert [len(text) for text in found] == [64, 128, 64]


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_hmac_needs_a_key(name: str) -> None:
    assert kind_of(f"crypto.hmac.{name}('', 'data')") == INVALID


CIPHERS = [("aes", 16), ("aes", 24), ("aes", 32), ("chacha20", 32)]


@pytest.mark.parametrize(("cipher", "size"), CIPHERS)
def test_encryption_round_trips_with_and_without_aad(cipher: str, size: int) -> None:
    program = f"""
        local key, text = crypto.random.bytes({size}), "secret\\0\\255"
        local sealed, bound = crypto.encrypt.{cipher}(text, key), crypto.encrypt.{cipher}(text, key, "aad")
        return {{
          crypto.decrypt.{cipher}(sealed, key) == text, crypto.decrypt.{cipher}(bound, key, "aad") == text,
          #sealed == #text + 28, sealed ~= crypto.encrypt.{cipher}(text, key),
          crypto.decrypt.{cipher}(crypto.encrypt.{cipher}("", key), key) == "",
        }}
    """
    assert run(program) == [True] * 5


@pytest.mark.parametrize(("cipher", "size"), CIPHERS)
def test_decryption_of_what_is_not_authentic_is_internal(cipher: str, size: int) -> None:
    program = f"""
        local key = crypto.random.bytes({size})
        local sealed = crypto.encrypt.{cipher}("secret", key, "aad")
        local function kind(...)
          local v, e = crypto.decrypt.{cipher}(...)
          return v == nil and e:kind() .. tostring(e:retryable())
        end
        return {{
          kind(sealed, key, "other"), kind(sealed, key), kind(sealed, crypto.random.bytes({size}), "aad"),
          kind(sealed:sub(1, -2) .. string.char(sealed:byte(-1) ~ 1), key, "aad"), kind(sealed:sub(1, 12), key, "aad"),
          kind(sealed:sub(1, 11), key, "aad"), kind("", key),
        }}
    """
    assert run(program) == ["Internalfalse"] * 5 + ["Invalidfalse"] * 2


@pytest.mark.parametrize("call", ["crypto.CALL.aes('x', 'short')", "crypto.CALL.chacha20('x', ('k'):rep(16))"])
def test_keys_of_a_wrong_size_are_invalid(call: str) -> None:
    assert kind_of(call.replace("CALL", "encrypt")) == INVALID
    assert kind_of(call.replace("CALL", "decrypt")) == INVALID


@pytest.mark.parametrize("algorithm", ["nil", "'HS256'", "'HS384'", "'HS512'", "'unknown'"])
def test_token_round_trips(algorithm: str) -> None:
    program = f"""
        local token = crypto.jwt.encode({{sub = "u1", exp = os.time() + 60, n = 3, nested = {{a = {{1, 2}}}}}}, "secret", {algorithm})
        local claims, err = crypto.jwt.verify(token, "secret", {algorithm})
        return {{err == nil, claims.sub, claims.n, math.type(claims.n), claims.nested.a[2], select(2, token:gsub("%.", "."))}}
    """
    assert run(program) == [True, "u1", 3, "float", 2, 2]


def test_token_with_another_key_algorithm_or_text_is_internal() -> None:
    program = """
        local function kind(...) local v, e = crypto.jwt.verify(...) return v == nil and e:kind() .. tostring(e:retryable()) end
        local function token(claims, ...) return crypto.jwt.encode(claims, "secret", ...) end
        local soon = os.time() + 60
        return {
          kind(token({exp = soon}), "other"), kind("garbage", "secret"), kind("", "secret"), kind("a.b.c", "secret"),
          kind(token({exp = soon}, "HS512"), "secret", "HS256"), kind(token({exp = os.time() - 10}), "secret"),
          kind(token({a = 1}), "secret"), kind(token({exp = soon, nbf = soon}), "secret"), kind(token({exp = soon}), "secret", "RS256"),
        }
    """
    assert run(program) == ["Internalfalse"] * 9


def test_expiry_is_required_unless_waived_and_always_checked() -> None:
    program = """
        local claims = crypto.jwt.verify(crypto.jwt.encode({a = 1}, "s"), "s", "HS256", false)
        local late, e = crypto.jwt.verify(crypto.jwt.encode({exp = 1000}, "s"), "s", "HS256", false)
        return {claims.a, late == nil, e:kind()}
    """
    assert run(program) == [1, True, "Internal"]


def test_header_table_goes_to_the_header_and_cannot_choose_the_algorithm() -> None:
    program = """
        local token = crypto.jwt.encode({exp = os.time() + 60, _header = {kid = "k1", alg = "none"}}, "secret")
        local head = json.decode(base64.decode((token:match("^[^.]+") .. "==="):gsub("-", "+"):sub(1, #token:match("^[^.]+") + (-#token:match("^[^.]+") % 4))))
        local claims = crypto.jwt.verify(token, "secret")
        return {head.kid, head.alg, head.typ, claims._header == nil}
    """
    assert run(program) == ["k1", "HS256", "JWT", True]


@pytest.mark.parametrize("payload", ["{1, 2}", "{'a'}"])
def test_a_list_is_no_payload(payload: str) -> None:
    assert kind_of(f"crypto.jwt.encode({payload}, 'secret')") == INVALID


def test_claims_that_other_libraries_would_check_are_only_data() -> None:
    program = """
        local soon = os.time() + 60
        local token = crypto.jwt.encode({exp = soon, iat = soon, aud = "someone", iss = "me", sub = "7", jti = "x"}, "secret")
        local claims = crypto.jwt.verify(token, "secret")
        return {claims.aud, claims.iss}
    """
    assert run(program) == ["someone", "me"]


@cache
def rsa_keys() -> tuple[str, str, str, str]:
    """A private key in both PEM forms, its public key, and a certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
        .public_bytes(pem)
    )
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    old = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    new = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return old.decode(), new.decode(), public.decode(), certificate.decode()


@pytest.mark.parametrize("private", [0, 1])
@pytest.mark.parametrize("public", [2, 3])
def test_rs256_with_all_key_forms(private: int, public: int) -> None:
    keys = rsa_keys()
    program = """
        local private, public = ...
        local token = crypto.jwt.encode({exp = os.time() + 60, sub = "u"}, private, "RS256")
        local forged = crypto.jwt.encode({exp = os.time() + 60, sub = "u"}, "secret", "HS256")
        local claims, e1 = crypto.jwt.verify(token, public, "RS256")
        local _, e2 = crypto.jwt.verify(forged, public, "RS256")
        local _, e3 = crypto.jwt.verify(token, public, "HS256")
        return {claims.sub, e1 == nil, e2:kind(), e3:kind()}
    """
    assert run(program, keys[private], keys[public]) == ["u", True, "Internal", "Internal"]


def test_rs256_refuses_what_is_no_key() -> None:
    assert kind_of("crypto.jwt.encode({a = 1}, 'no key', 'RS256')") == INVALID


def test_pbkdf2_derives_raw_keys() -> None:
    program = """
        local a, b = crypto.pbkdf2("pw", "salt", 1000, 32), crypto.pbkdf2("pw", "salt", 1000, 32, "sha256")
        return {a == b, #a, hash.sha256(a), hash.sha256(crypto.pbkdf2("pw", "salt", 10, 100, "sha512")), a == crypto.pbkdf2("pw", "salt2", 1000, 32)}
    """
    one = hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 1000, 32)
    two = hashlib.pbkdf2_hmac("sha512", b"pw", b"salt", 10, 100)
    assert run(program) == [True, 32, hashlib.sha256(one).hexdigest(), hashlib.sha256(two).hexdigest(), False]


@pytest.mark.parametrize(
    "arguments",
    [
        "'', 'salt', 1, 32",
        "'pw', '', 1, 32",
        "'pw', 'salt', 0, 32",
        "'pw', 'salt', -1, 32",
        "'pw', 'salt', 10000001, 32",
        "'pw', 'salt', 1, 0",
        "'pw', 'salt', 1, -5",
        "'pw', 'salt', 1, 32, 'md5'",
        "'pw', 'salt', 10000000, 1000000",
    ],
)
def test_pbkdf2_refuses(arguments: str) -> None:
    assert kind_of(f"crypto.pbkdf2({arguments})") == INVALID


def test_constant_time_compare() -> None:
    program = "local c = crypto.constant_time_compare return {c('a', 'a'), c('a', 'b'), c('a', 'ab'), c('', ''), c('\\255', '\\255')}"
    assert run(program) == [True, False, False, True, True]


def test_arguments_of_another_type_raise_and_tables_are_immutable() -> None:
    program = "return {(pcall(crypto.hmac.sha256, {}, 'x')), (pcall(crypto.random.bytes)), (pcall(function() crypto.random.bytes = 1 end))}"
    assert run(program) == [False, False, False]
