"""The schema grows step by step, is recorded, and never touches what is somebody else's."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.database_errors import shown
from pipeline.db_utils import get_engine
from pipeline.errors import DatabaseError, RigError
from pipeline.etl_pipeline import run_etl
from pipeline.rig import parse_rig
from pipeline.settings import Settings, load_settings
from pipeline.stores import migrations, open_store
from pipeline.stores.schema import Schema
from pipeline.stores.sql import columns_of
from tests.pipeline.stores.conftest import Sql, tables

OURS = [(name,) for name in migrations.MIGRATIONS]


def test_opening_makes_the_tables_and_records_the_step(
    settings: Settings, sql: Sql, database_url: str
) -> None:
    open_store(settings).close()
    assert tables(sql, database_url) == {
        "sensor_data",
        "sensor_data_changes",
        "sensor_data_loads",
        "sensor_data_migrations",
        "sensor_data_rejects",
        "sensor_data_rollups",
        "sensor_data_rigs",
        "sensor_data_tokens",
    }
    assert sql("SELECT name FROM sensor_data_migrations") == OURS


def test_opening_again_changes_nothing(settings: Settings, sql: Sql, database_url: str) -> None:
    open_store(settings).close()
    before = tables(sql, database_url)
    applied = sql("SELECT * FROM sensor_data_migrations")
    open_store(settings).close()
    assert tables(sql, database_url) == before
    assert sql("SELECT * FROM sensor_data_migrations") == applied


def test_a_later_step_is_applied_once(
    settings: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(settings).close()
    calls = []

    def step(connection: sa.Connection, schema: Schema) -> None:
        calls.append(schema.table_name)
        connection.exec_driver_sql("CREATE TABLE later (x integer)")

    monkeypatch.setitem(migrations.MIGRATIONS, "0099_later", step)
    open_store(settings).close()
    open_store(settings).close()
    assert calls == ["sensor_data"]
    assert sql("SELECT name FROM sensor_data_migrations ORDER BY name") == [
        *OURS,
        ("0099_later",),
    ]


def test_a_step_that_fails_leaves_neither_itself_nor_its_record(
    settings: Settings, sql: Sql, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(settings).close()

    def step(connection: sa.Connection, schema: Schema) -> None:
        connection.exec_driver_sql("CREATE TABLE half (x integer)")
        raise RuntimeError("power cut")

    monkeypatch.setitem(migrations.MIGRATIONS, "0099_half", step)
    with pytest.raises(RuntimeError, match="power cut"):
        open_store(settings)
    assert "half" not in tables(sql, database_url)
    assert sql("SELECT name FROM sensor_data_migrations") == OURS


def test_a_table_of_somebody_else_is_refused_and_left_alone(
    settings: Settings, sql: Sql, database_url: str
) -> None:
    sql("CREATE TABLE sensor_data (mine integer)")
    sql("INSERT INTO sensor_data VALUES (5)")
    with pytest.raises(DatabaseError) as caught:
        open_store(settings)
    assert str(caught.value) == (
        f"{shown(sa.make_url(settings.database_url))}: table 'sensor_data' exists and was not made "
        "by Smart Sensor, and it cannot be adopted: "
        "required column missing: 'timestamp', 'temperature', 'pressure', "
        "'uptime'. Columns found: 'mine'; set RIG_FILE to a rig file that names its columns, or "
        "set another TABLE_NAME, or rename that table"
    )
    assert tables(sql, database_url) == {"sensor_data"}
    assert sql("SELECT mine FROM sensor_data") == [(5,)]
    open_store(load_settings(table_name="readings")).close()
    assert sql("SELECT mine FROM sensor_data") == [(5,)]


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
@pytest.mark.parametrize("suffix", ["loads", "rigs", "rejects", "changes"])
def test_a_neighbour_of_somebody_else_is_refused_too(
    suffix: str, kind: str, settings: Settings, sql: Sql, database_url: str
) -> None:
    name = f"sensor_data_{suffix}"
    sql(
        f"CREATE TABLE {name} (mine integer)"
        if kind == "TABLE"
        else f"CREATE VIEW {name} AS SELECT 5"
    )
    with pytest.raises(DatabaseError, match=name) as caught:
        open_store(settings)
    assert "\n" not in str(caught.value)
    assert tables(sql, database_url) == ({name} if kind == "TABLE" else set())


def test_a_database_of_a_newer_version_is_refused(settings: Settings, sql: Sql) -> None:
    open_store(settings).close()
    sql(
        "INSERT INTO sensor_data_migrations"
        " SELECT '0099_future', max(applied_at) FROM sensor_data_migrations"
    )
    with pytest.raises(DatabaseError) as caught:
        open_store(settings)
    assert str(caught.value) == (
        "table 'sensor_data' was made by a newer version of Smart Sensor (0099_future); "
        "install that version, or set another TABLE_NAME"
    )


def load(folder: Path, rig_toml: str, text: str) -> None:
    path = folder / "x.csv"
    path.write_text(text)
    run_etl([str(path)], rig=parse_rig(rig_toml, "test"))


def test_a_new_channel_is_a_new_column_and_old_readings_stay(home: Path, sql: Sql) -> None:
    load(home, 'name = "a"\n[channels.x]', "timestamp,x\n1,5\n")
    load(home, 'name = "b"\n[channels.y]\nkind = "counter"', "timestamp,y\n1,7\n")
    assert sql("SELECT rig, x, x_alert, y FROM sensor_data ORDER BY rig") == [
        ("a", 5.0, "normal", None),
        ("b", None, None, 7.0),
    ]
    with get_engine().connect() as connection:
        columns = list(columns_of(connection, "sensor_data"))
    assert columns == ["rig", "timestamp", "load_id", "x", "x_zscore", "x_alert", "y"]


def test_two_rigs_may_share_a_channel(home: Path, sql: Sql) -> None:
    load(home, 'name = "a"\n[channels.x]', "timestamp,x\n1,5\n")
    load(home, 'name = "b"\n[channels.x]\nunit = "K"', "timestamp,x\n1,7\n")
    assert sql("SELECT rig, x FROM sensor_data ORDER BY rig") == [("a", 5.0), ("b", 7.0)]


def test_a_column_that_holds_something_else_is_refused(home: Path, sql: Sql) -> None:
    load(home, 'name = "a"\n[channels.x]', "timestamp,x\n1,5\n")
    sql("ALTER TABLE sensor_data ADD COLUMN note TEXT")
    with pytest.raises(RigError, match="column 'note' of table 'sensor_data' holds text; give the"):
        load(home, 'name = "a"\n[channels.note]', "timestamp,note\n1,5\n")


def test_channels_that_differ_in_case_only_are_the_same_to_sqlite(home: Path) -> None:
    with pytest.raises(RigError, match="channel name 'X'"):
        load(home, "[channels.x]\n[channels.X]", "timestamp,x,X\n1,1,1\n")
