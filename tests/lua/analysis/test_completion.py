"""What could be written at the cursor, and which call it is in. The mark `|` is the cursor."""

from __future__ import annotations

import pytest

from lua.analysis.project import cursor, document, workspace
from wippy.lua.analysis.completion import Signature, complete, signature_at

LIBRARY = """
type Item = {sku: string, amount: integer}
local M = {Item = Item}
-- What an item costs.
function M.of(item: Item, count: integer): integer return item.amount * count end
function M:scale(by: number) self.factor = by end
return M
"""


def labels(marked: str) -> list[str]:
    text, offset = cursor(marked)
    made = workspace(prices=LIBRARY, main=text)
    found = made.document("app:main")
    assert found is not None
    return [proposal.label for proposal in complete(made, found, found.text, offset).proposals]


def signature(marked: str) -> Signature | None:
    text, offset = cursor(marked)
    made = workspace(prices=LIBRARY, main=text)
    found = made.document("app:main")
    assert found is not None
    return signature_at(made, found, found.text, offset)


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ('local p = require("prices")\nlocal x = p.|', {"of", "scale", "factor", "Item"}),
        ('local p = require("prices")\np:|', {"of", "scale"}),
        ('local p = require("prices")\np.o|\nlocal y = 1', {"of"}),
        ("local x = prices.|", {"of", "scale"}),
        ('local hash = require("hash")\nreturn hash.|', {"sha256", "md5"}),
        ('require("hash").|', {"sha256"}),
        ("string.|", {"format", "rep"}),
        ("local s = 'x'\ns:|", {"upper", "gsub"}),
        ("('x'):|", {"upper"}),
        ("process.|", {"send", "registry", "event"}),
        ("process.registry.|", {"register", "lookup"}),
        ("process.event.|", {"EXIT", "CANCEL"}),
        ("local inbox = process.inbox()\ninbox:|", {"receive"}),
        ("local t = {a = 1, b = {c = 2}}\nt.|", {"a", "b"}),
        ("local t = {a = 1, b = {c = 2}}\nt.b.|", {"c"}),
        ("type P = {x: number, y: {z: string}?}\nlocal function f(p: P) return p.| end", {"x", "y"}),
        ("type P = {x: number, y: {z: string}?}\nlocal function f(p: P) return p.y.| end", {"z"}),
        ("type P = {x: number}\nlocal function f(list: {P}) for _, p in ipairs(list) do p.| end end", {"x"}),
        ("type P = {x: number}\nlocal function f(list: {P}) return list[1].| end", {"x"}),
        ("type P = {x: number}\nlocal v = read() :: P\nv.|", {"x"}),
        ("type P = {x: number}\nP:|", {"is", "fields"}),
        ("local C = {}\nC.__index = C\nfunction C:run() end\nlocal c = setmetatable({n = 1}, C)\nc:|", {"run"}),
        ("local C = {}\nfunction C:run() end\nfunction C:go()\n  self:|\nend", {"run", "go"}),
        ("local function make() return {size = 1} end\nmake().|", {"size"}),
        ("interface I function go(a: number): string end\nlocal function f(i: I) i:| end", {"go"}),
        ('local x = require("|', {"prices", "hash", "process"}),
        ("local x: |", {"string", "any", "prices"}),
        ("type P = {x: number}\nlocal function f(a: |) end", {"P", "string"}),
        ("local function f(): |", {"boolean"}),
        ("local p: prices.|", {"Item"}),
        ("local alpha, beta = 1, 2\nreturn al|", {"alpha"}),
        ("ret|", {"return"}),
        ("pri|", {"prices", "print"}),
    ],
)
def test_completion_proposes(marked: str, expected: set[str]) -> None:
    assert set(labels(marked)) >= expected


@pytest.mark.parametrize(
    "marked",
    [
        "-- prices.|",
        "local s = 'prices.|",
        "local s = [[prices.|",
        "local n = unknown.|",
        "local x = 1 .|",
        "5.|",
        "a..|",
    ],
)
def test_nothing_is_proposed_in_comments_and_texts_and_of_what_is_unknown(marked: str) -> None:
    assert not set(labels(marked)) & {"of", "scale"}


def test_the_word_before_a_line_end_is_no_beginning() -> None:
    assert {"pairs", "local"} <= set(labels("local foo = 1\nfoo\n|"))


def test_names_out_of_scope_and_fields_behind_a_colon_are_not_proposed() -> None:
    assert "inner" not in labels("do local inner = 1 end\nreturn in|")
    assert "factor" not in labels('local p = require("prices")\np:|')


@pytest.mark.parametrize(
    ("marked", "label", "active"),
    [
        ("prices.of(|", "of(item: Item, count: integer): integer", 0),
        ("prices.of(a, |", "of(item: Item, count: integer): integer", 1),
        ("prices.of({1, 2, 3}, f(1, 2), |)", "of(item: Item, count: integer): integer", 2),
        ("prices:scale(|)", "scale(by: number)", 0),
        ("hash.sha256('(,', |\nlocal x", "hash.sha256(data: bytes, raw: boolean?) -> bytes", 1),
        ("local function f(a, ...) end\nf(1, 2, 3, |", "f(a, ...)", 1),
        ("type P = {x: number}\nP(|", "P(value: any)", 0),
        ("local function outer(a, b) end\nouter(1, tostring(|", "tostring(value: any) -> string", 0),
        ("('x'):rep(|", ":rep(count: number, separator: string?) -> string", 0),
    ],
)  # fmt: skip
def test_signature_help_tells_the_call_and_the_argument(marked: str, label: str, active: int) -> None:
    found = signature(marked)
    assert found is not None and (found.label, found.active) == (label, active)


@pytest.mark.parametrize("marked", ["local x = (1 + |", "local function f(|", "unknown(|", "f() |", "-- prices.of(|"])
def test_there_is_no_signature_outside_of_known_calls(marked: str) -> None:
    assert signature(marked) is None


def test_what_is_written_above_a_function_is_shown() -> None:
    found = signature("prices.of(|")
    assert found is not None and found.text == "What an item costs."


@pytest.mark.parametrize(
    "text", ["", ".", ":", "(", "a.", "))))", "]].", "\x00", "x" * 5000 + ".", "f(" * 2000, "''''."]
)
def test_odd_texts_are_survived_at_every_place(text: str) -> None:
    made, found = document(text)
    for offset in range(0, len(text) + 1, max(len(text) // 40, 1)):
        completion = complete(made, found, found.text, offset)
        assert completion.start <= offset
        signature_at(made, found, found.text, offset)
