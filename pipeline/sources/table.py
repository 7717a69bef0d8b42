"""A table of a database as a source: its columns have types, or (SQLite) each value has one."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.errors import SourceError
from pipeline.rig import Rig
from pipeline.sources.base import Batch, ColumnMap
from pipeline.sources.typed import json_rows, typed_rows

ROWS_AT_ONCE = 50_000
_WHOLE_NUMBERS = ("smallint", "integer", "bigint")
_NUMBERS = (*_WHOLE_NUMBERS, "real", "double precision", "numeric")
_TEXT = ("text", "character varying", "character")
_TIMES = ("timestamp without time zone", "timestamp with time zone")


class TableSource:
    """The rows of a table, in the order in which the database keeps them.

    Line numbers are row numbers, from 1. All is read on the connection given, within its
    transaction; nobody else may write to the table meanwhile.
    """

    size_bytes = bytes_read = 0

    def __init__(self, connection: sa.Connection, table: str, kinds: dict[str, str], rig: Rig,
                 name: str) -> None:  # fmt: skip
        """`kinds` are the columns with the database's names of their types. Raises SourceError."""
        self.name = name
        self.columns = ColumnMap.find(list(kinds), rig, name)
        self._connection = connection
        self._table = table
        self._kinds = kinds
        self._hash = hashlib.sha256()
        if connection.dialect.name == "postgresql":
            self._refuse_other_types()

    def batches(self) -> Iterator[Batch]:
        self._hash = hashlib.sha256()
        line = 1
        for frame in self._frames():
            self._hash.update(frame.write_ipc(None).getvalue())
            rows = typed_rows(frame, self.columns, line, self.name)
            yield Batch(rows, partial(json_rows, frame), len(self.columns.header))
            line += len(frame)

    def sha256(self) -> str:
        """Hash of the rows as they were read last: to be asked for after `batches`."""
        return self._hash.hexdigest()

    def describe(self) -> dict[str, str]:
        return {"format": "table"}

    @property
    def _time_column(self) -> str:
        return self.columns.header[self.columns.positions["timestamp"]]

    @property
    def first_time(self) -> str | None:
        """The first time of the table, if it is text."""
        time: sa.ColumnClause[Any] = sa.column(self._time_column)
        query = sa.select(time).select_from(sa.table(self._table)).where(time.is_not(None)).limit(1)
        value = self._connection.scalar(query)
        return value if isinstance(value, str) else None

    def _frames(self) -> Iterator[pl.DataFrame]:
        if self._connection.dialect.name == "postgresql":
            return self._postgres_frames()
        return self._sqlite_frames()

    def _sqlite_frames(self) -> Iterator[pl.DataFrame]:
        quote = self._connection.dialect.identifier_preparer.quote_identifier
        columns = ", ".join(map(quote, self._kinds))
        driver: Any = self._connection.connection.driver_connection
        # An index would give another order than that in which rows were written.
        query = f"SELECT {columns} FROM {quote(self._table)} NOT INDEXED"  # noqa: S608  # quoted names
        usual = driver.text_factory
        # Text that is not UTF-8 must not end the reading.
        driver.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")
        try:
            with closing(driver.execute(query)) as cursor:
                while rows := cursor.fetchmany(ROWS_AT_ONCE):
                    values = zip(self._kinds, zip(*rows, strict=True), strict=True)
                    yield pl.DataFrame([_series(*pair, self._time_column) for pair in values])
        finally:
            driver.text_factory = usual

    def _postgres_frames(self) -> Iterator[pl.DataFrame]:
        # The driver of a server need not be installed for SQLite.
        from pipeline.stores.arrow import fetched

        native = {*_WHOLE_NUMBERS, "real", "double precision"}
        if self._has_plain_times():
            native.update(_TIMES)
        columns = [
            sa.column(name) if kind in native else sa.cast(sa.column(name), sa.Text).label(name)
            for name, kind in self._kinds.items()
        ]
        # Exact decimals come as text, with a point whatever the rig's files have.
        decimals = [pl.col(n).cast(pl.Float64, strict=False) for n, kind in self._kinds.items()
                    if kind == "numeric"]  # fmt: skip
        query = sa.select(*columns).select_from(sa.table(self._table))
        for frame in fetched(self._connection, query, ROWS_AT_ONCE):
            yield frame.with_columns(decimals)

    def _has_plain_times(self) -> bool:
        """Whether no time is infinite, or beyond what a `datetime` can hold."""
        kinds = self._kinds.items()
        times: list[sa.ColumnClause[Any]] = [sa.column(n) for n, kind in kinds if kind in _TIMES]
        first, last = sa.text("'0001-01-02'"), sa.text("'9999-12-30'")
        odd = sa.or_(*(sa.not_(time.between(first, last)) for time in times), sa.false())
        query = sa.select(sa.literal(1)).select_from(sa.table(self._table)).where(odd).limit(1)
        return self._connection.scalar(query) is None

    def _refuse_other_types(self) -> None:
        for ours, position in self.columns.positions.items():
            column = self.columns.header[position]
            allowed, needed = {*_NUMBERS, *_TEXT}, "numbers or text"
            if ours == "timestamp":
                allowed = {*_TIMES, *_WHOLE_NUMBERS, *_TEXT}
                needed = "times, whole numbers or text"
            if self._kinds[column] not in allowed:
                raise SourceError(
                    f"{self.name}: column {column!r} holds {self._kinds[column]}; "
                    f"{needed} are needed"
                )


def _series(name: str, values: Sequence[Any], time_column: str) -> pl.Series:
    """Values of SQLite as one column: whole numbers, numbers, or else all of them as text.

    A fraction makes no text of a channel's numbers, but of times: those that are whole stay so.
    """
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and name != time_column:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    text = (value if isinstance(value, str | None) else repr(value) for value in values)
    return pl.Series(name, list(text), dtype=pl.String)
