"""Where an identity goes: calls, spawns, services, requests, and where it does not (spec 05 §9.6-9.7)."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from apps.guest import App
from apps.web import served
from wippy import Runtime
from wippy.compute.identity import Actor
from wippy.services.security.policies import Policy, PolicyScope

MODULES = ["ctx", "events", "funcs", "registry", "security", "time"]
WHO = "local a, s = security.actor(), security.scope() return { a and a:id(), s and #s:policies() }"
EVERYTHING = {"actions": "*", "resources": "*", "effect": "allow"}


def app() -> App:
    found = App().add("everything", "security.policy", policy=EVERYTHING, groups=["team"])
    found.function("who", WHO, modules=MODULES).process("who_process", WHO, modules=MODULES)
    return found


def run(found: App, body: str) -> Any:
    found.process("main", body, modules=MODULES)
    return found.use(lambda runtime: runtime.run_process("app:main", "app:host"))


AS_ADA = """
local ada, team = security.new_actor("ada", { level = 5 }), security.named_scope("app:team")
local as_ada = funcs.new():with_actor(ada):with_scope(team)
"""


@pytest.mark.parametrize(
    "inner",
    [
        "return (funcs.call('app:who'))",
        "return funcs.async('app:who'):channel():receive():data()",
        "return (process.exec('app:who_process', 'app:host'))",
        "process.spawn_monitored('app:who_process', 'app:host') return process.events():receive().result.value",
        "process.spawn_linked_monitored('app:who_process', 'app:host') return process.events():receive().result.value",
        "process.with_context({ a = 1 }):spawn_monitored('app:who_process', 'app:host') "
        "return process.events():receive().result.value",
    ],
)
def test_identity_goes_on_with_calls_and_spawns(inner: str) -> None:
    found = app().function("middle", inner, modules=MODULES)
    assert run(found, f"{AS_ADA} return (as_ada:call('app:middle'))") == ["ada", 1]


def test_child_of_a_child_has_the_identity_of_the_spawner_too() -> None:
    found = app().process("middle", "return (process.exec('app:who_process', 'app:host'))", modules=MODULES)
    body = f"""{AS_ADA}
    local spawner = process.with_context({{}}):with_actor(ada):with_scope(team)
    spawner:spawn_monitored("app:middle", "app:host")
    return process.events():receive().result.value
    """
    assert run(found, body) == ["ada", 1]


def test_each_override_replaces_only_its_part() -> None:
    found = app().function(
        "middle",
        """
        local bob, none = security.new_actor("bob"), security.new_scope()
        return { funcs.new():with_actor(bob):call("app:who"), (funcs.new():with_scope(none):call("app:who")),
          process.exec("app:who_process", "app:host") }
        """,
        modules=MODULES,
    )
    # An empty scope denies even asking who: the call itself is allowed by the caller's scope.
    assert run(found, f"{AS_ADA} return (as_ada:call('app:middle'))") == [["bob", 1], ["ada", 0], ["ada", 1]]


def test_what_a_callee_changes_does_not_reach_its_caller() -> None:
    found = app().function(
        "middle",
        "return { funcs.new():with_actor(security.new_actor('bob')):call('app:who'), security.actor():id() }",
        modules=MODULES,
    )
    assert run(found, f"{AS_ADA} return {{ as_ada:call('app:middle'), security.actor() == nil }}") == [
        [["bob", 1], "ada"],
        True,
    ]


def test_a_message_carries_no_identity() -> None:
    found = app().process(
        "receiver",
        "local m = process.inbox():receive() process.send(m:from(), 'who', security.actor() ~= nil)",
        modules=MODULES,
    )
    found.function(
        "sender",
        "local answers = process.listen('who') process.send(..., 'hello') return answers:receive()",
        modules=MODULES,
    )
    assert run(found, f"{AS_ADA} return (as_ada:call('app:sender', spawn('receiver')))") is False


def test_callee_under_a_scope_that_allows_everything_can() -> None:
    found = app().function("can", "return security.can('anything', 'at all', { x = 1 })", modules=MODULES)
    assert run(found, f"{AS_ADA} return {{ as_ada:call('app:can'), security.can('anything', 'at all') }}") == [
        True,
        False,
    ]


def test_empty_scope_allows_nothing() -> None:
    found = app().function(
        "can",
        """
        local scope = security.scope()
        return { security.can("a", "b"), scope:evaluate(security.actor(), "a", "b"), #scope:policies() }
        """,
        modules=MODULES,
    )
    body = "local none = security.new_scope() return (funcs.new():with_actor(security.new_actor('x'))"
    assert run(found, body + ":with_scope(none):call('app:can'))") == [False, "undefined", 0]


def test_function_that_returns_policies_does_not_fail() -> None:
    found = app().function("make", "return { policies = security.named_scope('app:team'):policies(), n = 1 }")
    found.entries[-1].data["modules"] = MODULES
    assert run(found, "local v, e = funcs.call('app:make') return { v, e == nil }") == [{"policies": {}, "n": 1}, True]
    assert app().function("make", "return { security.new_actor('x') }", modules=MODULES).call("make") == [None]


# Services ----------------------------------------


def service(found: App, security: dict[str, Any]) -> App:
    body = """
    process.registry.register("service")
    local asked = process.inbox():receive()
    process.send(asked:from(), "who", (funcs.call("app:who")))
    """
    found.process("service", body, modules=MODULES)
    lifecycle = {"auto_start": True, "security": security}
    return found.add("service.run", "process.service", process="service", host="host", lifecycle=lifecycle)


ASK = """
local answers = process.listen("who")
while not process.registry.lookup("service") do time.sleep("1ms") end
process.send("service", "ask")
return answers:receive()
"""


@pytest.mark.parametrize(
    ("security", "who"),
    [
        ({"actor": {"id": "robot", "meta": {"a": 1}}, "groups": ["app:team"]}, ["robot", 1]),
        ({"actor": {"id": "robot"}, "policies": ["app:everything"]}, ["robot", 1]),
        ({"policies": ["app:everything"], "groups": ["app:team"]}, ["", 1]),
        ({"actor": {"id": "robot"}, "policies": ["app:nothing"], "groups": ["app:none"]}, ["robot"]),
    ],
)
def test_service_runs_under_its_configured_identity(security: dict[str, Any], who: list[Any]) -> None:
    assert run(service(app(), security), ASK) == who


def test_policies_that_are_applied_after_the_service_count() -> None:
    found = service(App(), {"actor": {"id": "robot"}, "groups": ["zz:late"]})
    found.function("who", WHO, modules=MODULES)
    found.add("z_everything", "security.policy", policy=EVERYTHING, groups=["zz:late"])
    assert run(found, ASK) == ["robot", 1]


def test_host_gives_its_own_identity_to_nobody() -> None:
    found = app().add(
        "special",
        "process.host",
        lifecycle={"auto_start": True, "stop_timeout": "100ms", "security": {"actor": {"id": "host"}}},
    )
    assert run(found, "return (process.exec('app:who_process', 'app:special'))") == {}


def test_requests_are_served_under_the_identity_of_their_server() -> None:
    found = app().function(
        "inner",
        "local s = security.scope() return { security.actor():id(), #s:policies() }",
        modules=MODULES,
    )
    found.endpoint("GET /who", "res:write_json((funcs.call('app:inner')))", modules=["http", "funcs"])
    found.process("unused", "return 1")
    lifecycle = {"security": {"actor": {"id": "server"}, "groups": ["app:team"]}}

    class Secured(App):
        def web(self, port: int, **more: Any) -> App:
            return super().web(port, **lifecycle, **more)

    secured = Secured()
    secured.entries = found.entries
    with served(secured) as site:
        assert site.get("/who").json == ["server", 1]


# Life of an identity ----------------------------------------


def test_identities_that_nobody_uses_any_more_are_forgotten() -> None:
    found = app()

    async def work(runtime: Runtime) -> tuple[int, int]:
        identities = runtime.node.identities
        await runtime.call("app:many")
        most = len(identities)
        for _ in range(50):
            await runtime.node.ask(runtime.node.shards[0], "collect")
            gc.collect()
            if len(identities) <= 1:
                break
        return most, len(identities)

    found.function(
        "many",
        """
        local scope = security.new_scope()
        for i = 1, 200 do
          funcs.new():with_actor(security.new_actor("user " .. i)):with_scope(scope):call("app:who")
        end
        """,
        modules=MODULES,
    )
    most, left = found.use(work)
    assert most <= 200 and left <= 1, "an idle instance keeps what its last call left on its stack"


def test_running_code_keeps_its_identity_while_others_are_forgotten() -> None:
    found = app().function(
        "long",
        "local before = security.actor():id() time.sleep('20ms') return { before, (funcs.call('app:who')) }",
        modules=MODULES,
    )

    async def work(runtime: Runtime) -> Any:
        node = runtime.node
        number = node.identities.add(Actor("ada", {}), PolicyScope([Policy("x", ("*",), ("*",), "allow")]))
        call = node.call("app:long", identity=number)
        await node.ask(node.shards[0], "collect")
        node.identities.release(number)
        await node.ask(node.shards[0], "collect")
        return (await call)[0]

    assert found.use(work) == ["ada", ["ada", 1]]


def test_an_identity_that_is_gone_is_allowed_nothing() -> None:
    found = app().function("calls", "local v, e = funcs.call('app:who') return e:kind()", modules=MODULES)

    async def work(runtime: Runtime) -> Any:
        node = runtime.node
        number = node.identities.add(Actor("ada", {}), PolicyScope())
        node.identities.release(number)
        return (await node.call("app:calls", identity=number))[0]

    assert found.use(work) == "PermissionDenied"


GUARDED = {"actor": {"id": "app:guarded"}, "policies": ["app:readonly"]}
CHECK = """
local a = security.actor()
return { a and a:id(), security.can("doc.read", "x"), security.can("doc.write", "x"), (ctx.get("tenant")) }
"""


def guarded(security: dict[str, Any]) -> App:
    found = app().add("readonly", "security.policy", policy={**EVERYTHING, "actions": "doc.read"})
    return found.function("guarded", CHECK, modules=MODULES, security=security)


@pytest.mark.parametrize(
    "call", ["as_ada:call('app:guarded')", "as_ada:async('app:guarded'):channel():receive():data()"]
)
def test_a_function_with_security_runs_under_that_in_place_of_its_callers(call: str) -> None:
    found = guarded(GUARDED)
    assert run(found, f"{AS_ADA} as_ada = as_ada:with_context({{ tenant = 't1' }}) return ({call})") == [
        "app:guarded",
        True,
        False,
        "t1",
    ]


def test_a_function_with_security_has_it_whoever_calls() -> None:
    assert run(guarded(GUARDED), "return (funcs.call('app:guarded'))") == ["app:guarded", True, False]
    assert guarded(GUARDED).use(lambda runtime: runtime.call("app:guarded")) == ["app:guarded", True, False]


def test_the_part_that_security_leaves_out_is_inherited() -> None:
    assert run(guarded({"actor": {"id": "other"}}), f"{AS_ADA} return (as_ada:call('app:guarded'))") == [
        "other",
        True,
        True,
    ]
    assert run(guarded({"policies": ["app:readonly"]}), f"{AS_ADA} return (as_ada:call('app:guarded'))") == [
        "ada",
        True,
        False,
    ]


def test_security_that_names_only_unknown_policies_allows_nothing() -> None:
    found = guarded({"actor": {"id": "lost"}, "policies": ["app:missing"], "groups": ["app:nobody"]})
    assert run(found, "return (funcs.call('app:guarded'))") == ["lost", False, False]


def test_a_changed_policy_counts_for_the_next_call_of_a_function_with_security() -> None:
    body = """
    local before = funcs.call("app:guarded")
    local changes = registry.snapshot():changes()
    changes:update({ id = "app:readonly", kind = "security.policy",
      data = { policy = { actions = "doc.write", resources = "*", effect = "allow" } } })
    assert(changes:apply())
    local after = funcs.call("app:guarded")
    return { before[2], before[3], after[2], after[3] }
    """
    assert run(guarded(GUARDED), body) == [True, False, False, True]


def test_identities_of_functions_with_security_do_not_pile_up() -> None:
    found = guarded(GUARDED).process("main", "for i = 1, 500 do funcs.call('app:guarded') end", modules=MODULES)

    async def body(runtime: Runtime) -> int:
        await runtime.run_process("app:main", "app:host")
        return len(runtime.node.identities)

    assert found.use(body) <= 2


def test_the_security_of_a_command_holds_on_a_terminal_and_is_not_lent_to_callers() -> None:
    found = app().add("readonly", "security.policy", policy={**EVERYTHING, "actions": "doc.read"})
    found.process(
        "command",
        CHECK,
        modules=MODULES,
        meta={"command": {"name": "c", "security": GUARDED}, "default_host": "app:host"},
    ).add("terminal", "terminal.host", lifecycle={"auto_start": True})

    async def body(runtime: Runtime) -> Any:
        on_terminal = await runtime.node.resources["app:terminal"].run("app:command", (), None)
        return on_terminal, await runtime.call("app:command"), len(runtime.node.identities)

    on_terminal, called, left = found.use(body)
    assert on_terminal == ["app:guarded", True, False]
    assert called == [None, False, False]
    assert left <= 1
