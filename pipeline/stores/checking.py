"""Do the tables agree with each other? Every question is answered by the database."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.quality import REASONS
from pipeline.stores.base import Finding, Range
from pipeline.stores.schema import Schema, beyond, within
from pipeline.stores.sql import columns_of, distinct_values
from pipeline.tokens import Scope
from pipeline.words import counted

_STATUSES = ("complete", "nothing accepted", "live", "superseded")


class Check:
    """Looks at the tables on one connection, which sees one moment."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema

    def findings(self) -> list[Finding]:
        """Everything that is wrong, and what is worth knowing."""
        return [
            *self._keys(),
            *self._times(),
            *self._accounts(),
            *self._rejects(),
            *self._changes(),
            *self._rigs(),
            *self._tokens(),
            *self._copy(),
        ]

    def rigs(self) -> list[str]:
        """Names of the rigs that have readings."""
        return distinct_values(self._connection, self._schema.readings.c.rig)

    def readings_of(self, rig: str) -> int:
        query = sa.select(sa.func.count()).where(*within(self._schema.readings, Range(rig)))
        return self._connection.scalar(query) or 0

    def last_timestamp(self, rig: str) -> datetime | None:
        readings = self._schema.readings.c
        newest = readings.timestamp.desc()
        query = sa.select(readings.timestamp).where(*within(self._schema.readings, Range(rig)))
        return self._connection.scalar(query.order_by(newest).limit(1))

    def is_unfinished_copy(self) -> bool:
        return bool(columns_of(self._connection, self._schema.copying.name))

    def _count(self, query: sa.Select[Any]) -> int:
        return (
            self._connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
        )

    def _keys(self) -> Iterator[Finding]:
        readings = self._schema.readings.c
        twice = sa.select(readings.rig, readings.timestamp).group_by(
            readings.rig, readings.timestamp
        )
        count = self._count(twice.having(sa.func.count() > 1))
        if count:
            subject = counted(count, "time of a rig has", "times of a rig have")
            yield Finding(f"{subject} more than one reading")

    def _times(self) -> Iterator[Finding]:
        odd = beyond(self._schema)
        count = self._connection.scalar(odd)
        if count:
            ours = self._connection.scalar(odd.where(self._schema.readings.c.load_id.is_not(None)))
            yield Finding(
                counted(
                    count,
                    "reading has a time outside the years 1 to 9999, and is in no answer",
                    "readings have a time outside the years 1 to 9999, and are in no answer",
                ),
                wrong=bool(ours),
            )

    def _by_load(self, table: sa.Table) -> dict[int | None, int]:
        query = sa.select(table.c.load_id, sa.func.count()).group_by(table.c.load_id)
        return dict(map(tuple, self._connection.execute(query)))

    def _accounts(self) -> Iterator[Finding]:
        """Each load: what is there is what it brought, less what has gone since."""
        loads = self._schema.loads
        readings, rejects = (
            self._by_load(self._schema.readings),
            self._by_load(self._schema.rejects),
        )
        for load in self._connection.execute(sa.select(loads).order_by(loads.c.id)):
            there = readings.pop(load.id, 0), rejects.pop(load.id, 0)
            yield from (Finding(f"load {load.id}: {text}") for text in _account(load, *there))
        foreign = readings.pop(None, 0)
        if foreign:
            subject = counted(foreign, "reading is", "readings are")
            yield Finding(f"{subject} of no load: foreign", wrong=False)
        for name, left in (("reading", readings), ("reject", rejects)):
            if left:
                numbers = ", ".join(str(number) for number in sorted(left, key=str)[:10])
                subject = counted(sum(left.values()), f"{name} is", f"{name}s are")
                yield Finding(f"{subject} of loads that the ledger has not: {numbers}")

    def _rejects(self) -> Iterator[Finding]:
        rejects = self._schema.rejects.c
        count = self._count(sa.select(rejects.id).where(rejects.reason.not_in(REASONS)))
        if count:
            subject = counted(count, "reject has", "rejects have")
            yield Finding(f"{subject} no reason, or one that does not exist")

    def _changes(self) -> Iterator[Finding]:
        changes = self._schema.changes.c
        backwards = changes.first_timestamp > changes.last_timestamp
        count = self._count(sa.select(changes.sequence).where(backwards | (changes.rows < 0)))
        if count:
            one = "change ends before it begins, or has less than no rows"
            many = "changes end before they begin, or have less than no rows"
            yield Finding(counted(count, one, many))

    def _rigs(self) -> Iterator[Finding]:
        known = set(self._connection.execute(sa.select(self._schema.rigs.c.name)).scalars())
        readings = self._schema.readings.c
        for name in sorted(set(self.rigs()) - known):
            ours = (readings.rig == name) & readings.load_id.is_not(None)
            mine = self._connection.scalar(sa.select(sa.literal(1)).where(ours).limit(1))
            # Of another program's rig there is none.
            yield Finding(f"rig {name!r} has readings, and no definition", wrong=mine is not None)

    def _tokens(self) -> Iterator[Finding]:
        tokens = self._schema.tokens.c
        for name, scope in self._connection.execute(
            sa.select(tokens.name, tokens.scope).where(tokens.scope.not_in(list(Scope)))
        ):
            yield Finding(f"token {name!r} has the scope {scope!r}, which does not exist")

    def _copy(self) -> Iterator[Finding]:
        if self.is_unfinished_copy():
            yield Finding("this is an unfinished copy; start `smart-sensor migrate` again")


def _account(load: sa.Row[Any], readings: int, rejects: int) -> Iterator[str]:
    if load.status not in _STATUSES:
        yield f"its status is {load.status!r}"
    if load.status == "superseded":
        if readings or rejects:
            there = f"{counted(readings, 'reading')} and {counted(rejects, 'reject')}"
            yield f"superseded, and {there} are there"
        return
    expected = load.accepted - load.readings_replaced - load.readings_pruned
    if readings != expected:
        yield (
            f"{counted(readings, 'reading is', 'readings are')} there, not {expected:,}: "
            f"{load.accepted:,} accepted, {load.readings_replaced:,} replaced, "
            f"{load.readings_pruned:,} pruned"
        )
    if rejects != load.rejected - load.rejects_pruned:
        yield (
            f"{counted(rejects, 'reject is', 'rejects are')} there, "
            f"not {load.rejected - load.rejects_pruned:,}: "
            f"{load.rejected:,} rejected, {load.rejects_pruned:,} pruned"
        )
    if load.rejected != sum(load.rejected_by_reason.values()):
        yield f"{load.rejected:,} rejected, and its reasons make another number"
    if load.rows_read != load.accepted + load.rejected:
        one, many = "row read is not", "rows read are not all"
        yield f"{counted(load.rows_read, one, many)} accepted or rejected"
