"""A range as so many buckets: enough for a chart, its extremes, gaps and red readings exact."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rig import Rig
from pipeline.rollups import CHART_FIELDS, SECOND, in_buckets, merged
from pipeline.stores.base import Range, Trend
from pipeline.stores.inside_buckets import RED, InsideBuckets, newest, red_of
from pipeline.stores.rollup_queries import RangeSummaries, extent_of
from pipeline.stores.rollup_state import RollupState
from pipeline.stores.schema import Schema
from pipeline.timestamps import to_microseconds
from pipeline.trends import GAPS, silences

# A chart of so many buckets may read so many times as many roll-ups, or readings.
_ROWS_A_BUCKET = 2
_READINGS_A_BUCKET = 10


@dataclass(frozen=True)
class FromReadings:
    """A trend that readings make up: all of them, or buckets of so many microseconds."""

    rig: Rig
    interval_s: float | None
    width: int | None

    def of(self, frames: Iterable[pl.DataFrame]) -> Trend | None:
        """The trend of frames in time order; None where there are no readings."""
        found = _Passing(self.rig, round((self.interval_s or 0) * SECOND))
        rows = found.watched(frames)
        if self.width is not None:
            channels = [channel.name for channel in self.rig.channels]
            rows = in_buckets(rows, channels, self.width, self.interval_s)
        collected = list(rows)
        if not collected:
            return None
        return Trend(
            found.records,
            self.width and self.width / SECOND,
            pl.concat(collected),
            found.gaps,
            len(found.gaps),
            found.red,
            found.red_counts,
        )


class TrendQuery:
    """Answers for one rig, on one connection."""

    def __init__(
        self,
        connection: sa.Connection,
        schema: Schema,
        rig: Rig,
        interval_s: float | None,
        state: RollupState,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._rig = rig
        self._interval_s = interval_s
        self._state = state
        self._channels = [channel.name for channel in rig.channels]

    def trend(self, selection: Range, points: int, readings: int) -> Trend | FromReadings | None:
        """All readings, up to `points` or `readings` of them; else as many buckets at most.

        Where it takes the readings it says what to make of them: they are read when this
        connection has been given back, as they may come on one of their own.
        """
        extent = extent_of(self._connection, self._schema, selection, self._state)
        if extent is None:
            return None
        records = extent.records
        first, last = map(to_microseconds, (extent.first_timestamp, extent.last_timestamp))
        raw_from = self._state.raw_from
        pruned = raw_from is not None and extent.first_timestamp < raw_from
        if records <= max(points, readings) and not pruned:
            return FromReadings(self._rig, self._interval_s, None)
        span = last - first + 1
        # The first and the last bucket may begin before the range, and end after it.
        width = -(-span // (points - 1))
        if records <= _READINGS_A_BUCKET * points and not pruned:
            return self._in_buckets(selection, records, width, [])
        if self._state.trusted:
            levels = self._state.levels
            fitting = [x for x in levels if span <= x * SECOND * _ROWS_A_BUCKET * points]
            level = fitting[0] if fitting else levels[-1]
            width = -(-width // (level * SECOND)) * level * SECOND
            used = [each for each in levels if each <= level]
            return self._in_buckets(selection, records, width, used)
        return FromReadings(self._rig, self._interval_s, width)

    def _in_buckets(
        self, selection: Range, records: int, width: int, levels: Sequence[int]
    ) -> Trend:
        """Buckets made of roll-ups of these levels, and of readings."""
        summaries = RangeSummaries(
            self._connection,
            self._schema,
            self._rig.name,
            self._state,
            self._channels,
            CHART_FIELDS,
        )
        parts = summaries.parts(selection, levels)
        assert parts is not None
        buckets = merged(parts, self._channels, width, self._interval_s, CHART_FIELDS)
        inside = InsideBuckets(summaries, self._state, self._interval_s, parts)
        gaps, gap_count = inside.gaps()
        counts = {
            channel.name: int(parts[f"{channel.name}_red"].sum())
            for channel in self._rig.scored_channels
        }
        red = inside.red(self._rig, selection)
        return Trend(records, width / SECOND, buckets, gaps, gap_count, red, counts)


class _Passing:
    """Gaps and red readings of frames that pass by in time order."""

    def __init__(self, rig: Rig, interval_us: int) -> None:
        self._rig = rig
        self._interval_us = interval_us
        self._last: int | None = None
        self.records = 0
        self._gaps: list[pl.DataFrame] = [pl.DataFrame(schema=GAPS)]
        self._red: list[pl.DataFrame] = [pl.DataFrame(schema=RED)]
        self.red_counts = {channel.name: 0 for channel in rig.scored_channels}

    def watched(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            if len(frame):
                self._look(frame)
                yield frame

    def _look(self, frame: pl.DataFrame) -> None:
        times = frame["timestamp"].to_physical().to_numpy()
        known = times if self._last is None else np.append(self._last, times)
        self._gaps.append(silences(known, known, self._interval_us))
        self._last = int(times[-1])
        self.records += len(frame)
        red = red_of(frame, self._rig)
        for channel, count in red.group_by("channel").len().iter_rows():
            self.red_counts[channel] += count
        self._red = [newest(pl.concat([*self._red, red]))]

    @property
    def gaps(self) -> pl.DataFrame:
        return pl.concat(self._gaps)

    @property
    def red(self) -> pl.DataFrame:
        return self._red[0]
