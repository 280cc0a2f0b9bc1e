"""Module sql over db.sql.sqlite (spec 04a §1)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from lua.modules.guest import Guest, check, run, sqlite
from wippy.compute.identity import Actor
from wippy.core.errors import Error
from wippy.registry.entry import entry
from wippy.services.sql.sqlite import SqliteDatabase

OPEN = (
    "local db = assert(sql.get('t:db')) "
    "assert(db:execute('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, name TEXT, value REAL)')) "
)


def ask(source: str, *args: Any) -> Any:
    return check(OPEN + source, *args, entries=(sqlite(),))


# Getting a database -----------------------------------------------------------------------------------------------


def test_get_type_stats_and_release() -> None:
    source = (
        "local s = db:stats() return {db:type() == sql.type.SQLITE, s.open_connections, s.in_use, "
        "s.idle, s.max_open_connections, s.wait_duration, db:release(), db:release(), (pcall(function() "
        "s.x = 1 end))}"
    )
    assert ask(source) == [True, 1, 0, 1, 1, "0s", True, True, False]
    assert ask("db:release() return #db:query('SELECT 1 AS x')") == 1


def test_unknown_empty_and_other_ids() -> None:
    source = (
        "local out = {} for _, id in ipairs({'', 't:none', 't:store'}) do local d, e = sql.get(id) "
        "out[#out + 1] = {d == nil, e:kind(), e:retryable()} end return out"
    )
    entries = (sqlite(), entry("t:store", "store.memory", {}))
    assert check(source, entries=entries) == [
        [True, "Invalid", False],
        [True, "NotFound", False],
        [True, "Invalid", False],
    ]


def test_access_needs_a_permission() -> None:
    class Nothing:
        def evaluate(self, *_: Any) -> Any:
            return "deny"

    async def program(guest: Guest) -> Any:
        identity = guest.node.identities.add(Actor("a", {}), Nothing())
        return await guest.run(
            "local d, e = sql.get('t:db') return {d == nil, e:kind(), e:message()}", identity=identity
        )

    assert run(program, sqlite()) == [True, "PermissionDenied", "not allowed to access database: t:db"]


def test_a_stopped_database_is_unavailable() -> None:
    async def program(guest: Guest) -> Any:
        await guest.node.supervisor.stop("t:db")
        return await guest.run("local d, e = sql.get('t:db') return e:kind()")

    assert run(program, sqlite()) == "Unavailable"


# Statements -------------------------------------------------------------------------------------------------------


def test_execute_counts_and_numbers_rows() -> None:
    source = (
        "local a = db:execute('INSERT INTO t (name) VALUES (?)', {'x'}) local b = db:execute('INSERT "
        "INTO t (name) VALUES (?)', {'y'}) "
        "local u = db:execute('UPDATE t SET value = 1') local n = db:execute('UPDATE t SET value "
        "= 2 WHERE id = 99') local d = db:execute('DELETE FROM t WHERE id = 1') "
        "local c = db:execute('CREATE TABLE other (x)') "
        "return {math.type(a.last_insert_id), b.last_insert_id - a.last_insert_id, a.rows_affected, "
        "u.rows_affected, n.rows_affected, d.rows_affected, c.rows_affected}"
    )
    assert ask(source) == ["integer", 1, 1, 2, 0, 1, 0]


def test_rows_are_tables_by_column_name_in_order() -> None:
    source = (
        "for i = 3, 1, -1 do db:execute('INSERT INTO t VALUES (?, ?, ?)', {i, 'n' .. i, i * 50.0}) end "
        "local rows = db:query('SELECT * FROM t ORDER BY id') rows[1].extra = true "
        "return {#rows, rows[1].id, math.type(rows[1].id), rows[3].name, rows[3].value == 150, "
        "math.type(rows[3].value), #db:query('SELECT * FROM t WHERE id > 9')}"
    )
    assert ask(source) == [3, 1, "integer", "n3", True, "float", 0]


def test_aggregates_keep_their_subtype() -> None:
    source = (
        "db:execute('INSERT INTO t VALUES (1, NULL, 1.5), (2, NULL, 2.5)') local r = db:query('SELECT "
        "COUNT(*) AS n, SUM(value) AS s, name FROM t')[1] "
        "return {math.type(r.n), r.n, math.type(r.s), r.s, r.name == nil}"
    )
    assert ask(source) == ["integer", 2, "float", 4, True]


@pytest.mark.parametrize("value", [9007199254740991, 2**63 - 1, -(2**63), 0, 1.5, "text", "", "é", b"\xff\x00", True])
def test_values_survive_the_way_in_and_out(value: Any) -> None:
    found = ask("return db:query('SELECT ? AS v', {(...)})[1].v", value)
    assert found == value
    assert type(found) is (int if value is True else type(value))


def test_nulls_holes_and_foreign_values() -> None:
    source = (
        "local r = db:query('SELECT ? IS NULL AS a, ? IS NULL AS b, ? IS NULL AS c, ? IS NULL "
        "AS d, ? AS e, ? IS NULL AS f', {sql.NULL, nil, sql.as.null(), {}, 5, print})[1] "
        "return {r.a, r.b, r.c, r.d, r.e, r.f, tostring(sql.NULL), type(sql.NULL)}"
    )
    assert ask(source) == [1, 1, 1, 1, 5, 1, "NULL", "userdata"]


def test_typed_values() -> None:
    source = (
        "local r = db:query('SELECT typeof(?1) AS a, typeof(?2) AS b, typeof(?3) AS c, typeof(?4) "
        "AS d, typeof(?5) AS e, ?4 AS blob', "
        "{sql.as.int(3.9), sql.as.float(3), sql.as.text(42), sql.as.binary('abc'), sql.as.null()})[1] "
        "return {r.a, r.b, r.c, r.d, r.e, r.blob, sql.as.int(-3.9), sql.as.int('x'), math.type(sql.as.float('x')), "
        "sql.as.text({}), sql.as.binary(1) == sql.NULL}"
    )
    assert ask(source) == ["integer", "real", "text", "blob", "null", "abc", -3, 0, "float", "", True]


def test_parameters_must_be_a_table() -> None:
    assert ask("local r, e = db:query('SELECT 1', 'x') return {r == nil, e:kind(), e:message()}") == [
        True,
        "Invalid",
        "parameters must be a table, got string",
    ]
    assert ask("local r, e = db:query('SELECT ?', {[1000000000] = 1}) return e:kind()") == "Invalid"


def test_several_statements_take_their_arguments_in_order() -> None:
    source = (
        "local rows = db:query('INSERT INTO t VALUES (?, ?, 0); INSERT INTO t VALUES (?, ?, 0); "
        "SELECT name FROM t WHERE id >= ? ORDER BY id; -- end', {1, 'a', 2, 'b', 1, 'surplus'}) "
        "local _, e = db:query('SELECT ?, ?; SELECT ?', {1, 2}) "
        "return {#rows, rows[1].name, rows[2].name, e:message()}"
    )
    assert ask(source) == [2, "a", "b", "not enough args to execute query: want 1 got 0"]


def test_missing_and_surplus_arguments() -> None:
    assert (
        ask("local r, e = db:query('SELECT ?, ?', {1}) return e:message()")
        == "not enough args to execute query: want 2 got 1"
    )
    assert ask("return db:query('SELECT ? AS x', {1, 2, 3})[1].x") == 1
    assert ask("return db:query('SELECT ?2 AS x, ?1 AS y, :n AS z', {1, 2, 3})[1]") == {"x": 2, "y": 1, "z": 3}


def test_placeholders_inside_texts_and_comments_do_not_count() -> None:
    assert ask("return db:query([[SELECT '?;' AS \"a?\", ? AS b /* ? ; */ -- ?\n]], {7})[1]") == {"a?": "?;", "b": 7}


def test_a_trigger_is_one_statement() -> None:
    source = (
        "assert(db:execute([[CREATE TABLE log (x); CREATE TRIGGER tr AFTER INSERT ON t BEGIN "
        "INSERT INTO log VALUES (new.id); INSERT INTO log VALUES (0); END; INSERT INTO t VALUES "
        "(5, 'a', 0)]])) "
        "return #db:query('SELECT * FROM log')"
    )
    assert ask(source) == 2


def test_duplicate_columns_the_last_one_wins() -> None:
    assert ask("return db:query('SELECT 1 AS a, 2 AS a, 3 AS b, NULL AS b')[1]") == {"a": 2}


def test_declared_types_of_columns() -> None:
    source = (
        "db:execute('CREATE TABLE d (b BOOLEAN, ts TIMESTAMP, dt DATETIME, day DATE, n INTEGER)') "
        "db:execute('INSERT INTO d VALUES (1, 1700000000, 1700000000123, ?, 1), (0, ?, ?, ?, "
        "0), (NULL, ?, 1.5, NULL, NULL)', "
        "{'2024-02-29', '2024-01-02 03:04:05.678+02:00', '2024-01-02T03:04Z', 'junk', '0001-01-01 00:00:00'}) "
        "local rows = db:query('SELECT * FROM d') rows[4] = db:query('SELECT b + 0 AS b, ts || "
        "\\'\\' AS ts FROM d')[1] return rows"
    )
    assert ask(source) == [
        {"b": True, "ts": "2023-11-14T22:13:20Z", "dt": "2023-11-14T22:13:20Z", "day": "2024-02-29T00:00:00Z", "n": 1},
        {"b": False, "ts": "2024-01-02T01:04:05Z", "dt": "2024-01-02T03:04:00Z", "day": "0001-01-01T00:00:00Z", "n": 0},
        {"ts": "0001-01-01T00:00:00Z", "dt": 1.5},
        {"b": 1, "ts": "1700000000"},
    ]


@pytest.mark.parametrize(
    "call",
    [
        "db:query('SELEC')",
        "db:query('SELECT * FROM missing')",
        "db:execute('INSERT INTO missing VALUES (1)')",
        "db:prepare('SELEC')",
        "db:execute('INSERT INTO t (id) VALUES (1), (1)')",
    ],
)
def test_bad_sql_is_an_error_result_with_the_engines_text(call: str) -> None:
    found = ask(f"local r, e = {call} return {{r == nil, e:kind(), e:retryable() == nil, #e:message() > 5}}")
    assert found == [True, "", True, True]


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'other.db' AS o",
        "/* x */ attach database 'x' as y",
        "VACUUM INTO 'copy.db'",
        "SELECT 1; ATTACH 'x' AS y",
    ],
)
def test_guests_cannot_open_other_files(statement: str) -> None:
    assert ask("local r, e = db:execute(...) return {r == nil, e:kind()}", statement) == [True, "PermissionDenied"]
    assert ask("return (db:query([[SELECT load_extension('x')]])) == nil") is True


def test_vacuum_works() -> None:
    assert ask("local r, e = db:execute('VACUUM') return {r ~= nil, tostring(e)}") == [True, "nil"]


def test_full_text_search_and_vectors_are_available() -> None:
    source = (
        "assert(db:execute('CREATE VIRTUAL TABLE docs USING fts5(body)')) db:execute('INSERT "
        "INTO docs VALUES (?)', {'hello world'}) "
        "assert(db:execute('CREATE VIRTUAL TABLE v USING vec0(e float[2])')) db:execute('INSERT "
        "INTO v(rowid, e) VALUES (1, ?)', {'[1, 0]'}) "
        "return {#db:query('SELECT * FROM docs WHERE docs MATCH ?', {'world'}), db:query('SELECT "
        "rowid, distance FROM v WHERE e MATCH ? ORDER BY distance LIMIT 1', {'[1, 1]'})[1].distance}"
    )
    assert ask(source) == [1, 1]


def test_wrong_self_and_wrong_types_raise() -> None:
    assert ask("return {(pcall(db.query, {}, 'SELECT 1')), (pcall(db.query, db, {})), (pcall(sql.get, {}))}") == [
        False,
        False,
        False,
    ]


# Prepared statements ----------------------------------------------------------------------------------------------


def test_prepared_statements_are_reused() -> None:
    source = (
        "local ins = assert(db:prepare('INSERT INTO t (name) VALUES (?)')) for i = 1, 3 do assert(ins:execute({'n' "
        ".. i})) end "
        "local sel = db:prepare('SELECT name FROM t WHERE id = ?') return {sel:query({1})[1].name, "
        "sel:query({3})[1].name, ins:close(), sel:close()}"
    )
    assert ask(source) == ["n1", "n3", True, True]


def test_a_closed_statement_is_invalid() -> None:
    source = (
        "local s = db:prepare('SELECT 1') s:close() local out = {} "
        "for _, name in ipairs({'query', 'execute', 'close'}) do local r, e = s[name](s) out[#out "
        "+ 1] = {r == nil, e:kind(), e:retryable(), e:message()} end return out"
    )
    assert ask(source) == [
        [True, "Invalid", False, "statement is closed"],
        [True, "Invalid", False, "statement is closed"],
        [True, "Invalid", False, "statement is already closed"],
    ]


# Transactions -----------------------------------------------------------------------------------------------------


def test_commit_persists_rollback_discards_and_inside_is_visible() -> None:
    source = (
        "local tx = assert(db:begin()) tx:execute('INSERT INTO t (name) VALUES (?)', {'a'}) local "
        "inside = #tx:query('SELECT * FROM t') local kind = tx:db_type() assert(tx:commit()) "
        "local other = assert(db:begin({isolation = sql.isolation.SERIALIZABLE, read_only = true})) "
        "other:execute('DELETE FROM t') assert(other:rollback()) "
        "return {inside, kind, #db:query('SELECT * FROM t')}"
    )
    assert ask(source) == [1, "sqlite", 1]


def test_an_ended_transaction_is_invalid() -> None:
    source = (
        "local out = {} for _, finish in ipairs({'commit', 'rollback'}) do local tx = db:begin() tx[finish](tx) "
        "for _, name in ipairs({'query', 'execute', 'prepare', 'commit', 'rollback', 'db_type', "
        "'savepoint', 'rollback_to', 'release'}) do "
        "local r, e = tx[name](tx, 'x') if r ~= nil or e:kind() ~= 'Invalid' or e:message() ~= "
        "'transaction is not active' then out[#out + 1] = name end end end return #out"
    )
    assert ask(source) == 0


def test_isolation_levels_are_checked() -> None:
    assert ask("local tx, e = db:begin({isolation = 'nonsense'}) return {tx == nil, e:kind(), e:message()}") == [
        True,
        "Invalid",
        "invalid isolation level: nonsense",
    ]
    assert ask("local tx = db:begin({isolation = 5, read_only = 'x'}) return tx:rollback()") is True


def test_savepoints() -> None:
    source = (
        "local tx = db:begin() local function add(n) assert(tx:execute('INSERT INTO t (name) VALUES (?)', {n})) end "
        "add('a') local s = tx:savepoint('one') add('b') tx:savepoint('2') add('c') local b = "
        "tx:rollback_to('2') local r = tx:release('2') "
        "local mid = #tx:query('SELECT * FROM t') tx:rollback_to('one') local _, e1 = tx:savepoint('a "
        "b') local _, e2 = tx:savepoint('') local _, e3 = tx:release('none') tx:commit() "
        "return {s, b, r, mid, #db:query('SELECT * FROM t'), e1:kind(), e2:message(), e3 ~= nil}"
    )
    assert ask(source) == [True, True, True, 2, 1, "Invalid", "savepoint name is required", True]


def test_statements_of_a_transaction_end_with_it() -> None:
    source = (
        "local tx = db:begin() local s = assert(tx:prepare('INSERT INTO t (name) VALUES (?)')) "
        "s:execute({'a'}) s:execute({'b'}) tx:commit() "
        "local r, e = s:execute({'c'}) return {#db:query('SELECT * FROM t'), e:kind()}"
    )
    assert ask(source) == [2, "Invalid"]


def test_others_wait_until_a_transaction_ends() -> None:
    source = (
        "local tx = db:begin() local order = {} "
        "coroutine.spawn(function() db:execute('INSERT INTO t (name) VALUES (?)', {'late'}) order[#order "
        "+ 1] = 'query' end) "
        "coroutine.spawn(function() local other = db:begin() order[#order + 1] = 'begin' other:rollback() end) "
        "time.sleep('20ms') local before = #order order[#order + 1] = 'commit' tx:commit() time.sleep('20ms') "
        "return {before, order, #db:query('SELECT * FROM t')}"
    )
    assert ask(source) == [0, ["commit", "query", "begin"], 1]


def test_an_unfinished_transaction_is_rolled_back_when_its_function_ends() -> None:
    async def program(guest: Guest) -> Any:
        await guest.run(OPEN)
        await guest.run(
            "local db = sql.get('t:db') local tx = db:begin() tx:execute('INSERT INTO t (name) VALUES (1)')"
        )
        with pytest.raises(Error):
            await guest.run(
                "local tx = sql.get('t:db'):begin() tx:execute('INSERT INTO t (name) VALUES (2)') error('boom')"
            )
        return await guest.run("return #sql.get('t:db'):query('SELECT * FROM t')")

    assert run(program, sqlite()) == 0


def test_a_terminated_process_gives_the_database_back() -> None:
    async def program(guest: Guest) -> Any:
        await guest.run(OPEN)
        name = guest.define(
            (
                "local db = sql.get('t:db') local tx = db:begin() tx:execute('INSERT INTO t (name) VALUES "
                "(1)') time.sleep('1h')"
            ),
            function=False,
        )
        pids = [(await guest.node.spawn(name, "t:host"))[0] for _ in range(3)]
        await asyncio.sleep(0.05)
        for pid in pids:
            guest.node.terminate(pid)
        return await guest.run("return #sql.get('t:db'):query('SELECT * FROM t')")

    assert run(program, sqlite()) == 0


def test_a_cancelled_call_interrupts_its_query_and_nothing_else() -> None:
    async def program(guest: Guest) -> Any:
        slow = guest.define(
            "return sql.get('t:db'):query('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + "
            "1 FROM c) SELECT count(*) FROM c')"
        )
        call = guest.node.call(slow)
        await asyncio.sleep(0.05)
        call.cancel()
        began = time.monotonic()
        found = await guest.run("return sql.get('t:db'):query('SELECT 7 AS x')[1].x")
        return found, time.monotonic() - began < 2

    assert run(program, sqlite()) == (7, True)


# Suspension -------------------------------------------------------------------------------------------------------


def test_other_coroutines_run_while_a_query_waits() -> None:
    source = (
        "local done = channel.new(2) coroutine.spawn(function() done:send(#db:query('SELECT 1 AS x')) end) "
        "coroutine.spawn(function() local inner = channel.new(1) coroutine.spawn(function() "
        "inner:send(db:query('SELECT 2 AS x')[1].x) end) "
        "local r = channel.select({inner:case_receive(), time.after('2s'):case_receive()}) done:send(r.value) end) "
        "local sum = done:receive() + done:receive() return sum"
    )
    assert ask(source) == 3


def test_queries_in_a_process_with_an_inbox() -> None:
    async def program(guest: Guest) -> Any:
        return await guest.process(
            "local inbox = process.inbox() local db = sql.get('t:db') local r = channel.select({inbox:case_receive(), "
            "time.after('1ms'):case_receive()}) return db:query('SELECT 5 AS x')[1].x"
        )

    assert run(program, sqlite()) == 5


# Files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_kept_between_runs_and_uses_wal(tmp_path: Path) -> None:
    file = sqlite(file=str(tmp_path / "app.db"))
    check(OPEN + "db:execute('INSERT INTO t (name) VALUES (?)', {'kept'})", entries=(file,))
    assert check(
        OPEN + "return {db:query('SELECT name FROM t')[1].name, db:query('PRAGMA journal_mode')[1].journal_mode}",
        entries=(file,),
    ) == ["kept", "wal"]


@pytest.mark.parametrize("kind", ["corrupt", "folder", "missing"])
def test_an_unreadable_file_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.db"
    if kind == "corrupt":
        path.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    elif kind == "folder":
        path.mkdir()
    else:
        path = tmp_path / "none" / "x.db"
    with pytest.raises(Error) as caught:
        asyncio.run(SqliteDatabase("t:db", str(path)).start())
    assert caught.value.kind == "Unavailable"
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "file path is required"),
        ({"file": "x", "pool": {"max_open": -1}}, "max open connections must be non-negative"),
        ({"file": "x", "pool": {"max_lifetime": "0s"}}, "max lifetime must be greater than 0"),
    ],
)
def test_bad_configs_are_rejected(data: dict[str, Any], message: str) -> None:
    with pytest.raises(Error) as caught:
        check("return 1", entries=(entry("t:db", "db.sql.sqlite", data),))
    assert message in caught.value.message


def test_an_update_keeps_the_connection_unless_the_file_is_another_one(tmp_path: Path) -> None:
    async def program(guest: Guest) -> Any:
        await guest.run(OPEN + "db:execute('INSERT INTO t (name) VALUES (1)')")
        update = (
            "local c = registry.snapshot():changes() "
            "c:update({id = 't:db', kind = 'db.sql.sqlite', data = {file = (...), "
            "pool = {max_lifetime = '2h'}, lifecycle = {auto_start = true}}}) assert(c:apply()) "
        )
        count = OPEN + "return #db:query('SELECT * FROM t')"
        await guest.run(update, ":memory:")
        kept = await guest.run(count)
        await guest.run(update, str(tmp_path / "other.db"))
        return [kept, await guest.run(count)]

    assert run(program, sqlite()) == [1, 0]


def test_removing_the_entry_waits_for_its_transaction() -> None:
    async def main() -> list[str]:
        database = SqliteDatabase("t:db", ":memory:")
        await database.start()
        transaction = await database.begin("default", False)
        stopping = asyncio.ensure_future(database.stop())
        await asyncio.sleep(0.02)
        order = ["waiting" if not stopping.done() else "stopped"]
        await transaction.commit()
        await stopping
        order.append("running" if database.running else "stopped")
        return order

    assert asyncio.run(main()) == ["waiting", "stopped"]


def test_a_short_read_that_grows_long_moves_to_the_thread() -> None:
    async def main() -> int:
        database = SqliteDatabase("t:db", ":memory:")
        await database.start()
        await database.execute("CREATE TABLE t (x)", ())
        text = "SELECT count(*) FROM t a, t b"
        await database.query(text, ())
        await database.execute(
            (
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1500) INSERT INTO "
                "t SELECT x FROM c"
            ),
            (),
        )
        found = (await database.query(text, ())).values[0]
        assert text not in database._short
        await database.stop()
        return int(found)

    assert asyncio.run(main()) == 1500 * 1500
