"""PostgreSQL: questions through psycopg, loads and exports in Arrow (see arrow.py)."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import shown, translated_errors
from pipeline.db_utils import get_engine
from pipeline.errors import DatabaseError, DatabaseUnavailable
from pipeline.retry import Retry
from pipeline.settings import Settings
from pipeline.stores import arrow, foreign, live, questions
from pipeline.stores.base import Connections, Incoming, Range, SourceIdentity
from pipeline.stores.ledger import GivenWay
from pipeline.stores.migrations import add_channels, is_current, migrate, missing_columns
from pipeline.stores.pools import connections_of
from pipeline.stores.postgres_key import make_complete
from pipeline.stores.postgres_load import PostgresLoad, upsert
from pipeline.stores.postgres_notices import Notices
from pipeline.stores.postgres_rows import take_as_sent
from pipeline.stores.postgres_upkeep import PostgresUpkeep
from pipeline.stores.questions import Questions
from pipeline.stores.schema import Schema
from pipeline.stores.sql import wait_for_turn
from pipeline.stores.tokens import TokenTable

logger = logging.getLogger(__name__)

_OLDEST = 14
_LOCK_TIMEOUT_S = 30


class PostgresStore(Questions, PostgresUpkeep, TokenTable):
    """A PostgreSQL database as a Store."""

    backend = "postgresql"
    _lockable_rows = True

    def __init__(self, settings: Settings) -> None:
        engine = get_engine(settings)
        super().__init__(engine, Schema(settings.table_name, self._lockable_rows))
        sa.event.listen(engine, "before_cursor_execute", take_as_sent)
        self._retry = Retry(settings.database_retry_s)
        self._arrow = arrow.coming_engine(engine.url, settings)
        self._retry(self._migrate)
        # With no connection to keep there is none to listen on: a pooler may stand in between.
        self._may_listen = settings.database_pool_size > 0
        self._notices: Notices | None = None
        self._version_then: tuple[int, int] | None = None  # what was heard, and the version

    def close(self) -> None:
        if self._notices is not None:
            self._notices.close()
        self._arrow().dispose()
        self._engine.dispose()

    def version_at_once(self) -> int | None:
        if self._notices is None and self._may_listen:
            self._notices = Notices(self._engine.url, self._schema)
        then = self._version_then
        return then[1] if then and then[0] == self._heard() else None

    @property
    def hears(self) -> bool:
        return self._heard() is not None

    def version(self) -> int:
        heard = self._heard()  # before: what comes meanwhile is asked for again
        version = self._asked_version()
        if heard is not None:
            self._version_then = heard, version
        return version

    def _heard(self) -> int | None:
        return self._notices.heard if self._notices else None

    @cached_property
    def _version_query(self) -> sa.Select[*tuple[Any, ...]]:
        changes, loads = self._schema.changes, self._schema.loads
        # Every commit changes one of these, whatever the order in which commits become visible.
        figures = [
            sa.select(sa.func.max(changes.c.sequence)),
            sa.select(sa.func.count()).where(changes.c.rig == foreign.NOBODY),
            sa.select(sa.func.count()).select_from(loads),
            sa.select(sa.func.sum(loads.c.rows_read)),
        ]
        table = sa.text("to_regclass(quote_ident(:table))::oid::bigint")
        subqueries = (figure.scalar_subquery() for figure in figures)
        return sa.select(table.bindparams(table=changes.name), *subqueries)

    def _asked_version(self) -> int:
        with self._asking() as connection:
            oid, *found = connection.execute(self._version_query).one()
        digest = hashlib.blake2b(repr(found).encode(), digest_size=4).digest()
        # Of tables that were made anew the numbers begin anew.
        return int((oid << 32) + int.from_bytes(digest))

    def connections(self) -> dict[str, Connections]:
        return {**super().connections(), "files": connections_of(self._arrow())}

    def readings(self, selection: Range) -> Iterator[pl.DataFrame]:
        with translated_errors(self._engine.url), self._arrow().connect() as connection:
            columns = self._columns(connection)
            query = self._readings_query(columns, selection)
            for frame in arrow.fetched(connection, query, questions.ROWS_AT_ONCE):
                yield frame.cast(pl.Schema(columns))

    @contextmanager
    def loading(
        self, identity: SourceIdentity, incoming: Incoming, again: bool = False
    ) -> Iterator["PostgresLoad | None"]:
        self._make_room(identity, incoming)
        with (
            translated_errors(self._engine.url),
            self._arrow().connect() as connection,
            connection.begin(),
        ):
            # A load takes as long as it takes.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            foreign.sign(connection)
            # Two processes may bring the same source: the second one finds it loaded.
            wait_for_turn(connection, f"{self._schema.table_name} {identity.sha256}")
            if not again and self._known(connection, identity) is not None:
                yield None
            else:
                yield self._load(connection, identity, incoming)

    def begin_live(self, identity: SourceIdentity) -> int:
        def once() -> int:
            with self._writing() as connection:
                make_complete(connection, self._schema)
                return live.begin(connection, self._schema, identity)

        return self._retry(once)

    def append(
        self, load_id: int, source: SourceIdentity, readings: pl.DataFrame, rejects: pl.DataFrame
    ) -> None:
        transaction: str | None = None

        def once() -> None:
            nonlocal transaction
            if transaction is not None and self._was_committed(transaction):
                return
            transaction = None
            with self._writing() as connection:
                self._append(connection, load_id, source, readings, rejects)
                # Should the connection be lost while it commits, the server knows the outcome.
                number = sa.text("SELECT pg_current_xact_id()::text")
                transaction = connection.scalar(number)

        self._retry(once)

    def _append(
        self,
        connection: sa.Connection,
        load_id: int,
        source: SourceIdentity,
        readings: pl.DataFrame,
        rejects: pl.DataFrame,
    ) -> None:
        def write(part: pl.DataFrame, expected: GivenWay) -> None:
            upsert(connection, self._schema, load_id, source, part, expected)

        make_complete(connection, self._schema)
        _insert_rejects(connection, self._schema, load_id, source.name, rejects)
        live.append(connection, self._schema, load_id, source, readings, rejects, write)

    def _was_committed(self, transaction: str) -> bool:
        """What became of a transaction. Raises DatabaseUnavailable while it is not decided."""
        status = sa.text("SELECT pg_xact_status(CAST(:transaction AS xid8))")
        with self._reading() as connection:
            state = connection.scalar(status, {"transaction": transaction})
        if state == "in progress":
            raise DatabaseUnavailable(f"{shown(self._engine.url)}: a commit is not decided yet")
        return bool(state == "committed")

    def _make_room(self, identity: SourceIdentity, incoming: Incoming) -> None:
        """Add the columns that a load needs, in a transaction of their own.

        In the load's they would shut out all readers for as long as it takes.
        """
        if not incoming.spans:
            return
        with self._reading() as connection:
            if not missing_columns(connection, self._schema, identity.rig):
                return
        with self._writing() as connection:
            add_channels(connection, self._schema, identity.rig)

    def _load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> "PostgresLoad":
        return PostgresLoad(connection, self._schema, identity, incoming)

    def _migrate(self) -> None:
        with self._reading() as connection:
            _refuse_old(connection)
            if is_current(connection, self._schema):
                return
        with self._writing() as connection:
            # Ten workers that start at once: one makes the tables, the others find them.
            wait_for_turn(connection, f"{self._schema.table_name} migrations")
            migrate(connection, self._schema)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with translated_errors(self._engine.url), self._engine.begin() as connection:
            foreign.sign(connection)
            # It may take as long as it takes, but not wait for ever for somebody else.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'")
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with (
            translated_errors(self._engine.url),
            self._engine.connect().execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            ) as connection,
        ):
            yield connection

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        # To begin a transaction and to end it take as long as to ask.
        with (
            translated_errors(self._engine.url),
            self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            yield connection


def _insert_rejects(
    connection: sa.Connection, schema: Schema, load_id: int, source: str, rejects: pl.DataFrame
) -> None:
    rows = [{"load_id": load_id, "source": source, **row} for row in rejects.to_dicts()]
    if rows:
        connection.execute(schema.rejects.insert(), rows)


def _refuse_old(connection: sa.Connection) -> None:
    version = connection.scalar(sa.text("SELECT current_setting('server_version_num')::integer"))
    if (version or 0) < _OLDEST * 10_000:
        raise DatabaseError(
            f"{shown(connection.engine.url)}: PostgreSQL {(version or 0) // 10_000} is too old; "
            f"{_OLDEST} or newer is needed"
        )
