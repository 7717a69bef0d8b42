"""What the tests of the store share: each runs on every kind of database."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa

from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig
from pipeline.settings import Settings, load_settings
from pipeline.stores import Store, open_store
from pipeline.summary import SourceSummary
from pipeline.timestamps import to_microseconds

HEADER = "timestamp,temperature,pressure,uptime"
CLEAN = "".join(f"2025-07-13T00:{n:02}:00Z,{20 + n},1000,{n}\n" for n in range(5))
DIRTY = "2025-07-13T00:30:00Z,x,1000,1\n\n2025-07-13T00:01:00Z,20,1000,1\n1,2\n,20,1000,1\n"

NOW = datetime.now(UTC).replace(microsecond=0)

Sql = Callable[..., list[tuple[Any, ...]]]
Load = Callable[..., SourceSummary]
ToSql = Callable[..., None]


@pytest.fixture
def home(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, with an empty database of each kind in turn."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    # One session at a time: a connection that is kept would keep out the next one.
    if "sslmode=disable" in database_url:
        monkeypatch.setenv("DATABASE_POOL_SIZE", "0")
    return home


@pytest.fixture
def sql(database_url: str, home: Path) -> Sql:
    """What plain SQL says of the database: times as microseconds, JSON as text."""
    url = sa.make_url(load_settings().database_url)
    mark = "?" if url.get_backend_name() == "sqlite" else "%s"

    def ask(statement: str, *values: object) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            # Without values a psycopg statement may hold a percent sign.
            cursor.execute(statement.replace("?", mark), *([values] if values else []))
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        return [tuple(map(_plain, row)) for row in rows]

    return ask


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_microseconds(value)
    return json.dumps(value) if isinstance(value, dict) else value


@pytest.fixture
def load(home: Path, rig: Rig) -> Load:
    """Load a text as a file."""

    def run(rows: str, name: str = "x.csv", rig: Rig = rig, **options: Any) -> SourceSummary:
        (home / name).write_text(rows if rows.startswith("timestamp") else f"{HEADER}\n{rows}")
        used = load_settings(**options.pop("settings", {}))
        (source,) = run_etl([str(home / name)], settings=used, rig=rig, **options).sources
        return source

    return run


@pytest.fixture
def other_store(home: Path) -> Iterator[Store]:
    """A store with connections of its own, which are left alone when a load closes its store."""
    with closing(open_store(load_settings(database_pool_recycle_s=1000))) as opened:
        yield opened


def tables(sql: Sql, database_url: str) -> set[str]:
    """Names of the tables, without those that the database itself needs."""
    if database_url.startswith("sqlite"):
        found = sql("SELECT name FROM sqlite_schema WHERE type = 'table'")
    else:
        found = sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found if not name.startswith("sqlite_")}


@pytest.fixture
def to_sql(settings: Settings) -> ToSql:
    """As somebody would do it: `DataFrame.to_sql`."""

    def write(frame: pd.DataFrame, table: str = "sensor_data", **options: Any) -> None:
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            frame.to_sql(table, connection, **{"index": False, **options})

    return write


def live(minute: int) -> pl.DataFrame:
    """A reading that a live source sends."""
    moment = NOW + timedelta(minutes=minute)
    values = {"temperature": [30.0], "pressure": [1000.0], "uptime": [1.0]}
    return pl.DataFrame({"timestamp": [moment], **values})


def account(sql: Sql) -> None:
    """The ledger has to equal the tables; by plain SQL, and as `db check` sees it."""
    loads = sql(
        "SELECT id, status, accepted, readings_replaced, rejected FROM sensor_data_loads ORDER BY 1"
    )
    stored = dict(sql("SELECT load_id, count(*) FROM sensor_data GROUP BY 1"))
    rejects = dict(sql("SELECT load_id, count(*) FROM sensor_data_rejects GROUP BY 1"))
    for number, status, accepted, replaced, rejected in loads:
        gone = status == "superseded"
        assert stored.pop(number, 0) == (0 if gone else accepted - replaced)
        assert rejects.pop(number, 0) == (0 if gone else rejected)
    assert stored == rejects == {}
    with closing(open_store(load_settings())) as store:
        assert store.check() == []


def until(happened: Callable[[], object]) -> None:
    """Wait for a state of the database or of another thread."""
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def until_waiting(sql: Sql, lock: str) -> None:
    """Wait until somebody waits for a lock of this kind in PostgreSQL: `advisory`, say."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND wait_event = ?"
    )
    until(lambda: sql(waiting, lock))
