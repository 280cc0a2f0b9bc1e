"""The flags every verb knows (spec 01 §18), wherever they stand on the line, and flags that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wippy.cli.completing import entry_ids
from wippy.core.errors import Error, invalid

F = TypeVar("F", bound=Callable[..., Any])

CONTROL = Path(".wippy/run/control.sock")
"""Where `wippy run --control` serves and `wippy top` asks, unless they are told another path."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Globals:
    """The values of the global flags of one invocation."""

    def __init__(self) -> None:
        self.config: tuple[Path, ...] = ()
        self.verbose = False
        self.very_verbose = False
        self.console = False
        self.silent = False
        self.event_streams = False
        self.profiler = False
        self.memory_limit: int | None = None
        self.debug = False

    @property
    def has_log_flags(self) -> bool:
        """Whether the user said how to log; commands are silent otherwise."""
        return self.verbose or self.very_verbose or self.console or self.silent

    def flag_leaves(self) -> dict[str, Any]:
        """What the flags put into the configuration (spec 01 §5.1 layer 5)."""
        leaves: dict[str, Any] = {"logmanager.min_level": -1 if self.verbose or self.very_verbose else 0}
        if self.event_streams:
            leaves["logmanager.stream_to_events"] = True
        if self.profiler:
            leaves["profiler.enabled"] = True
        return leaves


def globals_of(context: click.Context) -> Globals:
    return context.find_root().ensure_object(Globals)


def parse_memory(text: str) -> int:
    """`512M`, `1G`, `2GB` in bytes. Raises Error(Invalid)."""
    number = text.upper().removesuffix("B")
    unit = number[-1:] if number[-1:] in ("K", "M", "G", "T") else ""
    digits = number.removesuffix(unit)
    if not digits.isdecimal() or int(digits) == 0:
        raise invalid(f'invalid memory limit "{text}": write a number with K, M, G or T, such as 512M')
    return int(digits) * _UNITS[unit]


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or value == ():
        return
    target, name = globals_of(context), str(parameter.name)
    if name == "memory_limit":
        try:
            value = parse_memory(value)
        except Error as error:
            raise click.BadParameter(error.message, context, parameter) from None
    if name == "config":
        value = (*target.config, *value)
    setattr(target, name, value)


def _flag(*names: str, help: str, **options: Any) -> click.Option:
    return click.Option(names, help=help, expose_value=False, callback=_store, **options)


def global_options() -> list[click.Option]:
    """Fresh option objects, for one command."""
    path = click.Path(path_type=Path)
    return [
        _flag("--config", type=path, multiple=True, metavar="FILE", help="Runtime configuration [.wippy.yaml]."),
        _flag("-v", "--verbose", is_flag=True, help="Log debug messages."),
        _flag("--very-verbose", is_flag=True, help="Log debug messages with stack traces."),
        _flag("-c", "--console", is_flag=True, help="Coloured log lines on stdout."),
        _flag("-s", "--silent", is_flag=True, help="Log nothing."),
        _flag("-e", "--event-streams", is_flag=True, help="Send log messages to the event bus."),
        _flag("-p", "--profiler", is_flag=True, help="Serve a profiler on localhost:6060."),
        _flag("-m", "--memory-limit", metavar="N[K|M|G|T]", help="Memory limit of the process [1G]."),
        _flag("--debug", is_flag=True, help="Show the Python traceback of an error."),
    ]


GLOBAL_NAMES = frozenset(str(option.name) for option in global_options())


class Verb(click.Command):
    """A command that also takes the global flags; its own flags win over global ones of the same name."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params += [option for option in global_options() if not taken.intersection(option.opts)]

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None:
                (own if parameter.expose_value else shared).append(record)
        for title, rows in (("Flags", own), ("Global flags", shared)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def lock_option(function: F) -> F:
    return click.option(
        "-l",
        "--lock-file",
        type=click.Path(path_type=Path),
        default=Path("wippy.lock"),
        show_default=True,
        help="The lock file; paths in it are relative to it.",
    )(function)


def configuration_options(function: F) -> F:
    """`--profile` and `--set`."""
    function = click.option(
        "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a configuration key. Repeatable."
    )(function)
    return click.option("--profile", "profiles", multiple=True, help="Use a profile of the configuration. Repeatable.")(
        function
    )


def host_option(function: F) -> F:
    return click.option(
        "--host",
        metavar="NS:ENTRY",
        help="The terminal host to use when there are several.",
        shell_complete=entry_ids("terminal.host"),
    )(function)


def registry_option(function: F) -> F:
    return click.option(
        "--registry", metavar="URL", help="The hub.  [default: WIPPY_REGISTRY, what you logged in to, hub.wippy.ai]"
    )(function)
