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
        for shorter, level in reversed(self._state.steps):
            mine = holding["level_s"] == level
            opened = self._opened(_where(holding, mine), shorter, ["gaps"])
            ends = opened["first_timestamp"], opened["last_timestamp"]
            belongs = np.searchsorted(holding["first_timestamp"][mine], ends[0], side="right")
            found.append(silences(*ends, self._interval_us, belongs))
            holding = _joined(_where(holding, ~mine), _where(opened, opened["gaps"] > 0))
        return pl.concat(found).sort("start"), count

    def red(self, rig: Rig, selection: Range) -> pl.DataFrame:
        """The newest red readings of each channel, with the columns of RED, in order of time."""
        counts = [f"{channel.name}_red" for channel in rig.scored_channels]
        if not any(self._parts[name].any() for name in counts):
            return pl.DataFrame(schema=RED)
        holding = _newest_of(_of(self._parts, [*_ENDS, *counts]), counts)
        for shorter, level in reversed(self._state.steps):
            if shorter != RAW:
                mine = holding["level_s"] == level
                opened = self._opened(_where(holding, mine), shorter, counts)
                holding = _newest_of(_joined(_where(holding, ~mine), opened), counts)
        start = to_microseconds(selection.start or EARLIEST)
        end = to_microseconds(selection.end or LATEST)
        ends = holding["first_timestamp"].tolist(), holding["last_timestamp"].tolist()
        pieces = [
            Piece(RAW, max(first, start), min(last + 1, end))
            for first, last in zip(*ends, strict=True)
        ]
        columns: dict[str, pl.DataType] = dict(_TIME)
        for channel in rig.scored_channels:
            columns |= {channel.name: pl.Float64(), channel.zscore_column: pl.Float64()}
            columns[channel.alert_column] = pl.String()
        are_red = " OR ".join(f"{channel.alert_column} = 'red'" for channel in rig.scored_channels)
        found = self._summaries.readings(pieces, columns, f"AND ({are_red})")
        readings = pl.DataFrame(
            {name: values.tolist() for name, values in found.items()},
            schema={**columns, "timestamp": pl.Int64()},
        )
        in_order = readings.with_columns(utc_times(pl.col("timestamp"))).sort("timestamp")
        return newest(red_of(in_order, rig))

    def _opened(self, holding: Parts, shorter: int, counts: Sequence[str]) -> Parts:
        """The parts that these are made of, in order of time."""
        width = shorter * SECOND or 1
        ends = holding["first_timestamp"].tolist(), holding["last_timestamp"].tolist()
        pieces = [
            Piece(shorter, start // width * width, end + 1)
            for start, end in zip(*ends, strict=True)
        ]
        if shorter == RAW:
            times = np.sort(self._summaries.readings(pieces, _TIME)["timestamp"])
            none = np.zeros(len(times), np.int64)
            found: Parts = {"first_timestamp": times, "last_timestamp": times}
            return found | dict.fromkeys([*counts, "level_s"], none)
        columns = {**_ENDS, **dict.fromkeys(counts, pl.Int64())}
        found = self._summaries.stored(pieces, columns)
        found["level_s"] = np.full(len(found["first_timestamp"]), shorter)
        return _where(found, np.argsort(found["first_timestamp"]))


def _of(parts: Parts, names: Sequence[str]) -> Parts:
    return {name: parts[name] for name in [*names, "level_s"]}


def _where(parts: Parts, places: npt.NDArray[Any]) -> Parts:
    return {name: array[places] for name, array in parts.items()}


def _joined(some: Parts, others: Parts) -> Parts:
    """Both, in order of time."""
    both = {name: np.concatenate([some[name], others[name]]) for name in some}
    return _where(both, np.argsort(both["first_timestamp"]))


def _newest_of(parts: Parts, counts: Sequence[str]) -> Parts:
    """The last parts that hold any of each count."""
    places: list[Integers] = [np.flatnonzero(parts[name] > 0)[-MOST_RED:] for name in counts]
    return _where(parts, np.unique(np.concatenate(places)) if places else np.zeros(0, np.int64))


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


def newest(red: pl.DataFrame) -> pl.DataFrame:
    """The last red readings of each channel; they are in order of time."""
    newer = pl.int_range(pl.len()).reverse().over("channel")
    return red.filter(newer < MOST_RED)
