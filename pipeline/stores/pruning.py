"""Old readings and rejects go, a bounded number in each transaction; the ledger counts them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.errors import DatabaseConflict
from pipeline.rollups import LEVELS_S
from pipeline.stores.base import Pruned, Range
from pipeline.stores.ledger import Ledger
from pipeline.stores.rollup_state import (
    RAW,
    RollupState,
    floor_to_level,
    keep_state,
    state_of,
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
        limit = before
        if table is self._schema.readings:
            limit = _limit_of(self._with_rollups(rig), before)
        old = self._old(table, rig, limit, before)
        return self._connection.scalar(sa.select(sa.func.count()).where(old)) or 0

    def _old(
        self, table: sa.Table, rig: str, limit: datetime, before: datetime
    ) -> sa.ColumnElement[bool]:
        """Rows of a rig with a time before a limit. What was rejected for its age alone goes when
        its load began before `before`: else nobody would ever see it."""
        old = sa.and_(*within(table, Range(rig, end=limit)))
        if table is not self._schema.rejects:
            return old
        loads = self._schema.loads.c
        recent = sa.select(loads.id).where(loads.started_at >= before)
        too_late = table.c.reason == "older_than_retention"
        return old & ~(too_late & table.c.load_id.in_(recent))

    def _with_rollups(self, rig: str) -> RollupState | None:
        """The state of a rig when all its roll-ups are there: they are made before it is pruned."""
        state = state_of(self._connection, self._schema, rig)
        if state is None:
            return None
        rigs = self._schema.rigs.c
        interval_s = self._connection.scalar(sa.select(rigs.interval_s).where(rigs.name == rig))
        return replace(state, incomplete=False, interval_s=interval_s)

    def _limit(self, table: sa.Table, rig: str, before: datetime) -> datetime:
        """Before which time rows go: readings that are in roll-ups, by whole buckets."""
        if table is not self._schema.readings:
            return before
        return _limit_of(state_of(self._connection, self._schema, rig), before)

    def some(self, before: datetime, rig: str | None) -> Pruned:
        """Delete a bounded number of rows of one rig; nothing is left when it deletes nothing."""
        readings, limit = self._oldest(self._schema.readings, before, rig)
        if readings:
            self._account(readings, "readings_pruned", limit)
            return Pruned(readings=sum(part.rows for part in readings))
        rejects, _ = self._oldest(self._schema.rejects, before, rig)
        self._account(rejects, "rejects_pruned")
        return Pruned(rejects=sum(part.rows for part in rejects))

    def _oldest(
        self, table: sa.Table, before: datetime, rig: str | None
    ) -> tuple[list[Departed], datetime]:
        """Delete the oldest rows of a rig that has some; tells what they were, and up to where
        rows of it go."""
        for name in [rig] if rig else distinct_values(self._connection, table.c.rig):
            limit = self._limit(table, name, before)
            old = self._old(table, name, limit, before)
            times = sa.select(table.c.timestamp).where(old).order_by(table.c.timestamp)
            if self._connection.scalar(times.limit(1)) is None:
                continue
            end = self._connection.scalar(times.offset(self._rows_at_once).limit(1))
            if end is not None:
                # Of rejects many may have one time: they go together.
                old &= table.c.timestamp <= end
            return self._deleted(table, old), limit
        return [], before

    def _keep_from(self, rig: str, limit: datetime) -> None:
        """From here on roll-ups of what is older stay as they are, and nothing is added to it.

        Raises DatabaseConflict when readings have gone that no roll-up stands for any more.
        """
        Rollups(self._connection, self._schema).wait_for_turn(rig)
        state = state_of(self._connection, self._schema, rig) or RollupState()
        if state.incomplete and _limit_of(state, limit) < limit:
            raise DatabaseConflict(f"rig {rig!r}: its roll-ups are being made anew")
        start = floor_to_level(to_microseconds(limit))
        if start > state.kept_from.get(RAW, start - 1):
            kept_from = {**state.kept_from, RAW: start}
            changed = replace(state, kept_from=kept_from, fixed=state.levels or None)
            keep_state(self._connection, self._schema, rig, changed)

    def rollups(self, rig: str, ages: Mapping[int, datetime]) -> int:
        """Delete roll-ups of a rig, by level, that are older than a time; returns how many.

        Those of which something shorter, or readings, are kept stay, and so does the longest level.
        A level that has no age goes with the next longer one that has.
        """
        rollups = Rollups(self._connection, self._schema)
        rollups.wait_for_turn(rig)
        state = state_of(self._connection, self._schema, rig) or RollupState()
        deleted = 0
        first: datetime | None = None
        kept_from = dict(state.kept_from)
        for shorter, level in state.steps[:-1]:
            age = next((ages[each] for each in LEVELS_S if each >= level and each in ages), None)
            if age is None or shorter not in kept_from:
                break
            limit = min(floor_to_level(to_microseconds(age)), kept_from[shorter])
            if limit > kept_from.get(level, limit - 1):
                first = first or rollups.first(rig, level, None)
                deleted += rollups.remove(rig, level, None, from_microseconds(limit))
                kept_from[level] = limit
        if kept_from != state.kept_from:
            changed = replace(state, kept_from=kept_from)
            keep_state(self._connection, self._schema, rig, changed)
        if first is not None:
            # What was asked before may be answered less finely.
            self._ledger.change(rig, first, from_microseconds(max(kept_from.values())), rows=0)
            self._ledger.announce()
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

    def _account(
        self, departed: Iterable[Departed], counter: str, kept_from: datetime | None = None
    ) -> None:
        """Count what has gone, of readings also from when on they are kept, and announce it.

        In the order in which writers do it: rows, the ledger, roll-ups, changes.
        """
        loads = self._schema.loads
        # In one order, so that two who count at once do not wait for each other.
        for part in sorted(departed, key=lambda each: each.load_id or 0):
            column = loads.c[counter]
            update = loads.update().where(loads.c.id == part.load_id)
            self._connection.execute(update.values({column: column + part.rows}))
        rigs = sorted({part.rig for part in departed})
        if kept_from is not None:
            for rig in rigs:
                self._keep_from(rig, kept_from)
        for rig in rigs:
            parts = [part for part in departed if part.rig == rig]
            first, last = min(part.first for part in parts), max(part.last for part in parts)
            self._ledger.change(rig, first, last, rows=0)
        self._ledger.announce()


def _limit_of(state: RollupState | None, before: datetime) -> datetime:
    """Up to where readings may go, so that roll-ups stand for all of them."""
    if state is None or not state.levels:
        return before
    limit = floor_to_level(to_microseconds(before))
    if state.incomplete:
        limit = min(limit, floor_to_level(state.rebuilt_to or 0))
    return from_microseconds(limit)


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
