"""Where versions are kept (spec 01 §12): memory, SQLite and PostgreSQL keep the same promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from apps.program import free_port
from registry.recording import Recording, create, delete, free, update
from servers import Postgres
from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.config import Config
from wippy.project.history import history_of
from wippy.registry.changes import ChangeSet, Create, Delete, Update
from wippy.registry.entry import Entry
from wippy.registry.history import BASELINE, History, HistoryStore, Moved, Version
from wippy.registry.history_codec import decode_changes, encode_changes
from wippy.registry.history_sqlite import SqliteStore
from wippy.registry.registry import Registry

Open = Callable[[], HistoryStore]


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """A way to open the same store again and again."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "deep" / "registry.db")
    from wippy.registry.history_postgres import PostgresStore

    server: Postgres = request.getfixturevalue("postgres")
    dsn = server.database()
    return lambda: PostgresStore(dsn, "history")


async def started(store: HistoryStore, *entries: Entry) -> Registry:
    registry = Registry([Recording()], history=History(store))
    await registry.load(entries)
    return registry


def values(registry: Registry) -> dict[str, Any]:
    handler = registry.handler("test.free")
    assert isinstance(handler, Recording)
    held = {str(key): config.value for key, config in handler.resources.items()}
    assert held == {str(key): entry.data["value"] for key, entry in registry.state.items()}
    return held


async def restarted(registry: Registry, store: HistoryStore, *entries: Entry) -> Registry:
    await registry.close()
    return await started(store, *entries)


