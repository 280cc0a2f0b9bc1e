"""The preemptible pattern matcher agrees with the one of C."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .driver import Driver

ONE = Driver({})

SINGLE = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "%a",
        "%d",
        "%w",
        "%s",
        "%A",
        "[ab]",
        "[^a]",
        "[a-c]",
        "[%d_]",
        "%.",
        "x",
        "[%]]",
        "[]]",
        "[^%w]",
        "[a-]",
    ]
)
ITEM = st.tuples(SINGLE, st.sampled_from(["", "", "*", "+", "-", "?"])).map("".join) | st.sampled_from(
    ["%b()", "%bxy", "%f[%w]", "%f[^a]", "()", "%1"]
)
GROUP = st.lists(ITEM, max_size=3).map("".join)
PATTERN = st.tuples(
    st.sampled_from(["", "", "^"]),
    st.lists(ITEM | GROUP.map(lambda g: f"({g})"), min_size=1, max_size=5).map("".join),
    st.sampled_from(["", "", "$"]),
).map("".join)
SUBJECT = st.text(alphabet="ab1xy()_. ", max_size=24)

COMPARE = """
local S, how, subject, pattern, init, replacement = ...
local own = S.pattern(pattern, how == "gmatch")
local function list(f)
  local r = table.pack(pcall(f))
  if not r[1] then return "error" end
  for i = 2, r.n do r[i] = type(r[i]) .. ":" .. tostring(r[i]) end
  return table.concat(r, "|", 2, r.n)
end
local function all(next_match)
  local out = {}
  for i = 1, 200 do
    local r = table.pack(next_match())
    if r[1] == nil then break end
    for k = 1, r.n do r[k] = type(r[k]) .. ":" .. tostring(r[k]) end
    out[i] = table.concat(r, ",")
  end
  return table.concat(out, ";")
end
if how == "gmatch" then
  return list(function() return all(string.gmatch(subject, pattern)) end), list(function() return
    all(own.gmatch(subject)) end)
end
if init > #subject + 1 then init = #subject + 1 end
return list(function() return string[how](subject, pattern, init) end), list(function() return
  own[how](subject, init) end)
"""


def agree(how: str, subject: str, pattern: str, init: int = 1) -> tuple[Any, Any]:
    try:
        c, own = ONE.lua(COMPARE, how.encode(), subject.encode(), pattern.encode(), init)
    except Exception as e:  # a malformed pattern is refused by both, by the own matcher before it begins
        c = ONE.lua(
            "local S, how, s, p = ... return tostring(pcall(string.find, s, p))",
            how.encode(),
            subject.encode(),
            pattern.encode(),
        )
        assert "false" in c.decode() or "malformed" in str(e) or "capture" in str(e)
        return 0, 0
    return c, own


@settings(max_examples=700, deadline=None)
@given(SUBJECT, PATTERN, st.integers(1, 12))
def test_find_and_match_agree(subject: str, pattern: str, init: int) -> None:
    for how in ("find", "match"):
        c, own = agree(how, subject, pattern, init)
        if c != b"error":
            assert c == own, (how, subject, pattern, init)


@settings(max_examples=500, deadline=None)
@given(SUBJECT, PATTERN)
def test_gmatch_agrees(subject: str, pattern: str) -> None:
    c, own = agree("gmatch", subject, pattern)
    if c != b"error":
        assert c == own, (subject, pattern)


GSUB = """
local S, subject, pattern, replacement, limit = ...
if limit < 0 then limit = nil end
local function text(ok, a, b) return ok and a .. "#" .. b or "error" end
local c = text(pcall(string.gsub, subject, pattern, replacement, limit))
local own = text(pcall(S.content(S.base.string).gsub, subject, pattern, function(...)
  local captures = { ... }
  return (string.gsub(replacement, "%%(.)", function(k) return k == "%" and "%" or tostring(captures[tonumber(k)]) end))
end, limit))
return c, own
"""


@settings(max_examples=500, deadline=None)
@given(SUBJECT, PATTERN, st.sampled_from(["", "-", "<%1>", "%%"]), st.integers(-1, 3))
def test_gsub_with_a_function_agrees_with_the_replacement_text(
    subject: str, pattern: str, replacement: str, limit: int
) -> None:
    if "%1" in replacement and "(" not in pattern.replace("%b()", ""):
        replacement = "-"
    c, own = ONE.lua(GSUB, subject.encode(), pattern.encode(), replacement.encode(), limit)
    if c != b"error":
        assert c == own, (subject, pattern, replacement, limit)


FORCED = """
local S, subject, pattern, replacement = ...
local long = subject .. string.rep("~", 400)
local function text(ok, a, b) return ok and a .. "#" .. b or "error" end
return text(pcall(string.gsub, long, pattern, replacement)), text(pcall(S.content(S.base.string).gsub, long,
  pattern, replacement))
"""


@settings(max_examples=60, deadline=None)
@given(SUBJECT, PATTERN.filter(lambda p: p[-1] != "$"), st.sampled_from(["", "-"]))
def test_gsub_of_long_subjects_agrees(subject: str, pattern: str, replacement: str) -> None:
    c, own = ONE.lua(FORCED, subject.encode(), pattern.encode(), replacement.encode())
    if c != b"error":
        assert c == own, (subject, pattern, replacement)


def test_long_runs_are_matched_over_window_borders(driver: Driver) -> None:
    body = """
        local s = ("a"):rep(500000) .. "b" .. ("c"):rep(500000)
        local class = "[" .. ("a"):rep(300) .. "]"
        return { s:find("b"), (s:match("()" .. class .. "*b")), #s:match(class .. "+"), (s:find("[^a]")),
          #s:match("b(c*)") }"""
    assert driver.do(body)[0] == 500001
    assert driver.do(body)[-4:] == [1, 500000, 500001, 500000]
