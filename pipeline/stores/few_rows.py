"""Few rows from many places, as arrays: to make a frame, or a statement, takes longer than to ask.

Statements are made once and asked with plain values. Times come as microseconds since 1970.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from pipeline.errors import DatabaseError
from pipeline.rollups import FIELDS, Parts, of_values
from pipeline.stores.postgres_rows import AS_SENT, Y2000_US, moments
from pipeline.timestamps import UTC_DATETIME, nearest_moment

Row = tuple[Any, ...]
Columns = Mapping[str, pl.DataType]
# From a first time to before a second one, in microseconds; and the level in seconds, 0 for
# readings.
Stretch = tuple[int, int, int]
_RED = "= 'red'"


def in_stretches(
    connection: sa.Connection,
    table: str,
    columns: Columns,
    time: str,
    rig: str,
    stretches: Sequence[Stretch],
    holding: Sequence[str] = (),
) -> Parts:
    """The columns, `time` among them, of a rig's rows in any of the stretches, in order of time.

    The stretches are all of readings or all of summaries, and do not overlap. Where columns are
    given as `holding`, only readings in which one of them is 'red', or summaries in which one is
    not 0. One statement asks for all stretches:
    to run one for each took a third of the time of a chart.
    """
    if not stretches:
        return arrays(connection, [], columns)
    levelled = any(level for _, _, level in stretches)
    statement = _statement(
        connection.dialect, table, tuple(columns), time, levelled, tuple(holding)
    )
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        bound: tuple[Any, ...] = json.dumps(stretches), rig
    else:
        since, until, levels = np.array(stretches, np.int64).T
        bound = moments(since), moments(until), levels.tolist(), rig
    result = connection.exec_driver_sql(statement, bound, execution_options={AS_SENT: True})
    assert result.cursor is not None
    parts = arrays(connection, result.cursor.fetchall(), columns)
    if not is_sqlite:
        for name, kind in columns.items():
            if kind == UTC_DATETIME:
                parts[name] += Y2000_US
    order = np.argsort(parts[time], kind="stable")
    return {name: array[order] for name, array in parts.items()}


@lru_cache(maxsize=256)
def _statement(
    dialect: sa.Dialect,
    table: str,
    columns: tuple[str, ...],
    time: str,
    levelled: bool,
    holding: tuple[str, ...],
) -> str:
    """Binds the stretches, and then the rig."""
    quote = dialect.identifier_preparer.quote
    listed = ", ".join(f"found.{quote(name)}" for name in columns)
    moment = f"found.{quote(time)}"
    is_sqlite = dialect.name == "sqlite"
    since, until, level = (
        [f"json_extract(stretch.value, '$[{place}]')" for place in range(3)]
        if is_sqlite
        else ["stretch.since", "stretch.until", "stretch.level"]
    )
    conditions = f"found.rig = {mark_of(dialect)} AND {moment} >= {since} AND {moment} < {until}"
    if levelled:
        conditions += f" AND found.level_s = {level}"
    if holding:
        wanted = "<> 0" if levelled else _RED
        conditions += f" AND ({' OR '.join(f'found.{quote(name)} {wanted}' for name in holding)})"
    rows = f"SELECT {listed} FROM"
    if is_sqlite:
        # CROSS JOIN: the stretches are the outer loop.
        source = f"json_each(?) AS stretch CROSS JOIN {quote(table)} AS found"
        return f"{rows} {source} WHERE {conditions}"
    arrays = ", ".join(f"CAST(%s AS {kind}[])" for kind in ("timestamptz", "timestamptz", "bigint"))
    # OFFSET 0: the inner question is asked for each stretch, by its key.
    return (
        f"SELECT inside.* FROM unnest({arrays}) AS stretch(since, until, level) CROSS JOIN LATERAL"  # noqa: S608  # quoted names
        f" ({rows} {quote(table)} AS found WHERE {conditions} OFFSET 0) AS inside"
    )


def mark_of(dialect: sa.Dialect) -> str:
    """What stands for a value in a statement."""
    return "?" if dialect.name == "sqlite" else "%s"


def moment_of(dialect: sa.Dialect, microseconds: int) -> Any:
    """A time as the driver takes it."""
    return microseconds if dialect.name == "sqlite" else nearest_moment(microseconds)


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
                known = [value or 0 for value in values] if None in values else values
                found[name] = np.array(known, np.int64)
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
