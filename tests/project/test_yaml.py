"""The YAML dialect of definition files (spec 01 §2)."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wippy.project.yaml import Construction, YamlError, compose, compose_json, load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("0755", 493),
        ("0b101", 5),
        ("1_000_000", 1_000_000),
        ("-0x10", -16),
        ("08", 8.0),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("v1", "v1"),
        ("-", [None]),
        ("--x", "--x"),
        ("0x", "0x"),
        ("1:30", "1:30"),
        ("30s", "30s"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T10:00:00Z", "2024-01-02T10:00:00Z"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1.0),
        ("!custom x", "x"),
        ("{a: 1, b: [x, 2]}", {"a": 1, "b": ["x", 2]}),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    result = load(text)
    assert result == value and type(result) is type(value)


def test_numbers_become_floats_for_the_registry() -> None:
    result = load("{a: 1, b: [0755], c: '1', d: true}", whole_floats=True)
    assert result == {"a": 1.0, "b": [493.0], "c": "1", "d": True}
    assert isinstance(result["a"], float) and isinstance(result["b"][0], float) and result["d"] is True


def test_anchors_aliases_and_merges() -> None:
    text = """
base: &base {x: 1, y: 2}
more: &more {y: 3, z: 4}
one: {<<: *base, y: 9}
many: {<<: [*base, *more]}
same: *base
"""
    result = load(text)
    assert result["one"] == {"x": 1, "y": 9}
    assert result["many"] == {"x": 1, "y": 2, "z": 4}
    assert result["same"] == {"x": 1, "y": 2} and result["same"] is not result["base"]
    assert load("'<<': 1") == {"<<": 1}


def test_only_the_first_document_counts() -> None:
    assert load("a: 1\n---\nb: 2\n") == {"a": 1}
    assert load("") is None


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, 'duplicate key "a"'),
        ("a:\n  1: x\n", 2, 3, "a map key must be a text, got 1"),
        ("true: x\n", 1, 1, "a map key must be a text, got true"),
        ("? [a]\n: x\n", 1, 3, "a map key must be a text"),
        ("a: [1\nb: 2\n", 2, 2, "did not find expected"),
        ("a: *nowhere\n", 1, 4, "found undefined alias"),
        ("a: &a [*a]\n", 1, 4, "an anchor contains itself"),
        ("a:\n\t- b\n", 2, 1, "cannot start any token"),
        ("<<: 3\n", 1, 5, "a merge (<<) needs"),
    ],
)
def test_errors_name_their_place(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(YamlError) as caught:
        load(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)


def test_exploding_aliases_are_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(YamlError, match="excessive aliasing"):
        load("\n".join(rows))


def test_hopeless_nesting_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(YamlError):
        load("[" * 5000 + "]" * 5000)


def test_lines_of_fields() -> None:
    node = compose("a:\n  b: 1\n  c:\n    - d: 2\n")
    lines: dict[str, int] = {}
    Construction(100).value(node, lines)  # type: ignore[arg-type]
    assert lines == {"a": 1, "a.b": 2, "a.c": 3, "a.c.[0].d": 4}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.booleans())
def test_json_reads_as_what_it_is(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    if any(0xD800 <= ord(character) < 0xE000 for character in str(value)) or not text.isprintable():
        return
    node = compose_json(text.encode())
    assert node is not None
    assert Construction(len(text), whole_floats=True).value(node) == value


def test_json_has_its_own_errors() -> None:
    with pytest.raises(YamlError, match='duplicate key "a"'):
        compose_json(b'{"a": 1, "a": 2}')
    with pytest.raises(YamlError, match="Expecting"):
        compose_json(b"{a: 1}")
    assert compose_json(b'{\n\t"a": "\\ud83d\\ude00\\/"\n}') is not None
