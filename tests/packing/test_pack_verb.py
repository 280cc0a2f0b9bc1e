"""`wippy pack` and what it puts into a pack (spec 01 §7, §17, §18)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.program import Run, runner
from packing.shop import INDEX, LOCK, kit, shop, write
from wippy.core.ids import EntryId
from wippy.project.wapp import Pack
from wippy.project.wapp.reader import read_pack
from wippy.registry.entry import Entry


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(shop(tmp_path), monkeypatch, capsys)


def packed(run: Run, *flags: str) -> Pack:
    outcome = run("pack", "out.wapp", *flags)
    assert outcome.code == 0, outcome.err
    return read_pack("out.wapp")


def entry_of(pack: Pack, entry_id: str) -> Entry | None:
    return next((item for item in pack.entries if str(item.id) == entry_id), None)


def refused(run: Run, *flags: str) -> str:
    outcome = run("pack", "out.wapp", *flags)
    assert outcome.code == 1 and not Path("out.wapp").exists()
    assert outcome.err.startswith("Error: ")
    return outcome.err


def test_the_pack_holds_linked_entries_of_the_project_and_its_modules(run: Run) -> None:
    pack = packed(run)
    text = entry_of(pack, "acme.kit:text")
    assert text is not None and text.data == {"value": "good day"}
    assert text.meta == {"module": "acme/kit", "module_version": "v1.0.0"}
    report = entry_of(pack, "app:report")
    assert report is not None and "module" not in report.meta and "funcs.call" in report.data["source"]


def test_the_same_project_gives_the_same_bytes_wherever_it_is(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("pack", "out.wapp", "--embed-all", "--bytecode", "**").code == 0
    first = (tmp_path / "out.wapp").read_bytes()
    copy = shutil.copytree(tmp_path, tmp_path.with_name("copy"), copy_function=shutil.copy)
    monkeypatch.chdir(copy)
    assert run("pack", "again.wapp", "--embed-all", "--bytecode", "**").code == 0
    assert (copy / "again.wapp").read_bytes() == first


def test_metadata_say_what_the_pack_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    pack = packed(run, "-d", "A shop", "-t", "web,shop", "--tags", "demo", "--meta", "team=blue", "--meta", "note=a=b")
    assert pack.metadata == {
        "wippy_version": "0.1.0",
        "packed_at": "2023-11-14T22:13:20Z",
        "entry_count": 14.0,
        "resource_count": 1.0,
        "description": "A shop",
        "tags": ["web", "shop", "demo"],
        "team": "blue",
        "note": "a=b",
    }


@pytest.mark.parametrize("key", ["wippy.x", "system.y"])
def test_metadata_keys_of_the_runtime_are_refused(run: Run, key: str) -> None:
    assert f'--meta "{key}"' in refused(run, "--meta", f"{key}=1")


def test_metadata_without_a_value_are_refused(run: Run) -> None:
    assert 'malformed --meta "x": expected key=value' in refused(run, "--meta", "x")


def test_metadata_of_the_manifest_never_replace_canonical_keys(tmp_path: Path, run: Run) -> None:
    write(tmp_path, **{"wippy.yaml": "metadata: { entry_count: 9000, colour: blue }\n"})
    assert packed(run).metadata["colour"] == "blue"
    assert packed(run).metadata["entry_count"] == 14


def test_list_prints_the_directories_and_writes_nothing(tmp_path: Path, run: Run) -> None:
    outcome = run("pack", "--list", "--embed", "public")
    assert outcome.code == 0
    assert outcome.out == "ID          DIRECTORY  EMBEDDED\napp:public  public     yes\n"
    assert not list(tmp_path.glob("*.wapp"))


@pytest.mark.parametrize(
    "flags", [["--embed", "app:public"], ["--embed", "public"], ["--embed", "*:pub*"], ["--embed-all"]]
)
def test_embedded_directories_become_resources(run: Run, flags: list[str]) -> None:
    pack = packed(run, *flags)
    assert entry_of(pack, "app:public") == Entry(EntryId("app", "public"), "fs.embed", {}, {})
    resource = pack.resource(EntryId("app", "public"))
    assert resource is not None and list(resource.tree.files) == ["img/logo.svg", "index.html"]


def test_without_a_flag_the_manifest_says_what_is_embedded(tmp_path: Path, run: Run) -> None:
    assert packed(run).resource(EntryId("app", "public")) is None
    write(tmp_path, **{"wippy.yaml": "embed: [app:public]\n"})
    assert packed(run).resource(EntryId("app", "public")) is not None


def test_an_embed_flag_that_names_nothing_is_an_error(run: Run) -> None:
    assert '--embed "app:nope": no entry of kind fs.directory matches' in refused(run, "--embed", "app:nope")
    assert "exclude each other" in refused(run, "--embed", "app:public", "--embed-all")


def test_a_directory_that_is_not_there_cannot_be_embedded(tmp_path: Path, run: Run) -> None:
    shutil.rmtree(tmp_path / "public")
    reason = refused(run, "--embed", "public")
    assert "app:public (fs.directory) at src/_index.yaml:11: cannot be embedded: public is no directory" in reason


def test_excluded_entries_and_namespaces_are_absent(run: Run) -> None:
    pack = packed(run, "--exclude", "app:secret", "--exclude", "app:o*", "--exclude-ns", "acme.**")
    ids = [str(item.id) for item in pack.entries]
    assert "app:secret" not in ids and "app:other" not in ids and "app:report" in ids
    assert not [name for name in ids if name.startswith("acme")] and pack.resources == []
    assert "expected namespace:name" in run("pack", "no.wapp", "--exclude", "secret").err


def test_the_configuration_shapes_the_pack(tmp_path: Path, run: Run) -> None:
    config = """\
        version: "1.0"
        override: { "app:secret:value": shown, "app:total:pool.size": 3 }
        profiles:
          lean: { disable: { entries: ["app:other"] } }
    """
    write(tmp_path, **{".wippy.yaml": config})
    pack = packed(run, "--profile", "lean", "--set", "override.acme.kit:text:value=set")
    secret, text = entry_of(pack, "app:secret"), entry_of(pack, "acme.kit:text")
    assert secret is not None and secret.data == {"value": "shown"}
    assert text is not None and text.data == {"value": "set"}
    assert entry_of(pack, "app:other") is None


def test_files_of_modules_travel_along(run: Run) -> None:
    resource = packed(run).resource(EntryId("acme.kit", "files"))
    assert resource is not None and resource.tree.open("name.txt").read(100) == b"the kit"


def test_directories_of_unpacked_modules_travel_along(tmp_path: Path, run: Run) -> None:
    shutil.rmtree(tmp_path / ".wippy")
    module = """\
        namespace: acme.kit
        entries:
          - { name: files, kind: fs.directory, directory: assets }
          - { name: uploads, kind: fs.directory, directory: uploads, auto_init: true }
          - { name: shared, kind: fs.directory, directory: shared, base: project }
    """
    write(tmp_path, **{
        ".wippy/vendor/acme/kit/_index.yaml": module, ".wippy/vendor/acme/kit/assets/a.txt": "a", "shared/x": "x",
    })  # fmt: skip
    pack = packed(run)
    kinds = {str(item.id): item.kind for item in pack.entries if item.id.ns == "acme.kit"}
    assert kinds == {
        "acme.kit:files": "fs.embed",
        "acme.kit:uploads": "fs.directory",
        "acme.kit:shared": "fs.directory",
    }


def test_commands_of_modules_are_not_commands_of_the_pack(run: Run) -> None:
    tool = entry_of(packed(run), "acme.kit:tool")
    assert tool is not None and "command" not in tool.meta


def test_a_name_is_taken_from_the_manifest(tmp_path: Path, run: Run) -> None:
    assert "say what to write" in run("pack").err
    write(tmp_path, **{"wippy.yaml": "organization: acme\nmodule: shop\nversion: 1.2.3\n"})
    assert run("pack").out == "shop-1.2.3.wapp: 14 entries, 1 resource\n"
    assert read_pack("shop-1.2.3.wapp").entries


def test_without_a_lock_file_there_is_nothing_to_pack(tmp_path: Path, run: Run) -> None:
    (tmp_path / "wippy.lock").unlink()
    assert "no lock file found" in refused(run)


def test_a_broken_project_is_not_packed(tmp_path: Path, run: Run) -> None:
    write(tmp_path, **{"src/broken.yaml": "namespace: app\nentries: [{kind: x}]\n"})
    assert "src/broken.yaml:2" in refused(run)


# Compiled code ----------------------------------------


def test_compiled_entries_keep_everything_but_their_source(run: Run) -> None:
    pack = packed(run, "--bytecode", "app:total", "--bytecode", "totals")
    total = entry_of(pack, "app:total")
    assert total is not None and total.kind == "function.lua.bc"
    hash_ = total.data.pop("hash")
    assert hash_.startswith("sha256:") and len(hash_) == 71
    assert total.data == {
        "fs": "internal:lua.bytecode",
        "path": "app/total.luac",
        "method": "main",
        "imports": {"totals": "app:totals"},
        "pool": {"size": 2},
    }
    totals, report = entry_of(pack, "app:totals"), entry_of(pack, "app:report")
    assert totals is not None and totals.kind == "library.lua.bc" and "method" not in totals.data
    assert report is not None and report.kind == "process.lua"
    code = pack.resource(EntryId("internal", "lua.bytecode"))
    assert code is not None and list(code.tree.files) == ["app/total.luac", "app/totals.luac"]
    assert entry_of(pack, "internal:lua.bytecode") is not None


@pytest.mark.parametrize(("pattern", "number"), [("**", 6), ("**:**", 6), ("app:**", 4), ("acme.**:*", 2)])
def test_patterns_choose_what_is_compiled(run: Run, pattern: str, number: int) -> None:
    assert len([item for item in packed(run, "--bytecode", pattern).entries if item.kind.endswith(".bc")]) == number


def test_compiled_code_counts_in_lint_and_is_not_looked_at(run: Run) -> None:
    packed(run, "--bytecode", "app:**")
    report = json.loads(run("lint", "-l", "out.wapp", "--json", "--rules").out)
    assert report["total_entries"] == 6 and report["error_count"] == 0


def test_code_that_cannot_be_compiled_is_named(tmp_path: Path, run: Run) -> None:
    assert '--bytecode "app:nope"' in refused(run, "--bytecode", "app:nope")
    write(tmp_path, **{"src/total.lua": "return {"})
    assert "app:total (function.lua) at src/_index.yaml:17" in refused(run, "--bytecode", "**")


# Runtime defaults ----------------------------------------

CONFIG = """\
    version: "1.0"
    vars: { port: 8080, token: secret }
    shop: { title: "Shop on ${port}", user: "${env:SHOP_USER}" }
    workspace: { replacements: {} }
    logger: { encoding: json }
    profiles:
      fast: { shop: { title: Fast }, workspace: { replacements: { a/b: ./x } } }
      slow: { shop: { title: Slow } }
