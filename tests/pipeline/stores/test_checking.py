"""The check finds what is wrong, and says nothing of what is right."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.settings import load_settings
from pipeline.stores import open_store
from tests.conftest import Command
from tests.pipeline.stores.conftest import CLEAN, DIRTY, Load, Sql

SPOILED = [
    ("DELETE FROM sensor_data WHERE temperature = 22", "load 1: 4 readings are there, not 5: "),
    ("DELETE FROM sensor_data_rejects", "load 2: 0 rejects are there, not 3: 3 rejected, 0 pruned"),
    ("UPDATE sensor_data_rejects SET reason = ''", "3 rejects have no reason, or one that does"),
    ("UPDATE sensor_data SET load_id = 77", "5 readings are of loads that the ledger has not: 77"),
    ("UPDATE sensor_data_rejects SET load_id = 9", "3 rejects are of loads that the ledger has"),
    ("UPDATE sensor_data_loads SET status = 'open'", "load 1: its status is 'open'"),
    ("UPDATE sensor_data_loads SET status = 'superseded'", "load 1: superseded, and 5 readings"),
    ("UPDATE sensor_data_loads SET rows_read = 3", "load 1: 3 rows read are not all accepted or"),
    ("UPDATE sensor_data_loads SET rejected_by_reason = '{}'", "load 2: 3 rejected, and its reas"),
    ("UPDATE sensor_data_changes SET rows = -1", "1 change ends before it begins, or has less"),
    ("DELETE FROM sensor_data_rigs", "rig 'rig-1' has readings, and no definition"),
]


@pytest.fixture
def loads(load: Load) -> None:
    load(CLEAN)
    load(DIRTY.replace("2025-07-13T00:01:00Z,20,1000,1", ""), name="dirty.csv")


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_each_fault_is_found(loads: None, sql: Sql, home: Path) -> None:
    """One after the other: each is put right again by a copy of the tables."""
    names = ("", "_rejects", "_loads", "_changes", "_rigs")
    for name in names:
        sql(f"CREATE TABLE kept{name} AS SELECT * FROM sensor_data{name}")  # noqa: S608
    with closing(open_store(load_settings())) as store:
        assert store.check() == []
        for statement, message in SPOILED:
            sql(statement)
            found = [finding.text for finding in store.check() if finding.wrong]
            assert any(text.startswith(message) for text in found), (statement, found)
            for name in names:
                sql(f"DELETE FROM sensor_data{name}")  # noqa: S608
                sql(f"INSERT INTO sensor_data{name} SELECT * FROM kept{name}")  # noqa: S608
        assert store.check() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_commands(loads: None, sql: Sql, smart_sensor: Command) -> None:
    sound = smart_sensor("db", "check")
    assert (sound.code, sound.out) == (0, "everything is accounted for\n")
    sql("UPDATE sensor_data SET load_id = NULL WHERE temperature = 20")
    sql("UPDATE sensor_data_loads SET readings_replaced = 1 WHERE id = 1")
    foreign = smart_sensor("db", "check")
    assert foreign.code == 0
    assert foreign.out == "note: 1 reading is of no load: foreign\neverything is accounted for\n"
    sql("DELETE FROM sensor_data WHERE temperature = 21")
    wrong = smart_sensor("db", "check", "--json")
    assert wrong.code == 1
    found = json.loads(wrong.out)
    assert found["sound"] is False
    assert [each["wrong"] for each in found["findings"]] == [True, False]
    assert smart_sensor("db", "check").out.startswith("wrong: load 1: 3 readings are there, not 4")


def test_status_and_upgrade(loads: None, smart_sensor: Command, database_url: str) -> None:
    status = json.loads(smart_sensor("db", "status", "--json").out)
    assert status["rows"] == 5
    assert status["readings"] == {"rig-1": 5}
    assert status["loads"] == {"complete": 1, "nothing accepted": 1}
    assert status["rejects"] == 3
    assert status["size_bytes"] > 30_000
    assert status["last_timestamp"] == "2025-07-13T00:04:00Z"
    shown = smart_sensor("db", "status").out
    assert "2025-07-13T00:04:00Z" in shown
    assert smart_sensor("db", "upgrade").out == (
        f"nothing to do: the schema is at {status['schema_step']}\n"
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_new_database_is_upgraded_from_nothing(smart_sensor: Command) -> None:
    missing = smart_sensor("db", "status")
    assert missing.code == 2
    assert "there is no such database; load something first" in missing.err
    assert smart_sensor("db", "upgrade").out.startswith("0001_tables: applied\n0002_departed: app")
    empty = json.loads(smart_sensor("db", "status", "--json").out)
    assert (empty["rows"], empty["last_timestamp"]) == (0, None)
