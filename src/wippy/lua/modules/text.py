"""Guest module `text` (spec 04b §7): regular expressions, differences, splitters.

What guests hold (text.lua) is a pattern or a set of options, no object of the host: nothing has to be closed. Compiled
expressions are cached by pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wippy.core.errors import invalid
from wippy.lua.bindings import Many
from wippy.lua.modules import text_diff, text_regexp
from wippy.lua.modules.declare import Module
from wippy.lua.modules.text_markdown import Markdown
from wippy.lua.modules.text_splitter import SEPARATORS, Recursive

MOST_CHUNK = 10_000_000

text = Module(
    "text",
    "Regular expressions (RE2), differences between texts, splitting texts into chunks.",
    classes=("deterministic",),
    source=Path(__file__).with_suffix(".lua"),
)

text.in_lua(
    {
        "regexp.compile(pattern: string) -> Regexp": "A regular expression (RE2). Invalid for a bad one.",
        "diff.new(options: table?) -> Differ": "A differ; options `diff_timeout` (1.0 s), `diff_edit_cost`, "
        "`match_threshold`, `match_distance`, `patch_delete_threshold`, `patch_margin`.",
        "splitter.recursive(options: table?) -> Splitter": "Splits at separators; options `chunk_size` (512), "
        "`chunk_overlap` (100), `keep_separator` (false), `separators`.",
        "splitter.markdown(options: table?) -> Splitter": "Follows headings, lists, tables; options `chunk_size`, "
        "`chunk_overlap`, `code_blocks`, `reference_links`, `heading_hierarchy`, `join_table_rows`, `separators`.",
    },
    handles={
        "Regexp": {
            "match_string(s: string) -> boolean": "Whether it matches somewhere.",
            "find_string(s: string) -> string?": "The first match; nil when there is none or it is empty.",
            "find_all_string(s: string) -> {string}": "All matches.",
            "find_string_submatch(s: string) -> {string}?": "The first match and its groups.",
            "find_all_string_submatch(s: string) -> {{string}}": "All matches with their groups.",
            "find_string_index(s: string) -> {integer}?": "First and last byte of the first match, from 1.",
            "find_all_string_index(s: string) -> {{integer}}?": "The same for all matches; nil when there is none.",
            "replace_all_string(s: string, replacement: string) -> string": "`$1`, `${name}` and `$$` are expanded.",
            "split(s: string, n: integer?) -> {string}": "The parts between matches; at most `n` when it is positive.",
            "num_subexp() -> integer": "How many groups it has.",
            "subexp_names() -> {string}": 'Names of the groups, first `""` for the whole match.',
            "string() -> string": "The pattern.",
        },
        "Differ": {
            "compare(a: string, b: string) -> {{operation: string, text: string}}": "equal, delete, insert. (yields)",
            "summarize(diffs: table) -> {insertions: integer, deletions: integer, equals: integer}": "Bytes of each.",
            "pretty_text(diffs: table) -> string": "With ANSI colours.",
            "pretty_html(diffs: table) -> string": "With `<ins>` and `<del>`.",
            "patch_make(a: string, b: string) -> {{text: string}}": "Patches in unified notation. (yields)",
            "patch_apply(patches: table, text: string) -> (string, boolean)": (
                "The patched text, and whether all patches were applied. (yields)"
            ),
        },
        "Splitter": {
            "split_text(text: string) -> {string}": "The chunks.",
            "split_batch(pages: {{content: string, metadata: table?}}) -> {{content: string, metadata: table}}": (
                "The chunks of several pages, each with the metadata of its page."
            ),
        },
    },
)

# Regular expressions ------------------------------------------------------------------------------------------------

text.function("re.names(pattern: bytes) -> table", private=True)(text_regexp.names)
text.function("re.matches(pattern: bytes, subject: bytes) -> boolean", private=True)(text_regexp.matches)
text.function("re.find(pattern: bytes, subject: bytes) -> table", private=True)(text_regexp.find)
text.function("re.find_all(pattern: bytes, subject: bytes) -> table", private=True)(text_regexp.find_all)
text.function("re.split(pattern: bytes, subject: bytes, count: integer) -> table", private=True)(text_regexp.split)
text.function("re.replace_all(pattern: bytes, subject: bytes, replacement: bytes) -> bytes", private=True)(
    text_regexp.replace_all
)

# Differences --------------------------------------------------------------------------------------------------------

text.function("df.compare(options: any, a: string, b: string) -> table", yields=True, private=True)(text_diff.compare)
text.function("df.make(options: any, a: string, b: string) -> table", yields=True, private=True)(text_diff.patch_make)


@text.function("df.apply(options: any, patches: table, text: string) -> table", yields=True, private=True)
async def patch_apply(options: Any, patches: Any, original: str) -> Many:
    """The patched text, and whether all patches were applied."""
    notes = [patch.get("text") if isinstance(patch, Mapping) else patch for patch in _list(patches)]
    if not all(isinstance(note, str) for note in notes):
        raise invalid("error: patches must be tables with a text")
    return Many(await text_diff.patch_apply(options, [str(note) for note in notes], original))


# Splitters ----------------------------------------------------------------------------------------------------------


@text.function("cut(kind: string, options: any, text: string) -> table", private=True)
def cut(kind: str, options: Any, original: str) -> list[str]:
    """The chunks of a text."""
    given = options if isinstance(options, Mapping) else {}
    size = _count(given.get("chunk_size"), 512, least=1)
    overlap = min(_count(given.get("chunk_overlap"), 100, least=0), size)
    separators = tuple(str(s) for s in _list(given.get("separators"))) or SEPARATORS
    flags = {name: given.get(name) is True for name in _FLAGS[kind]}
    splitter = (Recursive if kind == "recursive" else Markdown)(size, overlap, separators=separators, **flags)
    return splitter.split(original)


_FLAGS = {
    "recursive": ("keep_separator",),
    "markdown": ("code_blocks", "reference_links", "heading_hierarchy", "join_table_rows"),
}


def _count(value: Any, default: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= MOST_CHUNK:
        return default
    return int(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
