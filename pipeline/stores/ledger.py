"""The ledger, the changes and the rigs: the records that go into a writer's transaction."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVarTuple

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import shown
from pipeline.errors import DatabaseError
from pipeline.rig import Rig, refuse_other_units
from pipeline.stores.base import LoadOutcome, SourceIdentity, rig_of
from pipeline.stores.schema import Moment, Schema
from pipeline.stores.sql import columns_of, inserting, wait_for_turn

Columns = TypeVarTuple("Columns")

# Nobody who is further behind than this resumes: they read everything again.
_CHANGES_KEPT = 100_000
_TIMES_AT_ONCE = 10_000


class GivenWay(NamedTuple):
    """Readings that give way to those of a load, and readings of the load that give way."""

    replaced: int = 0
    lost: int = 0


class Ledger:
    """Writes the rows that account for readings, on the connection of their transaction."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        self._changes: list[dict[str, Any]] = []

    def open(self, identity: SourceIdentity, status: str) -> int:
        """A new ledger row. Returns its number. Raises DatabaseError in an unfinished copy."""
        if columns_of(self._connection, self._schema.copying.name):
            raise DatabaseError(
                f"{shown(self._connection.engine.url)}: is an unfinished copy; "
                "start `smart-sensor migrate` again"
            )
        loads = self._schema.loads
        row = {
            "source": identity.name,
            "sha256": identity.sha256,
            "rig": identity.rig.name,
            "rig_version": identity.rig.version,
            "settings": identity.settings,
            "status": status,
            "started_at": datetime.now(UTC),
        }
        result = self._connection.execute(loads.insert().returning(loads.c.id), row)
        return int(result.scalar_one())

    def supersede(
        self, identity: SourceIdentity, load_id: int
    ) -> dict[str, tuple[datetime, datetime]]:
        """Take back what equal content brought before: all its rows were judged anew.

        Returns between which times readings of each rig were taken away.
        """
        loads, rejects = self._schema.loads, self._schema.rejects
        if identity.sha256 is None:
            return {}
        same = (
            (loads.c.sha256 == identity.sha256)
            & (loads.c.rig == identity.rig.name)
            & (loads.c.id < load_id)
        )
        earlier = self._connection.execute(
            sa.select(loads.c.id, loads.c.first_timestamp, loads.c.last_timestamp).where(same)
        ).all()
        if not earlier:
            return {}
        numbers = [load.id for load in earlier]
        self._connection.execute(rejects.delete().where(rejects.c.load_id.in_(numbers)))
        self._connection.execute(loads.update().where(same).values(status="superseded"))
        first = min(
            (load.first_timestamp for load in earlier if load.first_timestamp), default=None
        )
        last = max((load.last_timestamp for load in earlier if load.last_timestamp), default=None)
        if first is None or last is None:
            return {}
        gone: dict[str, tuple[datetime, datetime]] = {}
        for rig in self._connection.execute(sa.select(self._schema.rigs.c.name)).scalars().all():
            readings = self._schema.readings
            brought = (
                (readings.c.rig == rig)
                & readings.c.timestamp.between(first, last)
                & readings.c.load_id.in_(numbers)
            )
            time = readings.c.timestamp
            ends = sa.select(sa.func.min(time), sa.func.max(time)).where(brought)
            first_gone, last_gone = self._connection.execute(ends).one()
            if first_gone is not None:
                self._connection.execute(readings.delete().where(brought))
                self.change(rig, first, last, rows=0)
                gone[rig] = first_gone, last_gone
        return gone

    def complete(
        self, load_id: int, outcome: LoadOutcome, touched: dict[str, tuple[datetime, datetime, int]]
    ) -> None:
        """Fill in the ledger row, and record one change for each rig that was touched."""
        statistics = {
            rig: {
                channel: asdict(moments) for channel, moments in channels.items() if moments.count
            }
            for rig, channels in outcome.moments.items()
        }
        self._connection.execute(
            self._schema.loads.update().where(self._schema.loads.c.id == load_id),
            {
                "status": "complete" if outcome.accepted else "nothing accepted",
                "finished_at": datetime.now(UTC),
                "rows_read": outcome.rows_read,
                "accepted": outcome.accepted,
                "rejected": sum(outcome.rejected_by_reason.values()),
                "rejected_by_reason": outcome.rejected_by_reason,
                "statistics": statistics,
                "first_timestamp": min((first for first, _, _ in touched.values()), default=None),
                "last_timestamp": max((last for _, last, _ in touched.values()), default=None),
            },
        )
        for rig, (first, last, rows) in touched.items():
            self.change(rig, first, last, rows)

    def replaced(self, load_id: int, counts: Mapping[int | None, int]) -> "GivenWay":
        """Account for readings with the keys of load `load_id`: how many each other load had.

        They give way to it, or it to them where their load has the higher number.
        """
        loads = self._schema.loads
        replaced = lost = 0
        # In one order, so that two who count at once do not wait for each other.
        for number in sorted(counts, key=lambda number: number or 0):
            count = counts[number]
            wins = number is None or number <= load_id
            replaced, lost = replaced + count * wins, lost + count * (not wins)
            loser = number if wins else load_id
            if loser is not None:
                self._connection.execute(
                    loads.update()
                    .where(loads.c.id == loser)
                    .values(readings_replaced=loads.c.readings_replaced + count)
                )
        return GivenWay(replaced, lost)

    def count_replaced(self, load_id: int, rig: str, times: pl.Series) -> "GivenWay":
        """Account for the readings of a rig that have one of these times already."""
        readings = self._schema.readings.c
        first, last = times.min(), times.max()
        between = (readings.rig == rig) & readings.timestamp.between(first, last)
        if self._connection.scalar(sa.select(sa.literal(1)).where(between).limit(1)) is None:
            return GivenWay()
        counts: Counter[int | None] = Counter()
        for start in range(0, len(times), _TIMES_AT_ONCE):
            part = times.slice(start, _TIMES_AT_ONCE).to_list()
            owners = (
                sa.select(readings.load_id)
                .where(readings.rig == rig, readings.timestamp.in_(part))
                .order_by(readings.timestamp)
            )
            counts.update(self._connection.execute(self.held(owners)).scalars())
        return self.replaced(load_id, counts)

    def held(self, query: "sa.Select[*Columns]") -> "sa.Select[*Columns]":
        """A question about readings whose answer stays true until the transaction ends."""
        if self._schema.lockable_rows:
            return query.with_for_update(of=self._schema.readings)
        wait_for_turn(self._connection, f"{self._schema.table_name} merge")
        return query

    def add_live_rejects(self, load_id: int, rejected: dict[str, int]) -> None:
        """Count rejected rows of a live source in its ledger row."""
        loads = self._schema.loads
        mine = loads.c.id == load_id
        if rejected:
            # Locked: another batch of the same source may be counted at the same time.
            counted = sa.select(loads.c.rejected_by_reason).where(mine).with_for_update()
            known = self._connection.scalar(counted) or {}
            total = {r: known.get(r, 0) + rejected.get(r, 0) for r in {**known, **rejected}}
            count = sum(rejected.values())
            self._connection.execute(
                loads.update()
                .where(mine)
                .values(
                    rows_read=loads.c.rows_read + count,
                    rejected=loads.c.rejected + count,
                    rejected_by_reason=total,
                )
            )

    def add_live_readings(
        self, load_id: int, rig: str, first: datetime, last: datetime, rows: int
    ) -> None:
        """Count readings of a live source in its ledger row, and record the change."""
        loads = self._schema.loads
        earlier = sa.or_(loads.c.first_timestamp.is_(None), loads.c.first_timestamp > first)
        later = sa.or_(loads.c.last_timestamp.is_(None), loads.c.last_timestamp < last)
        self._connection.execute(
            loads.update()
            .where(loads.c.id == load_id)
            .values(
                rows_read=loads.c.rows_read + rows,
                accepted=loads.c.accepted + rows,
                first_timestamp=sa.case(
                    (earlier, sa.literal(first, Moment)), else_=loads.c.first_timestamp
                ),
                last_timestamp=sa.case(
                    (later, sa.literal(last, Moment)), else_=loads.c.last_timestamp
                ),
                finished_at=datetime.now(UTC),
            )
        )
        self.change(rig, first, last, rows)

    def change(self, rig: str, first: datetime, last: datetime, rows: int) -> None:
        """One more change, to be written by `announce`.

        No rows means that readings in this range were taken away.
        """
        self._changes.append(
            {"rig": rig, "first_timestamp": first, "last_timestamp": last, "rows": rows}
        )

    def announce(self) -> None:
        """Write the changes, with the next sequence numbers; very old ones go.

        The last thing that a transaction does: from here on other writers wait until it ends.
        """
        changes = self._schema.changes
        if not self._changes:
            return
        # Numbers become visible in their order: whoever has read one has not missed a lower one.
        wait_for_turn(self._connection, changes.name)
        insert = changes.insert().returning(changes.c.sequence)
        for change in self._changes:
            row = {**change, "committed_at": datetime.now(UTC)}
            sequence = self._connection.execute(insert, row).scalar_one()
        old = changes.c.sequence <= sequence - _CHANGES_KEPT
        self._connection.execute(changes.delete().where(old))
        self._changes.clear()

    def check(self, rig: Rig) -> None:
        """Raises OtherUnitError when a stored channel of the rig has another unit."""
        stored = self._stored(rig)
        if stored is not None:
            refuse_other_units(rig, rig_of(stored.definition))

    def register(self, rig: Rig) -> None:
        """Keep the rig's definition, if it is another than the one that is kept.

        Raises OtherUnitError when a stored channel has another unit.
        """
        rigs = self._schema.rigs
        values: dict[str, str | float | None] = {
            "label": rig.label,
            "time_zone": rig.time_zone,
            "definition": rig.model_dump_json(),
            "version": rig.version,
        }
        stored = self._stored(rig)
        if stored is None:
            insert = inserting(self._connection, rigs).on_conflict_do_nothing()
            row = {**values, "name": rig.name, "interval_s": rig.interval_s}
            self._connection.execute(insert.values(row))
            # Somebody else may have brought it at the same time.
            stored = self._stored(rig)
            assert stored is not None
        refuse_other_units(rig, rig_of(stored.definition))
        if rig.interval_s is not None:
            values["interval_s"] = rig.interval_s
        if any(getattr(stored, name) != value for name, value in values.items()):
            self._connection.execute(rigs.update().where(rigs.c.name == rig.name), values)

    def _stored(self, rig: Rig) -> sa.Row[Any] | None:
        rigs = self._schema.rigs
        return self._connection.execute(sa.select(rigs).where(rigs.c.name == rig.name)).first()