def run(work: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(main())


def test_a_new_store_has_the_baseline_only(store: Open) -> None:
    async def scenario() -> None:
        kept = store()
        assert await kept.open() == ([], 0)
        await kept.close()
        again = store()
        assert await again.open() == ([], 0)
        await again.close()

    run(scenario())


def test_a_restart_continues_at_the_head_that_was_kept(store: Open) -> None:
    async def scenario() -> None:
        base = (free("app:a", 1), free("app:b", 1))
        registry = await started(store(), *base)
        await registry.apply(update(free("app:a", 2)))
        await registry.apply([Delete(EntryId("app", "b")), Create(free("app:c", 3, order=1, tags=["x"]))])
        registry = await restarted(registry, store(), *base)
        assert registry.version == Version(2, 1) and values(registry) == {"app:a": 2, "app:c": 3}
        assert registry.get(EntryId("app", "c")) == free("app:c", 3, order=1, tags=["x"])
        await registry.apply_version(1)
        registry = await restarted(registry, store(), *base)
        assert registry.version.id == 1 and values(registry) == {"app:a": 2, "app:b": 1}
        third = await registry.apply(create(free("app:d", 4)))
        assert third == Version(3, 1)
        registry = await restarted(registry, store(), *base)
        assert [version.id for version in registry.history.versions()] == [0, 1, 2, 3]
        assert values(registry) == {"app:a": 2, "app:b": 1, "app:d": 4}
        await registry.apply_version(2)
        assert values(registry) == {"app:a": 2, "app:c": 3}
        await registry.apply_version(0)
        registry = await restarted(registry, store(), *base)
        assert registry.version == BASELINE and values(registry) == {"app:a": 1, "app:b": 1}
        await registry.close()

    run(scenario())


def test_files_that_changed_between_runs_count_where_history_says_nothing(store: Open) -> None:
    async def scenario() -> None:
        registry = await started(store(), free("app:a", 1), free("app:b", 1), free("app:gone", 1), free("app:x", 1))
        await registry.apply([Update(free("app:a", 2)), Delete(EntryId("app", "b")), Update(free("app:gone", 2))])
        now = (free("app:a", 7), free("app:b", 7), free("app:x", 7), free("app:new", 7))
        registry = await restarted(registry, store(), *now)
        assert values(registry) == {"app:a": 2, "app:gone": 2, "app:x": 7, "app:new": 7}
        await registry.apply_version(0)  # the files as they are now, not as they were
        assert values(registry) == {"app:a": 7, "app:b": 7, "app:x": 7, "app:new": 7}
        await registry.apply_version(1)
        assert values(registry) == {"app:a": 2, "app:gone": 2, "app:x": 7, "app:new": 7}
        registry = await restarted(registry, store(), *now)
        assert values(registry) == {"app:a": 2, "app:gone": 2, "app:x": 7, "app:new": 7}
        await registry.close()

    run(scenario())


def test_a_rejected_change_leaves_no_trace(store: Open) -> None:
    async def scenario() -> None:
        registry = await started(store())
        await registry.apply(create(free("app:a", 1)))
        with pytest.raises(Error):
            await registry.apply(create(free("app:b"), free("app:a")))
        registry = await restarted(registry, store())
        assert registry.version.id == 1 and values(registry) == {"app:a": 1}
        await registry.close()

    run(scenario())


def test_a_cancelled_change_is_recorded_and_live_or_neither(store: Open) -> None:
    async def scenario() -> None:
        registry = await started(store())
        for number in range(20):
            change = asyncio.create_task(registry.apply(create(free(f"app:e{number}", number))))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            change.cancel()
            await asyncio.gather(change, return_exceptions=True)
            other = store()
            assert (await other.open())[1] == registry.version.id
            await other.close()
            before = values(registry)
        registry = await restarted(registry, store())
        assert values(registry) == before
        await registry.close()

    run(scenario())


def test_a_head_that_moved_is_a_retryable_conflict_and_the_registry_follows(store: Open) -> None:
    async def scenario() -> None:
        base = free("app:base", 1)
        here, there = await started(store(), base), await started(store(), base)
        await here.apply(create(free("app:a", 1)))
        with pytest.raises(Error) as refused:
            await there.apply(create(free("app:b", 2)))
        error = refused.value
        assert (error.kind, error.retryable, error.message) == ("Conflict", True, "registry changed during apply")
        assert there.version.id == 1 and values(there) == {"app:base": 1, "app:a": 1}
        assert (await there.apply(create(free("app:b", 2)))) == Version(2, 1)
        with pytest.raises(Moved):
            await here.apply_version(0)
        assert here.version.id == 2 and values(here) == values(there)
        await here.apply_version(0)
        with pytest.raises(Moved):  # the next free id is another one than this registry knows of
            await there.apply(update(free("app:base", 9)))
        assert (there.version.id, values(there)) == (0, {"app:base": 1})
        assert (await there.apply(update(free("app:base", 9)))) == Version(3, 0)
        await here.close()
        await there.close()

    run(scenario())


def test_many_runtimes_on_one_history_never_corrupt_it(store: Open) -> None:
    """Each adds its own entries and tries again when it lost: in the end all of them are there, once."""

    async def scenario() -> None:
        registries = [await started(store()) for _ in range(4)]

        async def work(registry: Registry, mark: int) -> None:
            for number in range(10):
                while True:
                    try:
                        await registry.apply(create(free(f"app:r{mark}.{number}", mark)))
                        break
                    except Error as error:
                        assert error.retryable, error.message

        await asyncio.gather(*(work(registry, mark) for mark, registry in enumerate(registries)))
        fresh = await started(store())
        assert fresh.version.id == 40 and len(values(fresh)) == 40
        chain = [fresh.version]
        while chain[-1].parent is not None:
            chain.append(fresh.history.version(chain[-1].parent))
        assert [version.id for version in chain] == list(range(40, -1, -1))
        for registry in (*registries, fresh):
            await registry.close()

    run(scenario())


def test_a_history_in_use_says_so(store: Open) -> None:
    async def scenario() -> None:
        probe = store()
        await probe.open()
        assert await probe.held() is False
        registry, second = await started(store()), await started(store())
        assert await probe.held() is True
        await registry.close()
        assert await probe.held() is True
        await second.close()
        assert await probe.held() is False
        await probe.close()

    run(scenario())


def test_the_loop_goes_on_while_history_is_written(store: Open) -> None:
    """The longest time that the loop stands still while a large change set is recorded."""

    async def scenario() -> float:
        registry = await started(store())
        longest, running = 0.0, True

        async def watch() -> None:
            nonlocal longest
            before = time.perf_counter()
            while running:
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                longest, before = max(longest, now - before), now

        kept = registry.history
        changes = create(free("app:large", "x" * 8_000_000))
        watching = asyncio.create_task(watch())
        await kept.record(kept.following(registry.version), changes)
        running = False
        await watching
        await registry.close()
        return longest

    assert run(scenario()) < 1.0


def test_a_lost_connection_is_made_anew(postgres: Postgres) -> None:
    from wippy.registry.history_postgres import PostgresStore

    dsn = postgres.database()

    async def scenario() -> None:
        registry = await started(PostgresStore(dsn, "history"))
        await registry.apply(create(free("app:a", 1)))
        await asyncio.to_thread(
            postgres.execute,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()",
            dsn.rpartition("/")[2],
        )
        await registry.apply(create(free("app:b", 2)))
        probe = PostgresStore(dsn, "history")
        assert await probe.held() is True
        await probe.close()
        registry = await restarted(registry, PostgresStore(dsn, "history"))
        assert values(registry) == {"app:a": 1, "app:b": 2}
        await registry.close()

    run(scenario())


def test_a_server_that_ends_and_comes_back_costs_only_the_changes_meanwhile(postgres: Postgres) -> None:
    from wippy.registry.history_postgres import PostgresStore

    dsn = postgres.database()

    async def before() -> Registry:
        registry = await started(PostgresStore(dsn, "history"))
        await registry.apply(create(free("app:a", 1)))
        return registry

    async def meanwhile(registry: Registry) -> None:
        with pytest.raises(Error) as refused:
            await registry.apply(create(free("app:b", 2)))
        assert (refused.value.kind, refused.value.retryable) == ("Unavailable", True)
        assert registry.version.id == 1 and values(registry) == {"app:a": 1}

    async def after(registry: Registry) -> None:
        assert (await registry.apply(create(free("app:b", 2)))).id == 2
        registry = await restarted(registry, PostgresStore(dsn, "history"))
        assert values(registry) == {"app:a": 1, "app:b": 2}
        await registry.close()

    with asyncio.Runner() as runner:
        registry = runner.run(before())
        postgres.kill()
        try:
            runner.run(meanwhile(registry))
        finally:
            postgres.start()
        runner.run(after(registry))


def test_who_cannot_follow_stays_and_says_so_until_it_can(store: Open) -> None:
    async def scenario() -> None:
        willing = True

        def no_a(call: str, entry: Entry) -> None:
            if not willing and entry.id.name == "a":
                raise invalid("not here")

        here, there = await started(store()), Registry([Recording(no_a)], history=History(store()))
        await there.load([])
        await here.apply(create(free("app:a", 1)))
        willing = False
        for _ in range(2):
            with pytest.raises(Error) as refused:
                await there.apply(create(free("app:b", 2)))
            assert (refused.value.kind, refused.value.retryable) == ("Conflict", True)
            assert "cannot follow the shared history" in refused.value.message and "not here" in refused.value.message
            assert there.version.id == 0 and values(there) == {}
        willing = True
        with pytest.raises(Moved):
            await there.apply(create(free("app:b", 2)))
        assert there.version.id == 1 and values(there) == {"app:a": 1}
        await here.close()
        await there.close()

    run(scenario())


def test_a_server_that_does_not_answer_changes_nothing_and_no_secret_is_told() -> None:
    from wippy.registry.history_postgres import PostgresStore

    store = PostgresStore(f"postgresql://wippy:s3cret@127.0.0.1:{free_port()}/x", "history")
    with pytest.raises(Error) as refused:
        run(started(store))
    assert refused.value.kind == "Unavailable" and "s3cret" not in str(refused.value)


def test_a_wrong_password_is_said_without_the_password(postgres: Postgres) -> None:
    from wippy.registry.history_postgres import PostgresStore

    wrong = postgres.database().replace(postgres.PASSWORD, "wr0ng")
    with pytest.raises(Error) as refused:
        run(started(PostgresStore(wrong, "history")))
    assert "password authentication failed" in str(refused.value) and "wr0ng" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "a b", 'x"; DROP', "1st", "x" * 64])
