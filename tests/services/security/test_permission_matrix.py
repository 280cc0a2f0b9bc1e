"""Every action: allowed by a policy, denied by one, and in strict mode without an identity (spec 05 §9.5, §11).

All programs run in one application. A denial must have its exact kind and text and no effect; a permission that allows
exactly the declared action on the declared resource must be enough.
"""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import wippy
from apps.guest import App
from services.security.permission_cases import CASES, Case
from wippy.compute.identity import Actor
from wippy.core.errors import Error
from wippy.lua.modules.core import KERNEL_MODULES
from wippy.lua.modules.kernel_permissions import KERNEL_PERMISSIONS
from wippy.lua.modules.reference import modules as declared_modules
from wippy.project.config import Config
from wippy.runtime import Runtime
from wippy.services.security.policies import Policy, PolicyScope

MODULES = """contract ctx env eval_runner events exec fs funcs hub loader pg registry security sql store system
time""".split()  # noqa: SIM905

COUNT = """
local function counted(name)
  local s = store.get("app:effects")
  s:set(name, (s:get(name) or 0) + 1)
end
"""
COUNTING = (("store.get", "app:effects"), ("store.key.get", "app:effects"), ("store.key.set", "app:effects"))

TARGET = f"""{COUNT}
local function main()
  local inbox, control, bus = process.inbox(), process.events(), events.subscribe("cases"):channel()
  pg.open("app:groups"):join("cases")
  process.registry.register("target")
  while true do
    local r = channel.select({{ inbox:case_receive(), control:case_receive(), bus:case_receive() }})
    if r.channel == inbox then counted(r.value:payload():data())
    elseif r.channel == bus then counted(r.value.path)
    else counted(r.value.reason) end
  end
end
return {{ main = main }}
"""
CHILD = f"{COUNT} local function main(name) counted(name) return true end return {{ main = main }}"

PROGRAM = """
local function must(v, e)
  if not v then error(e, 0) end
  return v
end
local function try(target, case)
  %s
end
local function main(target, case)
  local ran, v, e = pcall(try, target, case)
  if not ran then return { raised = tostring(v) } end
  if e ~= nil then return { kind = e:kind(), message = e:message(), retryable = e:retryable() } end
  return { value = v ~= nil and v ~= false }
end
return { main = main }
"""


class Outcome(NamedTuple):
    allowed: dict[str, Any]
    denied: dict[str, Any]
    effect_when_denied: bool
    effect_when_allowed: bool
    count: int
    resource: str
    message: str | None


def application(files: Path) -> App:
    app = App()
    code = {"modules": MODULES}
    app.process("target", TARGET, **code).process("child", CHILD, **code).function("callee", CHILD, **code)
    up = {"lifecycle": {"auto_start": True}}
    app.add("effects", "store.memory", **up).add("kv", "store.memory", **up)
    app.add("db", "db.sql.sqlite", file=":memory:", **up)
    app.add("shell", "exec.native").add("lib", "library.lua", source="return {}")
    app.add("files", "fs.directory", directory=str(files)).add("marked", "registry.entry", mark=1)
    app.add("contract", "contract.definition", methods=[{"name": "run"}])
    bound = {"contract": "contract", "default": True, "methods": {"run": "callee"}}
    app.add("binding", "contract.binding", contracts=[bound])
    app.add("groups", "pg.scope")
    app.add("variables", "env.storage.memory")
    app.add("mark", "env.variable", storage="variables", variable="MARK", default="first")
    rule = {"actions": "none", "resources": "*", "effect": "allow"}
    app.add("one", "security.policy", policy=rule, groups=["all"])
    app.function("fill", "store.get('app:kv'):set('k', 1) env.set('MARK', 'first')", **code)
    app.function("counter", "return store.get('app:effects'):get(...) or 0", **code)
    for number, case in enumerate(CASES):
        app.function(f"case{number}", PROGRAM % case.code, **code)
        if case.probe:
            app.function(f"probe{number}", f"local target = ... return {case.probe}", **code)
    return app


