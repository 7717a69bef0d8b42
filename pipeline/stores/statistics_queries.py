"""Summaries of hours, days, weeks and months, from roll-ups and, at their edges, readings."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.errors import QueryError
from pipeline.rollups import SECOND, Integers, grouped, in_groups, summary_schema
from pipeline.stores.base import Range
from pipeline.stores.rollup_queries import Piece, RangeSummaries, cover, without_overlap
from pipeline.stores.rollup_state import RollupState
from pipeline.stores.schema import Schema
from pipeline.timestamps import EARLIEST, LATEST, to_microseconds


def from_readings(
    readings: Iterable[pl.DataFrame],
    channels: Sequence[str],
    bounds: Integers,
    interval_s: float | None,
) -> pl.DataFrame:
    """What `from_rollups` gives, made of all readings in time order."""
    found = in_groups(readings, channels, partial(_groups_of, bounds), interval_s)
    return pl.concat([pl.DataFrame(schema=_schema(channels)), *found])


def from_rollups(
    connection: sa.Connection,
    schema: Schema,
    selection: Range,
    state: RollupState,
    channels: Sequence[str],
    bounds: Integers,
) -> pl.DataFrame:
    """One summary for each `group` that has readings: group n is from bound n to bound n + 1."""
    start = to_microseconds(selection.start or EARLIEST)
    end = to_microseconds(selection.end or LATEST)
    pieces: list[Piece] = []
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        first, last = max(first, start), min(last, end)  # of the selection
        if first < last:
            pieces += cover(first, last, state.levels, state.kept_from)
    pieces = without_overlap(pieces)
    _refuse_coarser(pieces, bounds)
    summaries = RangeSummaries(connection, schema, selection.rig, state, channels)
    parts = summaries.parts_of(pieces)
    if parts is None:
        return pl.DataFrame(schema=_schema(channels))
    groups = _groups_of(bounds, parts["first_timestamp"])
    return grouped(parts, channels, groups, state.interval_s)


def _groups_of(bounds: Integers, times: Integers) -> Integers:
    return np.searchsorted(bounds, times, side="right") - 1


def _refuse_coarser(pieces: list[Piece], bounds: Integers) -> None:
    """Raises QueryError where what is left of pruned readings is of longer buckets than these."""
    for piece in pieces:
        width = piece.level * SECOND
        if not width or piece.start is None or piece.end is None:
            continue
        end = -(-piece.end // width) * width
        inside = bounds[(bounds > piece.start) & (bounds < end)]
        if (inside % width).any():
            raise QueryError(
                "readings of this range have been pruned, and what is left are summaries of "
                f"{timedelta(seconds=piece.level)} (h:mm:ss); ask for longer buckets, those of "
                "tz=UTC, or a later range"
            )


def _schema(channels: Sequence[str]) -> dict[str, pl.DataType]:
    named = {name: kind for name, kind in summary_schema(channels).items() if name != "bucket"}
    return {"group": pl.Int64(), **named}
