"""The kind `security.policy.expr` (spec 05 §9.3), and both kinds in an application (spec 05 §9.2, §9.4, §15)."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from wippy import Error, Runtime
from wippy.compute.identity import Actor
from wippy.services.security.conditions import Request
from wippy.services.security.expressions import compiled

MODULES = ["events", "registry", "security", "time"]
ADA = Actor("ada", {"team": "red", "level": 5, "roles": ["admin", "user"]})


def holds(expression: str, meta: dict[str, Any] | None = None, actor: Actor = ADA) -> bool:
    return compiled(expression)(Request(actor, "doc.read", "doc:1", meta or {}))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('actor.id == "ada"', True),
        ('actor.meta.team == meta.team and action startsWith "doc."', True),
        ('resource endsWith ":1" && "admin" in actor.meta.roles', True),
        ("any(actor.meta.roles, {# == 'admin'}) and len(actor.meta.roles) > 1", True),
        ("actor.meta.level >= 5 ? true : false", True),
        ("meta.owner == nil", True),
        ("nothing == nil", True),
        ("(meta.owner ?? actor.id) == 'ada'", True),
        ("not (resource matches '^doc:')", False),
        ("meta.missing.deeper == 1", False),
        ("actor.meta.level", False),
        ("'true'", False),
        ("1 / 0 > meta", False),
    ],
)
def test_true_applies_and_everything_else_does_not(expression: str, expected: bool) -> None:
    assert holds(expression, {"team": "red"}) is expected


def test_expression_that_costs_too_much_does_not_apply() -> None:
    items = list(range(300))
    assert not holds("all(meta.n, {all(meta.n, {all(meta.n, {true})})})", {"n": items})


@pytest.mark.parametrize("expression", ["", "   ", "actor.id ==", "1 +* 2", "nope("])
def test_mistake_rejects_the_entry(expression: str) -> None:
    rule = {"actions": "*", "resources": "*", "effect": "allow", "expression": expression}
    with pytest.raises(Error) as refused:
        App().add("p", "security.policy.expr", policy=rule).run("return 1")
    assert refused.value.kind == "Invalid" and "expression" in refused.value.message


def policies() -> App:
    def rule(effect: str, actions: Any = "*", **more: Any) -> dict[str, Any]:
        return {"actions": actions, "resources": "*", "effect": effect, **more}

    admin = {"field": "actor.id", "operator": "eq", "value": "admin"}
    app = App()
    app.add("allow", "security.policy", policy=rule("allow"), groups=["all", "both"])
    app.add("deny", "security.policy", policy=rule("deny"), groups=["both"])
    app.add("some", "security.policy", policy=rule("allow", ["read", "list*"]), groups=["all"])
    app.add("admin", "security.policy", policy=rule("allow", conditions=[admin]), groups=["other:admins"])
    app.add("expr", "security.policy.expr", policy=rule("allow", expression='actor.id == "admin"'), groups=["all"])
    app.add("far", "security.policy.expr", policy=rule("deny", expression="true"), groups=["other:admins"])
    return app


def run(app: App, body: str) -> Any:
    app.process("main", body, modules=MODULES)
    return app.use(lambda runtime: runtime.run_process("app:main", "app:host"))


def test_policies_of_the_application_are_found_by_id_and_judge() -> None:
    assert run(
        policies(),
        """
        local ada, admin = security.new_actor("ada"), security.new_actor("admin")
        local out = {}
        for i, name in ipairs({ "allow", "deny", "some", "admin", "expr" }) do
          local p = security.policy("app:" .. name)
          local function says(who, action) return p:evaluate(who, action, "x") end
          out[i] = { p:id(), says(ada, "read"), says(ada, "write"), says(admin, "write") }
        end
        return out
        """,
    ) == [
        ["app:allow", "allow", "allow", "allow"],
        ["app:deny", "deny", "deny", "deny"],
        ["app:some", "allow", "undefined", "undefined"],
        ["app:admin", "undefined", "undefined", "allow"],
        ["app:expr", "undefined", "undefined", "allow"],
    ]


def test_a_group_holds_exactly_its_policies() -> None:
    assert run(
        policies(),
        """
        local out = {}
        for i, group in ipairs({ "app:all", "app:both", "other:admins" }) do
          local names = {}
          for _, p in ipairs(security.named_scope(group):policies()) do names[#names + 1] = p:id() end
          table.sort(names)
          out[i] = names
        end
        return out
        """,
    ) == [["app:allow", "app:expr", "app:some"], ["app:allow", "app:deny"], ["app:admin", "app:far"]]


def test_deny_wins_and_a_scope_without_a_match_is_undefined() -> None:
    assert run(
        policies(),
        """
        local ada = security.new_actor("ada")
        return {
          security.named_scope("app:both"):evaluate(ada, "read", "x"),
          security.named_scope("app:both"):without("app:deny"):evaluate(ada, "read", "x"),
          security.new_scope({ security.policy("app:some") }):evaluate(ada, "write", "x"),
          security.new_scope():evaluate(ada, "read", "x"),
        }
        """,
    ) == ["deny", "allow", "undefined", "undefined"]


def test_changes_of_policies_are_events_and_scopes_keep_what_they_were_built_with() -> None:
    assert run(
        policies(),
        """
        local seen = events.subscribe("security"):channel()
        local before, ada = security.named_scope("app:all"), security.new_actor("ada")
        local deny = { actions = "*", resources = "*", effect = "deny" }
        local function apply(change) local _, err = change:apply() if err then error(err) end end
        apply(registry.snapshot():changes():update({ id = "app:some", kind = "security.policy", data = {
          policy = deny, groups = { "all" } } }))
        apply(registry.snapshot():changes():create({ id = "app:new", kind = "security.policy.expr", data = {
          policy = { actions = "*", resources = "*", effect = "deny", expression = "false" } } }))
        apply(registry.snapshot():changes():delete("app:new"))
        local out = {}
        for i = 1, 3 do
          local e = within(seen)
          out[i] = e.kind .. " " .. e.path
        end
        local _, gone = security.policy("app:new")
        return { out, before:evaluate(ada, "read", "x"), security.named_scope("app:all"):evaluate(ada, "read", "x"),
          gone:kind(), gone:message() }
        """,
    ) == [
        ["policy.update app:some", "policy.register app:new", "policy.delete app:new"],
        "allow",
        "deny",
        "Internal",
        "policy not found: app:new",
    ]


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ({"actions": [], "resources": "*", "effect": "allow"}, "policy.actions"),
        ({"actions": "*", "resources": "", "effect": "allow"}, "policy.resources"),
        ({"actions": "*", "resources": "*", "effect": "maybe"}, "effect"),
        ({"actions": "*", "resources": "*"}, "effect"),
        ({"actions": "*", "resources": "*", "effect": "deny", "conditions": [{"operator": "eq"}]}, "field"),
        (
            {"actions": "*", "resources": "*", "effect": "deny", "conditions": [{"field": "x", "operator": "matches",
             "value": "("}]}, "pattern",
        ),
    ],
)  # fmt: skip
def test_policy_that_breaks_a_rule_is_rejected(policy: dict[str, Any], named: str) -> None:
    with pytest.raises(Error) as refused:
        App().add("p", "security.policy", policy=policy).run("return 1")
    assert refused.value.kind == "Invalid" and named in refused.value.message


def test_application_that_only_uses_scopes_needs_no_policies() -> None:
    async def work(runtime: Runtime) -> Any:
        return await runtime.run_process("app:main", "app:host")

    app = App().process(
        "main",
        "local s = security.new_scope() return { tostring(s), tostring(security.new_actor('a')), type(s) }",
        modules=["security"],
    )
    assert app.use(work) == ["security.Scope{}", "security.Actor{}", "userdata"]
