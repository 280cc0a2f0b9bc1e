"""Test results as JUnit XML, as continuous integration servers read it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from wippy.cli.test_results import Case, TestEntry, TestResults

_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

_NOT_RUN = {
    "waiting": "not run",
    "running": "the test runner ended while this test ran",
    "interrupted": "interrupted",
}


def write_junit(path: Path, results: TestResults, runner: str, code: int) -> None:
    """Writes the file, and the directories above it. A suite is a `meta.suite`, a case's class is its entry.

    runner, code: the entry that ran the tests and its exit code; what the file says when the runner says nothing else.
    Raises OSError.
    """
    root = ElementTree.Element("testsuites", name="wippy")
    by_suite: dict[str, list[TestEntry]] = {}
    for entry in sorted(results.entries.values(), key=lambda each: each.suite):
        by_suite.setdefault(entry.suite, []).append(entry)
    for name, entries in by_suite.items():
        suite = ElementTree.SubElement(root, "testsuite", name=_text(name))
        for entry in entries:
            suite.extend(_cases(entry))
        _count(suite, sum(entry.duration for entry in entries))
    if not results.finished and code != 0:
        root.append(_broken(runner, f"the test runner ended with exit code {code}"))
    _count(root, sum(entry.duration for entry in results.entries.values()))
    ElementTree.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _cases(entry: TestEntry) -> Iterable[ElementTree.Element]:
    for case in entry.cases:
        yield _case(entry, case)
    if entry.state != "done":
        element = ElementTree.Element("testcase", classname=_text(entry.id), name=_text(entry.id), time="0")
        kind = "skipped" if entry.state == "waiting" else "error"
        ElementTree.SubElement(element, kind, message=_NOT_RUN[entry.state])
        yield element


def _case(entry: TestEntry, case: Case) -> ElementTree.Element:
    name = f"{case.suite} > {case.test}" if case.suite != entry.suite else case.test
    element = ElementTree.Element("testcase", classname=_text(entry.id), name=_text(name), time=f"{case.duration:.6f}")
    if case.at is not None:
        source, _, line = case.at.rpartition(":")
        element.set("file", _text(source))
        element.set("line", _text(line))
    if case.status == "skip":
        ElementTree.SubElement(element, "skipped")
    elif case.status == "fail":
        error = case.error or "failed"
        failure = ElementTree.SubElement(element, "failure", message=_text(error.partition("\n")[0]), type="failure")
        failure.text = _text("\n".join([error, *([f"at {case.at}"] if case.at else [])]))
    return element


def _broken(runner: str, message: str) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=_text(runner))
    case = ElementTree.SubElement(suite, "testcase", classname=_text(runner), name="runner", time="0")
    ElementTree.SubElement(case, "error", message=message)
    _count(suite, 0.0)
    return suite


def _count(element: ElementTree.Element, seconds: float) -> None:
    element.set("tests", str(len(list(element.iter("testcase")))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(len(list(element.iter(tag)))))
    element.set("time", f"{seconds:.6f}")


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
