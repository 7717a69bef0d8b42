"""Loads into PostgreSQL: binary COPY, and merging with what is there already."""

from collections.abc import Iterable
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import shown
from pipeline.errors import DatabaseConflict
from pipeline.rig import LEVELS
from pipeline.stores import arrow
from pipeline.stores.base import Incoming, LoadOutcome, SourceIdentity
from pipeline.stores.ledger import GivenWay
from pipeline.stores.load import STORED, Load, on_conflict
from pipeline.stores.postgres_key import has_key, make_complete, make_index
from pipeline.stores.schema import Schema
from pipeline.stores.sql import wait_for_turn

# No table of a setting can have this name.
_STAGING = "readings to merge"
_QUOTED_STAGING = f'"{_STAGING}"'


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
            self._merge(_QUOTED_STAGING)
        if self._first:
            make_index(self._connection, self._schema)

    def finish(self, outcome: LoadOutcome) -> None:
        if self._first:
            # At the end: from here on readers wait until the load is committed.
            make_complete(self._connection, self._schema)
        super().finish(outcome)

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
        rows = sum(rows for _, _, rows in self._touched.values())
        statement = sa.text(counting_written(self._merging(staging)))
        written = self._connection.execute(statement, {"load_id": self.load_id}).one()
        refuse_surprise(self._connection, expected, rows, *written)

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
            f"CREATE TEMPORARY TABLE {_QUOTED_STAGING} ON COMMIT DROP AS"  # noqa: S608  # quoted names
            f" SELECT {columns} FROM {table} WITH NO DATA"
        )
        rows = (frame.select(self._value_columns) for frame in frames)
        arrow.copy_into(self._connection, _STAGING, "pg_temp", rows)
        self._connection.exec_driver_sql(f"ANALYZE {_QUOTED_STAGING}")


def upsert(
    connection: sa.Connection,
    schema: Schema,
    load_id: int,
    source: SourceIdentity,
    readings: pl.DataFrame,
    expected: GivenWay,
) -> None:
    """Insert or replace readings of one rig, given as arrays.

    Raises DatabaseConflict when others replace or lose than were counted.
    """
    preparer = connection.dialect.identifier_preparer
    names = ["timestamp", *source.rig.value_columns]
    kinds = ["timestamptz", *map(_array_kind, readings.select(names[1:]).dtypes)]
    arrays = ", ".join(f"CAST(:v{place} AS {kind}[])" for place, kind in enumerate(kinds))
    columns = ", ".join(map(preparer.quote, names))
    insert = (
        f"INSERT INTO {preparer.format_table(schema.readings)} AS {STORED}"  # noqa: S608  # quoted names
        f" (rig, load_id, {columns})"
        f" SELECT :rig, :load_id, * FROM unnest({arrays}) {on_conflict(connection, schema)}"
    )
    values: dict[str, Any] = {
        f"v{place}": readings[name].to_list() for place, name in enumerate(names)
    }
    values |= {"rig": readings["rig"][0], "load_id": load_id}
    written = connection.execute(sa.text(counting_written(insert)), values).one()
    refuse_surprise(connection, expected, len(readings), *written)


def counting_written(upsert: str) -> str:
    """An upsert as a question: how many rows it has written, and how many of them replaced one."""
    # A row that was there before has been locked by this transaction (xmax), a new one by none.
    return (
        f"WITH merged AS ({upsert} RETURNING xmax <> 0 AS replaced)"  # noqa: S608  # a statement of ours
        " SELECT count(*), count(*) FILTER (WHERE replaced) FROM merged"
    )


def refuse_surprise(
    connection: sa.Connection, expected: GivenWay, rows: int, written: int, replaced: int
) -> None:
    """Raises DatabaseConflict when somebody has written the same keys since they were counted."""
    if (written, replaced) != (rows - expected.lost, expected.replaced):
        raise DatabaseConflict(
            f"{shown(connection.engine.url)}: another writer has brought the same readings"
        )


def _array_kind(kind: pl.DataType) -> str:
    return "text" if kind == pl.Enum(LEVELS) else "double precision"
