"""Versions and constraints (spec 01 §16.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wippy.core.errors import Error
from wippy.core.semver import Constraint, Version, is_version, select

numbers = st.integers(0, 3)
pre_releases = st.lists(st.sampled_from(["0", "1", "11", "2", "alpha", "beta", "rc", "x-1"]), max_size=3).map(tuple)
versions = st.builds(Version, numbers, numbers, numbers, pre_releases)
stable = st.builds(Version, numbers, numbers, numbers)


def allows(constraint: str, version: str) -> bool:
    return Constraint(constraint).allows(Version.parse(version))


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused"),
    [
        ("=1.2.3", ["1.2.3", "v1.2.3", "1.2.3+build"], ["1.2.4", "1.2.3-rc.1"]),
        ("1.2.3", ["1.2.3"], ["1.2.2", "1.2.4"]),
        ("!=1.2.3", ["1.2.2", "1.2.4", "1.2.3-rc.1"], ["1.2.3", "v1.2.3+x"]),
        (">1.2.3", ["1.2.4", "2.0.0"], ["1.2.3", "1.2.3-rc.1"]),
        (">=1.2.3", ["1.2.3", "1.3.0"], ["1.2.2", "1.2.3-rc.1"]),
        ("<1.2.3", ["1.2.2", "0.0.0", "1.2.3-rc.1"], ["1.2.3"]),
        ("<=1.2.3", ["1.2.3", "1.2.3-rc.1"], ["1.2.4", "1.2.4-rc.1"]),
        ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "2.0.0-rc.1"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2", "0.3.0-a"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2", "0.1.0"]),
        ("^0.0", ["0.0.0", "0.0.7"], ["0.1.0"]),
        ("^0", ["0.0.1", "0.9.0"], ["1.0.0"]),
        ("^1", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2", "1.3.0-a"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]),
        ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
        ("*", ["0.0.0", "9.9.9", "0.0.1-a"], []),
        ("", ["0.0.0", "9.9.9"], []),
        ("1.*", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9"]),
        ("1.x", ["1.0.0"], ["2.0.0"]),
        ("1.2.*", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.0"]),
        ("v1.2.X", ["1.2.5"], ["1.3.0"]),
        ("1", ["1.0.0", "1.5.0"], ["2.0.0"]),
        ("!=1.2.*", ["1.3.0"], ["1.2.0", "1.2.9"]),
        (">1.2", ["1.3.0"], ["1.2.9", "1.2.0"]),
        ("<=1.2", ["1.2.9"], ["1.3.0"]),
        ("<1.2", ["1.1.9"], ["1.2.0", "1.2.0-a"]),
        (">= 1.2 < 2", ["1.2.0", "1.9.0"], ["2.0.0", "1.1.0"]),
        (">=1.2,<2.0.0,!=1.4.3", ["1.4.2"], ["1.4.3", "2.0.0"]),
        (">=v0.3.0", ["0.3.0", "v0.4.14"], ["0.2.9"]),
    ],
)
def test_constraints(constraint: str, allowed: list[str], refused: list[str]) -> None:
    assert [text for text in allowed if not allows(constraint, text)] == []
    assert [text for text in refused if allows(constraint, text)] == []


@pytest.mark.parametrize(
    "text", ["abc", "=>1.0.0", "1.2.3.4", "^", "1.2.3 || 2", "01.2.3", "1..2", ">>1", "1.x.2", "١.٢.٣"]
)
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(Error) as caught:
        Constraint(text)
    assert caught.value.kind == "Invalid" and "is not a version" in caught.value.message


def test_limits_of_a_constraint() -> None:
    assert Constraint(", ".join(["!=1.0.0"] * 10)).allows(Version.parse("1.0.1"))
    with pytest.raises(Error, match="may have 10 parts, this one has 11"):
        Constraint(" ".join(["!=1.0.0"] * 11))
    with pytest.raises(Error, match="may have 256 characters"):
        Constraint("1.0.0" + " " * 252)


@pytest.mark.parametrize(
    "text", ["1.2", "1", "1.2.3-", "1.2.3-01", "1.2.3+", "a", "", "1.2.3 ", "1." + "9" * 300 + ".0"]
)
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(Error, match="is not a version"):
        Version.parse(text)


def test_pre_releases_come_in_the_order_of_semver() -> None:
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    texts += ["1.0.0-rc.1", "1.0.0", "1.0.1-0"]
    assert sorted(map(Version.parse, reversed(texts))) == [Version.parse(text) for text in texts]


def test_stable_versions_are_preferred_and_pre_releases_are_the_fallback() -> None:
    found = [Version.parse(text) for text in ("1.0.0", "1.1.0-rc.1", "0.9.0", "2.0.0-rc.2", "2.0.0-rc.10")]
    assert [str(each) for each in select(found, [Constraint(">=0.9")])] == ["1.0.0", "0.9.0"]
    assert [str(each) for each in select(found, [Constraint("2.*")])] == ["2.0.0-rc.10", "2.0.0-rc.2"]
    assert select(found, [Constraint("^3")]) == []


@given(versions, versions, versions)
def test_versions_are_in_one_order(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (b < a) + (a == b) == 1
    assert not (a < b and b < c) or a < c
    assert (a <= b) == (not b < a) and (a > b) == (b < a)


@given(versions)
def test_a_version_reads_back_as_itself(version: Version) -> None:
    assert Version.parse(str(version)) == version == Version.parse(f"v{version}+build.7")


@given(versions, versions)
def test_operators_agree_with_the_order(base: Version, version: Version) -> None:
    def holds(operator: str) -> bool:
        return Constraint(f"{operator}{base}").allows(version)

    assert holds(">") == (version > base) and holds(">=") == (version >= base)
    assert holds("<") == (version < base) and holds("<=") == (version <= base)
    assert holds("=") == (version == base) == (not holds("!="))


@given(stable, stable)
def test_tilde_is_narrower_than_caret_from_1_on_and_both_begin_at_their_version(
    base: Version, version: Version
) -> None:
    tilde, caret = Constraint(f"~{base}").allows(version), Constraint(f"^{base}").allows(version)
    assert not (tilde or caret) or version >= base
    assert not tilde or (version.major, version.minor) == (base.major, base.minor)
    assert not caret or version.major == base.major
    assert base.major == 0 or not tilde or caret


@given(st.lists(versions), st.lists(st.sampled_from(["^1", "~1.2", ">0.1.0-rc", "<3", "!=1.1.1", "*"]), max_size=3))
def test_select_gives_the_intersection_best_first(found: list[Version], texts: list[str]) -> None:
    constraints = [Constraint(text) for text in texts]
    chosen = select(found, constraints)
    assert all(constraint.allows(version) for version in chosen for constraint in constraints)
    assert chosen == sorted(chosen, reverse=True)
    assert len({version.stable for version in chosen}) <= 1
    assert select(reversed(found), constraints) == chosen


@given(st.text(max_size=40))
def test_any_text_is_a_constraint_or_an_invalid_one(text: str) -> None:
    try:
        Constraint(text).allows(Version.parse("1.2.3"))
    except Error as error:
        assert error.kind == "Invalid"


@given(stable, st.sampled_from(["major", "minor", "patch"]))
def test_a_bump_is_greater(version: Version, part: str) -> None:
    assert version.bumped(part) > version and version.bumped(part).stable
