"""What the ledger says of all loads together, counted by the database."""

import sqlalchemy as sa

from pipeline.stores.base import Accounts
from pipeline.stores.schema import Schema


def accounts_of(connection: sa.Connection, schema: Schema) -> Accounts:
    """Numbers of loads by status, and of the rejected rows of those that count by reason."""
    loads = schema.loads
    postgres = connection.dialect.name == "postgresql"
    function = sa.func.json_each_text if postgres else sa.func.json_each
    each = function(loads.c.rejected_by_reason).table_valued("key", "value")
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
