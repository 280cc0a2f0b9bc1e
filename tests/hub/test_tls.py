"""A hub for other machines: with a certificate, and clients that check it."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from pathlib import Path

import pytest

from apps.program import LIMIT, WIPPY, free_port, wippy
from wippy.hub.server.database import Database
from wippy.hub.server.tokens import Tokens


def certificate(directory: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = directory / "cert.pem", directory / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, private


def test_a_hub_with_a_certificate_is_used_by_those_who_trust_it(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    port = free_port()
    words = [WIPPY, "hub", "serve", "--dir", str(tmp_path / "hub"), "--addr", f"127.0.0.1:{port}"]
    hub = subprocess.Popen([*words, "--cert", str(cert), "--key", str(key)], stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        assert hub.stdout.readline().strip().endswith(f"at https://127.0.0.1:{port}")
        database = Database(tmp_path / "hub/hub.db")
        token = Tokens(database).issue("ada", ["acme"], "publish")
        database.close()
        trusting = {"HOME": str(tmp_path), "SSL_CERT_FILE": str(cert)}
        login = ("auth", "login", "--registry", f"https://127.0.0.1:{port}", "--token", str(token))
        done = wippy(tmp_path, *login, env=trusting)
        assert done.code == 0 and "as ada" in done.out, done.err
        strangers = wippy(tmp_path, *login, env={"HOME": str(tmp_path / "other")})
        assert strangers.code == 1 and "cannot be trusted" in strangers.err and str(token) not in strangers.err
    finally:
        hub.terminate()
        assert hub.wait(LIMIT) == 0


@pytest.mark.parametrize("registry", ["http://192.0.2.1:8765", "http://hub.example.com"])
def test_a_token_is_never_sent_in_the_clear_to_another_machine(tmp_path: Path, registry: str) -> None:
    token = "wpy_" + "x" * 40
    done = wippy(tmp_path, "auth", "login", "--registry", registry, "--token", token, env={"HOME": str(tmp_path)})
    assert done.code == 1 and "must be https" in done.err
