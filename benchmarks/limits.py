"""What a database itself needs for rows that are there already: no reading, no arithmetic.

`python -m benchmarks.limits KIND WHERE [FILE]` copies the table that `smart-sensor etl` has made,
with the same key, and prints the seconds of each way as JSON.

SQLite: `INSERT ... SELECT` from an attached database. PostgreSQL: binary `COPY` of a file that the
server reads, with the key in place and with the key made afterwards; without FILE the rows come
from this process. TimescaleDB: from this process too, newest row first, compressed directly where
the server can do so, into a hypertable with the same settings.
"""

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from benchmarks.backends import TABLE, connected

COPIED = f"{TABLE}_limit"
_KEY = f"ALTER TABLE {COPIED} ADD PRIMARY KEY (rig, timestamp)"
_BLOCK = 1 << 20
_DIRECT_COMPRESS = (2, 21)

Fill = Callable[[sa.Connection], None]


def of_sqlite(database: Path) -> dict[str, float]:
    """Seconds of INSERT ... SELECT into a new file with the settings of ours."""
    with (
        tempfile.TemporaryDirectory(dir=database.parent) as folder,
        closing(sqlite3.connect(Path(folder) / "copy.db", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("ATTACH ? AS source", (str(database),))
        find = "SELECT sql FROM source.sqlite_master WHERE name = ?"
        connection.execute(connection.execute(find, (TABLE,)).fetchone()[0])
        started = time.perf_counter()
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {TABLE} SELECT * FROM source.{TABLE}")  # noqa: S608  # constants
        connection.execute("COMMIT")
        return {"INSERT ... SELECT": time.perf_counter() - started}


def of_postgres(url: str, file: str | None) -> dict[str, float]:
    """Seconds of COPY into a table that has its key, and into one that gets it at the end."""
    with connected(url) as connection, tempfile.TemporaryFile() as kept:
        if file is None:
            copy_out(connection, f"COPY {TABLE}", kept)
            fill, whence = from_client(kept), "from this process"
        else:
            quoted = connection.scalar(sa.select(sa.func.quote_literal(file)))
            connection.exec_driver_sql(f"COPY {TABLE} TO {quoted} (FORMAT binary)")
            command = f"COPY {COPIED} FROM {quoted} (FORMAT binary)"
            fill, whence = statement(command), "of a file of the server"
        ways = {"with the key": (fill,), "then the key": (fill, statement(_KEY))}
        seconds = {}
        for name, steps in ways.items():
            connection.exec_driver_sql(f"CREATE TABLE {COPIED} (LIKE {TABLE} INCLUDING DEFAULTS)")
            if name == "with the key":
                connection.exec_driver_sql(_KEY)
            seconds[f"COPY {whence}, {name}"] = timed(connection, *steps)
            connection.exec_driver_sql(f"DROP TABLE {COPIED}")
        return seconds


def of_timescale(url: str) -> dict[str, float]:
    """Seconds of COPY into an equal hypertable, and of its key."""
    with connected(url) as connection, tempfile.TemporaryFile() as kept:
        rows = f"SELECT * FROM {TABLE} ORDER BY rig, timestamp DESC"  # noqa: S608  # a constant
        copy_out(connection, f"COPY ({rows})", kept)
        make_equal_hypertable(connection)
        steps = [from_client(kept), statement(_KEY)]
        name = "COPY from this process"
        if timescale_version(connection) >= _DIRECT_COMPRESS:
            for setting in ("", "_client_sorted"):
                steps.insert(
                    0, statement(f"SET LOCAL timescaledb.enable_direct_compress_copy{setting} = on")
                )
            name += ", compressed directly"
        seconds = timed(connection, *steps)
        connection.exec_driver_sql(f"DROP TABLE {COPIED}")
        return {f"{name}, then the key": seconds}


def make_equal_hypertable(connection: sa.Connection) -> None:
    interval = connection.scalar(
        sa.text(
            "SELECT time_interval::text FROM timescaledb_information.dimensions"
            " WHERE hypertable_name = :table"
        ),
        {"table": TABLE},
    )
    connection.exec_driver_sql(f"CREATE TABLE {COPIED} (LIKE {TABLE} INCLUDING DEFAULTS)")
    make = sa.text(
        "SELECT create_hypertable(CAST(:table AS regclass),"
        " by_range('timestamp', CAST(:interval AS interval)), create_default_indexes => false)"
    )
    connection.execute(make, {"table": COPIED, "interval": interval}).all()
    connection.exec_driver_sql(
        f"ALTER TABLE {COPIED} SET (timescaledb.enable_columnstore = true,"
        " timescaledb.segmentby = 'rig', timescaledb.orderby = 'timestamp DESC')"
    )


def timescale_version(connection: sa.Connection) -> tuple[int, int]:
    found = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
    major, minor = str(connection.scalar(sa.text(found))).split(".")[:2]
    return int(major), int(minor)


def timed(connection: sa.Connection, *steps: Fill) -> float:
    """Seconds of one transaction of these steps, its commit included."""
    started = time.perf_counter()
    connection.exec_driver_sql("BEGIN")
    for step in steps:
        step(connection)
    connection.exec_driver_sql("COMMIT")
    return time.perf_counter() - started


def statement(text: str) -> Fill:
    def execute(connection: sa.Connection) -> None:
        connection.exec_driver_sql(text)

    return execute


def from_client(kept: IO[bytes]) -> Fill:
    """A COPY of the bytes in `kept`."""

    def copy_in(connection: sa.Connection) -> None:
        kept.seek(0)
        command = f"COPY {COPIED} FROM STDIN (FORMAT binary)"
        with driver(connection).cursor() as cursor, cursor.copy(command) as copy:
            while block := kept.read(_BLOCK):
                copy.write(block)

    return copy_in


def copy_out(connection: sa.Connection, what: str, kept: IO[bytes]) -> None:
    command = f"{what} TO STDOUT (FORMAT binary)"
    with driver(connection).cursor() as cursor, cursor.copy(command) as copy:
        for block in copy:
            kept.write(block)


def driver(connection: sa.Connection) -> Any:
    """psycopg's own connection."""
    return connection.connection.driver_connection


def main(kind: str, where: str, file: str | None = None) -> None:
    if kind == "sqlite":
        seconds = of_sqlite(Path(where))
    elif kind == "postgres":
        seconds = of_postgres(where, file)
    else:
        seconds = of_timescale(where)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
