"""A table that cannot be adopted is refused with the reason, and left as it was."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.database_errors import shown
from pipeline.errors import DatabaseError, DatabaseUnavailable, ForeignTableError
from pipeline.settings import Settings, load_settings
from pipeline.stores import adoption, open_store
from pipeline.stores.load import Load as StoreLoad
from pipeline.stores.sql import columns_of
from tests.conftest import Command
from tests.pipeline.stores.conftest import Sql, ToSql, tables
from tests.pipeline.stores.foreign_tables import (
    TWO,
    adopted,
    content,
    fates,
    made,
)


def refused(settings: Settings, sql: Sql, database_url: str) -> str:
    """The reason; the table has to be as it was, with nothing beside it."""
    before = tables(sql, database_url), content(settings)
    with pytest.raises(ForeignTableError) as caught:
        open_store(settings)
    assert (tables(sql, database_url), content(settings)) == before
    (line,) = str(caught.value).splitlines()
    start = (
        f"{shown(sa.make_url(database_url))}: table 'sensor_data' exists and was not made by "
        "Smart Sensor, and it cannot be adopted: "
    )
    end = "set another TABLE_NAME, or rename that table"
    assert line.startswith(start)
    assert line.endswith(end)
    adopted(load_settings(table_name="another"))
    reason, _, remedy = line.removeprefix(start).removesuffix(end).rpartition("; ")
    # Another rig file helps where it is a matter of columns and rows.
    by_rig_file = "set RIG_FILE to a rig file that names its columns, or "
    assert remedy == ("" if reason.startswith("it ") else by_rig_file)
    return reason


@TWO
@pytest.mark.parametrize("question", ["status", "check"])
def test_a_question_adopts_nothing(
    question: str, to_sql: ToSql, settings: Settings, sql: Sql, database_url: str,
    smart_sensor: Command, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    to_sql(made())
    before = tables(sql, database_url), content(settings)
    monkeypatch.setenv("DATABASE_URL", database_url)
    finished = smart_sensor("db", question)
    assert (finished.code, finished.out, len(finished.err.splitlines())) == (2, "", 1)
    assert "was not made by Smart Sensor; " in finished.err
    assert "`smart-sensor db upgrade` or the next load adopts it" in finished.err
    assert (tables(sql, database_url), content(settings)) == before
    assert smart_sensor("db", "upgrade").code == 0
    assert smart_sensor("db", question).code == 0


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
