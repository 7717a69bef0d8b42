"""A range as so many buckets: enough for a chart, its extremes, gaps and red readings exact."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rig import Rig
from pipeline.rollups import SECOND, Integers, Parts, in_buckets, merged
from pipeline.stores.base import Range, Trend
from pipeline.stores.rollup_queries import Piece, RangeSummaries, extent_of, in_pieces
from pipeline.stores.rollup_state import RAW, RollupState
from pipeline.stores.rollups import stretches
from pipeline.stores.schema import Schema
from pipeline.timestamps import EARLIEST, LATEST, UTC_DATETIME, to_microseconds
from pipeline.trends import GAPS, silences

# A chart of so many buckets may read so many times as many rows.
_ROWS_A_BUCKET = 4
# Of more, the gaps that are inside of a bucket are only counted; of a channel's red readings the
# newest stay.
MOST_GAPS = 100
MOST_RED = 100

RED = {
    "timestamp": UTC_DATETIME,
    "channel": pl.String(),
    "value": pl.Float64(),
    "zscore": pl.Float64(),
}


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
        self._interval_us = round((interval_s or 0) * SECOND)
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
        if self._state.trusted and (pruned or records > _ROWS_A_BUCKET * points):
            return self._from_rollups(selection, records, span, width, points)
        return FromReadings(self._rig, self._interval_s, width)

    def _from_rollups(
        self, selection: Range, records: int, span: int, width: int, points: int
    ) -> Trend:
        levels = self._state.levels
        fitting = [x for x in levels if span <= x * SECOND * _ROWS_A_BUCKET * points]
        level = fitting[0] if fitting else levels[-1]
        width = -(-width // (level * SECOND)) * level * SECOND
        used = [each for each in levels if each <= level]
        parts = self._summaries(self._channels).parts(selection, used)
        assert parts is not None
        buckets = merged(parts, self._channels, width, self._interval_s)
        gaps, gap_count = self._gaps(parts)
        counts = {
            channel.name: int(parts[f"{channel.name}_red"].sum())
            for channel in self._rig.scored_channels
        }
        red = self._red(selection) if any(counts.values()) else pl.DataFrame(schema=RED)
        return Trend(records, width / SECOND, buckets, gaps, gap_count, red, counts)

    def _summaries(self, channels: Sequence[str]) -> RangeSummaries:
        return RangeSummaries(self._connection, self._schema, self._rig.name, self._state, channels)

    def _gaps(self, parts: Parts) -> tuple[pl.DataFrame, int]:
        """Silences between the parts, and inside of them where they are not too many."""
        inside = int(parts["gaps"].sum())
        first, last = parts["first_timestamp"], parts["last_timestamp"]
        found = [silences(first, last, self._interval_us)]
        count = len(found[0]) + inside
        if not 0 < inside <= MOST_GAPS:
            return found[0], count
        holding = _Spans(*(parts[name][parts["gaps"] > 0] for name in _Spans._fields))
        for shorter, level in reversed(self._state.steps):
            more, children = self._gaps_in(holding.of(level), shorter)
            found.append(more)
            holding = holding.joined(children)
        return pl.concat(found).sort("start"), count

    def _gaps_in(self, spans: "_Spans", shorter: int) -> tuple[pl.DataFrame, "_Spans"]:
        """Silences between the parts of buckets, and those of the parts that hold more."""
        width = shorter * SECOND or 1
        ends = spans.first_timestamp.tolist(), spans.last_timestamp.tolist()
        pieces = [
            Piece(shorter, start // width * width, end + 1)
            for start, end in zip(*ends, strict=True)
        ]
        summaries = self._summaries([])
        if shorter == RAW:
            times = np.sort(summaries.readings(pieces)["timestamp"].to_physical().to_numpy())
            first = last = times
            holding = _NO_SPANS
        else:
            columns = {"first_timestamp": UTC_DATETIME, "last_timestamp": UTC_DATETIME}
            stored = summaries.stored(pieces, {**columns, "gaps": pl.Int64()})
            stored = stored.sort("first_timestamp")
            first, last = (stored[name].to_physical().to_numpy() for name in columns)
            holds = stored["gaps"].to_numpy() > 0
            level = np.full(int(holds.sum()), shorter)
            holding = _Spans(first[holds], last[holds], level)
        belongs = np.searchsorted(spans.first_timestamp, first, side="right")
        return silences(first, last, self._interval_us, belongs), holding

    def _red(self, selection: Range) -> pl.DataFrame:
        """The newest red readings of each channel, by way of the buckets that have any."""
        start = to_microseconds(selection.start or EARLIEST)
        end = to_microseconds(selection.end or LATEST)
        ranges = [(start, end)]
        scored = [channel.name for channel in self._rig.scored_channels]
        columns = {"bucket": UTC_DATETIME, **{f"{name}_red": pl.Int64() for name in scored}}
        for level in reversed(self._state.levels):
            width = level * SECOND
            # With the bucket in which a range begins.
            pieces = [Piece(level, a // width * width, b) for a, b in ranges]
            found = self._summaries(scored).stored(pieces, columns)
            found = found.sort("bucket")
            red = [found.filter(pl.col(f"{name}_red") > 0).tail(MOST_RED) for name in scored]
            buckets = pl.concat(red)["bucket"].unique().sort().to_physical().to_numpy()
            ranges = [
                (max(first * width, start), min((last + 1) * width, end))
                for first, last in stretches(buckets // width)
            ]
        inside = [Piece(RAW, *each) for each in ranges]
        found = red_readings(self._connection, self._schema, self._rig, inside)
        return _newest(found)


class _Spans(NamedTuple):
    """First and last times of parts, and the levels that they are of."""

    first_timestamp: Integers
    last_timestamp: Integers
    level_s: Integers

    def of(self, level: int) -> "_Spans":
        mine = self.level_s == level
        order = np.argsort(self.first_timestamp[mine])
        return _Spans(*(array[mine][order] for array in self))

    def joined(self, others: "_Spans") -> "_Spans":
        return _Spans(*map(np.concatenate, zip(self, others, strict=True)))


_NO_SPANS = _Spans(*[np.zeros(0, np.int64)] * 3)


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
        self._red = [_newest(pl.concat([*self._red, red]))]

    @property
    def gaps(self) -> pl.DataFrame:
        return pl.concat(self._gaps)

    @property
    def red(self) -> pl.DataFrame:
        return self._red[0]


def red_of(frame: pl.DataFrame, rig: Rig) -> pl.DataFrame:
    """The red readings of single channels in a frame, in its order."""
    found = [pl.DataFrame(schema=RED)]
    for channel in rig.scored_channels:
        mine = frame.filter((pl.col(channel.alert_column) == "red").fill_null(False))
        found.append(
            mine.select(
                "timestamp",
                pl.lit(channel.name).alias("channel"),
                pl.col(channel.name).alias("value"),
                pl.col(channel.zscore_column).alias("zscore"),
            )
        )
    return pl.concat(found).sort("timestamp", maintain_order=True)


def _newest(red: pl.DataFrame) -> pl.DataFrame:
    """The last red readings of each channel; they are in order of time."""
    newer = pl.int_range(pl.len()).reverse().over("channel")
    return red.filter(newer < MOST_RED)


def red_readings(
    connection: sa.Connection, schema: Schema, rig: Rig, pieces: Iterable[Piece]
) -> pl.DataFrame:
    """The red readings that lie in pieces, in order of time."""
    columns: dict[str, pl.DataType] = {"timestamp": UTC_DATETIME}
    for channel in rig.scored_channels:
        columns |= {channel.name: pl.Float64(), channel.zscore_column: pl.Float64()}
        columns[channel.alert_column] = pl.String()
    table = schema.readings_with(columns)
    is_red = sa.or_(*(table.c[each.alert_column] == "red" for each in rig.scored_channels))
    time = table.c.timestamp
    found = in_pieces(connection, table, columns, time, rig.name, pieces, is_red)
    return red_of(found, rig)
