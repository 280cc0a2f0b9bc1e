"""Contracts: definitions, bindings, instances, context, identity, options (spec 03 §10, §20)."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from wippy import Error, Runtime

MODULES = ["contract", "ctx", "events", "funcs", "registry", "security", "time"]

GREETER = [
    {
        "name": "greet",
        "description": "Says hello.",
        "input_schemas": [{"format": "application/schema+json", "definition": '{"type": "string"}'}],
        "output_schemas": [{"format": "application/schema+json", "definition": {"type": "string"}}],
    },
    {"name": "context", "description": "What it sees."},
    {"name": "unbound"},
]
COUNTED = """
local calls = 0
local function main(fails, kind, retryable)
  if fails == "count" then
    local n = calls
    calls = 0
    return n
  end
  calls = calls + 1
  if calls <= fails then
    return nil, errors.new({ message = "failure " .. calls, kind = kind, retryable = retryable })
  end
  return "done after " .. calls
end
return { main = main }
"""


def app() -> App:
    found = App()
    found.add("greeter", "contract.definition", methods=GREETER)
    found.add("counter", "contract.definition", methods=[{"name": "count"}, {"name": "again"}])
    found.function("greet_f", "return 'hello ' .. (...)", modules=MODULES)
    found.function("context_f", "return (ctx.all())", modules=MODULES)
    found.function("who_f", "local a = security.actor() return a and a:id() or 'nobody'", modules=MODULES)
    found.function("counted_f", COUNTED, pool={"type": "inline"})
    greeter = {"contract": "greeter", "default": True, "methods": {"greet": "greet_f", "context": "app:context_f"}}
    found.add("english", "contract.binding", contracts=[greeter])
    counter = {"contract": "app:counter", "methods": {"count": "counted_f", "again": "counted_f"}}
    both = {"contract": "app:greeter", "methods": {"greet": "who_f", "context": "context_f"}}
    found.add("both", "contract.binding", contracts=[counter, both])
    return found


def run(body: str, *args: Any, found: App | None = None) -> Any:
    found = found or app()
    found.process("main", body, modules=MODULES)
    return found.use(lambda runtime: runtime.run_process("app:main", "app:host", *args))


def kinds(body: str) -> Any:
    return run(f"local v, e = {body} return {{ v == nil, e and e:kind(), e and e:message() }}")


# Introspection ----------------------------------------


def test_a_contract_tells_its_id_methods_and_implementations() -> None:
    found = run(
        """
        local c = contract.get("app:greeter")
        local implementations = c:implementations()
        table.sort(implementations)
        local names = {}
        for i, m in ipairs(c:methods()) do names[i] = m.name end
        return { c:id(), names, c:method("greet"), implementations, #contract.find_implementations("app:counter") }
        """
    )
    schema = {"format": "application/schema+json", "definition": '{"type": "string"}'}
    assert found == [
        "app:greeter",
        ["greet", "context", "unbound"],
        {
            "name": "greet",
            "description": "Says hello.",
            "input_schemas": [schema],
            "output_schemas": [{"format": "application/schema+json", "definition": {"type": "string"}}],
        },
        ["app:both", "app:english"],
        1,
    ]


def test_what_introspection_gives_is_a_copy() -> None:
    assert run(
        """
        local c = contract.get("app:greeter")
        c:methods()[1].name = "changed"
        c:method("greet").name = "changed"
        return { c:methods()[1].name, (c:method("changed")) == nil }
        """
    ) == ["greet", True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("contract.get('')", "contract '' not found"),
        ("contract.get('app:none')", "contract 'app:none' not found"),
        ("contract.get('app:english')", "contract 'app:english' not found"),
        ("contract.open('')", "contract binding '' not found"),
        ("contract.open('app:none')", "contract binding 'app:none' not found"),
        ("contract.open('app:none?x=1')", "contract binding 'app:none' not found"),
        ("contract.get('app:greeter'):method('nope')", "method 'nope' not found in contract 'app:greeter'"),
        ("contract.get('app:greeter'):method('')", "method '' not found in contract 'app:greeter'"),
        ("contract.get('app:counter'):open()", "no default binding for contract 'app:counter'"),
        ("contract.open('app:english'):unbound()", "method 'unbound' is not bound in 'app:english'"),
        ("contract.open('app:english'):unbound_async()", "method 'unbound' is not bound in 'app:english'"),
    ],
)
def test_what_is_not_there_is_not_found(call: str, message: str) -> None:
    assert kinds(call) == [True, "NotFound", message]


def test_unknown_contract_has_no_implementations() -> None:
    assert run("return #contract.find_implementations('app:none')") == 0


def test_a_binding_of_another_contract_cannot_be_opened_through_this_one() -> None:
    assert kinds("contract.get('app:counter'):open('app:english')")[:2] == [True, "Invalid"]


# Calls ----------------------------------------


def test_methods_are_called_at_once_and_with_a_future() -> None:
    assert run(
        """
        local english = contract.open("app:english")
        local future = english:greet_async("Bob")
        return { english:greet("Ada"), future:channel():receive():data(), english.nothing == nil,
          select("#", english:greet("x")) }
        """
    ) == ["hello Ada", "hello Bob", True, 2]


def test_an_instance_has_the_methods_of_all_contracts_of_its_binding() -> None:
    assert run(
        """
        local both = contract.get("app:counter"):open("app:both")
        return { both:greet(), both:count(0), contract.is(both, "app:counter"), contract.is(both, "app:greeter"),
          contract.is(both, "app:none") }
        """
    ) == ["nobody", "done after 1", True, True, False]


def test_is_knows_instances_from_other_handles_and_refuses_the_rest() -> None:
    assert run(
        """
        return { contract.is(contract.get("app:greeter"), "app:greeter"), (pcall(contract.is, {}, "app:greeter")),
          (pcall(contract.is, nil, "x")), (pcall(contract.is, contract.open("app:english"))) }
        """
    ) == [False, False, False, False]


def test_the_default_binding_is_opened_through_the_contract() -> None:
    assert run("return (contract.get('app:greeter'):open():greet('Ada'))") == "hello Ada"


def test_errors_of_methods_are_those_of_their_functions() -> None:
    assert run(
        "local v, e = contract.open('app:both'):count(9, 'NotFound', true) "
        "return { v == nil, e:kind(), e:retryable(), e:message() }"
    ) == [True, "NotFound", True, "failure 1"]


# Context ----------------------------------------


def test_values_of_a_scope_become_context_of_the_implementation() -> None:
    assert run("return (contract.open('app:english', { user = 'ada', deep = { x = 1 } }):context())") == {
        "user": "ada",
        "deep": {"x": 1},
    }


def test_a_query_gives_typed_values_that_the_table_overrides() -> None:
    query = (
        "app:english?on=true&off=false&n=42&neg=-7&f=1.5&e=1e3&s=text&t=a%20b+c&empty=&n=43&big=99999999999999999999"
    )
    assert run("return (contract.open(..., { s = 'table', more = 1 }):context())", query) == {
        "on": True,
        "off": False,
        "n": 42,
        "neg": -7,
        "f": 1.5,
        "e": 1000.0,
        "s": "table",
        "t": "a b c",
        "empty": "",
        "more": 1,
        "big": 1e20,
    }


def test_query_is_overridden_by_with_context_and_that_by_the_table() -> None:
    assert run(
        """
        local c = contract.get("app:greeter"):with_context({ a = 2, b = 2, c = 2 })
        return { c:open("app:english?a=1&b=1&x=1", { c = 3 }):context(), c:open(nil, { b = 3 }):context() }
        """
    ) == [{"a": 2, "b": 2, "c": 3, "x": 1}, {"a": 2, "b": 3, "c": 2}]


def test_ambient_context_is_inherited_and_overridden() -> None:
    found = app().function("outer", "return (contract.open('app:english', { a = 'scope' }):context())", modules=MODULES)
    assert run("return (funcs.new():with_context({ a = 1, b = 2 }):call('app:outer'))", found=found) == {
        "a": "scope",
        "b": 2,
    }


def test_contracts_are_immutable() -> None:
    assert run(
        """
        local c = contract.get("app:greeter")
        local d = c:with_context({ a = 1 })
        local t = { b = 2 }
        local e = d:with_context(t)
        t.b = 3
        return { c:open():context(), d:open():context(), e:open():context() }
        """
    ) == [{}, {"a": 1}, {"a": 1, "b": 2}]


def test_required_keys_must_be_in_scope_or_ambient_context_when_a_method_is_called() -> None:
    found = app()
    bound = {"contract": "greeter", "methods": {"context": "context_f"}, "context_required": ["tenant", "user"]}
    found.add("strict", "contract.binding", contracts=[bound])
    found.function("outer", "return (contract.open('app:strict', { user = 'ada' }):context())", modules=MODULES)
    assert run(
        """
        local bare, half = contract.open("app:strict"), contract.open("app:strict?user=ada")
        local _, both = bare:context()
        local _, one = half:context_async()
        return { both:kind(), both:message(), one:message(), both:retryable(),
          (funcs.new():with_context({ tenant = "t" }):call("app:outer")) }
        """,
        found=found,
    ) == [
        "Invalid",
        "missing required context keys: [tenant, user]",
        "missing required context keys: [tenant]",
        False,
        {"tenant": "t", "user": "ada"},
    ]


# Identity ----------------------------------------


def test_methods_run_under_the_identity_of_the_contract_or_the_caller() -> None:
    found = app().add(
        "everything", "security.policy", policy={"actions": "*", "resources": "*", "effect": "allow"}, groups=["team"]
    )
    found.function("as_caller", "return (contract.open('app:both'):greet())", modules=MODULES)
    assert run(
        """
        local ada, team = security.new_actor("ada"), security.named_scope("app:team")
        local c = contract.get("app:greeter")
        return {
          c:with_actor(ada):with_scope(team):open("app:both"):greet(), c:open("app:both"):greet(),
          (funcs.new():with_actor(ada):with_scope(team):call("app:as_caller")),
          c:with_actor(ada):open("app:both"):greet_async():channel():receive():data(),
        }
        """,
        found=found,
    ) == ["ada", "nobody", "ada", "ada"]


def test_calling_through_a_contract_takes_contract_call_and_not_funcs_call() -> None:
    found = app()
    only = {"actions": ["contract.*"], "resources": ["app:english", "greet"], "effect": "allow"}
    found.add("only", "security.policy", policy=only)
    found.function(
        "caller",
        """
        local english = contract.open("app:english")
        local v, e = english:context()
        return { english:greet("x"), e:kind(), e:message() }
        """,
        modules=MODULES,
    )
    assert run(
        """
        local scope = security.new_scope({ security.policy("app:only") })
        return (funcs.new():with_actor(security.new_actor("a")):with_scope(scope):call("app:caller"))
        """,
        found=found,
    ) == ["hello x", "PermissionDenied", "not allowed to call method: context"]


# Options ----------------------------------------


def counted(opening: str, *arguments: Any) -> Any:
    """Result or error of `count` on an instance, and how often the function ran."""
    return run(
        f"""
        local inst = {opening}
        local v, e = inst:count(...)
        return {{ v or {{ e:kind(), e:retryable() }}, (inst:count("count")) }}
        """,
        *arguments,
    )


THROUGH = "contract.get('app:counter'):with_options({})"
RETRY = "{{ retry = {{ max_attempts = {}, initial_delay = 1 }} }}"


@pytest.mark.parametrize(
    "opening",
    [
        "contract.get('app:counter'):with_options(OPTIONS):open('app:both')",
        "contract.get('app:counter'):with_context({ a = 1 }):with_options(OPTIONS):open('app:both')",
        "contract.get('app:counter'):with_options(OPTIONS):with_context({ a = 1 }):open('app:both')",
        "contract.open('app:both', {}, OPTIONS)",
        "contract.open('app:both', nil, OPTIONS)",
    ],
)
def test_a_method_that_fails_twice_succeeds_on_the_third_of_five_attempts(opening: str) -> None:
    retry = RETRY.format(5)
    assert counted(opening.replace("OPTIONS", retry), 2, "Unavailable", True) == ["done after 3", 3]


@pytest.mark.parametrize("options", ["{}", "{ retry = { max_attempts = 1 } }"])
def test_without_retry_a_method_is_executed_once(options: str) -> None:
    opening = f"contract.open('app:both', nil, {options})"
    assert counted(opening, 9, "Unavailable", True) == [["Unavailable", True], 1]


def test_no_options_at_all_execute_once() -> None:
    assert counted("contract.open('app:both')", 9, "Unavailable", True) == [["Unavailable", True], 1]


def test_failure_that_cannot_be_retried_executes_once() -> None:
    opening = f"contract.open('app:both', nil, {RETRY.format(5)})"
    assert counted(opening, 9, "PermissionDenied", False) == [["PermissionDenied", False], 1]


def test_always_failing_method_executes_as_often_as_allowed() -> None:
    opening = f"contract.open('app:both', nil, {RETRY.format(3)})"
    assert counted(opening, 9, "Unavailable", True) == [["Unavailable", True], 3]


def test_options_apply_to_every_method_and_to_asyncs() -> None:
    assert run(
        f"""
        local inst = contract.open("app:both", nil, {RETRY.format(5)})
        inst:count(2, "Unavailable", true)
        local first = inst:count("count")
        inst:again_async(3, "Unavailable", true):channel():receive()
        return {{ first, inst:again("count") }}
        """
    ) == [3, 4]


def test_a_time_limit_holds_for_methods() -> None:
    found = app().function("slow_f", "time.sleep('10s')", modules=MODULES)
    found.add("slow", "contract.binding", contracts=[{"contract": "counter", "methods": {"count": "slow_f"}}])
    assert (
        run(
            "local _, e = contract.open('app:slow', nil, { timeout = '10ms' }):count() return e:kind()",
            found=found,
        )
        == "Timeout"
    )


# Entries and changes ----------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "named"),
    [
        ("contract.definition", {"methods": [{"name": ""}]}, "needs a name"),
        ("contract.definition", {"methods": [{"name": "a"}, {"name": "a"}]}, "declared twice"),
        ("contract.definition", {"methods": [{"description": "x"}]}, "name"),
        ("contract.binding", {"contracts": []}, "at least one contract"),
        ("contract.binding", {"contracts": [{"contract": "greeter"}, {"contract": "app:greeter"}]}, "listed twice"),
        ("contract.binding", {"contracts": [{"contract": "greet_f"}]}, "not a contract: app:greet_f"),
        ("contract.binding", {"contracts": [{"methods": {}}]}, "contract"),
    ],
)
def test_entries_without_a_meaning_are_rejected(kind: str, data: dict[str, Any], named: str) -> None:
    with pytest.raises(Error) as refused:
        app().add("bad", kind, **data).run("return 1")
    assert refused.value.kind == "Invalid" and named in refused.value.message


def test_binding_of_an_unknown_contract_is_not_found() -> None:
    with pytest.raises(Error) as refused:
        app().add("bad", "contract.binding", contracts=[{"contract": "app:none"}]).run("return 1")
    assert refused.value.kind == "NotFound"


def test_two_default_bindings_of_a_contract_are_refused() -> None:
    with pytest.raises(Error) as refused:
        app().add("second", "contract.binding", contracts=[{"contract": "greeter", "default": True}]).run("return 1")
    assert refused.value.kind == "AlreadyExists"
    assert "app:english, app:second" in refused.value.message


CHANGE = """
local function change(apply)
  local changes = registry.snapshot():changes()
  apply(changes)
  local _, err = changes:apply()
  return err
end
"""


def test_changes_of_bindings_and_contracts_are_seen_by_instances_opened_afterwards() -> None:
    assert run(
        CHANGE
        + """
        local c = contract.get("app:greeter")
        local before = c:open()
        assert(before:greet("x") == "hello x")
        local err = change(function(changes)
          changes:update({ id = "app:english", kind = "contract.binding", data = { contracts = {
            { contract = "app:greeter", methods = { greet = "who_f" } } } } })
          changes:create({ id = "app:german", kind = "contract.binding", data = { contracts = {
            { contract = "app:greeter", default = true, methods = { greet = "greet_f" } } } } })
        end)
        if err then return nil, err end
        local moved = contract.open("app:english"):greet()
        err = change(function(changes)
          changes:update({ id = "app:greeter", kind = "contract.definition",
            data = { methods = { { name = "greet" }, { name = "wave" } } } })
        end)
        if err then return nil, err end
        local now = contract.open("app:english")
        return { before:greet("x"), moved, c:open():greet("x"), now.context == nil, now.wave ~= nil,
          #contract.get("app:greeter"):methods() }
        """
    ) == ["hello x", "nobody", "hello x", True, True, 2]


def test_changes_of_contracts_and_bindings_are_events_of_the_bus() -> None:
    assert run(
        CHANGE
        + """
        local seen_by = events.subscribe("contract"):channel()
        local greeted = { { contract = "app:new", methods = { greet = "greet_f" } } }
        local function put(verb, methods)
          return change(function(changes)
            changes[verb](changes, { id = "app:new", kind = "contract.definition", data = { methods = methods } })
            changes[verb](changes, { id = "app:made", kind = "contract.binding", data = { contracts = greeted } })
          end)
        end
        local err = put("create", { { name = "greet" } }) or put("update", { { name = "greet" }, { name = "wave" } })
          or change(function(changes) changes:delete("app:new") changes:delete("app:made") end)
        if err then return nil, err end
        local seen = {}
        for i = 1, 6 do
          local e = seen_by:receive()
          seen[i] = e.kind .. " " .. e.path
        end
        return seen
        """
    ) == [
        "definition.register app:new",
        "binding.register app:made",
        "definition.update app:new",
        "binding.update app:made",
        "binding.delete app:made",
        "definition.delete app:new",
    ]


def test_default_of_a_contract_may_move_in_one_change_but_not_be_doubled() -> None:
    assert run(
        CHANGE
        + """
        local second = { id = "app:second", kind = "contract.binding", data = { contracts = {
          { contract = "app:greeter", default = true, methods = { greet = "who_f" } } } } }
        local doubled = change(function(changes) changes:create(second) end)
        local still = contract.get("app:greeter"):open():greet("x")
        local moved = change(function(changes) changes:create(second) changes:delete("app:english") end)
        return { doubled:kind(), still, moved == nil, contract.get("app:greeter"):open():greet("x"),
          (contract.open("app:english")) == nil }
        """
    ) == ["AlreadyExists", "hello x", True, "nobody", True]


def test_contract_with_bindings_cannot_be_removed_alone() -> None:
    assert run(
        CHANGE
        + """
        local err = change(function(changes) changes:delete("app:counter") end)
        local gone = change(function(changes) changes:delete("app:counter") changes:delete("app:both") end)
        return { err:kind(), gone == nil, (contract.get("app:counter")) == nil }
        """
    ) == ["Conflict", True, True]


# Hostile guests ----------------------------------------


def test_instances_and_contracts_cannot_be_forged() -> None:
    assert run(
        """
        local english, both, c = contract.open("app:english"), contract.open("app:both"), contract.get("app:greeter")
        local let_through = {}
        local function refused(name, f, ...)
          if pcall(f, ...) then let_through[#let_through + 1] = name end
        end
        refused("a table as instance", english.greet, {})
        refused("a contract as instance", english.greet, c)
        refused("an instance as contract", c.id, english)
        refused("writing", function() english.greet = print end)
        refused("keys", next, english)
        refused("numbers as scope keys", contract.open, "app:english", { 1, 2 })
        refused("a text as scope", contract.open, "app:english", "x")
        refused("a text as options", contract.open, "app:english", nil, "x")
        refused("no binding", contract.open)
        refused("a number as id", contract.get, {})
        refused("a table as actor", c.with_actor, c, {})
        refused("nothing as scope", c.with_scope, c)
        refused("text as context", c.with_context, c, "x")
        -- A method taken from one instance and used on another works on the other's binding.
        local crossed = both.greet == nil and "" or english.greet(both)
        local _, e = both.count(english, 0)
        return { let_through, crossed, e:kind() }
        """
    ) == [{}, "nobody", "NotFound"]


def test_instances_do_not_cross_to_other_processes() -> None:
    found = app().function("see", "return type(...)", modules=MODULES)
    assert run("return (funcs.call('app:see', contract.open('app:english')))", found=found) == "nil"


def test_a_method_may_be_called_where_its_process_was_ended() -> None:
    found = app().function("slow_f", "process.registry.register('slow') time.sleep('10s')", modules=MODULES)
    found.add("slow", "contract.binding", contracts=[{"contract": "counter", "methods": {"count": "slow_f"}}])
    found.process("caller", "contract.open('app:slow'):count()", modules=MODULES)
    assert (
        run(
            """
        local pid = spawn("caller")
        while not process.registry.lookup("slow") do time.sleep("1ms") end
        process.monitor("slow")
        process.terminate(pid)
        return within(process.events()).result.error:kind()
        """,
            found=found,
        )
        == "Canceled"
    )


def test_calls_of_a_contract_do_not_enter_the_host() -> None:
    found = app().function(
        "many",
        """
        local english = contract.open("app:english", { a = 1 })
        english:greet("warm")
        for i = 1, 200 do english:greet("x") end
        """,
        modules=MODULES,
    )

    async def work(runtime: Runtime) -> int:
        bindings = runtime.node.bindings
        await runtime.call("app:many")
        entered = 0

        def counting(call: Any) -> Any:
            def counted(*args: Any) -> Any:
                nonlocal entered
                entered += 1
                return call(*args)

            return counted

        for index, call in enumerate(bindings.primitives):
            bindings.primitives[index] = counting(call)
        await runtime.call("app:many")
        return entered

    assert found.use(work) < 20
