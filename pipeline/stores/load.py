"""One load inside its transaction: what is the same in every database."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from pipeline.quality import REJECT_SCHEMA
from pipeline.stores.base import Incoming, LoadOutcome, Range, SourceIdentity, span
from pipeline.stores.ledger import GivenWay, Ledger
from pipeline.stores.rollup_builder import LoadRollups
from pipeline.stores.rollup_state import refuse_pruned, states
from pipeline.stores.schema import Schema, within
from pipeline.stores.sql import columns_of, elapsed

# rig -> first and last time, and number of readings
Touched = dict[str, tuple[datetime, datetime, int]]

REJECT_COLUMNS = ("load_id", "source", *REJECT_SCHEMA)
# What the readings are called while rows are merged: TABLE_NAME may be `excluded`.
STORED = "stored"


class Load:
    """Writes to one connection; each database says how its rows get in."""

    load_id: int

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
        self._ledger = Ledger(connection, schema)
        self._touched: Touched = {}
        self._rollups = LoadRollups(connection, schema, identity, incoming)

    def finish(self, outcome: LoadOutcome) -> None:
        gone: dict[str, tuple[datetime, datetime]] = {}
        if outcome.accepted:
            # A load of which nothing is accepted takes nothing back: it may be a wrong rig file.
            gone = self._ledger.supersede(self._identity, self.load_id)
        # Late, and in one order: others need the same rows.
        for name in sorted(self._touched.keys() | gone.keys()):
            if name in self._touched:
                self._ledger.register(self._identity.rig.renamed(name))
                self._keep_interval(name)
            self._rollups.write(name, gone.get(name))
        self._ledger.complete(self.load_id, outcome, self._touched)
        self._ledger.announce()

    def open(self) -> None:
        """Begin the ledger row. Raises RigError when the rig contradicts what is stored."""
        known = states(self._connection, self._schema)
        for name, (first, _) in self._incoming.spans.items():
            self._ledger.check(self._identity.rig.renamed(name))
            if name in known:
                refuse_pruned(known[name].raw_from, name, first, self._identity.name)
        self.load_id = self._ledger.open(self._identity, "open")

    @property
    def _value_columns(self) -> list[str]:
        """The columns of a reading that the load brings, key first."""
        return ["rig", "timestamp", *self._identity.rig.value_columns]

    def _noted(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same frames; remembers what each rig got."""
        self._rollups.begin()
        for frame in frames:
            name, (first, last, rows) = frame["rig"][0], span(frame)
            known = self._touched.get(name, (first, last, 0))
            self._touched[name] = min(first, known[0]), max(last, known[1]), known[2] + rows
            self._rollups.add(frame)
            yield frame

    def _is_new_ground(self) -> bool:
        """Whether nothing at all is stored between the times that the load brings."""
        table = self._schema.readings
        return not any(
            self._connection.scalar(
                sa.select(sa.literal(1))
                .where(table.c.rig == rig, table.c.timestamp.between(first, last))
                .limit(1)
            )
            for rig, (first, last) in self._incoming.spans.items()
        )

    def _merge(self, staging: str) -> None:
        """Insert or replace what stands in a staging table without `load_id`, in key order."""
        self._count_replaced(staging)
        self._connection.execute(sa.text(self._merging(staging)), {"load_id": self.load_id})

    def _merging(self, staging: str) -> str:
        """The statement that merges a staging table; `:load_id` is bound."""
        quote = self._connection.dialect.identifier_preparer.quote
        columns = ", ".join(map(quote, self._value_columns))
        return (
            f"INSERT INTO {quote(self._schema.table_name)} AS {STORED} (load_id, {columns})"  # noqa: S608  # quoted names
            f" SELECT :load_id, {columns} FROM {staging} WHERE true ORDER BY rig, timestamp"
            f" {on_conflict(self._connection, self._schema)}"
        )

    def _count_replaced(self, staging: str) -> GivenWay:
        """Account for the readings that will give way, or that ours will give way to."""
        readings = self._schema.readings
        coming = sa.table(
            sa.quoted_name(staging, quote=False),
            sa.column("rig", readings.c.rig.type),
            sa.column("timestamp", readings.c.timestamp.type),
        )
        same = (readings.c.rig == coming.c.rig) & (readings.c.timestamp == coming.c.timestamp)
        # Held, so that those that are counted are those that give way.
        owners = self._ledger.held(
            sa.select(readings.c.load_id)
            .join(coming, same)
            .order_by(readings.c.rig, readings.c.timestamp)
        ).cte("owners of keys")  # no table of a setting can have this name
        query = sa.select(owners.c.load_id, sa.func.count()).group_by(owners.c.load_id)
        counts: dict[int | None, int] = dict(self._connection.execute(query).all())
        return self._ledger.replaced(self.load_id, counts)

    def _keep_interval(self, rig: str) -> None:
        """Set the usual interval of a rig whose file does not say it, at its first load."""
        rigs = self._schema.rigs.c
        known = self._connection.scalar(sa.select(rigs.interval_s).where(rigs.name == rig))
        if known is None:
            interval_s = self._incoming.intervals.get(rig) or self._median_step_s(rig)
            update = self._schema.rigs.update().where(rigs.name == rig)
            self._connection.execute(update.values(interval_s=interval_s))

    def _median_step_s(self, rig: str) -> float | None:
        """Median step of all that is stored, sorted by the database (on disk if need be)."""
        table = self._schema.readings
        before = sa.func.lag(table.c.timestamp).over(order_by=table.c.timestamp)
        pairs = (
            sa.select(table.c.timestamp.label("later"), before.label("earlier"))
            .where(*within(table, Range(rig)))
            .subquery()
        )
        step = elapsed(pairs.c.later, pairs.c.earlier)
        steps = sa.select(step.label("step")).where(pairs.c.earlier.is_not(None)).subquery()
        count = self._connection.scalar(sa.select(sa.func.count()).select_from(steps)) or 0
        if not count:
            return None
        middle = sa.select(steps.c.step).order_by(steps.c.step)
        middle = middle.limit(2 - count % 2).offset((count - 1) // 2)
        values = list(self._connection.execute(middle).scalars())
        return float(sum(values) / len(values) / 1e6)


def on_conflict(connection: sa.Connection, schema: Schema) -> str:
    """The end of an INSERT INTO the readings AS `STORED`: the higher of two load numbers wins."""
    quote = connection.dialect.identifier_preparer.quote
    # Every column is set, so that nothing of a replaced reading stays.
    assignments = ", ".join(
        f"{quote(name)} = excluded.{quote(name)}"
        for name in columns_of(connection, schema.table_name)
        if name not in ("rig", "timestamp")
    )
    return (
        f"ON CONFLICT (rig, timestamp) DO UPDATE SET {assignments}"
        f" WHERE excluded.load_id >= coalesce({STORED}.load_id, 0)"
    )