class Session:
    """The running application, asked under identities made for the purpose."""

    def __init__(self, runtime: Runtime) -> None:
        self.node = runtime.node
        self.target = ""

    async def prepare(self) -> None:
        self.target, _ = await self.node.spawn("app:target", "app:host")
        await self.node.call("app:fill")
        while await self.node.lookup("target") is None:
            await asyncio.sleep(0.001)

    def scope(self, *rules: tuple[str, str, str]) -> PolicyScope:
        return PolicyScope(
            Policy(f"test:{n}", (action,), (resource,), effect)  # type: ignore[arg-type]
            for n, (effect, action, resource) in enumerate(rules)
        )

    async def ask(self, number: int, scope: PolicyScope | None) -> dict[str, Any]:
        identity = self.node.identities.add(Actor("tester", {}), scope) if scope else 0
        name = CASES[number].name
        value, _ = await self.node.call(f"app:case{number}", (self.target, name), identity=identity)
        return dict(value)

    async def probe(self, number: int) -> bool:
        if not CASES[number].probe:
            return False
        return bool((await self.node.call(f"app:probe{number}", (self.target,)))[0])

    async def count(self, case: Case, least: int) -> int:
        """How often the case had its effect, waiting until that is `least`."""
        for _ in range(500):
            found = int((await self.node.call("app:counter", (case.name,)))[0])
            if found >= least:
                break
            await asyncio.sleep(0.001)
        return found

    async def outcome(self, number: int) -> Outcome:
        """Denied first: when the effect of being allowed has come, one of being denied would have come too."""
        case = CASES[number]

        def placed(text: str) -> str:
            return text.replace("{target}", self.target)

        resource = placed(case.resource)
        denied = await self.ask(number, self.scope(("allow", "*", "*"), ("deny", case.action, resource)))
        early = await self.probe(number)
        pairs = [(case.action, resource), *((a, placed(r)) for a, r in case.needs), *COUNTING]
        allowed = await self.ask(number, self.scope(*(("allow", a, r) for a, r in pairs)))
        return Outcome(
            allowed, denied, early, await self.probe(number), await self.count(case, int(case.counted)), resource,
            case.message and placed(case.message),
        )  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    app = application(tmp_path_factory.mktemp("files"))

    async def work(runtime: Runtime) -> list[Outcome]:
        session = Session(runtime)
        await session.prepare()
        return [await session.outcome(number) for number in range(len(CASES))]

    return app.use(work)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the programs get in strict mode, without an identity."""
    app = application(tmp_path_factory.mktemp("files"))

    async def work() -> list[dict[str, Any]]:
        async with Runtime(entries=app.entries, config=Config({"security.strict_mode": True})) as runtime:
            session = Session(runtime)
            session.target = "{app:host|0x00100}"
            return [await session.ask(number, None) for number in range(len(CASES))]

    return asyncio.run(asyncio.wait_for(work(), 20))


EACH = [pytest.param(number, case, id=case.name) for number, case in enumerate(CASES)]


def refusal(found: dict[str, Any]) -> str | None:
    """The text of a denial, raised or returned; None when there is none."""
    return found.get("raised") or found.get("message")  # type: ignore[no-any-return]


@pytest.mark.parametrize(("number", "case"), EACH)
def test_allowed_by_a_policy_for_exactly_this_action_and_resource(
    outcomes: list[Outcome], number: int, case: Case
) -> None:
    found = outcomes[number]
    if case.then:
        assert found.allowed["kind"] == case.then
    else:
        assert refusal(found.allowed) is None and found.allowed["value"] is (".unregister." not in case.action)
    assert found.count == int(case.counted), "effects of the denied and the allowed program"
    assert found.effect_when_allowed is bool(case.probe)


@pytest.mark.parametrize(("number", "case"), EACH)
def test_denied_by_a_policy_with_its_kind_and_text_and_no_effect(
    outcomes: list[Outcome], number: int, case: Case
) -> None:
    found = outcomes[number]
    assert not found.effect_when_denied
    if found.message is None:
        assert found.denied == {"value": False}
    elif case.raises:
        assert found.denied["raised"].endswith(found.message)
    else:
        assert found.denied == {"kind": case.kind, "message": found.message, "retryable": False}


@pytest.mark.parametrize(("number", "case"), EACH)
def test_denied_in_strict_mode_without_an_identity(strict: list[dict[str, Any]], number: int, case: Case) -> None:
    found = strict[number]
    if case.message is None:
        assert found == {"value": False}
    else:
        assert re.search("not allowed|permission denied", refusal(found) or "")
        assert found.get("kind") in (None, case.kind)


# The table is complete ----------------------------------------


def test_the_matrix_has_a_case_for_every_row_of_the_table() -> None:
    rows = {
        (f"{module.name}.{name}", permission.action, permission.kind, permission.raises, permission.filters)
        for module in declared_modules()
        for name, function in module.public()
        for permission in function.permissions
    }
    covered = {(c.function, c.action, c.kind, c.raises, c.message is None) for c in CASES}
    assert rows - covered == set() and covered - rows == set()


def test_every_permission_that_the_source_makes_stands_in_the_table() -> None:
    actions = {p.action for module in declared_modules() for p in module.permissions()}
    written: set[str] = set()
    for file in Path(wippy.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Permission" and call.args:
                action = call.args[0]
                if isinstance(action, ast.Constant):
                    written.add(action.value)
    assert len(written) > 15 and written <= actions


def test_the_kernel_asks_every_permission_declared_for_it_and_no_other() -> None:
    from lua.kernel.driver import Driver

    declared = {permission.action for permission in KERNEL_PERMISSIONS}
    assert declared == {p.action for module in KERNEL_MODULES.values() for p in module.permissions()}
    driver = Driver({})
    asked = driver.lua(
        "local S = ... local out = {} for action, p in next, S.declared_permissions do "
        "if p.used then out[#out + 1] = action end end return table.concat(out, ' ')"
    )
    assert set(asked.decode().split()) == declared
    with pytest.raises(Exception, match=r"permission process\.fly is not declared"):
        driver.lua("local S = ... S.permission('process.fly')")


def test_an_actor_without_a_scope_is_nobody_in_strict_mode() -> None:
    app = App().function("callee", "return 1").function("main", "return funcs.call('app:callee')")

    async def work() -> Any:
        async with Runtime(entries=app.entries, config=Config({"security.strict_mode": True})) as runtime:
            identity = runtime.node.identities.add(Actor("ada", {}), None)
            return await runtime.node.call("app:main", identity=identity)

    with pytest.raises(Error) as refused:
        asyncio.run(work())
    assert refused.value.message == "not allowed: app:callee"
