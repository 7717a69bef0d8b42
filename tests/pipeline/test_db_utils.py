"""Connection: the pooled engine, and what kind of database it leads to."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline import db_utils
from pipeline.db_utils import (
    create_timescale_hypertable,
    existing_tables,
    get_engine,
    is_postgres,
    is_timescale,
)
from pipeline.errors import DatabaseUnavailable
from pipeline.settings import Settings, load_settings
from pipeline.stores import open_store
from tests.conftest import ROOT
from tests.services.server import free_port


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


@pytest.mark.parametrize("function", [is_timescale, create_timescale_hypertable, open_store])
def test_a_server_that_is_not_there_is_one_line_without_the_password(
    function: Callable[[Settings], object], home: Path
) -> None:
    settings = load_settings(database_url=f"postgresql://user:p4ss@127.0.0.1:{free_port()}/x")
    with pytest.raises(DatabaseUnavailable, match="no server answers there; start it") as caught:
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


class BusyFile:
    """A connection to a new file that others are making ready at the same time."""

    def __init__(self, times: int, code: int = sqlite3.SQLITE_BUSY) -> None:
        self.times = times
        self.code = code

    def execute(self, _: str) -> None:
        self.times -= 1
        if self.times >= 0:
            error = sqlite3.OperationalError("as SQLite words it")
            error.sqlite_errorcode = self.code
            raise error


def test_a_new_file_that_others_make_ready_is_waited_for() -> None:
    file = BusyFile(times=3)
    db_utils._use_wal(file)  # type: ignore[arg-type]
    assert file.times == -1


@pytest.mark.parametrize(
    ("code", "seconds"), [(sqlite3.SQLITE_BUSY, 0.0), (sqlite3.SQLITE_NOTADB, 30.0)]
)
def test_it_is_not_waited_for_ever_nor_for_what_will_not_pass(
    code: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_utils, "_BUSY_TIMEOUT_S", seconds)
    with pytest.raises(sqlite3.OperationalError):
        db_utils._use_wal(BusyFile(times=1000, code=code))  # type: ignore[arg-type]


def loaded_by(imports: str, names: tuple[str, ...]) -> list[str]:
    """Which of these modules a new process has after the imports."""
    script = f"import sys\n{imports}\nprint(*[name for name in {names!r} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_help_does_not_wait_for_what_is_heavy() -> None:
    heavy = ("polars", "sqlalchemy", "pydantic_settings", "fastapi", "numpy", "pandas")
    assert loaded_by("from pipeline.commands import app", heavy) == []
    assert loaded_by("import pipeline.etl_pipeline", heavy[:2]) == ["polars", "sqlalchemy"]


def test_one_sqlite_library_a_process() -> None:
    imports = (
        "import dashboard.app, pipeline.cli, pipeline.data_utils, pipeline.report\n"
        "import pipeline.streaming, pipeline.etl_pipeline"
    )
    others = ("adbc_driver_sqlite", "apsw", "pysqlite3", "duckdb", "sqlcipher3", "libsql")
    assert loaded_by(imports, others) == []
