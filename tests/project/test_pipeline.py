"""Override, disable, link (spec 01 §7, §8, §23, §24 Loading)."""

from __future__ import annotations

from typing import Any

import pytest

from project.files import pick
from wippy.core.errors import Error
from wippy.core.patterns import dotted_pattern
from wippy.project.config import Config
from wippy.project.linking import link
from wippy.project.mutation import mutate
from wippy.project.pipeline import prepare
from wippy.project.shaping import disable, override
from wippy.registry.entry import Entry, entry


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("app", "app", True),
        ("app", "app.users", False),
        ("app.*", "app.users", True),
        ("app.*", "app", False),
        ("app.*", "app.users.x", False),
        ("app.**", "app", True),
        ("app.**", "app.users.x", True),
        ("app.**", "apple", False),
        ("**", "", True),
        ("**", "a.b", True),
        ("**.test", "test", True),
        ("**.test", "a.b.test", True),
        ("a.**.z", "a.z", True),
        ("a.**.z", "a.b.c.z", True),
        ("*", "a", True),
        ("*", "a.b", False),
        ("*", "", False),
        ("app.(users|orders)", "app.orders", True),
        ("app.(users|orders)", "app.other", False),
        ("(a.b|c).d", "a.b.d", True),
        ("test_*", "test_one", True),
        ("test_*", "test_one.two", False),
        ("a+b", "a+b", True),
    ],
)
def test_dotted_patterns(pattern: str, text: str, fits: bool) -> None:
    assert dotted_pattern(pattern)(text) is fits


def test_unbalanced_pattern_is_invalid() -> None:
    with pytest.raises(Error, match="unbalanced"):
        dotted_pattern("app.(a|b")


DB = entry("app:db", "db.sql.sqlite", {"file": "x", "pool": {"max_open": 1}}, {"title": "t"})


def test_mutation_by_path() -> None:
    assert mutate(DB, "pool.max_open", 4).data["pool"] == {"max_open": 4}
    assert mutate(DB, ".meta.title", "new").meta == {"title": "new"}
    assert mutate(DB, "data.file", "y").data["file"] == "y"
    assert mutate(DB, "file.deep.er", 1).data["file"] == {"deep": {"er": 1}}
    assert mutate(DB, "tags+=", "a").data["tags"] == ["a"]
    assert mutate(mutate(DB, "tags+=", 1.0), "tags+=", "1").data["tags"] == [1.0]
    assert DB.data == {"file": "x", "pool": {"max_open": 1}}, "the original is untouched"


@pytest.mark.parametrize("path", ["meta", ".data", "file+=", "a..b", ""])
def test_bad_mutations(path: str) -> None:
    with pytest.raises(Error) as caught:
        mutate(DB, path, 1)
    assert caught.value.kind == "Invalid"


def test_override_sets_fields_meta_and_kind() -> None:
    values = {"app:db:pool.max_open": 4, "app:db:meta.title": "new", "app:db:kind": "db.sql.postgres"}
    (changed,) = override([DB], values)
    assert (changed.kind, changed.meta["title"], changed.data["pool"]["max_open"]) == ("db.sql.postgres", "new", 4)


def test_override_collects_everything_wrong() -> None:
    with pytest.raises(Error) as caught:
        override([DB], {"app:db": 1, "app:nope:x": 1, "app:db:kind": 3, "app:db:meta": {}})
    assert str(caught.value).startswith("override errors: [")
    assert len(caught.value.details["errors"]) == 4  # type: ignore[index]


def test_override_changes_every_duplicate() -> None:
    assert [each.data["file"] for each in override([DB, DB], {"app:db:file": "z"})] == ["z", "z"]


def test_disable_by_namespace_entry_and_meta() -> None:
    entries = [entry("app:a", "k"), entry("app.test:b", "k"), entry("lib:c", "k", None, {"env": "dev"})]

    def left(**how: Any) -> list[str]:
        return [str(each.id) for each in disable(entries, **how)]

    assert left(namespaces=["app.**"]) == ["lib:c"]
    assert left(patterns=["app.*:b"]) == ["app:a", "lib:c"]
    assert left(meta={"env": ["dev", "x"]}) == ["app:a", "app.test:b"]
    for pattern in ("app", "app:", ":a"):
        with pytest.raises(Error, match="expected namespace:name"):
            disable(entries, patterns=[pattern])


# Linking: the worked example of §7

GATEWAY = entry(
    "shop.cart:gateway",
    "ns.requirement",
    {
        "targets": [
            {"entry": "list.endpoint", "path": ".meta.router"},
            {"entry": "shop.cart.ws:edge", "path": ".post_middleware+="},
        ]
    },
    {"module": "shop/cart"},
)
ENDPOINT = entry("shop.cart:list.endpoint", "http.endpoint", {"path": "/"}, {"module": "shop/cart"})
EDGE = entry("shop.cart.ws:edge", "http.router", {"post_middleware": ["cors"]}, {"module": "shop/cart"})


def dependency(name: str, component: str, *parameters: tuple[str, Any], **meta: Any) -> Entry:
    data = {"component": component, "parameters": [{"name": key, "value": value} for key, value in parameters]}
    return entry(f"app:{name}", "ns.dependency", data, meta)


def linked(*dependencies: Entry, requirement: Entry = GATEWAY) -> tuple[list[Entry], list[str]]:
    entries, problems = link([requirement, ENDPOINT, EDGE, *dependencies])
    return entries, [problem.reason for problem in problems]


