"""Differences of the guest module `text` (spec 04b §7.2), on Google's diff-match-patch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from wippy.core.errors import invalid

LONGEST = 1 << 20
"""Characters a text may have: differences of larger ones take minutes."""

_SETTINGS = {
    "diff_timeout": ("Diff_Timeout", 1.0),
    "diff_edit_cost": ("Diff_EditCost", 4),
    "match_threshold": ("Match_Threshold", 0.5),
    "match_distance": ("Match_Distance", 1000),
    "patch_delete_threshold": ("Patch_DeleteThreshold", 0.5),
    "patch_margin": ("Patch_Margin", 4),
}
_OPERATIONS = {0: "equal", -1: "delete", 1: "insert"}


def _engine(options: Any) -> Any:
    from diff_match_patch import diff_match_patch

    engine = diff_match_patch()
    given = options if isinstance(options, Mapping) else {}
    for name, (attribute, default) in _SETTINGS.items():
        value = given.get(name)
        setattr(
            engine, attribute, value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
        )
    for attribute in ("Diff_EditCost", "Match_Distance", "Patch_Margin"):
        setattr(engine, attribute, int(getattr(engine, attribute)))
    engine.Diff_Timeout = min(max(engine.Diff_Timeout, 0.001), 10.0)
    return engine


def _bounded(*texts: str) -> None:
    if any(len(text) > LONGEST for text in texts):
        raise invalid(f"text is too long (limit {LONGEST} characters)")


async def compare(options: Any, a: str, b: str) -> list[dict[str, str]]:
    """What turns `a` into `b`. Runs in a thread."""
    _bounded(a, b)
    diffs = await asyncio.to_thread(_engine(options).diff_main, a, b)
    return [{"operation": _OPERATIONS[operation], "text": text} for operation, text in diffs]


async def patch_make(options: Any, a: str, b: str) -> list[dict[str, str]]:
    """Patches in unified notation. Runs in a thread."""
    _bounded(a, b)
    patches = await asyncio.to_thread(_engine(options).patch_make, a, b)
    try:
        return [{"text": str(patch)} for patch in patches]
    except UnicodeEncodeError:
        raise invalid("patches need texts in UTF-8") from None


async def patch_apply(options: Any, patches: list[str], text: str) -> tuple[str, bool]:
    """`text` with the patches applied, and whether all of them could be. Raises Error(Invalid) for a bad patch."""
    _bounded(text, *patches)
    engine = _engine(options)
    try:
        parsed = engine.patch_fromText("".join(patches))
    except (ValueError, IndexError, KeyError) as e:
        raise invalid(f"error parsing patch: {e}") from None
    result, applied = await asyncio.to_thread(engine.patch_apply, parsed, text)
    return str(result), all(applied)
