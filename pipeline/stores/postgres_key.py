"""The primary key of the readings in PostgreSQL: made when the first rows are in."""

import sqlalchemy as sa

from pipeline.stores import foreign
from pipeline.stores.schema import Schema
from pipeline.stores.sql import wait_for_turn


def has_key(connection: sa.Connection, schema: Schema) -> bool:
    """Whether the readings have their primary key: from the first load on they have."""
    found = sa.text(
        "SELECT 1 FROM pg_constraint WHERE contype = 'p'"
        " AND conrelid = to_regclass(quote_ident(:table))"
    )
    return connection.scalar(found, {"table": schema.table_name}) is not None


def make_index(connection: sa.Connection, schema: Schema) -> None:
    """Make the index of the key, while readers go on. A hypertable has to wait for its key."""
    if is_hypertable(connection, schema):
        return
    preparer = connection.dialect.identifier_preparer
    table = preparer.format_table(schema.readings)
    connection.exec_driver_sql(
        f"CREATE UNIQUE INDEX {preparer.quote(schema.key)} ON {table} (rig, timestamp)"
    )


def make_complete(connection: sa.Connection, schema: Schema) -> None:
    """Give the readings their primary key and the trigger, if they have not got them yet.

    TimescaleDB compresses directly only where there is neither.
    """
    if has_key(connection, schema):
        return
    wait_for_turn(connection, f"{schema.table_name} first load")
    if has_key(connection, schema):
        return
    preparer = connection.dialect.identifier_preparer
    key = preparer.quote(schema.key)
    made = connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": key})
    columns = f"USING INDEX {key}" if made is not None else "(rig, timestamp)"
    connection.exec_driver_sql(
        f"ALTER TABLE {preparer.format_table(schema.readings)}"
        f" ADD CONSTRAINT {key} PRIMARY KEY {columns}"
    )
    foreign.install(connection, schema)


def is_hypertable(connection: sa.Connection, schema: Schema) -> bool:
    """Whether the readings are a hypertable of TimescaleDB."""
    view = sa.text("SELECT to_regclass('timescaledb_information.hypertables')")
    if connection.scalar(view) is None:
        return False
    found = sa.text(
        "SELECT 1 FROM timescaledb_information.hypertables, pg_class JOIN pg_namespace"
        " ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(quote_ident(:table))"
        " AND hypertable_name = relname AND hypertable_schema = nspname"
    )
    return connection.scalar(found, {"table": schema.table_name}) is not None
