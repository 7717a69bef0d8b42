"""Few rows from many places, as arrays: to make a frame, or a statement, takes longer than to ask.

Statements are made once and asked with plain values. Times come as microseconds since 1970.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.errors import DatabaseError
from pipeline.rollups import FIELDS, Parts, of_values
from pipeline.timestamps import UTC_DATETIME, nearest_moment

Row = tuple[Any, ...]
Columns = Mapping[str, pl.DataType]


def question(
    connection: sa.Connection, table: str, columns: Columns, time: str, condition: str = ""
) -> str:
    """The statement that asks for columns where `time` is from a first value to before a second.

    Before these two the rig is bound, and what `condition` (which begins with AND) binds after.
    """
    return _question(connection.dialect, table, tuple(columns.items()), time, condition)


@lru_cache(maxsize=256)
def _question(
    dialect: sa.Dialect,
    table: str,
    columns: tuple[tuple[str, pl.DataType], ...],
    time: str,
    condition: str,
) -> str:
    quote = dialect.identifier_preparer.quote
    mark = mark_of(dialect)
    listed = ", ".join(
        _microseconds(dialect, quote(name)) if kind == UTC_DATETIME else quote(name)
        for name, kind in columns
    )
    moment = quote(time)
    return (
        f"SELECT {listed} FROM {quote(table)} WHERE rig = {mark} AND {moment} >= {mark}"  # noqa: S608  # quoted names
        f" AND {moment} < {mark} {condition} ORDER BY {moment}"
    )


def mark_of(dialect: sa.Dialect) -> str:
    """What stands for a value in a statement."""
    return "?" if dialect.name == "sqlite" else "%s"


def _microseconds(dialect: sa.Dialect, column: str) -> str:
    if dialect.name == "sqlite":
        return column
    return f"CAST(extract(epoch FROM {column}) * 1000000 AS bigint)"


def moment_of(dialect: sa.Dialect, microseconds: int) -> Any:
    """A time as the driver takes it."""
    return microseconds if dialect.name == "sqlite" else nearest_moment(microseconds)


def asked(connection: sa.Connection, statement: str, several: Iterable[Sequence[Any]]) -> list[Row]:
    """The rows of a statement for several sets of values, one set after the other."""
    rows: list[Row] = []
    if connection.dialect.name == "sqlite":
        from pipeline.stores.sqlite_rows import driver

        cursor = driver(connection).cursor()
        for values in several:
            rows += cursor.execute(statement, values).fetchall()
        return rows
    for values in several:
        found = connection.exec_driver_sql(statement, tuple(values)).cursor
        assert found is not None
        rows += found.fetchall()
    return rows


def arrays(connection: sa.Connection, rows: Sequence[Row], columns: Columns) -> Parts:
    """The rows by column; null is NaN among numbers with a point, 0 among others.

    Raises DatabaseError for a value of another type.
    """
    listed: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else ([] for _ in columns)
    found: Parts = {}
    try:
        for (name, kind), values in zip(columns.items(), listed, strict=True):
            if kind == pl.Float64():
                found[name] = np.array(values, np.float64)
            elif kind == pl.String():
                found[name] = np.array(values, object)
            else:
                found[name] = np.array([value or 0 for value in values], np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatabaseError(
            f"{connection.engine.url.database}: a row that Smart Sensor has not "
            f"written holds a value of another type ({error}); correct or delete it"
        ) from None
    return found


def readings_as_parts(found: Parts, channels: Sequence[str]) -> Parts:
    """Columns of readings, in time order, as a summary of each reading."""
    levels = {name: values for name, values in found.items() if name.endswith("_alert")}
    return of_values(
        found["timestamp"],
        {channel: found[channel] for channel in channels},
        {
            level: {name: (values == level).astype(np.int64) for name, values in levels.items()}
            for level in ("yellow", "red")
        },
    )


def summaries_as_rows(
    dialect: sa.Dialect, found: Parts, channels: Sequence[str], columns: Columns
) -> list[Row]:
    """Summaries as rows of these columns."""
    listed: dict[str, list[Any]] = {}
    for name, kind in columns.items():
        values = found[name].tolist()
        is_time = kind == UTC_DATETIME
        listed[name] = [moment_of(dialect, value) for value in values] if is_time else values
    for channel in channels:
        for place in np.flatnonzero(found[f"{channel}_count"] == 0).tolist():
            for field in FIELDS:
                listed[f"{channel}_{field}"][place] = None
    return list(zip(*listed.values(), strict=True))