def test_a_schema_is_a_plain_identifier(name: str) -> None:
    from wippy.registry.history_postgres import PostgresStore

    with pytest.raises(Error) as refused:
        PostgresStore("postgresql://nowhere/x", name)
    assert refused.value.kind == "Invalid"


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_text("this is not a database, whatever its name may say about it\n" * 100)
    with pytest.raises(Error) as refused:
        run(started(SqliteStore(path)))
    assert refused.value.kind == "Unavailable" and str(path) in refused.value.message


def test_the_tables_are_those_of_the_specification(tmp_path: Path) -> None:
    import apsw

    path = tmp_path / "registry.db"

    async def scenario() -> None:
        registry = await started(SqliteStore(path))
        await registry.apply(create(free("app:a", 1)))
        await registry.close()

    run(scenario())
    with apsw.Connection(str(path)) as database:
        assert database.pragma("journal_mode") == "wal"
        assert database.execute("SELECT key, value FROM metadata ORDER BY key").fetchall() == [
            ("head", "1"),
            ("schema_version", "1"),
        ]
        assert database.execute("SELECT id, parent_id FROM versions").fetchall() == [(0, None), (1, 0)]
        ((version, data),) = database.execute("SELECT version_id, data FROM changesets").fetchall()
        assert version == 1 and decode_changes(data) == create(free("app:a", 1))
        database.execute("UPDATE metadata SET value = '2' WHERE key = 'schema_version'")
    with pytest.raises(Error) as refused:
        run(started(SqliteStore(path)))
    assert "schema version 2" in refused.value.message


