"""What is inside of buckets: their gaps and red readings, found by opening those that hold any."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.rig import Rig
from pipeline.rollups import SECOND, Integers, Parts
from pipeline.stores.base import Range
from pipeline.stores.rollup_queries import Piece, RangeSummaries
from pipeline.stores.rollup_state import RAW, RollupState
from pipeline.timestamps import EARLIEST, LATEST, UTC_DATETIME, to_microseconds, utc_times
from pipeline.trends import silences

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
ALERTS = {
    "timestamp": UTC_DATETIME,
    "channel": pl.String(),
    "level": pl.String(),
    "value": pl.Float64(),
    "zscore": pl.Float64(),
    "place": pl.Int64(),
}
_PLACE = "place of the reading"  # no channel can have this name
_TIME = {"timestamp": UTC_DATETIME}
_ENDS = {"first_timestamp": UTC_DATETIME, "last_timestamp": UTC_DATETIME}


class InsideBuckets:
    """Opens parts of a range, level by level; `parts` are as RangeSummaries gives them."""

    def __init__(
        self,
        summaries: RangeSummaries,
        state: RollupState,
        interval_s: float | None,
        parts: Parts,
    ) -> None:
        self._summaries = summaries
        self._state = state
        self._parts = parts
        self._interval_us = round((interval_s or 0) * SECOND)

    def gaps(self) -> tuple[pl.DataFrame, int]:
        """Silences between the parts, and inside of them where they are not too many; how many."""
        inside = int(self._parts["gaps"].sum())
        first, last = self._parts["first_timestamp"], self._parts["last_timestamp"]
        found = [silences(first, last, self._interval_us)]
        count = len(found[0]) + inside
        if not 0 < inside <= MOST_GAPS:
            return found[0], count
        holding = _where(_of(self._parts, [*_ENDS, "gaps"]), self._parts["gaps"] > 0)
        for level in reversed(self._state.levels):
            mine = holding["level_s"] == level
            if not mine.any():
                continue
            opened = self._opened(_where(holding, mine), ["gaps"])
            ends = opened["first_timestamp"], opened["last_timestamp"]
            belongs = np.searchsorted(holding["first_timestamp"][mine], ends[0], side="right")
            found.append(silences(*ends, self._interval_us, belongs))
            holding = _joined(_where(holding, ~mine), _where(opened, opened["gaps"] > 0))
        return pl.concat(found).sort("start"), count

    def red(self, rig: Rig, selection: Range) -> pl.DataFrame:
        """The newest red readings of each channel, with the columns of RED, in order of time."""
        counts = [f"{channel.name}_red" for channel in rig.scored_channels]
        holding = self._newest(counts, MOST_RED)
        ends = holding["first_timestamp"].tolist(), holding["last_timestamp"].tolist()
        pieces = [Piece(RAW, first, last + 1) for first, last in zip(*ends, strict=True)]
        red = [channel.alert_column for channel in rig.scored_channels]
        found = self._summaries.readings(_within(pieces, selection), _columns_of(rig), red)
        return _newest_red(found, rig)

    def alerts(
        self, rig: Rig, selection: Range, levels: Sequence[str], enough: int
    ) -> pl.DataFrame:
        """The newest readings that are at one of the levels in a channel: enough, or more.

        Columns as `Store.alerts` gives them, in order of time.
        """
        counts = [f"{channel.name}_{level}" for channel in rig.scored_channels for level in levels]
        width = self._state.levels[0] * SECOND
        numbers = np.unique(self._newest(counts, enough, together=True)["first_timestamp"] // width)
        # Whole buckets: which readings follow each other is known from those between.
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []
        pieces = [Piece(RAW, int(run[0]) * width, int(run[-1] + 1) * width) for run in runs]
        found = [pl.DataFrame(schema=ALERTS)]
        place = 0
        for piece in pieces:
            readings = self._scored(rig, selection, piece).with_row_index(_PLACE, place)
            # Of two stretches the last and the first one do not follow each other.
            place += len(readings) + 1
            found += _at_levels(readings, rig, levels, ALERTS)
        return pl.concat(found).sort("timestamp", "channel")

    def _newest(self, counts: Sequence[str], enough: int, together: bool = False) -> Parts:
        """The shortest buckets, and the readings at the edges, that hold the newest of each count:
        enough of it, or more; or of all of them together."""
        holding = _newest_of(_of(self._parts, [*_ENDS, *counts]), counts, enough, together)
        for level in reversed(self._state.levels[1:]):
            mine = holding["level_s"] == level
            if mine.any():
                opened = self._opened(_where(holding, mine), counts, counts)
                both = _joined(_where(holding, ~mine), opened)
                holding = _newest_of(both, counts, enough, together)
        return holding

    def _scored(self, rig: Rig, selection: Range, piece: Piece) -> pl.DataFrame:
        """Values, scores and levels of the readings of a piece that are in the selection, in order
        of time."""
        columns = _columns_of(rig)
        found = self._summaries.readings(_within([piece], selection), columns)
        readings = pl.DataFrame(
            {
                name: values.tolist() if kind == pl.String() else values
                for (name, values), kind in zip(found.items(), columns.values(), strict=True)
            },
            schema={**columns, "timestamp": pl.Int64()},
        )
        return readings.with_columns(
            pl.col(pl.Float64).fill_nan(None), utc_times(pl.col("timestamp"))
        )

    def _opened(self, holding: Parts, counts: Sequence[str], needed: Sequence[str] = ()) -> Parts:
        """The parts that buckets of one level are made of, in order of time; only those that hold
        any of the counts that are `needed`, where there are such."""
        shorter = next(each for each, level in self._state.steps if level == holding["level_s"][0])
        width = shorter * SECOND or 1
        ends = holding["first_timestamp"].tolist(), holding["last_timestamp"].tolist()
        pieces = [
            Piece(shorter, start // width * width, end + 1)
            for start, end in zip(*ends, strict=True)
        ]
        if shorter == RAW:
            times = self._summaries.readings(pieces, _TIME)["timestamp"]
            none = np.zeros(len(times), np.int64)
            found: Parts = {"first_timestamp": times, "last_timestamp": times}
            return found | dict.fromkeys([*counts, "level_s"], none)
        columns = {"bucket": UTC_DATETIME, **_ENDS, **dict.fromkeys(counts, pl.Int64())}
        found = self._summaries.stored(pieces, columns, needed)
        found["level_s"] = np.full(len(found.pop("bucket")), shorter)
        return found


def _columns_of(rig: Rig) -> dict[str, pl.DataType]:
    """Time, values, scores and levels."""
    columns: dict[str, pl.DataType] = dict(_TIME)
    for channel in rig.scored_channels:
        columns |= {channel.name: pl.Float64(), channel.zscore_column: pl.Float64()}
        columns[channel.alert_column] = pl.String()
    return columns


def _within(pieces: Sequence[Piece], selection: Range) -> list[Piece]:
    """What of pieces of readings is in the selection."""
    start = to_microseconds(selection.start or EARLIEST)
    end = to_microseconds(selection.end or LATEST)
    return [
        Piece(
            RAW,
            start if piece.start is None else max(piece.start, start),
            end if piece.end is None else min(piece.end, end),
        )
        for piece in pieces
    ]


def _of(parts: Parts, names: Sequence[str]) -> Parts:
    return {name: parts[name] for name in [*names, "level_s"]}


def _where(parts: Parts, places: npt.NDArray[Any]) -> Parts:
    return {name: array[places] for name, array in parts.items()}


def _joined(some: Parts, others: Parts) -> Parts:
    """Both, in order of time."""
    both = {name: np.concatenate([some[name], others[name]]) for name in some}
    return _where(both, np.argsort(both["first_timestamp"]))


def _newest_of(parts: Parts, counts: Sequence[str], enough: int, together: bool) -> Parts:
    """The last parts that hold any of each count, or of all: enough of it in sum, or more."""
    numbers = [parts[name] for name in counts]
    if together:
        numbers = [np.sum(numbers, axis=0)]
    places: list[Integers] = []
    for number in numbers:
        later = np.cumsum(number[::-1])[::-1] - number
        places.append(np.flatnonzero((number > 0) & (later < enough)))
    return _where(parts, np.unique(np.concatenate(places)) if places else np.zeros(0, np.int64))


def red_of(frame: pl.DataFrame, rig: Rig) -> pl.DataFrame:
    """The red readings of single channels in a frame, in its order."""
    found = [pl.DataFrame(schema=RED), *_at_levels(frame, rig, ["red"], RED)]
    return pl.concat(found).sort("timestamp", maintain_order=True)


def _newest_red(readings: Parts, rig: Rig) -> pl.DataFrame:
    """The last red readings of each channel, in order of time. Without a frame for each step: this
    is asked for by every chart."""
    found: Parts = {"timestamp": np.zeros(0, np.int64), "value": np.zeros(0), "zscore": np.zeros(0)}
    names: list[str] = []
    for channel in rig.scored_channels:
        places = np.flatnonzero(readings[channel.alert_column] == "red")[-MOST_RED:]
        sources = ("timestamp", channel.name, channel.zscore_column)
        for name, column in zip(found, sources, strict=True):
            found[name] = np.append(found[name], readings[column][places])
        names += [channel.name] * len(places)
    order = np.argsort(found["timestamp"], kind="stable")
    columns = {name: values[order] for name, values in found.items()}
    columns["channel"] = np.array(names, object)[order]
    frame = pl.DataFrame(columns, schema={**RED, "timestamp": pl.Int64()})
    return frame.with_columns(
        utc_times(pl.col("timestamp")), pl.col("value", "zscore").fill_nan(None)
    )


def _at_levels(
    frame: pl.DataFrame, rig: Rig, levels: Sequence[str], columns: dict[str, Any]
) -> list[pl.DataFrame]:
    """The readings of each channel that are at one of the levels, with these columns."""
    return [
        frame.filter(pl.col(channel.alert_column).cast(pl.String).is_in(levels))
        .with_columns(
            pl.lit(channel.name).alias("channel"),
            pl.col(channel.alert_column).cast(pl.String).alias("level"),
            pl.col(channel.name).alias("value"),
            pl.col(channel.zscore_column).alias("zscore"),
            *([pl.col(_PLACE).alias("place")] if _PLACE in frame.columns else []),
        )
        .select(list(columns))
        .cast(pl.Schema(columns))
        for channel in rig.scored_channels
    ]


def newest(red: pl.DataFrame) -> pl.DataFrame:
    """The last red readings of each channel; they are in order of time."""
    newer = pl.int_range(pl.len()).reverse().over("channel")
    return red.filter(newer < MOST_RED)
