"""From what the files say to what the registry loads: override, disable, link, override (spec 01 §7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wippy.project.config import Config
from wippy.project.definitions import Definitions, deduplicate
from wippy.project.linking import link
from wippy.project.shaping import disable, override
from wippy.registry.entry import Entry


class Excluded(NamedTuple):
    """What a pack leaves out besides what the configuration disables: patterns of namespaces and of entries."""

    namespaces: Sequence[str] = ()
    entries: Sequence[str] = ()


NOTHING = Excluded()


def prepare(
    entries: Sequence[Entry], config: Config, *, strict: bool = False, excluded: Excluded = NOTHING
) -> Definitions:
    """The entries to load, and warnings about requirements and duplicates.

    Overrides run before linking and again after it, so an override of an injected field wins; an override of an entry
    that was disabled is no error. Raises Error(Invalid) when a stage fails; with `strict` open requirements do too.
    """
    values = config.section("override")
    changed = override(entries, values)
    kept = disable(
        disable(changed, excluded.namespaces, excluded.entries),
        config.texts("disable.namespaces"),
        config.texts("disable.entries"),
        config.section("disable.meta"),
    )
    linked, problems = link(kept, strict=strict)
    gone = {entry.id for entry in changed} - {entry.id for entry in kept}
    prepared = Definitions(override(linked, values, gone), problems)
    deduplicate(prepared)
    return prepared
