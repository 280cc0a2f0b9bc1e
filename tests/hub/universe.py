"""Modules and versions that exist only in a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wippy.hub.resolver import Release, Resolution, Wish, solve

Universe = Mapping[str, Mapping[str, Mapping[str, str]]]
"""module -> version -> {module it depends on: constraint}"""


class Made:
    """A `Source` over a universe."""

    def __init__(self, universe: Universe, yanked: Iterable[str] = (), labels: Mapping[str, str] | None = None) -> None:
        self._universe = universe
        self._yanked = set(yanked)
        self._labels = dict(labels or {})
        self.asked: list[str] = []

    def known(self, module: str) -> Sequence[Release]:
        return [
            Release(
                module,
                version,
                yanked=f"{module} {version}" in self._yanked,
                labels=tuple(label for label, named in self._labels.items() if named == f"{module} {version}"),
            )
            for version in self._universe.get(module, {})
        ]

    def needs(self, release: Release) -> Sequence[tuple[str, str]]:
        return list(self._universe[release.module][release.version].items())

    async def releases(self, module: str) -> Sequence[Release]:
        self.asked.append(module)
        return self.known(module)

    async def dependencies(self, release: Release) -> Sequence[tuple[str, str]]:
        return self.needs(release)


def wishes(**wanted: str) -> list[Wish]:
    """`wishes(a="^1")`: the application wants module `t/a`."""
    return [Wish(f"t/{name}", text, f"app:{name}") for name, text in wanted.items()]


def solved(made: Made, wanted: Sequence[Wish], preferred: Mapping[str, str] | None = None) -> dict[str, str]:
    return versions(solve(wanted, made.known, made.needs, preferred or {}))


def versions(resolution: Resolution) -> dict[str, str]:
    return {name.removeprefix("t/"): release.version for name, release in resolution.releases.items()}
