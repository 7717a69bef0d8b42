"""Upkeep of TimescaleDB: whole chunks that are too old are dropped, which costs next to nothing."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import DatabaseConflict
from pipeline.stores.base import Pruned
from pipeline.stores.postgres_upkeep import PostgresUpkeep
from pipeline.stores.pruning import Departed, Pruning, by_load
from pipeline.stores.rollup_state import floor_to_level, states
from pipeline.timestamps import EARLIEST, from_microseconds, to_microseconds

_OLDEST = sa.text(
    "SELECT chunk_schema, chunk_name, range_start, range_end FROM timescaledb_information.chunks"
    " WHERE hypertable_name = :table AND hypertable_schema = current_schema()"
    " AND range_start >= :earliest AND range_end <= :before ORDER BY range_start LIMIT 1"
)
_DROP = sa.text(
    "SELECT count(*) FROM drop_chunks(CAST(quote_ident(:table) AS regclass),"
    " newer_than => CAST(:start AS timestamptz), older_than => CAST(:end AS timestamptz))"
)


class ChunkPruning(Pruning):
    """Drops the oldest chunk that is older throughout, and deletes only what is left then."""

    def some(self, before: datetime, rig: str | None) -> Pruned:
        """Drop one chunk, if readings of all rigs are to go, else delete a bounded number."""
        # Whole buckets of every level: what is in them stays in roll-ups.
        limit = from_microseconds(floor_to_level(to_microseconds(before)))
        values = {"table": self._schema.table_name, "earliest": EARLIEST, "before": limit}
        known = states(self._connection, self._schema).values()
        while rig is None and not any(state.incomplete for state in known):
            chunk = self._connection.execute(_OLDEST, values).first()
            if chunk is None:
                break
            departed = self._dropped(chunk)
            if departed:
                self._account(departed, "readings_pruned", limit)
                return Pruned(sum(part.rows for part in departed))
        return super().some(before, rig)

    def _deleted(self, table: sa.Table, condition: sa.ColumnElement[bool]) -> list[Departed]:
        if table is not self._schema.readings:
            return super()._deleted(table, condition)
        # What is compressed cannot be deleted and returned in one statement (55000).
        name = self._connection.dialect.identifier_preparer.format_table(table)
        self._connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")
        return self._deleted_alone(table, condition)

    def _dropped(self, chunk: sa.Row[Any]) -> list[Departed]:
        readings = self._schema.readings.c
        columns = (sa.column(c.name, c.type) for c in (readings.rig, readings.timestamp))
        table = sa.table(
            chunk.chunk_name, sa.column("load_id"), *columns, schema=chunk.chunk_schema
        )
        name = self._connection.dialect.identifier_preparer.format_table(table)
        # Nobody adds to it between the count and the end.
        self._connection.exec_driver_sql(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        departed = [Departed(*row) for row in self._connection.execute(by_load(table))]
        values = {"table": self._schema.table_name, "start": chunk.range_start}
        dropped = self._connection.scalar(_DROP, {**values, "end": chunk.range_end})
        if dropped != 1:
            raise DatabaseConflict(f"{dropped} chunks instead of one would have been dropped")
        return departed


class ChunkUpkeep(PostgresUpkeep):
    """A mixin of TimescaleStore."""

    _pruning_kind = ChunkPruning

    def _size_bytes(self, connection: sa.Connection) -> int:
        size = sa.text("SELECT hypertable_size(CAST(quote_ident(:table) AS regclass))")
        chunks = connection.scalar(size, {"table": self._schema.table_name}) or 0
        return super()._size_bytes(connection) + chunks
