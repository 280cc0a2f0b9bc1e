"""The lock file, load order and tags (spec 01 §3, §4)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from project.files import by_id, write
from wippy.core.errors import Error
from wippy.project.config import Config
from wippy.project.loader import Project, load_project
from wippy.project.lockfile import Directories, Lock, LockedModule, Options, Replacement, read_lock
from wippy.project.manifest import excluder

LOCK = """
    directories: { modules: .wippy, src: ./src }
    modules:
      - { name: acme/http, version: v1.2.0, hash: abc }
      - { name: acme/sql, version: 0.4.14 }
    replacements:
      - { from: acme/sql, to: ../sql-dev }
    options: { unpack_modules: true }
"""


def definition(namespace: str, *names: str, meta: str = "{}") -> str:
    items = "".join(f"\n  - {{name: {name}, kind: registry.entry, meta: {meta}}}" for name in names)
    return f"namespace: {namespace}\nentries:{items}\n"


def loaded(root: Path, config: Config | None = None) -> Project:
    return load_project(read_lock(root / "wippy.lock"), config or Config(directory=root), {})


def reasons(project: Project) -> list[str]:
    return [problem.reason for problem in project.problems]


def test_reading_and_writing_round_trip(tmp_path: Path) -> None:
    write(tmp_path, **{"wippy.lock": LOCK})
    lock = read_lock(tmp_path / "wippy.lock")
    assert lock is not None
    assert lock.modules[1] == LockedModule("acme/sql", "0.4.14")
    assert lock.replacements == [Replacement("acme/sql", "../sql-dev")] and lock.options.unpack_modules
    lock.write()
    assert read_lock(lock.path) == lock


def test_written_locks_are_sorted_unique_private_and_indented(tmp_path: Path) -> None:
    modules = [LockedModule("b/b", "1"), LockedModule("a/a", "v1.0.0", "h"), LockedModule("b/b", "1")]
    lock = Lock(tmp_path / "wippy.lock", Directories(".wippy", "./src"), modules, [Replacement("c/c", "a dir")])
    lock.write()
    assert lock.path.read_text() == (
        "directories:\n    modules: .wippy\n    src: ./src\n"
        'modules:\n    - name: a/a\n      version: v1.0.0\n      hash: h\n    - name: b/b\n      version: "1"\n'
        'replacements:\n    - from: c/c\n      to: "a dir"\n'
    )
    assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["wippy.lock"]


def test_defaults_and_the_vendor_directory(tmp_path: Path) -> None:
    write(tmp_path, **{"wippy.lock": "directories: {modules: deps/vendor}"})
    lock = read_lock(tmp_path / "wippy.lock")
    assert lock is not None and lock.directories.src == "." and lock.options == Options()
    assert lock.vendor_directory == tmp_path / "deps/vendor"
    assert Lock(tmp_path / "wippy.lock").vendor_directory == tmp_path / ".wippy/vendor"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("modules: [{name: bad, version: v1}]", 'module name must be org/module, got "bad"'),
        ("modules: [{name: a/b/c, version: v1}]", "must be org/module"),
        ("modules: [{name: a/b, version: ''}]", "has no version"),
        ("modules: [{version: v1}]", "missing required field `name`"),
        ("directories: {src: ''}", "must not be empty"),
        ("a: [", "wippy.lock:2:1: "),
    ],
)
def test_bad_locks(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "wippy.lock").write_text(text)
    with pytest.raises(Error) as caught:
        read_lock(tmp_path / "wippy.lock")
    assert reason in str(caught.value) and str(tmp_path) in str(caught.value)


def test_without_a_lock_the_registry_starts_empty(tmp_path: Path) -> None:
    project = loaded(tmp_path)
    assert not project.entries and reasons(project) == ["no lock file found"]


def test_load_order_and_tags(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "app/wippy.lock": LOCK,
            "app/src/_index.yaml": definition("app", "main"),
            "app/.wippy/vendor/acme/http/_index.yaml": definition("acme.http", "x"),
            "sql-dev/src/_index.yaml": definition("acme.sql", "y"),
            "sql-dev/other.yaml": definition("acme.sql", "not_read"),
        },
    )
    project = loaded(tmp_path / "app")
    assert [str(entry.id) for entry in project.entries] == ["app:main", "acme.sql:y", "acme.http:x"]
    found = by_id(project)
    assert found["app:main"].meta == {}
    assert found["acme.sql:y"].meta == {"module": "acme/sql"}
    assert found["acme.http:x"].meta == {"module": "acme/http", "module_version": "v1.2.0"}
    assert project.module_roots["acme/http"] == tmp_path / "app/.wippy/vendor/acme/http"
    assert "deprecated" in reasons(project)[0]


def test_legacy_directories_and_missing_modules(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "wippy.lock": "modules: [{name: a/b, version: v1}, {name: a/gone, version: v2}]\ndirectories: {src: src}\n",
            "src/x.yaml": definition("app", "main"),
            ".wippy/vendor/a/b-v1/_index.yaml": definition("a.b", "x"),
        },
    )
    project = loaded(tmp_path)
    assert list(by_id(project)) == ["app:main", "a.b:x"]
    assert reasons(project) == ["module a/gone v2 is not installed, skipped"]


def test_source_dot_does_not_walk_the_modules(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "wippy.lock": "directories: {src: .}",
            "a.yaml": definition("app", "main"),
            ".wippy/vendor/a/b/_index.yaml": definition("a.b", "x"),
        },
    )
    assert list(by_id(loaded(tmp_path))) == ["app:main"]


def test_workspace_replacements_stand_in_for_modules(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "wippy.lock": "modules: [{name: a/b, version: v1}]",
            ".wippy/vendor/a/b/_index.yaml": definition("a.b", "vendored"),
            "dev/_index.yaml": definition("a.b", "local"),
        },
    )
    project = loaded(tmp_path, Config({"workspace.replacements.a/b": "dev"}, tmp_path))
    assert by_id(project)["a.b:local"].meta == {"module": "a/b"}
    assert "a.b:vendored" not in by_id(project)


def test_the_modules_own_manifest_excludes_entries_and_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "wippy.lock": "modules: [{name: a/b, version: v1}]\ndirectories: {src: src}\n",
            "src/x.yaml": definition("app", "main"),
            ".wippy/vendor/a/b/wippy.yaml": """
                organization: a
                module: b
                exclude: ["a.b.dev:*", "tests/**"]
                exclude_meta: {type: [test]}
            """,
            ".wippy/vendor/a/b/_index.yaml": definition("a.b", "kept"),
            ".wippy/vendor/a/b/t.yaml": definition("a.b", "test", meta="{type: test}"),
            ".wippy/vendor/a/b/dev.yaml": definition("a.b.dev", "tool"),
            ".wippy/vendor/a/b/tests/deep/_index.yaml": definition("a.b", "in_tests"),
        },
    )
    assert list(by_id(loaded(tmp_path))) == ["app:main", "a.b:kept"]


def test_source_globs_apply_to_replacements_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "wippy.lock": "directories: {src: src}",
            "src/x.yaml": definition("app", "main"),
            "dev/wippy.yaml": "exclude: [src/test]",
            "dev/src/_index.yaml": definition("a.b", "kept"),
            "dev/src/test/_index.yaml": definition("a.b", "gone"),
        },
    )
    project = loaded(tmp_path, Config({"workspace.replacements.a/b": "dev"}, tmp_path))
    assert list(by_id(project)) == ["app:main", "a.b:kept"]


@pytest.mark.parametrize(
    ("glob", "path", "excluded"),
    [
        ("tests", "tests/a/b.lua", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/deep/README.md", True),
        ("**/*.md", "README.md", True),
        ("src/**/test_?.lua", "src/a/b/test_1.lua", True),
        ("src/*", "other/src/x", False),
    ],
)
def test_source_globs(glob: str, path: str, excluded: bool) -> None:
    assert excluder([glob])(path) is not excluded
