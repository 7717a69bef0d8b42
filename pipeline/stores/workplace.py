"""Where a table is adopted: one transaction that makes our tables and fills them.

What each database has its own way of; the drivers of servers are imported where they are used.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import sqlalchemy as sa

from pipeline.database_errors import translated_errors
from pipeline.db_utils import get_engine, is_postgres, is_timescale
from pipeline.settings import Settings
from pipeline.stores.base import Incoming, LoadWriter, SourceIdentity
from pipeline.stores.migrations import add_channels, migrate
from pipeline.stores.schema import Schema
from pipeline.stores.sql import wait_for_turn
from pipeline.stores.sqlite import SqliteLoad

# So long we wait for a reader of the table: everybody else waits behind us.
_PATIENCE = "10s"


class Workplace(Protocol):
    """What adoption needs of a database."""

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A transaction; whoever else opens the database waits until it ends."""

    def make_tables(self, connection: sa.Connection) -> None:
        """Make our tables, empty, in the transaction."""

    def load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> LoadWriter:
        """A load in the same transaction, its ledger row begun."""


def workplace(settings: Settings) -> Workplace:
    """The one for the database that DATABASE_URL names."""
    if not is_postgres(settings):
        return _Sqlite(settings)
    return _Timescale(settings) if is_timescale(settings) else _Postgres(settings)


class _Sqlite:
    def __init__(self, settings: Settings) -> None:
        self._engine = get_engine(settings)
        self._schema = Schema(settings.table_name)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        with (
            translated_errors(self._engine.url),
            self._engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def make_tables(self, connection: sa.Connection) -> None:
        migrate(connection, self._schema)

    def load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> LoadWriter:
        load = SqliteLoad(connection, self._schema, identity, incoming)
        load.lock()
        load.open()
        return load


class _Postgres:
    def __init__(self, settings: Settings) -> None:
        self._engine = get_engine(settings)
        self._schema = Schema(settings.table_name)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        from pipeline.stores.arrow import arrow_engine

        engine = arrow_engine(self._engine.url, poolclass=sa.NullPool)
        with translated_errors(self._engine.url), engine.begin() as connection:
            # Each in a statement of its own, as ADBC prepares them.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            # The rows are read twice, in the same order.
            connection.exec_driver_sql("SET LOCAL synchronize_seqscans = off")
            wait_for_turn(connection, f"{self._schema.table_name} migrations")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
            yield connection

    def make_tables(self, connection: sa.Connection) -> None:
        migrate(connection, self._schema)

    def load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> LoadWriter:
        from pipeline.stores.postgres_load import PostgresLoad

        add_channels(connection, self._schema, identity.rig)
        return PostgresLoad(connection, self._schema, identity, incoming)


class _Timescale(_Postgres):
    def make_tables(self, connection: sa.Connection) -> None:
        from pipeline.stores.timescale import make_hypertable, refuse_old

        refuse_old(connection)
        super().make_tables(connection)
        make_hypertable(connection, self._schema)

    def load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> LoadWriter:
        from pipeline.stores.timescale import TimescaleLoad

        add_channels(connection, self._schema, identity.rig)
        return TimescaleLoad(connection, self._schema, identity, incoming)
