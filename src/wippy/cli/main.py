"""The command line: `wippy <verb>` (spec 01 §18). Errors are one line on stderr and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from wippy.cli.lazy import LazyGroup
from wippy.cli.options import Globals
from wippy.core.errors import Error

BANNER = "wippy: an actor runtime for applications that agents help to write"

COMPLETING = "_WIPPY_COMPLETE"
"""Set by a shell that wants to know how a line may go on."""

VERBS = {
    "init": ("wippy.cli.init:init", "Make wippy.lock, or change its directories."),
    "run": ("wippy.cli.run:run", "Run the application, a command of it, or one process."),
    "test": ("wippy.cli.test:test", "Run the tests of the application, a pack or a module."),
    "pack": ("wippy.cli.pack:pack", "Put the application into one file."),
    "lint": ("wippy.cli.lint:lint", "Check the Lua entries of the project."),
    "registry": ("wippy.cli.registry:registry", "Look at the entries of the project."),
    "add": ("wippy.cli.modules:add", "Record modules in the lock file."),
    "install": ("wippy.cli.modules:install", "Download the modules of the lock file."),
    "update": ("wippy.cli.modules:update", "Resolve the modules of the project anew."),
    "remove": ("wippy.cli.modules:remove", "Take modules out of the project."),
    "search": ("wippy.cli.search:search", "Find modules on a hub."),
    "show": ("wippy.cli.search:show", "Print what a hub knows of a module."),
    "readme": ("wippy.cli.search:readme", "Print the readme of a module."),
    "publish": ("wippy.cli.publish:publish", "Publish a module on a hub."),
    "auth": ("wippy.cli.auth:auth", "Log in to a hub, and out of it."),
    "hub": ("wippy.cli.hub:hub", "Run a hub of your own."),
    "lsp": ("wippy.cli.lsp:lsp", "Serve the language server protocol to an editor."),
    "schema": ("wippy.cli.schema:schema", "Print JSON Schema for editors."),
    "top": ("wippy.cli.top:top", "Show what a running node is doing."),
    "completion": ("wippy.cli.completion:completion", "Print the completion script of a shell."),
    "version": ("wippy.cli.version:version", "Print the version."),
}


@click.command(
    cls=LazyGroup,
    verbs=VERBS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def wippy(context: click.Context) -> None:
    """Run, look at and build applications made of registry entries.

    \b
    Examples:
      wippy init
      wippy run
      wippy registry list --kind 'http.*'
    """
    if context.invoked_subcommand is None:
        click.echo(f"{BANNER}\n")
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `wippy` program. Does not return: exits 0, 1, or with the code a verb asks for."""
    flags = Globals()
    if COMPLETING in os.environ:
        from wippy.cli.completion import answer

        answer(flags)
    try:
        code = wippy.main(
            args=list(sys.argv[1:] if arguments is None else arguments),
            prog_name="wippy",
            standalone_mode=False,
            obj=flags,
        )
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has gone: nothing more can be said
        sys.exit(1)
    except Exception as error:
        if flags.debug:
            import traceback

            traceback.print_exc()
        _report(error, flags)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception, flags: Globals) -> None:
    message = _message(error)
    if flags.console:
        click.secho(message, fg="red", err=True)
    else:
        click.echo(f"Error: {message}", err=True)


def _message(error: Exception) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message()}\nTry '{error.ctx.command_path} --help'."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, click.Abort):
        return "aborted"
    if isinstance(error, (Error, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error} (run with --debug for the traceback)"


if __name__ == "__main__":
    main()
