"""Unpacking: a directory that loads to the same entries as the pack (spec 01 §7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from project.wapp.packs import Forge, resource, stored
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.project.config import Config
from wippy.project.loader import Project, load_project
from wippy.project.lockfile import Lock, LockedModule
from wippy.project.wapp import Resource
from wippy.project.wapp.reader import read_pack
from wippy.project.wapp.unpack import unpack
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry, entry

MODULE = "acme/http"
ENTRIES = [
    entry("acme.http:list", "function.lua", {"source": "-- a\nreturn 1\n", "method": "main", "pool": {"size": 4.0}}),
    entry("acme.http:page", "template.jet", {"source": "<b>{{x}}</b>", "set": "s"}, {"name": "yes"}),
    entry("acme.http.util:text", "library.lua", {"source": "return {}"}),
    entry("acme.http.util:odd/name", "library.lua", {"source": "return {}"}),
    entry("acme.http:texts", "registry.entry", {"a": "0o17", "b": "true", "c": "file://../x", "d": "l1\n l2 \n"}),
    entry("acme.http:list_data", "registry.entry", ["1", 1.0, None, True, 0.5, -3.0, 1e300]),
    entry("acme.http:reserved", "registry.entry", {"name": "x", "kind": "y"}),
    entry("acme.http:nothing", "registry.entry", None, {"on": "off"}),
]  # fmt: skip


def vendored(root: Path, entries: list[Entry], resources: list[Resource] | None = None) -> tuple[Lock, Path]:
    """A project whose lock has one module, packed in the vendor directory."""
    (root / "src").mkdir(parents=True, exist_ok=True)
    packed = root / ".wippy/vendor/acme/http-1.2.0.wapp"
    packed.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"name": "http", "namespace": "acme.http", "version": "1.2.0", "organization": "acme"}
    write_pack(packed, metadata, entries, resources or [])
    return Lock(root / "wippy.lock", modules=[LockedModule(MODULE, "1.2.0")]), packed


def loaded(lock: Lock) -> Project:
    project = load_project(lock, Config(directory=lock.path.parent), {})
    assert not [problem for problem in project.problems if problem.severity == "error"], project.problems
    return project


def sorted_entries(project: Project) -> list[Entry]:
    return sorted(project.entries, key=lambda item: item.id)


def test_a_packed_and_an_unpacked_module_load_the_same_entries_with_the_same_tags(tmp_path: Path) -> None:
    lock, packed = vendored(tmp_path, ENTRIES)
    from_pack = sorted_entries(loaded(lock))
    assert from_pack[0].meta["module"] == MODULE and from_pack[0].meta["module_version"] == "1.2.0"
    unpack(read_pack(packed), packed.parent / "http")
    packed.unlink()
    assert sorted_entries(loaded(lock)) == from_pack


def test_a_replacement_loads_the_same_entries_tagged_without_a_version(tmp_path: Path) -> None:
    lock, packed = vendored(tmp_path, ENTRIES)
    from_pack = sorted_entries(loaded(lock))
    unpack(read_pack(packed), tmp_path / "work")
    config = Config({f"workspace.replacements.{MODULE}": "work"}, tmp_path)
    replaced = sorted(load_project(lock, config, {}).entries, key=lambda item: item.id)
    for item, original in zip(replaced, from_pack, strict=True):
        expected = {key: value for key, value in original.meta.items() if key != "module_version"}
        assert item == Entry(original.id, original.kind, expected, original.data)


def test_namespaces_become_directories_and_sources_files(tmp_path: Path) -> None:
    _, packed = vendored(tmp_path, ENTRIES)
    target = tmp_path / "out"
    unpack(read_pack(packed), target)
    assert (target / "list.lua").read_text() == "-- a\nreturn 1\n"
    assert (target / "page.jet").read_text() == "<b>{{x}}</b>"
    assert (target / "util/text.lua").is_file()
    index = (target / "_index.yaml").read_text()
    assert index.startswith('version: "1.0"\nnamespace: acme.http\nentries:\n')
    assert 'source: "file://list.lua"' in index


def test_embedded_files_become_a_directory_of_the_module(tmp_path: Path) -> None:
    files = {"index.html": b"<p>", "trap.yaml": b"namespace: evil\nentries:\n  - {name: a, kind: registry.entry}\n"}
    entries = [entry("acme.http:public", "fs.embed", {}), entry("acme.http.public:x", "registry.entry", {})]
    lock, packed = vendored(tmp_path, entries, [resource("acme.http:public", files)])
    unpack(read_pack(packed), packed.parent / "http")
    project = loaded(lock)
    assert [str(item.id) for item in sorted_entries(project)] == ["acme.http:public", "acme.http.public:x"]
    directory = next(item for item in project.entries if item.id.name == "public")
    assert directory.kind == "fs.directory" and directory.data["base"] == "module"
    root = project.module_roots[MODULE] / directory.data["directory"]
    assert (root / "index.html").read_bytes() == b"<p>"


def test_nothing_is_half_unpacked(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "before").write_text("x")
    forge = Forge().files({"good": stored(b"abc"), "z.txt": stored(b"abc", Hash="00" * 32)})
    forge.entries = [{"ID": {"ns": "app", "name": "assets"}, "Kind": "fs.embed", "Meta": {}, "Data": {}}]
    forge.data = [b"abc"]
    pack = read_pack(forge.write(tmp_path / "x.wapp"))
    with pytest.raises(Error, match=r"x\.wapp: z\.txt: hash mismatch"):
        unpack(pack, target)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out", "x.wapp"]
    assert [item.name for item in target.iterdir()] == ["before"]


def test_unpacking_replaces_what_was_there(tmp_path: Path) -> None:
    _, packed = vendored(tmp_path, ENTRIES)
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale.lua").write_text("x")
    unpack(read_pack(packed), target)
    assert not (target / "stale.lua").exists() and (target / "list.lua").exists()


def test_names_that_are_no_paths_stay_inside(tmp_path: Path) -> None:
    odd = ["..", "a/../../b", "node_modules", "src", "a..b", "C:\\x", "x" * 300]
    entries = [entry(f"{ns}:n", "library.lua", {"source": "return 1"}) for ns in odd if ":" not in ns]
    entries += [
        Entry(EntryId("a", name), "library.lua", {}, {"source": "return 2"}) for name in ("../up", "/etc/x", ".")
    ]
    lock, packed = vendored(tmp_path / "project", entries)
    before = sorted_entries(loaded(lock))
    unpack(read_pack(packed), packed.parent / "http")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["project"]
    packed.unlink()
    assert sorted_entries(loaded(lock)) == before


def test_an_entry_without_namespace_cannot_be_unpacked(tmp_path: Path) -> None:
    _, packed = vendored(tmp_path, [Entry(EntryId("", "a"), "registry.entry", {}, {})])
    with pytest.raises(Error, match="entry :a has no namespace"):
        unpack(read_pack(packed), tmp_path / "out")
    assert not (tmp_path / "out").exists()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(1 << 50), 1 << 50).map(float)
LOOKALIKES = st.sampled_from(["yes", "null", "~", "1_000", "0755", "- a", "{a}", "a: b", "file://x", "<<"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | LOOKALIKES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=VALUES, meta=st.dictionaries(TEXTS.filter(bool), VALUES, max_size=2))
def test_any_data_survives_unpacking(tmp_path: Path, data: Any, meta: dict[str, Any]) -> None:
    entries = [Entry(EntryId("acme.http", "e"), "registry.entry", meta, data)]
    lock, packed = vendored(tmp_path, entries)
    target = packed.parent / "http"
    unpack(read_pack(packed), target)
    tags = {"module": MODULE, "module_version": "1.2.0"}
    assert loaded(lock).entries == [Entry(entries[0].id, "registry.entry", {**meta, **tags}, data)]
