"""A table that is already there is adopted with every row of it, or refused with the reason."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.errors import DatabaseError, DatabaseUnavailable, ForeignTableError
from pipeline.settings import Settings, default_rig_file, load_settings
from pipeline.stores import adoption, open_store
from pipeline.stores.load import Load as StoreLoad
from pipeline.stores.migrations import MIGRATIONS
from pipeline.stores.sql import columns_of
from pipeline.timestamps import to_microseconds
from tests.pipeline.stores.conftest import Load, Sql, tables

OURS = {
    f"sensor_data{suffix}"
    for suffix in ("", "_changes", "_loads", "_migrations", "_rejects", "_rigs")
}
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# Where TimescaleDB can do nothing but what PostgreSQL does.
TWO = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
SERVERS = pytest.mark.parametrize("database_url", ["postgres", "timescale"], indirect=True)
START = to_microseconds(datetime(2025, 7, 13, tzinfo=UTC))
MINUTE = 60_000_000

ToSql = Callable[..., None]


def content(settings: Settings, table: str = "sensor_data") -> list[str]:
    """The rows of a table as the driver gives them."""
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        return sorted(
            map(repr, connection.execute(sa.select(sa.text("*")).select_from(sa.table(table))))
        )


@pytest.fixture
def to_sql(settings: Settings) -> ToSql:
    """As somebody would do it: `DataFrame.to_sql`."""

    def write(frame: pd.DataFrame, table: str = "sensor_data", **options: Any) -> None:
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            frame.to_sql(table, connection, **{"index": False, **options})

    return write


def made(rows: int = 4, **columns: Any) -> pd.DataFrame:
    """A frame as a notebook makes it: naive times, numbers."""
    values = {
        "timestamp": pd.date_range("2025-07-13", periods=rows, freq="min"),
        "temperature": [20.0 + n for n in range(rows)],
        "pressure": [1000.0] * rows,
        "uptime": list(range(rows)),
    }
    return pd.DataFrame({**values, **columns})


def adopted(settings: Settings) -> None:
    open_store(settings).close()


def of_rig(home: Path, *entries: str) -> Settings:
    """Settings with the default rig, of which some entries are different."""
    text = default_rig_file().read_text()
    for entry in entries:
        name = entry.partition(" =")[0]
        text = re.sub(rf"(?m)^(# )?{name} = .*$", entry, text, count=1)
    (home / "own.toml").write_text(text)
    return load_settings(rig_file=home / "own.toml")


def fates(sql: Sql, table: str = "sensor_data") -> tuple[list[int], dict[int, str]]:
    """Minutes of the readings after START, and the reason of each rejected line."""
    readings = sql(f"SELECT timestamp FROM {table} ORDER BY timestamp")  # noqa: S608  # ours
    rejects = sql(f"SELECT line, reason FROM {table}_rejects ORDER BY line")  # noqa: S608  # ours
    ledger = sql(f"SELECT rows_read, accepted, rejected FROM {table}_loads")  # noqa: S608  # ours
    assert ledger == [(len(readings) + len(rejects), len(readings), len(rejects))]
    return [(moment - START) // MINUTE for (moment,) in readings], dict(rejects)


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


def refused(settings: Settings, sql: Sql, database_url: str) -> str:
    """The reason; the table has to be as it was, with nothing beside it."""
    before = tables(sql, database_url), content(settings)
    with pytest.raises(ForeignTableError) as caught:
        open_store(settings)
    assert (tables(sql, database_url), content(settings)) == before
    (line,) = str(caught.value).splitlines()
    start = (
        "table 'sensor_data' exists and was not made by Smart Sensor, and it cannot be adopted: "
    )
    end = "; set another TABLE_NAME, or rename that table"
    assert line.startswith(start)
    assert line.endswith(end)
    adopted(load_settings(table_name="another"))
    return line.removeprefix(start).removesuffix(end)


@TWO
def test_refused_without_a_channel(
    to_sql: ToSql, settings: Settings, sql: Sql, database_url: str
) -> None:
    to_sql(made().rename(columns={"pressure": "p"}))
    assert refused(settings, sql, database_url) == (
        "required column missing: 'pressure'. Columns found: 'timestamp', "
        "'temperature', 'p', 'uptime'"
    )


@TWO
def test_refused_as_a_view(to_sql: ToSql, settings: Settings, sql: Sql, database_url: str) -> None:
    to_sql(made())
    sql("ALTER TABLE sensor_data RENAME TO mine")
    sql("CREATE VIEW sensor_data AS SELECT * FROM mine")
    reason = refused(settings, sql, database_url)
    assert reason == "it is a view, or something else that holds no rows itself"


@TWO
def test_refused_where_the_name_for_it_is_taken(
    to_sql: ToSql, settings: Settings, sql: Sql, database_url: str
) -> None:
    to_sql(made())
    sql("CREATE TABLE sensor_data_original (x integer)")
    reason = refused(settings, sql, database_url)
    assert reason == "it would be kept as 'sensor_data_original', which is there"


@TWO
def test_refused_where_nothing_is_a_reading(
    to_sql: ToSql, settings: Settings, sql: Sql, database_url: str
) -> None:
    to_sql(made(pressure=1.0))
    assert refused(settings, sql, database_url) == (
        "none of its 4 rows is a reading; of the first one pressure '1.0' is outside the valid "
        "range 800 to 1200 hPa"
    )


@TWO
@pytest.mark.parametrize(
    ("column", "values", "kind", "needed"),
    [
        ("timestamp", [1752364800.5] * 4, "double precision", "times, whole numbers or text"),
        ("temperature", [True] * 4, "boolean", "numbers or text"),
        ("uptime", pd.to_datetime(["2025"] * 4), "timestamp without time zone", "numbers or text"),
    ],
)
def test_refused_for_a_type(
    column: str, values: Any, kind: str, needed: str,
    to_sql: ToSql, settings: Settings, sql: Sql, database_url: str,
) -> None:  # fmt: skip
    to_sql(made(**{column: values}))
    if database_url.startswith("sqlite") and column == "temperature":
        # It has no such type: they are 1 and 0.
        adopted(settings)
        return
    reason = refused(settings, sql, database_url)
    if database_url.startswith("sqlite"):
        assert reason.startswith("none of its 4 rows is a reading; of the first one")
    else:
        assert reason == f"column {column!r} holds {kind}; {needed} are needed"


@TWO
def test_a_neighbour_of_somebody_else_keeps_it_from_being_adopted(
    to_sql: ToSql, settings: Settings, sql: Sql, database_url: str
) -> None:
    to_sql(made())
    sql("CREATE TABLE sensor_data_rejects (x integer)")
    before = content(settings)
    with pytest.raises(DatabaseError, match="sensor_data_rejects"):
        open_store(settings)
    assert tables(sql, database_url) == {"sensor_data", "sensor_data_rejects"}
    assert content(settings) == before


@TWO
def test_the_longest_name_has_room(to_sql: ToSql, sql: Sql, settings: Settings) -> None:
    name = "t" * 48
    sql(
        f"CREATE TABLE {name} (timestamp text, temperature integer, pressure integer,"
        f" uptime integer, CONSTRAINT {name}_pkey PRIMARY KEY (timestamp))"
    )
    adopted(load_settings(table_name=name))
    columns = [*columns_of_table(settings, f"{name}_original")]
    assert columns == ["timestamp", "temperature", "pressure", "uptime"]
    assert columns_of_table(settings, name)[:2] == ["rig", "timestamp"]


def columns_of_table(settings: Settings, table: str) -> list[str]:
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(columns_of(connection, table))


class Cut(Exception):
    """The power is gone."""


STEPS = {
    "when the table is renamed": (adoption, "columns_of"),
    "when all are read": (adoption, "_refuse_if_nothing_is_accepted"),
    "before the readings": (StoreLoad, "_noted"),
    "after the readings": (adoption, "_add_rejects"),
    "before the ledger": (StoreLoad, "finish"),
    "before the commit": (adoption, "_verify"),
}


@pytest.fixture
def dirty(to_sql: ToSql) -> None:
    """A table with a row of each fate."""
    frame = made(6)
    frame.loc[2, "timestamp"] = frame.loc[1, "timestamp"]
    frame.loc[3, "temperature"] = 500.0
    to_sql(frame)


def is_adopted(sql: Sql) -> bool:
    if fates(sql) == ([0, 1, 4, 5], {3: "duplicate_timestamp", 4: "out_of_range"}):
        return sql("SELECT count(*) FROM sensor_data_original") == [(6,)]
    return False


@pytest.mark.parametrize(("owner", "name"), STEPS.values(), ids=STEPS)
def test_interrupted_anywhere_the_table_is_as_it_was(
    owner: Any, name: str, dirty: None, settings: Settings, sql: Sql, database_url: str
) -> None:
    before = content(settings)
    with patch.object(owner, name, side_effect=Cut), pytest.raises(Cut):
        open_store(settings)
    assert tables(sql, database_url) == {"sensor_data"}
    assert content(settings) == before
    adopted(settings)
    assert is_adopted(sql)


@TWO
def test_what_may_pass_is_tried_again(dirty: None, settings: Settings, sql: Sql) -> None:
    finish, errors = StoreLoad.finish, [DatabaseUnavailable("away")]

    def failing(load: StoreLoad, outcome: Any) -> None:
        finish(load, outcome)
        if errors:
            raise errors.pop()

    with patch.object(StoreLoad, "finish", failing):
        adopted(settings)
    assert is_adopted(sql)


@TWO
def test_rows_that_do_not_add_up_are_not_adopted(
    dirty: None, settings: Settings, sql: Sql, database_url: str
) -> None:
    with (
        patch.object(StoreLoad, "add_rejects", create=True),
        patch("pipeline.stores.adoption._add_rejects"),
        pytest.raises(DatabaseError, match="of 6 rows 6 were read, 4 stored and 0 rejected"),
    ):
        open_store(settings)
    assert tables(sql, database_url) == {"sensor_data"}


@TWO
def test_outliers_that_are_rejected_are_counted(
    to_sql: ToSql, home: Path, sql: Sql, rig: Any
) -> None:
    to_sql(made(20, temperature=[20.0] * 19 + [79.0]))
    settings = load_settings(outliers="reject")
    adopted(settings)
    assert fates(sql) == (list(range(19)), {20: "outlier"})
