"""A hub of one's own: what is published, seen, found and taken back (spec 01 §16.3)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from apps.program import ask
from hub.served import Served, pack, serving
from wippy.core.errors import Error
from wippy.hub import protocol
from wippy.hub.credentials import Token
from wippy.hub.inspection import digest_of
from wippy.hub.protocol import ModuleRef, VersionRef
from wippy.registry.entry import entry

HTTP = ModuleRef.named("acme/http")


def call(hub: Served, method: protocol.Method[Any, Any], request: Any, token: Token | None = None) -> Any:
    return hub.ask(lambda client: client.call(method, request), token)


def refused(hub: Served, method: protocol.Method[Any, Any], request: Any, token: Token | None = None) -> Error:
    with pytest.raises(Error) as caught:
        call(hub, method, request, token)
    return caught.value


def about(version: str = "", label: str = "") -> protocol.AboutVersion:
    return protocol.AboutVersion(module=HTTP, version=VersionRef(version=version, label=label))


def test_a_published_version_can_be_found_described_and_downloaded(hub: Served, token: Token, tmp_path: Path) -> None:
    route = entry("acme.http:routes", "ns.requirement", {"targets": [{"entry": "x", "path": ".meta.router"}]})
    code = entry("acme.http:f", "function.lua", {"source": "return 1", "modules": ["json", "http"]})
    made = hub.offer(
        token,
        needs={"acme/base": "^1"},
        entries=[route, code],
        files={"a.txt": b"hello"},
        keywords=["web"],
        license="MIT",
    )
    found = call(hub, protocol.SEARCH_MODULES, protocol.SearchModules(query="HTTP does")).modules
    assert [(m.full_name, m.latest_version, m.license, m.keywords) for m in found] == [
        ("acme/http", "1.0.0", "MIT", ["web"])
    ]
    version = call(hub, protocol.GET_VERSION, about()).version
    assert version.digest == digest_of(made) and version.size_bytes == made.stat().st_size
    assert version.published_by == "ada" and version.create_time.endswith("Z")
    assert version.entry_kinds == ["function.lua", "ns.definition", "ns.dependency", "ns.requirement", "registry.entry"]
    assert version.entry_count == 5 and version.lua_modules == ["http", "json"]
    assert version.requirements[0].name == "routes" and version.requirements[0].targets[0].path == ".meta.router"
    assert call(hub, protocol.GET_DEPENDENCIES, about()).dependencies == [
        protocol.Dependency(org="acme", name="base", version_constraint="^1")
    ]
    assert call(hub, protocol.LIST_FILES, protocol.ListFiles(module=HTTP)).files == [
        protocol.File(path="acme.http:static/a.txt", size_bytes=5)
    ]
    assert call(hub, protocol.GET_README, about("1.0.0")).content == "# acme/http 1.0.0"
    download = call(hub, protocol.GET_DOWNLOAD, about()).download
    hub.ask(lambda client: client.download(download, tmp_path / "got.wapp"))
    assert (tmp_path / "got.wapp").read_bytes() == made.read_bytes()


def test_downloads_are_counted_by_version_module_and_day(hub: Served, token: Token, tmp_path: Path) -> None:
    hub.offer(token)
    for _ in range(3):
        download = call(hub, protocol.GET_DOWNLOAD, about()).download
        hub.ask(lambda client, d=download: client.download(d, tmp_path / "got.wapp"))
    module = call(hub, protocol.GET_MODULE, protocol.AboutModule(module=HTTP)).module
    assert module.total_downloads == 3 and [day.count for day in module.download_stats] == [3]
    assert call(hub, protocol.GET_VERSION, about()).version.download_count == 3


def test_versions_are_listed_newest_first_in_pages(hub: Served, token: Token) -> None:
    for number in (2, 10, 1):
        hub.offer(token, version=f"1.{number}.0")
    listed = [
        call(hub, protocol.LIST_VERSIONS, protocol.ListVersions(module=HTTP, page=page, page_size=2)).versions
        for page in (1, 2, 3)
    ]
    assert [[v.version for v in page] for page in listed] == [["1.10.0", "1.2.0"], ["1.1.0"], []]


def test_latest_is_the_highest_stable_version_that_is_not_yanked(hub: Served, token: Token) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
        hub.offer(token, version=version)
    assert call(hub, protocol.GET_VERSION, about()).version.version == "1.1.0"
    yank = protocol.YankVersion(module=HTTP, version=VersionRef(version="1.1.0"))
    assert call(hub, protocol.YANK_VERSION, yank, token).version.yanked
    assert call(hub, protocol.GET_VERSION, about()).version.version == "1.0.0"
    assert call(hub, protocol.GET_VERSION, about("1.1.0")).version.yanked
    listed = call(hub, protocol.LIST_VERSIONS, protocol.ListVersions(module=HTTP)).versions
    assert [v.version for v in listed] == ["2.0.0-rc.1", "1.0.0"]
    undo = protocol.YankVersion(module=HTTP, version=VersionRef(version="1.1.0"), yanked=False)
    call(hub, protocol.YANK_VERSION, undo, token)
    assert call(hub, protocol.GET_VERSION, about()).version.version == "1.1.0"


def test_labels_move_to_the_version_that_is_published_with_them(hub: Served, token: Token) -> None:
    hub.offer(token, version="1.0.0", label="beta")
    hub.offer(token, version="1.1.0", label="beta")
    assert call(hub, protocol.GET_VERSION, about(label="beta")).version.version == "1.1.0"
    assert refused(hub, protocol.GET_VERSION, about(label="nope")).kind == "NotFound"


def test_dependents_and_updates(hub: Served, token: Token) -> None:
    hub.offer(token, version="1.0.0")
    hub.offer(token, version="1.2.0")
    hub.offer(token, "acme/shop", "1.0.0", needs={"acme/http": "^1"})
    hub.offer(token, "acme/shop", "2.0.0", needs={"acme/http": "^1.1"})
    dependents = call(hub, protocol.GET_DEPENDENTS, protocol.ListDependents(module=HTTP)).dependents
    assert dependents == [protocol.Dependent(org="acme", name="shop", version="2.0.0", constraint="^1.1")]
    request = protocol.CheckUpdates(modules=[protocol.Installed(org="acme", name="http", version="1.0.0")])
    assert call(hub, protocol.CHECK_UPDATES, request).updates[0].latest == "1.2.0"


def test_manifests_name_everything_that_is_needed(hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.4.0")
    hub.offer(token, needs={"acme/base": "^1"})
    manifest = call(hub, protocol.GET_MANIFEST, about()).manifest
    assert (manifest.name, manifest.version) == ("http", "1.0.0")
    assert [(d.name, d.version) for d in manifest.dependencies] == [("base", "1.4.0")]
    request = protocol.Resolve(dependencies=[protocol.Dependency(org="acme", name="http", version_constraint="*")])
    resolved = call(hub, protocol.RESOLVE, request).manifests
    assert [m.name for m in resolved] == ["base", "http"] and resolved[0].download is not None


# Who may ------------------------------------------------------------------------------------------------------------


def test_private_modules_are_seen_by_their_organization_only(hub: Served, token: Token) -> None:
    hub.create(token, visibility="private")
    hub.publish(token, pack(hub.directory.parent / "made"), "acme/http", "1.0.0")
    request = protocol.AboutModule(module=HTTP)
    reader, stranger = hub.token("acme", scope="read"), hub.token("other")
    assert call(hub, protocol.GET_MODULE, request, reader).module.visibility == "private"
    for caller in (None, stranger):
        assert refused(hub, protocol.GET_MODULE, request, caller).kind == "NotFound"
        assert call(hub, protocol.LIST_MODULES, protocol.ListModules(), caller).total == 0
    digest = call(hub, protocol.GET_DOWNLOAD, about(), reader).download.digest
    assert ask(hub.port, "GET", f"{protocol.WAPP}{digest}").status == 404


def test_internal_modules_need_any_token(hub: Served, token: Token) -> None:
    hub.create(token, visibility="internal")
    request = protocol.AboutModule(module=HTTP)
    assert refused(hub, protocol.GET_MODULE, request).kind == "NotFound"
    assert call(hub, protocol.GET_MODULE, request, hub.token("other", scope="read")).module.name == "http"


def test_publishing_needs_a_publishing_token_of_the_organization(hub: Served, token: Token) -> None:
    hub.create(token)
    path = pack(hub.directory.parent / "made")
    for caller, code in (
        (None, "unauthenticated"),
        (hub.token("other"), "permission_denied"),
        (hub.token("acme", scope="read"), "permission_denied"),
    ):
        with pytest.raises(Error) as caught:
            hub.ask(lambda client: client.upload(path, _headers(path)), caller)
        assert caught.value.kind == "PermissionDenied" and caught.value.details == {"code": code}
    wildcard = hub.token("*")
    hub.publish(wildcard, path, "acme/http", "1.0.0")


def test_a_token_that_is_unknown_or_revoked_is_refused_even_for_reading(hub: Served, token: Token) -> None:
    sqlite = sqlite3.connect(hub.directory / "hub.db")
    sqlite.execute("UPDATE tokens SET revoked = 1")
    sqlite.commit()
    sqlite.close()
    for caller in (token, Token("wpy_" + "x" * 40)):
        error = refused(hub, protocol.LIST_MODULES, protocol.ListModules(), caller)
        assert error.kind == "PermissionDenied" and str(caller) not in error.message


def test_only_hashes_of_tokens_are_stored(hub: Served, token: Token) -> None:
    hub.offer(token)
    hub.stop()
    assert token.encode() not in b"".join(path.read_bytes() for path in hub.directory.rglob("*") if path.is_file())


def test_the_account_of_a_token(hub: Served, token: Token) -> None:
    account = hub.ask(lambda client: client.account(), token)
    assert (account.orgs, account.username, account.scope) == (["acme"], "ada", "publish")
    with pytest.raises(Error) as caught:
        hub.ask(lambda client: client.account())
    assert caught.value.details == {"code": "unauthenticated"}


# What is refused ----------------------------------------------------------------------------------------------------


def _headers(path: Path, **changed: str) -> dict[str, str]:
    found = {
        "X-Wippy-Org": "acme",
        "X-Wippy-Module": "http",
        "X-Wippy-Version": "1.0.0",
        "X-Wippy-Digest": digest_of(path),
        "X-Wippy-Size": str(path.stat().st_size),
    }
    return found | {f"X-Wippy-{name.capitalize()}": value for name, value in changed.items()}


def upload_refused(hub: Served, token: Token, path: Path, **changed: str) -> Error:
    with pytest.raises(Error) as caught:
        hub.ask(lambda client: client.upload(path, _headers(path, **changed)), token)
    return caught.value


def test_a_pack_must_be_what_was_announced(hub: Served, token: Token, tmp_path: Path) -> None:
    hub.create(token)
    path = pack(tmp_path)
    assert "checksum mismatch" in upload_refused(hub, token, path, digest="0" * 64).message
    assert "larger than the 10 bytes" in upload_refused(hub, token, path, size="10").message
    assert "incomplete" in upload_refused(hub, token, path, size=str(path.stat().st_size + 1)).message
    assert "not a semantic version" in upload_refused(hub, token, path, version="one").message
    assert "the pack is version 1.0.0, not 1.0.1" in upload_refused(hub, token, path, version="1.0.1").message
    assert "the pack is of acme/other" in upload_refused(hub, token, pack(tmp_path, "acme/other")).message
    assert "cannot be a label" in upload_refused(hub, token, path, label="1.0").message
    assert call(hub, protocol.LIST_VERSIONS, protocol.ListVersions(module=HTTP)).total == 0
    assert list((hub.directory / "incoming").iterdir()) == [] and list((hub.directory / "packs").rglob("*.wapp")) == []


def test_what_is_no_pack_or_no_module_is_refused(hub: Served, token: Token, tmp_path: Path) -> None:
    hub.create(token)
    (tmp_path / "junk.wapp").write_bytes(b"junk" * 100)
    assert upload_refused(hub, token, tmp_path / "junk.wapp").kind == "Invalid"
    whole = pack(tmp_path)
    (tmp_path / "cut.wapp").write_bytes(whole.read_bytes()[:-40])
    assert upload_refused(hub, token, tmp_path / "cut.wapp").kind == "Invalid"
    second = entry("acme.http:again", "ns.definition", {})
    twice = pack(tmp_path / "twice", entries=[second])
    assert "exactly one ns.definition entry, this one has 2" in upload_refused(hub, token, twice).message
    bad = pack(tmp_path / "bad", needs={"acme/base": "newest"})
    assert "is not a version constraint" in upload_refused(hub, token, bad).message


def test_an_unregistered_module_is_not_found(hub: Served, token: Token, tmp_path: Path) -> None:
    assert upload_refused(hub, token, pack(tmp_path)).kind == "NotFound"


def test_a_version_is_published_once_and_the_same_pack_again_does_no_harm(
    hub: Served, token: Token, tmp_path: Path
) -> None:
    path = hub.offer(token)
    first = call(hub, protocol.GET_VERSION, about()).version
    hub.publish(token, path, "acme/http", "1.0.0")
    assert call(hub, protocol.GET_VERSION, about()).version == first
    other = pack(tmp_path / "other", description="another")
    assert upload_refused(hub, token, other).kind == "AlreadyExists"
    same = pack(tmp_path / "v", version="v1.0.0")
    assert upload_refused(hub, token, same, version="v1.0.0").kind == "AlreadyExists"


@pytest.mark.parametrize("name", ["Acme/http", "acme/-x", "acme/x_y", "acme/" + "x" * 65])
def test_names_of_modules(hub: Served, name: str) -> None:
    with pytest.raises(Error, match="lower-case letters"):
        hub.create(hub.token("*"), name)


def test_a_module_is_registered_once(hub: Served, token: Token) -> None:
    hub.create(token)
    with pytest.raises(Error) as caught:
        hub.create(token)
    assert caught.value.kind == "AlreadyExists"


def test_a_publish_in_steps_and_one_that_is_canceled(hub: Served, token: Token, tmp_path: Path) -> None:
    hub.create(token)
    path = pack(tmp_path)
    request = protocol.InitiatePublish(
        org="acme", module="http", version="1.0.0", digest=digest_of(path), size_bytes=path.stat().st_size
    )
    given = call(hub, protocol.INITIATE_PUBLISH, request, token)
    assert given.status == "pending"
    step = protocol.AboutPublish(publish_id=given.publish_id)
    assert refused(hub, protocol.CONFIRM_PUBLISH, step, token).kind == "Conflict"
    assert refused(hub, protocol.PUBLISH_STATUS, step, hub.token("other")).kind == "PermissionDenied"
    sent = {"authorization": f"Bearer {token}"}
    assert ask(hub.port, "POST", given.upload_url, path.read_bytes(), sent).status == 200
    assert call(hub, protocol.PUBLISH_STATUS, step, token).status == "uploaded"
    assert call(hub, protocol.LIST_VERSIONS, protocol.ListVersions(module=HTTP)).total == 0
    assert call(hub, protocol.CONFIRM_PUBLISH, step, token).status == "completed"
    assert call(hub, protocol.CANCEL_PUBLISH, step, token).status == "completed"
    another = call(hub, protocol.INITIATE_PUBLISH, request, token)
    gone = protocol.AboutPublish(publish_id=another.publish_id)
    assert call(hub, protocol.CANCEL_PUBLISH, gone, token).status == "canceled"
    assert ask(hub.port, "POST", another.upload_url, path.read_bytes(), sent).status == 412


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "code"),
    [
        ("POST", "/nothing", {}, 404, "not_found"),
        ("GET", protocol.GET_MODULE.path, None, 404, "not_found"),
        ("POST", protocol.GET_MODULE.path, b"{", 400, "invalid_argument"),
        ("POST", protocol.GET_MODULE.path, {"module": 5}, 400, "invalid_argument"),
        ("POST", protocol.GET_MODULE.path, b"x" * 1_100_000, 400, "invalid_argument"),
        ("POST", protocol.SEARCH_MODULES.path, {"query": " "}, 400, "invalid_argument"),
        ("GET", f"{protocol.WAPP}../../hub.db", None, 404, "not_found"),
        ("GET", f"{protocol.WAPP}{'0' * 64}", None, 404, "not_found"),
    ],
)
def test_failures_are_codes_with_messages(hub: Served, verb: str, path: str, body: Any, status: int, code: str) -> None:
    answer = ask(hub.port, verb, path, body)
    assert (answer.status, answer.json["code"]) == (status, code) and answer.json["message"]


# Crashes ------------------------------------------------------------------------------------------------------------


def test_a_hub_that_is_killed_has_whole_versions_only(tmp_path: Path) -> None:
    with serving(tmp_path / "hub") as hub:
        token = hub.token("acme")
        hub.create(token)
        paths = [pack(tmp_path / "made", version=f"1.0.{n}", files={"x": bytes(2_000_000)}) for n in range(12)]
        confirmed: list[str] = []

        def publisher() -> None:
            for n, path in enumerate(paths):
                try:
                    hub.publish(token, path, "acme/http", f"1.0.{n}")
                except Error:
                    return
                confirmed.append(f"1.0.{n}")

        for round_ in range(3):
            thread = threading.Thread(target=publisher)
            thread.start()
            threading.Event().wait(0.15 + 0.1 * round_)
            hub.kill()
            thread.join()
            hub.start()
            versions = hub.ask(lambda client: client.versions(HTTP))
            assert set(confirmed) <= {v.version for v in versions}
            for version in versions:
                download = protocol.Download(
                    url=f"{protocol.WAPP}{version.digest}", digest=version.digest, size_bytes=version.size_bytes
                )
                hub.ask(lambda client, d=download: client.download(d, tmp_path / "got.wapp"))
            stored = {path.stem for path in (hub.directory / "packs").rglob("*.wapp")}
            assert stored == {v.digest for v in versions}
            assert list((hub.directory / "incoming").iterdir()) == []


def test_a_directory_has_one_hub(hub: Served) -> None:
    from wippy.hub.server.application import Hub

    with pytest.raises(Error, match="another hub serves"):
        Hub(hub.directory)


def test_many_may_ask_at_once(hub: Served, token: Token) -> None:
    hub.offer(token)

    async def everybody() -> list[Any]:
        async with hub.client() as client:
            asked = [client.call(protocol.GET_VERSION, about()) for _ in range(50)]
            return list(await asyncio.gather(*asked))

    assert {answer.version.version for answer in asyncio.run(everybody())} == {"1.0.0"}
