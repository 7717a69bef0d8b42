"""SQLite through Python's own `sqlite3`: one writer at a time, readers never blocked (WAL)."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import translated_errors
from pipeline.errors import DatabaseConflict
from pipeline.stores import live
from pipeline.stores.base import Incoming, SourceIdentity
from pipeline.stores.ledger import GivenWay
from pipeline.stores.load import REJECT_COLUMNS, STORED, Load, on_conflict
from pipeline.stores.migrations import add_channels, is_current, migrate
from pipeline.stores.questions import Questions
from pipeline.stores.schema import Schema
from pipeline.stores.sqlite_rows import RowWriter, driver
from pipeline.stores.sqlite_upkeep import SqliteUpkeep
from pipeline.stores.tokens import TokenTable
from pipeline.stores.watch import Watch

# No table of a setting can have this name.
_STAGING = 'temp."readings to merge"'
# A load that holds the write lock for longer than a live source should have to wait.
_LONG_LOAD_ROWS = 200_000
_LIVE = timedelta(minutes=1)


class SqliteStore(Questions, SqliteUpkeep, TokenTable):
    """A SQLite file as a Store."""

    backend = "sqlite"

    def __init__(self, engine: sa.Engine, table_name: str) -> None:
        super().__init__(engine, Schema(table_name))
        self._watch = Watch(Path(str(engine.url.database)))
        self._opening = threading.Lock()
        self._replaced = False
        self._migrate()

    def close(self) -> None:
        self._watch.close()
        self._engine.dispose()

    def version(self) -> int:
        replaced, version = self._watch.look()
        with self._opening:
            self._replaced |= replaced
            if self._replaced:
                # Another file has taken its place: pooled connections still see the old one.
                self._engine.dispose()
                self._migrate()
                self._replaced = False
        return version

    version_at_once = version
    hears = True

    def _migrate(self) -> None:
        with self._reading() as connection:
            if is_current(connection, self._schema):
                return
        with self._writing() as connection:
            migrate(connection, self._schema)

    @contextmanager
    def loading(
        self, identity: SourceIdentity, incoming: Incoming, again: bool = False
    ) -> Iterator["SqliteLoad | None"]:
        with translated_errors(self._engine.url), self._engine.connect() as connection:
            load = SqliteLoad(connection, self._schema, identity, incoming)

            def is_known() -> bool:
                return not again and self._known(connection, identity) is not None

            try:
                staged_first = load.is_to_be_staged_first()
                if not staged_first:
                    load.lock()
                if is_known():
                    yield None
                    return
                if not staged_first:
                    load.open()
                load.is_known = is_known
                yield load
                connection.commit()
            finally:
                load.clean_up()

    def begin_live(self, identity: SourceIdentity) -> int:
        with self._writing() as connection:
            return live.begin(connection, self._schema, identity)

    def append(
        self, load_id: int, source: SourceIdentity, readings: pl.DataFrame, rejects: pl.DataFrame
    ) -> None:
        with self._writing() as connection:
            insert_rejects(connection, self._schema, load_id, source.name, rejects)
            conflict = on_conflict(connection, self._schema)
            rows = _readings_writer(connection, self._schema, source, conflict)

            def upsert(part: pl.DataFrame, _: GivenWay) -> None:
                rows.write((part["rig"][0], load_id), part)

            live.append(connection, self._schema, load_id, source, readings, rejects, upsert)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its beginning."""
        with (
            translated_errors(self._engine.url),
            self._engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection


class SqliteLoad(Load):
    """A load into SQLite: straight into the table, or through a staging table.

    Rows go straight in where nothing is stored between the times that they bring. Else they are
    staged in a temporary table, and one statement merges them in the order of the key. A long load
    that meets live writers is staged before it takes the write lock.
    """

    is_known: Callable[[], bool]
    _locked = False
    _staged = False

    def is_to_be_staged_first(self) -> bool:
        if self._incoming.rows < _LONG_LOAD_ROWS:
            return False
        loads = self._schema.loads.c
        recent = datetime.now(UTC) - _LIVE
        sending = sa.select(loads.id).where(loads.status == "live", loads.finished_at > recent)
        found = self._connection.scalar(sending.limit(1)) is not None
        self._connection.rollback()
        return found

    def lock(self) -> None:
        """Begin the transaction that writes, unless the load is part of one."""
        if not self._connection.in_transaction():
            self._connection.execution_options(write=True)
            self._connection.begin()
        self._locked = True

    def open(self) -> None:
        if self._incoming.spans:
            add_channels(self._connection, self._schema, self._identity.rig)
        super().open()

    def add_readings(self, frames: Iterable[pl.DataFrame]) -> None:
        noted = self._noted(frames)
        if self._locked and self._is_new_ground():
            rows = _readings_writer(self._connection, self._schema, self._identity)
            for frame in noted:
                rows.write((frame["rig"][0], self.load_id), frame)
            return
        self._stage(noted)
        if not self._locked:
            self._connection.commit()
            self.lock()
            if self.is_known():
                # Another process has brought the same while this one was staging it.
                raise DatabaseConflict(f"{self._identity.name}: somebody else has just loaded it")
            self.open()
        self._merge(_STAGING)

    def add_rejects(self, frames: Iterable[pl.DataFrame]) -> None:
        for rejects in frames:
            insert_rejects(
                self._connection, self._schema, self.load_id, self._identity.name, rejects
            )

    def clean_up(self) -> None:
        """A temporary table outlives its transaction, and its connection goes back to the pool."""
        self._connection.rollback()
        if self._staged:
            # Somebody else may have the write lock by now: it is not needed for this.
            self._connection.execution_options(write=False)
            self._connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_STAGING}")
            self._connection.commit()

    def _stage(self, frames: Iterable[pl.DataFrame]) -> None:
        quote = self._connection.dialect.identifier_preparer.quote
        columns = ", ".join(map(quote, self._value_columns))
        self._staged = True
        self._connection.exec_driver_sql(f"CREATE TABLE {_STAGING} ({columns})")
        rows = RowWriter(self._connection, _STAGING, ["rig"], self._value_columns[1:])
        for frame in frames:
            rows.write((frame["rig"][0],), frame)


def _readings_writer(
    connection: sa.Connection, schema: Schema, source: SourceIdentity, end: str = ""
) -> RowWriter:
    table = connection.dialect.identifier_preparer.quote(schema.table_name)
    columns = ["timestamp", *source.rig.value_columns]
    return RowWriter(connection, f"{table} AS {STORED}", ["rig", "load_id"], columns, end)


def insert_rejects(
    connection: sa.Connection, schema: Schema, load_id: int, source: str, rejects: pl.DataFrame
) -> None:
    """Insert rejected rows (columns of REJECT_SCHEMA)."""
    rows = rejects.with_columns(pl.col("timestamp").dt.epoch("us")).iter_rows()
    table = connection.dialect.identifier_preparer.quote(schema.rejects.name)
    names, marks = ", ".join(REJECT_COLUMNS), ", ".join("?" for _ in REJECT_COLUMNS)
    driver(connection).executemany(
        f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608  # quoted names
        ((load_id, source, *row) for row in rows),
    )
