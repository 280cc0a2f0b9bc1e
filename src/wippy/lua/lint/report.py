"""Which findings are shown, and how: text, summary, JSON (spec 02 §8)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wippy.lua.lint.diagnostics import RANK, Diagnostic, render


def in_namespace(entry_id: str, patterns: Sequence[str]) -> bool:
    """Exact namespace, or `p.*` / `p.**`: p and everything below. Without patterns everything."""
    namespace = entry_id.partition(":")[0]
    for pattern in patterns:
        base = pattern.removesuffix(".**").removesuffix(".*")
        if namespace == base or (base != pattern and namespace.startswith(base + ".")):
            return True
    return not patterns


@dataclass(frozen=True, slots=True)
class Filter:
    """`level` is the least severity that counts; `codes` empty means all."""

    level: str = "warning"
    namespaces: Sequence[str] = ()
    codes: frozenset[str] = frozenset()

    def keeps(self, d: Diagnostic) -> bool:
        return (
            RANK[d.severity] <= RANK[self.level]
            and in_namespace(d.entry_id, self.namespaces)
            and (not self.codes or d.code.upper() in self.codes)
        )


@dataclass(slots=True)
class Report:
    """The findings that count, in order, of `total` checked entries."""

    findings: list[Diagnostic] = field(default_factory=list)
    total: int = 0

    @classmethod
    def of(cls, found: Iterable[Diagnostic], total: int, wanted: Filter) -> Report:
        return cls(sorted((d for d in found if wanted.keeps(d)), key=Diagnostic.sort_key), total)

    def count(self, severity: str) -> int:
        return sum(d.severity == severity for d in self.findings)

    def failure(self) -> str | None:
        """The closing error, when there are errors."""
        errors = self.count("error")
        return f"lint failed: {errors} errors, {self.count('warning')} warnings" if errors else None

    def text(self, sources: Mapping[str, bytes], limit: int = 0, colour: bool = False) -> str:
        shown = self.findings[:limit] if limit else self.findings
        blocks = [render(d, sources.get(d.entry_id, b""), colour) for d in shown]
        return "\n\n".join([*blocks, self._closing()])

    def _closing(self) -> str:
        if not self.findings:
            return f"No issues found\nChecked {self.total} entries"
        parts = [(self.count("error"), "errors"), (self.count("warning"), "warnings"), (self.count("hint"), "hints")]
        return f"Checked {self.total} entries: {', '.join(f'{n} {word}' for n, word in parts if n)}"

    def summary(self) -> str:
        """Counts by namespace and by code, most first."""
        lines = ["By namespace:"]
        namespaces = Counter(d.entry_id.partition(":")[0] for d in self.findings)
        for name, n in namespaces.most_common():
            own = [d for d in self.findings if d.entry_id.partition(":")[0] == name]
            errors, warnings = sum(d.severity == "error" for d in own), sum(d.severity == "warning" for d in own)
            lines.append(f"  {name}   {n} issues ({errors} errors, {warnings} warnings)")
        lines += ["", "By error code:"]
        severities = {d.code: d.severity for d in self.findings}
        for code, n in Counter(d.code for d in self.findings).most_common():
            lines.append(f"  {code}    [{severities[code]:7}]    {n} occurrences")
        return "\n".join([*lines, "", self._closing()])

    def json(self, limit: int = 0) -> str:
        """One object on one line."""
        shown = self.findings[:limit] if limit else self.findings
        rows: list[dict[str, Any]] = [
            {
                "entry_id": d.entry_id,
                "code": d.code,
                "severity": d.severity,
                "message": d.message,
                "line": d.line,
                "column": d.column,
            }
            for d in shown
        ]
        return json.dumps(
            {
                "diagnostics": rows or None,
                "total_entries": self.total,
                "error_count": self.count("error"),
                "warning_count": self.count("warning"),
                "hint_count": self.count("hint"),
            },
            ensure_ascii=False,
        )
