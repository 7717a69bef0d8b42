"""The databases that are measured: a file of SQLite, or a database of a server.

Everything is in tables whose names begin with `TABLE`. They are dropped between the runs.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

TABLE = "smart_sensor_benchmark"
SETTINGS_SHOWN = (
    *("shared_buffers", "maintenance_work_mem", "min_wal_size", "max_wal_size"),
    *("checkpoint_timeout", "wal_segment_size", "fsync", "synchronous_commit"),
    "full_page_writes",
)
# Both ways have to come to the same number of rows, and of red temperatures.
_STORED = f"SELECT count(*), count(CASE temperature_alert WHEN 'red' THEN 1 END) FROM {TABLE}"  # noqa: S608  # a constant
_LEFT = f"""
    SELECT format('DROP TABLE IF EXISTS %I CASCADE', relname) FROM pg_class
    WHERE relkind IN ('r', 'p') AND relname ~ '^{TABLE}(_|$)' AND pg_table_is_visible(oid)
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_proc
    WHERE proname ~ '^{TABLE}_' AND pg_function_is_visible(oid)
"""  # noqa: S608  # a constant


class Database(Protocol):
    """One database to measure in."""

    kind: str

    @property
    def url(self) -> str: ...

    @property
    def description(self) -> str:
        """Version, and the settings that matter."""

    @property
    def environment(self) -> dict[str, str]:
        """What leads `smart-sensor` to it."""

    @property
    def limit_arguments(self) -> list[str]:
        """What leads `benchmarks.limits` to it."""

    def clear(self) -> None:
        """Drop what a run has left, and let nobody pay for what it has written."""

    def stored(self) -> tuple[int, int]:
        """Rows, and how many of them have a red temperature."""

    def size_bytes(self) -> int:
        """How much it has grown since it was cleared."""


@dataclass
class SqliteFile:
    """A file of SQLite."""

    path: Path
    kind: str = field(default="sqlite", init=False)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def description(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    @property
    def environment(self) -> dict[str, str]:
        return _environment(self.url, "auto")

    @property
    def limit_arguments(self) -> list[str]:
        return [self.kind, str(self.path)]

    def clear(self) -> None:
        for path in self._files():
            path.unlink()

    def stored(self) -> tuple[int, int]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows, red = connection.execute(_STORED).fetchone()
        return rows, red

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._files())

    def _files(self) -> list[Path]:
        return list(self.path.parent.glob(f"{self.path.name}*"))


@dataclass
class Server:
    """A database of a server, asked on one connection at a time.

    `administrator_url` is of a superuser of a server that reads and writes files in `folder`.
    """

    kind: str
    url: str
    one_session: bool = False
    administrator_url: str | None = None
    folder: Path | None = None
    _empty_bytes: int = field(default=0, init=False)

    @property
    def description(self) -> str:
        with connected(self.url) as connection:
            version = connection.scalar(sa.text("SHOW server_version"))
            extension = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
            timescale = connection.scalar(sa.text(extension))
            current = sa.text("SELECT name, current_setting(name) FROM pg_settings")
            settings = dict(map(tuple, connection.execute(current)))
        shown = ", ".join(f"{name} {settings[name]}" for name in SETTINGS_SHOWN)
        if self.one_session:
            shown = "WebAssembly in one process: one session, data in memory, nothing is synced"
        name = f"TimescaleDB {timescale} on PostgreSQL" if timescale else "PostgreSQL"
        return f"{name} {version}\n{shown}"

    @property
    def environment(self) -> dict[str, str]:
        found = _environment(self.url, "on" if self.kind == "timescale" else "off")
        return found | ({"DATABASE_POOL_SIZE": "0"} if self.one_session else {})

    @property
    def limit_arguments(self) -> list[str]:
        if self.administrator_url is None or self.folder is None:
            return [self.kind, self.url]
        return [self.kind, self.administrator_url, str(self.folder / f"{TABLE}.copy")]

    def clear(self) -> None:
        with connected(self.url) as connection:
            for statement in connection.scalars(sa.text(_LEFT)).all():
                connection.exec_driver_sql(statement)
            self._empty_bytes = _size_bytes(connection)
        if self.administrator_url is not None:
            with connected(self.administrator_url) as connection:
                connection.exec_driver_sql("CHECKPOINT")

    def stored(self) -> tuple[int, int]:
        with connected(self.url) as connection:
            rows, red = connection.execute(sa.text(_STORED)).one()
        return rows, red

    def size_bytes(self) -> int:
        with connected(self.url) as connection:
            return _size_bytes(connection) - self._empty_bytes


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection to a server, on which every statement is a transaction of its own."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def _size_bytes(connection: sa.Connection) -> int:
    return connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0


def _environment(url: str, timescale: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "TABLE_NAME": TABLE,
        "TIMESCALE": timescale,
        "DATABASE_STATEMENT_TIMEOUT_S": "0",
    }
