"""SQLite through Python's own `sqlite3`: one writer at a time, readers never blocked (WAL)."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.db_utils import translated_errors
from pipeline.rig import Rig
from pipeline.stores.base import LoadOutcome, SourceIdentity
from pipeline.stores.ledger import Ledger
from pipeline.stores.migrations import add_channels, is_current, migrate
from pipeline.stores.questions import Questions
from pipeline.stores.schema import Schema
from pipeline.stores.watch import Watch

_ROWS_A_STATEMENT = 100
# So many rows' values are still in the processor's cache when they are bound: a fifth faster.
_ROWS_IN_CACHE = 2_000


class SqliteStore(Questions):
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

    def _migrate(self) -> None:
        with self._reading() as connection:
            if is_current(connection, self._schema):
                return
        with self._writing() as connection:
            migrate(connection, self._schema)

    @contextmanager
    def loading(
        self, identity: SourceIdentity, again: bool = False
    ) -> Iterator["SqliteLoad | None"]:
        with self._writing() as connection:
            # Asked under the write lock: two processes may bring the same source.
            known = not again and self._known(connection, identity) is not None
            yield None if known else SqliteLoad(connection, self._schema, identity)

    def begin_live(self, identity: SourceIdentity) -> int:
        with self._writing() as connection:
            add_channels(connection, self._schema, identity.rig)
            ledger = Ledger(connection, self._schema)
            ledger.register(identity.rig)
            return ledger.open(identity, "live")

    def append(
        self, load_id: int, source: SourceIdentity, readings: pl.DataFrame, rejects: pl.DataFrame
    ) -> None:
        with self._writing() as connection:
            _insert_rejects(connection, self._schema, load_id, source.name, rejects)
            ledger = Ledger(connection, self._schema)
            ledger.add_live_rejects(load_id, dict(rejects["reason"].value_counts().iter_rows()))
            rows = _Rows(connection, self._schema, source.rig, load_id)
            for part in readings.partition_by("rig", maintain_order=True):
                rig = source.rig.renamed(part["rig"][0])
                if rig is not source.rig:
                    ledger.register(rig)
                rows.upsert(part)
                ledger.add_live_readings(load_id, rig.name, *_span(part))

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its beginning."""
        with (
            translated_errors(self._engine.url),
            self._engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection


class SqliteLoad:
    """One load inside its transaction."""

    def __init__(self, connection: sa.Connection, schema: Schema, identity: SourceIdentity) -> None:
        self._connection = connection
        self._schema = schema
        self._identity = identity
        self._ledger = Ledger(connection, schema)
        self._rows: _Rows | None = None
        self._touched: dict[str, tuple[datetime, datetime, int]] = {}
        self.load_id = self._ledger.open(identity, "open")

    def add_readings(self, readings: pl.DataFrame) -> None:
        name = readings["rig"][0]
        rig = self._identity.rig
        if self._rows is None:
            add_channels(self._connection, self._schema, rig)
            self._rows = _Rows(self._connection, self._schema, rig, self.load_id)
        if name not in self._touched:
            self._ledger.register(rig.renamed(name))
        self._rows.upsert(readings)
        first, last, rows = _span(readings)
        known = self._touched.get(name, (first, last, 0))
        self._touched[name] = min(first, known[0]), max(last, known[1]), known[2] + rows

    def add_rejects(self, rejects: pl.DataFrame) -> None:
        _insert_rejects(self._connection, self._schema, self.load_id, self._identity.name, rejects)

    def finish(self, outcome: LoadOutcome) -> None:
        if outcome.accepted:
            # A load of which nothing is accepted takes nothing back: it may be a wrong rig file.
            self._ledger.supersede(self._identity, self.load_id)
        self._ledger.complete(self.load_id, outcome, self._touched)
        for name in self._touched:
            self._keep_interval(name, outcome.interval_s)

    def _keep_interval(self, rig: str, interval_s: float | None) -> None:
        """Set the usual interval of a rig whose file does not say it, at its first load."""
        rigs = self._schema.rigs.c
        known = self._connection.scalar(sa.select(rigs.interval_s).where(rigs.name == rig))
        if known is None:
            interval_s = interval_s or self._median_step_s(rig)
            update = self._schema.rigs.update().where(rigs.name == rig)
            self._connection.execute(update.values(interval_s=interval_s))

    def _median_step_s(self, rig: str) -> float | None:
        """Median step of all that is stored, sorted by the database (on disk if need be)."""
        timestamp = self._schema.readings.c.timestamp
        step = timestamp - sa.func.lag(timestamp).over(order_by=timestamp)
        steps = sa.select(step.label("step")).where(self._schema.readings.c.rig == rig).subquery()
        given = sa.select(steps.c.step).where(steps.c.step.is_not(None))
        count = (
            self._connection.scalar(sa.select(sa.func.count()).select_from(given.subquery())) or 0
        )
        if not count:
            return None
        middle = given.order_by(steps.c.step).limit(2 - count % 2).offset((count - 1) // 2)
        values = list(self._connection.execute(middle).scalars())
        return float(sum(values) / len(values) / 1e6)


class _Rows:
    """Upserts of one load's readings, a hundred rows a statement.

    Parameters are bound in statements of many rows, because a call a row costs more than
    what SQLite does with it.
    """

    def __init__(self, connection: sa.Connection, schema: Schema, rig: Rig, load_id: int) -> None:
        self._connection = _driver(connection)
        self._load_id = load_id
        self._columns = ["timestamp", *rig.value_columns]
        present = [
            column["name"] for column in sa.inspect(connection).get_columns(schema.table_name)
        ]
        names = [_quoted(connection, name) for name in ["rig", "load_id", *self._columns]]
        # Every column is set, so that nothing of a replaced reading stays.
        replaced = [
            _quoted(connection, name) for name in present if name not in ("rig", "timestamp")
        ]
        self._head = (
            f"INSERT INTO {_quoted(connection, schema.table_name)} ({', '.join(names)}) VALUES "  # noqa: S608  # quoted names
        )
        assignments = ", ".join(f"{name} = excluded.{name}" for name in replaced)
        # The load with the higher number wins, whoever comes last.
        self._tail = (
            f" ON CONFLICT (rig, timestamp) DO UPDATE SET {assignments}"
            " WHERE excluded.load_id >= load_id"
        )
        self._statements: dict[int, str] = {}

    def upsert(self, readings: pl.DataFrame) -> None:
        rig = readings["rig"][0]
        frame = readings.select(self._columns).with_columns(pl.col("timestamp").dt.epoch("us"))
        most = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        each = max(1, min(_ROWS_A_STATEMENT, (most - 2) // len(self._columns)))
        for part in frame.iter_slices(_ROWS_IN_CACHE):
            whole = len(part) // each * each
            self._execute(rig, each, part.head(whole))
            self._execute(rig, 1, part.slice(whole))

    def _execute(self, rig: str, rows: int, frame: pl.DataFrame) -> None:
        """Run the statement for `rows` rows as often as the frame has that many."""
        width, step = len(self._columns), rows * len(self._columns)
        values: list[Any] = [None] * (len(frame) * width)
        for position, column in enumerate(frame.iter_columns()):
            values[position::width] = column.to_list()
        fixed = (rig, self._load_id)
        parameters = [[*fixed, *values[i : i + step]] for i in range(0, len(values), step)]
        if parameters:
            self._connection.executemany(self._statement(rows), parameters)

    def _statement(self, rows: int) -> str:
        if rows not in self._statements:
            width = len(self._columns)
            # ?1 is the rig and ?2 the load, the same in every row.
            row_values = (
                ", ".join(f"?{3 + row * width + column}" for column in range(width))
                for row in range(rows)
            )
            values = ", ".join(f"(?1, ?2, {row})" for row in row_values)
            self._statements[rows] = self._head + values + self._tail
        return self._statements[rows]


def _insert_rejects(
    connection: sa.Connection, schema: Schema, load_id: int, source: str, rejects: pl.DataFrame
) -> None:
    rows = rejects.with_columns(pl.col("timestamp").dt.epoch("us")).iter_rows()
    _driver(connection).executemany(
        f"INSERT INTO {_quoted(connection, schema.rejects.name)}"  # noqa: S608  # quoted name
        " (load_id, source, line, rig, timestamp, reason, detail, raw)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((load_id, source, *row) for row in rows),
    )


def _span(readings: pl.DataFrame) -> tuple[datetime, datetime, int]:
    """First and last time of a frame, and its number of readings."""
    first, last = readings["timestamp"].min(), readings["timestamp"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last, len(readings)


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _quoted(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
