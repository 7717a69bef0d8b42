"""What keeps a database in order: figures of its state, a check of its accounts, pruning."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

import sqlalchemy as sa

from pipeline.stores.accounts import loads_by_status
from pipeline.stores.base import Finding, Pruned, Rebuilt, Status
from pipeline.stores.checking import Check
from pipeline.stores.migrations import MIGRATIONS
from pipeline.stores.pruning import Pruning
from pipeline.stores.records import Records
from pipeline.stores.rollup_upkeep import RollupUpkeep
from pipeline.stores.schema import Schema


class Upkeep(ABC):
    """A mixin of the stores; each says how it opens its transactions."""

    backend: str
    _schema: Schema

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Records]:
        """The tables as they are at one moment, for as long as the block lasts."""

    @abstractmethod
    def rewriting(self) -> AbstractContextManager[Records]:
        """The tables in one transaction that writes: all of the block is there, or nothing."""

    @abstractmethod
    def _unhurried(self) -> AbstractContextManager[sa.Connection]:
        """One consistent view, for questions that may take long."""

    @abstractmethod
    def _pruning(self) -> AbstractContextManager[Pruning]:
        """A short transaction that prunes."""

    @abstractmethod
    def _server_version(self, connection: sa.Connection) -> str: ...

    @abstractmethod
    def _size_bytes(self, connection: sa.Connection) -> int: ...

    @abstractmethod
    def _sound(self, connection: sa.Connection) -> list[Finding]:
        """What the database itself finds wrong."""

    def status(self) -> Status:
        """Facts of the database. Counts the readings, which takes time where there are many."""
        changes = self._schema.changes
        with self._unhurried() as connection:
            records = Check(connection, self._schema)
            rigs = records.rigs()
            return Status(
                backend=self.backend,
                server_version=self._server_version(connection),
                table=self._schema.table_name,
                schema_step=max(MIGRATIONS),
                readings={rig: records.readings_of(rig) for rig in rigs},
                rejects=connection.scalar(
                    sa.select(sa.func.count()).select_from(self._schema.rejects)
                )
                or 0,
                loads=loads_by_status(connection, self._schema),
                size_bytes=self._size_bytes(connection),
                last_timestamp=max(filter(None, map(records.last_timestamp, rigs)), default=None),
                last_sequence=connection.scalar(sa.select(sa.func.max(changes.c.sequence))) or 0,
                unfinished_copy=records.is_unfinished_copy(),
            )

    def check(self, deep: bool = False) -> list[Finding]:
        """What is wrong with the database, or worth knowing; the promises are in docs/moving.md."""
        with self._unhurried() as connection:
            found = self._sound(connection) + Check(connection, self._schema).findings()
            if deep:
                found += RollupUpkeep(connection, self._schema).findings()
            return found

    def rebuild_rollups(self, rig: str) -> Iterator[Rebuilt]:
        """Make the roll-ups of a rig anew, a transaction a step; goes on where one has stopped."""
        done = False
        while not done:
            with self.rewriting() as records:
                step = records.rebuild_some(rig)
            yield step
            done = step.done

    def expired(self, before: datetime, rig: str | None) -> Pruned:
        """How much is older than a time: what `prune` would delete."""
        with self._unhurried() as connection:
            return Pruning(connection, self._schema).expired(before, rig)

    def prune_some(self, before: datetime, rig: str | None) -> Pruned:
        """Delete a bounded number of readings and rejects older than a time, in one transaction.

        Their loads count them, and a change without rows says where they were. Returns what was
        deleted: nothing when nothing is left.
        """
        with self._pruning() as pruning:
            return pruning.some(before, rig)

    def prune_rollups(self, rig: str, ages: Mapping[int, datetime]) -> int:
        """Delete roll-ups of levels that are older than a time each; returns how many."""
        with self._pruning() as pruning:
            return pruning.rollups(rig, ages)

    def unfinished_rollups(self, before: datetime) -> list[str]:
        """Rigs with readings older than a time that have not all the roll-ups they could have."""
        with self._unhurried() as connection:
            return RollupUpkeep(connection, self._schema).unfinished(before)

    def impossible_rollups(self, before: datetime) -> dict[str, float | None]:
        """Rigs with readings older than a time that can have no roll-ups, and their usual
        intervals: too long, or not known."""
        with self._unhurried() as connection:
            return RollupUpkeep(connection, self._schema).impossible(before)
