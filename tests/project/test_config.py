"""`.wippy.yaml`: format, layers, variables, profiles (spec 01 §5, §24 Config)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from project.files import write
from wippy.core.config import duration
from wippy.core.errors import Error
from wippy.project.config import Config
from wippy.project.config_files import Layers, load_config, parse_overrides, parse_setting
from wippy.project.settings import LOG_LEVEL, Setting

ENVIRON = {"HOME_DIR": "/home/me", "TRICKY": "${name}"}


def config(root: Path, text: str = "", **layers: Any) -> Config:
    write(root, **{".wippy.yaml": 'version: "1.0"\n' + text})
    return load_config(Layers(**layers), directory=root, environ=ENVIRON)


def failure(root: Path, text: str, **layers: Any) -> str:
    with pytest.raises(Error) as caught:
        config(root, text, **layers)
    assert caught.value.kind == "Invalid"
    return caught.value.message


def test_the_default_file_is_optional_and_a_named_one_is_not(tmp_path: Path) -> None:
    assert load_config(directory=tmp_path).leaves == {}
    with pytest.raises(Error, match="cannot be read"):
        load_config(Layers(files=[tmp_path / "nope.yaml"]))


def test_version_is_checked(tmp_path: Path) -> None:
    for text, reason in (
        ("a: {b: 1}", "missing version field"),
        ("version: '2'", "unsupported version: 2"),
        ("", "miss"),
    ):
        write(tmp_path, **{".wippy.yaml": text})
        with pytest.raises(Error, match=reason):
            load_config(directory=tmp_path)


def setting(shape: Any, key: str, default: Any) -> Setting[Any]:
    return Setting(f"a.{key}", shape, default, "")


@pytest.mark.parametrize(
    ("shape", "key", "default", "value"),
    [
        ("integer", "int", 1, 5),
        ("integer", "text", 1, 1),
        ("integer", "flag", 1, 1),
        ("flag", "flag", False, True),
        ("flag", "int", False, False),
        ("duration", "time", duration("1s"), duration("2s")),
        ("duration", "bad", duration("1s"), duration("1s")),
        ("text", "int", "d", "d"),
        ("texts", "list", [], ["a"]),
        ("texts", "missing", ["x"], ["x"]),
        ("number", "float", 0.0, 1.5),
        ("number", "int", 0.0, 5.0),
        ("number", "flag", 0.0, 0.0),
    ],
)
def test_typed_reads_fall_back_to_the_default(tmp_path: Path, shape: Any, key: str, default: Any, value: Any) -> None:
    found = config(tmp_path, "a: {int: 5, text: x, flag: true, time: 2s, list: [a, 1], float: 1.5, bad: 30}\n")
    assert found.get(setting(shape, key, default)) == value


def test_files_merge_per_leaf_and_the_first_anchors_paths(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "one/a.yaml": "version: '1.0'\nx: {a: 1, b: [1, 2]}\n",
            "two/b.yaml": "version: '1.0'\nx: {b: [3], c: {d: 4}}\n",
        },
    )
    found = load_config(Layers(files=[tmp_path / "one/a.yaml", tmp_path / "two/b.yaml"], pack_defaults={"x.z": 9}))
    assert found.leaves == {"x.a": 1, "x.b": [3], "x.c.d": 4, "x.z": 9}
    assert found.directory == tmp_path / "one"


def test_layers_from_low_to_high(tmp_path: Path) -> None:
    text = "l: {a: file, b: file, c: file}\nprofiles: {p: {l: {b: profile, c: profile}}}\n"
    found = config(
        tmp_path,
        text,
        profiles=["p"],
        settings=["l.c=set", "logmanager.min_level=2"],
        flags={"logmanager.min_level": 0},
        overrides=["app:db:file=x"],
        pack_defaults={"l.a": "pack", "l.z": "pack"},
    )
    assert found.section("l") == {"a": "file", "b": "profile", "c": "set", "z": "pack"}
    assert found.get(LOG_LEVEL) == 2
    assert found.section("override") == {"app:db:file": "x"}


def test_nested_and_dotted_overrides_are_the_same(tmp_path: Path) -> None:
    text = "override:\n  app:db:pool.max_open: 4\n  app:web:tls: {mode: auto}\n"
    assert config(tmp_path, text).section("override") == {"app:db:pool.max_open": 4, "app:web:tls.mode": "auto"}


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a.b=true", ("a.b", True)),
        ("a.b=12", ("a.b", 12)),
        ("a.b=-1.5", ("a.b", -1.5)),
        ("a.b=x=y", ("a.b", "x=y")),
        ("a.b=", ("a.b", "")),
        ("a.b=1.2.3", ("a.b", "1.2.3")),
    ],
)
def test_settings(text: str, pair: tuple[str, Any]) -> None:
    assert parse_setting(text) == pair and type(parse_setting(text)[1]) is type(pair[1])


@pytest.mark.parametrize("text", ["a.b", "ab=1", "=1", ""])
def test_malformed_settings(text: str) -> None:
    with pytest.raises(Error, match="malformed --set"):
        parse_setting(text)


def test_override_values_are_guessed() -> None:
    found = parse_overrides(["a:b:c=007,a:b:d=:8080", "a:b:e=8", "a:b:f=8.5,a:b:g=True,a:b:h=1e3,a:b:i=x,y"])
    assert found == {
        "a:b:c": "007",
        "a:b:d": ":8080",
        "a:b:e": 8,
        "a:b:f": 8.5,
        "a:b:g": True,
        "a:b:h": 1000.0,
        "a:b:i": "x,y",
    }
    with pytest.raises(Error, match="malformed override"):
        parse_overrides(["a:b=1"])


def test_environment_of_the_process(tmp_path: Path) -> None:
    found = config(tmp_path, "x: {a: '${env:HOME_DIR}/x', b: ['${env:TRICKY}'], c: '$${env:X}', d: '${env:NO|dflt}'}\n")
    assert found.section("x") == {"a": "/home/me/x", "b": ["${name}"], "c": "${env:X}", "d": "dflt"}
    message = failure(tmp_path, "x: {a: '${env:MISSING}'}\n")
    assert message.endswith(".wippy.yaml: x.a: environment variable MISSING is not set")


def test_variables(tmp_path: Path) -> None:
    text = "vars: {port: 80, name: x, full: '${name}-${port}'}\nx: {a: '${port}', b: 'h:${port}', c: '${full}'}\n"
    assert config(tmp_path, text).section("x") == {"a": 80, "b": "h:80", "c": "x-80"}
    assert config(tmp_path, text, settings=["vars.port=81"]).leaves["x.a"] == 81
    assert "undefined variable" in failure(tmp_path, "x: {a: '${nope}'}\n")
    assert "refer to each other: b -> a -> b" in failure(tmp_path, "vars: {a: '${b}', b: '${a}'}\nx: {y: '${a}'}\n")


def test_profiles(tmp_path: Path) -> None:
    text = """
