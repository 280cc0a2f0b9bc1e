"""The schemas that editors get (`wippy schema`): what is right passes, what is wrong is found where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml

from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.project.settings import SETTINGS
from wippy.registry.decode import ConfigDecoder
from wippy.registry.entry import Entry
from wippy.schema.fields import Kind, kinds
from wippy.schema.json_schema import definition_files, runtime_configuration

ROOT = Path(__file__).parents[2]
DEFINITIONS = jsonschema_rs.validator_for(definition_files(kinds()))
CONFIGURATION = jsonschema_rs.validator_for(runtime_configuration())
FILES = [path for folder in ("examples", "src/wippy/framework") for path in (ROOT / folder).rglob("_index.yaml")]


def wrong(validator: Any, document: Any) -> list[str]:
    """The places that are wrong, as dotted paths; the innermost ones."""
    places = {".".join(map(str, error.instance_path)) for error in validator.iter_errors(document)}
    return sorted(place for place in places if not any(other.startswith(f"{place}.") for other in places))


def entry(kind: str, **fields: Any) -> dict[str, Any]:
    return {"namespace": "app", "entries": [{"name": "x", "kind": kind, **fields}]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_definition_files_of_examples_and_packs_are_valid(path: Path) -> None:
    assert wrong(DEFINITIONS, yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("document", "places"),
    [
        (entry("registry.entry", anything={"goes": [1]}), []),
        (entry("http.service", addr=":80", lifecycle={"auto_start": "${env:AUTO|true}", "stop_timeout": "1h5m"}), []),
        (entry("http.service", addr=":80", lifecycle={"stop_timeout": 5}), ["entries.0.lifecycle.stop_timeout"]),
        (entry("http.service", addr=":80", lifecycle={"startup": "maybe"}), ["entries.0.lifecycle.startup"]),
        (entry("http.service", addr_env="LISTEN"), []),
        (entry("http.service"), ["entries.0"]),
        (entry("http.service", data={"addr": 80}), ["entries.0.data.addr"]),
        (entry("http.endpoint", meta={"router": "r"}, method="GET", path="/", func={"ns": "a", "name": "f"}), []),
        (entry("http.endpoint", meta={}, method="GET", path="/", func="f"), ["entries.0.meta"]),
        (entry("http.endpoint", method="GET", path="/", func="f"), ["entries.0"]),
        (entry("function.lua", source="return 1", method="f", pool={"type": "huge"}), ["entries.0.pool.type"]),
        (entry("process.host", limits={"memory": "64MB", "cpu_slice": "50ms"}), []),
        (entry("process.hots"), ["entries.0.kind"]),
        ({"namespace": "app", "name": "x", "kind": "store.memory", "max_size": -1}, ["max_size"]),
        ({"namespace": "app"}, [""]),
        ({"entries": []}, [""]),
    ],
)
def test_wrong_fields_are_found(document: Any, places: list[str]) -> None:
    assert wrong(DEFINITIONS, document) == places


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("security: {strict_mode: true}\nregistry: {history_type: sqlite}", []),
        ("security: {strict_mode: 1}", ["security.strict_mode"]),
        ("registry: {history_type: mongo}", ["registry.history_type"]),
        ("registry: {history_type: '${kind}'}\nvars: {kind: memory}", []),
        ("shutdown: {timeout: 30}", ["shutdown.timeout"]),
        ("profiles: {test: {shutdown: {timeout: soon}}}", ["profiles.test.shutdown.timeout"]),
        ("disable: {namespaces: {add: [a]}, entries: ['a:b']}", []),
        ("disable: {namespaces: 5}", ["disable.namespaces"]),
        ("workspace: {replacements: {acme/http: ../http, acme/sql: null}}", []),
        ("override: {'app:db:file': x}\nmine: {any: thing}", []),
    ],
)
def test_configurations_are_checked(text: str, places: list[str]) -> None:
    assert wrong(CONFIGURATION, {"version": "1.0", **yaml.safe_load(text)}) == places


def test_every_setting_is_in_the_schema_with_its_default() -> None:
    properties = runtime_configuration()["properties"]
    for setting in SETTINGS.values():
        *path, leaf = setting.key.split(".")
        at = properties
        for name in path:
            at = at[name]["properties"]
        default = at[leaf].get("default", "" if setting.shape == "text" else [])
        assert default == (str(setting.default) if setting.shape == "duration" else setting.default)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.config is not None], ids=lambda kind: kind.name)
def test_what_the_schema_requires_the_handler_requires_too(kind: Kind) -> None:
    """An entry without any field: both accept it or both refuse it."""
    accepted = not wrong(DEFINITIONS, entry(kind.name, meta={}))
    assert kind.config is not None
    try:
        config = ConfigDecoder().decode(Entry(EntryId("app", "x"), kind.name, {}, {}), kind.config)
        getattr(config, "check", lambda: None)()
    except Error:
        assert not accepted
    else:
        assert accepted


def test_the_schemas_are_schemas() -> None:
    for document in (definition_files(kinds()), runtime_configuration()):
        jsonschema_rs.meta.validate(document)
        assert msgspec.json.decode(json.dumps(document)) == document
