"""`wippy add`, `install`, `update`, `remove` against `wippy hub serve` (spec 01 §16, §18)."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from cli.program import Outcome, Run, runner, write
from hub.served import Served
from wippy.hub.credentials import Token
from wippy.hub.inspection import digest_of
from wippy.project.lockfile import Lock, read_lock

LOCK = "directories: {modules: .wippy, src: ./src}\n"
DEPENDENCY = "  - {{name: {0}, kind: ns.dependency, component: {1}, version: '{2}'}}\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app/src").mkdir(parents=True)
    (tmp_path / "app/wippy.lock").write_text(LOCK)
    return tmp_path / "app"


@pytest.fixture
def run(app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(app, monkeypatch, capsys)


def declare(app: Path, **wanted: str) -> None:
    """`declare(app, http="^1")`: an entry that depends on acme/http."""
    lines = [DEPENDENCY.format(f"dep.{name}", f"acme/{name}", text) for name, text in wanted.items()]
    write(app, **{"src/_index.yaml": "namespace: app\nentries:\n" + "".join(lines) if lines else "namespace: app\n"})


def lock_of(app: Path) -> Lock:
    lock = read_lock(app / "wippy.lock")
    assert lock is not None
    return lock


def locked(app: Path) -> dict[str, str]:
    return {module.name.removeprefix("acme/"): module.version for module in lock_of(app).modules}


def vendored(app: Path) -> list[str]:
    vendor = app / ".wippy/vendor"
    return sorted(path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file())


def ok(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err
    return outcome.out


# add ----------------------------------------------------------------------------------------------------------------


def test_add_records_a_module_and_what_it_needs_and_installs_nothing(
    run: Run, app: Path, hub: Served, token: Token
) -> None:
    base = hub.offer(token, "acme/base", "1.1.0")
    hub.offer(token, needs={"acme/base": "^1"})
    out = ok(run("add", "acme/http"))
    assert "+ acme/base 1.1.0\n+ acme/http 1.0.0\n" in out
    assert locked(app) == {"base": "1.1.0", "http": "1.0.0"}
    module = lock_of(app).module("acme/base")
    assert module is not None and module.hash == digest_of(base)
    assert stat.S_IMODE((app / "wippy.lock").stat().st_mode) == 0o600
    assert vendored(app) == [] and not (app / "src/_index.yaml").exists()


def test_add_takes_several_modules_with_selectors(run: Run, app: Path, hub: Served, token: Token) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        hub.offer(token, version=version, label="old" if version == "1.0.0" else "")
    hub.offer(token, "acme/sql", "0.4.0")
    ok(run("add", "acme/http@^1", "acme/sql"))
    assert locked(app) == {"http": "1.1.0", "sql": "0.4.0"}
    ok(run("add", "acme/http@old"))
    assert locked(app) == {"http": "1.0.0", "sql": "0.4.0"}
    ok(run("add", "acme/http@2.0.0"))
    assert locked(app) == {"http": "2.0.0", "sql": "0.4.0"}


@pytest.mark.parametrize("name", ["http", "acme/", "Acme/http", "acme/http/x", "acme/http@", "-a/b", "a/b c"])
def test_add_rejects_malformed_names(run: Run, app: Path, name: str) -> None:
    code, _, err = run("add", "--", name)
    assert code == 1 and err.startswith("Error: ") and "expected org/module" in err
    assert (app / "wippy.lock").read_text() == LOCK


def test_add_of_what_does_not_exist_changes_nothing(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token)
    for name, reason in (
        ("acme/nope", "module acme/nope was not found"),
        ("acme/http@^9", "no version of acme/http fits\n  wippy add wants ^9\n  there is 1.0.0"),
        ("acme/http@nope", "wants @nope"),
    ):
        code, _, err = run("add", name)
        assert code == 1 and reason in err, err
        assert (app / "wippy.lock").read_text() == LOCK


def test_add_of_a_framework_pack_needs_no_hub(run: Run, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIPPY_REGISTRY", "http://127.0.0.1:9")
    said = ok(run("add", "wippy/terminal"))
    assert "+ wippy/terminal " in said and "install" not in said
    module = lock_of(app).module("wippy/terminal")
    assert module is not None and module.hash == ""
    assert "0 modules installed, 1 already there" in ok(run("install"))
    assert "wippy.terminal:host" in ok(run("registry", "list"))


def test_a_hub_that_is_not_there(run: Run, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIPPY_REGISTRY", "http://127.0.0.1:9")
    code, _, err = run("add", "acme/http")
    assert code == 1 and "http://127.0.0.1:9 cannot be reached" in err and "Traceback" not in err


# install ------------------------------------------------------------------------------------------------------------


def test_install_downloads_verifies_and_loads(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, files={"a.txt": b"a"})
    ok(run("add", "acme/http"))
    assert "Installed acme/http 1.0.0\n1 module installed, 0 already there" in ok(run("install"))
    assert vendored(app) == ["acme/http-1.0.0.wapp"]
    assert "0 modules installed, 1 already there" in ok(run("install"))
    shown = ok(run("registry", "show", "acme.http:x", "-f", "meta.module_version"))
    assert shown.strip() == "1.0.0"


def test_install_repairs_what_is_damaged_and_refreshes_on_demand(
    run: Run, app: Path, hub: Served, token: Token
) -> None:
    hub.offer(token)
    ok(run("add", "acme/http"))
    ok(run("install"))
    path = app / ".wippy/vendor/acme/http-1.0.0.wapp"
    path.write_bytes(b"damaged")
    assert "1 module installed" in ok(run("install"))
    assert digest_of(path) == lock_of(app).modules[0].hash
    for flag in ("--refresh", "--force", "--repair"):
        assert "1 module installed" in ok(run("install", flag, "acme/http"))


def test_install_without_a_lock_makes_one_from_the_entries(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token)
    declare(app, http="^1")
    (app / "wippy.lock").unlink()
    assert "+ acme/http 1.0.0" in ok(run("install"))
    assert locked(app) == {"http": "1.0.0"} and vendored(app) == ["acme/http-1.0.0.wapp"]


def test_a_digest_that_differs_from_the_lock_fails_and_leaves_everything(
    run: Run, app: Path, hub: Served, token: Token
) -> None:
    hub.offer(token)
    hub.offer(token, "acme/sql", "1.0.0")
    text = (
        LOCK + f"modules: [{{name: acme/http, version: 1.0.0, hash: {'a' * 64}}}, {{name: acme/sql, version: 1.0.0}}]"
    )
    (app / "wippy.lock").write_text(text)
    code, _, err = run("install")
    assert code == 1 and "checksum mismatch of acme/http 1.0.0: wippy.lock has aaa" in err
    assert (app / "wippy.lock").read_text() == text and vendored(app) == []


def test_install_records_digests_that_the_lock_had_not(run: Run, app: Path, hub: Served, token: Token) -> None:
    path = hub.offer(token)
    (app / "wippy.lock").write_text(LOCK + "modules: [{name: acme/http, version: 1.0.0}]")
    ok(run("install"))
    assert lock_of(app).modules[0].hash == digest_of(path)


def test_downloads_that_a_crash_left_are_removed_once_nobody_writes_to_them(
    run: Run, app: Path, hub: Served, token: Token
) -> None:
    hub.offer(token)
    write(
        app, **{".wippy/vendor/acme/.http-1.0.0.wapp.old.part": "", ".wippy/vendor/acme/.http-1.0.0.wapp.new.part": ""}
    )
    os.utime(app / ".wippy/vendor/acme/.http-1.0.0.wapp.old.part", (0, 0))
    ok(run("add", "acme/http"))
    ok(run("install"))
    assert vendored(app) == ["acme/.http-1.0.0.wapp.new.part", "acme/http-1.0.0.wapp"]


def test_install_of_an_unknown_name(run: Run, app: Path) -> None:
    code, _, err = run("install", "acme/http")
    assert code == 1 and "acme/http is not in wippy.lock" in err


def test_a_version_that_leaves_its_directory_is_refused(run: Run, app: Path, hub: Served) -> None:
    (app / "wippy.lock").write_text(LOCK + "modules: [{name: acme/http, version: ../../../../x}]")
    code, _, err = run("install")
    assert code == 1 and "cannot be a version" in err and vendored(app) == []


def test_unpacked_modules_are_directories_with_the_same_entries(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, files={"a.txt": b"a"})
    hub.offer(token, version="1.1.0")
    ok(run("add", "acme/http@1.0.0"))
    ok(run("install"))
    packed = ok(run("registry", "list", "--json"))
    write(app, **{"wippy.lock": (app / "wippy.lock").read_text() + "options: {unpack_modules: true}\n"})
    ok(run("install", "--refresh"))
    assert (app / ".wippy/vendor/acme/http/_index.yaml").is_file() and lock_of(app).modules[0].local_hash
    assert not any(path.endswith(".wapp") for path in vendored(app))
    assert ok(run("registry", "list", "--json")) == packed
    (app / ".wippy/vendor/acme/http/_index.yaml").write_text("namespace: broken")
    assert "1 module installed" in ok(run("install"))
    assert ok(run("registry", "list", "--json")) == packed
    declare(app, http="*")
    ok(run("update"))
    assert ok(run("registry", "show", "acme.http:x", "-f", "version")).strip() == "1.1.0"


def test_vendored_pack_unpacked_directory_and_replacement_load_the_same_entries(
    run: Run, app: Path, hub: Served, token: Token
) -> None:
    hub.offer(token)
    ok(run("add", "acme/http"))
    ok(run("install"))
    packed = ok(run("registry", "list", "--json"))
    from wippy.project.wapp.reader import read_pack
    from wippy.project.wapp.unpack import unpack

    vendor = app / ".wippy/vendor/acme"
    unpack(read_pack(vendor / "http-1.0.0.wapp"), vendor / "http")
    (vendor / "http-1.0.0.wapp").unlink()
    assert ok(run("registry", "list", "--json")) == packed
    shutil.move(vendor / "http", app / "dev")
    write(app, **{".wippy.yaml": "version: '1.0'\nworkspace: {replacements: {acme/http: ./dev}}\n"})
    replaced = ok(run("registry", "list", "--json"))
    assert replaced == packed.replace(
        '"module": "acme/http",\n      "module_version": "1.0.0"', '"module": "acme/http"'
    )


# update -------------------------------------------------------------------------------------------------------------


def test_update_resolves_installs_and_prunes(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.0.0")
    hub.offer(token, version="1.0.0", needs={"acme/base": "^1"})
    declare(app, http="^1")
    assert ok(run("update")) == "+ acme/base 1.0.0\n+ acme/http 1.0.0\n"
    assert vendored(app) == ["acme/base-1.0.0.wapp", "acme/http-1.0.0.wapp"]
    assert ok(run("update")) == "Everything is up to date\n"
    hub.offer(token, version="1.1.0")
    assert ok(run("update")) == "- acme/base 1.0.0\nacme/http 1.0.0 -> 1.1.0\n"
    assert locked(app) == {"http": "1.1.0"} and vendored(app) == ["acme/http-1.1.0.wapp"]


def test_update_keeps_replacements_and_what_they_need(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.0.0")
    hub.offer(token, "acme/http", "1.0.0")
    dev = "namespace: acme.http\nentries:\n" + DEPENDENCY.format("b", "acme/base", "^1")
    write(app, **{"dev/src/_index.yaml": dev})
    (app / "wippy.lock").write_text(LOCK + "replacements: [{from: acme/http, to: ./dev}]\n")
    declare(app, http="^7")
    ok(run("update"))
    assert locked(app) == {"base": "1.0.0"}
    assert [(each.source, each.target) for each in lock_of(app).replacements] == [("acme/http", "./dev")]


def test_update_of_one_module_leaves_the_others(run: Run, app: Path, hub: Served, token: Token) -> None:
    for name in ("http", "sql"):
        hub.offer(token, f"acme/{name}", "1.0.0")
    declare(app, http="*", sql="*")
    ok(run("update"))
    for name in ("http", "sql"):
        hub.offer(token, f"acme/{name}", "1.1.0")
    assert ok(run("update", "acme/http")) == "acme/http 1.0.0 -> 1.1.0\n"
    assert locked(app) == {"http": "1.1.0", "sql": "1.0.0"}


def together(run: Run, app: Path, hub: Served, token: Token) -> None:
    """http 2 needs base 2; both were locked at 1."""
    hub.offer(token, "acme/base", "1.0.0")
    hub.offer(token, "acme/http", "1.0.0", needs={"acme/base": "^1"})
    declare(app, http="*", base="*")
    ok(run("update"))
    hub.offer(token, "acme/base", "2.0.0")
    hub.offer(token, "acme/http", "2.0.0", needs={"acme/base": "^2"})
    declare(app, http=">=2", base="*")


@pytest.mark.parametrize(
    ("answer", "versions"),
    [
        ("\n", {"base": "2.0.0", "http": "2.0.0"}),
        ("y\n", {"base": "2.0.0", "http": "2.0.0"}),
        ("n\n", {"base": "1.0.0", "http": "1.0.0"}),
    ],
)
def test_update_asks_when_other_modules_have_to_change(
    app: Path,
    hub: Served,
    token: Token,
    run: Run,
    answer: str,
    versions: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import io

    together(run, app, hub, token)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    out = ok(run("update", "acme/http"))
    assert "Other modules have to change too:\n  acme/base 1.0.0 -> 2.0.0\nProceed with update? [Y/n]" in out
    assert locked(app) == versions


def test_update_with_names_that_nobody_uses(run: Run, app: Path, hub: Served) -> None:
    code, _, err = run("update", "acme/http")
    assert code == 1 and "acme/http is neither in wippy.lock nor declared" in err


def test_a_conflict_is_explained_and_changes_nothing(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.0.0")
    hub.offer(token, "acme/base", "2.0.0")
    hub.offer(token, "acme/http", "1.0.0", needs={"acme/base": "^1"})
    hub.offer(token, "acme/sql", "1.0.0", needs={"acme/base": "^2"})
    declare(app, http="*", sql="*")
    before = (app / "wippy.lock").read_text()
    code, _, err = run("update")
    assert code == 1 and err == (
        "Error: no version of acme/base is what everybody wants\n"
        "  acme/http 1.0.0 wants ^1\n  acme/sql 1.0.0 wants ^2\n  there is 2.0.0, 1.0.0\n"
    )
    assert (app / "wippy.lock").read_text() == before and vendored(app) == []


def test_a_circle_is_an_error(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/a", "1.0.0", needs={"acme/b": "*"})
    hub.offer(token, "acme/b", "1.0.0", needs={"acme/a": "*"})
    declare(app, a="*")
    code, _, err = run("update")
    assert code == 1 and "in a circle: acme/a -> acme/b -> acme/a" in err and vendored(app) == []


def test_yanked_versions_are_not_chosen_but_stay_installable(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, version="1.0.0")
    hub.offer(token, version="1.1.0")
    declare(app, http="*")
    ok(run("update"))
    assert "Yanked acme/http@1.1.0" in ok(_with_token(run, token, "hub", "yank", "acme/http@1.1.0"))
    shutil.rmtree(app / ".wippy/vendor")
    ok(run("install"))
    assert vendored(app) == ["acme/http-1.1.0.wapp"]
    ok(run("update"))
    assert locked(app) == {"http": "1.0.0"}
    ok(_with_token(run, token, "hub", "yank", "acme/http@1.1.0", "--undo"))
    ok(run("update"))
    assert locked(app) == {"http": "1.1.0"}


def _with_token(run: Run, token: Token, *words: str) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIPPY_TOKEN", str(token))
        return run(*words)


def test_update_reads_overrides_disables_and_profiles(run: Run, app: Path, hub: Served, token: Token) -> None:
    for version in ("1.0.0", "2.0.0"):
        hub.offer(token, version=version)
    hub.offer(token, "acme/sql", "1.0.0")
    declare(app, http="*", sql="*")
    config = """
        version: "1.0"
        override: { "app:dep.http:version": "^1", "acme.sql:x:version": other }
        profiles: { small: { disable: { entries: ["app:dep.sql"] } } }
    """
    write(app, **{".wippy.yaml": config})
    ok(run("update", "--profile", "small"))
    assert locked(app) == {"http": "1.0.0"}


def test_update_can_change_the_directories(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token)
    declare(app, http="*")
    shutil.move(app / "src", app / "code")
    ok(run("update", "-d", "./code", "--modules-dir", "deps"))
    assert (app / "deps/vendor/acme/http-1.0.0.wapp").is_file()
    assert lock_of(app).directories.src == "./code"


# remove -------------------------------------------------------------------------------------------------------------


def test_remove_takes_along_what_nobody_else_needs(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/base", "1.0.0")
    hub.offer(token, "acme/own", "1.0.0")
    hub.offer(token, "acme/http", "1.0.0", needs={"acme/base": "*", "acme/own": "*"})
    hub.offer(token, "acme/sql", "1.0.0", needs={"acme/base": "*"})
    ok(run("add", "acme/http", "acme/sql"))
    ok(run("install"))
    code, _, err = run("remove", "acme/base")
    assert code == 1 and "acme/base is needed by acme/http, acme/sql" in err
    assert ok(run("remove", "acme/http")) == "- acme/http 1.0.0\n- acme/own 1.0.0\n"
    assert locked(app) == {"base": "1.0.0", "sql": "1.0.0"}
    assert vendored(app) == ["acme/base-1.0.0.wapp", "acme/sql-1.0.0.wapp"]


def test_remove_says_which_entry_needs_a_module(run: Run, app: Path, hub: Served, token: Token) -> None:
    hub.offer(token)
    declare(app, http="*")
    ok(run("update"))
    code, _, err = run("remove", "acme/http")
    assert code == 1 and "acme/http is needed by app:dep.http" in err and locked(app) == {"http": "1.0.0"}
    code, _, err = run("remove", "acme/nope")
    assert code == 1 and "acme/nope is not in wippy.lock" in err
