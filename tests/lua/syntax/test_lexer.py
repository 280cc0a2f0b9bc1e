import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wippy.lua.compile import compile_chunk
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.expression_parser import POWERS
from wippy.lua.syntax.lexer import tokenize
from wippy.lua.syntax.literals import quote
from wippy.lua.syntax.parser import parse
from wippy.lua.syntax.tokens import KEYWORDS, TYPE_WORDS

from .running import output, run_plain


def literal(source: bytes) -> object:
    tokens = tokenize(source, "app:main")
    return tokens.literals[0]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (rb'"\a\b\f\n\r\t\v\\\"\'"', b"\a\b\f\n\r\t\v\\\"'"),
        (rb"'\x00\xff\65\065\10'", b"\x00\xffAA\n"),
        (rb"'\u{48}\u{20AC}\u{7FFFFFFF}'", "H€".encode() + b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        (b"'a\\\nb\\\r\nc'", b"a\nb\nc"),
        (b"'a\\z \n\t b'", b"ab"),
        (rb"'\d+\.\xZZ\u'", b"d+.xZZu"),
        (b"'\xc3\xa9\x00\x01'", b"\xc3\xa9\x00\x01"),
        (b"[[\nline\r\nother]]", b"line\nother"),
        (b"[==[ ]] ]=] ]==]", b" ]] ]=] "),
        (b"[[\r\n\nx]]", b"\nx"),
    ],
)
def test_string_literal_has_these_bytes(source: bytes, value: bytes) -> None:
    assert literal(source) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (b"0", 0),
        (b"9223372036854775807", 9223372036854775807),
        (b"9223372036854775808", 9223372036854775808.0),
        (b"0000000000000000000000042", 42),
        (b"1" + b"0" * 5000, float("inf")),
        (b"0xff", 255),
        (b"0xffffffffffffffff", -1),
        (b"0x1ffffffffffffffff", -1),
        (b"0x.8p1", 1.0),
        (b"0xA.8", 10.5),
        (b"0x1p99999", float("inf")),
        (b"3.", 3.0),
        (b".5e-3", 0.0005),
        (b"1e400", float("inf")),
    ],
)
def test_number_literal_has_this_value(source: bytes, value: float) -> None:
    found = literal(source)
    assert (found, type(found)) == (value, type(value))


@given(st.binary())
def test_quoted_bytes_survive_lua(value: bytes) -> None:
    quoted = quote(value).encode("latin-1")
    assert b"\n" not in quoted
    assert literal(quoted) == value
    source = b"for i = 1, #%s do out((%s):byte(i)) end" % (quoted, quoted)
    assert output(source) == "\n".join(str(byte) for byte in value)


@given(st.one_of(st.integers(0, 2**70).map(str), st.floats(0, allow_infinity=False).map(repr), st.integers(0).map(hex)))
def test_number_means_the_same_to_lua(spelling: str) -> None:
    program = f"out(math.type({spelling}), ('%q'):format({spelling}))"
    assert output(program) == run_plain(program)


@pytest.mark.parametrize(
    ("source", "position", "message"),
    [
        (b"x = 'abc\ny", (1, 5), "unfinished string"),
        (b'x = "abc', (1, 5), "unfinished string"),
        (b"\n  x = [==[ ]]", (2, 7), "unfinished long string"),
        (b"--[[ \n\n", (1, 1), "unfinished long comment"),
        (b"x = 3abc", (1, 5), "malformed number '3abc'"),
        (b"x = 0x", (1, 5), "malformed number '0x'"),
        (b"x = 1..2", (1, 5), "malformed number '1..2'"),
        (b"x = '\\256'", (1, 5), "decimal escape too large '\\256'"),
        (b"x = '\\u{80000000}'", (1, 5), "UTF-8 value too large"),
        (b"x = $", (1, 5), "invalid token '$'"),
        (b"x = \xe9", (1, 5), "invalid token '\\xE9'"),
        (b"x =\f1", (1, 4), "invalid token '\\x0C'"),
        (b"#!shebang", (1, 1), "expected a statement, found '#'"),
    ],
)
def test_bad_token_is_refused_where_it_begins(source: bytes, position: tuple[int, int], message: str) -> None:
    with pytest.raises(LuaSyntaxError) as caught:
        parse(source, "app:main")
    assert (caught.value.line, caught.value.column, caught.value.message) == (*position, message)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\r"])
def test_every_line_end_counts_once(end: bytes) -> None:
    tokens = tokenize(end.join([b"a", b"--[[", b"]] b", b"'x\\", b"y' [[", b"]] -- c", b"d"]), "app:main")
    assert list(zip(tokens.texts, tokens.lines, tokens.columns, strict=True)) == [
        ("a", 1, 1),
        ("b", 3, 4),
        ('"x\\ny"', 4, 1),
        ('""', 5, 4),
        ("d", 7, 1),
        ("", 7, 2),
    ]


def test_byte_order_mark_is_skipped() -> None:
    assert tokenize(b"\xef\xbb\xbfreturn", "app:main").columns[0] == 1


@pytest.mark.parametrize("source", [b"--[=", b"--[==x\n", b"-- [[", b"--", b"---@param x [[y"])
def test_line_comment_is_not_mistaken_for_a_block(source: bytes) -> None:
    assert len(tokenize(source, "app:main")) == 1


def test_label_is_one_token_only_on_one_line() -> None:
    assert tokenize(b":: \tname\t::", "app:main").kinds == ["LABEL", "EOF"]
    assert tokenize(b"::name\n::", "app:main").kinds == ["::", "NAME", "::", "EOF"]


@given(st.binary(max_size=80))
def test_any_bytes_compile_or_are_refused(source: bytes) -> None:
    try:
        compile_chunk(source, "app:main")
    except LuaSyntaxError as error:
        assert error.line >= 1
        assert error.column >= 1
        error.render()


_words = [
    *(KEYWORDS | TYPE_WORDS | POWERS.keys()),
    *["a", "b", "type", "(", ")", "{", "}", "[", "]", "::", ":", ",", ";", ".", "...", "=", "!", "?", "?:", "@", "->"],
    *["#", "1", "0x1p", "'x'", "[[y]]", "::l::", "--c\n", "\n"],
]


@given(st.lists(st.sampled_from(sorted(_words)), max_size=30))
@settings(max_examples=500)
def test_any_tokens_compile_or_are_refused(words: list[str]) -> None:
    try:
        compile_chunk(" ".join(words).encode(), "app:main")
    except LuaSyntaxError as error:
        error.render()


@pytest.mark.parametrize(
    "source",
    [
        b" " * 1_000_000,
        b"'" + b"\\a" * 500_000,
        b"'" + b"a" * 1_000_000,
        b"[" + b"=" * 1_000_000,
        b"--[" + b"=" * 1_000_000,
        b"[==[" + b"]=" * 500_000,
        b"::" * 300_000,
        b"x = " + b"9" * 1_000_000,
        b"x = 0x" + b"f" * 1_000_000,
        b"x = '\\u{" + b"f" * 1_000_000 + b"}'",
        b"\r" * 1_000_000,
    ],
    ids=range(11),
)
def test_large_tokens_take_linear_time(source: bytes) -> None:
    try:
        compile_chunk(source, "app:main")
    except LuaSyntaxError as error:
        assert len(error.render()) < 1000
