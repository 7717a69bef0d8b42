"""Roll-ups compared with the readings, and made anew, stretch by stretch."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from pipeline.rollups import LEVELS_S, SECOND
from pipeline.stores.base import Finding, Range, Rebuilt
from pipeline.stores.rollup_state import (
    RollupState,
    floor_to_level,
    keep_state,
    state_of,
    states,
)
from pipeline.stores.rollups import Rollups
from pipeline.stores.schema import Schema, within
from pipeline.timestamps import from_microseconds, to_microseconds

# So many readings are summed up in one transaction of a rebuild, or compared at once.
_READINGS_AT_ONCE = 500_000
_LONGEST_S = LEVELS_S[-1]


class RollupUpkeep:
    """Looks after the summaries of all rigs, on one connection."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        self._rollups = Rollups(connection, schema)

    def findings(self) -> Iterator[Finding]:
        """Summaries that are not those of the readings."""
        for rig, state in states(self._connection, self._schema).items():
            if not state.trusted:
                if self._interval_of(rig) and self._extent(rig, state) is not None:
                    yield Finding(
                        f"rig {rig!r} has no roll-ups; run `smart-sensor db rebuild-rollups`",
                        wrong=False,
                    )
                continue
            for source, level in state.steps:
                wrong = self._differences(rig, state, level, source)
                if wrong:
                    yield Finding(
                        f"rig {rig!r}: {wrong:,} roll-ups of {level} s are not those of the "
                        "readings; run `smart-sensor db rebuild-rollups`"
                    )

    def rebuild_some(self, rig: str) -> Rebuilt:
        """Sum up the next stretch of a rig; `done` when there is none."""
        self._rollups.wait_for_turn(rig)
        state = state_of(self._connection, self._schema, rig)
        interval_s = self._interval_of(rig)
        if state is None or interval_s is None:
            return Rebuilt(1, 1, done=True)
        extent = self._extent(rig, state)
        if state.rebuilt_to is None or state.interval_s != interval_s:
            state = self._begin(rig, replace(state, interval_s=interval_s), extent)
        if extent is None or not state.levels:
            return self._end(rig, state)
        first, last = extent
        start = max(first, state.rebuilt_to or first)
        end = start + _stretch_us(interval_s)
        self._sum_up(rig, state, start, end)
        if end > last:
            return self._end(rig, state)
        keep_state(self._connection, self._schema, rig, replace(state, rebuilt_to=end))
        return Rebuilt(end - first, last - first)

    def _begin(self, rig: str, state: RollupState, extent: tuple[int, int] | None) -> RollupState:
        """From here on nobody trusts them, until the end."""
        self._rollups.remove_all(rig, state)
        state = replace(state, rebuilt_to=extent[0] if extent else 0)
        keep_state(self._connection, self._schema, rig, state)
        return state

    def _end(self, rig: str, state: RollupState) -> Rebuilt:
        keep_state(self._connection, self._schema, rig, replace(state, rebuilt_to=None))
        return Rebuilt(1, 1, done=True)

    def _sum_up(self, rig: str, state: RollupState, start: int, end: int) -> None:
        between = from_microseconds(start), from_microseconds(end)
        for source, level in state.steps:
            self._rollups.remove(rig, level, *between)
            self._rollups.write_anew(rig, state, level, source, *between)

    def _differences(self, rig: str, state: RollupState, level: int, source: int) -> int:
        """Number of buckets whose stored summary is missing, or another one, or too much."""
        extent = self._bounds(rig, state, level, source)
        if extent is None:
            return 0
        count = 0
        start, last = extent
        step = _stretch_us(state.interval_s or 1.0)
        while start <= last:
            between = from_microseconds(start), from_microseconds(start + step)
            stored = list(self._rollups.stored(Range(rig, *between), level))
            anew = list(self._rollups.made_anew(rig, state, level, source, *between))
            count += _different(stored, anew)
            start += step
        return count

    def _interval_of(self, rig: str) -> float | None:
        rigs = self._schema.rigs.c
        return self._connection.scalar(sa.select(rigs.interval_s).where(rigs.name == rig))

    def _extent(self, rig: str, state: RollupState) -> tuple[int, int] | None:
        """First and last time of the readings, where summaries are made of them."""
        readings = self._schema.readings
        selection = Range(rig, state.raw_from)
        times = sa.select(readings.c.timestamp).where(*within(readings, selection)).limit(1)
        first = self._connection.scalar(times.order_by(readings.c.timestamp))
        last = self._connection.scalar(times.order_by(readings.c.timestamp.desc()))
        if first is None or last is None:
            return None
        return floor_to_level(to_microseconds(first)), to_microseconds(last)

    def _bounds(
        self, rig: str, state: RollupState, level: int, source: int
    ) -> tuple[int, int] | None:
        """First and last time of what is compared: of the readings, and of the summaries."""
        known = [self._extent(rig, state)]
        ends = self._rollups.ends(rig, level, state.kept_from.get(source))
        if ends is not None:
            known.append((floor_to_level(to_microseconds(ends[0])), to_microseconds(ends[1])))
        found = [each for each in known if each is not None]
        if not found:
            return None
        return min(first for first, _ in found), max(last for _, last in found)


def _stretch_us(interval_s: float) -> int:
    """Length of a stretch of whole buckets of every level with some readings, in microseconds."""
    buckets = max(1, round(_READINGS_AT_ONCE * interval_s / _LONGEST_S))
    return buckets * _LONGEST_S * SECOND


def _different(stored: list[pl.DataFrame], anew: list[pl.DataFrame]) -> int:
    if not stored or not anew:
        return sum(map(len, stored + anew))
    left, right = pl.concat(stored), pl.concat(anew)
    same = left.join(right, on=left.columns, how="inner", nulls_equal=True)
    buckets = pl.concat([left["bucket"], right["bucket"]]).n_unique()
    return buckets - len(same)
