"""Which version of which module: one for each, that everybody who wants the module can live with (spec 01 §16.2).

The search itself is `resolvelib`'s, with backtracking. It runs in a thread: it may take long, and it asks for versions
as it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import msgspec

from wippy.core.errors import NOT_FOUND, Error, conflict, invalid
from wippy.core.semver import Constraint, Version, is_version, select

DEEPEST = 10
MOST_MODULES = 200
MOST_STEPS = 5000
SHOWN_VERSIONS = 10
HUB, FRAMEWORK, LOCAL = "hub", "framework", "local"
"""Where a release comes from. A local one is a directory in place of the module: it is what everybody gets."""


class Wish(msgspec.Struct, frozen=True):
    """`by` (an entry, a module, a person) wants `module` in a version that fits `wanted`: a constraint, `@label`, or
    nothing in particular."""

    module: str
    wanted: str
    by: str

    def __str__(self) -> str:
        return f"{self.by} wants {self.wanted or 'any version'}"


class Release(msgspec.Struct, frozen=True):
    """One version of a module that can be had."""

    module: str
    version: str
    digest: str = ""
    size: int = 0
    yanked: bool = False
    labels: tuple[str, ...] = ()
    dependencies: tuple[tuple[str, str], ...] | None = None
    """Modules and what is wanted of them; None when they have to be asked for."""
    origin: str = HUB

    def __str__(self) -> str:
        return f"{self.module} {self.version}"


class Source(Protocol):
    """Where releases are known."""

    async def releases(self, module: str) -> Sequence[Release]:
        """All of a module. Raises Error(NotFound), and whatever a hub answers."""

    async def dependencies(self, release: Release) -> Sequence[tuple[str, str]]:
        """Modules and what is wanted of them, of a release that does not say so itself."""


class Resolution(msgspec.Struct, frozen=True):
    """What was found: `releases` by module, dependencies first; `edges`: module -> the modules it depends on."""

    releases: dict[str, Release]
    edges: dict[str, tuple[str, ...]]


Lookup: TypeAlias = Callable[[str], Sequence[Release]]
Dependencies: TypeAlias = Callable[[Release], Sequence[tuple[str, str]]]


async def resolve(wishes: Sequence[Wish], source: Source, preferred: Mapping[str, str] | None = None) -> Resolution:
    """A release for every module that `wishes` need, directly or through others.

    preferred: versions to stay with as long as everybody can live with them, by module; they may be yanked. Otherwise
    the highest version that is not yanked is taken, a stable one before a pre-release.

    Raises Error(Conflict) with what everybody wants and what there is, Error(Conflict) for a cycle, Error(Invalid) for
    something that is no constraint, beyond 10 levels and beyond 200 modules; and what `source` raises. The result does
    not depend on the order of `wishes` or of the answers.
    """
    loop = asyncio.get_running_loop()
    known: dict[str, Sequence[Release]] = {}
    asked: dict[str, Sequence[tuple[str, str]]] = {}
    stopped = False

    async def ask(module: str) -> Sequence[Release]:
        try:
            return await source.releases(module)
        except Error as error:
            if error.kind != NOT_FOUND:
                raise
            return ()

    def wait(work: Any) -> Any:
        if stopped:
            work.close()
            raise asyncio.CancelledError
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def releases(module: str) -> Sequence[Release]:
        if module not in known:
            known[module] = wait(ask(module))
        return known[module]

    def dependencies(release: Release) -> Sequence[tuple[str, str]]:
        if release.dependencies is not None:
            return release.dependencies
        if str(release) not in asked:
            asked[str(release)] = wait(source.dependencies(release))
        return asked[str(release)]

    first = sorted({wish.module for wish in wishes})
    known.update(zip(first, await asyncio.gather(*map(ask, first)), strict=True))
    try:
        return await asyncio.to_thread(solve, wishes, releases, dependencies, preferred or {})
    finally:
        stopped = True


def solve(
    wishes: Sequence[Wish], releases: Lookup, dependencies: Dependencies, preferred: Mapping[str, str]
) -> Resolution:
    """As `resolve`, with answers that are there at once."""
    from resolvelib import BaseReporter, Resolver
    from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep

    provider = _Provider(releases, dependencies, preferred)
    ordered = sorted(set(wishes), key=lambda wish: (wish.module, wish.by, wish.wanted))
    resolver: Any = Resolver(provider, BaseReporter())  # type: ignore[arg-type]
    try:
        mapping: dict[str, Release] = resolver.resolve(ordered, max_rounds=MOST_STEPS).mapping
    except ResolutionImpossible as impossible:
        raise _explained([cause.requirement for cause in impossible.causes], releases) from None
    except ResolutionTooDeep:
        raise conflict(f"no versions that fit together were found in {MOST_STEPS} steps: narrow the ranges") from None
    edges = {name: tuple(sorted({module for module, _ in dependencies(release)})) for name, release in mapping.items()}
    _check_depth(sorted({wish.module for wish in wishes}), edges)
    return Resolution({name: mapping[name] for name in _dependencies_first(edges)}, edges)


class _Provider:
    """The questions of `resolvelib`: a requirement is a `Wish`, a candidate a `Release`, a name a module."""

    def __init__(self, releases: Lookup, dependencies: Dependencies, preferred: Mapping[str, str]) -> None:
        self._releases = releases
        self._dependencies = dependencies
        self._preferred = preferred
        self._seen: set[str] = set()

    def identify(self, requirement_or_candidate: Wish | Release) -> str:
        return requirement_or_candidate.module

    def get_preference(self, identifier: str, backtrack_causes: Sequence[Any] = (), **_: Any) -> tuple[bool, str]:
        causes = {
            name
            for cause in backtrack_causes
            for name in (cause.requirement.module, cause.parent.module if cause.parent else "")
        }
        return identifier not in causes, identifier

    def narrow_requirement_selection(self, identifiers: Iterable[str], **_: Any) -> Iterable[str]:
        return identifiers

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Wish]],
        incompatibilities: Mapping[str, Iterator[Release]],
    ) -> list[Release]:
        self._count(identifier)
        refused = {release.version for release in incompatibilities[identifier]}
        fitting = matching(
            self._releases(identifier), list(requirements[identifier]), self._preferred.get(identifier, "")
        )
        return [release for release in fitting if release.version not in refused]

    def is_satisfied_by(self, requirement: Wish, candidate: Release) -> bool:
        return fits(requirement, candidate)

    def get_dependencies(self, candidate: Release) -> list[Wish]:
        found = sorted(self._dependencies(candidate))
        return [Wish(module, wanted, str(candidate)) for module, wanted in found]

    def _count(self, module: str) -> None:
        self._seen.add(module)
        if len(self._seen) > MOST_MODULES:
            raise invalid(f"more than {MOST_MODULES} modules depend on each other here")


def matching(releases: Iterable[Release], wishes: Sequence[Wish], preferred: str = "") -> list[Release]:
    """The releases that fit all wishes, best first."""
    fitting = [release for release in releases if all(fits(wish, release) for wish in wishes)]
    by_version = {release.version: release for release in fitting if not release.yanked and is_version(release.version)}
    ordered = [by_version[str(version)] for version in select(map(Version.parse, by_version), ())]
    kept = [release for release in fitting if release.version == preferred or release.origin == LOCAL]
    return kept + [release for release in ordered if release not in kept]


def fits(wish: Wish, release: Release) -> bool:
    """Whether a release is what somebody wants. Raises Error(Invalid) for something that is no constraint."""
    label = label_of(wish.wanted)
    if label == "latest" or release.origin == LOCAL:
        return True
    if label:
        return label in release.labels
    return is_version(release.version) and _constraint(wish).allows(Version.parse(release.version))


def label_of(wanted: str) -> str:
    """The label that a selector names; `latest` when it wants nothing in particular, empty for a constraint."""
    text = wanted.strip()
    if text.startswith("@"):
        return text[1:] or "latest"
    return "latest" if text in ("", "latest") else ""


def _constraint(wish: Wish) -> Constraint:
    try:
        return _parsed(wish.wanted)
    except Error as error:
        raise error.within(f"{wish.by}: {wish.module}") from None


_parsed = lru_cache(maxsize=1024)(Constraint)


# What is wrong --------------------------------------------------------------------------------------------------------


def _explained(wishes: Sequence[Wish], releases: Lookup) -> Error:
    """Who wants what, and what there is."""
    texts: list[str] = []
    for module in sorted({wish.module for wish in wishes}):
        everybody = sorted({wish for wish in wishes if wish.module == module}, key=str)
        wanting = [wish for wish in everybody if label_of(wish.wanted) != "latest"] or everybody
        found = releases(module)
        if not found:
            texts.append("\n".join([f"module {module} was not found", *(f"  {wish}" for wish in wanting)]))
            continue
        title = (
            f"no version of {module} is what everybody wants" if len(wanting) > 1 else f"no version of {module} fits"
        )
        texts.append("\n".join([title, *(f"  {wish}" for wish in wanting), f"  {_available(found)}"]))
    return conflict("\n".join(texts), modules=sorted({wish.module for wish in wishes}))


def _available(releases: Sequence[Release]) -> str:
    versions = {release.version: release for release in releases if is_version(release.version)}
    ordered = [versions[str(each)] for each in sorted(map(Version.parse, versions), reverse=True)]
    shown = [f"{each.version} (yanked)" if each.yanked else each.version for each in ordered[:SHOWN_VERSIONS]]
    more = f" and {len(ordered) - len(shown)} older ones" if len(ordered) > len(shown) else ""
    return f"there is {', '.join(shown)}{more}" if shown else "there is no version"


def _check_depth(roots: Collection[str], edges: Mapping[str, Sequence[str]]) -> None:
    """Raises Error(Invalid) when something is only reached through more than 10 levels."""
    level, reached, depth = list(roots), set(roots), 1
    while level:
        if depth > DEEPEST:
            raise invalid(f"dependencies are more than {DEEPEST} levels deep: {', '.join(level[:3])}")
        below = sorted({name for module in level for name in edges.get(module, ()) if name not in reached})
        reached.update(below)
        level, depth = below, depth + 1


def _dependencies_first(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """The modules so that each follows what it depends on. Raises Error(Conflict) that names a cycle."""
    ordered: dict[str, None] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        if module in ordered:
            return
        if module in path:
            cycle = " -> ".join([*path[path.index(module) :], module])
            raise conflict(f"modules depend on each other in a circle: {cycle}", cycle=cycle)
        path.append(module)
        for below in edges[module]:
            visit(below)
        path.pop()
        ordered[module] = None

    for module in sorted(edges):
        visit(module)
    return list(ordered)
