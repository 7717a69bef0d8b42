"""The tables of SQLite verbatim."""

from collections.abc import Iterable

import polars as pl
import sqlalchemy as sa

from pipeline.stores.frames import insert
from pipeline.stores.records import TABLES, Records
from pipeline.stores.sqlite_rows import RowWriter


class SqliteRecords(Records):
    """Records of a SQLite file."""

    def clear(self) -> None:
        for name in TABLES:
            self._connection.execute(self._table(name).delete())

    def settle(self) -> None:
        """SQLite does so by itself."""

    def _insert(self, table: sa.Table, columns: list[str], frames: Iterable[pl.DataFrame]) -> None:
        quote = self._connection.dialect.identifier_preparer.quote
        if table is self._schema.readings:
            names = [name for name in columns if name != "rig"]
            rows = RowWriter(self._connection, quote(table.name), ["rig"], names)
            for frame in frames:
                for part in frame.partition_by("rig", maintain_order=True):
                    rows.write((part["rig"][0],), part)
            return
        insert(self._connection, table.name, columns, frames)
