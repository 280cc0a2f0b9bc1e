"""Every code: a source that shows it, and one beside it that does not (spec 02 §8)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from wippy.lua.lint.diagnostics import CODES, Diagnostic, render
from wippy.lua.lint.report import Filter, Report, in_namespace
from wippy.lua.lint.rules import LintEntry, check_entry
from wippy.lua.modules.catalog import MODULES, Catalog
from wippy.lua.modules.declare import Module

BUILT_IN = Catalog(None, MODULES)
GREETER = Module("greeter", "Says hello.")


@GREETER.function("hello(name: string, loud: boolean?) -> string")
def hello(name: str, loud: bool | None) -> str:
    """Hello."""
    return name if not loud else name.upper()


def check(
    source: str, *, modules: Mapping[str, str] | None = None, imports: Mapping[str, str] | None = None
) -> list[Diagnostic]:
    entry = LintEntry(
        "app:main",
        source.encode(),
        modules if modules is not None else {"greeter": "greeter"},
        imports or {},
        lambda name: GREETER if name == "greeter" else BUILT_IN.find(name),
        lambda name: name == "greeter" or BUILT_IN.known(name),
        lambda target: target == "app:lib",
        frozenset(),
    )
    return check_entry(entry, rules=True)


def codes(source: str, **declared: Mapping[str, str]) -> list[str]:
    return [d.code for d in check(source, **declared)]


SHOWN = {
    "P0001": "local x = ",
    "E0001": "return lenght",
    "E0003": 'local greeter = require("greeter") return greeter.hello()',
    "E0004": 'local greeter = require("greeter") return greeter.helo("x")',
    "E0009": "do return 1 end local function f() do return 2 end end for _ = 1, 2 do break f() end",
    "M0001": 'return require("jsn")',
    "W0001": "if x() then end function x() end",
    "W0002": "count = 1 return count",
    "W0003": "local a = 1 return a == a",
    "W0004": "local unused = 1",
    "W0005": "return function(a, b) return a end",
    "W0006": 'local greeter = require("greeter")',
    "W0007": "local a = 1 do local a = 2 print(a) end return a",
}

ABSENT = {
    "P0001": "local x = 1 return x",
    "E0001": "local length = 1 return length + #_G.list",
    "E0003": 'local greeter = require("greeter") return greeter.hello("x"), greeter.hello(table.unpack({}))',
    "E0004": 'local greeter = require("greeter") return greeter.hello("x")',
    "E0009": "for _ = 1, 2 do goto continue ::continue:: print(1) end return 1",
    "M0001": 'return require("greeter"), require("string")',
    "W0001": "if x then print(1) end local function x() end return x",
    "W0002": "local count = 1 count = 2 return count",
    "W0003": "local a, b = 1, 2 return a == b, a.x == b.x",
    "W0004": "local used, _spare = 1, 2 return used",
    "W0005": "return function(a, _b, ...) return a end",
    "W0006": 'local greeter = require("greeter") return greeter',
    "W0007": "local a = 1 do local b = 2 print(b) end return a",
}


@pytest.mark.parametrize("code", SHOWN)
def test_code_is_reported_where_it_applies(code: str) -> None:
    assert code in codes(SHOWN[code])


@pytest.mark.parametrize("code", ABSENT)
def test_code_is_not_reported_where_it_does_not_apply(code: str) -> None:
    assert code not in codes(ABSENT[code])


DOCUMENT = Path(__file__).parents[3] / "docs" / "lint.md"
EXAMPLE = re.compile(r"^    (.*?) *(?:--|#) (bad|good)\b.*$", re.MULTILINE)


def documented() -> Iterator[tuple[str, str, str]]:
    """Code, example and verdict of every example in the document."""
    for section in DOCUMENT.read_text().split("\n### ")[1:]:
        code, text = section[:5], section.partition("\n\n")[2]
        assert text.partition("\n\n")[0], f"{code} has no paragraph"
        yield from ((code, example, verdict) for example, verdict in EXAMPLE.findall(text))


def test_every_code_is_documented_with_a_bad_and_a_good_example() -> None:
    verdicts: dict[str, set[str]] = {}
    for code, _, verdict in documented():
        verdicts.setdefault(code, set()).add(verdict)
    assert verdicts == {code: {"bad", "good"} for code in CODES}


@pytest.mark.parametrize(("code", "example", "verdict"), list(documented()))
def test_documented_examples_are_judged_as_they_say(code: str, example: str, verdict: str) -> None:
    """What an example leaves out is there: the names it uses, the end of an `if`, the module it is about."""
    if code.startswith("M0") and code != "M0001":
        found = codes("return 1", **yaml.safe_load(example)) if code == "M0002" else None
        listed = yaml.safe_load(example).get("modules", [])
        found = found if found is not None else codes("return 1", modules={name: name for name in listed})
    else:
        source = example + (" end" if example.endswith("then") else "")
        known = {"json"} if code != "M0001" or verdict == "good" else set()
        used = {"E0003": {"hash"}, "E0004": {"base64"}}.get(code, set()) | known
        found = [
            d.code for d in check(f"local length = 1 print(length) {source}", modules={name: name for name in used})
        ]
    assert (code in found) is (verdict == "bad"), found


def test_unknown_import_and_module_are_reported() -> None:
    assert codes("return 1", imports={"lib": "app:nothing"}) == ["M0002"]
    assert codes("return 1", modules={"jsn": "jsn"}) == ["M0003"]
    assert codes("return 1", imports={"lib": "app:lib"}, modules={"json": "json"}) == []


def test_every_code_has_a_test_that_shows_it() -> None:
    assert {*SHOWN, "M0002", "M0003"} == set(CODES)


def test_mistyped_names_get_a_suggestion() -> None:
    found = {d.code: d.help for d in check('local greeter = require("greeter") return greeter.helo("x"), lenght')}
    assert found["E0004"] == 'did you mean "hello"?'
    assert {d.help for d in check("local length = 1 return lenght + length")} == {'did you mean "length"?'}


def test_finding_points_at_the_name() -> None:
    [d] = [d for d in check("local a = 1\nreturn a + lenght") if d.code == "E0001"]
    assert (d.line, d.column) == (2, 12)
    assert render(d, b"local a = 1\nreturn a + lenght").split("\n")[1:5] == [
        " --> app:main:2:12",
        "  |",
        "2 | return a + lenght",
        "  |            ^~~~~~",
    ]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("do return 1 end return 2", (1, 17)),
        ("local function f(x)\n  if x then return 1 else error('no') return 2 end\n  print(x)\nend return f", (3, 3)),
        ("for i = 1, 2 do do break end print(i) end", (1, 30)),
        ("while x do goto out print(1) end ::out::", (1, 21)),
        ("if x then do return end elseif y then return else do return end end print(1)", (1, 69)),
        ("do return end type T = number print(1)", (1, 31)),
    ],
)
def test_unreachable_code_is_found_at_its_first_statement(source: str, place: tuple[int, int]) -> None:
    assert [(d.line, d.column) for d in check(source) if d.code == "E0009"] == [place]


@pytest.mark.parametrize(
    "source",
    [
        "if x then return 1 end return 2",
        "if x then return 1 else print(2) end return 3",
        "if x then return 1 elseif y then return 2 end return 3",
        "for i = 1, 2 do if i == x then goto continue end print(i) ::continue:: end",
        "do return end ::here:: print(1)",
        "while x do return 1 end return 2",
        "do return end type T = number",
        "do local function f() return 1 end print(f()) end print(2)",
    ],
)
def test_code_that_can_run_is_not_unreachable(source: str) -> None:
    assert "E0009" not in codes(source)


def test_shadowed_module_name_is_not_the_module() -> None:
    assert "E0003" not in codes("local greeter = {} function greeter.hello() end greeter.hello()")


@pytest.mark.parametrize(
    "use",
    [
        "type T = {a: {x.A}?} return T",
        "interface T function m(a: x.A): x.B end return T",
        "local a: x.A | nil = nil return a",
        "return function(...: x.A) return ... end",
        "return function(): (x.A, error) return f() end",
        "return function<T: x.A>(a: T) return a end",
        "return f() as {[string]: x.A}",
        "type T = typeof(x) return T",
    ],
)
def test_use_in_a_type_is_a_use(use: str) -> None:
    for start in ('local x = require("greeter") local function f() end ', "local x = 1 local function f() end "):
        assert not {*codes(start + use)} & {"W0006", "E0001"}
        assert not [d for d in check(start + use) if d.code == "W0004" and "'x'" in d.message]


def test_names_in_typeof_must_exist() -> None:
    assert "E0001" in codes("type T = typeof(lenght) return T")


def test_report_orders_by_entry_then_severity_then_place() -> None:
    found = check("count = 1\nlocal unused = 2\nreturn lenght")
    report = Report.of(reversed(found), 1, Filter("hint"))
    assert [d.code for d in report.findings] == ["E0001", "W0002", "W0004"]
    assert report.failure() == "lint failed: 1 errors, 2 warnings"


def test_level_and_code_filters_change_the_counts() -> None:
    found = check("count = 1\nreturn lenght")
    assert Report.of(found, 1, Filter("error")).count("warning") == 0
    assert [d.code for d in Report.of(found, 1, Filter("hint", codes=frozenset(["W0002"]))).findings] == ["W0002"]


def test_namespace_patterns() -> None:
    assert in_namespace("app.users:x", ["app.*"])
    assert in_namespace("app:x", ["app.**"])
    assert not in_namespace("apple:x", ["app.*"])
    assert not in_namespace("app.users:x", ["app"])
