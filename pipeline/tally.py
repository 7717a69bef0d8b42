"""What is counted while readings pass by on their way to the database, for one rig."""

from collections import Counter

import polars as pl

from pipeline.kpis import GAP_FACTOR, Kpis, counter_gain, kpi_fields
from pipeline.rig import Rig
from pipeline.scoring import Moments

_MOST_STEPS = 1_000_000


class Steps:
    """Times from reading to reading, counted; known only while times rise from frame to frame."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self.counts: Counter[int] | None = Counter()

    def add(self, times: pl.Series) -> None:
        """Count the steps of a frame that has readings; its times are in microseconds."""
        first, last = _integer(times.min()), _integer(times.max())
        previous = self.last
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if previous is None else max(last, previous)
        if self.counts is None:
            return
        steps = times.diff().drop_nulls()
        if not (steps > 0).all() or (previous is not None and first <= previous):
            self.counts = None
            return
        if previous is not None:
            self.counts[first - previous] += 1
        self.counts.update(dict(steps.value_counts().iter_rows()))
        if len(self.counts) > _MOST_STEPS:
            self.counts = None

    @property
    def median_s(self) -> float | None:
        """Median step in seconds; None for one reading, or where steps are not known."""
        return _median(self.counts) / 1e6 if self.counts else None


class Tally:
    """Levels, steps and gains of scored readings that are added frame by frame.

    What depends on the order of time (steps, gaps, running hours) is known only for as long as
    timestamps rise from frame to frame.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.rows = 0
        self._levels: Counter[str] = Counter()
        self._steps = Steps()
        self._gained = 0.0
        self._counter = rig.uptime_channel
        self._last: dict[str, float | None] = {}
        self._last_counter: float | None = None

    def add(self, scored: pl.DataFrame) -> None:
        """Count one frame of scored readings of the rig."""
        self.rows += len(scored)
        for channel in self._rig.scored_channels:
            counts = scored[channel.alert_column].cast(pl.String).value_counts()
            for level, count in counts.iter_rows():
                self._levels[f"{channel.name} {level}"] += count
        if self._counter:
            self._add_gain(scored[self._counter.name].drop_nulls())
        self._steps.add(scored["timestamp"].dt.epoch("us"))
        self._last = {channel.name: scored[channel.name][-1] for channel in self._rig.channels}

    def kpis(
        self, moments: dict[str, Moments], rejected: dict[str, int] | None, interval_s: float | None
    ) -> Kpis:
        """The key figures of what was added; those that need the order of time may be None."""
        found: dict[str, float | int | None] = {
            "total_records": self.rows,
            "first_timestamp": self._steps.first,
            "last_timestamp": self._steps.last,
            **self._levels,
        }
        for name, known in moments.items():
            some = known.count > 0
            found[f"{name} mean"] = known.mean if some else None
            found[f"{name} min"] = known.minimum if some else None
            found[f"{name} max"] = known.maximum if some else None
        in_order = self._steps.counts is not None
        return kpi_fields(
            self._rig,
            found,
            last=self._last if in_order else {},
            running=self._gained if in_order and self._counter else None,
            gaps=self._gaps(interval_s),
            rejected=rejected,
        )

    def _gaps(self, interval_s: float | None) -> tuple[int | None, float | None]:
        counts = self._steps.counts
        if counts is None:
            return None, None
        interval = round((interval_s or self._steps.median_s or 0) * 1e6)
        gaps = {s: n for s, n in counts.items() if interval and s > GAP_FACTOR * interval}
        silence = sum((step - interval) * count for step, count in gaps.items())
        return sum(gaps.values()), silence / 3.6e9

    def _add_gain(self, values: pl.Series) -> None:
        if values.is_empty():
            return
        before = values.shift(fill_value=None)
        if self._last_counter is not None:
            before = before.fill_null(self._last_counter)
        pair = pl.DataFrame({"value": values, "before": before})
        gain = counter_gain(pl.col("value"), pl.col("before"))
        self._gained += float(pair.select(gain.sum()).item())
        self._last_counter = values[-1]


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def _median(counts: Counter[int]) -> float:
    """Median of values that are given with their counts."""
    total = sum(counts.values())
    middle = ((total - 1) // 2, total // 2)
    found: list[int] = []
    seen = 0
    for value in sorted(counts):
        found += [value for place in middle if seen <= place < seen + counts[value]]
        seen += counts[value]
    return sum(found) / len(found)
