"""Writes of others in PostgreSQL: a trigger records them as changes, so that they are noticed.

Our own transactions say who they are, and record their changes themselves. SQLite needs none of
this: every commit of anybody changes `PRAGMA data_version`.
"""

import sqlalchemy as sa

from pipeline.stores.schema import Schema

# A rig cannot have this name.
NOBODY = ""


def sign(connection: sa.Connection) -> None:
    """Say that what this transaction writes is ours."""
    connection.scalar(sa.text("SELECT set_config('smart_sensor.writer', 'on', true)"))


def install(connection: sa.Connection, schema: Schema) -> None:
    """Record one change without rows for each transaction of others that touches readings."""
    quote = connection.dialect.identifier_preparer.quote
    home = _home(connection, schema)
    table, changes = quote(schema.table_name), quote(schema.changes.name)
    function = quote(f"{schema.table_name}_noticed")
    # Not in the order of commits, unlike ours: a lock would make all wait for their transaction.
    connection.exec_driver_sql(f"""
        CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = {home}, pg_temp AS $$
        BEGIN
            IF current_setting('smart_sensor.writer', true) IN ('on', pg_current_xact_id()::text)
            THEN
                RETURN NULL;
            END IF;
            PERFORM set_config('smart_sensor.writer', pg_current_xact_id()::text, true);
            INSERT INTO {home}.{changes} (rig, first_timestamp, last_timestamp, rows, committed_at)
            VALUES ('{NOBODY}', now(), now(), 0, now());
            RETURN NULL;
        END $$""")  # noqa: S608  # quoted names
    connection.exec_driver_sql(
        f"CREATE TRIGGER noticed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )
    connection.exec_driver_sql(
        f"CREATE INDEX {quote(f'{schema.table_name}_foreign')} ON {changes} (sequence)"
        f" WHERE rig = '{NOBODY}'"
    )


def _home(connection: sa.Connection, schema: Schema) -> str:
    """The schema that the tables are in, quoted."""
    found = sa.text(
        "SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace"
        " ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(quote_ident(:table))"
    )
    return str(connection.scalar(found, {"table": schema.changes.name}))
