"""Positions of editors, of the front end, and byte offsets."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wippy.lua.analysis.text import Text
from wippy.lua.syntax.lexer import tokenize

LINES = 'local s = "é𝄞x" local t = 1\nreturn s'


def test_a_character_beyond_the_basic_plane_is_two_units() -> None:
    text = Text.of(LINES)
    x = LINES.encode().index(b"x")
    assert text.position(x) == (0, LINES.index("x") + 1)
    assert text.offset(0, LINES.index("x") + 1) == x


def test_the_middle_of_a_surrogate_pair_is_the_whole_character() -> None:
    text = Text.of(LINES)
    start = LINES.encode().index("𝄞".encode())
    units = LINES.index("𝄞")
    assert text.offset(0, units) == text.offset(0, units + 1) == start


@given(st.text(alphabet="aé𝄞\r\n\t", max_size=30), st.integers(0, 200))
def test_positions_and_offsets_agree(content: str, at: int) -> None:
    text = Text.of(content)
    at = min(at, len(content))
    offset = len(content[:at].encode())
    position = text.position(offset)
    if content[max(at - 1, 0) : at + 1] != "\r\n":
        assert text.offset(*position) == offset


@pytest.mark.parametrize(
    ("line", "character", "expected"), [(0, 10_000, 10), (9, 0, 21), (1, -5, 11), (-1, 0, 0), (1, 99, 21)]
)
def test_what_lies_outside_is_moved_inside(line: int, character: int, expected: int) -> None:
    assert Text(b"0123456789\nabcdefghij").offset(line, character) == expected


def test_tokens_are_where_the_lexer_says_behind_a_byte_order_mark_and_odd_line_ends() -> None:
    source = "\ufefflocal a\r\nlocal b\n\rlocal c = [[\r\n]] local d".encode()
    tokens = tokenize(source, "x")
    starts = Text(source).token_starts(tokens)
    named = {tokens.texts[i]: starts[i] for i, kind in enumerate(tokens.kinds) if kind == "NAME"}
    assert named == {name: source.index(b"local " + name.encode()) + 6 for name in "abcd"}


def test_half_a_surrogate_pair_from_a_client_is_replaced() -> None:
    assert Text.of("a\ud800b").source == b"a?b"


def test_positions_of_one_very_long_line_are_cheap() -> None:
    text = Text.of("é𝄞 " * 200_000)
    began = time.perf_counter()
    found = [text.position(offset).character for offset in range(0, len(text.source), 700)]
    assert time.perf_counter() - began < 5
    assert found == list(range(0, 4 * 200_000, 400))
