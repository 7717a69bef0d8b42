"""PostgreSQL spoken in Arrow: whole frames to and from the server, without Python objects.

ADBC's driver has its own connections. SQLAlchemy gets a dialect for them, so that a load's COPY
and the statements that account for it are one transaction.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect, PGExecutionContext

from pipeline.database_errors import conninfo
from pipeline.db_utils import pool_options, quoting, tried_after_rest
from pipeline.settings import Settings
from pipeline.stores import interrupts

if TYPE_CHECKING:
    import pyarrow as pa


class _Cursor:
    """A cursor of ADBC that has no columns, instead of an empty list, where there is no result."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    @property
    def description(self) -> Any:
        return self._cursor.description or None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class _Execution(PGExecutionContext):
    def create_default_cursor(self) -> Any:
        return _Cursor(super().create_default_cursor())


class ArrowDialect(PGDialect):
    """PostgreSQL through ADBC: values are bound as `$1`, results come as Arrow."""

    driver = "arrow"
    execution_ctx_cls = _Execution
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        # Takes a while: it brings PyArrow along, which brings pandas.
        import adbc_driver_postgresql.dbapi as adbc

        interrupts.heed()
        return adbc

    def create_connect_args(self, url: sa.URL) -> Any:
        return [conninfo(url)], {}

    def is_disconnect(self, error: Exception, connection: Any, cursor: Any) -> bool:
        """Whether the connection has gone with the error: the server had no word to say."""
        lost = isinstance(error, self.loaded_dbapi.OperationalError)
        return lost and getattr(error, "sqlstate", None) is None

    def initialize(self, connection: sa.Connection) -> None:
        """Nothing is asked of the server: what we use is there since PostgreSQL 14."""


registry.register("postgresql.arrow", __name__, "ArrowDialect")


def arrow_engine(url: sa.URL, **pool: Any) -> sa.Engine:
    """An engine for the same database that speaks Arrow.

    Its connections are worth keeping: each learns all types of the server when it is made.
    """
    theirs = url.set(drivername="postgresql+arrow")
    return quoting(sa.create_engine(theirs, paramstyle="numeric_dollar", **pool))


def coming_engine(url: sa.URL, settings: Settings) -> Callable[[], sa.Engine]:
    """The same with a pool, made in another thread while the caller goes on: a file can be read
    meanwhile."""

    def made() -> sa.Engine:
        return tried_after_rest(arrow_engine(url, **pool_options(settings)), settings)

    with_driver = ThreadPoolExecutor(1, "arrow")
    engine = with_driver.submit(made)
    with_driver.shutdown(wait=False)
    return engine.result


def copy_into(
    connection: sa.Connection, table: str, schema: str | None, frames: Iterable[pl.DataFrame]
) -> None:
    """One binary COPY of all frames, which have the same columns. Nothing happens for none.

    An error that making a frame raises is raised here; the transaction is to be given up then.
    """
    import pyarrow as pa

    batches = _Batches(frames)
    if batches.first is None:
        return
    with _driver(connection).cursor() as cursor:
        reader = pa.RecordBatchReader.from_batches(batches.first.schema, batches)
        try:
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)
        except Exception as error:
            if batches.error is not None:
                raise batches.error from None
            raise _as_sqlalchemy(connection, error) from error


def fetched(
    connection: sa.Connection, query: sa.Select[*tuple[Any, ...]], rows_at_once: int
) -> Iterator[pl.DataFrame]:
    """The result in frames of so many rows, through a cursor on the server."""
    statement = query.compile(dialect=connection.dialect)
    declare = f"DECLARE rows NO SCROLL CURSOR FOR {statement}"
    assert isinstance(statement, sa.sql.compiler.SQLCompiler)
    values = [statement.params[name] for name in statement.positiontup or ()]
    raw = _driver(connection)
    try:
        with raw.cursor() as cursor:
            cursor.execute(declare, values or None)
        while True:
            with raw.cursor() as cursor:
                # COPY cannot read from a cursor.
                cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
                cursor.execute(f"FETCH FORWARD {rows_at_once} FROM rows")
                frame = pl.from_arrow(cursor.fetch_arrow_table())
            assert isinstance(frame, pl.DataFrame)
            if frame.is_empty():
                break
            yield frame
        with raw.cursor() as cursor:
            cursor.execute("CLOSE rows")  # the transaction may have other questions
    except connection.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy(connection, error) from error


class _Batches:
    """Frames as Arrow batches, one at a time; remembers an error that Arrow would reword."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = (frame for frame in frames if len(frame))
        self.error: BaseException | None = None
        self.first = self._next()
        self._sent = False

    def __iter__(self) -> "Iterator[pa.RecordBatch]":
        batch = self.first
        while batch is not None:
            yield batch
            try:
                interrupts.stop_if_interrupted()
                batch = self._next()
            except BaseException as error:
                self.error = error
                raise

    def _next(self) -> "pa.RecordBatch | None":
        frame = next(self._frames, None)
        if frame is None:
            return None
        text = frame.with_columns(pl.col(pl.Enum).cast(pl.String))
        (batch,) = text.to_arrow().combine_chunks().to_batches()
        return batch


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def _as_sqlalchemy(connection: sa.Connection, error: Exception) -> sa.exc.DBAPIError:
    if connection.dialect.is_disconnect(error, None, None):  # type: ignore[arg-type]  # not looked at
        connection.invalidate(error)
    return sa.exc.DBAPIError(None, None, error)
