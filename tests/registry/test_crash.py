"""A runtime that is killed while it changes: the next start is at the version before or after, never between."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from registry.crashing import expected, opened

APPLIES = 200
CRASHES = int(os.environ.get("CRASHES", "12"))
PROGRAM = Path(__file__).with_name("crashing.py")


def killed(path: Path, dice: random.Random) -> tuple[int, int]:
    """Runs applies and kills them at a random moment: the last number announced, and the last that was done."""
    process = subprocess.Popen([sys.executable, str(PROGRAM), str(path), str(APPLIES)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    time.sleep(dice.uniform(0, 0.2 * APPLIES / CRASHES * 0.05))
    process.kill()
    begun = done = 0
    for line in process.stdout.read().decode().splitlines():
        word, number = line.split()
        begun, done = (int(number), done) if word == "apply" else (begun, int(number))
    process.stdout.close()
    process.wait()
    return begun, done


async def version_of(path: Path) -> int:
    """The version that a start finds, once everything about it was looked at."""
    registry = await opened(path)
    version = registry.version.id
    assert dict(registry.state) == expected(version)
    assert [known.id for known in registry.history.versions()] == list(range(version + 1))
    for earlier in {0, version // 2, max(version - 1, 0)}:
        assert dict(await registry.snapshot_at(earlier)) == expected(earlier)
    await registry.close()
    return version


def test_kill_at_random_moments_leaves_the_version_before_or_after(tmp_path: Path) -> None:
    """CRASHES=200 (`make crash`) kills that often; a history that reached its last apply begins anew."""
    dice, path, before = random.Random(7), tmp_path / "0.db", 0
    for crash in range(CRASHES):
        begun, done = killed(path, dice)
        version = asyncio.run(version_of(path))
        assert max(before, done) <= version <= max(before + 1, begun), (before, begun, done, version)
        before = version
        if version == APPLIES:
            path, before = tmp_path / f"{crash + 1}.db", 0
    print(f"{CRASHES} crashes, at version {before} of {APPLIES}")
