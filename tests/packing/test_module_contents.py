"""What a module publishes (spec 01 §4, §17): its own entries as they are written, files it embeds, its metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from packing.shop import write
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.packing.contents import Contents
from wippy.packing.module import module_contents
from wippy.project.manifest import read_manifest
from wippy.project.wapp.reader import read_pack

FILES = {
    "wippy.yaml": """\
        organization: acme
        module: kit
        type: library
        description: file://README.md
        keywords: [kit]
        include: ["src/**"]
        exclude: ["src/test/**", "acme.kit:internal"]
        exclude_meta: { type: [test] }
        metadata: { colour: blue, name: mine }
    """,
    "README.md": "# Kit",
    "wippy.lock": "directories: {modules: .wippy, src: .}\n",
    "src/_index.yaml": """\
        namespace: acme.kit
        entries:
          - { name: definition, kind: ns.definition, readme: "file://../README.md" }
          - { name: gateway, kind: ns.requirement, targets: [{entry: list, path: .meta.router}], default: "a:b" }
          - { name: list, kind: http.endpoint, method: GET, path: /list, func: "${FUNC|x}" }
          - { name: public, kind: fs.directory, directory: ./public }
          - { name: uploads, kind: fs.directory, directory: ./uploads }
          - { name: internal, kind: registry.entry }
          - { name: check, kind: registry.entry, meta: { type: test } }
    """,
    "src/test/_index.yaml": "namespace: acme.kit\nentries: [{name: hidden, kind: registry.entry}]\n",
    "other/_index.yaml": "namespace: other\nentries: [{name: x, kind: registry.entry}]\n",
    ".wippy/vendor/a/b/_index.yaml": "namespace: a.b\nentries: [{name: y, kind: registry.entry}]\n",
    ".wippy.yaml": 'version: "1.0"\noverride: { "acme.kit:list:path": /other }\n',
    "public/a.txt": "a",
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, **FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(module: Path, **options: object) -> Contents:
    manifest = read_manifest(module)
    assert manifest is not None
    return module_contents(module, manifest, **{"version": "1.0.0", **options})  # type: ignore[arg-type]


def test_a_module_publishes_its_own_entries_as_they_are_written(module: Path) -> None:
    found = contents(module)
    assert [item.id.name for item in found.entries] == ["definition", "gateway", "list"]
    endpoint = found.entries[2]
    assert endpoint.meta == {} and endpoint.data == {"method": "GET", "path": "/list", "func": "${FUNC|x}"}
    assert found.entries[0].data == {"readme": "# Kit"}


def test_embedded_directories_travel_and_others_stay_behind(module: Path) -> None:
    found = contents(module, embed=["public"])
    assert [(item.id.name, item.kind) for item in found.entries][-1] == ("public", "fs.embed")
    assert [resource.id for resource in found.resources] == [EntryId("acme.kit", "public")]


def test_metadata_are_those_of_the_manifest(module: Path) -> None:
    metadata = contents(module).metadata
    metadata.pop("wippy_version")
    assert metadata == {
        "entry_count": 3,
        "resource_count": 0,
        "name": "kit",
        "organization": "acme",
        "namespace": "acme.kit",
        "version": "1.0.0",
        "type": "library",
        "description": "# Kit",
        "keywords": ["kit"],
        "colour": "blue",
    }


def test_what_is_published_can_be_written_and_read(module: Path) -> None:
    contents(module).write(module / "kit.wapp")
    assert [item.id.name for item in read_pack(module / "kit.wapp").entries] == ["definition", "gateway", "list"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wippy.yaml": "organization: acme\n"}, 'field "module": required'),
        ({"src/two.yaml": "namespace: x\nname: d\nkind: ns.definition\n"}, "needs exactly one ns.definition, found 2"),
        ({"src/_index.yaml": "namespace: x\nentries: []\n"}, "needs exactly one ns.definition, found 0"),
        ({"src/bad.yaml": "namespace: x\nentries: [{}]\n"}, "src/bad.yaml:2"),
    ],
)
def test_an_incomplete_module_is_not_published(module: Path, files: dict[str, str], reason: str) -> None:
    write(module, **files)
    with pytest.raises(Error, match=reason.replace("[", r"\[")):
        contents(module)


def test_a_version_is_needed(module: Path) -> None:
    with pytest.raises(Error, match='field "version": required'):
        contents(module, version="")