"""


def manifest(runtime: str = "", profiles: str = "") -> dict[str, str]:
    lines = ["organization: acme", "module: shop", "publish:"]
    lines += [f"  runtime: {runtime}"] if runtime else []
    lines += [f"  profiles: {profiles}"] if profiles else []
    return {"wippy.yaml": "\n".join(lines) + "\n", ".wippy.yaml": CONFIG}


def runtime_of(pack: Pack) -> dict[str, Any]:
    return {key: value for key, value in pack.metadata.items() if key.startswith("runtime.")}


def test_the_manifest_says_which_configuration_travels(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_USER", "builder")
    write(tmp_path, **manifest("{sections: [shop], vars: [port]}", "{enabled: true, include: [fast]}"))
    assert runtime_of(packed(run)) == {
        "runtime.shop.title": "Shop on ${port}",
        "runtime.shop.user": "${env:SHOP_USER}",
        "runtime.vars.port": 8080,
        "runtime.profiles": {"fast": {"shop.title": "Fast"}},
    }


@pytest.mark.parametrize(
    ("runtime", "profiles", "reason"),
    [
        ("{sections: [workspace]}", "", '"publish.runtime.sections": "workspace" belongs to one machine'),
        ("{sections: [nope]}", "", '"publish.runtime.sections": "nope": .wippy.yaml has no such section'),
        ("{sections: [vars]}", "", "name variables under publish.runtime.vars"),
        ("{vars: [nope]}", "", '"publish.runtime.vars": "nope": .wippy.yaml has no such variable'),
        ("{source: other.yaml}", "", "other.yaml: cannot be read"),
        ("", "{enabled: true, include: [nope]}", '"publish.profiles.include": "nope"'),
        ("{sections: shop}", "", 'field "publish.runtime.sections": expected a list, got a text'),
    ],
)
def test_an_export_of_what_is_not_there_or_may_not_leave_is_refused(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, runtime: str, profiles: str, reason: str
) -> None:
    monkeypatch.setenv("SHOP_USER", "builder")
    write(tmp_path, **manifest(runtime, profiles))
    assert reason in refused(run)


def test_only_applications_carry_runtime_defaults(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_USER", "builder")
    files = manifest("{sections: [shop]}")
    write(tmp_path, **{**files, "wippy.yaml": f"type: library\n{files['wippy.yaml']}"})
    assert 'wippy.yaml: field "publish": a module of type library carries no runtime defaults' in refused(run)


# Packs in the other verbs ----------------------------------------


def test_the_entries_of_a_pack_can_be_listed(run: Run) -> None:
    packed(run)
    outcome = run("registry", "list", "-l", "out.wapp", "--json", "--ns", "acme.kit")
    ids = [item["id"] for item in json.loads(outcome.out)]
    assert ids == sorted(ids) and "acme.kit:text" in ids
    assert run("registry", "show", "acme.kit:text", "--field", "value", "-l", "out.wapp").out == "good day\n"
    assert "not a pack" in run("registry", "list", "-l", str(bad_pack())).err


def bad_pack() -> Path:
    path = Path("bad.wapp")
    path.write_bytes(b"PK" * 400)
    return path


def test_the_vendored_pack_must_be_the_one_of_the_lock_file(tmp_path: Path, run: Run) -> None:
    write(tmp_path, **{"wippy.lock": f"{LOCK}      hash: {'a' * 64}\n"})
    assert "hash mismatch of module acme/kit v1.0.0" in refused(run)
    assert "wippy install --refresh" in run("registry", "list").err


def test_a_damaged_vendored_pack_stops_everything(tmp_path: Path, run: Run) -> None:
    path = tmp_path / ".wippy/vendor/acme/kit-v1.0.0.wapp"
    path.write_bytes(path.read_bytes()[:-1])
    assert "kit-v1.0.0.wapp: the table of contents is not where" in refused(run)


def test_packs_with_compiled_code_can_be_packed_together(tmp_path: Path, run: Run) -> None:
    packed(run, "--bytecode", "**")
    vendor = tmp_path / ".wippy/vendor/acme"
    other = tmp_path.with_name("kit-project")
    write(other, **{
        "src/_index.yaml": 'namespace: acme.kit\nentries:\n  - {name: lib, kind: library.lua, source: "return 1"}\n',
        "wippy.lock": "directories: {modules: .wippy, src: src}\n",
    })  # fmt: skip
    assert run("pack", "-l", str(other / "wippy.lock"), str(vendor / "kit-v1.0.0.wapp"), "--bytecode", "**").code == 0
    pack = packed(run, "--bytecode", "app:total")
    code = pack.resource(EntryId("internal", "lua.bytecode"))
    assert code is not None and list(code.tree.files) == ["acme.kit/lib.luac", "app/total.luac"]
    assert len([item for item in pack.entries if item.id == EntryId("internal", "lua.bytecode")]) == 1


def test_the_sample_is_what_the_tests_say(tmp_path: Path) -> None:
    kit(tmp_path / "kit.wapp")
    assert len(read_pack(tmp_path / "kit.wapp").entries) == 6 and INDEX.count("- name:") == 8
