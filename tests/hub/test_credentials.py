"""Which hub, and with which token (spec 01 §16.3)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from wippy.core.errors import Error
from wippy.hub.credentials import Account, Credential, CredentialFile, Token, checked_registry, checked_token

TOKEN = "wpy_" + "a" * 16
HUB = "https://hub.example.com"


def account(root: Path, **environ: str) -> Account:
    return Account(root / "project", {"HOME": str(root / "home"), **environ})


def test_the_registry_is_the_flag_then_the_variable_then_configuration_then_what_was_stored(tmp_path: Path) -> None:
    plain = account(tmp_path)
    assert plain.registry() == "https://hub.wippy.ai"
    assert plain.registry(configured="https://c.example.com") == "https://c.example.com"
    plain.everywhere.put("https://g.example.com", Credential(TOKEN))
    assert plain.registry() == "https://g.example.com"
    assert plain.registry(configured="https://c.example.com") == "https://c.example.com"
    plain.local.put("https://l.example.com", Credential(TOKEN))
    assert plain.registry() == "https://l.example.com"
    named = account(tmp_path, WIPPY_REGISTRY="https://v.example.com")
    assert named.registry() == "https://v.example.com"
    assert named.registry("https://f.example.com") == "https://f.example.com"


def test_the_token_is_the_variable_then_the_projects_then_the_users(tmp_path: Path) -> None:
    plain = account(tmp_path)
    assert plain.token(HUB) is None
    plain.everywhere.put(HUB, Credential("wpy_" + "g" * 16))
    assert plain.token(HUB) == "wpy_" + "g" * 16
    plain.local.put(HUB, Credential("wpy_" + "l" * 16))
    assert plain.token(HUB) == "wpy_" + "l" * 16 and plain.token("https://other.example.com") is None
    assert account(tmp_path, WIPPY_TOKEN=TOKEN).token("https://other.example.com") == TOKEN


def test_files_are_for_their_owner_alone_also_when_they_were_not(tmp_path: Path) -> None:
    file = CredentialFile(tmp_path / ".wippy/credentials.yaml")
    file.put(HUB, Credential(TOKEN, registry=HUB, orgs=["acme"]))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.path.chmod(0o644)
    file.put(HUB, Credential(TOKEN))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in file.path.parent.iterdir()] == ["credentials.yaml"]


def test_the_layout_of_the_file(tmp_path: Path) -> None:
    file = CredentialFile(tmp_path / "credentials.yaml")
    file.put(HUB, Credential(TOKEN, registry=HUB, username="ada", scope="publish", orgs=["acme"], created_at="2026"))
    assert file.path.read_text() == (
        f"version: '1.0'\ndefault: {HUB}\ncredentials:\n  {HUB}:\n    token: {TOKEN}\n    registry: {HUB}\n"
        "    username: ada\n    scope: publish\n    orgs:\n    - acme\n    created_at: '2026'\n"
    )


def test_what_is_removed_is_gone_and_another_becomes_the_default(tmp_path: Path) -> None:
    file = CredentialFile(tmp_path / "credentials.yaml")
    file.put("https://a.example.com", Credential(TOKEN))
    file.put(HUB, Credential(TOKEN))
    assert file.remove(HUB) and not file.remove(HUB)
    assert file.get(HUB) is None and file.default == "https://a.example.com"


@pytest.mark.parametrize("text", ["a: [", "- 1", "credentials: {x: {token: [1]}}"])
def test_a_broken_file_is_named_without_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials.yaml"
    path.write_text(text)
    with pytest.raises(Error) as caught:
        CredentialFile(path).get(HUB)
    assert caught.value.kind == "Invalid" and str(path) in caught.value.message


@pytest.mark.parametrize("text", ["", "wpy_short", "abc_" + "a" * 30, TOKEN + "\r\nX: y", "wpy_" + "é" * 20])
def test_what_cannot_be_a_token(text: str) -> None:
    with pytest.raises(Error) as caught:
        checked_token(text)
    assert caught.value.kind == "Invalid" and (not text or text not in caught.value.message)


def test_a_token_does_not_show_itself() -> None:
    assert TOKEN not in f"{Token(TOKEN)!r} {[Token(TOKEN)]} {Credential(TOKEN)!r}"


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("hub.example.com", HUB),
        ("https://HUB.example.com/", HUB),
        ("https://hub.example.com/base/", f"{HUB}/base"),
        ("http://localhost:8765", "http://localhost:8765"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://host.docker.internal:1", "http://host.docker.internal:1"),
        ("http://host.containers.internal", "http://host.containers.internal"),
    ],
)
def test_registries(url: str, known: str) -> None:
    assert checked_registry(url) == known


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example.com",
        "http://127.0.0.2",
        "http://localhost.example.com",
        "ftp://localhost",
        "https://",
        "https://u:p@hub.example.com",
        "https://hub.example.com?x=1",
        "https://[",
        "https://x:99999999",
        "",
    ],
)
def test_what_cannot_be_a_registry(url: str) -> None:
    with pytest.raises(Error) as caught:
        checked_registry(url)
    assert caught.value.kind == "Invalid"
