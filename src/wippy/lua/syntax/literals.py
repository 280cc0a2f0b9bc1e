"""Values of literals, and their spelling in Lua 5.5 (spec 02 §2, §13)."""

from __future__ import annotations

import re

_INT_BITS = 64
_MAX_INT = (1 << 63) - 1
_MAX_INT_DIGITS = 19
_MAX_CODE_POINT = 0x7FFFFFFF

_DECIMAL = re.compile(r"(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?").fullmatch
_HEX_INTEGER = re.compile(r"0[xX][0-9a-fA-F]++").fullmatch
_HEX_FLOAT = re.compile(r"0[xX](?:[0-9a-fA-F]++\.?[0-9a-fA-F]*+|\.[0-9a-fA-F]++)(?:[pP][+-]?[0-9]++)?").fullmatch
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv])|([0-9]{1,3})|x([0-9a-fA-F]{2})|(z[ \t\r\n\f\v]*+)|u\{([0-9a-fA-F]++)\}"
    r"|(\r\n|\n\r|\r|\n)|([\s\S]))"
)
_CONTROL = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_NEWLINES = re.compile(r"\r\n|\n\r|\r|\n")
_UNSAFE = re.compile(r'[\x00-\x1f"\\\x7f]')


class LiteralError(ValueError):
    """A literal that has the form of one but no value."""


def number_value(spelling: str) -> int | float:
    """The value of a number literal: an int in the 64-bit range, or a float.

    Decimal integers that do not fit become floats, hexadecimal ones wrap around.
    """
    if spelling.isdigit():
        if len(spelling) < _MAX_INT_DIGITS:
            return int(spelling)
        digits = spelling.lstrip("0")
        value = int(digits or "0") if len(digits) <= _MAX_INT_DIGITS else _MAX_INT + 1
        return value if value <= _MAX_INT else float(digits)
    if _HEX_INTEGER(spelling):
        value = int(spelling[2:][-16:], 16)
        return value if value <= _MAX_INT else value - (1 << _INT_BITS)
    if _DECIMAL(spelling):
        return float(spelling)
    if _HEX_FLOAT(spelling):
        return _hex_float(spelling)
    raise LiteralError(f"malformed number '{spelling[:40]}'")


def _hex_float(spelling: str) -> float:
    try:
        return float.fromhex(spelling)
    except OverflowError:
        return float("inf")


def short_string_value(spelling: str) -> bytes:
    """The bytes of a quoted string, escapes decoded; an unknown escape is the character itself."""
    return _ESCAPE.sub(_unescape, spelling[1:-1]).encode("latin-1")


def _unescape(match: re.Match[str]) -> str:
    group = match.lastindex
    text = match[group or 0]
    if group == 1:
        return _CONTROL[text]
    if group == 2:
        if int(text) > 255:
            raise LiteralError(f"decimal escape too large '\\{text}'")
        return chr(int(text))
    if group == 3:
        return chr(int(text, 16))
    if group == 4:
        return ""
    if group == 5:
        return _utf8(text)
    return "\n" if group == 6 else text


def _utf8(digits: str) -> str:
    """The UTF-8 bytes (as latin-1 text) of a code point up to 2^31, as Lua's `\\u{}` writes it."""
    significant = digits.lstrip("0")
    code = int(significant or "0", 16) if len(significant) <= 8 else _MAX_CODE_POINT + 1
    if code > _MAX_CODE_POINT:
        raise LiteralError("UTF-8 value too large")
    if code < 0x80:
        return chr(code)
    tail, first_bits = "", 0x3F
    while code > first_bits:
        tail = chr(0x80 | code & 0x3F) + tail
        code >>= 6
        first_bits >>= 1
    return chr((~first_bits << 1) & 0xFF | code) + tail


def long_string_value(spelling: str) -> bytes:
    """The bytes of a long-bracket string: first line end dropped, every line end a single newline."""
    bracket = spelling.index("[", 1) + 1
    body = spelling[bracket:-bracket]
    if "\r" in body:
        body = _NEWLINES.sub("\n", body)
    return body.removeprefix("\n").encode("latin-1")


def quote(value: bytes) -> str:
    """A Lua 5.5 string literal on one line (as latin-1 text) that denotes exactly these bytes."""
    return '"' + _UNSAFE.sub(_escape, value.decode("latin-1")) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return "\\" + character
    return "\\n" if character == "\n" else f"\\{ord(character):03d}"
