# ruff: noqa: E501 (guest programs of one line)
"""Guest module `text` (spec 04b §7)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lua.modules.guest import check


def regexp(pattern: str, call: str, *args: Any) -> Any:
    return check(f"local p, s, r = ... local re = assert(text.regexp.compile(p)) return (re:{call})", pattern, *args)


@pytest.mark.parametrize("pattern", ["[", "*", "(?P<>)", "[invalid", "(?=a)", "(a", "x{1001}", r"(a)\1"])
def test_bad_patterns_are_invalid(pattern: str) -> None:
    program = "local re, e = text.regexp.compile(...) return {re == nil, e:kind(), e:retryable(), e:message()}"
    found = check(program, pattern)
    assert found[:3] == [True, "Invalid", False]
    assert "error parsing regexp" in found[3]


def test_a_pattern_that_is_no_text_is_invalid() -> None:
    assert check("local re, e = text.regexp.compile(5) return e:kind()") == "Invalid"


@pytest.mark.parametrize(
    ("pattern", "call", "subject", "expected"),
    [
        (r"\d+", "match_string(s)", "abc 12", True),
        (r"\d+", "match_string(s)", "abc", False),
        ("(?i)HELLO", "match_string(s)", "say hello", True),
        (r"\pL+", "find_string(s)", "12é3", "é"),
        (r"\d+", "find_string(s)", "a 12 b 345", "12"),
        (r"\d+", "find_string(s)", "none", None),
        ("x*", "find_string(s)", "abc", None),
        (r"\d+", "find_all_string(s)", "a 12 b 345", ["12", "345"]),
        (r"\d+", "find_all_string(s)", "none", []),
        ("a*", "find_all_string(s)", "baac", ["", "aa", ""]),
        (r"(\w+)@(\w+)\.com", "find_string_submatch(s)", "to joe@example.com", ["joe@example.com", "joe", "example"]),
        ("a(b)?c", "find_string_submatch(s)", "ac", ["ac", ""]),
        ("a(b)", "find_string_submatch(s)", "x", None),
        (r"(\w)(\d)", "find_all_string_submatch(s)", "a1 b2", [["a1", "a", "1"], ["b2", "b", "2"]]),
        ("(q)", "find_all_string_submatch(s)", "x", []),
        (r"page\d", "find_string_index(s)", "The page1 here", [5, 9]),
        ("é", "find_string_index(s)", "aéb", [2, 3]),
        ("z", "find_string_index(s)", "a", None),
        ("o", "find_all_string_index(s)", "foo", [[2, 2], [3, 3]]),
        ("z", "find_all_string_index(s)", "foo", None),
        ("a|ab", "find_string(s)", "ab", "a"),
        (",", "split(s)", "a,b,c,d", ["a", "b", "c", "d"]),
        (",", "split(s, 2)", "a,b,c,d", ["a", "b,c,d"]),
        (",", "split(s, 1)", "a,b", ["a,b"]),
        (",", "split(s, 0)", "a,b", []),
        (",", "split(s)", "", [""]),
        (",", "split(s)", ",a,", ["", "a", ""]),
        ("", "split(s)", "aéb", ["a", "é", "b"]),
        ("a*", "split(s)", "baac", ["b", "c"]),
        (r"(a)(?P<name>b)(?<other>c)", "num_subexp()", "", 3),
        (r"(a)(?P<name>b)(?<other>c)", "subexp_names()", "", ["", "", "name", "other"]),
        (r"a\d+", "string()", "", r"a\d+"),
    ],
)
def test_methods_of_expressions(pattern: str, call: str, subject: str, expected: Any) -> None:
    found = regexp(pattern, call, subject)
    assert found == expected or (expected == [] and found in ({}, []))


def test_index_pair_cuts_the_match() -> None:
    program = """
        local re = text.regexp.compile("page\\\\d")
        local s = "The page1 here"
        local t = re:find_string_index(s)
        return s:sub(t[1], t[2])
    """
    assert check(program) == "page1"


@pytest.mark.parametrize(
    ("pattern", "subject", "replacement", "expected"),
    [
        (r"(\w+) (\w+)", "hello world", "$2 $1", "world hello"),
        (r"(?P<a>\w+) (\w+)", "hello world", "${a}!${2}", "hello!world"),
        (r"\d", "a1b2", "$$", "a$b$"),
        (r"(\d)", "a1", "$1x", "a"),
        (r"(\d)", "a1", "${1}x", "a1x"),
        (r"(\d)", "a1", "[$9$name]", "a[]"),
        (r"\d", "a1", "$", "a$"),
        ("x*", "abc", "-", "-a-b-c-"),
        ("a", "", "b", ""),
        ("é", "aéb", "e", "aeb"),
    ],
)
def test_replacement(pattern: str, subject: str, replacement: str, expected: str) -> None:
    assert regexp(pattern, "replace_all_string(s, r)", subject, replacement) == expected


def test_bytes_pass_through_expressions() -> None:
    assert check(r"return text.regexp.compile('b'):replace_all_string('a\255b\0', 'c') == 'a\255c\0'") is True


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time() -> None:
    begun = time.process_time()
    assert check("return text.regexp.compile('(a+)+$'):match_string(('a'):rep(100000) .. 'b')") is False
    assert time.process_time() - begun < 2


def test_objects_are_immutable_and_typed() -> None:
    program = """
        local re = text.regexp.compile("a")
        return { type(re), tostring(re), (pcall(function() re.x = 1 end)), (pcall(re.match_string, {}, "a")), (pcall(re.match_string, re, {})) }
    """
    assert check(program) == ["userdata", "text.Regexp{}", False, False, False]


# Differences --------------------------------------------------------------------------------------------------------


def test_identical_texts_differ_in_nothing() -> None:
    assert check("return text.diff.new():compare('same', 'same')") == [{"operation": "equal", "text": "same"}]


def test_different_texts_have_all_three_operations() -> None:
    program = """
        local d = text.diff.new({ diff_timeout = 2.0 })
        local diffs = d:compare("The quick brown fox", "The slow brown dog")
        local kinds = {}
        for _, diff in ipairs(diffs) do kinds[diff.operation] = true end
        return { kinds, d:summarize(diffs) }
    """
    kinds, sums = check(program)
    assert kinds == {"equal": True, "delete": True, "insert": True}
    assert sums["equals"] + sums["deletions"] == len("The quick brown fox")
    assert sums["equals"] + sums["insertions"] == len("The slow brown dog")


def test_pretty_forms() -> None:
    program = """
        local d = text.diff.new()
        local diffs = { { operation = "equal", text = "a<b\\n" }, { operation = "delete", text = "x" }, { operation = "insert", text = "y" } }
        return { d:pretty_text(diffs), d:pretty_html(diffs) }
    """
    plain, html = check(program)
    assert plain == "a<b\n\x1b[31mx\x1b[0m\x1b[32my\x1b[0m"
    assert html.startswith("<span>a&lt;b&para;<br></span><del style=") and html.endswith(">y</ins>")


def test_patches_round_trip() -> None:
    program = """
        local d = text.diff.new()
        local a, b = "line one\\nline two\\nline three é\\n", "line one\\nline 2\\nline three è\\nline four\\n"
        local patches = d:patch_make(a, b)
        local result, ok = d:patch_apply(patches, a)
        local moved, fine = d:patch_apply(patches, "something else entirely, of another length")
        return { result == b, ok, type(patches[1].text), fine, patches[1].text:sub(1, 2) }
    """
    assert check(program) == [True, True, "string", False, "@@"]


def test_bad_patches_are_invalid() -> None:
    program = "local v, e = text.diff.new():patch_apply({{ text = 'nonsense' }}, 'x') return { e:kind(), e:retryable(), e:message() }"
    kind, retryable, message = check(program)
    assert (kind, retryable) == ("Invalid", False) and "error" in message


# Splitters ----------------------------------------------------------------------------------------------------------


def split(kind: str, options: str, content: str) -> list[str]:
    return list(check(f"return text.splitter.{kind}({options}):split_text(...)", content))


def test_short_text_is_one_chunk() -> None:
    for kind in ("recursive", "markdown"):
        assert split(kind, "", "  short text  ") == ["short text"]
        assert split(kind, "{}", "") in ([], {})


def test_recursive_chunks_merge_neighbours_and_repeat_the_overlap() -> None:
    words = " ".join(f"w{i:02}" for i in range(10))
    assert split("recursive", "{chunk_size = 15, chunk_overlap = 0}", words) == [
        "w00 w01 w02 w03",
        "w04 w05 w06 w07",
        "w08 w09",
    ]
    assert split("recursive", "{chunk_size = 15.0, chunk_overlap = 4}", words) == [
        "w00 w01 w02 w03",
        "w03 w04 w05 w06",
        "w06 w07 w08 w09",
    ]


def test_recursive_goes_from_coarse_to_fine_separators() -> None:
    content = "first paragraph\n\nsecond paragraph that is too long for one\n\nthird"
    assert split("recursive", "{chunk_size = 20, chunk_overlap = 0}", content) == [
        "first paragraph",
        "second paragraph",
        "that is too long for",
        "one",
        "third",
    ]


def test_recursive_keeps_separators_and_whole_pieces() -> None:
    options = "{chunk_size = 4, chunk_overlap = 0, keep_separator = true, separators = {'.'}}"
    assert split("recursive", options, "aa.bb.toolong.c") == ["aa", ".bb", ".toolong", ".c"]


def test_lengths_count_characters() -> None:
    assert split("recursive", "{chunk_size = 5, chunk_overlap = 0}", "éééé éééé") == ["éééé", "éééé"]


MARKDOWN = """# Guide

