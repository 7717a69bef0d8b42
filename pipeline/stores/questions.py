"""The questions of the API in SQL: figures are computed by the database, with bound values."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import translated_errors
from pipeline.kpis import Kpis
from pipeline.rig import LEVELS, Rig
from pipeline.rollups import Integers
from pipeline.scoring import Moments
from pipeline.stores import statistics_queries
from pipeline.stores.accounts import accounts_of, concerns
from pipeline.stores.base import (
    Accounts,
    Change,
    Connections,
    Extent,
    Range,
    SourceIdentity,
    StoredRig,
    Trend,
    rig_of,
)
from pipeline.stores.figures import Figures, alerts_query
from pipeline.stores.inside_buckets import ALERTS, InsideBuckets
from pipeline.stores.migrations import is_current
from pipeline.stores.pools import connections_of
from pipeline.stores.reject_queries import RejectQueries, WantedRejects
from pipeline.stores.rollup_queries import RangeSummaries, extent_of
from pipeline.stores.rollup_state import RollupState, parsed, state_of, states
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import columns_of
from pipeline.stores.trend_queries import FromReadings, TrendQuery
from pipeline.timestamps import UTC_DATETIME, utc_times

# Of a frame: as quick as more, and downloads at the same time take half of the memory.
ROWS_AT_ONCE = 10_000
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

    def retained_from(self) -> dict[str, datetime]:
        with self._reading() as connection:
            found = states(connection, self._schema)
        starts = {rig: state.raw_from for rig, state in found.items()}
        return {rig: start for rig, start in starts.items() if start is not None}

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

    def rig(self, name: str) -> StoredRig | None:
        if "\x00" in name:
            return None  # PostgreSQL refuses such a value
        rigs = self._schema.rigs
        with self._reading() as connection:
            row = connection.execute(sa.select(rigs).where(rigs.c.name == name)).first()
            return None if row is None else self._stored_rig(connection, row, counted=False)

    def definitions(self) -> dict[str, Rig]:
        rigs = self._schema.rigs.c
        with self._asking() as connection:
            rows = connection.execute(sa.select(rigs.name, rigs.definition).order_by(rigs.name))
            return {name: rig_of(definition) for name, definition in rows}

    def total_records(self) -> int:
        with self._reading() as connection:
            found = (
                extent_of(connection, self._schema, Range(rig, state.raw_from), state)
                for rig, state in states(connection, self._schema).items()
            )
            return sum(extent.records for extent in found if extent)

    def extent(self, selection: Range) -> Extent | None:
        with self._reading() as connection:
            state = state_of(connection, self._schema, selection.rig) or RollupState()
            return extent_of(connection, self._schema, selection, state)

    def readings(self, selection: Range) -> Iterator[pl.DataFrame]:
        with self._reading() as connection:
            columns = self._columns(connection)
            query = self._readings_query(columns, selection)
            result = connection.execution_options(stream_results=True).execute(query)
            schema = {**columns, "timestamp": pl.Int64()}
            for rows in result.partitions(ROWS_AT_ONCE):
                frame = pl.DataFrame(list(map(tuple, rows)), schema=schema, orient="row")
                yield frame.with_columns(utc_times(pl.col("timestamp")))

    def first_readings(self, rig: Rig, selection: Range, limit: int) -> list[dict[str, Any]]:
        table = self._schema.readings_of(rig)
        query = sa.select(table).where(*within(table, selection)).order_by(table.c.timestamp)
        with self._asking() as connection:
            return [dict(row._mapping) for row in connection.execute(query.limit(limit))]

    def _readings_query(
        self, columns: Iterable[str], selection: Range
    ) -> sa.Select[*tuple[Any, ...]]:
        """The readings of a range, in the order of their key."""
        table = self._schema.readings_with(columns)
        # As they are stored: a frame turns integers into times faster than Python does.
        raw = (sa.type_coerce(table.c[name], sa.types.NULLTYPE).label(name) for name in columns)
        return (
            sa.select(*raw)
            .where(*within(table, selection))
            .order_by(table.c.rig, table.c.timestamp)
        )

    def kpis(self, selection: Range) -> Kpis | None:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            if stored is None:
                return None
            rig, interval_s, state = stored
            return Figures(connection, self._schema, selection, rig).kpis(interval_s, state)

    def trend(self, selection: Range, points: int, readings: int = 0) -> Trend | None:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            if stored is None:
                return None
            rig, interval_s, state = stored
            query = TrendQuery(connection, self._schema, rig, interval_s, state)
            found = query.trend(selection, points, readings)
        return found.of(self.readings(selection)) if isinstance(found, FromReadings) else found

    def bucket_summaries(self, selection: Range, bounds: Integers) -> pl.DataFrame:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            rig, interval_s, state = stored or (None, None, RollupState())
            channels = [channel.name for channel in rig.channels] if rig else []
            if state.trusted:
                return statistics_queries.from_rollups(
                    connection, self._schema, selection, state, channels, bounds
                )
        return statistics_queries.from_readings(
            self.readings(selection), channels, bounds, interval_s
        )

    def summary(self, selection: Range) -> dict[str, dict[str, Any]]:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            if stored is None:
                return {}
            return Figures(connection, self._schema, selection, stored[0]).summary()

    def alerts(self, selection: Range, levels: Sequence[str], limit: int) -> pl.DataFrame:
        with self._reading() as connection:
            stored = self._rig(connection, selection.rig)
            if stored is None or not stored[0].scored_channels:
                return pl.DataFrame(schema=ALERTS)
            rig, interval_s, state = stored
            if not state.trusted:
                query = alerts_query(self._schema, rig, selection, levels).limit(limit)
                rows = [tuple(row) for row in connection.execute(query)]
                return pl.DataFrame(rows, schema=ALERTS, orient="row")
            channels = [channel.name for channel in rig.scored_channels]
            summaries = RangeSummaries(connection, self._schema, rig.name, state, channels)
            parts = summaries.parts(selection)
            if parts is None:
                return pl.DataFrame(schema=ALERTS)
            inside = InsideBuckets(summaries, state, interval_s, parts)
            found = inside.alerts(rig, selection, levels, limit)
        newest = found.sort("timestamp", "channel", descending=[True, False])
        return newest.head(limit)

    def loads(self, limit: int, rig: str | None = None) -> list[dict[str, Any]]:
        loads = self._schema.loads
        query = sa.select(loads).order_by(loads.c.id.desc()).limit(limit)
        with self._reading() as connection:
            if rig is not None:
                query = query.where(concerns(connection, loads, rig))
            return [dict(row._mapping) for row in connection.execute(query)]

    def accounts(self) -> Accounts:
        with self._reading() as connection:
            return accounts_of(connection, self._schema)

    def connections(self) -> dict[str, Connections]:
        return {"questions": connections_of(self._engine)}

    def is_current(self) -> bool:
        with self._reading() as connection:
            return is_current(connection, self._schema)

    def rejects(
        self, wanted: WantedRejects, limit: int, before: int | None = None
    ) -> list[dict[str, Any]]:
        with self._reading() as connection:
            return RejectQueries(connection, self._schema).newest(wanted, limit, before)

    def reject_counts(self, wanted: WantedRejects) -> dict[str, int]:
        with self._reading() as connection:
            return RejectQueries(connection, self._schema).counts(wanted)

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
        with self._asking() as connection:
            return [Change(*row) for row in connection.execute(query)]

    def last_sequence(self) -> int:
        with self._asking() as connection:
            return connection.scalar(sa.select(sa.func.max(self._schema.changes.c.sequence))) or 0

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """One consistent view of the database for as long as the block lasts."""
        with translated_errors(self._engine.url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        """For a single statement, which is a consistent view by itself."""
        with self._reading() as connection:
            yield connection

    def _columns(self, connection: sa.Connection) -> dict[str, pl.DataType]:
        """Columns of the readings table, key first, and what they are in a frame."""
        kinds: dict[str, pl.DataType] = {"rig": pl.String(), "timestamp": UTC_DATETIME}
        for name, kind in columns_of(connection, self._schema.table_name).items():
            if name != "load_id":
                kinds.setdefault(name, pl.Enum(LEVELS) if kind == "text" else pl.Float64())
        return kinds

    def _rig(
        self, connection: sa.Connection, name: str
    ) -> tuple[Rig, float | None, RollupState] | None:
        """A rig, its usual interval, and the state of its roll-ups; None for one not stored."""
        rigs = self._schema.rigs.c
        query = sa.select(rigs.definition, rigs.interval_s, rigs.rollups).where(rigs.name == name)
        row = connection.execute(query).first()
        if row is None:
            return None
        rig = rig_of(row.definition)
        return rig, row.interval_s, parsed(row.rollups)

    def _stored_rig(self, connection: sa.Connection, row: sa.Row[Any], counted: bool) -> StoredRig:
        state = parsed(row.rollups)
        extent = self._ends(connection, row.name, state)
        if counted:
            extent = extent_of(connection, self._schema, Range(row.name), state)
        return StoredRig(
            rig_of(row.definition),
            row.interval_s,
            (extent.records if extent else 0) if counted else None,
            extent.first_timestamp if extent else None,
            extent.last_timestamp if extent else None,
        )

    def _ends(self, connection: sa.Connection, rig: str, state: RollupState) -> Extent | None:
        """The first and last reading of a rig, by two look-ups at the ends of a key."""
        first_time = last_time = time = self._schema.readings.c.timestamp
        mine = within(self._schema.readings, Range(rig))
        if state.trusted:
            # Readings may have been pruned.
            rollups = self._schema.rollups.c
            first_time, last_time, time = (
                rollups.first_timestamp,
                rollups.last_timestamp,
                rollups.bucket,
            )
            mine = [rollups.rig == rig, rollups.level_s == state.levels[-1]]
        oldest = sa.select(first_time).where(*mine).order_by(time).limit(1)
        newest = sa.select(last_time).where(*mine).order_by(time.desc()).limit(1)
        ends = sa.select(oldest.scalar_subquery(), newest.scalar_subquery())
        first, last = connection.execute(ends).one()
        return None if first is None or last is None else Extent(0, first, last)
