"""Connection: the pooled engine, and what kind of database it leads to."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.db_utils import (
    create_timescale_hypertable,
    existing_tables,
    get_engine,
    is_postgres,
)
from pipeline.errors import DatabaseError
from pipeline.settings import Settings, load_settings
from pipeline.stores import open_store


def test_one_pooled_engine_a_url(settings: Settings) -> None:
    engine = get_engine(settings)
    assert engine is get_engine() is get_engine(load_settings())
    assert isinstance(engine.pool, sa.pool.QueuePool)
    assert get_engine(load_settings(database_url="sqlite:///other.db")) is not engine


def test_the_folder_of_the_database_is_made(home: Path) -> None:
    get_engine(load_settings(database_url="sqlite:///new/folder/x.db"))
    assert (home / "new" / "folder").is_dir()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 0)],
)
def test_how_connections_are_set_up(pragma: str, value: object, settings: Settings) -> None:
    with get_engine(settings).connect() as connection:
        found = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
    assert found == value


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///x.db", False),
        ("postgresql://localhost/x", True),
        ("postgresql+psycopg://localhost/x", True),
        ("postgres://localhost/x", True),
    ],
)
def test_is_postgres(url: str, expected: bool, home: Path) -> None:
    assert is_postgres(load_settings(database_url=url)) is expected


def test_sqlite_has_no_hypertables(settings: Settings) -> None:
    assert create_timescale_hypertable(settings) is False


@pytest.mark.parametrize("function", [get_engine, create_timescale_hypertable, open_store])
def test_postgres_is_refused_in_one_line_without_the_password(function: object, home: Path) -> None:
    settings = load_settings(database_url="postgresql://user:p4ss@localhost/x")
    assert callable(function)
    with pytest.raises(DatabaseError, match="not supported by this version yet") as caught:
        function(settings)
    assert "p4ss" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tables_of_readings_are_found_among_all(settings: Settings) -> None:
    assert existing_tables(get_engine(settings)) == []
    for name in ("sensor_data", "order"):
        open_store(settings.model_copy(update={"table_name": name})).close()
    with get_engine(settings).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (x)")
    assert existing_tables(get_engine(settings)) == ["order", "sensor_data"]
