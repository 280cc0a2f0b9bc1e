"""`wippy lsp`: the language server over stdin and stdout."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from wippy.cli.logging import configure_logging
from wippy.cli.options import Verb, configuration_options, globals_of, lock_option


@click.command(cls=Verb)
@lock_option
@configuration_options
@click.pass_context
def lsp(context: click.Context, lock_file: Path, profiles: tuple[str, ...], settings: tuple[str, ...]) -> int:
    """Serve the language server protocol on stdin and stdout.

    For editors that start their language server. It knows the project in the current directory from its files; nothing
    of it runs. Its documents are the source files (file://...) and entries (wippy://namespace:name). A runtime that
    runs serves the same over TCP with lsp.enabled.

    \b
    Examples:
      wippy lsp
      wippy lsp --profile dev
    """
    from wippy.cli.project_entries import read_entries
    from wippy.project.settings import LSP_MAX_MESSAGE_BYTES
    from wippy.services.lsp.stdio import serve

    flags = globals_of(context)
    configure_logging(silent=not flags.has_log_flags)
    return asyncio.run(serve(lambda: read_entries(flags, lock_file, profiles, settings), LSP_MAX_MESSAGE_BYTES.default))