Intro text.

## Install

- one
- two

> quoted

```sh
run it
```

| a | b |
|---|---|
| 1 | 2 |
| 3 | 4 |

See [docs][d].

[d]: https://example.com
"""


def test_markdown_chunks_carry_their_heading() -> None:
    chunks = split("markdown", "{chunk_size = 60, chunk_overlap = 0}", MARKDOWN)
    assert chunks[0] == "# Guide\nIntro text."
    assert chunks[1] == "## Install\n- one\n- two\n\n> quoted"
    assert chunks[2] == "## Install\n| a | b |\n|---|---|\n| 1 | 2 |"
    assert chunks[3] == "## Install\n| a | b |\n|---|---|\n| 3 | 4 |"
    assert all("run it" not in chunk for chunk in chunks)


def test_markdown_options() -> None:
    options = "{chunk_size = 200.0, code_blocks = true, reference_links = true, heading_hierarchy = true, join_table_rows = true}"
    chunks = split("markdown", options, MARKDOWN)
    assert chunks[0] == "# Guide\nIntro text."
    assert chunks[1].startswith("# Guide\n## Install\n- one") and "run it" in chunks[1]
    assert chunks[2].endswith("| 1 | 2 |\n| 3 | 4 |")
    assert chunks[3] == "# Guide\n## Install\nSee [docs](https://example.com)."


def test_markdown_splits_a_long_paragraph() -> None:
    chunks = split("markdown", "{chunk_size = 20, chunk_overlap = 0}", "# T\n\n" + "word " * 12)
    assert len(chunks) == 3 and all(chunk.startswith("# T\nword") for chunk in chunks)


def test_batch_keeps_metadata_and_skips_empty_pages() -> None:
    program = """
        local s = text.splitter.recursive({ chunk_size = 10, chunk_overlap = 0 })
        return s:split_batch({ { content = "one two three", metadata = { page = 1 } }, { metadata = { page = 2 } }, { content = "four" } })
    """
    found = check(program)
    assert [chunk["content"] for chunk in found] == ["one two", "three", "four"]
    assert [chunk["metadata"] for chunk in found] == [{"page": 1}, {"page": 1}, found[2]["metadata"]]
    assert not found[2]["metadata"]


def test_splitting_is_linear() -> None:
    begun = time.process_time()
    assert len(split("recursive", "{chunk_size = 100, chunk_overlap = 20}", "word " * 60000)) > 1000
    assert time.process_time() - begun < 3
