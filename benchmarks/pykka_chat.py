"""Request/reply between two Pykka actors: the baseline for people who come from threads."""

from __future__ import annotations

import time
from typing import Any

import pykka


class Pong(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return message


class Ping(pykka.ThreadingActor):
    def __init__(self, peer: Any) -> None:
        super().__init__()
        self._peer = peer

    def chat(self, rounds: int) -> float:
        """Seconds that `rounds` requests and their replies take."""
        start = time.perf_counter()
        for i in range(rounds):
            self._peer.ask({"i": i, "s": "hello"})
        return time.perf_counter() - start


def messages_per_second(rounds: int) -> float:
    pong = Pong.start()
    ping = Ping.start(pong)
    elapsed: float = ping.proxy().chat(rounds).get()
    ping.stop()
    pong.stop()
    return 2 * rounds / elapsed
