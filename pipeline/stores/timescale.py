"""TimescaleDB: PostgreSQL whose readings are a hypertable, compressed by rig, newest first."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import shown
from pipeline.errors import DatabaseError
from pipeline.spool import Spool
from pipeline.stores.base import Incoming, SourceIdentity
from pipeline.stores.chunks import ChunkUpkeep
from pipeline.stores.postgres import PostgresStore
from pipeline.stores.postgres_key import is_hypertable
from pipeline.stores.postgres_load import PostgresLoad
from pipeline.stores.schema import Schema
from pipeline.stores.sql import wait_for_turn

logger = logging.getLogger(__name__)

_OLDEST = (2, 18)
_DIRECT_COMPRESS = (2, 21)
# So many readings a chunk: its index and what is not compressed yet fit into memory.
_ROWS_A_CHUNK = 10_000_000
_INTERVALS = [timedelta(hours=1), timedelta(hours=6)] + [timedelta(days=n) for n in (1, 7, 30, 365)]
_USUAL_INTERVAL = timedelta(days=7)
# A smaller load leaves its chunks as they are: the policy compresses them in time.
_WORTH_COMPRESSING = 100_000


class TimescaleStore(ChunkUpkeep, PostgresStore):
    """A TimescaleDB database as a Store."""

    backend = "timescaledb"
    _lockable_rows = False

    @contextmanager
    def loading(
        self, identity: SourceIdentity, incoming: Incoming, again: bool = False
    ) -> Iterator["PostgresLoad | None"]:
        with super().loading(identity, incoming, again) as load:
            yield load
        if load is not None and incoming.rows >= _WORTH_COMPRESSING:
            self._compress(incoming)

    def _load(
        self, connection: sa.Connection, identity: SourceIdentity, incoming: Incoming
    ) -> "TimescaleLoad":
        return TimescaleLoad(connection, self._schema, identity, incoming)

    def _migrate(self) -> None:
        super()._migrate()
        with self._reading() as connection:
            refuse_old(connection)
            if is_hypertable(connection, self._schema):
                return
        with self._writing() as connection:
            wait_for_turn(connection, f"{self._schema.table_name} migrations")
            if not is_hypertable(connection, self._schema):
                make_hypertable(connection, self._schema)

    def _compress(self, incoming: Incoming) -> None:
        """Compress the chunks that a load has completed: those before the newest of its rigs'.

        What was loaded stays loaded if this fails; the policy does it later.
        """
        first = min(start for start, _ in incoming.spans.values())
        last = max(end for _, end in incoming.spans.values())
        compress = sa.text(
            "SELECT compress_chunk(CAST(:chunk AS regclass), if_not_compressed => true)"
        )
        try:
            for name in self._chunks_between(first, last):
                with self._writing() as connection:
                    connection.scalar(compress, {"chunk": name})
        except DatabaseError as error:
            logger.warning("some chunks are not compressed yet: %s", error)

    def _chunks_between(self, first: datetime, last: datetime) -> list[str]:
        chunks = sa.text(
            "SELECT chunk::text FROM show_chunks(to_regclass(quote_ident(:table))) AS chunk"
            " JOIN timescaledb_information.chunks ON chunk_name = split_part(chunk::text, '.', 2)"
            " WHERE range_end > :first AND range_end <= :last ORDER BY range_end"
        )
        values = {"table": self._schema.table_name, "first": first, "last": last}
        with self._reading() as connection:
            return list(connection.execute(chunks, values).scalars())


class TimescaleLoad(PostgresLoad):
    """A load into a hypertable. The first one arrives compressed, where the server can do that.

    Direct compression is not possible while the table has its key; so later loads are compressed
    when they are in.
    """

    def _copy(self, frames: Iterable[pl.DataFrame]) -> None:
        if not self._first:
            super()._copy(frames)
            return
        self._set_chunk_interval()
        if _version(self._connection) < _DIRECT_COMPRESS:
            super()._copy(frames)
            return
        spooled = _NewestFirst(frames)
        try:
            for setting, on in (("", True), ("_client_sorted", spooled.in_order)):
                self._connection.exec_driver_sql(
                    f"SET LOCAL timescaledb.enable_direct_compress_copy{setting} = {on}"
                )
            super()._copy(spooled)
        finally:
            spooled.close()

    def _set_chunk_interval(self) -> None:
        """As long as `_ROWS_A_CHUNK` readings of all rigs of the load take."""
        spans = self._incoming.spans.values()
        taken = max(last for _, last in spans) - min(first for first, _ in spans)
        # In seconds: of few readings in a long time it is longer than a timedelta can be.
        each_s = taken.total_seconds() * _ROWS_A_CHUNK / max(self._incoming.rows, 1)
        short_enough = (i for i in _INTERVALS if i.total_seconds() <= each_s)
        interval = max(short_enough, default=_INTERVALS[0])
        preparer = self._connection.dialect.identifier_preparer
        table = preparer.format_table(self._schema.readings)
        text = f"{interval.total_seconds():.0f} seconds"
        statement = sa.text(
            "SELECT set_chunk_time_interval(CAST(:table AS regclass), CAST(:interval AS interval))"
        )
        self._connection.scalar(statement, {"table": table, "interval": text})


class _NewestFirst:
    """Frames kept on disk and given back as they are compressed: rig by rig, newest row first.

    `in_order` is whether that is their order throughout. Were they in another one, and were the
    server told that they are in order, it would answer in the wrong order.
    """

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._spool = Spool()
        self._places: list[tuple[str, int, int, int]] = []
        self.in_order = True
        for frame in frames:
            times = frame["timestamp"].dt.epoch("us")
            self.in_order = self.in_order and bool((times.diff().slice(1) > 0).all())
            first, last = times.min(), times.max()
            assert isinstance(first, int)
            assert isinstance(last, int)
            self._places.append((frame["rig"][0], -first, -last, len(self._spool)))
            self._spool.append(frame)
        self._places.sort()
        for (rig, first, _, _), (next_rig, _, next_last, _) in zip(
            self._places, self._places[1:], strict=False
        ):
            # Both are negative: the next frame ends before this one begins.
            self.in_order = self.in_order and (rig != next_rig or next_last > first)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return (self._spool[number].reverse() for _, _, _, number in self._places)

    def close(self) -> None:
        self._spool.close()


def make_hypertable(connection: sa.Connection, schema: Schema) -> None:
    """Make the readings a hypertable, with the rows that they have.

    It is compressed by rig, newest first, once a chunk is older than its usual length.
    """
    preparer = connection.dialect.identifier_preparer
    table = preparer.format_table(schema.readings)
    interval = f"INTERVAL '{_USUAL_INTERVAL.days} days'"
    create = sa.text(
        # Arrow has no name for the type that it gives.
        "SELECT CAST(create_hypertable(CAST(:table AS regclass),"
        f" by_range('timestamp', {interval}),"
        " create_default_indexes => false, migrate_data => true) AS text)"
    )
    connection.execute(create, {"table": table}).all()
    connection.exec_driver_sql(
        f"ALTER TABLE {table} SET (timescaledb.enable_columnstore = true,"
        " timescaledb.segmentby = 'rig', timescaledb.orderby = 'timestamp DESC')"
    )
    policy = sa.text(
        f"CALL add_columnstore_policy(CAST(:table AS regclass), after => {interval},"
        " if_not_exists => true)"
    )
    connection.execute(policy, {"table": table})


def _version(connection: sa.Connection) -> tuple[int, int]:
    found = sa.text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    major, minor = str(connection.scalar(found)).split(".")[:2]
    return int(major), int(minor)


def refuse_old(connection: sa.Connection) -> None:
    """Raises DatabaseError for a version that lacks what we need."""
    version = _version(connection)
    if version < _OLDEST:
        raise DatabaseError(
            f"{shown(connection.engine.url)}: TimescaleDB {version[0]}.{version[1]} is too old; "
            f"{_OLDEST[0]}.{_OLDEST[1]} or newer is needed, or TIMESCALE=off"
        )