def test_change_sets_keep_every_value() -> None:
    data = {"int": 1, "float": 1.0, "text": "ä\udcff", "bytes": b"\xff", "list": [True, None, {}], "max": 2**63 - 1}
    changes = ChangeSet(
        [
            Create(Entry(EntryId("a", "b:c"), "k", {"x": [1]}, data)),
            Update(Entry(EntryId("", "u"), "k", {}, None), Entry(EntryId("", "u"), "k", {}, "before")),
            Delete(EntryId("a", "d"), Entry(EntryId("a", "d"), "k", {}, [])),
        ]
    )
    back = decode_changes(encode_changes(changes))
    assert back == changes
    (first, *_) = back
    assert (
        isinstance(first, Create) and type(first.entry.data["int"]) is int and type(first.entry.data["float"]) is float
    )


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x91\x93\xa1x\xc0\xc0"])
def test_damaged_change_sets_are_an_error(data: bytes) -> None:
    with pytest.raises(Error) as refused:
        decode_changes(data)
    assert refused.value.kind == "Unavailable" and "damaged" in refused.value.message


@pytest.mark.parametrize(
    ("settings", "store"),
    [
        ({}, "MemoryStore"),
        ({"registry.history_type": "memory"}, "MemoryStore"),
        ({"registry.history_type": "sqlite"}, "SqliteStore"),
        ({"registry.history_type": "postgres", "registry.history_dsn": "postgresql://x"}, "PostgresStore"),
        ({"registry.history_type": "nil"}, "NoStore"),
        ({"registry.enable_history": False, "registry.history_type": "sqlite"}, "NoStore"),
        ({"registry.history_type": "parchment"}, "MemoryStore"),
    ],
)
def test_the_configuration_chooses_the_store(
    settings: dict[str, Any], store: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert type(history_of(Config(settings))._store).__name__ == store
    assert ("parchment" in caplog.text) == ("parchment" in str(settings))


def test_a_postgres_history_needs_a_dsn() -> None:
    with pytest.raises(Error) as refused:
        history_of(Config({"registry.history_type": "postgres"}))
    assert "registry.history_dsn" in refused.value.message


def test_deletes_and_updates_of_the_baseline_survive(store: Open) -> None:
    async def scenario() -> None:
        base = (free("app:a", 1), free("app:b", 1))
        registry = await started(store(), *base)
        await registry.apply(delete(free("app:a")))
        registry = await restarted(registry, store(), *base)
        old = await registry.snapshot_at(1)
        assert [str(key) for key in old] == ["app:b"]
        assert len(await registry.snapshot_at(0)) == 2
        await registry.close()

    run(scenario())
