"""Any range from a few rows: its edges from readings, its middle from roll-ups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import (
    SECOND,
    Parts,
    joined,
    of_frame,
    of_readings,
    reading_schema,
    summary_schema,
)
from pipeline.stores.base import Extent, Range
from pipeline.stores.frames import as_stored, fetched_together
from pipeline.stores.rollup_state import RAW, RollupState
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import columns_of
from pipeline.timestamps import (
    EARLIEST,
    LATEST,
    from_microseconds,
    nearest_moment,
    to_microseconds,
)


@dataclass(frozen=True)
class Piece:
    """A stretch of a range, in microseconds (None is open), and the level that it is read from."""

    level: int
    start: int | None
    end: int | None


def cover(
    start: int | None, end: int | None, levels: Sequence[int], kept_from: dict[int, int]
) -> list[Piece]:
    """Pieces that make up a range exactly, in order of time, as few rows as possible.

    `levels` are lengths in seconds, the shortest first; 0 stands for the readings. What has been
    pruned is read from the next longer level: there the range grows to whole buckets.
    """
    pieces = _exact(start, end, (RAW, *levels))
    return [kept for piece in pieces for kept in _kept(piece, (RAW, *levels), kept_from)]


def _exact(start: int | None, end: int | None, levels: Sequence[int]) -> list[Piece]:
    level, shorter = levels[-1], levels[:-1]
    if level == RAW:
        return [Piece(RAW, start, end)]
    width = level * SECOND
    inner_start = None if start is None else -(-start // width) * width
    inner_end = None if end is None else end // width * width
    if inner_start is not None and inner_end is not None and inner_start >= inner_end:
        return _exact(start, end, shorter)
    pieces = [Piece(level, inner_start, inner_end)]
    if start != inner_start:
        pieces = [*_exact(start, inner_start, shorter), *pieces]
    if end != inner_end:
        pieces = [*pieces, *_exact(inner_end, end, shorter)]
    return pieces


def _kept(piece: Piece, levels: Sequence[int], kept_from: dict[int, int]) -> list[Piece]:
    limit = kept_from.get(piece.level)
    longer = [level for level in levels if level > piece.level]
    if limit is None or (piece.start is not None and piece.start >= limit):
        return [piece]
    older_end = limit if piece.end is None else min(limit, piece.end)
    found = []
    if longer:
        width = longer[0] * SECOND
        start = None if piece.start is None else piece.start // width * width
        found = _kept(Piece(longer[0], start, older_end), levels, kept_from)
    if piece.end is None or piece.end > limit:
        found.append(Piece(piece.level, limit, piece.end))
    return found


class RangeSummaries:
    """Summaries of one rig that make up ranges, asked of one connection."""

    def __init__(
        self,
        connection: sa.Connection,
        schema: Schema,
        rig: str,
        state: RollupState,
        channels: Sequence[str],
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._rig = rig
        self._state = state
        self.channels = channels

    def parts(self, selection: Range, levels: Sequence[int] | None = None) -> Parts | None:
        """Summaries in order of time, from these levels and readings; None for no reading.

        `level_s` says which level each is of, 0 for a reading.
        """
        used = self._state.levels if levels is None else levels
        start, end = selection.start, selection.end
        pieces = cover(
            None if start is None else to_microseconds(start),
            None if end is None else to_microseconds(end),
            used,
            self._state.kept_from,
        )
        return self.parts_of(pieces)

    def parts_of(self, pieces: Sequence[Piece]) -> Parts | None:
        """The same of pieces that do not overlap."""
        found = []
        raw = self.readings([piece for piece in pieces if piece.level == RAW])
        if len(raw):
            each = of_readings(raw, self.channels)
            found.append({**each, "level_s": np.full(len(raw), RAW)})
        columns = {"level_s": pl.Int64(), **summary_schema(self.channels)}
        summaries = self.stored([piece for piece in pieces if piece.level != RAW], columns)
        if len(summaries):
            of_level = summaries["level_s"].to_numpy()
            found.append({**of_frame(summaries, self.channels), "level_s": of_level})
        if not found:
            return None
        parts = joined(found)
        order = np.argsort(parts["first_timestamp"], kind="stable")
        return {name: array[order] for name, array in parts.items()}

    def readings(self, pieces: Sequence[Piece]) -> pl.DataFrame:
        """Readings of pieces, with what summaries are made of; in no order."""
        # Without channels nobody needs to know which of them have levels.
        present = columns_of(self._connection, self._schema.table_name) if self.channels else ()
        columns = reading_schema(self.channels, present)
        table = self._schema.readings_with(columns)
        return in_pieces(self._connection, table, columns, table.c.timestamp, self._rig, pieces)

    def stored(self, pieces: Sequence[Piece], columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """These columns of summaries whose buckets begin in pieces; in no order."""
        table = self._schema.rollups_with(columns)
        is_at_level = table.c.level_s == sa.bindparam("level")
        return in_pieces(
            self._connection, table, columns, table.c.bucket, self._rig, pieces, is_at_level
        )


def extent_of(
    connection: sa.Connection, schema: Schema, selection: Range, state: RollupState
) -> Extent | None:
    """Number of readings of a range, and the first and last; None for none."""
    if state.trusted:
        parts = RangeSummaries(connection, schema, selection.rig, state, []).parts(selection)
        if parts is None:
            return None
        ends = int(parts["first_timestamp"][0]), int(parts["last_timestamp"][-1])
        return Extent(int(parts["readings"].sum()), *map(from_microseconds, ends))
    time = schema.readings.c.timestamp
    query = sa.select(sa.func.count(), sa.func.min(time), sa.func.max(time))
    found = connection.execute(query.where(*within(schema.readings, selection))).one()
    return Extent(*found) if found[0] else None


def in_pieces(
    connection: sa.Connection,
    table: sa.TableClause,
    columns: Mapping[str, pl.DataType],
    time: sa.ColumnElement[datetime],
    rig: str,
    pieces: Iterable[Piece],
    *conditions: sa.ColumnElement[bool],
) -> pl.DataFrame:
    """Rows of a rig whose time lies in any of the pieces, piece by piece.

    A condition may name the piece's `level`. One statement for all: to make one takes longer than
    to run it.
    """
    query = as_stored(table, columns).where(
        table.c.rig == rig,
        time >= sa.bindparam("start"),
        time < sa.bindparam("end"),
        *conditions,
    )
    several = (
        {
            "start": EARLIEST if piece.start is None else nearest_moment(piece.start),
            "end": LATEST if piece.end is None else nearest_moment(piece.end),
            "level": piece.level,
        }
        for piece in pieces
    )
    return fetched_together(connection, query, columns, several)
