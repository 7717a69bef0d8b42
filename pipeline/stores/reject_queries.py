"""Rejected rows, newest first, and how many there are of each reason.

A page of them is found in a few steps down an index, however many there are: of a rig, each reason
has its newest rows at one end of (rig, reason, id). Those between two times are looked up by
(rig, timestamp), those of a load by it, and then sorted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from pipeline.quality import REASONS
from pipeline.stores.schema import Schema
from pipeline.stores.sql import distinct_values

# A statement of more parts takes longer to plan than to answer.
_MOST_RIGS = 40


@dataclass(frozen=True)
class WantedRejects:
    """Which rejected rows; those without a readable time are in no range of times."""

    rig: str | None = None
    load: int | None = None
    reason: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class RejectQueries:
    """Questions about the rejects on one connection."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        self._columns = schema.rejects.c

    def newest(
        self, wanted: WantedRejects, limit: int, before: int | None = None
    ) -> list[dict[str, Any]]:
        """The newest rows, or those that are older than the one with the id `before`."""
        table = self._schema.rejects
        parts = [
            sa.select(table.c.id)
            .where(*conditions, *([] if before is None else [table.c.id < before]))
            .order_by(table.c.id.desc())
            .limit(limit)
            for conditions in self._parts(wanted)
        ]
        if not parts:
            return []
        # SQLite takes no ORDER BY in a part of a union, but in a subquery of it.
        found = sa.union_all(*(sa.select(part.subquery().c.id) for part in parts)).subquery()
        newest = sa.select(found.c.id).order_by(found.c.id.desc()).limit(limit)
        rows = sa.select(table).where(table.c.id.in_(newest)).order_by(table.c.id.desc())
        return [row._asdict() for row in self._connection.execute(rows)]

    def counts(self, wanted: WantedRejects) -> dict[str, int]:
        """How many rows there are of each reason, in the order in which reasons apply."""
        columns = self._columns
        query = sa.select(columns.reason, sa.func.count()).group_by(columns.reason)
        found: dict[str, int] = dict(
            map(tuple, self._connection.execute(query.where(*self._conditions(wanted))))
        )
        return {reason: found[reason] for reason in REASONS if reason in found}

    def _parts(self, wanted: WantedRejects) -> Iterator[list[sa.ColumnElement[bool]]]:
        """Conditions of the selections that one index each leads to, and that are all of it."""
        is_by_key = wanted.load is not None or wanted.start is not None or wanted.end is not None
        if is_by_key or (wanted.rig is None and wanted.reason is None):
            yield self._conditions(wanted)
            return
        rigs = self._rigs(wanted)
        if len(rigs) > _MOST_RIGS:
            yield self._conditions(wanted)
            return
        for rig in rigs:
            for reason in REASONS if wanted.reason is None else (wanted.reason,):
                yield [self._columns.rig == rig, self._columns.reason == reason]

    def _conditions(self, wanted: WantedRejects) -> list[sa.ColumnElement[bool]]:
        columns = self._columns
        found: list[sa.ColumnElement[bool]] = []
        if wanted.load is not None:
            found.append(columns.load_id == wanted.load)
        if wanted.rig is not None:
            found.append(columns.rig == wanted.rig)
        elif wanted.load is None and (wanted.start or wanted.end or wanted.reason):
            # By name, because the indexes begin with the rig.
            found.append(columns.rig.in_(self._rigs(wanted)))
        if wanted.reason is not None:
            found.append(columns.reason == wanted.reason)
        if wanted.start is not None:
            found.append(columns.timestamp >= wanted.start)
        if wanted.end is not None:
            found.append(columns.timestamp < wanted.end)
        return found

    def _rigs(self, wanted: WantedRejects) -> list[str]:
        """The rigs that there are rejects of."""
        return [wanted.rig] if wanted.rig is not None else self._all_rigs

    @cached_property
    def _all_rigs(self) -> list[str]:
        return distinct_values(self._connection, self._columns.rig)
