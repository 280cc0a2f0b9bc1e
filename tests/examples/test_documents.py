"""The documents: applications and programs in them work, code in them compiles, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from apps.program import free_port, serving, wippy
from examples.pages import blocks, commands, files
from wippy.lua.compile import compile_chunk

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
APPLICATIONS = ("time.md", "testing.md", "streams-and-files.md", "exec.md", "eval.md", "packages.md")
GUIDES = [
    ROOT / "docs" / name
    for name in (
        "processes.md",
        "http.md",
        "errors.md",
        "security.md",
        "contracts.md",
        "groups.md",
        "operations.md",
        "registry.md",
        *APPLICATIONS,
    )
]
EMBEDDING = ROOT / "docs" / "embedding.md"


def written(page: Path, directory: Path) -> Path:
    """`directory` with the files that a page shows."""
    for name, text in files(page).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_the_application_of_the_readme(tmp_path: Path) -> None:
    directory, port = written(ROOT / "README.md", tmp_path), free_port()
    assert wippy(directory, "init").code == 0
    with serving(directory, "-o", f"visits:web:addr=127.0.0.1:{port}", port=port) as running:
        (console,) = blocks(ROOT / "README.md", "console")
        asked = re.findall(r"^\$ curl -s http://127\.0\.0\.1:8080(\S+)\n(.*)$", console, re.MULTILINE)
        assert len(asked) == 2
        for path, answer in asked:
            assert running.ask("GET", path).json == json.loads(answer)
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("name", "count"),
    [("getting-started", 5), ("security", 4), ("contracts", 1), ("groups", 1), ("operations", 1), ("registry", 8)],
)
def test_commands_print_what_the_page_says(tmp_path: Path, name: str, count: int) -> None:
    page = ROOT / "docs" / f"{name}.md"
    directory = written(page, tmp_path)
    assert wippy(directory, "init").code == 0
    shown = list(commands(page))
    assert len(shown) == count
    for words, output in shown:
        outcome = wippy(directory, *words)
        assert (outcome.code, outcome.out, outcome.err) == (0, output, ""), words


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_application_of_a_guide(tmp_path: Path, name: str) -> None:
    page = ROOT / "docs" / name
    directory = written(page, tmp_path)
    assert wippy(directory, "init").code == 0
    shown = list(commands(page))
    assert shown
    for words, output in shown:
        outcome = wippy(directory, *words)
        assert (outcome.code, outcome.out) == (0, output), (words, outcome.err)


PROGRAMS = list(
    re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", EMBEDDING.read_text(), re.MULTILINE | re.DOTALL)
)


@pytest.mark.parametrize(("program", "output"), PROGRAMS, ids=[str(n) for n in range(len(PROGRAMS))])
def test_programs_that_embed_a_runtime(tmp_path: Path, program: str, output: str) -> None:
    directory = written(EMBEDDING, tmp_path)
    done = subprocess.run([sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


def test_every_program_about_embedding_has_been_run() -> None:
    assert len(PROGRAMS) == len(list(blocks(EMBEDDING, "python"))) >= 7


def test_every_public_method_of_the_runtime_is_documented() -> None:
    from wippy import Runtime

    text = EMBEDDING.read_text()
    public = [name for name in vars(Runtime) if not name.startswith("_")]
    assert [name for name in public if not re.search(rf"`(await )?(runtime\.)?{name}\b", text)] == []


SNIPPETS = [(page.name, code) for page in GUIDES for code in blocks(page, "lua")]


@pytest.mark.parametrize(("page", "code"), SNIPPETS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(SNIPPETS)])
def test_lua_in_the_guides_compiles(page: str, code: str) -> None:
    for part in re.split(r"\n(?=return nil, errors\.new)", code):
        compile_chunk(part.encode(), page)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_yaml_in_the_documents_is_yaml(page: Path) -> None:
    for text in blocks(page, "yaml"):
        assert yaml.safe_load(text)


def test_python_in_contributing_compiles() -> None:
    for text in blocks(ROOT / "CONTRIBUTING.md", "python"):
        exec(compile(text, "CONTRIBUTING.md", "exec"), {})


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (page.parent / t).exists()]
    assert missing == []


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in DOCUMENTS:
        named = {
            shlex.split(line)[1]
            for text in blocks(page, "sh")
            for line in text.splitlines()
            if line.startswith("make ")
        }
        assert named <= targets, page
