"""The guest module `hub` (spec 01 §16.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.guest import MODULES, App
from hub.served import Served, serving
from wippy.hub.credentials import Token
from wippy.registry.entry import entry

FAILED = "local function failed(v, err) return {v, err:kind(), err:message(), err:retryable(), err:details()} end\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("hub") / "hub") as running:
        token = running.token("acme")
        running.offer(token, "acme/base", "1.0.0")
        needed = entry("acme.http:gate", "ns.requirement", {"targets": [{"entry": "x", "path": ".y"}], "default": 7.0})
        raw = entry("acme.http:raw", "db.sql.sqlite", {"file": "${env:FILE}"}, {"a": 1.0})
        for version in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
            label = "beta" if "rc" in version else ""
            running.offer(
                token,
                "acme/http",
                version,
                needs={"acme/base": "^1"},
                entries=[needed, raw],
                label=label,
                files={"a.txt": b"hello", "d/b.bin": b"\x00\xff"},
                keywords=["web"],
                license="MIT",
            )
        yield running


@pytest.fixture(autouse=True)
def here(hub: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WIPPY_REGISTRY", hub.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WIPPY_TOKEN", raising=False)
    return tmp_path


def run(body: str, *args: Any) -> Any:
    app = App()
    app.process("main", FAILED + body, modules=[*MODULES, "hub", "fs"])
    return app.use(lambda runtime: runtime.run_process("app:main", "app:host", *args))


def failure(call: str) -> tuple[str, str, Any]:
    value, kind, message, retryable, details = [*run(f"return failed({call})"), None][:5]
    assert value is None and retryable is False
    return kind, message, details


# What there is --------------------------------------------------------------------------------------------------------


def test_modules_are_listed_searched_and_read() -> None:
    listed = run("return hub.modules.list({ org = 'acme', sort = 'name-desc', page_size = 1 })")
    assert listed["total"] == 2.0 and isinstance(listed["total"], float) and listed["page_size"] == 1.0
    assert [m["full_name"] for m in listed["items"]] == ["acme/http"]
    found = run("return hub.modules.search('http', { keywords = { 'web' }, license = 'mit' })")
    assert [m["name"] for m in found["items"]] == ["http"] and found["page"] == 1.0
    module = run("return require('hub').modules.get('acme/http')")
    assert module["latest_version"] == "1.1.0" and module["visibility"] == "public" and module["keywords"] == ["web"]
    assert isinstance(module["total_downloads"], float) and module["deprecated"] is False
    for ref in (
        "{ org = 'acme', name = 'http' }",
        "{ full_name = 'acme/http' }",
        f"{{ id = '{module['id']}' }}",
        f"'{module['id']}'",
    ):
        assert run(f"return hub.modules.get({ref})")["id"] == module["id"]
    readme = run("return hub.modules.readme('acme/http', { version = '1.0.0' })")
    assert readme == {"content": "# acme/http 1.0.0", "filename": "README.md", "version": "1.0.0"}


def test_versions_are_listed_and_found_by_number_label_and_id() -> None:
    listed = run("return hub.versions.list('acme/http')")
    assert [v["version"] for v in listed["items"]] == ["2.0.0-rc.1", "1.1.0", "1.0.0"] and listed["total"] == 3.0
    version = run("return hub.versions.get('acme/http', '1.0.0')")
    assert version["entry_count"] == 5.0 and version["metadata"]["license"] == "MIT"
    assert version["requirements"][0]["default"] == 7.0
    for ref in ("'beta'", "'@beta'", "{ label = 'beta' }", "'2.0.0-rc.1'"):
        assert run(f"return hub.versions.get('acme/http', {ref})")["version"] == "2.0.0-rc.1"
    assert run(f"return hub.versions.get('acme/http', {{ id = '{version['id']}' }})")["version"] == "1.0.0"


def test_dependencies_dependents_and_files() -> None:
    wanted = [{"org": "acme", "name": "base", "version_constraint": "^1"}]
    assert run("return hub.dependencies.get('acme/http', '1.0.0')") == {"items": wanted}
    assert run("return hub.dependencies.get('acme/http')") == {"items": wanted}
    dependents = run("return hub.dependents.get('acme/base')")
    assert dependents["items"] == [{"org": "acme", "name": "http", "version": "2.0.0-rc.1", "constraint": "^1"}]
    files = run("return hub.files.list('acme/http', '1.0.0')")
    assert files["items"][0] == {"path": "acme.http:static/a.txt", "size_bytes": 5.0} and files["total"] == 2.0


def test_a_call_suspends_only_its_caller() -> None:
    assert run("""
        local done = channel.new(2)
        coroutine.spawn(function() hub.modules.get("acme/http") done:send("hub") end)
        coroutine.spawn(function() done:send("other") end)
        return { done:receive(), (done:receive()) }
    """) == ["other", "hub"]


# Packs ----------------------------------------------------------------------------------------------------------------


def test_inspecting_puts_a_verified_pack_into_the_vendor_directory_and_uses_it_again(here: Path, hub: Served) -> None:
    found = run("return hub.versions.inspect('acme/http', '1.0.0')")
    path = here / ".wippy/vendor/acme/http-1.0.0.wapp"
    assert Path(found["cache_path"]).resolve() == path and path.stat().st_size == found["size_bytes"]
    assert found["entry_count"] == 5.0 and "db.sql.sqlite" in found["entry_kinds"] and found["protected"] is False
    assert found["requirements"][0]["name"] == "gate"
    count = "return hub.versions.get('acme/http', '1.0.0').download_count"
    before = run(count)
    run("return hub.versions.inspect('acme/http', '1.0.0')")
    assert run(count) == before
    path.write_bytes(b"damaged")
    run("return hub.versions.inspect('acme/http', '1.0.0')")
    assert run(count) == before + 1 and path.stat().st_size == found["size_bytes"]


def test_a_module_that_is_known_by_its_id_has_a_place_of_its_own(here: Path) -> None:
    module_id = run("return hub.modules.get('acme/http').id")
    run(f"return hub.versions.inspect('{module_id}', '1.0.0')")
    assert os.listdir(here / ".wippy/vendor/_ids") == [f"{module_id}-1.0.0.wapp"]


def test_an_open_package_gives_its_entries_and_files() -> None:
    found = run("""
        local p = assert(hub.versions.open("acme/http", "1.0.0"))
        local files = assert(p:fs("acme.http:static"))
        local entries = p:entries({ kind = "db.sql.sqlite" })
        local without = p:entries({ kind = { "ns.definition", "registry.entry" }, include_data = false })
        local names = {}
        for item in files:readdir("/") do names[#names + 1] = item.name end
        local written, refused = files:writefile("x", "y")
        return {
          version = p.version, digest = #p.digest, packed = p.packed, metadata = p:metadata().name,
          entries = entries, without = without, resources = p:resources(),
          text = files:readfile("a.txt"), names = names, written = written, refused = refused:kind(),
        }
    """)
    assert (found["version"], found["digest"], found["packed"], found["metadata"]) == ("1.0.0", 64, True, "http")
    raw = {"id": "acme.http:raw", "kind": "db.sql.sqlite", "meta": {"a": 1.0}, "data": {"file": "${env:FILE}"}}
    assert found["entries"] == [raw]
    assert [sorted(each) for each in found["without"]] == [["id", "kind", "meta"]] * 2
    assert found["resources"][0]["id"] == "acme.http:static"
    assert (found["resources"][0]["file_count"], found["resources"][0]["total_size"]) == (2.0, 7.0)
    assert found["text"] == "hello" and found["names"] == ["a.txt", "d"]
    assert found["written"] is False and found["refused"] == "PermissionDenied"


def test_a_closed_package_and_its_files_are_gone() -> None:
    assert run("""
        local p = assert(hub.versions.open("acme/http", "1.0.0"))
        local files = p:fs("acme.http:static")
        local _, missing = p:fs("acme.http:nope")
        p:close() p:close()
        local _, closed = p:metadata()
        local _, gone = files:readfile("a.txt")
        local _, forged = p.fs({}, "acme.http:static")
        return { missing:kind(), closed ~= nil, gone:kind(), forged ~= nil, p.volume == nil }
    """) == ["NotFound", True, "NotFound", True, True]


def test_packages_are_closed_with_their_process() -> None:
    app = App()
    app.process(
        "main", 'local p = hub.versions.open("acme/http", "1.0.0") p:fs("acme.http:static") return 1', modules=["hub"]
    )

    async def work(runtime: Any) -> list[str]:
        await runtime.run_process("app:main", "app:host")
        return [key for key in runtime.node.resources if key.startswith("hub.package")]

    assert app.use(work) == []


# Arguments, options, errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("hub.modules.search('  ')", "query required"),
        ("hub.modules.search()", "query required"),
        ("hub.modules.get()", "module reference required"),
        ("hub.modules.get('')", "module reference required"),
        ("hub.modules.get('http')", "module name must be org/name"),
        ("hub.modules.get('a/b/c')", "module name must be org/name"),
        ("hub.modules.get('../x')", "module name must be org/name"),
        ("hub.modules.get({})", "module reference table must include id or org/name"),
        ("hub.modules.get({ org = 'acme' })", "module reference table must include id or org/name"),
        ("hub.modules.get({ id = '../x' })", "module reference table must include id or org/name"),
        ("hub.versions.get('acme/http')", "version reference required"),
        ("hub.versions.get('acme/http', '')", "version reference required"),
        ("hub.versions.get('acme/http', {})", "version table must include id, version, or label"),
        ("hub.versions.inspect('acme/http')", "version reference required"),
        ("hub.versions.open('acme/http')", "version reference required"),
        ("hub.files.list('acme/http')", "version reference required"),
        ("hub.auth.authenticate('')", "token required"),
    ],
)
def test_bad_arguments(call: str, message: str) -> None:
    assert failure(call)[:2] == ("Invalid", message)


@pytest.mark.parametrize(
    ("call", "option", "actual"),
    [
        ("hub.modules.list({ visibility = 'secret' })", "visibility", "secret"),
        ("hub.modules.list({ visibility = 9 })", "visibility", "9"),
        ("hub.modules.list({ type = true })", "type", "true"),
        ("hub.modules.list({ sort = 'sideways' })", "sort", "sideways"),
        ("hub.modules.list({ sort_order = {} })", "sort_order", "table"),
        ("hub.modules.list({ page = 0 })", "page", "0"),
        ("hub.modules.list({ page_size = 1.5 })", "page_size", "1.5"),
        ("hub.modules.list({ timeout = 'soon' })", "timeout", "soon"),
        ("hub.modules.list({ timeout = -1 })", "timeout", "-1"),
        ("hub.modules.list({ registry = 'http://example.com' })", "registry", "http://example.com"),
        ("hub.modules.list({ registry = 5 })", "registry", "5"),
        ("hub.modules.list({ token = 'not a token' })", "token", "***"),
        ("hub.modules.list('x')", "options", "x"),
        ("hub.modules.search('x', { keywords = 'web' })", "keywords", "web"),
        ("hub.modules.search('x', { include_deprecated = 'yes' })", "include_deprecated", "yes"),
        ("hub.versions.list('acme/http', { include_yanked = 1 })", "include_yanked", "1"),
    ],
)
def test_bad_options(call: str, option: str, actual: str) -> None:
    kind, message, details = failure(call)
    assert (kind, message) == ("Invalid", f'invalid option "{option}"')
    assert details["option"] == option and details["actual"] == actual and details["expected"]


@pytest.mark.parametrize(
    "options",
    [
        "visibility = 'any'",
        "visibility = 1",
        "visibility = ''",
        "type = 'lib'",
        "type = 2.0",
        "sort = 'downloads'",
        "sort_order = 'created-desc'",
        "sort = 3",
        "timeout = '5s'",
        "timeout = 5",
        "page = 1.0",
    ],
)
def test_options_in_their_spellings(options: str) -> None:
    assert run(f"return hub.modules.list({{ {options} }}) ~= nil") is True


def test_a_hub_that_cannot_be_reached_is_a_retryable_error() -> None:
    _, kind, message, retryable, details = run(
        "return failed(hub.modules.get('acme/http', { registry = 'http://127.0.0.1:9' }))"
    )
    assert (kind, retryable, details["code"]) == ("Unavailable", True, "unavailable") and "cannot be reached" in message


def test_what_the_hub_says_comes_with_its_code() -> None:
    kind, _, details = failure("hub.modules.get('acme/nope')")
    assert (kind, details) == ("NotFound", {"code": "not_found"})
    kind, _, details = failure(f"hub.modules.list({{ token = 'wpy_{'x' * 40}' }})")
    assert (kind, details) == ("PermissionDenied", {"code": "unauthenticated"})


def test_the_tables_are_read_only() -> None:
    assert run("""
        local out = {}
        for _, name in ipairs({ "modules", "versions", "dependencies", "dependents", "files", "auth" }) do
          out[#out + 1] = pcall(function() hub[name].get = 1 end)
          out[#out + 1] = pcall(function() hub[name].new = 1 end)
        end
        return { out, (pcall(function() hub.x = 1 end)), hub.open_package == nil }
    """) == [[False] * 12, False, True]


def test_a_denial_names_action_and_resource() -> None:
    app = App()
    rule = {"actions": "*", "resources": "*", "effect": "allow"}
    app.add("some", "security.policy", policy={**rule, "actions": "process.*"})
    identity = {"actor": {"id": "ada"}, "policies": ["app:some"]}
    body = FAILED + "return failed(hub.versions.get('acme/http', '1.0.0'))"
    app.function("asks", body, modules=["hub"], security=identity)
    found = app.call("asks")
    assert found[1:4] == ["PermissionDenied", "not allowed: hub.versions.get", False]
    assert found[4] == {"action": "hub.versions.get", "resource": "acme/http"}
    app.function("wrong", FAILED + "return failed(hub.versions.get('nope', {}))", modules=["hub"], security=identity)
    assert app.call("wrong")[1:3] == ["Invalid", "module name must be org/name"]


# Authentication -------------------------------------------------------------------------------------------------------


def test_a_token_is_used_while_the_runtime_runs(hub: Served) -> None:
    token = hub.token("acme", scope="read", user="bob")
    found = run(
        """
        local before = hub.auth.status()
        local given = hub.auth.authenticate(...)
        local after = hub.auth.status()
        local out = hub.auth.logout()
        return { before, given, after, out, hub.auth.status() }
    """,
        str(token),
    )
    known = {"authenticated": True, "registry": hub.url, "orgs": ["acme"], "username": "bob", "scope": "read"}
    assert found[0]["authenticated"] is False and found[0]["registry"] == hub.url
    assert known.items() <= found[1].items() and found[1]["expired"] is False and found[2] == found[1]
    assert found[3] is True and found[4]["authenticated"] is False
    assert not Path(".wippy/credentials.yaml").exists()


@pytest.mark.parametrize("token", ["wpy_" + "x" * 40, "malformed"])
def test_a_token_that_is_not_accepted_is_not_used(token: str) -> None:
    given, status = run("return { hub.auth.authenticate(...), (hub.auth.status()) }", token)
    assert given["authenticated"] is False and status["authenticated"] is False


def test_a_private_module_is_seen_with_a_token(hub: Served) -> None:
    token = hub.token("acme")
    hub.create(token, "acme/secret", "private")
    assert failure("hub.modules.get('acme/secret')")[0] == "NotFound"
    seen = run("return hub.modules.get('acme/secret', { token = ... }).visibility", str(token))
    assert seen == "private"
    assert run("hub.auth.authenticate(...) return hub.modules.get('acme/secret').visibility", str(token)) == "private"


def test_the_runtimes_token_goes_to_its_own_hub_only(
    hub: Served, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hub.token("acme")
    monkeypatch.setenv("WIPPY_TOKEN", str(token))
    assert run("return hub.auth.status().authenticated") is True
    same_hub_by_another_name = hub.url.replace("127.0.0.1", "localhost")
    assert run("return hub.auth.status(...).authenticated", same_hub_by_another_name) is False


def test_a_pack_of_another_hub_does_not_take_the_place_of_ones_own(hub: Served, here: Path) -> None:
    other = hub.url.replace("127.0.0.1", "localhost")
    found = run("return hub.versions.inspect('acme/http', '1.0.0', { registry = ... }).cache_path", other)
    assert "/_hubs/" in found and not (here / ".wippy/vendor/acme").exists()


def test_a_pack_that_the_lock_knows_otherwise_is_not_replaced(hub: Served, here: Path) -> None:
    (here / "wippy.lock").write_text(f"modules: [{{name: acme/http, version: 1.0.0, hash: {'a' * 64}}}]\n")
    kind, message, _ = failure("hub.versions.inspect('acme/http', '1.0.0')")
    assert kind == "Conflict" and "by another digest" in message and not (here / ".wippy/vendor").exists()


def test_tokens_are_of_type_text_and_stay_out_of_errors(hub: Served) -> None:
    secret = Token("wpy_" + "s" * 40)
    _, message, details = failure(f"hub.modules.get('acme/nope', {{ token = '{secret}' }})")
    assert secret not in message and secret not in str(details)
