"""The tables of PostgreSQL verbatim, in Arrow."""

from collections.abc import Iterable

import polars as pl
import sqlalchemy as sa

from pipeline.stores.frames import insert
from pipeline.stores.postgres_key import make_complete
from pipeline.stores.records import TABLES, Records


class PostgresRecords(Records):
    """Records of a PostgreSQL database, on a connection that speaks Arrow."""

    def clear(self) -> None:
        names = ", ".join(self._quoted(self._table(name)) for name in TABLES)
        self._connection.exec_driver_sql(f"TRUNCATE {names}")

    def settle(self) -> None:
        make_complete(self._connection, self._schema)
        for table in (self._schema.loads, self._schema.rejects, self._schema.changes):
            (number,) = table.primary_key.columns
            find = sa.text("SELECT pg_get_serial_sequence(quote_ident(:table), :number)")
            names = {"table": table.name, "number": number.name}
            sequence = self._connection.scalar(find, names)  # quoted
            self._connection.execute(
                sa.text(
                    f"SELECT setval(CAST(:sequence AS regclass), max({number.name}))"  # noqa: S608  # quoted names
                    f" FROM {self._quoted(table)}"
                    f" HAVING max({number.name}) >= (SELECT last_value FROM {sequence})"
                ),
                {"sequence": sequence},
            ).all()

    def _insert(self, table: sa.Table, columns: list[str], frames: Iterable[pl.DataFrame]) -> None:
        insert(self._connection, table.name, columns, frames)

    def _quoted(self, table: sa.Table | sa.TableClause) -> str:
        return self._connection.dialect.identifier_preparer.quote(table.name)