vars: {db: file}
disable: {namespaces: [a, b], entries: [x:y]}
sql: {url: "${db}"}
profiles:
  test:
    vars: {db: memory}
    disable: {namespaces: {add: [c, a], remove: [b]}, entries: {remove: ["x:y"]}}
  bare: {disable: {namespaces: [only]}}
"""
    found = config(tmp_path, text, profiles=["test"])
    assert found.texts("disable.namespaces") == ["a", "c"] and found.texts("disable.entries") == []
    assert found.section("sql") == {"url": "memory"}
    assert not any(key.startswith("profiles") for key in found.leaves)
    assert config(tmp_path, text, profiles=["test", "bare"]).texts("disable.namespaces") == ["only"]
    assert 'unknown profile "nope" (known: bare, test)' in failure(tmp_path, text, profiles=["nope"])
    assert "not allowed" in failure(tmp_path, "profiles: {p: {vars: {a: '${env:HOME_DIR}'}}}\n")


def test_workspace_replacements(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    text = "workspace: {replacements: {a/b: ./local}}\nprofiles: {off: {workspace: {replacements: {a/b: null}}}}\n"
    assert config(tmp_path, text).replacements() == {"a/b": tmp_path / "local"}
    assert config(tmp_path, text, profiles=["off"]).replacements() == {}
    with pytest.raises(Error, match="not a directory"):
        config(tmp_path, "workspace: {replacements: {a/b: ./nope}}\n").replacements()


def test_messages_name_the_file_and_the_place(tmp_path: Path) -> None:
    assert failure(tmp_path, "x: [1\n").startswith(f"{tmp_path}/.wippy.yaml:3:1: ")
    assert failure(tmp_path, "x: 3\n").endswith('"x" must be a map')
