"""Asks a control socket (server.py)."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from wippy.core.errors import Error, unavailable

PATIENCE = 10.0  # seconds that an answer may take


class Control:
    """A connection. Raises Error(Unavailable) when there is no runtime, or it has gone."""

    def __init__(self, path: Path, patience: float | None = PATIENCE) -> None:
        """patience: seconds that an answer may take; None for no limit."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(os.fspath(path))
        except OSError as e:
            self._socket.close()
            raise unavailable(
                f"no runtime serves {path} ({e.strerror or e}): start it with `wippy run --control`"
            ) from None
        self._socket.settimeout(patience)
        self._lines = self._socket.makefile("rb")

    def ask(self, get: str, **options: Any) -> Any:
        """The answer to a request. Raises the runtime's Error."""
        try:
            self._socket.sendall(json.dumps({"get": get, **options}).encode() + b"\n")
            line = self._lines.readline()
        except ConnectionError:
            line = b""
        except OSError as e:
            raise unavailable(f"the runtime does not answer: {e}") from None
        if not line.endswith(b"\n"):
            raise unavailable("the runtime has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise Error(answer["error"]["kind"], answer["error"]["message"], False)
        return answer["ok"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
