"""A database of our first version is brought up to date, and its accounts are right afterwards."""

from contextlib import closing

import pytest
import sqlalchemy as sa

from pipeline.rig import Rig
from pipeline.settings import Settings
from pipeline.stores import open_store
from pipeline.stores.migrations import MIGRATIONS
from tests.pipeline.stores.conftest import Load, Sql

# As 0001_tables has made them, and the first load: names in braces differ between databases.
FIRST_VERSION = """
CREATE TABLE sensor_data (
    rig TEXT NOT NULL, timestamp {moment} NOT NULL, load_id INTEGER,
    temperature {number}, pressure {number}, uptime {number},
    temperature_zscore {number}, pressure_zscore {number},
    temperature_alert TEXT, pressure_alert TEXT,
    CONSTRAINT sensor_data_pkey PRIMARY KEY (rig, timestamp)
) {without_rowid};
CREATE TABLE sensor_data_rigs (
    name TEXT NOT NULL PRIMARY KEY, label TEXT NOT NULL, time_zone TEXT NOT NULL,
    interval_s {number}, definition TEXT NOT NULL, version TEXT NOT NULL
);
CREATE TABLE sensor_data_loads (
    id {serial}, source TEXT NOT NULL, sha256 TEXT, rig TEXT NOT NULL, rig_version TEXT NOT NULL,
    settings TEXT NOT NULL, status TEXT NOT NULL, started_at {moment} NOT NULL,
    finished_at {moment}, rows_read BIGINT NOT NULL, accepted BIGINT NOT NULL,
    rejected BIGINT NOT NULL, rejected_by_reason JSON NOT NULL, statistics JSON NOT NULL,
    first_timestamp {moment}, last_timestamp {moment}
);
CREATE TABLE sensor_data_rejects (
    id {serial}, load_id INTEGER NOT NULL, source TEXT NOT NULL, line BIGINT NOT NULL,
    rig TEXT NOT NULL, timestamp {moment}, reason TEXT NOT NULL, detail TEXT NOT NULL,
    raw TEXT NOT NULL
);
CREATE INDEX sensor_data_rejects_time ON sensor_data_rejects (rig, timestamp);
CREATE INDEX sensor_data_rejects_load ON sensor_data_rejects (load_id);
CREATE TABLE sensor_data_changes (
    sequence {serial}, rig TEXT NOT NULL, first_timestamp {moment} NOT NULL,
    last_timestamp {moment} NOT NULL, "rows" BIGINT NOT NULL, committed_at {moment} NOT NULL
);
CREATE TABLE sensor_data_migrations (name TEXT NOT NULL PRIMARY KEY, applied_at {moment} NOT NULL)
"""
SQLITE = {
    "moment": "BIGINT",
    "number": "FLOAT",
    "serial": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    "without_rowid": "WITHOUT ROWID",
}
POSTGRES = {
    "moment": "TIMESTAMP WITH TIME ZONE",
    "number": "FLOAT",
    "serial": "SERIAL PRIMARY KEY",
    "without_rowid": "",
}
START = 1_752_364_800
LOADS = [("a.csv", "complete", 3, 1), ("b.csv", "complete", 2, 0), ("c.csv", "superseded", 1, 0),
         ("live", "live", 1, 0)]  # fmt: skip
# Of the three readings of the first load the second has replaced one.
READINGS = [(1, 0), (1, 1), (2, 2), (2, 3), (4, 4)]


@pytest.fixture
def moment(database_url: str) -> str:
    """How a statement writes a time that is bound as seconds."""
    return "? * 1000000" if database_url.startswith("sqlite") else "to_timestamp(?)"


@pytest.fixture
def first_version(sql: Sql, database_url: str, moment: str, rig: Rig) -> None:
    """Three loads and a live source, as the first version has left them."""
    names = SQLITE if database_url.startswith("sqlite") else POSTGRES
    for statement in FIRST_VERSION.format(**names).split(";"):
        sql(statement)
    applied = "INSERT INTO sensor_data_migrations VALUES ('0001_tables', MOMENT)"
    sql(applied.replace("MOMENT", moment), START)
    definition = rig.model_dump_json()
    sql(
        "INSERT INTO sensor_data_rigs VALUES ('rig-1', '', 'UTC', 60, ?, ?)",
        definition,
        rig.version,
    )
    for source, status, accepted, rejected in LOADS:
        statement = (
            "INSERT INTO sensor_data_loads (source, sha256, rig, rig_version, settings, status,"
            " started_at, rows_read, accepted, rejected, rejected_by_reason, statistics)"
            " VALUES (?, ?, 'rig-1', ?, '{}', ?, MOMENT, ?, ?, ?, '{}', '{}')"
        ).replace("MOMENT", moment)
        counts = (accepted + rejected, accepted, rejected)
        sql(statement, source, source, rig.version, status, START, *counts)
    for load_id, minute in READINGS:
        statement = (
            "INSERT INTO sensor_data"
            " VALUES ('rig-1', MOMENT, ?, 20, 1000, 1, 0, 0, 'normal', 'normal')"
        )
        sql(statement.replace("MOMENT", moment), START + 60 * minute, load_id)
    sql(
        "INSERT INTO sensor_data_rejects (load_id, source, line, rig, reason, detail, raw)"
        " VALUES (1, 'a.csv', 5, 'rig-1', 'unparsable', '', 'x')"
    )


ACCOUNTS = "SELECT id, status, accepted, readings_replaced FROM sensor_data_loads ORDER BY id"


def test_the_first_version_is_upgraded(
    first_version: None, settings: Settings, sql: Sql, load: Load
) -> None:
    with closing(open_store(settings)) as store:
        assert store.total_records() == 5
    assert sql("SELECT name FROM sensor_data_migrations ORDER BY name") == [
        (name,) for name in MIGRATIONS
    ]
    assert sql(ACCOUNTS) == [
        (1, "complete", 3, 1), (2, "complete", 2, 0), (3, "superseded", 1, 0), (4, "live", 1, 0)
    ]  # fmt: skip
    assert sql("SELECT readings_pruned, rejects_pruned FROM sensor_data_loads") == [(0, 0)] * 4
    # From here on it counts as any other does.
    load("2025-07-13T00:02:00Z,21,1000,1\n2025-07-13T00:05:00Z,21,1000,1\n")
    assert sql("SELECT readings_replaced FROM sensor_data_loads ORDER BY id") == [
        (1,), (1,), (0,), (0,), (0,)
    ]  # fmt: skip
    stored = dict(sql("SELECT load_id, count(*) FROM sensor_data GROUP BY load_id"))
    for number, status, accepted, replaced in sql(ACCOUNTS):
        assert stored.get(number, 0) == (0 if status == "superseded" else accepted - replaced)


def test_an_upgrade_that_is_interrupted_is_done_by_the_next_one(
    first_version: None, settings: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = MIGRATIONS["0002_departed"]

    def cut(connection: sa.Connection, schema: object) -> None:
        step(connection, schema)  # type: ignore[arg-type]  # it is one
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setitem(MIGRATIONS, "0002_departed", cut)
        with pytest.raises(RuntimeError, match="power cut"):
            open_store(settings)
    assert sql("SELECT name FROM sensor_data_migrations") == [("0001_tables",)]
    open_store(settings).close()
    assert [replaced for *_, replaced in sql(ACCOUNTS)] == [1, 0, 0, 0]
