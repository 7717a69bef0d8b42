"""Any range from a few rows: its edges from readings, its middle from roll-ups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import Parts, channels_among, joined, of_frame, of_readings, summary_schema
from pipeline.stores.base import Range
from pipeline.stores.frames import as_stored, fetched
from pipeline.stores.rollup_state import RAW, RollupState
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import columns_of
from pipeline.timestamps import UTC_DATETIME, from_microseconds, to_microseconds


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
    width = level * 1_000_000
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
        width = longer[0] * 1_000_000
        start = None if piece.start is None else piece.start // width * width
        found = _kept(Piece(longer[0], start, older_end), levels, kept_from)
    if piece.end is None or piece.end > limit:
        found.append(Piece(piece.level, limit, piece.end))
    return found


class RangeSummaries:
    """Summaries that make up a range of one rig, asked of one connection."""

    def __init__(
        self, connection: sa.Connection, schema: Schema, selection: Range, state: RollupState
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._rig = selection.rig
        self._state = state
        start, end = selection.start, selection.end
        self._start = None if start is None else to_microseconds(start)
        self._end = None if end is None else to_microseconds(end)
        self._present = columns_of(connection, schema.table_name)
        self.channels = channels_among(self._present)

    def parts(self, levels: Sequence[int] | None = None) -> Parts | None:
        """The summaries in order of time, from these levels and readings; None for no reading."""
        used = self._state.levels if levels is None else levels
        pieces = cover(self._start, self._end, used, self._state.kept_from)
        found = []
        raw = self._readings([piece for piece in pieces if piece.level == RAW])
        if len(raw):
            found.append(of_readings(raw, self.channels))
        summaries = self._summaries([piece for piece in pieces if piece.level != RAW])
        if len(summaries):
            found.append(of_frame(summaries, self.channels))
        if not found:
            return None
        parts = joined(found)
        order = np.argsort(parts["first_timestamp"], kind="stable")
        return {name: array[order] for name, array in parts.items()}

    def _readings(self, pieces: list[Piece]) -> pl.DataFrame:
        columns: dict[str, pl.DataType] = {"timestamp": UTC_DATETIME}
        for channel in self.channels:
            columns[channel] = pl.Float64()
            if f"{channel}_alert" in self._present:
                columns[f"{channel}_alert"] = pl.String()
        table = self._schema.readings_with(columns)
        conditions = [
            sa.and_(*within(table, Range(self._rig, *_moments(piece)))) for piece in pieces
        ]
        return self._all(table, columns, conditions)

    def _summaries(self, pieces: list[Piece]) -> pl.DataFrame:
        columns = summary_schema(self.channels)
        table = self._schema.rollups_with(columns)
        conditions = []
        for piece in pieces:
            start, end = _moments(piece)
            each = [table.c.rig == self._rig, table.c.level_s == piece.level]
            each += [table.c.bucket >= start] if start else []
            each += [table.c.bucket < end] if end else []
            conditions.append(sa.and_(*each))
        return self._all(table, columns, conditions)

    def _all(
        self,
        table: sa.TableClause,
        columns: dict[str, pl.DataType],
        conditions: Iterable[sa.ColumnElement[bool]],
    ) -> pl.DataFrame:
        """The rows that fulfil any of the conditions: each finds its own by the key."""
        parts: list[Any] = [as_stored(table, columns).where(each) for each in conditions]
        nothing = pl.DataFrame(schema=columns)
        if not parts:
            return nothing
        query: Any = sa.union_all(*parts)
        return pl.concat([nothing, *fetched(self._connection, query, columns)])


def _moments(piece: Piece) -> tuple[datetime | None, datetime | None]:
    start, end = piece.start, piece.end
    return (
        None if start is None else from_microseconds(start),
        None if end is None else from_microseconds(end),
    )
