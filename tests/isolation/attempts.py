"""Reads the attempts: `.lua` files in which every attempt begins with a line `--# name: what it tries`.

A line `--@` below it has options, a line `--+ name` starts a further entry `t:name` (with its own options behind it):

    modules=a,b      what the attacker may require, besides funcs, events and time
    libraries=a      libraries it imports (entries of the same attempt)
    chunk            the text is a whole chunk, not the body of main
    spins            it never ends by itself: the neighbour must get on beside it
    ends             the runtime must end it
    keep             it waits for the neighbour and is not asked to finish
    deadline=SECONDS how long to wait for its end (default 1.5; 0.25 for one that spins)
    limit=SECONDS    CPU seconds it may hold the shard for at a time (default 1.5)
    memory=MIB       soft limit of the shard's memory
    pool=N           (further entries) a function with N instances
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = (HERE / "tools.lua").read_text()
PRELUDE = (
    "local tools, time, funcs, events = tools, time, funcs, events "
    "local breach, refused, clean = tools.breach, tools.refused, tools.clean "
)


@dataclass
class Part:
    """One entry of an attempt."""

    name: str
    options: dict[str, str]
    text: str = ""

    def listed(self, option: str) -> list[str]:
        return [name for name in self.options.get(option, "").split(",") if name]


@dataclass
class Attempt:
    name: str
    about: str
    options: dict[str, str] = field(default_factory=dict)
    text: str = ""
    parts: list[Part] = field(default_factory=list)

    def has(self, option: str) -> bool:
        return option in self.options

    def number(self, option: str, default: float) -> float:
        return float(self.options.get(option, default))

    @property
    def code(self) -> str:
        if self.has("chunk"):
            return self.text
        return f"{PRELUDE}return {{ main = function(neighbour, partner) {self.text}\nend }}"


def options_of(line: str) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in line.split())}


def read(path: Path) -> list[Attempt]:
    attempts: list[Attempt] = []
    for line in path.read_text().splitlines(keepends=True):
        if match := re.match(r"--# ([\w-]+): (.*)", line):
            attempts.append(Attempt(match[1], match[2]))
        elif line.startswith("--@ "):
            attempts[-1].options |= options_of(line[4:])
        elif match := re.match(r"--\+ ([\w-]+)(.*)", line):
            attempts[-1].parts.append(Part(match[1], options_of(match[2])))
        elif attempts:
            last = attempts[-1].parts[-1] if attempts[-1].parts else attempts[-1]
            last.text += line
    return attempts


def collect(folder: str) -> dict[str, Attempt]:
    """All attempts of a folder, by name."""
    found = [attempt for path in sorted((HERE / folder).glob("*.lua")) for attempt in read(path)]
    names = [attempt.name for attempt in found]
    assert len(set(names)) == len(names), "two attempts have one name"
    return {attempt.name: attempt for attempt in found}
