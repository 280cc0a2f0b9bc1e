"""`python -m benchmarks [name ...]`: measures every row (or those named), prints a table, writes latest.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from benchmarks import guests, language, outside
from benchmarks.rows import Row

LATEST = Path(__file__).with_name("latest.json")


def main() -> int:
    print(f"{'name':14} {'value':>12} {'unit':11} {'baseline':>20} {'ratio':>8}  target")
    measured: list[Row] = []
    for measure in (guests.rows, language.rows, outside.rows):
        for row in measure():
            measured.append(row)
            mark = "" if row.holds else "  MISSED"
            base = f"{row.baseline} {row.baseline_value:g}"
            print(
                f"{row.name:14} {row.value:12g} {row.unit:11} {base:>20} {row.ratio:8.3f}  {row.target}{mark}",
                flush=True,
            )
    LATEST.write_text(json.dumps([msgspec.to_builtins(r) for r in measured], indent=2) + "\n")
    return 0 if all(r.holds for r in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
