"""Typed configs from raw entry data, and the messages when they do not fit (spec 01 §1, §6, §10)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from wippy.core.config import Duration, Ref, Verbatim, duration
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.registry.decode import ConfigDecoder
from wippy.registry.entry import Entry, Origin, entry


class Pool(msgspec.Struct, frozen=True):
    max_open: int = 0
    max_lifetime: Duration = duration("1h")


class Port(msgspec.Struct, frozen=True):
    number: int


class Config(msgspec.Struct, frozen=True):
    file: str
    port: int = 1
    ratio: float = 0.5
    secure: bool = False
    mode: Literal["a", "b"] = "a"
    pool: Pool = Pool()
    ports: list[Port] = []
    sizes: dict[str, int] = {}
    driver: Ref | None = None
    drivers: list[Ref] = []
    timeout: Duration | None = None
    source: Verbatim = ""
    server: Ref | None = msgspec.field(name="meta.server", default=None)
    worker: Ref | None = msgspec.field(name="meta.temporal.activity.worker", default=None)

    def __post_init__(self) -> None:
        if self.port > 65535:
            raise ValueError("port must be at most 65535")


ENV = {"PORT": "5432", "HOST": "db", "EMPTY": "", "app:secret": "s3", "FLAG": "true", "WORD": "eight"}
ORIGIN = Origin("src/_index.yaml", 14, {"port": 16, "pool": 17, "pool.max_open": 18})


def decode(data: Any, meta: dict[str, Any] | None = None) -> Config:
    decoder = ConfigDecoder(lambda name, ns: ENV.get(name, ENV.get(f"{ns}:{name}")))
    return decoder.decode(Entry(EntryId("app", "db"), "db.sql.sqlite", meta or {}, data, ORIGIN), Config)


def message(data: Any, meta: dict[str, Any] | None = None) -> str:
    with pytest.raises(Error) as caught:
        decode(data, meta)
    assert caught.value.kind == "Invalid"
    return caught.value.message


def test_defaults_and_unknown_fields() -> None:
    config = decode({"file": "x", "unknown": 1})
    assert (config.port, config.pool.max_lifetime.seconds, config.driver) == (1, 3600.0, None)


def test_whole_floats_of_files_fit_integers_at_any_depth() -> None:
    config = decode(
        {
            "file": "x",
            "port": 8080.0,
            "ratio": 2.0,
            "pool": {"max_open": 4.0},
            "ports": [{"number": 1.0}],
            "sizes": {"a": 2.0},
        }
    )
    assert (config.port, config.pool.max_open, config.ports, config.sizes) == (8080, 4, [Port(1)], {"a": 2})
    assert isinstance(config.port, int) and isinstance(config.ratio, float)


def test_durations_are_texts() -> None:
    assert decode({"file": "x", "timeout": "1m30s"}).timeout == 90_000_000_000
    assert message({"file": "x", "timeout": 30.0}) == (
        'app:db (db.sql.sqlite) at src/_index.yaml:14: field "timeout": '
        'expected a duration text such as "30s", got number 30'
    )
    assert "write a number with a unit" in message({"file": "x", "timeout": "30"})


def test_references_take_the_owners_namespace() -> None:
    config = decode(
        {"file": "x", "driver": "d", "drivers": ["other:e", {"ns": "n", "name": "f"}, {"name": "g"}]},
        {"server": "s", "temporal": {"activity": {"worker": "t:w"}}},
    )
    assert config.driver == EntryId("app", "d")
    assert config.drivers == [EntryId("other", "e"), EntryId("n", "f"), EntryId("app", "g")]
    assert (config.server, config.worker) == (EntryId("app", "s"), EntryId("t", "w"))


def test_messages_name_entry_place_field_and_reason() -> None:
    where = "app:db (db.sql.sqlite) at src/_index.yaml:"
    assert message({}) == where + '14: field "file": required field is missing'
    assert message({"file": "x", "port": "http"}) == where + '16: field "port": expected integer, got text'
    assert message({"file": "x", "port": 1.5}) == where + '16: field "port": expected integer, got number'
    assert message({"file": "x", "pool": {"max_open": "4"}}) == (
        where + '18: field "pool.max_open": expected integer, got text'
    )
    assert message({"file": "x", "pool": []}) == where + '17: field "pool": expected map, got list'
    assert message({"file": "x", "mode": "c"}) == where + "14: field \"mode\": invalid enum value 'c'"
    assert message({"file": "x", "port": 70000}) == where + "14: port must be at most 65535"
    assert message({"file": "x", "ports": [{}]}) == where + '14: field "ports[0].number": required field is missing'
    assert message({"file": "x"}, {"server": 3}) == (
        where + '14: field "meta.server": expected an entry id (ns:name), got number 3'
    )


def test_absent_data_and_data_that_is_no_map() -> None:
    assert message(None).endswith("config data required")
    assert message(["x"]).endswith("config must be a map, got list")


def test_null_leaves_the_default() -> None:
    assert decode({"file": "x", "pool": None, "port": None}).port == 1


def test_placeholders_are_resolved_when_decoding() -> None:
    config = decode({"file": "postgres://${env:HOST}:${env:PORT}/$${x}", "port": "${env:PORT}"})
    assert (config.file, config.port) == ("postgres://db:5432/${x}", 5432)
    assert decode({"file": "${env:secret}"}).file == "s3"
    assert decode({"file": "${NOPE|dflt} ${X}"}).file == "dflt ${X}"


def test_a_whole_placeholder_takes_the_type_of_its_default() -> None:
    config = decode({"file": "x", "port": "${env:NOPE|8080}", "secure": "${env:FLAG|false}", "ratio": "${R|0.25}"})
    assert (config.port, config.secure, config.ratio) == (8080, True, 0.25)


def test_unresolved_placeholder_is_rejected() -> None:
    assert message({"file": "x", "pool": {"max_open": "${env:NOPE}"}}) == (
        'app:db (db.sql.sqlite) at src/_index.yaml:18: field "pool.max_open": '
        'environment variable "NOPE" is not set and has no default'
    )
    assert "expected integer, got text" in message({"file": "x", "port": "${env:WORD}"})


def test_env_companions_fill_their_field() -> None:
    assert decode({"file": "x", "port_env": "PORT"}).port == 5432
    assert decode({"file": "x", "port": 7, "port_env": "EMPTY"}).port == 7
    assert decode({"file": "x", "port": 7, "port_env": "UNREGISTERED"}).port == 7
    assert decode({"file": "x", "pool": {"max_open_env": "PORT"}}).pool.max_open == 5432


def test_program_text_keeps_its_placeholders() -> None:
    assert decode({"file": "x", "source": "return '${env:NOPE} $${'"}).source == "return '${env:NOPE} $${'"


def test_raw_data_is_left_alone() -> None:
    data = {"file": "${env:HOST}", "port": 1.0}
    decode(data)
    assert data == {"file": "${env:HOST}", "port": 1.0}


def test_an_empty_map_fits_a_list_and_no_other_map_does() -> None:
    """A guest that writes back what it has read sends an empty table for an empty list."""

    class Listed(msgspec.Struct, frozen=True):
        items: list[str] = []
        inner: dict[str, list[int]] = {}

    made = ConfigDecoder().decode(entry("app:x", "test.listed", {"items": {}, "inner": {"a": {}}}), Listed)
    assert made == Listed([], {"a": []})
    with pytest.raises(Error) as refused:
        ConfigDecoder().decode(entry("app:x", "test.listed", {"items": {"a": "b"}}), Listed)
    assert "expected list, got map" in refused.value.message
