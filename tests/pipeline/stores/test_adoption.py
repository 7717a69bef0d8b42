"""A table that is already there is adopted with every row of it."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from pipeline.settings import Settings, load_settings
from pipeline.stores import adoption
from pipeline.stores.migrations import MIGRATIONS
from tests.pipeline.stores.conftest import Load, Sql, ToSql, tables
from tests.pipeline.stores.foreign_tables import (
    MINUTE,
    OURS,
    SERVERS,
    SQLITE,
    START,
    TWO,
    adopted,
    content,
    fates,
    made,
    of_rig,
)


@pytest.mark.parametrize("index", [False, True])
def test_a_table_of_pandas_is_adopted(
    index: bool, to_sql: ToSql, settings: Settings, sql: Sql, database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    frame = made(7, temperature_zscore=9.0, note="x")
    frame.loc[2, "timestamp"] = frame.loc[1, "timestamp"]
    frame.loc[3, "temperature"] = 500.0
    frame.loc[4, "pressure"] = None
    frame.loc[5, "timestamp"] = None
    to_sql(frame, index=index)
    before = content(settings)
    with caplog.at_level(logging.INFO):
        adopted(settings)
    assert fates(sql) == (
        [0, 1, 6],
        {3: "duplicate_timestamp", 4: "out_of_range", 5: "missing_value", 6: "missing_value"},
    )
    assert tables(sql, database_url) == {*OURS, "sensor_data_original"}
    assert content(settings, "sensor_data_original") == before
    assert sql("SELECT name FROM sensor_data_migrations") == [(name,) for name in MIGRATIONS]
    assert sql("SELECT source, rig, status FROM sensor_data_loads") == [
        ("table sensor_data", "rig-1", "complete")
    ]
    assert sql("SELECT rows FROM sensor_data_changes") == [(3,)]
    # Scored anew: the mean of 20, 21 and 26, and not what stood there.
    assert sql("SELECT round(CAST(temperature_zscore AS numeric), 2) FROM sensor_data") != [(9,)]
    ((raw,),) = sql("SELECT raw FROM sensor_data_rejects WHERE line = 4")
    assert '"note": "x"' in raw
    (line,) = [r.getMessage() for r in caplog.records if r.name == adoption.__name__]
    ignored = "index, temperature_zscore, note" if index else "temperature_zscore, note"
    assert line == (
        "table 'sensor_data' was adopted: 7 rows, 3 readings, 4 rejects (missing_value 2, "
        "out_of_range 1, duplicate_timestamp 1); z-scores and levels are made anew; times without "
        f"an offset are in UTC; ignored columns: {ignored}; the table as it was is kept as "
        "'sensor_data_original'"
    )


def test_once_adopted_it_is_a_table_as_any_other(
    to_sql: ToSql, settings: Settings, sql: Sql, load: Load
) -> None:
    to_sql(made())
    adopted(settings)
    adopted(settings)
    load("2025-07-13T00:03:00Z,50,1000,4\n2025-07-13T00:04:00Z,51,1000,5\n")
    assert sql("SELECT count(*), max(temperature) FROM sensor_data") == [(5, 51.0)]
    counts = "SELECT accepted, readings_replaced FROM sensor_data_loads ORDER BY id"
    assert sql(counts) == [(4, 1), (2, 0)]


@TWO
def test_times_without_offset_are_of_the_rigs_zone(to_sql: ToSql, home: Path, sql: Sql) -> None:
    to_sql(made())
    adopted(of_rig(home, 'time_zone = "Europe/Berlin"'))
    assert fates(sql) == ([-120, -119, -118, -117], {})


@SERVERS
def test_times_with_a_zone_are_exact(to_sql: ToSql, home: Path, sql: Sql) -> None:
    to_sql(made(timestamp=pd.date_range("2025-07-13", periods=4, freq="min", tz="Asia/Tokyo")))
    adopted(of_rig(home, 'time_zone = "Europe/Berlin"'))
    assert fates(sql) == ([n - 540 for n in range(4)], {})


TIMES = {
    "ISO 8601": [f"2025-07-13T00:0{n}:00Z" for n in range(4)],
    "with an offset": [f"2025-07-13T02:0{n}:00.000+02:00" for n in range(4)],
    "text with blanks": [f"2025-07-13 00:0{n}:00" for n in range(4)],
    "microseconds": [f"2025-07-13 00:0{n}:00.000000" for n in range(4)],
    "seconds": [START // 1_000_000 + 60 * n for n in range(4)],
    "milliseconds": [START // 1_000 + 60_000 * n for n in range(4)],
    "nanoseconds": [(START + MINUTE * n) * 1_000 for n in range(4)],
    "text of seconds": [str(START // 1_000_000 + 60 * n) for n in range(4)],
}


@TWO
def test_every_way_to_write_a_time(to_sql: ToSql, sql: Sql) -> None:
    for number, (way, times) in enumerate(TIMES.items()):
        table = f"way_{number}"
        to_sql(made(timestamp=times), table=table)
        adopted(load_settings(table_name=table))
        assert fates(sql, table) == ([0, 1, 2, 3], {}), way


@TWO
def test_numbers_as_text_and_names_in_another_case(
    to_sql: ToSql, settings: Settings, sql: Sql
) -> None:
    frame = made(temperature=["20.5", " 21 ", "x", ""], RIG=["a", None, "b", "b"])
    to_sql(frame.rename(columns={"temperature": "Temperature", "pressure": "PRESSURE"}))
    adopted(settings)
    assert fates(sql) == ([0, 1], {3: "unparsable", 4: "missing_value"})
    found = sql("SELECT rig, temperature FROM sensor_data ORDER BY timestamp")
    assert found == [("a", 20.5), ("rig-1", 21.0)]


@TWO
def test_times_of_a_rig_whose_files_write_them_otherwise(
    to_sql: ToSql, home: Path, sql: Sql
) -> None:
    to_sql(made(timestamp=[f"2025-07-13 00:0{n}:00.000000" for n in range(4)]))
    adopted(of_rig(home, 'time_format = "DD.MM.YYYY HH:mm"'))
    assert fates(sql) == ([0, 1, 2, 3], {})


@TWO
def test_times_as_the_rigs_files_write_them(to_sql: ToSql, home: Path, sql: Sql) -> None:
    frame = made(timestamp=[f"13.07.2025 00:0{n}" for n in range(4)])
    to_sql(frame.rename(columns={"timestamp": "Zeit"}))
    adopted(of_rig(home, 'time_column = "Zeit"', 'time_format = "DD.MM.YYYY HH:mm"'))
    assert fates(sql) == ([0, 1, 2, 3], {})


def test_an_empty_table_leaves_nothing_but_its_name(
    to_sql: ToSql, settings: Settings, sql: Sql, load: Load
) -> None:
    to_sql(made(0))
    adopted(settings)
    assert fates(sql) == ([], {})
    load("2025-07-13T00:03:00Z,50,1000,4\n")
    assert sql("SELECT count(*) FROM sensor_data") == [(1,)]


@TWO
def test_several_batches_keep_their_lines(
    to_sql: ToSql, settings: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.table.ROWS_AT_ONCE", 3)
    frame = made(10)
    frame.loc[8, "timestamp"] = frame.loc[1, "timestamp"]
    frame.loc[5, "uptime"] = -1
    to_sql(frame)
    adopted(settings)
    assert fates(sql) == (
        [0, 1, 2, 3, 4, 6, 7, 9],
        {6: "out_of_range", 9: "duplicate_timestamp"},
    )
    ((raw,),) = sql("SELECT raw FROM sensor_data_rejects WHERE line = 9")
    assert '"temperature": 28.0' in raw


def test_a_table_with_a_key_indexes_and_a_view_of_it(settings: Settings, sql: Sql) -> None:
    number = "double precision"
    sql(
        f"CREATE TABLE sensor_data (id integer PRIMARY KEY, timestamp text UNIQUE NOT NULL,"
        f" temperature {number}, pressure {number}, uptime {number})"
    )
    sql("CREATE INDEX sensor_data_temperature ON sensor_data (temperature)")
    sql("CREATE VIEW warm AS SELECT id FROM sensor_data WHERE temperature > 20")
    sql("INSERT INTO sensor_data VALUES (2, '2025-07-13 00:00:00', 21, 1000, 1)")
    sql("INSERT INTO sensor_data VALUES (1, '2025-07-13 00:01:00', 20, 1000, 1)")
    adopted(settings)
    assert fates(sql) == ([0, 1], {})
    assert sql("SELECT id FROM warm") == [(2,)]
    with pytest.raises(Exception, match=r"(?i)unique"):
        sql("INSERT INTO sensor_data_original SELECT * FROM sensor_data_original")


@SQLITE
def test_a_column_of_sqlite_may_hold_anything(settings: Settings, sql: Sql) -> None:
    sql("CREATE TABLE sensor_data (timestamp, temperature, pressure INTEGER, uptime, extra)")
    rows = [
        (START // 1_000_000, 20, 1000, 1, None),
        ("2025-07-13 00:01:00", 20.5, 1000.5, "1", b"\xff\x00"),
        ("2025-07-13 00:02:00", "21", "1000", 1, "\N{DEGREE SIGN}"),
        (1752364800.5, 20, 1000, 1, None),
        ("2025-07-13 00:04:00", b"20", 1000, 1, None),
        ("2025-07-13 00:05:00", float("inf"), 1000, 1, None),
        ("2025-07-13 00:06:00", 20, 1000, 1, None),
    ]
    for row in rows:
        sql("INSERT INTO sensor_data VALUES (?, ?, ?, ?, ?)", *row)
    sql("UPDATE sensor_data SET extra = CAST(x'ff' AS TEXT) WHERE timestamp LIKE '%06:00'")
    adopted(settings)
    assert fates(sql) == (
        [0, 1, 2, 6],
        {4: "unparsable", 5: "unparsable", 6: "not_finite"},
    )


@SQLITE
def test_a_table_without_rowid(settings: Settings, sql: Sql) -> None:
    sql(
        "CREATE TABLE sensor_data (timestamp TEXT PRIMARY KEY, temperature, pressure, uptime)"
        " WITHOUT ROWID"
    )
    sql("INSERT INTO sensor_data VALUES ('2025-07-13 00:00:00', 20, 1000, 1)")
    adopted(settings)
    assert fates(sql) == ([0], {})


@pytest.mark.parametrize("database_url", ["timescale"], indirect=True)
def test_a_hypertable_of_somebody_else(to_sql: ToSql, settings: Settings, sql: Sql) -> None:
    frame = made()
    to_sql(pd.concat([frame, frame.tail(1)]))
    sql("SELECT create_hypertable('sensor_data', by_range('timestamp'), migrate_data => true)")
    adopted(settings)
    assert fates(sql) == ([0, 1, 2, 3], {5: "duplicate_timestamp"})
    found = "SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1"
    assert sql(found) == [("sensor_data",), ("sensor_data_original",)]


@SERVERS
def test_types_of_postgresql(settings: Settings, sql: Sql) -> None:
    sql(
        "CREATE TABLE sensor_data (timestamp timestamptz, temperature numeric, pressure real,"
        " uptime smallint, extra jsonb, hours interval, tags text[], at timestamp)"
    )
    rest = "'{\"a\": 1}', '1 month', '{x}', 'infinity'"
    for moment, temperature in (
        ("2025-07-13 02:00+02", "20.1"),
        ("infinity", "20"),
        ("0044-03-15 00:00+00 BC", "20"),
        ("2025-07-13 00:03+00", "NaN"),
        ("2025-07-13 00:04+00", "1" + "0" * 400),
    ):
        values = f"CAST(? AS timestamptz), CAST(? AS numeric), 1000, 1, {rest}"
        sql(f"INSERT INTO sensor_data VALUES ({values})", moment, temperature)  # noqa: S608  # ours
    adopted(settings)
    assert fates(sql) == (
        [0],
        {2: "unparsable", 3: "unparsable", 4: "not_finite", 5: "not_finite"},
    )
    assert sql("SELECT temperature FROM sensor_data") == [(20.1,)]
