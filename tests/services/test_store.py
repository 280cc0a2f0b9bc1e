"""Module store over store.memory (spec 04a §2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lua.modules.guest import Guest, check, run
from wippy.compute.identity import Actor
from wippy.core.errors import Error
from wippy.registry.entry import entry
from wippy.services.store.memory import MemoryStore

STORE = entry("t:s", "store.memory", {"max_size": 3, "lifecycle": {"auto_start": True}})
OPEN = "local s = assert(store.get('t:s')) "


def ask(source: str, *args: Any) -> Any:
    return check(OPEN + source, *args, entries=(STORE,))


def problem(call: str) -> list[Any]:
    found: list[Any] = ask(f"local v, e = {call} return {{v == nil, e:kind(), e:retryable(), e:message()}}")
    return found


@pytest.mark.parametrize("value", ["text", 42, 1.5, True, False, {"a": {"b": [1, 2, 3]}}, [1, 2], b"\xff"])
def test_values_come_out_as_they_went_in(value: Any) -> None:
    assert ask("assert(s:set('k', (...))) return s:get('k')", value) == value


def test_overwrite_delete_and_has() -> None:
    source = (
        "s:set('k', 1) s:set('k', 2) local v = s:get('k') local h = s:has('k') local d, e = s:delete('k') "
        "local again, none = s:delete('k') return {v, h, d, e == nil, again, none == nil, s:has('k')}"
    )
    assert ask(source) == [2, True, True, True, False, True, False]


def test_a_missing_key_is_not_found() -> None:
    assert problem("s:get('k')") == [True, "NotFound", False, "key not found"]
    assert problem("s:entry('k')")[1] == "NotFound"


def test_what_comes_out_is_a_copy() -> None:
    assert ask("local t = {x = 1} s:set('k', t) t.x = 2 local a = s:get('k') a.x = 3 return s:get('k').x") == 1


def test_content_persists_between_calls() -> None:
    async def program(guest: Guest) -> Any:
        await guest.run(OPEN + "s:set('list', {1, 2, 3})")
        return await guest.run(OPEN + "return #s:get('list')")

    assert run(program, STORE) == 3


def test_keys_without_a_namespace_are_normalised() -> None:
    assert ask(
        "s:set('foo', 1) return {s:entry('foo').key, s:get(':foo'), s:list().items[1].key, s:list({prefix "
        "= 'fo'}).items[1].key}"
    ) == [":foo", 1, ":foo", ":foo"]


def test_text_before_and_after_release() -> None:
    assert ask("local a = tostring(s) return {a, s:release(), s:release(), s:release(), tostring(s)}") == [
        "store.Store{}",
        True,
        True,
        True,
        "store.Store{released}",
    ]


@pytest.mark.parametrize(
    "call",
    ["get('k')", "entry('k')", "has('k')", "set('k', 1)", "put('k', 1)", "delete('k')", "list()", "info()", "get('')"],
)
def test_a_released_store_is_invalid(call: str) -> None:
    assert ask(f"s:release() local v, e = s:{call} return {{v == nil, e:kind(), e:message()}}") == [
        True,
        "Invalid",
        "store is released",
    ]


@pytest.mark.parametrize("call", ["get('')", "entry('')", "set('', 1)", "put('', 1)", "delete('')"])
def test_the_empty_key_is_invalid(call: str) -> None:
    assert problem(f"s:{call}") == [True, "Invalid", False, "key is required"]
    assert ask("local v, e = s:has('') return {v, e:kind()}") == [False, "Invalid"]


def test_a_value_is_required() -> None:
    assert problem("s:set('k', nil)")[1:] == ["Invalid", False, "value is required"]
    assert problem("s:put('k', nil)")[1:] == ["Invalid", False, "value is required"]


@pytest.mark.parametrize(("store_id", "kind"), [("", "Invalid"), ("t:none", "NotFound"), ("t:host", "Invalid")])
def test_unknown_stores(store_id: str, kind: str) -> None:
    assert check(
        "local s, e = store.get(...) return {s == nil, e:kind(), e:retryable()}", store_id, entries=(STORE,)
    ) == [True, kind, False]


def test_info_names_the_capabilities() -> None:
    assert ask("return s:info()") == {
        "id": "t:s",
        "backend": "memory",
        "consistency": "local",
        "durable": False,
        "list": True,
        "versioned": True,
        "conditional_put": True,
        "ttl": True,
    }
    assert ask("return {store.backend.MEMORY, store.consistency.LOCAL}") == ["memory", "local"]


def test_a_value_with_a_ttl_disappears() -> None:
    assert ask(
        "s:set('k', 1, 0.02) local before = s:has('k') time.sleep('30ms') return {before, s:has('k'), "
        "s:get('k') == nil, #s:list().items}"
    ) == [True, False, True, 0]


def test_conditional_writes() -> None:
    source = (
        "local a = s:put('k', 1, {only_if_absent = true}) local _, exists = s:put('k', 2, {only_if_absent = true}) "
        "local b = s:put('k', 2, {if_version = a.version}) local _, stale = s:put('k', 3, {if_version "
        "= a.version}) local _, missing = s:put('x', 1, {if_version = 1}) "
        "return {type(a.version), a.key, b.value, tonumber(b.version) > tonumber(a.version), "
        "exists:kind(), stale:kind(), stale:retryable(), missing:kind(), s:entry('k').version "
        "== b.version}"
    )
    assert ask(source) == ["string", ":k", 2, True, "AlreadyExists", "Conflict", True, "NotFound", True]


@pytest.mark.parametrize(
    "opts",
    [
        "{ttl = -1}",
        "{ttl = 'x'}",
        "{only_if_absent = 1}",
        "{if_version = 0}",
        "{if_version = -1}",
        "{if_version = 'x'}",
        "{if_version = 1.5}",
        "{if_version = true}",
        "{only_if_absent = true, if_version = 1}",
        "'x'",
    ],
)
def test_bad_put_options_are_invalid(opts: str) -> None:
    assert problem(f"s:put('k', 1, {opts})")[1] == "Invalid"


def test_a_full_store_refuses_new_keys_only() -> None:
    source = (
        "for i = 1, 3 do s:set('k' .. i, i) end local ok, e = s:set('k4', 4) local over = s:set('k1', "
        "9) s:delete('k2') local room = s:set('k5', 5, 0.01) "
        "time.sleep('15ms') local purged = s:set('k6', 6) return {ok == nil, e:kind(), e:retryable(), "
        "e:message(), over, room, purged}"
    )
    assert ask(source) == [True, "Unavailable", True, "store is full", True, True, True]


def test_listing_in_pages() -> None:
    async def program(guest: Guest) -> Any:
        await guest.run(OPEN + "for i = 1, 25 do s:set(('user:%02d'):format(i), i) end s:set('a:b', 1)")
        return await guest.run(
            OPEN
            + (
                "local keys, after, pages = {}, nil, 0 repeat local p = s:list({prefix = 'user:', limit "
                "= 10, after = after}) pages = pages + 1 "
                "for _, item in ipairs(p.items) do keys[#keys + 1] = item.key end after = p.cursor until "
                "not p.has_more return {keys, pages}"
            )
        )

    big = entry("t:s", "store.memory", {"max_size": 0, "lifecycle": {"auto_start": True}})
    keys, pages = run(program, big)
    assert keys == [f"user:{i:02d}" for i in range(1, 26)]
    assert pages == 3


class Scope:
    def __init__(self, *denied: str) -> None:
        self.denied = denied
        self.seen: list[tuple[str, str, Any]] = []

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Any:
        self.seen.append((action, resource, meta))
        return "deny" if action in self.denied else "allow"


def with_scope(source: str, scope: Scope) -> Any:
    async def program(guest: Guest) -> Any:
        return await guest.run(source, identity=guest.node.identities.add(Actor("a", {}), scope))

    return run(program, STORE)


def test_denied_access_to_a_store_is_raised() -> None:
    found = with_scope("local ok, e = pcall(store.get, 't:s') return {ok, tostring(e)}", Scope("store.get"))
    assert found[0] is False and "not allowed to access store: t:s" in found[1]


@pytest.mark.parametrize(
    ("action", "call", "raised"),
    [
        ("get", "s:get('k')", True),
        ("get", "s:entry('k')", False),
        ("has", "s:has('k')", True),
        ("set", "s:set('k', 1)", True),
        ("set", "s:put('k', 1)", False),
        ("delete", "s:delete('k')", True),
        ("list", "s:list()", False),
    ],
)
def test_denials_of_keys_are_raised_or_returned(action: str, call: str, raised: bool) -> None:
    scope = Scope(f"store.key.{action}")
    found = with_scope(
        OPEN + f"local ok, v, e = pcall(function() return {call} end) return {{ok, ok and e:kind() or tostring(v)}}",
        scope,
    )
    if raised:
        assert found[0] is False and "not allowed to" in found[1] and ":k" in found[1]
    else:
        assert found == [True, "PermissionDenied"]
    assert (
        scope.seen[-1][1:] == ("t:s", {"prefix": ""} if action == "list" else {"key": ":k"})
        or scope.seen[-1][2].get("key") == ":k"
    )


def test_cleanup_frees_memory() -> None:
    now = [0.0]

    async def main() -> int:
        store = MemoryStore(10, 300, lambda: now[0])
        await store.start()
        await store.put(":a", 1, 1)
        await store.put(":b", 1, 0)
        now[0] = 2
        store.purge()
        size = len(store._items)
        await store.stop()
        return size

    assert asyncio.run(main()) == 1


def test_new_limits_keep_the_content() -> None:
    async def program(guest: Guest) -> Any:
        await guest.run(OPEN + "s:set('k', 1)")
        await guest.run(
            "local c = registry.snapshot():changes() c:update({id = 't:s', kind = 'store.memory', "
            "data = {max_size = 1, lifecycle = {auto_start = true}}}) assert(c:apply())"
        )
        return await guest.run(OPEN + "local ok, e = s:set('b', 1) return {s:get('k'), e:kind()}")

    assert run(program, STORE) == [1, "Unavailable"]


def test_a_store_that_does_not_run_is_unavailable() -> None:
    async def program(guest: Guest) -> Any:
        await guest.node.supervisor.stop("t:s")
        return await guest.run(OPEN + "local _, e = s:get('k') return e:kind()")

    assert run(program, STORE) == "Unavailable"


def test_negative_sizes_are_rejected() -> None:
    with pytest.raises(Error):
        check("return 1", entries=(entry("t:s", "store.memory", {"max_size": -1}),))
