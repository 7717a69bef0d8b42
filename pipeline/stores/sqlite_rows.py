"""Frames into tables of SQLite: many rows a statement, bound by Python's own `sqlite3`."""

import sqlite3
from typing import Any

import polars as pl
import sqlalchemy as sa

_ROWS_A_STATEMENT = 100
# So many rows' values are still in the processor's cache when they are bound: a fifth faster.
_ROWS_IN_CACHE = 2_000


class RowWriter:
    """INSERTs of frames into one table, a hundred rows a statement.

    Parameters are bound in statements of many rows, because a call a row costs more than
    what SQLite does with it. `fixed` are columns that have one value a frame: they are bound once
    a statement. `end` is what follows the rows: nothing, or what to do with a conflict.
    """

    def __init__(
        self,
        connection: sa.Connection,
        table: str,
        fixed: list[str],
        columns: list[str],
        end: str = "",
    ) -> None:
        self._connection = driver(connection)
        self._fixed = len(fixed)
        self._columns = columns
        names = ", ".join(map(connection.dialect.identifier_preparer.quote, [*fixed, *columns]))
        self._head = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608  # quoted names
        self._end = end
        self._statements: dict[int, str] = {}

    def write(self, fixed: tuple[Any, ...], readings: pl.DataFrame) -> None:
        frame = readings.select(self._columns).with_columns(pl.col(pl.Datetime).dt.epoch("us"))
        most = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        each = max(1, min(_ROWS_A_STATEMENT, (most - self._fixed) // len(self._columns)))
        for part in frame.iter_slices(_ROWS_IN_CACHE):
            whole = len(part) // each * each
            self._execute(fixed, each, part.head(whole))
            self._execute(fixed, 1, part.slice(whole))

    def _execute(self, fixed: tuple[Any, ...], rows: int, frame: pl.DataFrame) -> None:
        """Run the statement for `rows` rows as often as the frame has that many."""
        width, step = len(self._columns), rows * len(self._columns)
        values: list[Any] = [None] * (len(frame) * width)
        for position, column in enumerate(frame.iter_columns()):
            values[position::width] = column.to_list()
        parameters = [[*fixed, *values[i : i + step]] for i in range(0, len(values), step)]
        if parameters:
            self._connection.executemany(self._statement(rows), parameters)

    def _statement(self, rows: int) -> str:
        if rows not in self._statements:
            width = len(self._columns)
            # ?1, ?2, ... are the fixed values, the same in every row.
            fixed = "".join(f"?{number + 1}, " for number in range(self._fixed))
            first = self._fixed + 1
            row_values = (
                ", ".join(f"?{first + row * width + column}" for column in range(width))
                for row in range(rows)
            )
            values = ", ".join(f"({fixed}{row})" for row in row_values)
            self._statements[rows] = f"{self._head}{values} {self._end}"
        return self._statements[rows]


def driver(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's own connection."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found
