"""The roll-ups of a database: written in the transaction of the readings that they summarise.

A bucket whose readings are all known to the writer is summed up from what it brings; any other
that it touches is summed up anew, from what is stored: the shortest level from readings, each
other one from the level below. Either way gives the same summary, to the last bit; only what
follows on a full bucket is merged into its summary (`Rollups.follow`).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import (
    LEVELS_S,
    SECOND,
    Integers,
    Parts,
    channels_among,
    in_buckets,
    joined,
    merged_parts,
    of_readings,
    reading_schema,
    summary_schema,
)
from pipeline.spool import Spool
from pipeline.stores import few_rows
from pipeline.stores.base import Range
from pipeline.stores.frames import as_stored, fetched, insert
from pipeline.stores.rollup_state import RAW, RollupState
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import columns_of, wait_for_turn
from pipeline.timestamps import nearest_moment

# So many untouched buckets between two touched ones cost less than another question.
_NEAR = 16
# So many touched buckets, of not more readings, are summed up without frames.
_FEW = 16
_MANY = 50_000
# A bucket of so many readings is not summed up anew for those that follow.
_FULL = 2_000


class Rollups:
    """Reads and writes summaries on one connection."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        self._present = columns_of(connection, schema.table_name)
        summed_up = columns_of(connection, schema.rollups.name)
        # Others may add columns of their own to the readings.
        self.channels = [
            name for name in channels_among(self._present) if f"{name}_count" in summed_up
        ]
        self._columns = summary_schema(self.channels)
        self._table = schema.rollups_with(self._columns)

    def wait_for_turn(self, rig: str) -> None:
        """From here on, until the transaction ends, nobody else touches the rig's summaries."""
        wait_for_turn(self._connection, f"{self._schema.table_name} rollups {rig}")

    def follow(self, rig: str, state: RollupState, readings: pl.DataFrame) -> None:
        """Bring every level up to date with readings that have just been written.

        Where all of them follow on what a full bucket holds they are merged into its summary: to
        sum up thousands of readings anew for each one that comes would be too slow. That mean and
        M2 are then rounded in another order is allowed for (see `rollup_upkeep`).
        """
        (source, shortest), *longer = state.steps
        width = shortest * SECOND
        numbers = np.unique(readings["timestamp"].to_physical().to_numpy() // width)
        if len(numbers) > 1 or not self._merge_into_last(rig, state, readings, int(numbers[0])):
            self.repair_level(rig, state, shortest, source, numbers)
        for source, level in longer:
            touched = np.unique(numbers * shortest // level)
            self.repair_level(rig, state, level, source, touched)

    def make_all(self, rig: str, state: RollupState) -> None:
        """Make all summaries of a rig anew, as far back as its readings are there."""
        self.remove_all(rig, state)
        for source, level in state.steps:
            self.write_anew(rig, state, level, source, state.raw_from, None)

    def remove_all(self, rig: str, state: RollupState) -> None:
        """Delete all summaries of a rig, of every level, as far back as its readings are there."""
        for level in {*LEVELS_S, *state.levels}:
            self.remove(rig, level, state.raw_from)

    def repair_level(
        self, rig: str, state: RollupState, level: int, source: int, touched: Integers
    ) -> None:
        """Sum up these buckets of a level anew, from the level below or the readings (RAW)."""
        kept_from = state.kept_from.get(source)
        if kept_from is not None:
            # What they are made of is gone: they stay as they are.
            touched = touched[touched * level * SECOND >= kept_from]
        if not len(touched):
            return
        is_bulk = (
            self._connection.dialect.driver == "arrow"
            or len(touched) > _FEW
            or (source == RAW and self._readings_in(rig, level, touched) > _MANY)
        )
        for first, last in stretches(touched):
            if is_bulk:
                start, end = _moment(first * level), _moment((last + 1) * level)
                self.remove(rig, level, start, end)
                self.write_anew(rig, state, level, source, start, end)
            else:
                between = first * level * SECOND, (last + 1) * level * SECOND
                self._repair_few(rig, state, level, source, between)

    def _readings_in(self, rig: str, level: int, numbers: Integers) -> int:
        """How many readings the summaries from the first to the last of these buckets have."""
        first, last = int(numbers[0]), int(numbers[-1])
        selection = Range(rig, _moment(first * level), _moment((last + 1) * level))
        query = sa.select(sa.func.sum(self._table.c.readings))
        found = self._connection.scalar(query.where(*self._within(selection, level)))
        return int(found or 0)

    def _repair_few(
        self, rig: str, state: RollupState, level: int, source: int, between: tuple[int, int]
    ) -> None:
        """The same without frames, for few buckets: what a live source sends has to be quick."""
        if source == RAW:
            columns = reading_schema(self.channels, self._present)
            table, stretches = self._schema.table_name, [(*between, RAW)]
            found = few_rows.in_stretches(
                self._connection, table, columns, "timestamp", rig, stretches
            )
            parts = few_rows.readings_as_parts(found, self.channels)
        else:
            parts = self._few_summaries(rig, source, between)
        summed = None
        if len(parts["readings"]):
            summed = merged_parts(parts, self.channels, level * SECOND, state.interval_s)
        self._replace_few(rig, level, between, summed)

    def _merge_into_last(
        self, rig: str, state: RollupState, readings: pl.DataFrame, number: int
    ) -> bool:
        """Whether readings could be merged into the summary of the bucket that holds them all."""
        level = state.levels[0]
        between = number * level * SECOND, (number + 1) * level * SECOND
        stored = self._few_summaries(rig, level, between)
        stored.pop("bucket")
        if not len(stored["readings"]) or stored["readings"][0] < _FULL:
            return False
        missing = pl.DataFrame(schema=reading_schema(self.channels, self._present))
        frame = pl.concat([missing, readings], how="diagonal_relaxed").sort("timestamp")
        coming = of_readings(frame, self.channels)
        if coming["first_timestamp"][0] <= stored["last_timestamp"][0]:
            return False
        parts = joined([stored, coming])
        summed = merged_parts(parts, self.channels, level * SECOND, state.interval_s)
        self._replace_few(rig, level, between, summed)
        return True

    def _few_summaries(self, rig: str, level: int, between: tuple[int, int]) -> Parts:
        table = self._schema.rollups.name
        stretches = [(*between, level)]
        return few_rows.in_stretches(
            self._connection, table, self._columns, "bucket", rig, stretches
        )

    def _replace_few(
        self, rig: str, level: int, between: tuple[int, int], summed: Parts | None
    ) -> None:
        connection, dialect = self._connection, self._connection.dialect
        quote, mark = dialect.identifier_preparer.quote, few_rows.mark_of(dialect)
        table = quote(self._schema.rollups.name)
        connection.exec_driver_sql(
            f"DELETE FROM {table} WHERE rig = {mark} AND level_s = {mark}"  # noqa: S608  # a quoted name
            f" AND bucket >= {mark} AND bucket < {mark}",
            (rig, level, *(few_rows.moment_of(dialect, end) for end in between)),
        )
        if summed is None:
            return
        names = ", ".join(map(quote, self._columns))
        marks = ", ".join([mark] * (2 + len(self._columns)))
        rows = few_rows.summaries_as_rows(dialect, summed, self.channels, self._columns)
        connection.exec_driver_sql(
            f"INSERT INTO {table} (rig, level_s, {names}) VALUES ({marks})",  # noqa: S608  # quoted names
            [(rig, level, *row) for row in rows],
        )

    def write_anew(
        self,
        rig: str,
        state: RollupState,
        level: int,
        source: int,
        start: datetime | None,
        end: datetime | None,
    ) -> None:
        """Insert the summaries of all buckets of a range, of which none is stored."""
        # On disk in between: the connection cannot read and write at the same time.
        spool = Spool()
        try:
            for summaries in self.made_anew(rig, state, level, source, start, end):
                spool.append(summaries)
            self.add(rig, level, spool)
        finally:
            spool.close()

    def made_anew(
        self,
        rig: str,
        state: RollupState,
        level: int,
        source: int,
        start: datetime | None,
        end: datetime | None,
    ) -> Iterator[pl.DataFrame]:
        """Summaries of all buckets of a range, which begins and ends with one, in time order."""
        selection = Range(rig, start, end)
        frames = self.readings(selection) if source == RAW else self.stored(selection, source)
        return in_buckets(frames, self.channels, level * SECOND, state.interval_s)

    def readings(self, selection: Range) -> Iterator[pl.DataFrame]:
        """Readings of a range in time order, with what summaries are made of."""
        columns = reading_schema(self.channels, self._present)
        table = self._schema.readings_with(columns)
        query = as_stored(table, columns).where(*within(table, selection))
        return fetched(self._connection, query.order_by(table.c.timestamp), columns)

    def stored(
        self, selection: Range, level: int, columns: Iterable[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Summaries of a level whose buckets begin in a range, in time order."""
        wanted = {name: self._columns[name] for name in columns or self._columns}
        query = as_stored(self._table, wanted).where(*self._within(selection, level))
        return fetched(self._connection, query.order_by(self._table.c.bucket), wanted)

    def present(self, rig: str, level: int, first: int, last: int) -> Integers:
        """Numbers of the buckets that are stored, from one to another."""
        selection = Range(rig, _moment(first * level), _moment((last + 1) * level))
        found = list(self.stored(selection, level, ["bucket"]))
        if not found:
            return np.zeros(0, np.int64)
        microseconds = pl.concat(found)["bucket"].to_physical().to_numpy()
        return np.asarray(microseconds // (level * SECOND))

    def first(self, rig: str, level: int, kept_from: int | None) -> datetime | None:
        """The first bucket of a level that is not older than a time; None for none."""
        start = None if kept_from is None else nearest_moment(kept_from)
        query = sa.select(sa.func.min(self._table.c.bucket))
        found: datetime | None = self._connection.scalar(
            query.where(*self._within(Range(rig, start), level))
        )
        return found

    def add(self, rig: str, level: int, frames: Iterable[pl.DataFrame]) -> None:
        """Insert summaries of buckets of which none is stored."""
        key = (pl.lit(rig).alias("rig"), pl.lit(level, pl.Int32).alias("level_s"))
        columns = ["rig", "level_s", *self._columns]
        missing = pl.DataFrame(schema=self._columns)
        rows = (
            pl.concat([missing, frame], how="diagonal").select(*key, *self._columns)
            for frame in frames
        )
        insert(self._connection, self._schema.rollups.name, columns, rows)

    def remove(
        self, rig: str, level: int, start: datetime | None = None, end: datetime | None = None
    ) -> int:
        """Delete summaries of a level whose buckets begin in a range; returns how many."""
        condition = self._within(Range(rig, start, end), level)
        return self._connection.execute(sa.delete(self._table).where(*condition)).rowcount

    def _within(self, selection: Range, level: int) -> list[sa.ColumnElement[bool]]:
        table = self._table.c
        conditions = [table.rig == selection.rig, table.level_s == level]
        if selection.start is not None:
            conditions.append(table.bucket >= selection.start)
        if selection.end is not None:
            conditions.append(table.bucket < selection.end)
        return conditions


def stretches(numbers: Integers) -> Iterator[tuple[int, int]]:
    """First and last of numbers that are near to each other; they are sorted."""
    if not len(numbers):
        return
    breaks = np.flatnonzero(np.diff(numbers) > _NEAR)
    firsts = numbers[np.append(0, breaks + 1)]
    lasts = numbers[np.append(breaks, len(numbers) - 1)]
    yield from zip(firsts.tolist(), lasts.tolist(), strict=True)


def _moment(seconds: int) -> datetime:
    return nearest_moment(seconds * SECOND)
