"""The servers of the tests themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servers import Postgres, missing


def test_without_a_service_a_test_is_skipped_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIPPY_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        missing("it is not installed")


def test_where_services_are_required_the_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIPPY_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="it is not installed"):
        missing("it is not installed")


def test_every_test_has_a_database_of_its_own(postgres: Postgres) -> None:
    one, two = (postgres.database().rpartition("/")[2] for _ in range(2))
    postgres.execute("CREATE TABLE only_here (v int)", one)
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'", one) == [(1,)]
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'", two) == [(0,)]


def test_the_server_listens_on_this_machine_only_and_not_as_root(postgres: Postgres) -> None:
    assert postgres.execute("SHOW listen_addresses") == [("127.0.0.1",)]
    ((directory,),) = postgres.execute("SHOW data_directory")
    assert Path(directory).stat().st_uid != 0 or os.geteuid() != 0
    assert "wippy-postgres-" in directory
