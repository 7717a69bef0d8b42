"""What the ledger says of all loads together, counted by the database."""

from typing import Any

import sqlalchemy as sa

from pipeline.stores.base import Accounts
from pipeline.stores.schema import Schema


def accounts_of(connection: sa.Connection, schema: Schema) -> Accounts:
    """Numbers of loads by status, and of the rejected rows of those that count by reason."""
    loads = schema.loads
    each = _entries(connection, loads.c.rejected_by_reason)
    reasons = (
        sa.select(each.c.key, sa.func.sum(sa.cast(each.c.value, sa.BigInteger)))
        .select_from(loads.join(each, sa.true()))
        .where(loads.c.status != "superseded")
        .group_by(each.c.key)
    )
    # PostgreSQL adds big integers up to a number that it calls numeric.
    rejected = {reason: int(number) for reason, number in connection.execute(reasons)}
    return Accounts(loads_by_status(connection, schema), rejected)


def loads_by_status(connection: sa.Connection, schema: Schema) -> dict[str, int]:
    loads = schema.loads
    count = sa.select(loads.c.status, sa.func.count()).group_by(loads.c.status)
    return dict(map(tuple, connection.execute(count)))


def concerns(connection: sa.Connection, loads: sa.Table, rig: str) -> sa.ColumnElement[bool]:
    """Whether a load was for the rig, or brought readings of it beside those of others."""
    each = _entries(connection, loads.c.statistics)
    brought = sa.exists(sa.select(each.c.key).where(each.c.key == rig))
    return (loads.c.rig == rig) | brought


def _entries(connection: sa.Connection, column: sa.Column[Any]) -> sa.TableValuedAlias:
    """Keys and values of a JSON object in each row of the column's table."""
    postgres = connection.dialect.name == "postgresql"
    function = sa.func.json_each_text if postgres else sa.func.json_each
    return function(column).table_valued("key", "value")
