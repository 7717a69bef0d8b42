"""Connection and schema: the pooled engine, and what kind of database it leads to."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url

from pipeline.errors import DatabaseError, DatabaseUnavailable
from pipeline.settings import Settings, get_settings

_BUSY_TIMEOUT_S = 30.0


def get_engine(settings: Settings | None = None) -> sa.Engine:
    """The pooled engine for DATABASE_URL; one a URL and process.

    The folder of a SQLite file is made if it is missing. Raises DatabaseError for a kind of
    database that this version does not support.
    """
    return _engine((settings or get_settings()).database_url)


def is_postgres(settings: Settings | None = None) -> bool:
    """Whether DATABASE_URL leads to PostgreSQL (TimescaleDB included)."""
    url = make_url((settings or get_settings()).database_url)
    return url.get_backend_name() in {"postgresql", "postgres"}


def create_timescale_hypertable(settings: Settings | None = None) -> bool:
    """Make the readings a TimescaleDB hypertable; False where the database has no such thing."""
    if is_postgres(settings):
        _refuse_postgres()
    return False


@lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        _refuse_postgres()
    path = Path(str(parsed.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"{path.parent}: {error.strerror}; set DATABASE_URL") from None
    engine = sa.create_engine(
        url,
        pool_size=8,
        max_overflow=56,  # more than there are threads that answer requests
        pool_timeout=5,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


@contextmanager
def translated_errors(url: sa.URL) -> Iterator[None]:
    """Turn a driver's errors into ours, told apart by SQLite's result code, never by text."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _translated(error.orig, url) from error
    except sqlite3.Error as error:
        raise _translated(error, url) from error
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailable(f"{url}: no free connection; try again") from error


_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PROBLEMS = {
    sqlite3.SQLITE_BUSY: "is locked by another program; try again when it has finished",
    sqlite3.SQLITE_LOCKED: "is locked by another program; try again when it has finished",
    sqlite3.SQLITE_FULL: "the disk is full; nothing of this load was stored",
    sqlite3.SQLITE_READONLY: "is read-only; change its permissions or DATABASE_URL",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check the path and its permissions",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; set DATABASE_URL to another file",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk",
}


def _translated(error: BaseException | None, url: sa.URL) -> DatabaseError:
    # The low byte of an extended result code is the code itself.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    problem = _PROBLEMS.get(code, str(error))
    kind = DatabaseUnavailable if code in _PASSING else DatabaseError
    return kind(f"{url.database}: {problem}")


def _refuse_postgres() -> None:
    raise DatabaseError(
        "DATABASE_URL: PostgreSQL and TimescaleDB are not supported by this version yet; "
        "use sqlite:///data/processed.db"
    )


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # We begin transactions ourselves: the driver would begin them late and commit before DDL.
    connection.isolation_level = None
    # Of a new file: fewer, larger pages make loads and long ranges a twentieth faster.
    connection.execute("PRAGMA page_size = 16384")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = FILE")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; of a new file SQLite itself does not wait until it may."""
    end = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _PASSING or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _on_begin(connection: sa.Connection) -> None:
    # A writer takes the lock at once, so that it never has to give up in the middle.
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def existing_tables(engine: sa.Engine) -> list[str]:
    """Names of the tables of readings in a database, whatever TABLE_NAME made them."""
    with translated_errors(engine.url), engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    return sorted(name for name in names if f"{name}_migrations" in names)
