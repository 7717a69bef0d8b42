"""Upkeep of a PostgreSQL database."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import sqlalchemy as sa

from pipeline.database_errors import translated_errors
from pipeline.retry import Retry
from pipeline.stores import foreign
from pipeline.stores.base import Finding, Pruned
from pipeline.stores.postgres_key import has_key
from pipeline.stores.postgres_records import PostgresRecords
from pipeline.stores.pruning import Pruning
from pipeline.stores.records import TABLES, Records
from pipeline.stores.upkeep import Upkeep


class PostgresUpkeep(Upkeep):
    """A mixin of PostgresStore. TimescaleStore has another kind of pruning."""

    _engine: sa.Engine
    _arrow: Callable[[], sa.Engine]
    _retry: Retry
    _pruning_kind: type[Pruning] = Pruning

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sa.Connection]: ...

    @contextmanager
    def snapshot(self) -> Iterator[Records]:
        with translated_errors(self._engine.url), self._arrow().connect() as connection:
            # The ping before a kept connection is used has begun a transaction that is too old.
            connection.connection.rollback()
            with connection.begin():
                _see_one_moment(connection)
                yield PostgresRecords(connection, self._schema)

    @contextmanager
    def rewriting(self) -> Iterator[Records]:
        with translated_errors(self._engine.url), self._arrow().begin() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            foreign.sign(connection)
            yield PostgresRecords(connection, self._schema)

    @contextmanager
    def _unhurried(self) -> Iterator[sa.Connection]:
        with translated_errors(self._engine.url), self._engine.begin() as connection:
            _see_one_moment(connection)
            yield connection

    @contextmanager
    def _pruning(self) -> Iterator[Pruning]:
        with self._writing() as connection:
            yield self._pruning_kind(connection, self._schema)

    def prune_some(self, before: datetime, rig: str | None) -> Pruned:
        return self._retry(lambda: super(PostgresUpkeep, self).prune_some(before, rig))

    def prune_rollups(self, rig: str, ages: Mapping[int, datetime]) -> int:
        return self._retry(lambda: super(PostgresUpkeep, self).prune_rollups(rig, ages))

    def _server_version(self, connection: sa.Connection) -> str:
        return connection.scalar(sa.text("SELECT current_setting('server_version')")) or ""

    def _size_bytes(self, connection: sa.Connection) -> int:
        size = sa.text("SELECT pg_total_relation_size(to_regclass(quote_ident(:table)))")
        tables = [getattr(self._schema, name).name for name in TABLES]
        return sum(connection.scalar(size, {"table": name}) or 0 for name in tables)

    def _sound(self, connection: sa.Connection) -> list[Finding]:
        readings = sa.select(sa.literal(1)).select_from(self._schema.readings).limit(1)
        if has_key(connection, self._schema) or connection.scalar(readings) is None:
            return []
        return [Finding("the readings have no primary key; the next load makes it")]


def _see_one_moment(connection: sa.Connection) -> None:
    """Every question of the transaction sees what the first one has seen, and may take long."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
