"""The questions of the API in SQL: figures are computed by the database, with bound values."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.db_utils import translated_errors
from pipeline.kpis import GAP_FACTOR, Kpis, kpi_fields
from pipeline.rig import LEVELS, Channel, Rig
from pipeline.scoring import Moments
from pipeline.stores.base import Change, Extent, Range, SourceIdentity, StoredRig
from pipeline.stores.schema import Schema, reading_columns
from pipeline.timestamps import UTC_DATETIME, from_microseconds, to_microseconds, utc_times

_ROWS_AT_ONCE = 50_000
_LOADS_LOOKED_AT = 1_000


class Questions:
    """Everything that a Store answers without writing."""

    def __init__(self, engine: sa.Engine, schema: Schema) -> None:
        self._engine = engine
        self._schema = schema

    def known_load(self, identity: SourceIdentity) -> int | None:
        with self._reading() as connection:
            return self._known(connection, identity)

    def _known(self, connection: sa.Connection, identity: SourceIdentity) -> int | None:
        loads = self._schema.loads.c
        query = sa.select(loads.id).where(
            loads.sha256 == identity.sha256,
            loads.rig == identity.rig.name,
            loads.rig_version == identity.rig.version,
            loads.settings == identity.settings,
            loads.status == "complete",
        )
        return connection.scalar(query)

    def baseline(self, rig: str) -> dict[str, Moments] | None:
        loads = self._schema.loads.c
        query = (
            sa.select(loads.statistics)
            .where(loads.status == "complete")
            .order_by(loads.id.desc())
            .limit(_LOADS_LOOKED_AT)
        )
        with self._reading() as connection:
            for statistics in connection.execute(query).scalars():
                if rig in statistics:
                    return {name: Moments(**kept) for name, kept in statistics[rig].items()}
        return None

    def rigs(self, counted: bool = True) -> list[StoredRig]:
        rigs = self._schema.rigs
        with self._reading() as connection:
            rows = connection.execute(sa.select(rigs).order_by(rigs.c.name)).all()
            return [self._stored_rig(connection, row, counted) for row in rows]

    def total_records(self) -> int:
        with self._reading() as connection:
            count = sa.select(sa.func.count()).select_from(self._schema.readings)
            return connection.scalar(count) or 0

    def extent(self, selection: Range) -> Extent | None:
        table = self._table({"rig": None, "timestamp": None})
        timestamp = table.c.timestamp
        query = sa.select(sa.func.count(), sa.func.min(timestamp), sa.func.max(timestamp))
        with self._reading() as connection:
            where = self._within(table, selection)
            count, first, last = connection.execute(query.where(*where)).one()
        if not count:
            return None
        return Extent(count, from_microseconds(first), from_microseconds(last))

    def readings(self, selection: Range) -> Iterator[pl.DataFrame]:
        with self._reading() as connection:
            columns = self._columns(connection)
            table = self._table(columns)
            query = (
                sa.select(*(table.c[name] for name in columns))
                .where(*self._within(table, selection))
                .order_by(table.c.rig, table.c.timestamp)
            )
            result = connection.execution_options(stream_results=True).execute(query)
            schema = {**columns, "timestamp": pl.Int64()}
            for rows in result.partitions(_ROWS_AT_ONCE):
                frame = pl.DataFrame(list(map(tuple, rows)), schema=schema, orient="row")
                yield frame.with_columns(utc_times(pl.col("timestamp")))

    def kpis(self, selection: Range) -> Kpis | None:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            if stored is None:
                return None
            rig, interval_s = stored
            found = self._aggregates(connection, selection, rig)
            if not found["total_records"]:
                return None
            counter = rig.uptime_channel
            return kpi_fields(
                rig,
                found,
                last=self._last_values(connection, selection, rig),
                running=self._running(connection, selection, counter) if counter else None,
                gaps=self._gaps(connection, selection, interval_s),
                rejected=self._rejected(connection, selection),
            )

    def summary(self, selection: Range) -> dict[str, dict[str, Any]]:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            channels = stored[0].channels if stored else ()
            return {c.name: self._channel_summary(connection, selection, c) for c in channels}

    def alerts(self, selection: Range, levels: Sequence[str], limit: int) -> pl.DataFrame:
        """The newest `limit` red or yellow readings of single channels."""
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            if stored is None or not stored[0].scored_channels:
                return pl.DataFrame(schema=_ALERT_SCHEMA)
            table = self._table(self._columns(connection))
            place = sa.func.row_number().over(order_by=table.c.timestamp).label("place")
            parts = []
            for channel in stored[0].scored_channels:
                names = (channel.alert_column, channel.name, channel.zscore_column)
                columns = (table.c[name] for name in names)
                numbered = (
                    sa.select(place, table.c.timestamp, *columns)
                    .where(*self._within(table, selection))
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
            query = (
                sa.select(union).order_by(union.c.timestamp.desc(), union.c.channel).limit(limit)
            )
            rows = [tuple(row) for row in connection.execute(query)]
        schema = {**_ALERT_SCHEMA, "timestamp": pl.Int64()}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.with_columns(utc_times(pl.col("timestamp")))

    def loads(self, limit: int) -> list[dict[str, Any]]:
        loads = self._schema.loads
        query = sa.select(loads).order_by(loads.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        changes = self._schema.changes.c
        query = (
            sa.select(
                changes.sequence,
                changes.rig,
                changes.first_timestamp,
                changes.last_timestamp,
                changes.rows,
            )
            .where(changes.sequence > sequence)
            .order_by(changes.sequence)
            .limit(limit)
        )
        with self._reading() as connection:
            return [Change(*row) for row in connection.execute(query)]

    def last_sequence(self) -> int:
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(self._schema.changes.c.sequence))) or 0

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """One consistent view of the database for as long as the block lasts."""
        with translated_errors(self._engine.url), self._engine.connect() as connection:
            yield connection

    def _columns(self, connection: sa.Connection) -> dict[str, pl.DataType]:
        """Columns of the readings table, key first, and what they are in a frame."""
        kinds: dict[str, pl.DataType] = {"rig": pl.String(), "timestamp": UTC_DATETIME}
        for column in sa.inspect(connection).get_columns(self._schema.table_name):
            if column["name"] == "load_id":
                continue
            level = isinstance(column["type"], sa.Text)
            kinds.setdefault(column["name"], pl.Enum(LEVELS) if level else pl.Float64())
        return kinds

    def _table(self, columns: dict[str, Any]) -> sa.TableClause:
        return sa.table(self._schema.table_name, *(sa.column(name) for name in columns))

    def _within(self, table: sa.TableClause, selection: Range) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = [table.c.rig == selection.rig]
        if selection.start is not None:
            conditions.append(table.c.timestamp >= to_microseconds(selection.start))
        if selection.end is not None:
            conditions.append(table.c.timestamp < to_microseconds(selection.end))
        return conditions

    def _rig(self, connection: sa.Connection, name: str) -> tuple[Rig, float | None] | None:
        rigs = self._schema.rigs.c
        query = sa.select(rigs.definition, rigs.interval_s).where(rigs.name == name)
        row = connection.execute(query).first()
        return (Rig.model_validate(json.loads(row.definition)), row.interval_s) if row else None

    def _stored_rig(self, connection: sa.Connection, row: sa.Row[Any], counted: bool) -> StoredRig:
        readings = self._schema.readings.c
        # Two look-ups at the ends of the key; min and max in one query would read it all.
        mine = sa.select(readings.timestamp).where(readings.rig == row.name).limit(1)
        first = connection.scalar(mine.order_by(readings.timestamp))
        last = connection.scalar(mine.order_by(readings.timestamp.desc()))
        count = sa.select(sa.func.count()).where(readings.rig == row.name)
        return StoredRig(
            Rig.model_validate(json.loads(row.definition)),
            row.interval_s,
            (connection.scalar(count) or 0) if counted else None,
            None if first is None else from_microseconds(first),
            None if last is None else from_microseconds(last),
        )

    def _aggregates(self, connection: sa.Connection, selection: Range, rig: Rig) -> dict[str, Any]:
        table = self._table(reading_columns(rig) | {"rig": None, "timestamp": None})
        figures = [
            sa.func.count().label("total_records"),
            sa.func.min(table.c.timestamp).label("first_timestamp"),
            sa.func.max(table.c.timestamp).label("last_timestamp"),
        ]
        for channel in rig.channels:
            value = table.c[channel.name]
            figures += [
                sa.func.avg(value).label(f"{channel.name} mean"),
                sa.func.min(value).label(f"{channel.name} min"),
                sa.func.max(value).label(f"{channel.name} max"),
            ]
        for channel in rig.scored_channels:
            level = table.c[channel.alert_column]
            figures += [
                sa.func.count(sa.case((level == name, 1))).label(f"{channel.name} {name}")
                for name in ("red", "yellow")
            ]
        query = sa.select(*figures).where(*self._within(table, selection))
        return dict(connection.execute(query).one()._mapping)

    def _last_values(
        self, connection: sa.Connection, selection: Range, rig: Rig
    ) -> dict[str, float | None]:
        table = self._table(reading_columns(rig) | {"rig": None, "timestamp": None})
        query = (
            sa.select(*(table.c[channel.name] for channel in rig.channels))
            .where(*self._within(table, selection))
            .order_by(table.c.timestamp.desc())
            .limit(1)
        )
        return dict(connection.execute(query).one()._mapping)

    def _running(self, connection: sa.Connection, selection: Range, counter: Channel) -> float:
        """What a counter gained; where it falls it began again from zero."""
        table = self._table({"rig": None, "timestamp": None, counter.name: None})
        value = table.c[counter.name]
        before = sa.func.lag(value).over(order_by=table.c.timestamp)
        pairs = (
            sa.select(value.label("value"), before.label("before"))
            .where(*self._within(table, selection))
            .where(value.is_not(None))
            .subquery()
        )
        gained = sa.case(
            (pairs.c.value >= pairs.c.before, pairs.c.value - pairs.c.before),
            else_=pairs.c.value,
        )
        query = sa.select(sa.func.sum(gained)).where(pairs.c.before.is_not(None))
        return float(connection.scalar(query) or 0.0)

    def _gaps(
        self, connection: sa.Connection, selection: Range, interval_s: float | None
    ) -> tuple[int, float]:
        """Number of gaps, and their length together in hours."""
        if not interval_s:
            return 0, 0.0
        table = self._table({"rig": None, "timestamp": None})
        before = sa.func.lag(table.c.timestamp).over(order_by=table.c.timestamp)
        steps = (
            sa.select((table.c.timestamp - before).label("step"))
            .where(*self._within(table, selection))
            .subquery()
        )
        interval = round(interval_s * 1e6)
        query = sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(steps.c.step - interval), 0)
        ).where(steps.c.step > GAP_FACTOR * interval)
        count, silence = connection.execute(query).one()
        return count, silence / 3.6e9

    def _rejected(self, connection: sa.Connection, selection: Range) -> dict[str, int]:
        """Rejects by reason; those without a readable time count only without a range."""
        rejects = self._schema.rejects.c
        # A file that grows is loaded again and again, with the same faulty rows in it.
        query = sa.select(rejects.timestamp, rejects.reason, rejects.raw).distinct()
        query = query.where(rejects.rig == selection.rig)
        # What was corrected, and has been accepted by a later load, is no fault any more.
        readings = self._schema.readings.c
        corrected = sa.exists().where(
            readings.rig == rejects.rig,
            readings.timestamp == sa.type_coerce(rejects.timestamp, sa.BigInteger),
            readings.load_id > rejects.load_id,
        )
        query = query.where(~corrected)
        if selection.start is not None:
            query = query.where(rejects.timestamp >= selection.start)
        if selection.end is not None:
            query = query.where(rejects.timestamp < selection.end)
        faulty = query.subquery()
        counts = sa.select(faulty.c.reason, sa.func.count()).group_by(faulty.c.reason)
        rows = connection.execute(counts).all()
        return {row.reason: row[1] for row in rows}

    def _channel_summary(
        self, connection: sa.Connection, selection: Range, channel: Channel
    ) -> dict[str, Any]:
        """Count, mean, sample deviation, extremes, median, and least-squares slope per hour."""
        table = self._table({"rig": None, "timestamp": None, channel.name: None})
        value, timestamp = table.c[channel.name], table.c.timestamp
        where = [*self._within(table, selection), value.is_not(None)]
        func = sa.func
        first = sa.select(
            func.count(), func.avg(value), func.min(value), func.max(value), func.avg(timestamp)
        ).where(*where)
        count, mean, low, high, middle_time = connection.execute(first).one()
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
        values = list(connection.execute(middle).scalars())
        hours = (timestamp - middle_time) / 3.6e9
        # Deviations from the means first: sums of squares would cancel (ddof = 1).
        second = sa.select(
            func.sum((value - mean) * (value - mean)),
            func.sum(hours * (value - mean)),
            func.sum(hours * hours),
        ).where(*where)
        squares, products, spread = connection.execute(second).one()
        result["median"] = sum(values) / len(values)
        if count > 1:
            result["standard_deviation"] = (squares / (count - 1)) ** 0.5
        if spread:
            result["slope_per_hour"] = products / spread
        return result


_ALERT_SCHEMA: dict[str, Any] = {
    "timestamp": UTC_DATETIME,
    "channel": pl.String(),
    "level": pl.String(),
    "value": pl.Float64(),
    "zscore": pl.Float64(),
    "place": pl.Int64(),
}
