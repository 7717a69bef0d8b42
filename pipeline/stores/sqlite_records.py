"""The tables of SQLite verbatim."""

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.errors import DatabaseError
from pipeline.stores.records import TABLES, Records
from pipeline.stores.sqlite_rows import RowWriter, driver
from pipeline.timestamps import UTC_DATETIME, utc_times

# Python objects: more of them at once are slower, and take more memory.
ROWS_AT_ONCE = 10_000


class SqliteRecords(Records):
    """Records of a SQLite file."""

    def clear(self) -> None:
        for name in TABLES:
            self._connection.execute(self._table(name).delete())

    def settle(self) -> None:
        """SQLite does so by itself."""

    def _fetched(
        self, query: sa.Select[*tuple[Any, ...]], columns: dict[str, pl.DataType]
    ) -> Iterator[pl.DataFrame]:
        cursor = self._connection.execute(query).cursor
        assert cursor is not None
        times = [name for name, kind in columns.items() if kind == UTC_DATETIME]
        schema = {**columns, **dict.fromkeys(times, pl.Int64())}
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            try:
                series = [
                    pl.Series(name, values, kind)
                    for (name, kind), values in zip(
                        schema.items(), zip(*rows, strict=True), strict=True
                    )
                ]
            except (TypeError, OverflowError) as error:
                first_line = str(error).partition("\n")[0]
                raise DatabaseError(
                    f"{self._connection.engine.url.database}: a row that Smart Sensor has not "
                    f"written holds a value of another type ({first_line}); correct or delete it"
                ) from None
            yield pl.DataFrame(series).with_columns(utc_times(pl.col(name)) for name in times)

    def _insert(self, table: sa.Table, columns: list[str], frames: Iterable[pl.DataFrame]) -> None:
        quote = self._connection.dialect.identifier_preparer.quote
        if table is self._schema.readings:
            names = [name for name in columns if name != "rig"]
            rows = RowWriter(self._connection, quote(table.name), ["rig"], names)
            for frame in frames:
                for part in frame.partition_by("rig", maintain_order=True):
                    rows.write((part["rig"][0],), part)
            return
        names_text, marks = ", ".join(map(quote, columns)), ", ".join("?" for _ in columns)
        for frame in frames:
            driver(self._connection).executemany(
                f"INSERT INTO {quote(table.name)} ({names_text}) VALUES ({marks})",  # noqa: S608  # quoted names
                frame.with_columns(pl.col(pl.Datetime).dt.epoch("us")).iter_rows(),
            )
