"""Applications with guest tests, and what `wippy test` makes of them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from apps.program import project, wippy

DEPENDENCY = "  - { name: test_dep, kind: ns.dependency, component: wippy/test, version: '*' }\n"
HEAD = 'version: "1.0"\nnamespace: app\nentries:\n'


def test_entry(name: str, *, imports: str = '{ test: "wippy.test:test" }', **meta: Any) -> str:
    """A function that is a test; its source is NAME.lua."""
    fields = json.dumps({"type": "test", **meta})
    return (
        f"  - {{ name: {name}, kind: function.lua, method: run, meta: {fields}, source: file://{name}.lua,"
        f" imports: {imports}, modules: [time, funcs] }}\n"
    )


test_entry.__test__ = False  # type: ignore[attr-defined]


def cases(body: str) -> str:
    """The source of an entry whose cases `body` defines."""
    return (
        'local test = require("test")\n'
        f"local run = test.run_cases(function()\n{textwrap.dedent(body)}\nend)\n"
        "return { run = function(options)\n"
        "  local report = run(options)\n"
        '  if report.failed_tests > 0 then error("tests failed") end\n'
        "  return report\nend }\n"
    )


def plain(body: str) -> str:
    """The source of a test without cases."""
    return f"return {{ run = function(options)\n{body}\nend }}\n"


def application(directory: Path, *entries: str, index: str = "", **sources: str) -> Path:
    """An application that depends on wippy/test. sources: name of an entry -> its Lua source."""
    files = {f"{name}.lua": text for name, text in sources.items()}
    listed = entries or tuple(test_entry(name) for name in sources)
    return project(directory, _index=HEAD + DEPENDENCY + "".join(listed) + index, **files)


def results(directory: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of `wippy test`."""
    done = wippy(directory, "test", "--json", *words)
    assert done.err == "", done.err
    return done.code, json.loads(done.out)


def by_case(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`suite > case` -> what came of it."""
    return {f"{case['suite']} > {case['test']}": case for each in report["tests"] for case in each["cases"]}
