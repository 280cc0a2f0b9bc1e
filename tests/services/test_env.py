"""Module env and kinds env.* (spec 04a §7, spec 01 §6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lua.modules.guest import Guest, check, run
from wippy.compute.identity import Actor
from wippy.core.errors import Error
from wippy.registry.entry import Entry, entry

OS = entry("e:os", "env.storage.os", {})
MEMORY = entry("e:mem", "env.storage.memory", {})
STATIC = entry("e:static", "env.storage.static", {"values": {"FIXED": "one", "NUMBER": 8080.0}})
ROUTER = entry("e:router", "env.storage.router", {"storages": ["e:mem", "static"]})


def variable(name: str, storage: str, **data: Any) -> Entry:
    return entry(f"e:v_{name.lower()}", "env.variable", {"variable": name, "storage": storage, **data})


ENTRIES = (
    OS,
    MEMORY,
    STATIC,
    ROUTER,
    variable("PATH", "e:os"),
    variable("FIXED", "static"),
    variable("NUMBER", "e:static"),
    variable("MEM", "e:mem", default="start"),
    variable("ROUTED", "e:router"),
    variable("LOCKED", "e:mem", readonly=True, default="x"),
    variable("EMPTY", "e:mem"),
    entry("e:private", "env.variable", {"storage": "e:mem", "default": 5}),
)


def ask(source: str) -> Any:
    return check(source, entries=ENTRIES)


def test_the_os_environment_through_a_declared_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/somewhere")
    assert ask("return {env.get('PATH'), env.get_all().PATH}") == ["/somewhere", "/somewhere"]


def test_only_registered_variables_are_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNREGISTERED", "x")
    assert ask(
        "local v, e = env.get('UNREGISTERED') return {v == nil, e:kind(), e:retryable(), env.get_all().UNREGISTERED}"
    ) == [True, "NotFound", False, "x"]


def test_set_get_overwrite_and_default() -> None:
    assert ask(
        "local a = env.get('MEM') env.set('MEM', 'b') local b = env.get('MEM') env.set('MEM', "
        "'') return {a, b, env.set('MEM', 'c'), env.get('e:mem') == nil, env.get_all().MEM}"
    ) == [
        "start",
        "b",
        True,
        True,
        "c",
    ]


def test_an_empty_stored_text_counts_as_unset() -> None:
    assert ask(
        "env.set('MEM', '') env.set('EMPTY', '') local v, e = env.get('EMPTY') return {env.get('MEM'), "
        "v == nil, e:kind()}"
    ) == ["start", True, "NotFound"]


def test_a_router_reads_in_order_and_writes_to_the_first() -> None:
    assert ask("env.set('ROUTED', 'v') return {env.get('ROUTED'), env.get_all().ROUTED}") == ["v", "v"]


def test_static_values_become_texts() -> None:
    assert ask("return {env.get('FIXED'), env.get('NUMBER')}") == ["one", "8080"]


@pytest.mark.parametrize("name", ["PATH", "FIXED", "LOCKED"])
def test_read_only_variables_and_storages_deny_writing(name: str) -> None:
    assert ask(f"local v, e = env.set('{name}', 'x') return {{v == nil, e:kind(), e:retryable()}}") == [
        True,
        "PermissionDenied",
        False,
    ]


def test_private_variables_are_reachable_by_id_and_in_their_namespace() -> None:
    assert ask(
        "env.set('e:private', 'p') local v, e = env.get('private') return {env.get('e:private'), "
        "v == nil, env.get_all()['e:private']}"
    ) == ["p", True, "p"]

    async def inside(guest: Guest) -> Any:
        name = guest.define("return env.get('private')", entry_id="e:function")
        return (await guest.node.call(name))[0]

    assert run(inside, *ENTRIES) == "5"


@pytest.mark.parametrize("call", ["get('')", "set('', 'x')"])
def test_the_empty_key_is_invalid(call: str) -> None:
    assert ask(f"local v, e = env.{call} return {{v == nil, e:kind()}}") == [True, "Invalid"]


def test_unknown_names_and_wrong_types() -> None:
    assert ask("local v, e = env.set('NOPE', 'x') return {e:kind(), (pcall(env.set, 'MEM', {}))}") == [
        "NotFound",
        False,
    ]


def test_permissions_filter_and_deny() -> None:
    class OnlyMem:
        def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Any:
            return "allow" if (action, resource) == ("env.get", "MEM") else "deny"

    async def program(guest: Guest) -> Any:
        await guest.run("env.set('MEM', 'a')")
        source = (
            "local _, e = env.get('PATH') local _, f = env.set('MEM', 'x') return {env.get_all(), e:kind(), f:kind()}"
        )
        return await guest.run(source, identity=guest.node.identities.add(Actor("a", {}), OnlyMem()))

    assert run(program, *ENTRIES) == [{"MEM": "a"}, "PermissionDenied", "PermissionDenied"]


# Files ------------------------------------------------------------------------------------------------------------


def in_file(path: Path, source: str, **data: Any) -> Any:
    storage = entry("e:file", "env.storage.file", {"file_path": str(path), **data})
    return check(
        source,
        entries=(storage, variable("A", "e:file"), variable("B", "e:file", default="d"), variable("C", "e:file")),
    )


def test_file_format_and_comments(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# head\n A = one two  # why\nB=\n\nnonsense\nC=x=y\n")
    assert in_file(path, "return {env.get('A'), env.get('B'), env.get('C')}") == ["one two", "d", "x=y"]
    in_file(path, "assert(env.set('A', 'new')) assert(env.set('B', 'more'))")
    assert path.read_text() == "# head\nA=new # why\nB=more\n\nnonsense\nC=x=y\n"


def test_changes_of_the_file_are_seen(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")

    async def program(guest: Guest) -> Any:
        first = await guest.run("return env.get('A')")
        path.write_text("A=changed\n")
        return [first, await guest.run("return env.get('A')")]

    storage = entry("e:file", "env.storage.file", {"file_path": str(path)})
    assert run(program, storage, variable("A", "e:file")) == ["1", "changed"]


def test_a_missing_file_is_empty_and_created_only_when_allowed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".env"
    assert in_file(path, "local v, e = env.get('A') local s, f = env.set('A', 'x') return {e:kind(), s == nil}") == [
        "NotFound",
        True,
    ]
    assert not path.exists()
    assert in_file(path, "return {env.set('A', 'x'), env.get('A')}", auto_create=True, file_mode="0600") == [True, "x"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_value_cannot_smuggle_in_another_line(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    assert in_file(path, "local v, e = env.set('A', 'x\\nB=2') return e:kind()") == "Invalid"
    assert path.read_text() == "A=1\n"


# The registry's use -----------------------------------------------------------------------------------------------


def test_duplicate_public_names_are_rejected() -> None:
    twice = entry("e:again", "env.variable", {"variable": "MEM", "storage": "e:mem"})
    with pytest.raises(Error) as caught:
        check("return 1", entries=(*ENTRIES, twice))
    assert "MEM" in caught.value.message


def test_bad_names_and_missing_storages_are_rejected() -> None:
    for data in ({"variable": "A B", "storage": "e:mem"}, {"variable": "A", "storage": "e:none"}, {"variable": "A"}):
        with pytest.raises(Error):
            check("return 1", entries=(MEMORY, entry("e:v", "env.variable", data)))
    with pytest.raises(Error):
        check("return 1", entries=(entry("e:r", "env.storage.router", {"storages": []}),))


def test_lookup_gives_values_defaults_and_nothing() -> None:
    async def program(guest: Guest) -> Any:
        return [
            guest.env.lookup(*pair)
            for pair in (
                ("MEM", "x"),
                ("e:private", "x"),
                ("private", "e"),
                ("private", "x"),
                ("EMPTY", ""),
                ("NOPE", ""),
            )
        ]

    assert run(program, *ENTRIES) == ["start", "5", "5", None, None, None]


def test_placeholders_and_env_fields_of_other_kinds() -> None:
    stores = (
        entry("t:a", "store.memory", {"max_size": "${env:SIZE}", "lifecycle": {"auto_start": True}}),
        entry("t:b", "store.memory", {"max_size_env": "SIZE", "lifecycle": {"auto_start": True}}),
    )
    source = (
        "local out = {} for _, id in ipairs({'t:a', 't:b'}) do local s = store.get(id) s:set('x', "
        "1) local _, e = s:set('y', 1) out[#out + 1] = e:kind() end return out"
    )
    assert check(source, entries=(*stores, MEMORY, variable("SIZE", "e:mem", default="1"))) == [
        "Unavailable",
        "Unavailable",
    ]
