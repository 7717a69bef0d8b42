"""Key figures and summaries of a range, computed by the database with bound values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.kpis import GAP_FACTOR, Kpis, kpi_fields
from pipeline.quality import REASONS
from pipeline.rig import Channel, Rig
from pipeline.rollups import whole
from pipeline.stores.base import Range
from pipeline.stores.rollup_queries import RangeSummaries
from pipeline.stores.rollup_state import RollupState
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import elapsed, shifted
from pipeline.timestamps import EARLIEST, from_microseconds, to_microseconds


class Figures:
    """The figures of one range of a rig, asked of one connection."""

    def __init__(
        self, connection: sa.Connection, schema: Schema, selection: Range, rig: Rig
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._selection = selection
        self._rig = rig
        self._table = schema.readings_of(rig)
        self._within = within(self._table, selection)

    def kpis(self, interval_s: float | None, state: RollupState) -> Kpis | None:
        """The key figures; None where there is no reading."""
        if state.trusted:
            return self._merged(state)
        last = self._last_values()
        if last is None:
            return None
        counter = self._rig.uptime_channel
        return kpi_fields(
            self._rig,
            self._aggregates(last),
            last=last,
            running=self._running(counter) if counter else None,
            gaps=self._gaps(interval_s),
            rejected=self._rejected(),
        )

    def _merged(self, state: RollupState) -> Kpis | None:
        """The key figures from roll-ups: a few hundred rows, however long the range is."""
        channels = [channel.name for channel in self._rig.channels]
        rig = self._selection.rig
        summaries = RangeSummaries(self._connection, self._schema, rig, state, channels)
        parts = summaries.parts(self._selection)
        if parts is None:
            return None
        summed = whole(parts, channels, state.interval_s)
        found = {
            "total_records": summed["readings"],
            "first_timestamp": summed["first_timestamp"],
            "last_timestamp": summed["last_timestamp"],
        }
        for name in channels:
            for field in ("mean", "min", "max", "red", "yellow"):
                found[f"{name} {field}"] = summed[f"{name}_{field}"]
        counter = self._rig.uptime_channel
        return kpi_fields(
            self._rig,
            found,
            # Of the newest reading; where that is gone, the newest there were.
            last=self._last_values(from_microseconds(summed["last_timestamp"]))
            or {name: summed[f"{name}_last"] for name in channels},
            running=(summed[f"{counter.name}_gained"] or 0.0) if counter else None,
            gaps=(summed["gaps"], summed["gap_us"] / 3.6e9),
            rejected=self._rejected(),
        )

    def summary(self) -> dict[str, dict[str, Any]]:
        """Count, mean, sample deviation, extremes, median, and least-squares slope per hour."""
        return {channel.name: self._channel_summary(channel) for channel in self._rig.channels}

    def _last_values(self, moment: datetime = EARLIEST) -> dict[str, float | None] | None:
        """Of the newest reading of the range. TimescaleDB unpacks all that is asked for of a chunk
        that is partly compressed: where the time is known, it is not to look before it."""
        columns = (self._table.c[channel.name] for channel in self._rig.channels)
        timestamp = self._table.c.timestamp
        query = sa.select(*columns).where(*self._within, timestamp >= moment)
        query = query.order_by(timestamp.desc()).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else dict(row._mapping)

    def _aggregates(self, last: dict[str, float | None]) -> dict[str, Any]:
        timestamp = self._table.c.timestamp
        figures = [
            sa.func.count().label("total_records"),
            sa.func.min(timestamp).label("first_timestamp"),
            sa.func.max(timestamp).label("last_timestamp"),
        ]
        for channel in self._rig.channels:
            value = self._table.c[channel.name]
            figures += [
                # Of the distances from one of the values: sums of large numbers lose digits.
                sa.func.avg(value - (last[channel.name] or 0.0)).label(f"{channel.name} mean"),
                sa.func.min(value).label(f"{channel.name} min"),
                sa.func.max(value).label(f"{channel.name} max"),
            ]
        for channel in self._rig.scored_channels:
            level = self._table.c[channel.alert_column]
            figures += [
                sa.func.count(sa.case((level == name, 1))).label(f"{channel.name} {name}")
                for name in ("red", "yellow")
            ]
        query = sa.select(*figures).where(*self._within)
        found = dict(self._connection.execute(query).one()._mapping)
        for name in ("first_timestamp", "last_timestamp"):
            found[name] = to_microseconds(found[name])
        for channel in self._rig.channels:
            mean = found[f"{channel.name} mean"]
            if mean is not None:
                found[f"{channel.name} mean"] = mean + (last[channel.name] or 0.0)
        return found

    def _running(self, counter: Channel) -> float:
        """What a counter gained; where it falls it began again from zero."""
        value = self._table.c[counter.name]
        before = sa.func.lag(value).over(order_by=self._table.c.timestamp)
        pairs = (
            sa.select(value.label("value"), before.label("before"))
            .where(*self._within)
            .where(value.is_not(None))
            .subquery()
        )
        gained = sa.case(
            (pairs.c.value >= pairs.c.before, pairs.c.value - pairs.c.before),
            else_=pairs.c.value,
        )
        query = sa.select(sa.func.sum(gained)).where(pairs.c.before.is_not(None))
        return float(self._connection.scalar(query) or 0.0)

    def _gaps(self, interval_s: float | None) -> tuple[int, float]:
        """Number of gaps, and their length together in hours."""
        if not interval_s:
            return 0, 0.0
        timestamp = self._table.c.timestamp
        before = sa.func.lag(timestamp).over(order_by=timestamp)
        steps = (
            sa.select(timestamp.label("later"), before.label("earlier"))
            .where(*self._within)
            .subquery()
        )
        interval = round(interval_s * 1e6)
        # The condition is one that needs no arithmetic for most of the rows.
        longest = int(GAP_FACTOR * interval)
        silence = elapsed(steps.c.later, steps.c.earlier) - interval
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(silence), 0)).where(
            steps.c.later > shifted(steps.c.earlier, longest)
        )
        count, total = self._connection.execute(query).one()
        return count, int(total) / 3.6e9

    def _rejected(self) -> dict[str, int]:
        """Rejects by reason; those without a readable time count only without a range."""
        rejects = self._schema.rejects.c
        # A file that grows is loaded again and again, with the same faulty rows in it: they are
        # known by their time, or else by their line.
        line = sa.case((rejects.timestamp.is_(None), rejects.line))
        query = sa.select(rejects.timestamp, line, rejects.reason, rejects.raw).distinct()
        # What came after its time had been pruned is no fault: roll-ups may stand for its value.
        query = query.where(
            rejects.rig == self._selection.rig, rejects.reason != "older_than_retention"
        )
        # What was corrected, and has been accepted by a later load, is no fault any more.
        readings = self._schema.readings.c
        corrected = sa.exists().where(
            readings.rig == rejects.rig,
            readings.timestamp == rejects.timestamp,
            readings.load_id > rejects.load_id,
        )
        query = query.where(~corrected)
        if self._selection.start is not None:
            query = query.where(rejects.timestamp >= self._selection.start)
        if self._selection.end is not None:
            query = query.where(rejects.timestamp < self._selection.end)
        faulty = query.subquery()
        counts = sa.select(faulty.c.reason, sa.func.count()).group_by(faulty.c.reason)
        found = dict(map(tuple, self._connection.execute(counts)))
        return {reason: found[reason] for reason in REASONS if reason in found}

    def _channel_summary(self, channel: Channel) -> dict[str, Any]:
        value, timestamp = self._table.c[channel.name], self._table.c.timestamp
        where = [*self._within, value.is_not(None)]
        func = sa.func
        first = sa.select(
            func.count(), func.avg(value), func.min(value), func.max(value), func.min(timestamp)
        ).where(*where)
        count, mean, low, high, beginning = self._connection.execute(first).one()
        result: dict[str, Any] = {
            "count": count,
            "mean": mean,
            "standard_deviation": None,
            "minimum": low,
            "median": None,
            "maximum": high,
            "slope_per_hour": None,
        }
        if not count:
            return result
        middle = sa.select(value).where(*where).order_by(value)
        middle = middle.limit(2 - count % 2).offset((count - 1) // 2)
        values = list(self._connection.execute(middle).scalars())
        start = sa.literal(beginning, self._schema.readings.c.timestamp.type)
        since = sa.cast(elapsed(timestamp, start), sa.Float) / 3.6e9
        middle_time = self._connection.scalar(sa.select(func.avg(since)).where(*where)) or 0.0
        hours = since - middle_time
        # Deviations from the means first: sums of squares would cancel (ddof = 1).
        second = sa.select(
            func.sum((value - mean) * (value - mean)),
            func.sum(hours * (value - mean)),
            func.sum(hours * hours),
        ).where(*where)
        squares, products, spread = self._connection.execute(second).one()
        result["median"] = sum(values) / len(values)
        if count > 1:
            result["standard_deviation"] = (squares / (count - 1)) ** 0.5
        if spread:
            result["slope_per_hour"] = products / spread
        return result


def alerts_query(
    schema: Schema, rig: Rig, selection: Range, levels: Sequence[str]
) -> "sa.Select[*tuple[Any, ...]]":
    """Readings of single channels at one of the levels, newest first, of all readings."""
    table = schema.readings_of(rig)
    place = sa.func.row_number().over(order_by=table.c.timestamp).label("place")
    parts = []
    for channel in rig.scored_channels:
        names = (channel.alert_column, channel.name, channel.zscore_column)
        columns = (table.c[name] for name in names)
        numbered = (
            sa.select(place, table.c.timestamp, *columns)
            .where(*within(table, selection))
            .subquery()
        )
        level, value, zscore = (numbered.c[name] for name in names)
        parts.append(
            sa.select(
                numbered.c.timestamp,
                sa.literal(channel.name).label("channel"),
                level.label("level"),
                value.label("value"),
                zscore.label("zscore"),
                numbered.c.place,
            ).where(level.in_(levels))
        )
    union = sa.union_all(*parts).subquery()
    return sa.select(union).order_by(union.c.timestamp.desc(), union.c.channel)
