"""Roll-ups compared with the readings, and made anew, stretch by stretch."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from pipeline.rollups import LEVELS_S, SECOND, levels_of
from pipeline.stores.base import Finding, Range, Rebuilt
from pipeline.stores.ledger import Ledger
from pipeline.stores.rollup_state import (
    RollupState,
    floor_to_level,
    keep_state,
    state_of,
    states,
)
from pipeline.stores.rollups import Rollups
from pipeline.stores.schema import Schema, within
from pipeline.timestamps import (
    EARLIEST,
    LATEST,
    from_microseconds,
    nearest_moment,
    to_microseconds,
)

# So many readings are summed up in one transaction of a rebuild, or compared at once.
_READINGS_AT_ONCE = 500_000
_LONGEST_S = LEVELS_S[-1]
# What rounding in another order may change, as a share of the largest value. (216,000 readings
# merged one after the other change a mean by 1e-14 of it.)
_ROUNDING = 1e-12
_OTHER = " made anew"


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
                if levels_of(self._interval_of(rig)) and self._extent(rig, state) is not None:
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

    def unfinished(self, before: datetime) -> list[str]:
        """Rigs with readings older than a time that have not all the roll-ups they could have."""
        return list(self._with_older(before, is_unfinished))

    def impossible(self, before: datetime) -> dict[str, float | None]:
        """Rigs with readings older than a time that can have no roll-ups: their intervals."""
        return self._with_older(
            before, lambda state, interval_s: not state.levels and not levels_of(interval_s)
        )

    def _with_older(
        self, before: datetime, wanted: Callable[[RollupState, float | None], bool]
    ) -> dict[str, float | None]:
        found = {}
        for rig, state in states(self._connection, self._schema).items():
            interval_s = self._interval_of(rig)
            if wanted(state, interval_s):
                extent = self._extent(rig, state)
                if extent is not None and extent[0] < to_microseconds(before):
                    found[rig] = interval_s
        return found

    def rebuild_some(self, rig: str) -> Rebuilt:
        """Sum up the next stretch of a rig; `done` when there is none."""
        self._rollups.wait_for_turn(rig)
        state = state_of(self._connection, self._schema, rig)
        interval_s = self._interval_of(rig)
        if state is None or interval_s is None:
            return Rebuilt(1, 1, done=True)
        extent = self._extent(rig, state)
        if state.rebuilt_to is None or state.interval_s != interval_s:
            state = self._begin(rig, state, interval_s, extent)
        assert state.rebuilt_to is not None
        done_to = max(from_microseconds(state.rebuilt_to), state.raw_from or EARLIEST)
        following = self._extent(rig, state, done_to)
        if following is None or not state.levels:
            return self._end(rig, state, done_to, extent)
        # Where nothing was measured nothing is to be done.
        start = max(following[0], to_microseconds(done_to))
        end = start + _stretch_us(interval_s)
        between = nearest_moment(start), nearest_moment(end)
        for source, level in state.steps:
            self._rollups.remove(rig, level, done_to, between[1])
            self._rollups.write_anew(rig, state, level, source, *between)
        first, last = following if extent is None else extent
        if end > last:
            return self._end(rig, state, between[1], extent)
        keep_state(self._connection, self._schema, rig, replace(state, rebuilt_to=end))
        return Rebuilt(end - first, last - first)

    def _begin(
        self, rig: str, state: RollupState, interval_s: float, extent: tuple[int, int] | None
    ) -> RollupState:
        """Note how far the rebuild has come: nowhere.

        Roll-ups of the same levels stay trusted, and are replaced stretch by stretch; all others
        go, and nobody trusts what is there until the end.
        """
        begun = replace(state, interval_s=interval_s, rebuilt_to=extent[0] if extent else 0)
        if not state.kept_from:
            begun = replace(begun, lengths=LEVELS_S)
        same = state.fixed or (state.interval_s == interval_s and state.levels == begun.levels)
        if not same:
            self._rollups.remove_all(rig, state)
            begun = replace(begun, incomplete=True)
        elif extent is not None:
            for level in begun.levels:
                self._rollups.remove(rig, level, state.raw_from, from_microseconds(extent[0]))
        keep_state(self._connection, self._schema, rig, begun)
        return begun

    def _end(
        self, rig: str, state: RollupState, end: datetime, extent: tuple[int, int] | None
    ) -> Rebuilt:
        for level in state.levels:
            self._rollups.remove(rig, level, end)
        ended = replace(state, rebuilt_to=None, incomplete=False)
        keep_state(self._connection, self._schema, rig, ended)
        if extent is not None:
            # What was asked before may have been answered otherwise.
            ledger = Ledger(self._connection, self._schema)
            first, last = map(from_microseconds, extent)
            ledger.change(rig, first, last, rows=0)
            ledger.announce()
        return Rebuilt(1, 1, done=True)

    def _differences(self, rig: str, state: RollupState, level: int, source: int) -> int:
        """Number of buckets whose stored summary is missing, or another one, or too much."""
        count = 0
        step = _stretch_us(state.interval_s or 1.0)
        kept_from = state.kept_from.get(source)
        while (start := self._next(rig, state, level, kept_from)) is not None:
            between = nearest_moment(start), nearest_moment(start + step)
            stored = list(self._rollups.stored(Range(rig, *between), level))
            anew = list(self._rollups.made_anew(rig, state, level, source, *between))
            count += _different(stored, anew)
            kept_from = start + step
        return count

    def _next(self, rig: str, state: RollupState, level: int, start: int | None) -> int | None:
        """Where the next longest bucket begins that holds a reading or a summary; None for none."""
        moment = None if start is None else nearest_moment(start)
        if moment == LATEST:
            return None
        reading = self._extent(rig, state, moment)
        stored = self._rollups.first(rig, level, start)
        found = [] if reading is None else [reading[0]]
        if stored is not None:
            found.append(floor_to_level(to_microseconds(stored)))
        return min(found, default=None)

    def _interval_of(self, rig: str) -> float | None:
        rigs = self._schema.rigs.c
        return self._connection.scalar(sa.select(rigs.interval_s).where(rigs.name == rig))

    def _extent(
        self, rig: str, state: RollupState, start: datetime | None = None
    ) -> tuple[int, int] | None:
        """Where the longest bucket of the first reading begins, and the time of the last one.

        Of those from `start` on, and of which summaries are made.
        """
        readings = self._schema.readings
        known = [each for each in (start, state.raw_from) if each is not None]
        selection = Range(rig, max(known, default=None))
        times = sa.select(readings.c.timestamp).where(*within(readings, selection)).limit(1)
        first = self._connection.scalar(times.order_by(readings.c.timestamp))
        last = self._connection.scalar(times.order_by(readings.c.timestamp.desc()))
        if first is None or last is None:
            return None
        return floor_to_level(to_microseconds(first)), to_microseconds(last)


def is_unfinished(state: RollupState, interval_s: float | None) -> bool:
    """Whether a rig of this usual interval has readings that no roll-up stands for."""
    return state.incomplete or (state.interval_s is None and bool(levels_of(interval_s)))


def _stretch_us(interval_s: float) -> int:
    """Length of a stretch of whole buckets of every level with some readings, in microseconds."""
    buckets = max(1, round(_READINGS_AT_ONCE * interval_s / _LONGEST_S))
    return buckets * _LONGEST_S * SECOND


def _different(stored: list[pl.DataFrame], anew: list[pl.DataFrame]) -> int:
    if not stored or not anew:
        return sum(map(len, stored + anew))
    left, right = pl.concat(stored), pl.concat(anew)
    both = left.join(right, on="bucket", how="full", coalesce=True, suffix=_OTHER)
    return len(both.filter(~pl.all_horizontal(_same(left.columns))))


def _same(columns: list[str]) -> Iterator[pl.Expr]:
    """Whether two summaries of a bucket say the same.

    Exactly, but for the sums whose terms may have been added in another order.
    """
    for name in columns:
        if name == "bucket":
            continue
        channel, _, field = name.rpartition("_")
        value, other = pl.col(name), pl.col(f"{name}{_OTHER}")
        equal = value.eq_missing(other)
        if field in ("mean", "m2", "gained"):
            largest = pl.max_horizontal(
                pl.col(f"{channel}_min").abs(), pl.col(f"{channel}_max").abs()
            )
            noise = _ROUNDING * largest
            allowed = {
                "mean": noise,
                "m2": _ROUNDING * value + pl.col(f"{channel}_count") * noise * noise,
                "gained": _ROUNDING * (value + largest),
            }
            equal = equal | ((value - other).abs() <= allowed[field]).fill_null(False)
        yield equal
