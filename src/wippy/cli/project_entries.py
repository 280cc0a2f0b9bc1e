"""The entries of the project in the current directory, for verbs that only read: nothing is installed or started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wippy.cli.options import Globals
from wippy.cli.output import warn
from wippy.project.config_files import Layers, load_config
from wippy.project.loader import load_packs, load_project
from wippy.project.lockfile import read_lock
from wippy.project.pipeline import prepare
from wippy.project.problems import raise_errors
from wippy.project.wapp.reader import read_pack
from wippy.registry.state import State


def read_entries(flags: Globals, lock_file: Path, profiles: Sequence[str] = (), settings: Sequence[str] = ()) -> State:
    """What a boot would load, overrides, disables and links applied. Warnings go to stderr unless `--silent`.

    A pack may stand in the place of the lock file: then it is what a run of the pack would load.
    Raises Error(Invalid) when a boot would stop at the files.
    """
    layers = Layers(files=flags.config, profiles=profiles, settings=settings, flags=flags.flag_leaves())
    config = load_config(layers)
    if lock_file.suffix == ".wapp":
        project = load_packs([read_pack(lock_file)])
    else:
        project = load_project(read_lock(lock_file), config)
    raise_errors(project.problems)
    prepared = prepare(project.entries, config)
    if not flags.silent:
        for problem in (*project.problems, *prepared.problems):
            warn(str(problem))
    return State(prepared.entries)
