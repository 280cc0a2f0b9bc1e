"""Random programs of processes against a plain model of spec 03 §2.3, §2.4, §3 and §19."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from apps.actor_model import Model
from apps.actor_puppet import ENDINGS, NAMES, VARIANTS, Operation, puppet
from lua.kernel.driver import Driver, main

# The same programs every time; ACTOR_EXAMPLES=N looks at N random ones instead.
EXAMPLES = int(os.environ.get("ACTOR_EXAMPLES", "0"))
MODULES = ("json",)


class Bench:
    """Puppets on one shard, driven by hand."""

    def __init__(self) -> None:
        self.driver = Driver({"t:puppet": main(puppet("t:host"), modules=MODULES)})
        self.pids: dict[str, str] = {}
        self.labels: dict[str, str] = {"": "", "{|}": ""}
        self._read = 0

    def start(self, label: str) -> None:
        self.driver.start("t:puppet", {"": ""}, label, [])

    def tell(self, label: str, ops: list[Operation]) -> None:
        self.driver.deliver(self.pids[label], "do", {"ops": ops, "known": {"": "", **self.pids}})

    def rest(self) -> dict[str, list[list[Any]]]:
        """What every process noted until all of them wait."""
        self.driver.idle()
        notes: dict[str, list[list[Any]]] = defaultdict(list)
        for level, message, _ in self.driver.logs[self._read :]:
            if level != "info":
                continue
            label, _, *note = json.loads(message)
            notes[label].append(note)
            if note[0] == "born":
                self.pids[label] = note[1]
                self.labels[note[1]] = label
        self._read = len(self.driver.logs)
        return notes


def observed(bench: Bench, notes: list[list[Any]]) -> dict[str, list[tuple[Any, ...]]]:
    """By source: the messages and events in the order in which they were seen."""
    seen: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for what, *rest in notes:
        if what == "mail" and rest[2]:  # number 0: the message that must not have been taken
            topic, sender, n, source = rest
            assert not source or bench.labels[source] == sender
            seen[bench.labels[source]].append((what, topic, sender, n))
        elif what == "event":
            kind, source, detail, _, late = rest
            seen[bench.labels[source]].append((what, kind, detail))
            assert kind == "pid.cancel" or "not found" in late, late
    return seen


def agrees(bench: Bench, answer: bool | str, done: list[Any]) -> bool:
    """Whether what an operation answered is what the model says."""
    _, _, value, text = done
    if isinstance(answer, bool):
        return value is answer and text == ""
    if value:
        return bench.labels.get(value) == answer
    return answer in text


class Actors(RuleBasedStateMachine):
    """Every rule is one operation of one process, run until all processes wait."""

    def __init__(self) -> None:
        super().__init__()
        self.bench, self.model = Bench(), Model()
        self.number = 0

    def fresh(self) -> str:
        return f"p{len(self.model.actors)}"

    def unique(self) -> int:
        self.number += 1
        return self.number

    @initialize()
    def begin(self) -> None:
        for _ in range(3):
            label = self.fresh()
            self.model.start(label)
            self.bench.start(label)
            self.bench.rest()

    def pick(self, number: int) -> str:
        """A process that ever was, later ones included."""
        labels = list(self.model.actors)
        return labels[number % len(labels)]

    def living(self, number: int) -> str | None:
        labels = [label for label, actor in self.model.actors.items() if actor.alive]
        return labels[number % len(labels)] if labels else None

    # The rules ----------------------------------------

    NUMBER = st.integers(0, 1000)
    TARGET = st.one_of(NUMBER, st.sampled_from(NAMES))
    VERB = st.sampled_from(["link", "unlink", "monitor", "unmonitor", "terminate"])
    TEXT = st.sampled_from(["a", "b"])

    def target(self, drawn: int | str) -> str:
        return drawn if isinstance(drawn, str) else self.pick(drawn)

    def operation(self, what: str, drawn: int | str, name: str) -> Operation:
        to = self.target(drawn)
        return {
            "send": lambda: ["send", to, "m", self.unique()],
            "tell": lambda: ["send", to, "t", self.unique()],
            "cancel": lambda: ["cancel", to, f"r{self.unique()}"],
            "register": lambda: ["register", name, to if to in self.model.actors else self.pick(0)],
            "unregister": lambda: ["unregister", name],
            "lookup": lambda: ["lookup", name],
            "trap": lambda: ["trap", True],
            "no trap": lambda: ["trap", False],
            "pause": lambda: ["pause"],
        }.get(what, lambda: [what, to])()

    SMALL = st.sampled_from(
        ["send", "tell", "send", "cancel", "register", "unregister", "lookup", "trap", "no trap", "pause"]
    )
    ANY = st.one_of(SMALL, VERB)
    SCRIPT = st.lists(st.tuples(ANY, TARGET, st.sampled_from(NAMES)), max_size=4)
    ENDING = st.one_of(st.none(), st.tuples(st.sampled_from(sorted(ENDINGS)), TEXT))

    @rule(actor=NUMBER, what=ANY, to=TARGET, name=st.sampled_from(NAMES))
    def operate(self, actor: int, what: str, to: int | str, name: str) -> None:
        self.perform(actor, self.operation(what, to, name))

    @rule(actor=NUMBER, to=NUMBER, verb=VERB)
    def relate(self, actor: int, to: int, verb: str) -> None:
        living = self.living(to)
        if living:
            self.perform(actor, [verb, living])

    @rule(actor=NUMBER, ending=st.sampled_from(sorted(ENDINGS)), text=TEXT)
    def end(self, actor: int, ending: str, text: str) -> None:
        self.perform(actor, [ending, text])

    @rule(actor=NUMBER)
    def upgrade(self, actor: int) -> None:
        self.perform(actor, ["upgrade"])

    @rule(actor=NUMBER, variant=st.sampled_from(VARIANTS), script=SCRIPT, ending=ENDING)
    def spawn(self, actor: int, variant: str, script: list[Any], ending: tuple[str, str] | None) -> None:
        self.perform(actor, ["spawn", variant, self.fresh(), self.script(script, ending)])

    @rule(actor=NUMBER, variant=st.sampled_from(VARIANTS), script=SCRIPT, name=st.sampled_from(NAMES))
    def spawn_named(self, actor: int, variant: str, script: list[Any], name: str) -> None:
        ops = self.script(script, None)
        self.perform(actor, ["spawn_named", variant, self.fresh(), ops, name, self.unique()])

    def script(self, drawn: list[Any], ending: tuple[str, str] | None) -> list[Operation]:
        """Others hear of an end while a script goes on: what causes one comes last."""
        ops = [self.operation(*each) for each in drawn]
        calm = [op for op in ops if op[0] != "terminate"]
        last = [list(ending)] if ending else [op for op in ops if op[0] == "terminate"][:1]
        return calm + last

    # Comparing ----------------------------------------

    def perform(self, number: int, op: Operation) -> None:
        actor = self.living(number)
        if actor is None:
            return
        self.model.step(actor, op)
        self.bench.tell(actor, [op])
        self.compare(self.bench.rest())

    def compare(self, notes: dict[str, list[list[Any]]]) -> None:
        for label, actor in self.model.actors.items():
            noted = notes.get(label, [])
            self.compare_answers(label, actor.alive, [n for n in noted if n[0] == "done"])
            self.compare_observed(label, actor.alive, noted)
        self.compare_names()
        living = sum(actor.alive for actor in self.model.actors.values())
        assert self.bench.driver.shard.live == living

    def compare_answers(self, label: str, alive: bool, done: list[list[Any]]) -> None:
        expected = self.model.answers.get(label, [])
        assert len(done) == len(expected) or (not alive and len(done) <= len(expected)), (label, done, expected)
        for answer, got in zip(expected, done, strict=False):
            assert agrees(self.bench, answer, got), (label, answer, got)

    def compare_observed(self, label: str, alive: bool, noted: list[list[Any]]) -> None:
        expected = self.model.seen.get(label, {})
        seen = observed(self.bench, noted)
        for source in {*expected, *seen}:
            want, got = list(expected.get(source, [])), seen.get(source, [])
            if alive:
                assert by_channel(got) == by_channel(want), (label, source, got, want)
            else:  # it may have died before it read them
                assert all(each in want for each in got), (label, source, got, want)
        exits = [n for n in noted if n[0] == "event" and n[1] == "pid.exit"]
        sources = [self.bench.labels[n[2]] for n in exits]
        if sources and self.model.ended[0] in sources:
            assert sources[0] == self.model.ended[0], "a failure was seen before what had caused it"
        for _, _, source, _, holders, _ in exits:
            assert source not in holders, "a name outlived its process"

    def compare_names(self) -> None:
        for name in NAMES:
            pid = self.bench.driver.lua("local S, name = ... return S.lookup_name(name)", name.encode())
            assert (self.bench.labels[pid.decode()] if pid else None) == self.model.names.get(name)


def by_channel(items: list[tuple[Any, ...]]) -> tuple[list[Any], list[Any], list[Any], bool]:
    """Topics are observed independently (§19.6); no event of an end stands before a message."""
    mail = [[i for i in items if i[:2] == ("mail", topic)] for topic in "mt"]
    events = [i for i in items if i[0] == "event"]
    ends = [k for k, i in enumerate(items) if i[0] == "event" and i[1] != "pid.cancel"]
    late = [k for k, i in enumerate(items) if i[0] == "mail" and ends and k > ends[0]]
    return mail[0], mail[1], events, not late


TestOneAtATime = Actors.TestCase
TestOneAtATime.settings = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
