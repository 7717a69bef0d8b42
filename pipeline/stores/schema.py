"""Names and columns of the tables, all named after TABLE_NAME.

Times are `timestamptz` in PostgreSQL, and in SQLite integer microseconds since 1970 in UTC.
Statements are built with SQLAlchemy Core, which quotes every name and binds every value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline.rig import Rig
from pipeline.rollups import summary_schema
from pipeline.stores.base import Range
from pipeline.timestamps import (
    EARLIEST,
    LATEST,
    UTC_DATETIME,
    from_microseconds,
    to_microseconds,
)


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC time: `timestamptz`, or integer microseconds since 1970 where there is none."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        kind = sa.TIMESTAMP(timezone=True) if dialect.name == "postgresql" else sa.BigInteger()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return to_microseconds(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            utc: datetime = value.astimezone(UTC)
            return utc
        return from_microseconds(value)


# Counts on for as long as anybody lives; SQLite numbers only an INTEGER by itself.
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Compared byte by byte everywhere: the same order of rigs in every database, and faster keys.
RigName = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def departed_columns() -> list["sa.Column[int]"]:
    """Counters of the ledger: what a load brought and what is no longer there, and why."""
    return [
        sa.Column(name, sa.BigInteger, nullable=False, default=0, server_default="0")
        for name in ("readings_replaced", "readings_pruned", "rejects_pruned")
    ]


def rollups_column() -> "sa.Column[str]":
    """What roll-ups there are of a rig: see stores/rollup_state.py."""
    return sa.Column("rollups", sa.Text, nullable=False, default="{}", server_default="{}")


def summary_columns(channels: Iterable[str]) -> dict[str, sa.types.TypeEngine[Any]]:
    """Columns of the summaries of such channels after the key, with their types."""
    kinds: dict[pl.DataType, sa.types.TypeEngine[Any]] = {
        pl.Int64(): sa.BigInteger(),
        pl.Float64(): sa.Float(),
        UTC_DATETIME: Moment(),
    }
    schema = summary_schema(channels)
    return {name: kinds[kind] for name, kind in schema.items() if name != "bucket"}


@dataclass(frozen=True)
class Schema:
    """The tables of one TABLE_NAME."""

    table_name: str
    # TimescaleDB cannot lock a row of a compressed chunk.
    lockable_rows: bool = True

    @cached_property
    def metadata(self) -> sa.MetaData:
        return sa.MetaData()

    @cached_property
    def readings(self) -> sa.Table:
        """Key columns only; channel columns are added as rigs come (see `reading_columns`)."""
        return sa.Table(
            self.table_name,
            self.metadata,
            sa.Column("rig", RigName, nullable=False),
            sa.Column("timestamp", Moment, nullable=False),
            # The load that it came with: a corrected load takes back what it brought before.
            sa.Column("load_id", sa.Integer),
            sa.PrimaryKeyConstraint("rig", "timestamp", name=self.key),
            sqlite_with_rowid=False,
        )

    def readings_of(self, rig: Rig) -> sa.TableClause:
        """The readings with the columns of a rig's channels, for statements."""
        return self.readings_with(reading_columns(rig))

    def readings_with(self, columns: Iterable[str]) -> sa.TableClause:
        """The readings with their key and the given columns, for statements."""
        found: list[sa.ColumnClause[Any]] = [
            sa.column("rig", RigName),
            sa.column("timestamp", Moment),
        ]
        found += [sa.column(name) for name in columns if name not in ("rig", "timestamp")]
        return sa.table(self.table_name, *found)

    @cached_property
    def rigs(self) -> sa.Table:
        return sa.Table(
            f"{self.table_name}_rigs",
            self.metadata,
            sa.Column("name", RigName, primary_key=True, nullable=False),
            sa.Column("label", sa.Text, nullable=False),
            sa.Column("time_zone", sa.Text, nullable=False),
            sa.Column("interval_s", sa.Float),
            sa.Column("definition", sa.Text, nullable=False),
            sa.Column("version", sa.Text, nullable=False),
            rollups_column(),
        )

    @cached_property
    def rollups(self) -> sa.Table:
        """Key and common columns of the summaries; each channel has more (`summary_columns`)."""
        return sa.Table(
            f"{self.table_name}_rollups",
            self.metadata,
            sa.Column("rig", RigName, nullable=False),
            sa.Column("level_s", sa.Integer, nullable=False),
            sa.Column("bucket", Moment, nullable=False),
            *(sa.Column(name, kind) for name, kind in summary_columns(()).items()),
            sa.PrimaryKeyConstraint("rig", "level_s", "bucket", name=f"{self.table_name}_levels"),
            sqlite_with_rowid=False,
        )

    def rollups_with(self, columns: Iterable[str]) -> sa.TableClause:
        """The summaries with their key and the given columns, for statements."""
        found: list[sa.ColumnClause[Any]] = [
            sa.column("rig", RigName),
            sa.column("level_s", sa.Integer),
            sa.column("bucket", Moment),
        ]
        found += [sa.column(name) for name in columns if name not in ("rig", "level_s", "bucket")]
        return sa.table(self.rollups.name, *found)

    @cached_property
    def loads(self) -> sa.Table:
        return sa.Table(
            f"{self.table_name}_loads",
            self.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("sha256", sa.Text),
            sa.Column("rig", RigName, nullable=False),
            sa.Column("rig_version", sa.Text, nullable=False),
            sa.Column("settings", sa.Text, nullable=False),
            sa.Column("status", sa.Text, nullable=False),
            sa.Column("started_at", Moment, nullable=False),
            sa.Column("finished_at", Moment),
            sa.Column("rows_read", sa.BigInteger, nullable=False, default=0),
            sa.Column("accepted", sa.BigInteger, nullable=False, default=0),
            sa.Column("rejected", sa.BigInteger, nullable=False, default=0),
            sa.Column("rejected_by_reason", sa.JSON, nullable=False, default=dict),
            sa.Column("statistics", sa.JSON, nullable=False, default=dict),
            sa.Column("first_timestamp", Moment),
            sa.Column("last_timestamp", Moment),
            *departed_columns(),
            sqlite_autoincrement=True,
        )

    @cached_property
    def rejects(self) -> sa.Table:
        return sa.Table(
            f"{self.table_name}_rejects",
            self.metadata,
            sa.Column("id", Number, primary_key=True),
            sa.Column("load_id", sa.Integer, nullable=False),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("line", sa.BigInteger, nullable=False),
            sa.Column("rig", RigName, nullable=False),
            sa.Column("timestamp", Moment),
            sa.Column("reason", sa.Text, nullable=False),
            sa.Column("detail", sa.Text, nullable=False),
            sa.Column("raw", sa.Text, nullable=False),
            sa.Index(f"{self.table_name}_rejects_time", "rig", "timestamp"),
            sa.Index(f"{self.table_name}_rejects_load", "load_id"),
            sa.Index(f"{self.table_name}_rejects_reason", "rig", "reason", "id"),
        )

    @cached_property
    def changes(self) -> sa.Table:
        return sa.Table(
            f"{self.table_name}_changes",
            self.metadata,
            sa.Column("sequence", Number, primary_key=True),
            sa.Column("rig", RigName, nullable=False),
            sa.Column("first_timestamp", Moment, nullable=False),
            sa.Column("last_timestamp", Moment, nullable=False),
            sa.Column("rows", sa.BigInteger, nullable=False),
            sa.Column("committed_at", Moment, nullable=False),
            sqlite_autoincrement=True,
        )

    @cached_property
    def tokens(self) -> sa.Table:
        return sa.Table(
            f"{self.table_name}_tokens",
            self.metadata,
            sa.Column("name", sa.Text, primary_key=True, nullable=False),
            sa.Column("scope", sa.Text, nullable=False),
            sa.Column("digest", sa.Text, nullable=False),
            sa.Column("created_at", Moment, nullable=False),
            sa.Column("last_used_at", Moment),
            sa.Column("revoked_at", Moment),
        )

    @cached_property
    def migrations(self) -> sa.Table:
        return sa.Table(
            f"{self.table_name}_migrations",
            self.metadata,
            sa.Column("name", sa.Text, primary_key=True, nullable=False),
            sa.Column("applied_at", Moment, nullable=False),
        )

    @cached_property
    def copying(self) -> sa.Table:
        """There only in an unfinished copy; `source` is the identity of what it copies."""
        name = f"{self.table_name}_copying"
        return sa.Table(name, sa.MetaData(), sa.Column("source", sa.Text, nullable=False))

    @property
    def key(self) -> str:
        return f"{self.table_name}_pkey"

    @property
    def original(self) -> str:
        """Where a table that was adopted is kept as it was."""
        return f"{self.table_name}_original"

    @property
    def readable_view(self) -> str:
        return f"{self.table_name}_readable"


def within(table: sa.Table | sa.TableClause, selection: Range) -> list[sa.ColumnElement[bool]]:
    """Conditions that select a range of a table with a key of rig and timestamp.

    Times that a `datetime` cannot hold, which only other programs write, are in no range.
    """
    rig, timestamp = table.c.rig, table.c.timestamp
    start = EARLIEST if selection.start is None else selection.start
    ends = timestamp <= LATEST if selection.end is None else timestamp < selection.end
    return [rig == selection.rig, timestamp >= start, ends]


def beyond(schema: Schema) -> "sa.Select[int]":
    """How many readings have a time that is in no range: in PostgreSQL `infinity`, say."""
    shown = schema.readings.c.timestamp.between(EARLIEST, LATEST)
    return sa.select(sa.func.count()).select_from(schema.readings).where(~shown)


def reading_columns(rig: Rig) -> dict[str, sa.types.TypeEngine[Any]]:
    """Columns of the readings table that a rig needs after its key, with their types."""
    levels = {channel.alert_column for channel in rig.scored_channels}
    return {name: sa.Text() if name in levels else sa.Float() for name in rig.value_columns}
