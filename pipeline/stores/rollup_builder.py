"""Summaries of what a load brings, made while its readings pass by, and written at its end."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.rollups import SECOND, Integers, Parts, WholeGroups, merged
from pipeline.spool import Spool
from pipeline.stores.base import Incoming, SourceIdentity, span
from pipeline.stores.rollup_state import RollupState, keep_state, refuse_pruned, state_of
from pipeline.stores.rollups import Rollups, stretches
from pipeline.stores.schema import Schema
from pipeline.timestamps import to_microseconds

# Of more places in a record all between them is looked at.
_MOST_STRETCHES = 1_000


class _Kept(NamedTuple):
    """What the database knows of a rig."""

    interval_s: float | None
    state: RollupState


class LoadRollups:
    """The summaries of one load, on disk until they can be written."""

    def __init__(
        self,
        connection: sa.Connection,
        schema: Schema,
        identity: SourceIdentity,
        incoming: Incoming,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._identity = identity
        self._incoming = incoming
        self._states: dict[str, RollupState | None] = {}
        self._made: dict[str, list[_Made]] = {}
        # One for all: the system has not files enough for many rigs and levels.
        self._spool = Spool()
        # One frame at a time, in another thread, while the caller writes it.
        self._beside = ThreadPoolExecutor(1, "rollups")
        self._adding: Future[None] | None = None

    def begin(self) -> None:
        """Look at what is there: while readings pass by the connection cannot be asked."""
        self._states = {rig: self._expected(rig) for rig in self._incoming.spans}

    def add(self, readings: pl.DataFrame) -> None:
        """Sum up scored readings of one rig, while the caller goes on."""
        self._finish_adding()
        self._adding = self._beside.submit(self._add, readings)

    def _finish_adding(self) -> None:
        if self._adding is not None:
            self._adding.result()

    def _add(self, readings: pl.DataFrame) -> None:
        rig = readings["rig"][0]
        state = self._states.get(rig)
        if state is None or not state.levels:
            return
        if rig not in self._made:
            self._made[rig] = self._nothing(state)
        if not readings["timestamp"].is_sorted():
            readings = readings.sort("timestamp")
        frames: Iterable[pl.DataFrame] = [readings]
        for made in self._made[rig]:
            frames = list(made.add(frames))

    def _finish(self, rig: str, state: RollupState) -> dict[int, "_Made"]:
        """All summaries of a rig by level, those of its last buckets too."""
        levels = self._made.pop(rig, None) or self._nothing(state)
        frames: list[pl.DataFrame] = []
        for made in levels:
            frames = [*made.add(frames), *made.rest()]
        return {made.level: made for made in levels}

    def _nothing(self, state: RollupState) -> list["_Made"]:
        channels = [channel.name for channel in self._identity.rig.channels]
        return [_Made(self._spool, channels, level, state.interval_s) for level in state.levels]

    def write(self, rig: str, gone: tuple[datetime, datetime] | None) -> None:
        """Bring the summaries of a rig up to date; `gone` is where readings were taken away.

        To be called when the rig is registered and its interval is known.
        """
        self._finish_adding()
        self._beside.shutdown()
        rollups = Rollups(self._connection, self._schema)
        rollups.wait_for_turn(rig)
        kept = _kept(self._connection, self._schema, rig)
        if kept is None or (kept.interval_s is None and kept.state.interval_s is None):
            return
        if rig in self._incoming.spans:
            first, _ = self._incoming.spans[rig]
            refuse_pruned(kept.state.raw_from, rig, first, self._identity.name)
        state = replace(kept.state, interval_s=kept.interval_s)
        expected = self._states.get(rig, kept.state)
        if kept.state != state:
            keep_state(self._connection, self._schema, rig, state)
        if (
            expected is not None
            and (expected.interval_s, expected.levels) == (state.interval_s, state.levels)
            and (kept.state.interval_s == state.interval_s or self._is_alone(rig))
        ):
            self._merge(rollups, rig, state, gone)
        else:
            # They are made with another interval, or there are none of older readings.
            rollups.make_all(rig, state)

    def _is_alone(self, rig: str) -> bool:
        """Whether nobody else has brought readings of a rig that was new when this load began."""
        changes = self._schema.changes.c
        query = sa.select(sa.literal(1)).where(changes.rig == rig).limit(1)
        return self._connection.scalar(query) is None

    def _expected(self, rig: str) -> RollupState | None:
        """The state in which the load will leave the rig; None where all has to be made anew."""
        kept = _kept(self._connection, self._schema, rig)
        interval_s = self._identity.rig.interval_s
        if kept is None:
            # Nothing is stored of it.
            return RollupState(interval_s or self._incoming.intervals.get(rig))
        interval_s = interval_s or kept.interval_s
        return kept.state if kept.state.interval_s == interval_s else None

    def _merge(
        self,
        rollups: Rollups,
        rig: str,
        state: RollupState,
        gone: tuple[datetime, datetime] | None,
    ) -> None:
        summaries = self._finish(rig, state)
        for source, level in state.steps:
            made = summaries[level]
            numbers, times = made.numbers
            doubtful = [numbers[times > 1]]
            doubtful += [rollups.present(rig, level, *ends) for ends in self._stretches(numbers)]
            if gone is not None:
                first, last = (to_microseconds(end) // (level * SECOND) for end in gone)
                changed = rollups.present(rig, level, first, last)
                numbers = np.union1d(numbers, changed)
                doubtful.append(changed)
            anew = np.intersect1d(numbers, np.concatenate(doubtful))
            rollups.add(rig, level, made.without(anew))
            rollups.repair_level(rig, state, level, source, anew)

    def _stretches(self, numbers: Integers) -> list[tuple[int, int]]:
        """Where buckets of these numbers are, in not too many questions."""
        found = list(stretches(numbers))
        few = len(found) <= _MOST_STRETCHES
        return found if few else [(int(numbers[0]), int(numbers[-1]))]


def begin_rollups(connection: sa.Connection, schema: Schema, rig: str) -> None:
    """Keep roll-ups from here on of a rig that has no readings yet, and whose interval is known.

    Others stay as they are: to make them anew takes too long for a source that is sending. The
    next load does so, or a rebuild.
    """
    if not _could_begin(connection, schema, rig):
        return
    Rollups(connection, schema).wait_for_turn(rig)
    kept = _kept(connection, schema, rig)
    if kept is not None and _could_begin(connection, schema, rig):
        keep_state(connection, schema, rig, replace(kept.state, interval_s=kept.interval_s))


def _could_begin(connection: sa.Connection, schema: Schema, rig: str) -> bool:
    kept = _kept(connection, schema, rig)
    if kept is None or kept.interval_s in (None, kept.state.interval_s):
        return False
    mine = sa.select(sa.literal(1)).where(schema.readings.c.rig == rig).limit(1)
    return connection.scalar(mine) is None


def keep_rollups(
    connection: sa.Connection, schema: Schema, source: str, readings: pl.DataFrame
) -> None:
    """Bring summaries up to date with readings of one rig that a live source has just written.

    Raises OlderThanRetentionError when what was there at their time has been pruned meanwhile.
    """
    rig = readings["rig"][0]
    rollups = Rollups(connection, schema)
    rollups.wait_for_turn(rig)
    state = state_of(connection, schema, rig)
    if state is not None:
        refuse_pruned(state.raw_from, rig, span(readings)[0], source)
        if state.levels:
            rollups.follow(rig, state, readings)


def _kept(connection: sa.Connection, schema: Schema, rig: str) -> _Kept | None:
    rigs = schema.rigs.c
    state = state_of(connection, schema, rig)
    if state is None:
        return None
    query = sa.select(rigs.interval_s).where(rigs.name == rig)
    return _Kept(connection.scalar(query), state)


class _Made:
    """Summaries of one rig and level, in the order in which they are complete."""

    def __init__(
        self, spool: Spool, channels: list[str], level: int, interval_s: float | None
    ) -> None:
        self.level = level
        self._spool = spool
        self._places: list[int] = []
        self._channels = channels
        self._interval_s = interval_s
        self._width_us = level * SECOND
        self._groups = WholeGroups(channels, self._numbers_of)
        self._numbers: list[Integers] = [np.zeros(0, np.int64)]

    def add(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Sum up readings, or summaries of the level below; gives what is complete with them."""
        for frame in frames:
            yield from map(self._keep, self._groups.add(frame))

    def rest(self) -> Iterator[pl.DataFrame]:
        """Gives the last bucket, which nothing has completed."""
        yield from map(self._keep, self._groups.rest())

    @property
    def numbers(self) -> tuple[Integers, Integers]:
        """Numbers of the buckets in order, and how many times each was begun anew."""
        return np.unique(np.concatenate(self._numbers), return_counts=True)

    def without(self, left_out: Integers) -> Iterator[pl.DataFrame]:
        buckets = (pl.Series(left_out) * self._width_us).implode()
        for place in self._places:
            summaries = self._spool[place]
            known = summaries.filter(~pl.col("bucket").to_physical().is_in(buckets))
            if len(known):
                yield known

    def _keep(self, parts: Parts) -> pl.DataFrame:
        summaries = merged(parts, self._channels, self._width_us, self._interval_s)
        self._places.append(len(self._spool))
        self._spool.append(summaries)
        self._numbers.append(self._numbers_of(summaries["bucket"].to_physical().to_numpy()))
        return summaries

    def _numbers_of(self, times: Integers) -> Integers:
        return times // self._width_us
