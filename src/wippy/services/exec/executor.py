"""What an entry of an `exec.*` kind is at run time: where commands go, and what they get."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wippy.services.exec.child import Child, Program
from wippy.services.exec.command import Command, prepare
from wippy.services.stream.descriptors import Owner

Run = Callable[[Command, Owner], Program]


class Executor:
    """`whitelist`: command lines it accepts, all when empty. `run` makes the program of a command."""

    def __init__(self, directory: str, environment: Mapping[str, str], whitelist: list[str], run: Run) -> None:
        self._directory = directory
        self._environment = environment
        self._whitelist = whitelist
        self._run = run

    def child(self, line: str, directory: str, environment: Mapping[str, str], owner: Owner) -> Child:
        """A child that is not started yet. Raises Error(Invalid), Error(Internal) for a line that is not allowed."""
        command = prepare(line, self._whitelist, directory or self._directory, self._environment, environment)
        return Child(self._run(command, owner))
