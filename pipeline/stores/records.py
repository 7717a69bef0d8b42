"""The tables verbatim, on one connection: what copies, backups and restores are made of.

Frames have the columns of `columns()`: times are UTC, JSON is its text, everything else is as it
is stored.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.database_errors import shown
from pipeline.errors import DatabaseError
from pipeline.rollups import channels_among, summary_schema
from pipeline.stores.base import Extent, Range, Rebuilt
from pipeline.stores.frames import fetched
from pipeline.stores.migrations import add_columns
from pipeline.stores.rollup_upkeep import RollupUpkeep
from pipeline.stores.schema import Moment, Schema, beyond, within
from pipeline.stores.sql import columns_of, day_number, distinct_values
from pipeline.timestamps import EPOCH, UTC_DATETIME
from pipeline.words import counted

# In the order in which they are written: whoever looks from outside finds no reading of no load.
TABLES = ("rigs", "loads", "rejects", "changes", "rollups", "readings")
_KEYS = {"readings": ("rig", "timestamp"), "rollups": ("rig", "level_s", "bucket")}


class Records(ABC):
    """The tables of one store, inside a transaction that begins and ends elsewhere."""

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema

    @abstractmethod
    def _insert(
        self, table: sa.Table, columns: list[str], frames: Iterable[pl.DataFrame]
    ) -> None: ...

    @abstractmethod
    def clear(self) -> None:
        """Take everything out of all tables; the schema's steps stay."""

    @abstractmethod
    def settle(self) -> None:
        """After rows were added: the key is there, and numbers go on behind the highest."""

    @property
    def database(self) -> str:
        """The database as it is named in messages."""
        return shown(self._connection.engine.url)

    def columns(self, table: str) -> dict[str, pl.DataType]:
        """Columns of one of TABLES, and what they are in a frame."""
        if table == "rollups":
            channels = channels_among(columns_of(self._connection, self._schema.table_name))
            key = {"rig": pl.String(), "level_s": pl.Int32()}
            return {**key, **summary_schema(channels)}
        if table != "readings":
            return {column.name: _frame_type(column.type) for column in self._table(table).columns}
        kinds: dict[str, pl.DataType] = {
            "rig": pl.String(),
            "timestamp": UTC_DATETIME,
            "load_id": pl.Int32(),
        }
        for name, kind in columns_of(self._connection, self._schema.table_name).items():
            kinds.setdefault(name, pl.String() if kind == "text" else pl.Float64())
        return kinds

    def make_columns(self, columns: dict[str, pl.DataType]) -> None:
        """Give the readings what they miss of these columns. Raises DatabaseError for a clash."""
        present = self.columns("readings")
        for name, kind in columns.items():
            if present.get(name, kind) != kind:
                raise DatabaseError(
                    f"column {name!r} of table {self._schema.table_name!r} holds something else "
                    "than what is to come; set another TABLE_NAME"
                )
        missing = {
            name: sa.Text() if kind == pl.String() else sa.Float()
            for name, kind in columns.items()
            if name not in present
        }
        add_columns(self._connection, self._schema, missing)

    def count(self, table: str, selection: Range | None = None) -> int:
        """Number of rows of one of TABLES; of readings also in a range."""
        found = self._table(table)
        query = sa.select(sa.func.count()).select_from(found)
        if selection is not None:
            query = query.where(*within(found, selection))
        return self._connection.scalar(query) or 0

    def extent(self, selection: Range) -> Extent | None:
        """Number of readings of a range, and the times of its first and last; None for none."""
        readings = self._schema.readings
        timestamp = readings.c.timestamp
        query = sa.select(sa.func.count(), sa.func.min(timestamp), sa.func.max(timestamp))
        found = self._connection.execute(query.where(*within(readings, selection))).one()
        return Extent(*found) if found[0] else None

    def frames(self, table: str, selection: Range | None = None) -> Iterator[pl.DataFrame]:
        """Rows of one of TABLES in the order of their key; of readings also in a range."""
        columns = self.columns(table)
        found = self._table(table)
        source: sa.Table | sa.TableClause = found
        if table == "readings":
            source = self._schema.readings_with(columns)
        elif table == "rollups":
            source = self._schema.rollups_with(columns)
        query = sa.select(*(_as_stored(found, source, name) for name in columns))
        if selection is not None:
            query = query.where(*within(source, selection))
        key = _KEYS.get(table, (next(iter(columns)),))
        ordered = query.order_by(*(source.c[name] for name in key))
        return fetched(self._connection, ordered, columns)

    def add(self, table: str, frames: Iterable[pl.DataFrame]) -> None:
        """Insert rows with the columns of `columns(table)`, or of readings some of them."""
        found = self._table(table)
        iterator = iter(frames)
        first = next(iterator, None)
        if first is None:
            return
        known = self.columns(table)
        columns = [name for name in known if name in first.columns]

        def typed() -> Iterator[pl.DataFrame]:
            kinds = {name: known[name] for name in columns}
            yield first.select(columns).cast(kinds)  # type: ignore[arg-type]  # a mapping is taken
            for frame in iterator:
                yield frame.select(columns).cast(kinds)  # type: ignore[arg-type]

        self._insert(found, columns, typed())

    def remove(self, selection: Range) -> None:
        """Delete the readings of a range."""
        readings = self._schema.readings
        self._connection.execute(readings.delete().where(*within(readings, selection)))

    def rebuild_some(self, rig: str) -> Rebuilt:
        """Sum up the next stretch of a rig's readings."""
        return RollupUpkeep(self._connection, self._schema).rebuild_some(rig)

    def rigs(self) -> list[str]:
        """Names of the rigs that have readings, found by steps through the key."""
        return distinct_values(self._connection, self._schema.readings.c.rig)

    def days(self, rig: str) -> dict[date, int]:
        """Number of readings of a rig on each UTC day that has some."""
        readings = self._schema.readings.c
        day = day_number(readings.timestamp).label("day")
        mine = within(self._schema.readings, Range(rig))
        query = sa.select(day, sa.func.count()).where(*mine).group_by(day)
        return {
            EPOCH.date() + timedelta(days=int(number)): count
            for number, count in self._connection.execute(query)
        }

    def refuse_beyond(self) -> None:
        """Raises DatabaseError for readings of others that have a time which no frame can hold."""
        count = self._connection.scalar(beyond(self._schema))
        if count:
            subject = counted(count, "reading has", "readings have")
            them = "it" if count == 1 else "them"
            raise DatabaseError(
                f"{subject} a time outside the years 1 to 9999; delete {them}, or give "
                f"{them} another time"
            )

    def is_empty(self) -> bool:
        """Whether there is nothing of anybody: no reading, reject, load or rig."""
        return not any(
            self._connection.scalar(
                sa.select(sa.literal(1)).select_from(self._table(name)).limit(1)
            )
            for name in TABLES
        )

    def last_sequence(self) -> int:
        sequence = self._schema.changes.c.sequence
        return self._connection.scalar(sa.select(sa.func.max(sequence))) or 0

    def last_load(self) -> int:
        return self._connection.scalar(sa.select(sa.func.max(self._schema.loads.c.id))) or 0

    def identity(self) -> str:
        """What no other database has: the moment in which its tables were made."""
        applied = self._schema.migrations.c.applied_at
        made = self._connection.scalar(sa.select(sa.func.min(applied)))
        assert made is not None
        return str(made.isoformat())

    def copy_of(self) -> str | None:
        """Identity of the database of which this is an unfinished copy."""
        copying = self._schema.copying
        if not columns_of(self._connection, copying.name):
            return None
        return self._connection.scalar(sa.select(copying.c.source))

    def begin_copy(self, source: str) -> None:
        """From here on, until `end_copy`, this is an unfinished copy."""
        self._schema.copying.create(self._connection)
        self._connection.execute(self._schema.copying.insert(), {"source": source})

    def end_copy(self) -> None:
        self._schema.copying.drop(self._connection)

    def _table(self, name: str) -> sa.Table:
        assert name in TABLES
        table: sa.Table = getattr(self._schema, name)
        return table


def _frame_type(kind: sa.types.TypeEngine[Any]) -> pl.DataType:
    if isinstance(kind, Moment):
        return UTC_DATETIME
    if isinstance(kind, sa.BigInteger):
        return pl.Int64()
    if isinstance(kind, sa.Integer):
        return pl.Int32()
    return pl.Float64() if isinstance(kind, sa.Float) else pl.String()


def _as_stored(
    table: sa.Table, source: sa.Table | sa.TableClause, name: str
) -> sa.ColumnElement[Any]:
    """A column as frames take it: JSON as its text, everything else untouched by SQLAlchemy."""
    if name in table.c and isinstance(table.c[name].type, sa.JSON):
        plain = sa.type_coerce(source.c[name], sa.types.NULLTYPE)
        return sa.cast(plain, sa.Text).label(name)
    return sa.type_coerce(source.c[name], sa.types.NULLTYPE).label(name)
