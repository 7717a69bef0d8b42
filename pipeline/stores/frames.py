"""Questions answered as frames, and frames as rows of a table, on any connection of ours."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.errors import DatabaseError
from pipeline.timestamps import UTC_DATETIME, utc_times

# Python objects: more of them at once are slower, and take more memory.
_OBJECTS_AT_ONCE = 10_000
_ARROW_AT_ONCE = 50_000

Columns = Mapping[str, pl.DataType]


def as_stored(table: sa.TableClause, columns: Iterable[str]) -> "sa.Select[*tuple[Any, ...]]":
    """The columns, untouched by SQLAlchemy: a frame turns integers into times faster."""
    return sa.select(
        *(sa.type_coerce(table.c[name], sa.types.NULLTYPE).label(name) for name in columns)
    )


def fetched(
    connection: sa.Connection,
    query: sa.Select[*tuple[Any, ...]],
    columns: Columns,
) -> Iterator[pl.DataFrame]:
    """The result in frames of bounded size; its columns are read as SQLAlchemy does not touch them.

    Raises DatabaseError for a value of another type.
    """
    if connection.dialect.driver == "arrow":
        from pipeline.stores import arrow

        for frame in arrow.fetched(connection, query, _ARROW_AT_ONCE):
            yield frame.cast(pl.Schema(columns))
        return
    result = connection.execute(query, execution_options={"stream_results": True})
    while rows := result.fetchmany(_OBJECTS_AT_ONCE):
        yield _frame(connection, rows, columns)


def _frame(connection: sa.Connection, rows: Sequence[Any], columns: Columns) -> pl.DataFrame:
    times = [name for name, kind in columns.items() if kind == UTC_DATETIME]
    integers = connection.dialect.name == "sqlite"
    schema = {**columns, **dict.fromkeys(times, pl.Int64())} if integers else columns
    try:
        series = [
            pl.Series(name, values, kind)
            for (name, kind), values in zip(schema.items(), zip(*rows, strict=True), strict=True)
        ]
    except (TypeError, OverflowError) as error:
        first_line = str(error).partition("\n")[0]
        raise DatabaseError(
            f"{connection.engine.url.database}: a row that Smart Sensor has not "
            f"written holds a value of another type ({first_line}); correct or delete it"
        ) from None
    frame = pl.DataFrame(series)
    return frame.with_columns(utc_times(pl.col(n)) for n in times) if integers else frame


def insert(
    connection: sa.Connection, table: str, columns: list[str], frames: Iterable[pl.DataFrame]
) -> None:
    """Insert frames, which have these columns in this order."""
    if connection.dialect.driver == "arrow":
        from pipeline.stores import arrow

        arrow.copy_into(connection, table, None, frames)
        return
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "sqlite":
        from pipeline.stores.sqlite_rows import RowWriter

        writer = RowWriter(connection, quote(table), [], columns)
        for frame in frames:
            writer.write((), frame)
        return
    names, marks = ", ".join(map(quote, columns)), ", ".join("%s" for _ in columns)
    statement = f"INSERT INTO {quote(table)} ({names}) VALUES ({marks})"  # noqa: S608  # quoted names
    for frame in frames:
        if len(frame):
            connection.exec_driver_sql(statement, frame.rows())
