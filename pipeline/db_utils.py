"""Connection and schema: the pooled engine, and what kind of database it leads to."""

import sqlite3
import threading
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url

from pipeline.database_errors import SQLITE_PASSING, shown, translated_errors
from pipeline.errors import DatabaseError
from pipeline.settings import Settings, get_settings

_BUSY_TIMEOUT_S = 30.0
# Of one SQLite connection: readers are many in a server.
_READER_CACHE_KB = 16_384
_WRITER_CACHE_KB = 65_536
# Words that no name can be without quotes, and that SQLAlchemy does not know as such.
_RESERVED = {
    *("nothing", "returning"),  # SQLite
    *("collation", "concurrently", "lateral", "system_user", "tablesample"),  # PostgreSQL
}

# A server is hardly gone and back again within that.
_TRIED_AFTER_S = 0.1
_RESTS_SINCE = "rests since"

_engines: dict[Any, sa.Engine] = {}
_lock = threading.Lock()


def get_engine(settings: Settings | None = None) -> sa.Engine:
    """The pooled engine for DATABASE_URL; one for the same settings and process.

    Nothing is asked of a server yet. The folder of a SQLite file is made if it is missing. Raises
    DatabaseError when that is not possible, or the driver of a server is not installed.
    """
    settings = settings or get_settings()
    pool = pool_options(settings)
    timeouts_s = (settings.database_connect_timeout_s, settings.database_statement_timeout_s)
    key = (settings.database_url, timeouts_s, settings.database_pool_pre_ping, *pool.items())
    with _lock:
        if key not in _engines:
            url = make_url(settings.database_url)
            sqlite = url.get_backend_name() == "sqlite"
            engine = _sqlite(url) if sqlite else _postgres(url, *timeouts_s, pool)
            _engines[key] = quoting(engine if sqlite else tried_after_rest(engine, settings))
        return _engines[key]


def quoting(engine: sa.Engine) -> sa.Engine:
    """The same engine, which quotes every name that needs it."""
    preparer = engine.dialect.identifier_preparer
    preparer.reserved_words = {*preparer.reserved_words, *_RESERVED}
    return engine


def dispose_engines() -> None:
    """Close all connections, and forget all engines: before a process forks, say."""
    with _lock:
        while _engines:
            _engines.popitem()[1].dispose()


def is_postgres(settings: Settings | None = None) -> bool:
    """Whether DATABASE_URL leads to PostgreSQL (TimescaleDB included)."""
    url = make_url((settings or get_settings()).database_url)
    return url.get_backend_name() == "postgresql"


def is_timescale(settings: Settings | None = None) -> bool:
    """Whether DATABASE_URL leads to TimescaleDB, and TIMESCALE does not say to ignore it.

    Raises DatabaseError when the database cannot be reached, or has no TimescaleDB and TIMESCALE
    says that it must.
    """
    settings = settings or get_settings()
    if not is_postgres(settings):
        return False
    engine = get_engine(settings)
    with translated_errors(engine.url), engine.begin() as connection:
        return has_timescale(connection, settings.timescale)


def has_timescale(connection: sa.Connection, wanted: str) -> bool:
    """Whether the database is used as TimescaleDB; `wanted` is the setting TIMESCALE.

    With `on` the extension is created where the server offers it. Raises DatabaseError where it
    does not.
    """
    if wanted == "off":
        return False
    installed = sa.text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    if connection.scalar(installed) is not None:
        return True
    if wanted == "auto":
        return False
    offered = sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'")
    if connection.scalar(offered) is None:
        raise DatabaseError(
            f"{shown(connection.engine.url)}: TIMESCALE=on, but the server has no extension "
            "timescaledb; install it there, or set TIMESCALE=auto"
        )
    # Of workers that start at once one makes it, the others find it.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('timescaledb', 0))")
    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return True


def create_timescale_hypertable(settings: Settings | None = None) -> bool:
    """Make the readings a TimescaleDB hypertable; False where the database has no such thing.

    `open_store` does so by itself. Raises DatabaseError.
    """
    settings = settings or get_settings()
    if not is_timescale(settings):
        return False
    from pipeline.stores import open_store

    open_store(settings).close()
    return True


def pool_options(settings: Settings) -> dict[str, Any]:
    """How connections to a server are kept and bounded, as SQLAlchemy takes it."""
    if not settings.database_pool_size:
        return {"poolclass": sa.NullPool}
    return {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": 10,
        "pool_recycle": settings.database_pool_recycle_s,
        "pool_use_lifo": True,  # the one that was used last need not be tried before it is used
    }


def tried_after_rest(engine: sa.Engine, settings: Settings) -> sa.Engine:
    """The engine, with kept connections tried before they are used, where they have rested.

    SQLAlchemy's own way tries them always: as long as the server is asked without a pause, that
    takes as long as many an answer.
    """
    if settings.database_pool_size and settings.database_pool_pre_ping:
        event.listen(engine, "checkin", _rests)
        event.listen(engine, "checkout", partial(_tried, engine.dialect))
    return engine


def _rests(_connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
    record.info[_RESTS_SINCE] = time.monotonic()


def _tried(
    dialect: sa.Dialect, connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: Any
) -> None:
    since = record.info.pop(_RESTS_SINCE, None)
    if since is None or time.monotonic() - since < _TRIED_AFTER_S:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        # None of those that are as old will be used, and another is made in its place.
        raise sa.exc.InvalidatePoolError from None


def _sqlite(url: sa.URL) -> sa.Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"{path.parent}: {error.strerror}; set DATABASE_URL") from None
    engine = sa.create_engine(
        url,
        pool_size=8,
        max_overflow=56,  # more than there are threads that answer requests
        pool_timeout=5,
        pool_use_lifo=True,  # the cache of few connections, instead of that of all
        connect_args={"timeout": _BUSY_TIMEOUT_S},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _postgres(
    url: sa.URL, connect_timeout_s: float, statement_timeout_s: float, pool: dict[str, Any]
) -> sa.Engine:
    if find_spec("psycopg") is None or find_spec("adbc_driver_postgresql") is None:
        raise DatabaseError(
            f"{shown(url)}: the drivers of PostgreSQL are not installed; "
            "install requirements.txt, or smart-sensor-dashboard[postgres]"
        )
    options = [f"-c timezone=UTC -c jit=off -c statement_timeout={statement_timeout_s * 1000:.0f}"]
    ours = {
        "connect_timeout": f"{connect_timeout_s:.0f}",
        "application_name": "smart-sensor",
        **url.query,  # what somebody writes into the URL wins
        "options": " ".join([*options, *url.normalized_query.get("options", ())]),
    }
    return sa.create_engine(url.set(query=ours), **pool)


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # We begin transactions ourselves: the driver would begin them late and commit before DDL.
    connection.isolation_level = None
    # Of a new file: fewer, larger pages make loads and long ranges a twentieth faster.
    connection.execute("PRAGMA page_size = 16384")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KB}")
    connection.execute("PRAGMA temp_store = FILE")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; of a new file SQLite itself does not wait until it may."""
    end = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in SQLITE_PASSING or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _on_begin(connection: sa.Connection) -> None:
    # A writer takes the lock at once, so that it never has to give up in the middle.
    write = connection.get_execution_options().get("write", False)
    if write:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_WRITER_CACHE_KB}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def existing_tables(engine: sa.Engine) -> list[str]:
    """Names of the tables of readings in a database, whatever TABLE_NAME made them."""
    with translated_errors(engine.url), engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    return sorted(name for name in names if f"{name}_migrations" in names)
