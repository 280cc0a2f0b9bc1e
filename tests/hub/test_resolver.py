"""One version for each module (spec 01 §16.2)."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.universe import Made, Universe, solved, versions, wishes
from wippy.core.errors import Error, unavailable
from wippy.core.semver import Constraint, Version
from wippy.hub.resolver import Release, Wish, resolve, solve

DIAMOND: Universe = {
    "t/a": {"1.0.0": {"t/c": "^1"}, "2.0.0": {"t/c": "^2"}},
    "t/b": {"1.0.0": {"t/c": ">=1.2 <2"}},
    "t/c": {"1.0.0": {}, "1.2.0": {}, "1.3.0": {}, "2.0.0": {}, "2.1.0-rc.1": {}},
}


def refused(made: Made, *wanted: Wish) -> Error:
    with pytest.raises(Error) as caught:
        solved(made, wanted)
    return caught.value


def test_the_highest_version_of_the_intersection_of_all_ranges_is_taken() -> None:
    made = Made(DIAMOND)
    assert solved(made, wishes(c="^1")) == {"c": "1.3.0"}
    assert solved(made, wishes(c="*")) == {"c": "2.0.0"}
    assert solved(made, wishes(c="<1.3", b="*")) == {"c": "1.2.0", "b": "1.0.0"}


def test_an_older_version_is_taken_where_the_newest_excludes_a_solution() -> None:
    assert solved(Made(DIAMOND), wishes(a="*", b="*")) == {"a": "1.0.0", "b": "1.0.0", "c": "1.3.0"}


def test_dependencies_come_first() -> None:
    assert list(solved(Made(DIAMOND), wishes(a="2.0.0"))) == ["c", "a"]


def test_pre_releases_only_when_nothing_stable_fits() -> None:
    assert solved(Made(DIAMOND), wishes(c=">=2.0.0")) == {"c": "2.0.0"}
    assert solved(Made(DIAMOND), wishes(c=">2.0.0")) == {"c": "2.1.0-rc.1"}


def test_yanked_versions_are_passed_over_except_where_one_is_kept() -> None:
    made = Made(DIAMOND, yanked=["t/c 1.3.0"])
    assert solved(made, wishes(c="^1")) == {"c": "1.2.0"}
    assert solved(made, wishes(c="^1"), {"t/c": "1.3.0"}) == {"c": "1.3.0"}


def test_preferred_versions_stay_as_long_as_they_fit() -> None:
    made = Made(DIAMOND)
    assert solved(made, wishes(c="^1"), {"t/c": "1.0.0"}) == {"c": "1.0.0"}
    assert solved(made, wishes(c=">1.0"), {"t/c": "1.0.0"}) == {"c": "2.0.0"}


def test_labels_and_latest() -> None:
    made = Made(DIAMOND, labels={"next": "t/c 2.1.0-rc.1"})
    assert solved(made, wishes(c="@next")) == {"c": "2.1.0-rc.1"}
    assert solved(made, wishes(c="")) == solved(made, wishes(c="latest")) == solved(made, wishes(c="@latest"))
    assert "wants @nope" in refused(made, *wishes(c="@nope")).message


def test_a_conflict_says_who_wants_what_and_what_there_is() -> None:
    error = refused(Made(DIAMOND, yanked=["t/c 1.0.0"]), *wishes(a="^2", b="*"))
    assert error.kind == "Conflict" and error.retryable is False
    assert error.message == (
        "no version of t/c is what everybody wants\n"
        "  t/a 2.0.0 wants ^2\n"
        "  t/b 1.0.0 wants >=1.2 <2\n"
        "  there is 2.1.0-rc.1, 2.0.0, 1.3.0, 1.2.0, 1.0.0 (yanked)"
    )


def test_a_single_wish_that_nothing_fits() -> None:
    assert refused(Made(DIAMOND), *wishes(c="^9")).message.startswith("no version of t/c fits\n  app:c wants ^9\n")


def test_an_unknown_module_names_who_wants_it() -> None:
    made = Made({"t/a": {"1.0.0": {"t/gone": "^1"}}})
    assert refused(made, *wishes(a="*")).message == "module t/gone was not found\n  t/a 1.0.0 wants ^1"


def test_a_version_whose_dependency_is_gone_is_passed_over() -> None:
    made = Made({"t/a": {"1.0.0": {}, "2.0.0": {"t/gone": "*"}}})
    assert solved(made, wishes(a="*")) == {"a": "1.0.0"}


def test_a_circle_is_named() -> None:
    made = Made({"t/a": {"1.0.0": {"t/b": "*"}}, "t/b": {"1.0.0": {"t/c": "*"}}, "t/c": {"1.0.0": {"t/a": "*"}}})
    error = refused(made, *wishes(b="*"))
    assert error.kind == "Conflict" and "in a circle: t/a -> t/b -> t/c -> t/a" in error.message


def test_something_that_is_no_constraint_names_who_wrote_it() -> None:
    made = Made({"t/a": {"1.0.0": {"t/b": "newest"}}, "t/b": {"1.0.0": {}}})
    assert refused(made, *wishes(a="*")).message.startswith('t/a 1.0.0: t/b: "newest" is not a version constraint')


def chain(length: int) -> Universe:
    return {f"t/m{n:03}": {"1.0.0": {f"t/m{n + 1:03}": "*"} if n < length else {}} for n in range(1, length + 1)}


def test_ten_levels_are_allowed_and_no_more() -> None:
    assert len(solved(Made(chain(10)), wishes(m001="*"))) == 10
    assert "more than 10 levels deep: t/m011" in refused(Made(chain(11)), *wishes(m001="*")).message
    assert len(solved(Made(chain(11)), wishes(m001="*", m006="*"))) == 11


def test_two_hundred_modules_are_allowed_and_no_more() -> None:
    wide = {f"t/m{n:03}": {"1.0.0": {}} for n in range(201)}
    assert len(solved(Made(wide), [Wish(name, "*", "app:x") for name in list(wide)[:200]])) == 200
    assert "more than 200 modules" in refused(Made(wide), *(Wish(name, "*", "app:x") for name in wide)).message


def test_a_chain_without_end_is_given_up() -> None:
    class Endless(Made):
        def known(self, module: str) -> list[Release]:
            return [Release(module, "1.0.0")]

        def needs(self, release: Release) -> list[tuple[str, str]]:
            return [(f"{release.module}x", "*")]

    assert "more than 200 modules" in refused(Endless({}), *wishes(a="*")).message


def test_what_a_hub_answers_is_passed_on() -> None:
    class Down(Made):
        async def releases(self, module: str) -> list[Release]:
            raise unavailable("hub is down")

    with pytest.raises(Error, match="hub is down"):
        asyncio.run(resolve(wishes(a="*"), Down({})))


def test_a_source_is_asked_once_for_each_module() -> None:
    made = Made(DIAMOND)
    found = asyncio.run(resolve(wishes(a="*", b="*"), made))
    assert versions(found) == {"a": "1.0.0", "b": "1.0.0", "c": "1.3.0"}
    assert sorted(made.asked) == ["t/a", "t/b", "t/c"]


def test_resolving_can_be_cancelled() -> None:
    class Slow(Made):
        async def releases(self, module: str) -> list[Release]:
            if module != "t/a":
                await asyncio.sleep(60)
            return list(self.known(module))

    async def impatient() -> None:
        await asyncio.wait_for(resolve(wishes(a="*"), Slow(DIAMOND)), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())


NAMES = ["t/a", "t/b", "t/c", "t/d"]
VERSIONS = ["1.0.0", "1.1.0", "2.0.0"]
CONSTRAINTS = ["*", "^1", "^2", "~1.1", "<1.1", "!=1.0.0"]
needs = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONSTRAINTS), max_size=2)


@st.composite
def universes(draw: st.DrawFn) -> Universe:
    """Modules that depend on later ones only: no circles."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for index, name in enumerate(NAMES):
        offered = draw(st.lists(st.sampled_from(VERSIONS), unique=True, max_size=3))
        later = set(NAMES[index + 1 :])
        found[name] = {v: {m: c for m, c in draw(needs).items() if m in later} for v in offered}
    return found


