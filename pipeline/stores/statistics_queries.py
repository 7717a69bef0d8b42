"""Summaries of hours, days, weeks and months, from roll-ups and, at their edges, readings."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import Integers, grouped, in_groups, summary_schema
from pipeline.stores.base import Range
from pipeline.stores.rollup_queries import Piece, RangeSummaries, cover
from pipeline.stores.rollup_state import RollupState
from pipeline.stores.schema import Schema
from pipeline.timestamps import EARLIEST, LATEST, to_microseconds

Readings = Callable[[Range], Iterator[pl.DataFrame]]


def bucket_summaries(
    connection: sa.Connection,
    schema: Schema,
    selection: Range,
    state: RollupState,
    channels: Sequence[str],
    bounds: Integers,
    readings: Readings,
) -> pl.DataFrame:
    """One summary for each `group` that has readings; bucket n is from bound n to bound n + 1."""

    def group_of(times: Integers) -> Integers:
        return np.searchsorted(bounds, times, side="right") - 1

    if not state.trusted:
        found = in_groups(readings(selection), channels, group_of, state.interval_s)
        return pl.concat([pl.DataFrame(schema=_schema(channels)), *found])
    start, end = (
        to_microseconds(selection.start or EARLIEST),
        to_microseconds(selection.end or LATEST),
    )
    pieces: list[Piece] = []
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        first, last = max(first, start), min(last, end)  # of the selection
        if first < last:
            _extend(pieces, cover(first, last, state.levels, state.kept_from))
    summaries = RangeSummaries(connection, schema, selection.rig, state, channels)
    parts = summaries.parts_of(pieces)
    if parts is None:
        return pl.DataFrame(schema=_schema(channels))
    return grouped(parts, channels, group_of(parts["first_timestamp"]), state.interval_s)


def _extend(pieces: list[Piece], more: list[Piece]) -> None:
    """Add pieces; two of a level that touch each other are one question."""
    for piece in more:
        last = pieces[-1] if pieces else None
        if last is not None and last.level == piece.level and last.end == piece.start:
            pieces[-1] = Piece(piece.level, last.start, piece.end)
        else:
            pieces.append(piece)


def _schema(channels: Sequence[str]) -> dict[str, pl.DataType]:
    named = {name: kind for name, kind in summary_schema(channels).items() if name != "bucket"}
    return {"group": pl.Int64(), **named}
