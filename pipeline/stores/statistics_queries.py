"""Summaries of hours, days, weeks and months, from roll-ups and, at their edges, readings."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import Integers, grouped, in_groups, summary_schema
from pipeline.stores.base import Range
from pipeline.stores.rollup_queries import Piece, RangeSummaries, cover
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
            _extend(pieces, cover(first, last, state.levels, state.kept_from))
    summaries = RangeSummaries(connection, schema, selection.rig, state, channels)
    parts = summaries.parts_of(pieces)
    if parts is None:
        return pl.DataFrame(schema=_schema(channels))
    groups = _groups_of(bounds, parts["first_timestamp"])
    return grouped(parts, channels, groups, state.interval_s)


def _groups_of(bounds: Integers, times: Integers) -> Integers:
    return np.searchsorted(bounds, times, side="right") - 1


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
