"""Request/reply between two Pykka actors: the baseline for people who come from threads."""

from __future__ import annotations

import threading
import time
from typing import Any

import pykka


class Chatter(pykka.ThreadingActor):
    """Answers every message to its sender until the rounds are used up."""

    def __init__(self, done: threading.Event) -> None:
        super().__init__()
        self._done = done

    def on_receive(self, message: Any) -> Any:
        if message["i"] == 0:
            self._done.set()
            return
        message["from"].tell({"i": message["i"] - 1, "s": "hello", "from": self.actor_ref})


def messages_per_second(messages: int) -> float:
    """Messages that two actors exchange, one after the other."""
    done = threading.Event()
    ping, pong = Chatter.start(done), Chatter.start(done)
    start = time.perf_counter()
    ping.tell({"i": messages, "s": "hello", "from": pong})
    done.wait()
    elapsed = time.perf_counter() - start
    ping.stop()
    pong.stop()
    return messages / elapsed
