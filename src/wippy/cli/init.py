"""`wippy init`: make the lock file."""

from __future__ import annotations

from pathlib import Path

import click

from wippy.cli.options import Verb, lock_option
from wippy.project.lockfile import Directories, Lock, read_lock


@click.command(cls=Verb)
@click.option("-d", "--src-dir", metavar="DIR", help="Where the project's own entries are.  [default: ./src]")
@click.option("--modules-dir", metavar="DIR", help="Where modules are installed.  [default: .wippy]")
@lock_option
def init(src_dir: str | None, modules_dir: str | None, lock_file: Path) -> None:
    """Make wippy.lock, or change the directories in an existing one.

    Modules and options of an existing lock are kept, and so are directories that no flag names. No directory is
    created.

    \b
    Examples:
      wippy init
      wippy init --src-dir ./app --modules-dir ./vendor
    """
    lock = read_lock(lock_file) or Lock(lock_file)
    lock.directories = Directories(modules_dir or lock.directories.modules, src_dir or lock.directories.src)
    lock.write()
    click.echo(f"Wrote {lock_file} (src: {lock.directories.src}, modules: {lock.directories.modules})")
