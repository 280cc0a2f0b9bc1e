"""Spec 03 §2.3, §3 and §19 in plain Python: what processes observe when one operation at a time runs to rest."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from apps.actor_puppet import CANCEL, ENDINGS, EXIT, LINK_DOWN, LINKED, TERMINATED, Operation

# What an operation answers: True, False, the label of a process, or a piece of the text of its error.
Answer = bool | str


@dataclass
class Actor:
    label: str
    alive: bool = True
    trap: bool = False
    links: set[str] = field(default_factory=set)
    watching: set[str] = field(default_factory=set)
    outcome: str = ""


class Model:
    """`step` performs one operation. Afterwards `answers`, `seen` and `ended` say what that step has to show.

    seen: observer -> source -> what it observes of it, in order. ended: who died, the first one first.
    """

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}
        self.names: dict[str, str] = {}
        self._clear()

    def _clear(self) -> None:
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.seen: dict[str, dict[str, list[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(list))
        self.ended: list[str] = []
        self.born: list[str] = []

    def start(self, label: str) -> None:
        """A process that the host starts."""
        self._clear()
        self._new(label)

    def step(self, label: str, op: Operation) -> None:
        self._clear()
        self._perform(self.actors[label], op)

    # One operation ----------------------------------------

    def _perform(self, me: Actor, op: Operation) -> None:
        name, *args = op
        if name in ENDINGS:
            self._die(me, ENDINGS[name].format(*args))
            return
        answer = getattr(self, "_" + name)(me, *args)
        if answer is not None:
            self.answers[me.label].append(answer)

    def _script(self, child: Actor, ops: list[Operation]) -> None:
        for op in ops:
            if child.alive:
                self._perform(child, op)

    def _new(self, label: str) -> Actor:
        actor = Actor(label)
        self.actors[label] = actor
        self.born.append(label)
        return actor

    def _spawn(self, me: Actor, variant: str, label: str, ops: list[Operation]) -> Answer:
        child = self._new(label)
        if "linked" in variant:
            me.links.add(label)
            child.links.add(me.label)
        if "monitored" in variant:
            me.watching.add(label)
        self._script(child, ops)
        return label

    def _spawn_named(self, me: Actor, variant: str, label: str, ops: list[Operation], name: str, n: int) -> Answer:
        holder = self.names.get(name)
        if holder is None:
            self.names[name] = label
            self._spawn(me, variant, label, ops)
        for topic in ("m", "t"):
            self._observe(holder or label, "", ("mail", topic, me.label, n))
        return holder or label

    def _find(self, to: str) -> Actor | None:
        actor = self.actors.get(self.names.get(to, to))
        return actor if actor and actor.alive else None

    def _send(self, me: Actor, to: str, topic: str, n: int) -> Answer:
        found = self._find(to)
        if not found:
            return "not found" if to in self.actors else f"could not resolve '{to}'"
        self._observe(found.label, me.label, ("mail", topic, me.label, n))
        return True

    def _cancel(self, me: Actor, to: str, reason: str) -> Answer:
        found = self._find(to)
        if not found:
            return "cancel failed"
        self._observe(found.label, me.label, ("event", CANCEL, reason))
        return True

    def _terminate(self, me: Actor, to: str) -> Answer:
        found = self._find(to)
        if not found:
            return "terminate failed"
        self._die(found, TERMINATED)
        return True

    def _monitor(self, me: Actor, to: str) -> Answer:
        found = self._find(to)
        if found and found.label in me.watching:
            return "already monitoring pid"
        if not found:
            return "pid not registered" if to in self.actors else "could not resolve"
        me.watching.add(found.label)
        return True

    def _unmonitor(self, me: Actor, to: str) -> Answer:
        me.watching.discard(self.names.get(to, to))
        return True

    def _link(self, me: Actor, to: str) -> Answer:
        found = self._find(to)
        if not found:
            return "pid not registered" if to in self.actors else "could not resolve"
        me.links.add(found.label)
        found.links.add(me.label)
        return True

    def _unlink(self, me: Actor, to: str) -> Answer:
        label = self.names.get(to, to)
        me.links.discard(label)
        if label in self.actors:
            self.actors[label].links.discard(me.label)
        return True

    def _trap(self, me: Actor, on: bool) -> Answer:
        me.trap = on
        return True

    def _register(self, me: Actor, name: str, to: str) -> Answer:
        if not self.actors[to].alive:
            return "process not found" if name not in self.names else "name already registered"
        if self.names.setdefault(name, to) != to:
            return "name already registered"
        return True

    def _unregister(self, me: Actor, name: str) -> Answer:
        return self.names.pop(name, None) is not None

    def _lookup(self, me: Actor, name: str) -> Answer:
        return self.names.get(name, "name not registered")

    def _pause(self, me: Actor) -> Answer:
        return True

    def _upgrade(self, me: Actor) -> None:
        self.born.append(me.label)

    # Ends ----------------------------------------

    def _observe(self, observer: str, source: str, what: tuple[Any, ...]) -> None:
        self.seen[observer][source].append(what)

    def _die(self, first: Actor, outcome: str) -> None:
        """Names go, then watchers hear of it, then linked peers; those that do not trap die in turn (§2.3, §19.13)."""
        failing = deque([(first, outcome)])
        while failing:
            dead, outcome = failing.popleft()
            if not dead.alive:
                continue
            dead.alive, dead.outcome = False, outcome
            self.ended.append(dead.label)
            self.names = {name: holder for name, holder in self.names.items() if holder != dead.label}
            for other in self.actors.values():
                if dead.label in other.watching:
                    other.watching.discard(dead.label)
                    self._observe(other.label, dead.label, ("event", EXIT, outcome))
                if dead.label not in other.links:
                    continue
                other.links.discard(dead.label)
                if outcome.startswith("E:") and other.trap:
                    self._observe(other.label, dead.label, ("event", LINK_DOWN, outcome))
                elif outcome.startswith("E:"):
                    failing.append((other, LINKED))
