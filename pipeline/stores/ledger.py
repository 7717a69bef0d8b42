"""The ledger, the changes and the rigs: the records that go into a writer's transaction."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl
import sqlalchemy as sa

from pipeline.errors import RigError
from pipeline.rig import Rig
from pipeline.stores.base import LoadOutcome, SourceIdentity
from pipeline.stores.schema import Moment, Schema
from pipeline.stores.sql import wait_for_turn

# Nobody who is further behind than this resumes: they read everything again.
_CHANGES_KEPT = 100_000
_TIMES_AT_ONCE = 10_000


class Ledger:
    """Writes the rows that account for readings, on the connection of their transaction."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema

    def open(self, identity: SourceIdentity, status: str) -> int:
        """A new ledger row. Returns its number."""
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

    def supersede(self, identity: SourceIdentity, load_id: int) -> None:
        """Take back what equal content brought before: all its rows were judged anew."""
        loads, rejects = self._schema.loads, self._schema.rejects
        if identity.sha256 is None:
            return
        same = (
            (loads.c.sha256 == identity.sha256)
            & (loads.c.rig == identity.rig.name)
            & (loads.c.id < load_id)
        )
        earlier = self._connection.execute(
            sa.select(loads.c.id, loads.c.first_timestamp, loads.c.last_timestamp).where(same)
        ).all()
        if not earlier:
            return
        numbers = [load.id for load in earlier]
        self._connection.execute(rejects.delete().where(rejects.c.load_id.in_(numbers)))
        self._connection.execute(loads.update().where(same).values(status="superseded"))
        first = min(
            (load.first_timestamp for load in earlier if load.first_timestamp), default=None
        )
        last = max((load.last_timestamp for load in earlier if load.last_timestamp), default=None)
        if first is None or last is None:
            return
        for rig in self._connection.execute(sa.select(self._schema.rigs.c.name)).scalars().all():
            readings = self._schema.readings
            brought = (
                (readings.c.rig == rig)
                & readings.c.timestamp.between(first, last)
                & readings.c.load_id.in_(numbers)
            )
            if self._connection.scalar(sa.select(sa.literal(1)).where(brought).limit(1)):
                self._connection.execute(readings.delete().where(brought))
                self.change(rig, first, last, rows=0)

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

    def replaced(self, load_id: int, counts: Mapping[int | None, int]) -> int:
        """Account for readings with the keys of load `load_id`: how many each other load had.

        They give way to it, or it to them where their load has the higher number. Returns how
        many give way to it.
        """
        loads = self._schema.loads
        given_way = 0
        for number, count in counts.items():
            loser = load_id if number is not None and number > load_id else number
            given_way += count if number is None or number <= load_id else 0
            if loser is not None:
                self._connection.execute(
                    loads.update()
                    .where(loads.c.id == loser)
                    .values(readings_replaced=loads.c.readings_replaced + count)
                )
        return given_way

    def count_replaced(self, load_id: int, rig: str, times: pl.Series) -> int:
        """Account for the readings of a rig that have one of these times already.

        Returns how many will be replaced.
        """
        readings = self._schema.readings.c
        stored = sa.select(readings.load_id, sa.func.count()).group_by(readings.load_id)
        first, last = times.min(), times.max()
        between = (readings.rig == rig) & readings.timestamp.between(first, last)
        if self._connection.scalar(sa.select(sa.literal(1)).where(between).limit(1)) is None:
            return 0
        counts: Counter[int | None] = Counter()
        for start in range(0, len(times), _TIMES_AT_ONCE):
            part = times.slice(start, _TIMES_AT_ONCE).to_list()
            query = stored.where(readings.rig == rig, readings.timestamp.in_(part))
            counts.update(dict(self._connection.execute(query).all()))
        return self.replaced(load_id, counts)

    def add_live_rejects(self, load_id: int, rejected: dict[str, int]) -> None:
        """Count rejected rows of a live source in its ledger row."""
        loads = self._schema.loads
        mine = loads.c.id == load_id
        if rejected:
            known = self._connection.scalar(sa.select(loads.c.rejected_by_reason).where(mine)) or {}
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
        """One more change, with the next sequence number; very old ones go.

        No rows means that readings in this range were taken away.
        """
        changes = self._schema.changes
        # Numbers become visible in their order: whoever has read one has not missed a lower one.
        wait_for_turn(self._connection, changes.name)
        row = {
            "rig": rig,
            "first_timestamp": first,
            "last_timestamp": last,
            "rows": rows,
            "committed_at": datetime.now(UTC),
        }
        insert = changes.insert().returning(changes.c.sequence)
        sequence = self._connection.execute(insert, row).scalar_one()
        old = changes.c.sequence <= sequence - _CHANGES_KEPT
        self._connection.execute(changes.delete().where(old))

    def register(self, rig: Rig) -> None:
        """Keep the rig's definition. Raises RigError when a stored channel has another unit."""
        rigs = self._schema.rigs
        stored = self._connection.execute(sa.select(rigs).where(rigs.c.name == rig.name)).first()
        values: dict[str, str | float | None] = {
            "label": rig.label,
            "time_zone": rig.time_zone,
            "definition": rig.model_dump_json(),
            "version": rig.version,
        }
        if stored is None:
            values |= {"name": rig.name, "interval_s": rig.interval_s}
            self._connection.execute(rigs.insert(), values)
            return
        _refuse_other_units(rig, Rig.model_validate(json.loads(stored.definition)))
        if rig.interval_s is not None:
            values["interval_s"] = rig.interval_s
        self._connection.execute(rigs.update().where(rigs.c.name == rig.name), values)


def _refuse_other_units(rig: Rig, stored: Rig) -> None:
    """Values of two units must never meet in one column under one rig's name."""
    for channel in rig.channels:
        known = stored.channel(channel.name)
        if known and (known.unit, known.kind) != (channel.unit, channel.kind):
            raise RigError(
                f"rig {rig.name!r}: channel {channel.name!r} is stored as {known.kind} in "
                f"{known.unit!r}, this rig file says {channel.kind} in {channel.unit!r}; "
                "load it under another name with --rig NAME, or give its source's unit instead"
            )
