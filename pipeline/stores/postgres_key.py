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


def make_complete(connection: sa.Connection, schema: Schema) -> None:
    """Give the readings their primary key and the trigger, if they have not got them yet.

    TimescaleDB compresses directly only where there is neither.
    """
    if has_key(connection, schema):
        return
    wait_for_turn(connection, f"{schema.table_name} first load")
    if not has_key(connection, schema):
        preparer = connection.dialect.identifier_preparer
        connection.exec_driver_sql(
            f"ALTER TABLE {preparer.format_table(schema.readings)}"
            f" ADD CONSTRAINT {preparer.quote(schema.key)} PRIMARY KEY (rig, timestamp)"
        )
        foreign.install(connection, schema)
