"""`wippy publish`, `search`, `show`, `readme`, `auth` and `hub`, against `wippy hub serve` (spec 01 §16.3, §18)."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from apps.program import wippy
from cli.program import Outcome, Run, runner, write
from cli.test_run_module import Machine
from hub.served import Served
from wippy.hub import protocol
from wippy.hub.credentials import Token
from wippy.project.lockfile import read_lock

MANIFEST = """
    organization: acme
    module: tool
    type: library
    description: Says things.
    license: MIT
    keywords: [speech, talk]
"""
INDEX = """
    version: "1.0"
    namespace: acme.tool
    entries:
      - { name: definition, kind: ns.definition, readme: "file://README.md" }
      - { name: terminal, kind: ns.dependency, component: wippy/terminal, version: "*" }
      - { name: say, kind: process.lua, method: main, source: "file://say.lua", meta: { command: { name: say } } }
      - { name: gate, kind: ns.requirement, default: x, targets: [{ entry: say, path: .meta.gate }] }
"""
SAY = "local function main(name) return 'hello ' .. (name or 'you') end\nreturn { main = main }\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    root = tmp_path / "module"
    write(root, **{"wippy.yaml": MANIFEST, "src/_index.yaml": INDEX, "src/say.lua": SAY, "src/README.md": "# Tool\n"})
    return root


@pytest.fixture
def run(module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(module, monkeypatch, capsys)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, token: Token) -> None:
    monkeypatch.setenv("WIPPY_TOKEN", str(token))


def ok(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err
    return outcome.out


# The way of a module --------------------------------------------------------------------------------------------------


def test_publish_search_install_run_between_two_machines(
    tmp_path: Path, hub: Served, token: Token, module: Path
) -> None:
    maker, user = Machine(tmp_path / "maker", hub.url), Machine(tmp_path / "user", hub.url)

    def on(machine: Machine, directory: Path, *words: str) -> str:
        done = wippy(directory, *words, env=machine.environment)
        assert done.code == 0, done.err
        assert str(token) not in done.out + done.err
        return done.out

    on(maker, module, "auth", "login", "--token", str(token))
    published = on(maker, module, "publish", "--version", "1.0.0", "--module-visibility", "public")
    assert "Registered acme/tool (public)" in published and f"Published acme/tool 1.0.0 on {hub.url}" in published
    found = json.loads(on(user, user.here, "search", "speech", "--json"))
    assert found == [{"name": "tool", "org": "acme", "version": "1.0.0", "description": "Says things.", "downloads": 0}]
    write(
        user.here,
        **{
            "src/_index.yaml": """
        namespace: app
        entries:
          - { name: tool, kind: ns.dependency, component: acme/tool, version: "^1" }
    """
        },
    )
    on(user, user.here, "init")
    on(user, user.here, "update")
    assert on(user, user.here, "run", "say", "ada") == "hello ada\n"
    assert on(user, tmp_path / "user", "run", "acme/tool", "say", "bob") == "hello bob\n"
    write(module, **{"src/say.lua": SAY.replace("hello", "good day")})
    on(maker, module, "publish", "--version", "1.1.0")
    assert on(user, user.here, "run", "say") == "hello you\n"
    assert on(user, user.here, "update") == "acme/tool 1.0.0 -> 1.1.0\n"
    assert on(user, user.here, "run", "say") == "good day you\n"


# publish --------------------------------------------------------------------------------------------------------------


def test_a_module_that_is_not_known_is_registered_private(run: Run, hub: Served, token: Token, known: None) -> None:
    assert "Registered acme/tool (private)" in ok(run("publish", "--version", "1.0.0"))
    about = protocol.AboutModule(module=protocol.ModuleRef.named("acme/tool"))
    found = hub.ask(lambda client: client.call(protocol.GET_MODULE, about), token).module
    assert (found.visibility, found.type, found.keywords) == ("private", "library", ["speech", "talk"])


def test_create_registers_first_and_once(run: Run, hub: Served, known: None) -> None:
    first = (
        "publish",
        "--version",
        "1.0.0",
        "--create",
        "--module-visibility",
        "internal",
        "--module-type",
        "agent",
        "--module-display-name",
        "The Tool",
    )
    assert "Registered acme/tool (internal)" in ok(run(*first))
    code, _, err = run("publish", "--version", "1.0.1", "--create")
    assert code == 1 and "exists already" in err


def test_a_dry_run_sends_nothing_and_needs_no_token(run: Run, hub: Served) -> None:
    out = ok(run("publish", "--version", "1.0.0", "--dry-run"))
    assert "acme/tool 1.0.0: 4 entries, " in out and "Nothing was sent" in out
    assert hub.ask(lambda client: client.call(protocol.LIST_MODULES, protocol.ListModules()), hub.token("*")).total == 0


def test_publishing_without_a_token_says_how_to_get_one(run: Run, hub: Served) -> None:
    code, _, err = run("publish", "--version", "1.0.0")
    assert code == 1 and f"wippy auth login --registry {hub.url}" in err


def test_labels_notes_and_protection(run: Run, hub: Served, token: Token, known: None) -> None:
    notes = "Line one\nLine two: 100 % größer"
    words = ("publish", "--version", "1.0.0-rc.1", "--label", "beta", "--release-notes", notes, "--protected")
    ok(run(*words))
    about = protocol.AboutVersion(
        module=protocol.ModuleRef.named("acme/tool"), version=protocol.VersionRef(label="beta")
    )
    version = hub.ask(lambda client: client.call(protocol.GET_VERSION, about), token).version
    assert (version.version, version.release_notes, version.protected) == ("1.0.0-rc.1", notes, True)


@pytest.mark.parametrize(
    ("answer", "version"), [("\n", "1.0.1"), ("minor\n", "1.1.0"), ("major\n", "2.0.0"), ("3.0.0-rc.1\n", "3.0.0-rc.1")]
)
def test_a_version_is_asked_for_as_a_bump_of_the_last_one(
    run: Run, hub: Served, known: None, monkeypatch: pytest.MonkeyPatch, answer: str, version: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert "Published acme/tool 0.1.0" in ok(run("publish"))
    ok(run("publish", "--version", "1.0.0"))
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    out = ok(run("publish"))
    assert "Latest published version: 1.0.0 (patch 1.0.1, minor 1.1.0, major 2.0.0)" in out
    assert f"Published acme/tool {version}" in out


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wippy.yaml": "organization: acme\n"}, "module"),
        ({"wippy.yaml": "organization: Acme\nmodule: tool\n"}, "organization"),
        ({"src/_index.yaml": "namespace: acme.tool\nentries: []\n"}, "exactly one ns.definition"),
        ({"src/bad.yaml": "namespace: x\nentries: [{name: 1"}, "bad.yaml"),
    ],
)
def test_what_cannot_be_published(run: Run, module: Path, files: dict[str, str], reason: str) -> None:
    write(module, **files)
    code, _, err = run("publish", "--version", "1.0.0", "--dry-run")
    assert code == 1 and reason in err


def test_a_directory_without_a_manifest(run: Run, tmp_path: Path) -> None:
    code, _, err = run("publish", "--config", str(tmp_path), "--dry-run")
    assert code == 1 and "wippy.yaml: not found" in err


def test_a_version_is_published_once(run: Run, module: Path, hub: Served, known: None) -> None:
    ok(run("publish", "--version", "1.0.0"))
    write(module, **{"src/say.lua": SAY + "-- changed\n"})
    code, _, err = run("publish", "--version", "1.0.0")
    assert code == 1 and "acme/tool 1.0.0 is published already" in err


# search, show, readme -------------------------------------------------------------------------------------------------


def test_search_prints_a_table(run: Run, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/http", "1.2.0", description="x" * 80)
    lines = ok(run("search", "acme")).splitlines()
    assert lines[0].split() == ["MODULE", "VERSION", "DOWNLOADS", "DESCRIPTION"]
    assert lines[1].split() == ["acme/http", "1.2.0", "0", "x" * 57 + "..."]
    assert ok(run("search", "nothing")) == "No modules found\n"
    assert json.loads(ok(run("search", "nothing", "--json"))) == []
    code, _, err = run("search", " ")
    assert code == 1 and "query required" in err


def test_search_is_limited(run: Run, hub: Served, token: Token) -> None:
    for number in range(4):
        hub.create(token, f"acme/m{number}")
    assert len(json.loads(ok(run("search", "acme", "--json", "--limit", "3")))) == 3


def test_readme_and_show(run: Run, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/http", "1.0.0", needs={"acme/base": "^1"})
    hub.offer(token, "acme/http", "1.1.0", needs={"acme/base": "^1"}, license="MIT")
    assert ok(run("readme", "acme/http")) == "# acme/http 1.1.0\n"
    assert ok(run("readme", "acme/http@<1.1")) == "# acme/http 1.0.0\n"
    assert run("readme", "acme/http@^2").err == "Error: no version of acme/http fits ^2\n"
    shown = json.loads(ok(run("readme", "acme/http@1.0.0", "--json")))
    assert shown == {"content": "# acme/http 1.0.0", "filename": "README.md", "version": "1.0.0"}
    out = ok(run("show", "acme/http"))
    assert "acme/http: What http does" in out and "needs       acme/base ^1" in out
    assert "versions    1.1.0, 1.0.0" in out and "license     MIT" in out
    assert json.loads(ok(run("show", "acme/http@1.0.0", "--json")))["version"]["version"] == "1.0.0"
    code, _, err = run("show", "acme/nope")
    assert code == 1 and "module not found: acme/nope" in err


# auth -----------------------------------------------------------------------------------------------------------------


def test_login_status_and_logout(run: Run, tmp_path: Path, hub: Served, token: Token) -> None:
    assert ok(run("auth", "status")) == f"Not logged in to {hub.url}\n"
    assert ok(run("auth", "login", "--token", str(token))) == f"Logged in to {hub.url} as ada\n"
    stored = tmp_path / "home/.config/wippy/credentials.yaml"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    status = ok(run("auth", "status", "--json"))
    assert json.loads(status) == {
        "authenticated": True,
        "registry": hub.url,
        "scope": "publish",
        "orgs": ["acme"],
        "expired": False,
        "expires_at": "",
        "error": "",
    }
    assert str(token) not in status
    assert ok(run("auth", "logout")) == f"Logged out of {hub.url}\n"
    assert str(token) not in stored.read_text()
    assert ok(run("auth", "logout")) == f"Not logged in to {hub.url}\n"


def test_the_configured_hub_is_the_one_that_all_verbs_use(
    run: Run, module: Path, hub: Served, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WIPPY_REGISTRY")
    write(module, **{".wippy.yaml": f'version: "1.0"\nmodules: {{ registry_url: "{hub.url}" }}\n'})
    assert ok(run("auth", "login", "--token", str(token))) == f"Logged in to {hub.url} as ada\n"
    assert f"Published acme/tool 1.0.0 on {hub.url}" in ok(run("publish", "--version", "1.0.0"))
    assert "acme/tool" in ok(run("search", "tool"))
    ok(run("hub", "yank", "acme/tool@1.0.0"))
    assert json.loads(ok(run("auth", "status", "--json")))["registry"] == hub.url


def test_a_local_login_is_the_projects(run: Run, module: Path, hub: Served, token: Token) -> None:
    ok(run("auth", "login", "--token", str(token), "--local"))
    assert (module / ".wippy/credentials.yaml").is_file()
    assert json.loads(ok(run("auth", "status", "--json")))["authenticated"] is True
    ok(run("auth", "logout", "--local"))
    assert json.loads(ok(run("auth", "status", "--json")))["error"] == "not logged in"


def test_a_token_that_the_hub_does_not_know_is_not_stored(run: Run, tmp_path: Path, hub: Served) -> None:
    unknown = "wpy_" + "x" * 40
    code, out, err = run("auth", "login", "--token", unknown)
    assert code == 1 and "the token is not known" in err and unknown not in out + err
    assert not (tmp_path / "home/.config").exists()
    code, _, err = run("auth", "login", "--token", "secret-but-malformed")
    assert code == 1 and "secret-but-malformed" not in err


def test_the_token_is_asked_for_without_an_echo(
    run: Run, hub: Served, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def hidden(prompt: str) -> str:
        asked.append(prompt)
        return str(token)

    monkeypatch.setattr("click.termui.hidden_prompt_func", hidden)
    out = ok(run("auth", "login"))
    assert len(asked) == 1 and str(token) not in out


# hub ------------------------------------------------------------------------------------------------------------------


def test_tokens_are_made_listed_and_revoked(run: Run, tmp_path: Path, hub: Served) -> None:
    place = ("--dir", str(hub.directory))
    made = ok(
        run("hub", "token", "create", *place, "--org", "acme", "--org", "beta", "--user", "ci", "--expires", "1h")
    )
    secret = Token(made.strip())
    assert secret.startswith("wpy_") and len(secret) >= 20
    account = hub.ask(lambda client: client.account(), secret)
    assert account.orgs == ["acme", "beta"] and account.expires_at
    listed = ok(run("hub", "token", "list", *place, "--json"))
    row = json.loads(listed)[0]
    assert (row["username"], row["scope"], row["revoked"]) == ("ci", "publish", False) and secret not in listed
    assert f"Revoked {row['id']}" in ok(run("hub", "token", "revoke", *place, row["id"]))
    assert "revoked" in ok(run("hub", "token", "list", *place))
    from wippy.core.errors import Error

    with pytest.raises(Error, match="not known"):
        hub.ask(lambda client: client.account(), secret)
    code, _, err = run("hub", "token", "revoke", *place, "nope")
    assert code == 1 and "token not found: nope" in err


def test_yank_wants_a_version_and_a_right(run: Run, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/http", "1.0.0")
    code, _, err = run("hub", "yank", "acme/http")
    assert code == 1 and "expected org/module@version" in err
    code, _, err = run("hub", "yank", "acme/http@1.0.0")
    assert code == 1 and "a token is needed to publish" in err


def test_serve_refuses_what_it_cannot_do(run: Run, tmp_path: Path, hub: Served) -> None:
    code, _, err = run("hub", "serve", "--dir", str(hub.directory))
    assert code == 1 and "another hub serves" in err
    code, _, err = run("hub", "serve", "--dir", str(tmp_path / "second"), "--addr", f"127.0.0.1:{hub.port}")
    assert code == 1 and "the address is in use" in err
    (tmp_path / "cert.pem").write_text("")
    code, _, err = run("hub", "serve", "--cert", str(tmp_path / "cert.pem"))
    assert code == 1 and "--cert and --key belong together" in err


def test_a_stopped_hub_exits_0(hub: Served) -> None:
    assert hub.stop() == 0


def test_what_is_installed_without_a_lock_is_nothing(run: Run, module: Path, hub: Served) -> None:
    ok(run("install"))
    lock = read_lock(module / "wippy.lock")
    assert lock is not None and [m.name for m in lock.modules] == ["wippy/terminal"]
