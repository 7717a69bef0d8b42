"""Any range from a few rows: its edges from readings, its middle from roll-ups."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import FIELDS, SECOND, Parts, joined, reading_schema, summary_schema
from pipeline.stores import few_rows
from pipeline.stores.base import Extent, Range
from pipeline.stores.rollup_state import RAW, RollupState
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import columns_of
from pipeline.timestamps import (
    EARLIEST,
    LATEST,
    from_microseconds,
    to_microseconds,
)

_EARLIEST, _LATEST = to_microseconds(EARLIEST), to_microseconds(LATEST)


@dataclass(frozen=True)
class Piece:
    """A stretch of a range, in microseconds (None is open), and the level that it is read from."""

    level: int
    start: int | None
    end: int | None


def cover(
    start: int | None,
    end: int | None,
    levels: Sequence[int],
    kept_from: dict[int, int],
    longer: Sequence[int] = (),
) -> list[Piece]:
    """Pieces that make up a range exactly, in order of time, as few rows as possible.

    `levels` are lengths in seconds, the shortest first; 0 stands for the readings. What has been
    pruned is read from the next longer level, also from `longer` ones: there the range grows to
    whole buckets.
    """
    pieces = _exact(start, end, (RAW, *levels))
    every = (RAW, *levels, *longer)
    kept = (kept for piece in pieces for kept in _kept(piece, every, kept_from))
    return without_overlap(kept)


def without_overlap(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces in order of time, of which each begins where the one before ends: several may have
    grown to the same bucket."""
    found: list[Piece] = []
    covered: int | None = None
    for piece in pieces:
        start, end, width = piece.start, piece.end, piece.level * SECOND or 1
        if start is not None and covered is not None:
            start = max(start, covered)
        if start is not None and end is not None and start >= end:
            continue
        last = found[-1] if found else None
        if last is not None and last.level == piece.level and last.end == start:
            # Two that touch each other are one question.
            found[-1] = Piece(piece.level, last.start, end)
        else:
            found.append(Piece(piece.level, start, end))
        if end is not None:
            covered = -(-end // width) * width
    return found


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
    """Summaries of one rig that make up ranges, asked of one connection; of each channel `fields`
    are read."""

    def __init__(
        self,
        connection: sa.Connection,
        schema: Schema,
        rig: str,
        state: RollupState,
        channels: Sequence[str],
        fields: Sequence[str] = FIELDS,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._rig = rig
        self._state = state
        self.channels = channels
        self._fields = fields

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
            [level for level in self._state.levels if level not in used],
        )
        return self.parts_of(pieces)

    def parts_of(self, pieces: Sequence[Piece]) -> Parts | None:
        """The same of pieces that do not overlap."""
        columns = {"level_s": pl.Int64(), **summary_schema(self.channels, self._fields)}
        raw = [piece for piece in pieces if piece.level == RAW]
        readings = self.readings(raw, reading_schema(self.channels, self._present))
        each = few_rows.readings_as_parts(readings, self.channels)
        each["level_s"] = np.full(len(readings["timestamp"]), RAW)
        summaries = self.stored([piece for piece in pieces if piece.level != RAW], columns)
        del summaries["bucket"]
        parts = joined([{name: each[name] for name in summaries}, summaries])
        if not len(parts["readings"]):
            return None
        order = np.argsort(parts["first_timestamp"], kind="stable")
        return {name: array[order] for name, array in parts.items()}

    def readings(
        self,
        pieces: Sequence[Piece],
        columns: few_rows.Columns,
        red: Sequence[str] = (),
    ) -> Parts:
        """These columns of the readings of pieces, in order of time; only those that are red in
        one of the columns of `red`, where it names any."""
        return self._asked(self._schema.table_name, columns, "timestamp", pieces, red)

    def stored(
        self,
        pieces: Sequence[Piece],
        columns: few_rows.Columns,
        holding: Sequence[str] = (),
    ) -> Parts:
        """These columns of summaries whose buckets begin in pieces, in order of time; only those
        that hold some of one of the counts of `holding`, where it names any."""
        return self._asked(self._schema.rollups.name, columns, "bucket", pieces, holding)

    def _asked(
        self,
        table: str,
        columns: few_rows.Columns,
        time: str,
        pieces: Sequence[Piece],
        holding: Sequence[str] = (),
    ) -> Parts:
        stretches = [
            (
                _EARLIEST if piece.start is None else piece.start,
                _LATEST if piece.end is None else piece.end,
                piece.level,
            )
            for piece in pieces
        ]
        return few_rows.in_stretches(
            self._connection, table, columns, time, self._rig, stretches, holding
        )

    @cached_property
    def _present(self) -> Container[str]:
        # Without channels nobody needs to know which of them have levels.
        return columns_of(self._connection, self._schema.table_name) if self.channels else ()


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
