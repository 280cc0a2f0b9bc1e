"""Damaged programs: LuaSyntaxError or code that loads, soon; and growth that is not quadratic."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from wippy.lua.compile import compile_chunk
from wippy.lua.syntax.errors import LuaSyntaxError

from .running import loader_refusal

CORPUS = Path(__file__).parents[1] / "lint" / "corpus"
SEED, ROUNDS, BUDGET, SLOWEST = 20_240_517, 4_000, 7.0, 3.0

TOKEN = re.compile(rb"\s+|--[^\n]*|[A-Za-z_]\w*|\d[\w.]*|\"[^\"\n]*\"|::|\.\.\.?|[-=~<>]=|->|\?:|.", re.DOTALL)
WORDS = rb"""
( ) { } [ ] < > >> :: ::x:: : , ; . .. ... ? ?: ! @ @min(1) -> = == ~ # & | -- --[[ ]] [=[ ]=] " ' \ 0x 1e 1e999
if then else elseif end do while repeat until for in function local return break goto nil true not and or
type interface readonly keyof typeof asserts is as extends fun continue global const self
"""
PHRASES = [
    b"local x <close> = 1 ",
    b"goto nowhere ",
    b" :: T ",
    b" as any ",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
]
ODDITIES = [*WORDS.split(), *PHRASES]


def sources() -> list[bytes]:
    return [
        section.partition(b"\n")[2]
        for path in sorted(CORPUS.glob("*.lua"))
        for section in path.read_bytes().split(b"--- name: ")[1:]
    ]


def mutated(source: bytes, chance: random.Random) -> bytes:
    """One to four changes: of tokens mostly, of bytes sometimes."""
    parts = TOKEN.findall(source) if chance.random() < 0.8 else [source[i : i + 1] for i in range(len(source))]
    for _ in range(chance.randint(1, 4)):
        if not parts:
            break
        at, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        kind = chance.randrange(6)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts.insert(at, parts[at])
        elif kind == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3:
            parts.insert(at, chance.choice(ODDITIES))
        elif kind == 4:
            parts[at] = chance.choice(ODDITIES)
        else:
            del parts[min(at, other) : min(at, other) + chance.randint(1, 12)]
    return b"".join(parts)


def test_damaged_programs_are_refused_or_load() -> None:
    chance, originals = random.Random(SEED), sources()
    assert len(originals) >= 200
    ends, refused, accepted = time.perf_counter() + BUDGET, 0, 0
    for _ in range(ROUNDS):
        source = mutated(chance.choice(originals), chance)
        started = time.perf_counter()
        try:
            compile_chunk(source, "app:main")
            complaint = loader_refusal(source)
        except LuaSyntaxError as e:
            assert e.line >= 1 and e.column >= 1, source
            refused += 1
        else:
            assert complaint is None, source
            accepted += 1
        now = time.perf_counter()
        assert now - started < SLOWEST, source
        if now > ends:
            break
    assert refused > 50 and accepted > 10


def test_random_bytes_are_refused() -> None:
    chance = random.Random(SEED)
    for _ in range(300):
        noise = bytes(chance.choices(b"\"'[]=-\n\\(){}:<>.,x1 \x00\xff", k=chance.randint(1, 200)))
        with pytest.raises(LuaSyntaxError):
            compile_chunk(b"local = " + noise, "app:main")


SHAPES: dict[str, Callable[[int], bytes]] = {
    "parentheses": lambda n: b"return " + b"(" * n + b"1" + b")" * n,
    "concatenation": lambda n: b"return " + b".. ".join([b"'a' "] * n),
    "sum": lambda n: b"local x = 1 return x" + b" + x" * n,
    "elseif": lambda n: b"local x = 1 if x then " + b"elseif x then " * n + b"end",
    "unclosed strings": lambda n: b'"a ' * n,
    "unclosed string lines": lambda n: b'x = "\\\n' * n,
    "comments": lambda n: b"-- note\n" * n,
    "block comments": lambda n: b"--[[ note ]] " * n,
    "unclosed block comments": lambda n: b"--[==[ ]=] " * n,
    "long bracket starts": lambda n: b"[=[ " * n,
    "growing long brackets": lambda n: b"[" + b"=" * n,
    "long strings": lambda n: b"x = [=[ ]] ]=] " * n,
    "deep types": lambda n: b"type T = " + b"{" * n + b"any" + b"}" * n,
    "type suffixes": lambda n: b"type T = any" + b"?" * n,
    "array suffixes": lambda n: b"type T = any" + b"[]" * n,
    "generic types": lambda n: b"type T = " + b"A<" * n + b"any" + b">" * n,
    "unions": lambda n: b"type T = any" + b" | string" * n,
    "aliases": lambda n: b"".join(b"type T%d = T%d\n" % (i, i + 1) for i in range(n)),
    "locals of blocks": lambda n: b"do local a, b = 1, 2 end\n" * n,
    "labels": lambda n: b"do goto l ::l:: end " * n,
    "gotos to one label": lambda n: b"local x = 1 do " + b"if x then goto l end " * n + b"::l:: end",
    "functions": lambda n: b"local t = {} " + b"function t.f(a) return a end " * n,
    "chain": lambda n: b"local a = {} a" + b".b:c(1)[2]" * n + b"()",
    "casts": lambda n: b"local x = 1 " + b"x = x as any " * n,
    "table": lambda n: b"return {" + b"{x = 1}, " * n + b"}",
    "arguments": lambda n: b"f(" + b"x, " * n + b"x)",
    "minuses": lambda n: b"return" + b" -" * n + b"1",
    "operators": lambda n: b"+-*/" * n,
    "colons": lambda n: b":" * n,
    "dots": lambda n: b"." * n,
    "escapes": lambda n: b'return "' + b"\\z " * n + b'"',
    "digits": lambda n: b"return " + b"9" * n,
}


def took(source: bytes) -> float:
    started = time.perf_counter()
    with suppress(LuaSyntaxError):
        compile_chunk(source, "app:main")
    return time.perf_counter() - started


@pytest.mark.parametrize("shape", SHAPES)
def test_time_does_not_grow_quadratically(shape: str) -> None:
    """Quadratic growth makes fourfold input sixteen times as slow; what stays within milliseconds is not judged."""
    size = 1_000
    for _ in range(5):
        slow = min(took(SHAPES[shape](4 * size)) for _ in range(3))
        if slow < 0.012:
            size *= 4
            continue
        ratio = slow / min(took(SHAPES[shape](size)) for _ in range(3))
        if ratio < 9:
            return
    assert slow < 0.012, f"4 x {size} took {ratio:.1f} times as long as {size}"
