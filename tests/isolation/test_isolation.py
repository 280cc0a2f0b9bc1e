"""Hostile guests beside a neighbour in the same shard, each in an OS process of its own (runner.py), two at a time.

An attempt fails cleanly when it reaches nothing of the host, of the kernel or of another process, holds the
  shard for no
longer than its limit, and leaves its neighbour whole and running. See attempts.py for how attempts are written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .attempts import collect

RUNNER = Path(__file__).parent / "runner.py"
AT_A_TIME = 2
HANGS_AFTER = 40.0
ATTACKS = collect("attacks")
SURVIVALS = collect("survivals")
EVALUATED = collect("evaluated")


def run(folder: str, name: str) -> dict[str, Any]:
    command = [sys.executable, str(RUNNER), folder, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_AFTER, check=False)
    except subprocess.TimeoutExpired:
        return {"breaches": ["the shard hangs"]}
    except OSError:  # the machine could not start a process just now: nothing was attempted yet
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_AFTER, check=False)
    if done.returncode != 0:
        return {"breaches": [f"the OS process ended with {done.returncode}", done.stderr[-2000:]]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Future[dict[str, Any]]]]:
    """The outcomes of the attempts that were selected; all are started when the first is asked for."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = {}
        for item in request.session.items:
            params = getattr(getattr(item, "callspec", None), "params", {})
            for folder, key in (("attacks", "attack"), ("survivals", "survival"), ("evaluated", "evaluated")):
                if key in params and item.path == request.path:
                    running[folder, params[key]] = pool.submit(run, folder, params[key])
        yield running
        for future in running.values():
            future.cancel()


Results = dict[tuple[str, str], "Future[dict[str, Any]]"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_fails_cleanly(attack: str, results: Results) -> None:
    outcome = results["attacks", attack].result()
    assert outcome["breaches"] == [], ATTACKS[attack].about


@pytest.mark.parametrize("survival", SURVIVALS)
def test_terminated_code_never_runs_again(survival: str, results: Results) -> None:
    outcome = results["survivals", survival].result()
    assert outcome["breaches"] == [], SURVIVALS[survival].about


@pytest.mark.parametrize("evaluated", EVALUATED)
def test_evaluated_code_reaches_no_more_than_it_was_given(evaluated: str, results: Results) -> None:
    outcome = results["evaluated", evaluated].result()
    assert outcome["breaches"] == [], EVALUATED[evaluated].about


def test_there_are_enough_attempts() -> None:
    assert len(ATTACKS) >= 90
    assert len(SURVIVALS) >= 24
    assert len(EVALUATED) >= 30
