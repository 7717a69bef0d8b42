"""Summaries of time buckets: made of readings, merged with each other, without loss.

A reading is a summary of one. Merging goes over neighbours in time order, so there is one way to
make a summary, whether of readings or of shorter buckets, and what lies between two neighbours (a
gap, what a counter gained) counts in the bucket that holds both. A summary depends on the readings
of its bucket and nothing else: not on the order in which they came.

Columns of a frame of summaries: `bucket` (its start, UTC), `readings`, `first_timestamp`,
`last_timestamp`, `gaps`, `gap_us` (their lengths, less an interval each, in microseconds), and of
each channel `<channel>_` and: `count`, `mean`, `m2` (sum of squared deviations from the mean),
`min`, `min_at`, `max`, `max_at` (the first of several equal ones), `first`, `first_at`, `last`,
`last_at`, `gained` (what a counter gained, in its unit), `yellow` and `red` (readings at that
level). All of a channel's are null in a bucket in which it has no value.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from polars import selectors

from pipeline.durations import LEVELS
from pipeline.kpis import GAP_FACTOR
from pipeline.timestamps import UTC_DATETIME

# Lengths of buckets in seconds. Each divides the next, at most ten times; 15 minutes divide the
# offset of every time zone, and 6 hours a day.
LEVELS_S = tuple(LEVELS.values())
SECOND = 1_000_000  # in microseconds
_FEWEST_READINGS = 60
# So many rows are looked at together: each look has a price of its own.
_ENOUGH = 10_000

# What a summary has of each channel, in the order of the columns.
FIELDS = (
    *("count", "mean", "m2", "min", "min_at", "max", "max_at"),
    *("first", "first_at", "last", "last_at", "gained", "yellow", "red"),
)
# Those that a chart shows.
CHART_FIELDS = (
    *("count", "min", "min_at", "max", "max_at"),
    *("first", "first_at", "last", "last_at", "red"),
)
_COUNTS = ("count", "yellow", "red")
_TIMES = ("min_at", "max_at", "first_at", "last_at")
_NOT_CHANNELS = ("rig", "timestamp", "load_id")

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
# By column: times in microseconds; what is null in a frame is 0 or NaN here, its count says so.
Parts = dict[str, npt.NDArray[Any]]
GroupOf = Callable[[Integers], Integers]


def levels_of(interval_s: float | None, lengths: Iterable[int] = LEVELS_S) -> tuple[int, ...]:
    """Those of the lengths that are kept of a rig: buckets that hold at least 60 readings."""
    if not interval_s:
        return ()
    return tuple(length for length in lengths if length >= _FEWEST_READINGS * interval_s)


def channels_among(columns: Iterable[str]) -> list[str]:
    """The channels among the columns of a table or frame of readings."""
    return [
        name
        for name in columns
        if name not in _NOT_CHANNELS and not name.endswith(("_zscore", "_alert"))
    ]


def channel_columns(channel: str, fields: Sequence[str] = FIELDS) -> dict[str, pl.DataType]:
    """Columns of a summary that are of one channel."""
    return {f"{channel}_{field}": _type_of(field) for field in fields}


def summary_schema(
    channels: Iterable[str], fields: Sequence[str] = FIELDS
) -> dict[str, pl.DataType]:
    """Columns of a frame of summaries; of each channel these fields."""
    schema: dict[str, pl.DataType] = {
        "bucket": UTC_DATETIME,
        "readings": pl.Int64(),
        "first_timestamp": UTC_DATETIME,
        "last_timestamp": UTC_DATETIME,
        "gaps": pl.Int64(),
        "gap_us": pl.Int64(),
    }
    for channel in channels:
        schema |= channel_columns(channel, fields)
    return schema


def reading_schema(channels: Iterable[str], present: Container[str]) -> dict[str, pl.DataType]:
    """Columns of readings that summaries are made of; `present` are those that there are."""
    schema: dict[str, pl.DataType] = {"timestamp": UTC_DATETIME}
    for channel in channels:
        schema[channel] = pl.Float64()
        if f"{channel}_alert" in present:
            schema[f"{channel}_alert"] = pl.String()
    return schema


def of_readings(readings: pl.DataFrame, channels: Sequence[str]) -> Parts:
    """Each reading as a summary of one; the frame is in time order, and of one rig."""
    # All columns in one go: each step of Polars has its price.
    values = readings.select(pl.col(channels).fill_null(float("nan")))
    alerts = [name for channel in channels if (name := f"{channel}_alert") in readings.columns]
    levels = {
        level: readings.select((pl.col(alerts) == level).fill_null(False).cast(pl.Int64))
        for level in ("yellow", "red")
    }
    return of_values(
        readings["timestamp"].to_physical().to_numpy(),
        {channel: values[channel].to_numpy() for channel in channels},
        {
            level: {name: found[name].to_numpy() for name in alerts}
            for level, found in levels.items()
        },
    )


def of_values(times: Integers, values: Parts, alerts: dict[str, Parts]) -> Parts:
    """The same of arrays: `values` by channel, NaN for none; `alerts` are 0 and 1 by level and
    column."""
    none = np.zeros(len(times), np.int64)
    zero = none.astype(np.float64)
    parts: Parts = {
        "readings": none + 1,
        "first_timestamp": times,
        "last_timestamp": times,
        "gaps": none,
        "gap_us": none,
    }
    for channel, value in values.items():
        known = (~np.isnan(value)).astype(np.int64)
        fields: Parts = {"count": known, "m2": zero, "gained": zero}
        fields |= dict.fromkeys(("mean", "min", "max", "first", "last"), value)
        fields |= dict.fromkeys(_TIMES, times)
        for level, counts in alerts.items():
            fields[level] = counts.get(f"{channel}_alert", none)
        parts |= {f"{channel}_{field}": fields[field] for field in FIELDS}
    return parts


def of_frame(summaries: pl.DataFrame, channels: Sequence[str]) -> Parts:
    """Summaries of a frame in time order."""
    names = [name for name in summary_schema(channels) if name != "bucket"]
    plain = summaries.select(names).with_columns(
        selectors.datetime().to_physical().fill_null(0),
        selectors.integer().fill_null(0),
        selectors.float().fill_null(float("nan")),
    )
    return {name: plain[name].to_numpy() for name in names}


def joined(several: list[Parts]) -> Parts:
    """Summaries of stretches that follow each other in time."""
    return {name: np.concatenate([parts[name] for parts in several]) for name in several[0]}


def merged(
    parts: Parts,
    channels: Sequence[str],
    width_us: int,
    interval_s: float | None,
    fields: Sequence[str] = FIELDS,
) -> pl.DataFrame:
    """One summary for each bucket of so many microseconds that has readings, in time order; of
    each channel it has these fields."""
    buckets = parts["first_timestamp"] // width_us * width_us
    return grouped(parts, channels, buckets, interval_s, fields, "bucket")


def merged_parts(
    parts: Parts, channels: Sequence[str], width_us: int, interval_s: float | None
) -> Parts:
    """What `merged` gives as arrays: what is null there is anything here, its count is 0."""
    groups = parts["first_timestamp"] // width_us
    starts = _starts(groups)
    return {"bucket": groups[starts] * width_us, **_merge(parts, channels, starts, interval_s)}


def grouped(
    parts: Parts,
    channels: Sequence[str],
    groups: Integers,
    interval_s: float | None,
    fields: Sequence[str] = FIELDS,
    key: str = "group",
) -> pl.DataFrame:
    """One summary for each group of neighbours; `groups` says which one each part is in, and is the
    column `key`."""
    starts = _starts(groups)
    found = {key: groups[starts], **_merge(parts, channels, starts, interval_s, fields)}
    kinds = summary_schema(channels, fields)
    times = [name for name in found if kinds.get(name) == UTC_DATETIME]
    frame = pl.DataFrame(found).cast(dict.fromkeys(times, UTC_DATETIME))
    # All at once: each takes the others as they were.
    known = [
        pl.when(pl.col(f"{channel}_count") > 0)
        .then(pl.col(f"{channel}_{field}"))
        .alias(f"{channel}_{field}")
        for channel in channels
        if not found[f"{channel}_count"].all()
        for field in fields
    ]
    return frame.with_columns(known) if known else frame


def in_buckets(
    frames: Iterable[pl.DataFrame],
    channels: Sequence[str],
    width_us: int,
    interval_s: float | None,
) -> Iterator[pl.DataFrame]:
    """Summaries of buckets from frames in time order, of readings or of shorter buckets."""
    for parts in _whole_groups(frames, channels, lambda times: times // width_us):
        yield merged(parts, channels, width_us, interval_s)


def in_groups(
    frames: Iterable[pl.DataFrame],
    channels: Sequence[str],
    group_of: GroupOf,
    interval_s: float | None,
) -> Iterator[pl.DataFrame]:
    """The same of any groups of neighbours; `group_of` says in which ones times (in us) are."""
    for parts in _whole_groups(frames, channels, group_of):
        yield grouped(parts, channels, group_of(parts["first_timestamp"]), interval_s)


class WholeGroups:
    """Cuts frames that come in time order, of readings or summaries, so that no group is cut.

    A frame that does not begin after the last row of the one before begins anew: a group may come
    a second time then.
    """

    def __init__(self, channels: Sequence[str], group_of: GroupOf) -> None:
        self._channels = channels
        self._group_of = group_of
        self._pending: list[pl.DataFrame] = []
        # So many rows have to wait before they are looked at.
        self._enough = _ENOUGH

    def add(self, frame: pl.DataFrame) -> Iterator[Parts]:
        """What is complete with this frame, once it is enough to be worth a look."""
        if frame.is_empty():
            return
        time = "bucket" if "bucket" in frame.columns else "timestamp"
        if self._pending and frame[time][0] <= self._pending[-1][time][-1]:
            yield from self.rest()
        self._pending.append(frame)
        rows = sum(map(len, self._pending))
        if rows < self._enough:
            return
        pending = pl.concat(self._pending)
        groups = self._group_of(pending[time].to_physical().to_numpy())
        cut = int(np.searchsorted(groups, groups[-1]))
        if cut:
            yield self._parts_of(pending.head(cut))
        self._pending = [pending.slice(cut)]
        # Of a long group each row is looked at twice at most.
        self._enough = _ENOUGH if cut else 2 * rows

    def rest(self) -> Iterator[Parts]:
        """What waits for more of its group, or for more to look at, as it is."""
        if self._pending:
            yield self._parts_of(pl.concat(self._pending))
            self._pending = []

    def _parts_of(self, frame: pl.DataFrame) -> Parts:
        of = of_frame if "bucket" in frame.columns else of_readings
        return of(frame, self._channels)


def _whole_groups(
    frames: Iterable[pl.DataFrame], channels: Sequence[str], group_of: GroupOf
) -> Iterator[Parts]:
    groups = WholeGroups(channels, group_of)
    for frame in frames:
        yield from groups.add(frame)
    yield from groups.rest()


def whole(parts: Parts, channels: Sequence[str], interval_s: float | None) -> dict[str, Any]:
    """The one summary of all, as Python values: times are microseconds, a missing value is None."""
    found = _merge(parts, channels, np.zeros(1, np.int64), interval_s)
    values = {name: array[0].item() for name, array in found.items()}
    for channel in channels:
        if not values[f"{channel}_count"]:
            values |= {f"{channel}_{f}": None for f in FIELDS if f not in _COUNTS}
    return values


def _type_of(field: str) -> pl.DataType:
    if field in _COUNTS:
        return pl.Int64()
    return UTC_DATETIME if field in _TIMES else pl.Float64()


def _starts(labels: Integers) -> Integers:
    """Where a new label begins."""
    return np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))


def _merge(
    parts: Parts,
    channels: Sequence[str],
    starts: Integers,
    interval_s: float | None,
    names: Sequence[str] = FIELDS,
) -> Parts:
    """Merge the parts from each start to the next one, and of each channel the fields named."""
    first, last = parts["first_timestamp"], parts["last_timestamp"]
    ends = np.append(starts[1:], len(first)) - 1
    silence = first - np.roll(last, 1)
    silence[starts] = 0  # none from one bucket to the next
    interval = round((interval_s or 0) * 1e6)
    is_gap = (silence > GAP_FACTOR * interval) & bool(interval)
    found: Parts = {
        "readings": np.add.reduceat(parts["readings"], starts),
        "first_timestamp": first[starts],
        "last_timestamp": last[ends],
        "gaps": np.add.reduceat(parts["gaps"] + is_gap, starts),
        "gap_us": np.add.reduceat(
            parts["gap_us"] + np.where(is_gap, silence - interval, 0), starts
        ),
    }
    segments = np.repeat(np.arange(len(starts)), ends - starts + 1)
    for channel in channels:
        fields = {field: parts[f"{channel}_{field}"] for field in names}
        merged = _merge_channel(fields, segments, starts)
        found |= {f"{channel}_{field}": merged[field] for field in names}
    return found


def _merge_channel(fields: Parts, segments: Integers, starts: Integers) -> Parts:
    """Merge one channel's parts that have values; `segments` are where each part belongs, `starts`
    where each of them begins."""
    has_values = fields["count"] > 0
    if has_values.all():
        return _merge_values(fields, segments, starts)
    found = {field: np.zeros(len(starts), array.dtype) for field, array in fields.items()}
    segments = segments[has_values]
    if len(segments):
        starts = _starts(segments)
        place = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(segments))))
        some = {field: array[has_values] for field, array in fields.items()}
        for field, array in _merge_values(some, place, starts).items():
            found[field][segments[starts]] = array
    return found


def _merge_values(fields: Parts, place: Integers, starts: Integers) -> Parts:
    """The same of parts that all have values."""
    ends = np.append(starts[1:], len(place)) - 1
    counts = [field for field in _COUNTS if field in fields]
    found: Parts = {field: np.add.reduceat(fields[field], starts) for field in counts}
    if "mean" in fields:
        found["mean"], found["m2"] = _moments(fields, found["count"], starts, place)
    for field, extreme in (("min", np.minimum), ("max", np.maximum)):
        found[field] = extreme.reduceat(fields[field], starts)
        hits = np.flatnonzero(fields[field] == found[field][place])
        found[f"{field}_at"] = fields[f"{field}_at"][hits[_starts(place[hits])]]
    found |= {field: fields[field][starts] for field in ("first", "first_at")}
    found |= {field: fields[field][ends] for field in ("last", "last_at")}
    if "gained" in fields:
        before = np.roll(fields["last"], 1)
        # Where a counter falls it began again from zero.
        gained = np.where(fields["first"] >= before, fields["first"] - before, fields["first"])
        gained[starts] = 0
        found["gained"] = np.add.reduceat(fields["gained"] + gained, starts)
    return found


def _moments(
    fields: Parts, counts: Integers, starts: Integers, place: Integers
) -> tuple[Floats, Floats]:
    """Means and M2 of parts together.

    Chan, Golub, LeVeque: Algorithms for computing the sample variance, The American Statistician
    37 (1983), equations 2.1 for any number of parts, with the correction of equation 1.7.
    """
    # Of readings each is one.
    weights = fields["count"].astype(np.float64) if len(place) < counts.sum() else None
    # Distances from one of the means: sums of large numbers lose digits.
    reference = fields["mean"][starts]
    distance = fields["mean"] - reference[place]
    weighted = distance if weights is None else weights * distance
    mean = reference + np.add.reduceat(weighted, starts) / counts
    deviation = fields["mean"] - mean[place]
    weighted = deviation if weights is None else weights * deviation
    squares = np.add.reduceat(fields["m2"] + weighted * deviation, starts)
    rest = np.add.reduceat(weighted, starts)
    return mean, np.maximum(squares - rest * rest / counts, 0.0)
