"""`python -m benchmarks [GROUP ...]`: measures every row and writes latest.json; or only the groups named (guests,
actors, language, editors, registry, outside)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from benchmarks import actors, editors, guests, language, live, outside
from benchmarks.rows import Row

LATEST = Path(__file__).with_name("latest.json")


GROUPS = {
    "guests": guests.rows,
    "actors": actors.rows,
    "language": language.rows,
    "editors": editors.rows,
    "registry": live.rows,
    "outside": outside.rows,
}


def main(names: list[str]) -> int:
    print(f"{'name':14} {'value':>12} {'unit':11} {'baseline':>20} {'ratio':>8}  target")
    measured: list[Row] = []
    for name in names or GROUPS:
        for row in GROUPS[name]():
            measured.append(row)
            mark = "" if row.holds else "  MISSED"
            base = f"{row.baseline} {row.baseline_value:g}"
            print(
                f"{row.name:14} {row.value:12g} {row.unit:11} {base:>20} {row.ratio:8.3f}  {row.target}{mark}",
                flush=True,
            )
    if not names:
        LATEST.write_text(json.dumps([msgspec.to_builtins(r) for r in measured], indent=2) + "\n")
    return 0 if all(r.holds for r in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
