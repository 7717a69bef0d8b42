"""What databases say differently: arithmetic with times, and the columns of a table."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class elapsed(GenericFunction[int]):  # named as it is written in a statement
    """`elapsed(later, earlier)`: microseconds from one time to another, exactly."""

    type = sa.BigInteger()
    inherit_cache = True


class shifted(GenericFunction[Any]):  # named as it is written in a statement
    """`shifted(time, microseconds)`: a time so much later."""

    inherit_cache = True


class day_number(GenericFunction[int]):  # named as it is written in a statement
    """`day_number(time)`: the UTC day of a time, in whole days since 1970."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(day_number, "sqlite")
def _day_of_integer(element: day_number, compiler: SQLCompiler, **options: Any) -> str:
    (time,) = (compiler.process(clause, **options) for clause in element.clauses)
    # Division rounds towards zero, a day begins before its times.
    return f"(({time} - ({time} % 86400000000 + 86400000000) % 86400000000) / 86400000000)"


@compiles(day_number, "postgresql")
def _day_of_timestamp(element: day_number, compiler: SQLCompiler, **options: Any) -> str:
    (time,) = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(floor(extract(epoch from {time}) / 86400) AS bigint)"


@compiles(elapsed, "sqlite")
def _elapsed_integers(element: elapsed, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({later} - {earlier})"


@compiles(elapsed, "postgresql")
def _elapsed_timestamps(element: elapsed, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(extract(epoch from {later} - {earlier}) * 1000000 AS bigint)"


@compiles(shifted, "sqlite")
def _shifted_integer(element: shifted, compiler: SQLCompiler, **options: Any) -> str:
    time, microseconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({time} + {microseconds})"


@compiles(shifted, "postgresql")
def _shifted_timestamp(element: shifted, compiler: SQLCompiler, **options: Any) -> str:
    time, microseconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({time} + {microseconds} * interval '1 microsecond')"


_COLUMNS = {
    "sqlite": sa.text("SELECT name, lower(type) FROM pragma_table_info(:table)"),
    "postgresql": sa.text(
        "SELECT attname::text, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute"
        " WHERE attrelid = to_regclass(quote_ident(:table)) AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum"
    ),
}


def columns_of(connection: sa.Connection, table: str) -> dict[str, str]:
    """Columns of a table, in order, with the database's name of their type; {} for no table."""
    found = connection.execute(_COLUMNS[connection.dialect.name], {"table": table})
    return dict(map(tuple, found))


def distinct_values(connection: sa.Connection, column: "sa.Column[Any]") -> list[Any]:
    """The different values of a column that an index begins with, found by steps through it."""
    values: list[Any] = []
    while True:
        query = sa.select(column).order_by(column).limit(1)
        if values:
            query = query.where(column > values[-1])
        found = connection.scalar(query)
        if found is None:
            return values
        values.append(found)


def wait_for_turn(connection: sa.Connection, name: str) -> None:
    """Hold the lock of that name until the transaction ends; wait for whoever has it.

    SQLite needs none: its writers have the lock of the whole file.
    """
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(sa.bindparam("name", name, sa.Text), 0)
        connection.scalar(sa.select(sa.func.pg_advisory_xact_lock(key)))


def inserting(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what is to happen in a conflict."""
    kind = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return kind(table)