def every_solution(universe: Universe, wanted: list[Wish]) -> list[dict[str, str]]:
    """By trying everything."""
    choices = [[(name, version) for version in [None, *universe[name]]] for name in NAMES]
    return [found for each in itertools.product(*choices) if holds(universe, wanted, found := dict(each))]


def holds(universe: Universe, wanted: list[Wish], chosen: dict[str, str | None]) -> bool:
    wished = [(wish.module, wish.wanted) for wish in wanted]
    wished += [need for name, version in chosen.items() if version for need in universe[name][version].items()]
    return all(
        (version := chosen.get(module)) and Constraint(text).allows(Version.parse(version)) for module, text in wished
    )


@settings(max_examples=300, deadline=None)
@given(universes(), st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONSTRAINTS), min_size=1, max_size=3))
def test_a_solution_is_found_when_there_is_one_and_it_holds(universe: Universe, roots: dict[str, str]) -> None:
    wanted = [Wish(name, text, "app:x") for name, text in roots.items()]
    made = Made(universe)
    possible = every_solution(universe, wanted)
    try:
        found = solve(wanted, made.known, made.needs, {})
    except Error as error:
        assert error.kind == "Conflict" and not possible
        return
    chosen = {name: release.version for name, release in found.releases.items()}
    assert holds(universe, wanted, dict(chosen))
    reached = set(roots)
    for name in reversed(list(found.releases)):
        assert name in reached  # nothing that nobody wants
        reached.update(found.edges[name])
    assert solve(wanted[::-1], made.known, made.needs, {}) == found
