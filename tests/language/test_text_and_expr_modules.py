# ruff: noqa: E501 (guest programs of one line)
"""The acceptance bullets of `text` and `expr` (spec 04b §7, §11), by an application on disk."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project

FAILURE = """
local function failure(v, e)
  return { value = v == nil, kind = e:kind(), retryable = e:retryable(), message = e:message() }
end
"""


def run(project: Project, body: str, *args: Any) -> Any:
    return project.run(body, *args, top=FAILURE, modules=["text", "expr"])


# text.regexp

METHODS: list[tuple[str, str, Any]] = [
    ("a(b)?", "re:match_string('xab')", True),
    ("^b", "re:match_string('xab')", False),
    (r"\\d+", "re:find_string('abc 123 45')", "123"),
    (r"\\d+", "re:find_string('abc') == nil", True),
    ("x*", "re:find_string('abc') == nil", True),
    (r"\\d+", "re:find_all_string('1 22 333')", ["1", "22", "333"]),
    (r"\\d+", "#re:find_all_string('abc')", 0),
    (r"(\\w)(\\d)?", "re:find_string_submatch('a1')", ["a1", "a", "1"]),
    (r"(\\w)(\\d)?", "re:find_string_submatch('a')", ["a", "a", ""]),
    (r"\\d", "re:find_string_submatch('a') == nil", True),
    (r"(\\w)=(\\d)", "re:find_all_string_submatch('a=1 b=2')", [["a=1", "a", "1"], ["b=2", "b", "2"]]),
    (r"page\\d", "re:find_string_index('The page1 here')", [5, 9]),
    (r"page\\d", "re:find_string_index('nothing') == nil", True),
    (r"\\d", "re:find_all_string_index('1a2')", [[1, 1], [3, 3]]),
    (r"\\d", "re:find_all_string_index('abc') == nil", True),
    (r"(\\w)(\\d)", "re:replace_all_string('a1 b2', '$2${1}$$')", "1a$ 2b$"),
    (r"(?P<word>\\w+)", "re:replace_all_string('ab', '<${word}>')", "<ab>"),
    (",", "re:split('a,b,c,d')", ["a", "b", "c", "d"]),
    (",", "re:split('a,b,c,d', 2)", ["a", "b,c,d"]),
    (",", "#re:split('a,b,c,d', 2)", 2),
    ("(a)(b(c))", "re:num_subexp()", 3),
    ("(?P<year>a)(b)(?<day>c)", "re:subexp_names()", ["", "year", "", "day"]),
    ("a.c", "re:string()", "a.c"),
    ("(?i)HELLO", "re:match_string('say hello')", True),
    (r"\\pL+", "re:find_string('123 été')", "été"),
    ("é", "re:find_string_index('aéb')", [2, 3]),
]


@pytest.mark.parametrize(("pattern", "call", "expected"), METHODS)
def test_regexp_methods(project: Project, pattern: str, call: str, expected: Any) -> None:
    assert run(project, f"local re = assert(text.regexp.compile('{pattern}')) return {call}") == expected


def test_regexp_index_pair_cuts_the_match(project: Project) -> None:
    body = "local s = 'The page1 here' local at = text.regexp.compile('page1'):find_string_index(s) return s:sub(at[1], at[2])"
    assert run(project, body) == "page1"


@pytest.mark.parametrize("pattern", ["[", "*", "(?P<>)", "[invalid", "(?=x)", "(a)\\\\1"])
def test_regexp_patterns_that_are_refused(project: Project, pattern: str) -> None:
    found = run(project, f"return failure(text.regexp.compile('{pattern}'))")
    assert found["value"] and (found["kind"], found["retryable"]) == ("Invalid", False)
    assert "error parsing regexp" in found["message"]


# text.diff


def test_diff_of_identical_texts_is_one_equal(project: Project) -> None:
    assert run(project, "return text.diff.new():compare('same', 'same')") == [{"operation": "equal", "text": "same"}]


def test_diff_of_different_texts_has_all_three_operations(project: Project) -> None:
    body = """
        local differ = assert(text.diff.new({ diff_timeout = 1.0, diff_edit_cost = 4 }))
        local diffs = differ:compare("the quick brown fox", "the slow brown cat")
        local operations, before, after = {}, "", ""
        for _, d in ipairs(diffs) do
          operations[d.operation] = true
          if d.operation ~= "insert" then before = before .. d.text end
          if d.operation ~= "delete" then after = after .. d.text end
        end
        local sizes = differ:summarize(diffs)
        return {
          operations, before, after, sizes, #differ:pretty_text(diffs) > 0,
          differ:pretty_html(diffs):find("<ins", 1, true) ~= nil, differ:pretty_html(diffs):find("<del", 1, true) ~= nil,
        }
    """
    operations, before, after, sizes, *shown = run(project, body)
    assert operations == {"equal": True, "insert": True, "delete": True}
    assert (before, after) == ("the quick brown fox", "the slow brown cat")
    assert sizes["equals"] + sizes["deletions"] == len(before) and sizes["equals"] + sizes["insertions"] == len(after)
    assert shown == [True, True, True]


def test_diff_patch_round_trip(project: Project) -> None:
    body = """
        local differ = text.diff.new()
        local patches = differ:patch_make("line one\\nline two\\n", "line one\\nline 2\\nline three\\n")
        local result, applied = differ:patch_apply(patches, "line one\\nline two\\n")
        return { type(patches[1].text), result, applied }
    """
    assert run(project, body) == ["string", "line one\nline 2\nline three\n", True]


# text.splitter


@pytest.mark.parametrize("kind", ["recursive", "markdown"])
def test_splitters_are_constructible_with_and_without_options(project: Project, kind: str) -> None:
    body = f"""
        local default = assert(text.splitter.{kind}())
        local small = assert(text.splitter.{kind}({{ chunk_size = 20, chunk_overlap = 5.0 }}))
        local long = ("some words here. "):rep(20)
        return {{ default:split_text("short"), #small:split_text(long) > 5, #default:split_text(long) }}
    """
    assert run(project, body) == [["short"], True, 1]


@pytest.mark.parametrize("kind", ["recursive", "markdown"])
def test_splitter_batch_keeps_metadata(project: Project, kind: str) -> None:
    body = f"""
        local pages = {{
          {{ content = "first page", metadata = {{ page = 1 }} }}, {{ content = "second page" }}, {{ metadata = {{ page = 3 }} }},
          {{ content = "", metadata = {{ page = 4 }} }},
        }}
        return text.splitter.{kind}({{ chunk_size = 100 }}):split_batch(pages)
    """
    assert run(project, body) == [
        {"content": "first page", "metadata": {"page": 1}},
        {"content": "second page", "metadata": {}},
    ]


# expr

EVALUATIONS: list[tuple[str, str, Any]] = [
    ("1 + 2 * 3", "{}", 7),
    ("10 / 4", "{}", 2.5),
    ("7 % 3", "{}", 1),
    ("2 ** 3", "{}", 8.0),
    ("a + b", "{ a = 1, b = 2 }", 3),
    ("user.name", "{ user = { name = 'ada' } }", "ada"),
    ("items[1]", "{ items = { 10, 20 } }", 20),
    ("on and not off", "{ on = true, off = false }", True),
    ("on && off || on", "{ on = true, off = false }", True),
    ("'hello ' + name", "{ name = 'ada' }", "hello ada"),
    ("age >= 18", "{ age = 18 }", True),
    ("age < 18", "{ age = 18 }", False),
    ("1 == 1.0 and 'a' != 'b'", "{}", True),
    ("ok ? 'yes' : 'no'", "{ ok = true }", "yes"),
    ("ok ? 'yes' : 'no'", "{ ok = false }", "no"),
    ("max(1, 5, 3)", "{}", 5),
    ("min(4, 2, 3)", "{}", 2),
    ("len([1, 2, 3])", "{}", 3),
    ("nil", "{}", None),
    ("missing", "{}", None),
    ("filter(list, # > 2)", "{ list = { 1, 2, 3, 4 } }", [3, 4]),
    ("list | map(# * 2) | sum()", "{ list = { 1, 2 } }", 6),
]


@pytest.mark.parametrize(("source", "env", "expected"), EVALUATIONS)
def test_expr_evaluation(project: Project, source: str, env: str, expected: Any) -> None:
    found = run(project, f'local v, e = expr.eval("{source}", {env}) return {{ e == nil, v }}')
    assert found[0] is True and (found[1] if len(found) > 1 else None) == expected


def test_expr_compiles_once_and_runs_twice_with_and_without_an_environment(project: Project) -> None:
    body = """
        local program = assert(expr.compile("x * 2"))
        local bare = assert(expr.compile("1 + 1"))
        local hinted = assert(expr.compile("price * count", { price = 1.5, count = 1 }))
        local _, unknown = expr.compile("price * cuont", { price = 1.5, count = 1 })
        local _, mismatch = expr.compile("name * 2", { name = "x" })
        return {
          program:run({ x = 2 }), program:run({ x = 5 }), bare:run(), hinted:run({ price = 2.5, count = 4 }),
          unknown:kind(), mismatch:kind(),
        }
    """
    assert run(project, body) == [4, 10, 2, 10.0, "Internal", "Internal"]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("expr.eval('')", "Invalid"),
        ("expr.compile('')", "Invalid"),
        ("expr.eval('invalid syntax !!!')", "Internal"),
        ("expr.eval('(((')", "Internal"),
        ("expr.compile('(((')", "Internal"),
        ("expr.eval('x + y', { x = 1 })", "Internal"),
        ("expr.compile('x + y'):run({ x = 1 })", "Internal"),
    ],
)
def test_expr_errors(project: Project, call: str, kind: str) -> None:
    found = run(project, f"return failure({call})")
    assert found["value"] and (found["kind"], found["retryable"]) == (kind, False)
    if kind == "Invalid":
        assert found["message"] == "expression cannot be empty"


def test_expr_error_text_is_usable_in_concatenation(project: Project) -> None:
    body = "local _, e = expr.eval('x + y', { x = 1 }) return 'failed: ' .. e"
    assert run(project, body).startswith("failed: invalid operation: int + nil")
