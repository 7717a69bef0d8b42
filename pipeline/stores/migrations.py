"""The schema, step by step from its first version on.

Each step and the record of it are one transaction. Why not Alembic: docs/schema.md.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pipeline.database_errors import shown, translated_errors
from pipeline.errors import DatabaseError, ForeignTableError, RigError
from pipeline.rig import Rig
from pipeline.rollups import channels_among
from pipeline.stores import postgres_notices
from pipeline.stores.schema import (
    Schema,
    departed_columns,
    reading_columns,
    rollups_column,
    summary_columns,
)
from pipeline.stores.sql import columns_of

Migration = Callable[[sa.Connection, Schema], None]


def _create_tables(connection: sa.Connection, schema: Schema) -> None:
    for table in (schema.readings, schema.rigs, schema.loads, schema.rejects, schema.changes):
        table.create(connection)
    if connection.dialect.name == "postgresql":
        # The first load is faster without, and makes the key when its rows are in.
        quote = connection.dialect.identifier_preparer.quote
        connection.exec_driver_sql(
            f"ALTER TABLE {quote(schema.table_name)} DROP CONSTRAINT {quote(schema.key)}"
        )


def _count_what_departed(connection: sa.Connection, schema: Schema) -> None:
    """The ledger says how many readings of a load later ones have replaced."""
    present = columns_of(connection, schema.loads.name)
    for column in departed_columns():
        if column.name not in present:
            add_column(connection, schema.loads, column)
    readings, loads = schema.readings.c, schema.loads
    stored = sa.select(readings.load_id, sa.func.count().label("stored")).group_by(readings.load_id)
    kept: dict[int | None, int] = dict(connection.execute(stored).all())
    accounts = sa.select(loads.c.id, loads.c.accepted).where(loads.c.status != "superseded")
    for number, accepted in connection.execute(accounts).all():
        replaced = accepted - kept.get(number, 0)
        if replaced:
            update = loads.update().where(loads.c.id == number)
            connection.execute(update.values(readings_replaced=replaced))


def _make_rollups(connection: sa.Connection, schema: Schema) -> None:
    """A table of summaries. Those of rigs that are stored are made by `db rebuild-rollups`."""
    if "rollups" not in columns_of(connection, schema.rigs.name):
        add_column(connection, schema.rigs, rollups_column())
    schema.rollups.create(connection)
    _add_summary_columns(connection, schema, columns_of(connection, schema.table_name))


def _make_tokens(connection: sa.Connection, schema: Schema) -> None:
    """Who may write from elsewhere, and read where that needs a token."""
    schema.tokens.create(connection)


def _index_rejects_by_reason(connection: sa.Connection, schema: Schema) -> None:
    """The newest rejects of a reason are found without reading all of them."""
    name = f"{schema.rejects.name}_reason"
    index = next(each for each in schema.rejects.indexes if each.name == name)
    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


# Names are recorded in databases: append only.
MIGRATIONS: dict[str, Migration] = {
    "0001_tables": _create_tables,
    "0002_departed": _count_what_departed,
    "0003_rollups": _make_rollups,
    "0004_notices": postgres_notices.install,
    "0005_tokens": _make_tokens,
    "0006_rejects_by_reason": _index_rejects_by_reason,
}


def is_current(connection: sa.Connection, schema: Schema) -> bool:
    """Whether there is nothing to do, found out without the write lock."""
    names = schema.migrations.c.name
    return sa.inspect(connection).has_table(schema.migrations.name) and set(
        connection.execute(sa.select(names)).scalars()
    ) == set(MIGRATIONS)


def migrate(connection: sa.Connection, schema: Schema) -> list[str]:
    """Apply what is missing, in order; the caller's transaction holds the write lock.

    Returns the names applied. Raises ForeignTableError when a table of that name is not ours,
    DatabaseError when it was made by a newer version.
    """
    applied = applied_migrations(connection, schema)
    unknown = applied - MIGRATIONS.keys()
    if unknown:
        raise DatabaseError(
            f"table {schema.table_name!r} was made by a newer version of Smart Sensor "
            f"({', '.join(sorted(unknown))}); install that version, or set another TABLE_NAME"
        )
    if is_foreign(connection, schema):
        raise foreign_table(connection, schema)
    todo = [name for name in MIGRATIONS if name not in applied]
    for name in todo:
        MIGRATIONS[name](connection, schema)
        record = {"name": name, "applied_at": datetime.now(UTC)}
        connection.execute(schema.migrations.insert(), record)
    return todo


def is_foreign(connection: sa.Connection, schema: Schema) -> bool:
    """Whether there is a table of that name without any step of ours on record."""
    return not applied_migrations(connection, schema) and sa.inspect(connection).has_table(
        schema.table_name
    )


def foreign_table(
    connection: sa.Connection, schema: Schema, reason: str | None = None, remedy: str = ""
) -> ForeignTableError:
    """What is said of a table that is not ours; `reason` is why it cannot be adopted."""
    adopted = f", and it cannot be adopted: {reason}" if reason else ""
    return ForeignTableError(
        f"{shown(connection.engine.url)}: table {schema.table_name!r} exists and was not made by "
        f"Smart Sensor{adopted}; {remedy}set another TABLE_NAME, or rename that table"
    )


def applied_migrations(connection: sa.Connection, schema: Schema) -> set[str]:
    """Names of the migrations on record; none for a database that is not there yet."""
    schema.migrations.create(connection, checkfirst=True)
    return set(connection.execute(sa.select(schema.migrations.c.name)).scalars())


def recorded(engine: sa.Engine, table_name: str) -> set[str]:
    """Names of the migrations on record in a database that may not be there yet."""
    schema = Schema(table_name)
    with translated_errors(engine.url), engine.connect() as connection:
        if not sa.inspect(connection).has_table(schema.migrations.name):
            return set()
        return set(connection.execute(sa.select(schema.migrations.c.name)).scalars())


def add_channels(connection: sa.Connection, schema: Schema, rig: Rig) -> None:
    """Add the columns that a rig's channels need. Raises RigError as `missing_columns` does."""
    add_columns(connection, schema, missing_columns(connection, schema, rig))