def router(entries: list[Entry]) -> Any:
    return pick(entries, "shop.cart:list.endpoint").meta.get("router")


def test_a_bare_parameter_of_the_component_reaches_every_target() -> None:
    entries, problems = linked(dependency("cart", "shop/cart", ("gateway", "app.web:public")))
    assert problems == []
    assert router(entries) == "app.web:public"
    assert pick(entries, "shop.cart.ws:edge").data["post_middleware"] == ["cors", "app.web:public"]
    assert pick(entries, "shop.cart:gateway") is GATEWAY


def test_another_component_touches_it_only_by_qualified_name() -> None:
    cart = dependency("cart", "shop/cart", ("gateway", "app.web:public"))
    assert router(linked(cart, dependency("o", "shop/orders", ("gateway", "x:y")))[0]) == "app.web:public"
    entries, problems = linked(cart, dependency("o", "shop/orders", ("shop.cart:gateway", "x:y")))
    assert router(entries) is None and "conflicting values" in problems[0]
    assert linked(cart, dependency("o", "shop/orders", ("shop.cart:gateway", "app.web:public")))[1] == []


def test_a_qualifier_may_be_the_component_itself() -> None:
    deeper = entry("shop.cart.deep:gateway", "ns.requirement", GATEWAY.data | {"targets": []}, {"module": "shop/cart"})
    assert "no targets" in linked(requirement=deeper)[1][0]
    inner = entry(
        "shop.cart.deep:gateway",
        "ns.requirement",
        {"targets": [{"entry": "shop.cart:list.endpoint", "path": "meta.router"}]},
        {"module": "shop/cart"},
    )
    assert router(linked(dependency("c", "shop/cart", ("shop.cart:gateway", "a:b")), requirement=inner)[0]) == "a:b"


def with_default(default: Any) -> Entry:
    return entry("shop.cart:gateway", "ns.requirement", GATEWAY.data | {"default": default}, GATEWAY.meta)


def test_defaults_keep_their_type_and_an_empty_text_counts() -> None:
    assert router(linked(requirement=with_default(20.0))[0]) == 20.0
    entries, problems = linked(requirement=with_default(""))
    assert router(entries) == "" and problems == []
    supplied = dependency("c", "shop/cart", ("gateway", "a:b"))
    assert router(linked(supplied, requirement=with_default("x"))[0]) == "a:b"


def test_an_open_requirement_is_a_warning_and_strict_an_error() -> None:
    entries, problems = linked()
    assert router(entries) is None and "shop.cart:gateway has no value" in problems[0]
    with pytest.raises(Error) as caught:
        link([GATEWAY, ENDPOINT, EDGE], strict=True)
    assert str(caught.value).startswith("unresolved requirements: ")
    assert caught.value.details["count"] == 1  # type: ignore[index]


def test_a_missing_target_skips_the_targets_behind_it() -> None:
    targets = [{"entry": "gone", "path": ".x"}, {"entry": "list.endpoint", "path": ".meta.router"}]
    requirement = entry("shop.cart:gateway", "ns.requirement", {"targets": targets, "default": "d"}, GATEWAY.meta)
    entries, problems = linked(requirement=requirement)
    assert router(entries) is None and "target entry not found: shop.cart:gone" in problems[0]


def test_the_application_wins_over_modules() -> None:
    entries, problems = linked(
        dependency("a", "shop/cart", ("gateway", "module:x"), module="other/mod"),
        dependency("b", "shop/cart", ("gateway", "app:x")),
    )
    assert router(entries) == "app:x" and problems == []


def test_one_component_may_be_a_root_dependency_once() -> None:
    problems = linked(dependency("a", "shop/cart", ("gateway", "x")), dependency("b", "shop/cart"))[1]
    assert problems == ["component shop/cart is declared by app:a and app:b"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (entry("a:r", "ns.requirement", ["x"]), "failed to decode requirement"),
        (entry("a:r", "ns.requirement", {"targets": [{"entry": 1, "path": "x"}]}), "failed to decode requirement"),
        (entry("a:d", "ns.dependency", None), "failed to decode dependency"),
        (entry("a:d", "ns.dependency", {"component": "cart"}), "component must be org/module"),
        (entry("a:d", "ns.dependency", {"component": "a/b/c"}), "failed to decode dependency"),
    ],
)
def test_undecodable_declarations_stop_the_stage(broken: Entry, reason: str) -> None:
    with pytest.raises(Error, match=reason):
        link([broken])


def test_an_override_of_an_injected_field_wins() -> None:
    supplied = dependency("c", "shop/cart", ("gateway", "a:b"))
    config = Config({"override.shop.cart:list.endpoint:meta.router": "mine:r"})
    prepared = prepare([GATEWAY, ENDPOINT, EDGE, supplied], config)
    assert router(prepared.entries) == "mine:r"


def test_disabled_entries_vanish_before_linking_and_may_still_be_overridden() -> None:
    config = Config(
        {"disable.entries": ["shop.cart:list.endpoint"], "override.shop.cart:list.endpoint:meta.router": "x"}
    )
    prepared = prepare([with_default("d"), ENDPOINT, EDGE], config)
    assert [str(each.id) for each in prepared.entries] == ["shop.cart:gateway", "shop.cart.ws:edge"]
    assert "target entry not found" in prepared.problems[0].reason


def test_placeholders_are_carried_verbatim() -> None:
    assert router(linked(dependency("c", "shop/cart", ("gateway", "${env:X}")))[0]) == "${env:X}"
