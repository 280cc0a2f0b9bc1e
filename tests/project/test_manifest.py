"""`wippy.yaml`: fields, types, messages (spec 01 §4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from project.files import write
from wippy.core.errors import INVALID, Error
from wippy.project.manifest import Manifest, ProfileExport, RuntimeExport, check_manifest, described, read_manifest

FULL = """
    organization: acme
    module: http-kit
    version: 1.2.3-rc.1
    type: library
    description: A kit
    license: MIT
    repository: https://example.com/kit
    homepage: https://example.com
    keywords: [http, kit]
    authors: [Ada]
    include: ["src/**"]
    exclude: ["src/test/**", "acme.test:**"]
    exclude_meta: { type: [test] }
    embed: [public]
    metadata: { colour: blue }
    publish:
      runtime: { sections: [shop], vars: [port] }
      profiles: { enabled: true, include: [fast] }
    unknown: ignored
"""


def manifest(root: Path, text: str) -> Manifest:
    write(root, **{"wippy.yaml": text})
    found = read_manifest(root)
    assert found is not None
    return found


def problem(root: Path, text: str) -> str:
    with pytest.raises(Error) as raised:
        check_manifest(manifest(root, text), root)
    assert raised.value.kind == INVALID
    return str(raised.value).replace(f"{root / 'wippy.yaml'}: ", "")


def test_every_field_is_read(tmp_path: Path) -> None:
    found = manifest(tmp_path, FULL)
    assert found.name == "acme/http-kit" and found.namespace == "acme.http-kit"
    assert found.artefact() == "http-kit-1.2.3-rc.1.wapp" and found.artefact("2.0.0") == "http-kit-2.0.0.wapp"
    assert found.publish.runtime == RuntimeExport(".wippy.yaml", ["shop"], ["port"])
    assert found.publish.profiles == ProfileExport(True, ".wippy.yaml", ["fast"])
    assert (found.license, found.keywords, found.authors) == ("MIT", ["http", "kit"], ["Ada"])
    assert found.publishes_file()("src/a.yaml") and not found.publishes_file()("src/test/a.yaml")
    assert not found.publishes_file()("docs/a.yaml")


def test_a_pack_without_a_version_is_named_after_the_module(tmp_path: Path) -> None:
    assert manifest(tmp_path, "module: kit\n").artefact() == "kit.wapp"


def test_no_manifest_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version: 1.0", 'field "version": expected a text, got a number'),
        ("type: thing", "field \"type\": 'thing' is none of library, application, agent, plugin"),
        ("keywords: [http, 1]", 'field "keywords[1]": expected a text, got a number'),
        ("authors: Ada", 'field "authors": expected a list, got a text'),
        ("metadata: [a]", 'field "metadata": expected a map, got a list'),
        ("publish: { profiles: { enabled: 1 } }", 'field "publish.profiles.enabled": expected true or false'),
        ("- a", "expected a map, got a list"),
        ("organization: Acme", "field \"organization\": 'Acme': lower-case"),
        ("organization: -a\nmodule: a-", "field \"organization\": '-a'"),
        ("organization: a", 'field "module": required'),
        ("organization: a\nmodule: b\nversion: '1.2'", "field \"version\": '1.2' is no semantic version"),
        ("organization: a\nmodule: b\nversion: 01.2.3", "field \"version\": '01.2.3' is no semantic version"),
        ("organization: a\nmodule: b\nexclude: ['ns:']", "field \"exclude\": entry pattern 'ns:'"),
        (
            "organization: a\nmodule: b\ntype: agent\npublish: { runtime: {} }",
            'field "publish": a module of type agent carries no runtime defaults',
        ),
    ],
)
def test_messages_name_file_and_field(tmp_path: Path, text: str, reason: str) -> None:
    assert problem(tmp_path, text).startswith(reason)


def test_all_malformed_fields_are_listed(tmp_path: Path) -> None:
    assert problem(tmp_path, "version: x").splitlines() == [
        'field "organization": required',
        'field "module": required',
        "field \"version\": 'x' is no semantic version such as 1.2.3",
    ]


def test_a_description_may_be_a_file(tmp_path: Path) -> None:
    write(tmp_path, **{"docs/about.md": "# About"})
    found = manifest(tmp_path, "description: file://docs/about.md")
    assert described(found, tmp_path) == "# About"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [("file://../x", "path traversal detected"), ("file://none", "no such file"), ("file://", "no path")],
)
def test_a_description_that_cannot_be_read_names_the_field(tmp_path: Path, reference: str, reason: str) -> None:
    found = manifest(tmp_path, f"description: {reference}")
    with pytest.raises(Error, match=f'wippy.yaml: field "description": {reference}: {reason}'):
        described(found, tmp_path)
