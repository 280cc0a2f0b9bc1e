"""Text that does not parse still has an index."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from lua.analysis.project import workspace
from wippy.lua.analysis.recovery import understand
from wippy.lua.analysis.text import Text
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.parser import parse

ROOT = Path(__file__).parents[3]
SOURCES = [
    path.read_bytes()
    for folder in ("examples", "src/wippy/lua/modules", "src/wippy/services")
    for path in sorted((ROOT / folder).rglob("*.lua"))
]
BROKEN = [
    b" foo.", b" foo:", b" foo(", b" foo(1, ", b" local x = ", b" if x then", b' x = "abc', b" end", b" for i in",
    b" return", b" t = {", b" --[[", b" x as", b" function", b" 5", b"\xff",
]  # fmt: skip
PROGRAM = """
local first = 1
local function alpha(one)
  local inner = one
  {}
  return inner
end
local second = alpha(first)
return { alpha = alpha }
"""


def names(source: bytes) -> set[str]:
    found, _ = understand(Text(source), "app:x")
    return {definition.name for definition in found.definitions}


@pytest.mark.parametrize(
    "line",
    ["one.", "one:", "one.two", "alpha(", "alpha(1, ", "local new =", 'local text = "abc', "if one", "if one then",
     "for i = 1,", "return", "one", "t = {", "alpha(function(x)", "local x:", "end", "5 = 3", "x::"],
)  # fmt: skip
def test_what_stands_around_a_line_that_is_being_written_is_kept(line: str) -> None:
    source = PROGRAM.replace("{}", line).encode()
    assert names(source) >= {"first", "alpha", "one", "inner"}


def test_a_text_that_parsed_before_is_fallen_back_to() -> None:
    broken = PROGRAM.replace("{}", ") ( ] if [ end } then function ((" * 3).encode()
    before = PROGRAM.replace("{}", "").encode()
    found, problem = understand(Text(broken), "app:x", before)
    assert problem is not None
    assert {d.name for d in found.definitions} >= {"first", "alpha", "second"}
    use = next(use for use in found.uses if use.name == "second")
    assert broken[use.start : use.end] == b"second"


def test_a_workspace_remembers_what_parsed() -> None:
    made = workspace(main=PROGRAM.replace("{}", ""))
    assert made.problem("app:main") is None
    made.put("me", "app:main", PROGRAM.replace("{}", ") ( ] if [ end } then function ((" * 3))
    found = made.document("app:main")
    assert found is not None and made.problem("app:main") is not None
    assert {d.name for d in found.definitions} >= {"first", "second"}


def test_truncations_of_real_sources_never_crash_and_mostly_keep_their_names() -> None:
    chance, empty, tried = random.Random(5), 0, 0
    for source in SOURCES:
        for _ in range(4):
            cut = source[: chance.randrange(len(source))]
            found, problem = understand(Text(cut), "app:x")
            tried += 1
            for use in found.uses:
                assert 0 <= use.start <= use.end <= len(cut)
                assert cut[use.start : use.end].decode() == use.name or use.name == "self"
            if problem is not None and not found.uses and cut.count(b"local") > 3:
                empty += 1
    assert empty <= tried * 0.05


def test_broken_lines_in_real_sources_never_crash_and_mostly_keep_their_names() -> None:
    chance, empty, tried = random.Random(7), 0, 0
    for source in SOURCES:
        try:
            parse(source, "app:x")
        except LuaSyntaxError:
            continue
        for _ in range(4):
            lines = source.split(b"\n")
            at = chance.randrange(len(lines))
            lines[at] += chance.choice(BROKEN)
            found, problem = understand(Text(b"\n".join(lines)), "app:x")
            tried += 1
            empty += problem is not None and not found.uses
    assert tried > 100 and empty <= tried * 0.05


def test_random_bytes_never_crash() -> None:
    chance = random.Random(11)
    for _ in range(200):
        source = bytes(chance.choice(b"()[]{}.:,=\"'-\nabc \xffdo end function") for _ in range(chance.randrange(80)))
        found, _ = understand(Text(source), "app:x")
        assert found.text.source == source


def test_nesting_without_end_is_an_empty_index() -> None:
    found, problem = understand(Text(b"x = " + b"{" * 5000), "app:x")
    assert problem is not None and not found.definitions


@pytest.mark.parametrize(
    "source",
    [
        b"a" * 400_000 + b" (",
        b"function " * 50_000,
        b"a." * 200_000,
        b"return " * 60_000,
        b"x " * 200_000,
        b"f(" * 5_000,
    ],
)
def test_long_nonsense_is_given_up_soon(source: bytes) -> None:
    began = time.perf_counter()
    understand(Text(source), "app:x")
    assert time.perf_counter() - began < 10
