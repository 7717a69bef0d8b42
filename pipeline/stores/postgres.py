"""PostgreSQL: questions through psycopg, loads and exports in Arrow (see arrow.py)."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import shown, translated_errors
from pipeline.db_utils import get_engine, pool_options
from pipeline.errors import DatabaseConflict, DatabaseError
from pipeline.retry import Retry
from pipeline.rig import LEVELS
from pipeline.settings import Settings
from pipeline.stores import arrow, questions
from pipeline.stores.base import Incoming, Range, SourceIdentity, span
from pipeline.stores.ledger import Ledger
from pipeline.stores.load import Load, on_conflict
from pipeline.stores.migrations import add_channels, is_current, migrate
from pipeline.stores.questions import Questions
from pipeline.stores.schema import Schema
from pipeline.stores.sql import wait_for_turn

logger = logging.getLogger(__name__)

_OLDEST = 14
_STAGING = "staging"


class PostgresStore(Questions):
    """A PostgreSQL database as a Store."""

    backend = "postgresql"

    def __init__(self, settings: Settings) -> None:
        engine = get_engine(settings)
        super().__init__(engine, Schema(settings.table_name))
        self._retry = Retry(settings.database_retry_s)
        self._arrow = arrow.arrow_engine(engine.url, **pool_options(settings))
        self._retry(self._migrate)

    def close(self) -> None:
        self._arrow.dispose()
        self._engine.dispose()

    def version(self) -> int:
        changes, loads = self._schema.changes, self._schema.loads
        # Both only grow, and every commit of ours adds to one of them.
        sequence = sa.select(sa.func.max(changes.c.sequence)).scalar_subquery()
        number = sa.select(sa.func.max(loads.c.id)).scalar_subquery()
        table = sa.text("to_regclass(quote_ident(:table))::oid::bigint")
        query = sa.select(table.bindparams(table=changes.name), sequence, number)
        with self._reading() as connection:
            oid, sequence_now, number_now = connection.execute(query).one()
        # Of tables that were made anew both begin anew.
        return (int(oid) << 32) + (sequence_now or 0) + (number_now or 0)

    def readings(self, selection: Range) -> Iterator[pl.DataFrame]:
        with translated_errors(self._engine.url), self._arrow.connect() as connection:
            columns = self._columns(connection)
            query = self._readings_query(columns, selection)
            for frame in arrow.fetched(connection, query, questions.ROWS_AT_ONCE):
                yield frame.cast(pl.Schema(columns))

    @contextmanager
    def loading(
        self, identity: SourceIdentity, incoming: Incoming, again: bool = False
    ) -> Iterator["PostgresLoad | None"]:
        with (
            translated_errors(self._engine.url),
            self._arrow.connect() as connection,
            connection.begin(),
        ):
            # A load takes as long as it takes.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            # Two processes may bring the same source: the second one finds it loaded.
            wait_for_turn(connection, f"{self._schema.table_name} {identity.sha256}")
            if not again and self._known(connection, identity) is not None:
                yield None
            else:
                yield self._load(connection, identity, incoming)

    def begin_live(self, identity: SourceIdentity) -> int:
        with self._writing() as connection:
            ensure_key(connection, self._schema)
            add_channels(connection, self._schema, identity.rig)
            ledger = Ledger(connection, self._schema)
            ledger.register(identity.rig)
            return ledger.open(identity, "live")

    def append(
        self, load_id: int, source: SourceIdentity, readings: pl.DataFrame, rejects: pl.DataFrame
    ) -> None:
        committed: list[str] = []

        def once() -> None:
            if committed and self._was_committed(committed.pop()):
                return
            with self._writing() as connection:
                transaction = sa.text("SELECT pg_current_xact_id()::text")
                self._append(connection, load_id, source, readings, rejects)
                # Should the connection be lost while it commits, the server knows the outcome.
                committed.append(connection.scalar(transaction) or "")

        self._retry(once)

    def _append(
        self,
        connection: sa.Connection,
        load_id: int,
        source: SourceIdentity,
        readings: pl.DataFrame,
        rejects: pl.DataFrame,
    ) -> None:
        ensure_key(connection, self._schema)
        _insert_rejects(connection, self._schema, load_id, source.name, rejects)
        ledger = Ledger(connection, self._schema)
        ledger.add_live_rejects(load_id, dict(rejects["reason"].value_counts().iter_rows()))
        for part in readings.partition_by("rig", maintain_order=True):
            rig = source.rig.renamed(part["rig"][0])
            if rig is not source.rig:
                ledger.register(rig)
            expected = ledger.count_replaced(load_id, rig.name, part["timestamp"])
            replaced = _upsert(connection, self._schema, load_id, source, part)
            _refuse_surprise(self._engine.url, expected, replaced)
            ledger.add_live_readings(load_id, rig.name, *span(part))

    def _was_committed(self, transaction: str) -> bool:
        state = sa.text("SELECT pg_xact_status(:transaction ::xid8)")
        with self._reading() as connection:
            return bool(connection.scalar(state, {"transaction": transaction}) == "committed")

    def _load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> "PostgresLoad":
        return PostgresLoad(connection, self._schema, identity, incoming)

    def _migrate(self) -> None:
        with self._reading() as connection:
            _refuse_old(connection)
            if is_current(connection, self._schema):
                return
        with self._writing() as connection:
            # Ten workers that start at once: one makes the tables, the others find them. With a
            # table to adopt, that may take longer than a question.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            wait_for_turn(connection, f"{self._schema.table_name} migrations")
            migrate(connection, self._schema)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with translated_errors(self._engine.url), self._engine.begin() as connection:
            yield connection


class PostgresLoad(Load):
    """A load into PostgreSQL by COPY: straight into the table, or through a staging table.

    Rows go straight in where nothing is stored between the times that they bring. Should another
    writer bring one of them at the same time, the key refuses, and the load is tried again. Into
    the empty table they go before it has its key: making it at the end takes a fourth of the time.
    """

    def __init__(
        self,
        connection: sa.Connection,
        schema: Schema,
        identity: SourceIdentity,
        incoming: Incoming,
    ) -> None:
        super().__init__(connection, schema, identity, incoming)
        self._first = bool(incoming.spans) and self._is_first()
        self.open()

    def add_readings(self, frames: Iterable[pl.DataFrame]) -> None:
        if not self._incoming.spans:
            return
        noted = self._noted(frames)
        if self._first or self._is_new_ground():
            self._copy(noted)
        else:
            self._stage(noted)
            self._merge(_STAGING)
        ensure_key(self._connection, self._schema)

    def add_rejects(self, frames: Iterable[pl.DataFrame]) -> None:
        columns = [
            pl.lit(self.load_id, pl.Int32).alias("load_id"),
            pl.lit(self._identity.name).alias("source"),
            pl.all(),
        ]
        rows = (frame.select(columns) for frame in frames)
        arrow.copy_into(self._connection, self._schema.rejects.name, None, rows)

    def _merge(self, staging: str) -> None:
        expected = self._count_replaced(staging)
        statement = sa.text(counting_replaced(self._merging(staging)))
        replaced = self._connection.scalar(statement, {"load_id": self.load_id})
        _refuse_surprise(self._connection.engine.url, expected, replaced or 0)

    def _copy(self, frames: Iterable[pl.DataFrame]) -> None:
        number = pl.lit(self.load_id, pl.Int32).alias("load_id")
        rows = (frame.select(*self._value_columns, number) for frame in frames)
        arrow.copy_into(self._connection, self._schema.table_name, None, rows)

    def _is_first(self) -> bool:
        """Whether the table is empty, and stays so for everybody else until this load ends."""
        if has_key(self._connection, self._schema):
            return False
        # First a lock that no reader has: two loads that both hold the table would wait for ever.
        wait_for_turn(self._connection, f"{self._schema.table_name} first load")
        if has_key(self._connection, self._schema):
            return False
        table = self._connection.dialect.identifier_preparer.format_table(self._schema.readings)
        # Readers go on.
        self._connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        return True

    def _stage(self, frames: Iterable[pl.DataFrame]) -> None:
        preparer = self._connection.dialect.identifier_preparer
        table = preparer.format_table(self._schema.readings)
        columns = ", ".join(map(preparer.quote, self._value_columns))
        self._connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {_STAGING} ON COMMIT DROP AS"  # noqa: S608  # quoted names
            f" SELECT {columns} FROM {table} WITH NO DATA"
        )
        rows = (frame.select(self._value_columns) for frame in frames)
        arrow.copy_into(self._connection, _STAGING, "pg_temp", rows)
        self._connection.exec_driver_sql(f"ANALYZE {_STAGING}")


def has_key(connection: sa.Connection, schema: Schema) -> bool:
    """Whether the readings have their primary key: from the first load on they have."""
    found = sa.text(
        "SELECT 1 FROM pg_constraint WHERE contype = 'p'"
        " AND conrelid = to_regclass(quote_ident(:table))"
    )
    return connection.scalar(found, {"table": schema.table_name}) is not None


def ensure_key(connection: sa.Connection, schema: Schema) -> None:
    """Give the readings their primary key, if they have not got it yet."""
    if has_key(connection, schema):
        return
    wait_for_turn(connection, f"{schema.table_name} first load")
    if not has_key(connection, schema):
        preparer = connection.dialect.identifier_preparer
        connection.exec_driver_sql(
            f"ALTER TABLE {preparer.format_table(schema.readings)}"
            f" ADD CONSTRAINT {preparer.quote(schema.key)} PRIMARY KEY (rig, timestamp)"
        )


def _upsert(
    connection: sa.Connection,
    schema: Schema,
    load_id: int,
    source: SourceIdentity,
    readings: pl.DataFrame,
) -> int:
    """Insert or replace readings of one rig by arrays; returns how many were replaced."""
    preparer = connection.dialect.identifier_preparer
    names = ["timestamp", *source.rig.value_columns]
    kinds = ["timestamptz", *map(_array_kind, readings.select(names[1:]).dtypes)]
    arrays = ", ".join(f"CAST(:v{place} AS {kind}[])" for place, kind in enumerate(kinds))
    columns = ", ".join(map(preparer.quote, names))
    insert = (
        f"INSERT INTO {preparer.format_table(schema.readings)} (rig, load_id, {columns})"  # noqa: S608  # quoted names
        f" SELECT :rig, :load_id, * FROM unnest({arrays}) {on_conflict(connection, schema)}"
    )
    values: dict[str, Any] = {
        f"v{place}": readings[name].to_list() for place, name in enumerate(names)
    }
    values |= {"rig": readings["rig"][0], "load_id": load_id}
    return connection.scalar(sa.text(counting_replaced(insert)), values) or 0


def counting_replaced(upsert: str) -> str:
    """An upsert as a question: how many rows it has replaced."""
    # A row that was there before has been locked by this transaction (xmax), a new one by none.
    return (
        f"WITH merged AS ({upsert} RETURNING xmax <> 0 AS replaced)"  # noqa: S608  # a statement of ours
        " SELECT count(*) FILTER (WHERE replaced) FROM merged"
    )


def _array_kind(kind: pl.DataType) -> str:
    return "text" if kind == pl.Enum(LEVELS) else "double precision"


def _refuse_surprise(url: sa.URL, expected: int, replaced: int) -> None:
    """Raises DatabaseConflict when somebody has written the same keys since we looked."""
    if expected != replaced:
        raise DatabaseConflict(f"{shown(url)}: another writer has brought the same readings")


def _insert_rejects(
    connection: sa.Connection, schema: Schema, load_id: int, source: str, rejects: pl.DataFrame
) -> None:
    rows = [{"load_id": load_id, "source": source, **row} for row in rejects.to_dicts()]
    if rows:
        connection.execute(schema.rejects.insert(), rows)


def _refuse_old(connection: sa.Connection) -> None:
    version = connection.scalar(sa.text("SELECT current_setting('server_version_num')::integer"))
    if (version or 0) < _OLDEST * 10_000:
        raise DatabaseError(
            f"{shown(connection.engine.url)}: PostgreSQL {(version or 0) // 10_000} is too old; "
            f"{_OLDEST} or newer is needed"
        )
