"""Old readings and rejects go, a bounded number in each transaction; the ledger counts them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.stores.base import Pruned, Range
from pipeline.stores.ledger import Ledger
from pipeline.stores.rollup_state import (
    RAW,
    floor_to_level,
    keep_state,
    state_of,
    states,
)
from pipeline.stores.rollups import Rollups
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import distinct_values
from pipeline.timestamps import from_microseconds, to_microseconds

# By database. About a tenth of a second: nobody who waits for SQLite's write lock notices. In
# PostgreSQL nobody waits, and each question passes by all that earlier ones have deleted.
ROWS_AT_ONCE = {"sqlite": 20_000, "postgresql": 200_000}


class Departed(NamedTuple):
    """What was deleted of one rig and load."""

    load_id: int | None
    rig: str
    rows: int
    first: datetime
    last: datetime


class Pruning:
    """Deletes on the connection of its transaction."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        self._ledger = Ledger(connection, schema)
        self._rows_at_once = ROWS_AT_ONCE[connection.dialect.name]

    def expired(self, before: datetime, rig: str | None) -> Pruned:
        """How many readings and rejects are older than a time; nothing is deleted."""
        counts = []
        for table in (self._schema.readings, self._schema.rejects):
            rigs = [rig] if rig else distinct_values(self._connection, table.c.rig)
            counts.append(sum(self._count(table, name, before) for name in rigs))
        return Pruned(*counts)

    def _count(self, table: sa.Table, rig: str, before: datetime) -> int:
        old = within(table, Range(rig, end=self._limit(table, rig, before)))
        return self._connection.scalar(sa.select(sa.func.count()).where(*old)) or 0

    def _limit(self, table: sa.Table, rig: str, before: datetime) -> datetime:
        """Before which time rows go: readings that are in roll-ups, by whole buckets."""
        state = state_of(self._connection, self._schema, rig)
        if table is not self._schema.readings or state is None or not state.levels:
            return before
        return from_microseconds(floor_to_level(to_microseconds(before)))

    def some(self, before: datetime, rig: str | None) -> Pruned:
        """Delete a bounded number of rows of one rig; nothing is left when it deletes nothing."""
        readings = self._oldest(self._schema.readings, before, rig)
        if readings:
            self._account(readings, "readings_pruned")
            return Pruned(readings=sum(part.rows for part in readings))
        rejects = self._oldest(self._schema.rejects, before, rig)
        self._account(rejects, "rejects_pruned")
        return Pruned(rejects=sum(part.rows for part in rejects))

    def _oldest(self, table: sa.Table, before: datetime, rig: str | None) -> list[Departed]:
        """Delete the oldest rows of a rig that has some, and tell what they were."""
        for name in [rig] if rig else distinct_values(self._connection, table.c.rig):
            limit = self._limit(table, name, before)
            old = sa.and_(*within(table, Range(name, end=limit)))
            times = sa.select(table.c.timestamp).where(old).order_by(table.c.timestamp)
            if self._connection.scalar(times.limit(1)) is None:
                continue
            if table is self._schema.readings:
                self._keep_from(name, limit)
            end = self._connection.scalar(times.offset(self._rows_at_once).limit(1))
            if end is not None:
                # Of rejects many may have one time: they go together.
                old &= table.c.timestamp <= end
            return self._deleted(table, old)
        return []

    def _keep_from(self, rig: str, limit: datetime) -> None:
        """From here on roll-ups of what is older stay as they are, and nothing is added to it."""
        Rollups(self._connection, self._schema).wait_for_turn(rig)
        state = state_of(self._connection, self._schema, rig)
        if state is not None and (state.raw_from is None or limit > state.raw_from):
            kept_from = {**state.kept_from, RAW: to_microseconds(limit)}
            keep_state(self._connection, self._schema, rig, replace(state, kept_from=kept_from))

    def rollups(self, ages: Mapping[int, datetime]) -> int:
        """Delete roll-ups of levels that are older than a time each; returns how many.

        Those of which something shorter, or readings, are kept stay, and so does the longest level.
        """
        rollups = Rollups(self._connection, self._schema)
        deleted = 0
        for rig in sorted(states(self._connection, self._schema)):
            rollups.wait_for_turn(rig)
            state = state_of(self._connection, self._schema, rig)
            assert state is not None
            kept_from = dict(state.kept_from)
            for shorter, level in state.steps[:-1]:
                if level not in ages or shorter not in kept_from:
                    break
                limit = floor_to_level(to_microseconds(ages[level]))
                limit = min(limit, kept_from[shorter])
                if limit > kept_from.get(level, limit - 1):
                    deleted += rollups.remove(rig, level, None, from_microseconds(limit))
                    kept_from[level] = limit
            if kept_from != state.kept_from:
                changed = replace(state, kept_from=kept_from)
                keep_state(self._connection, self._schema, rig, changed)
        return deleted

    def _deleted(self, table: sa.Table, condition: sa.ColumnElement[bool]) -> list[Departed]:
        if self._connection.dialect.name == "postgresql":
            # One statement: what it counts is what it has deleted, whoever writes beside it.
            gone = table.delete().where(condition)
            rows = gone.returning(table.c.load_id, table.c.rig, table.c.timestamp).cte("gone")
            return [Departed(*row) for row in self._connection.execute(by_load(rows))]
        return self._deleted_alone(table, condition)  # SQLite's writer is alone

    def _deleted_alone(self, table: sa.Table, condition: sa.ColumnElement[bool]) -> list[Departed]:
        """Count, then delete, where nobody else can write."""
        found = self._connection.execute(by_load(table).where(condition)).all()
        self._connection.execute(table.delete().where(condition))
        return [Departed(*row) for row in found]

    def _account(self, departed: Iterable[Departed], counter: str) -> None:
        loads = self._schema.loads
        # In one order, so that two who count at once do not wait for each other.
        for part in sorted(departed, key=lambda each: each.load_id or 0):
            column = loads.c[counter]
            update = loads.update().where(loads.c.id == part.load_id)
            self._connection.execute(update.values({column: column + part.rows}))
        for rig in sorted({part.rig for part in departed}):
            parts = [part for part in departed if part.rig == rig]
            first, last = min(part.first for part in parts), max(part.last for part in parts)
            self._ledger.change(rig, first, last, rows=0)
        self._ledger.announce()


def by_load(table: sa.FromClause) -> sa.Select[Any]:
    """What a table holds of each load and rig, as the fields of Departed."""
    timestamp = table.c.timestamp
    return sa.select(
        table.c.load_id,
        table.c.rig,
        sa.func.count(),
        sa.func.min(timestamp),
        sa.func.max(timestamp),
    ).group_by(table.c.load_id, table.c.rig)
