"""`wippy schema` (issue 5): on stdout, or into a file."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import Run


def test_the_schema_of_definition_files_is_printed_unless_another_is_asked_for(run: Run) -> None:
    code, out, err = run("schema")
    assert (code, err) == (0, "") and json.loads(out)["title"] == "wippy definition file"
    assert json.loads(run("schema", "config")[1])["title"] == "wippy runtime configuration"


def test_a_file_is_written_with_its_directories(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "a" / "definitions.json"
    assert run("schema", "--output", str(target)) == (0, "", "")
    assert json.loads(target.read_text())["definitions"]["entry"]["required"] == ["name", "kind"]


def test_an_unknown_schema_is_refused(run: Run) -> None:
    code, out, err = run("schema", "colours")
    assert (code, out) == (1, "") and "'colours' is not one of 'config', 'definitions'" in err