def missing_columns(
    connection: sa.Connection, schema: Schema, rig: Rig
) -> dict[str, sa.types.TypeEngine[Any]]:
    """Columns that the readings need for a rig's channels and do not have yet.

    Raises RigError when a column of that name holds something else.
    """
    present = columns_of(connection, schema.table_name)
    missing = {}
    for name, kind in reading_columns(rig).items():
        if name not in present:
            missing[name] = kind
        elif (present[name] == "text") != isinstance(kind, sa.Text):
            raise RigError(
                f"rig {rig.name!r}: column {name!r} of table {schema.table_name!r} holds "
                f"{present[name]}; give the channel another name"
            )
    return missing


def add_columns(
    connection: sa.Connection, schema: Schema, columns: Mapping[str, sa.types.TypeEngine[Any]]
) -> None:
    """Add columns to the readings; nullable, so no row is touched."""
    for name, kind in columns.items():
        add_column(connection, schema.readings, sa.Column(name, kind))
    if columns:
        _make_readable_view(connection, schema)
        _add_summary_columns(connection, schema, columns)


def _add_summary_columns(
    connection: sa.Connection, schema: Schema, reading_columns: Iterable[str]
) -> None:
    present = columns_of(connection, schema.rollups.name)
    for name, kind in summary_columns(channels_among(reading_columns)).items():
        if name not in present:
            add_column(connection, schema.rollups, sa.Column(name, kind))


def add_column(connection: sa.Connection, table: sa.Table, column: "sa.Column[Any]") -> None:
    """Add a column to a table that exists. Two that do so at once are both content."""
    dialect = connection.dialect
    ddl = sa.schema.CreateColumn(column).compile(dialect=dialect)
    unless = "IF NOT EXISTS " if dialect.name == "postgresql" else ""
    name = dialect.identifier_preparer.format_table(table)
    connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {unless}{ddl}")


def _make_readable_view(connection: sa.Connection, schema: Schema) -> None:
    """The readings with their time as text, for people with `sqlite3` or Datasette."""
    if connection.dialect.name != "sqlite":
        return
    quote = connection.dialect.identifier_preparer.quote_identifier
    view, table = quote(schema.readable_view), quote(schema.table_name)
    columns = ", ".join(
        # Division is exact: SQLite formats whole seconds, the microseconds are appended.
        "strftime('%Y-%m-%dT%H:%M:%S', (timestamp - (timestamp % 1000000 + 1000000) % 1000000)"
        " / 1000000, 'unixepoch') || printf('.%06dZ', (timestamp % 1000000 + 1000000) % 1000000)"
        " AS timestamp"
        if name == "timestamp"
        else quote(name)
        for name in columns_of(connection, schema.table_name)
    )
    connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
    connection.exec_driver_sql(
        f"CREATE VIEW {view} AS SELECT {columns} FROM {table}"  # noqa: S608  # quoted names
    )
