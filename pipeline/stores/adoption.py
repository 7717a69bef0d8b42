"""Adoption: a table of somebody else becomes ours, and every row of it is accounted for.

One transaction renames the table, makes ours, and loads all rows as if from a file. Whatever
interrupts it, the table is there as it was; and afterwards it is kept under another name.
"""

import json
import logging
from contextlib import closing

import polars as pl
import sqlalchemy as sa

from pipeline.errors import DatabaseError, SourceError
from pipeline.retry import Retry
from pipeline.rig import Rig, configured_rig
from pipeline.settings import Settings
from pipeline.sources.table import TableSource
from pipeline.spool import Spool
from pipeline.stores.base import LoadOutcome, LoadWriter, SourceIdentity
from pipeline.stores.migrations import foreign_table, is_foreign
from pipeline.stores.schema import Schema
from pipeline.stores.sql import columns_of
from pipeline.stores.workplace import Workplace, workplace
from pipeline.timestamps import parse_times
from pipeline.transform import Transformed, transform
from pipeline.words import counted

logger = logging.getLogger(__name__)

_REMEDY = "set RIG_FILE to a rig file that names its columns, or "


def adopt(settings: Settings) -> None:
    """Make the table TABLE_NAME ours, as readings of the configured rig.

    Nothing happens where another process has done so meanwhile. Raises ForeignTableError, with
    the reason in one line, where the table is nothing that can be adopted; DatabaseError,
    RigError, and SmartSensorError when the disk is full. Nothing has changed then.
    """
    rig = configured_rig(settings)
    place = workplace(settings)
    Retry(settings.database_retry_s)(lambda: _adopt_once(settings, rig, place))


def _adopt_once(settings: Settings, rig: Rig, place: Workplace) -> None:
    schema = Schema(settings.table_name)
    with place.writing() as connection:
        if not is_foreign(connection, schema):
            return
        try:
            source, outcome = _adopt(connection, schema, rig, settings, place)
        except SourceError as error:
            # One line; the others propose a rig file. The table is named before it.
            reason = str(error).partition("\n")[0].removeprefix(f"{_name(schema)}: ")
            raise foreign_table(connection, schema, reason.rstrip("."), _REMEDY) from None
    _say(schema, rig, source, outcome)


def _adopt(
    connection: sa.Connection, schema: Schema, rig: Rig, settings: Settings, place: Workplace
) -> tuple[TableSource, LoadOutcome]:
    """Everything inside the transaction. Raises SourceError, ForeignTableError: it is refused."""
    name = _name(schema)
    if not _is_table(connection, schema.table_name):
        raise foreign_table(
            connection, schema, "it is a view, or something else that holds no rows itself"
        )
    kinds = columns_of(connection, schema.table_name)
    # What is refused for its columns is not even locked.
    TableSource(connection, schema.table_name, kinds, rig, name)
    _set_aside(connection, schema)
    source = TableSource(connection, schema.original, kinds, rig, name)
    place.make_tables(connection)
    with transform(source, _as_written(source, rig), settings.outliers) as found:
        _refuse_if_nothing_is_accepted(connection, schema, found)
        used = json.dumps({"outliers": settings.outliers})
        identity = SourceIdentity(name, source.sha256(), rig, used)
        load = place.load(connection, identity, found.incoming)
        load.add_readings(found.readings())
        _add_rejects(load, found)
        outcome = found.load_outcome
        load.finish(outcome)
    _verify(connection, schema, outcome)
    return source, outcome


def _name(schema: Schema) -> str:
    """What the ledger calls it."""
    return f"table {schema.table_name}"


def _set_aside(connection: sa.Connection, schema: Schema) -> None:
    """Rename the table, and its key where it has the name that ours will have."""
    if sa.inspect(connection).has_table(schema.original):
        raise foreign_table(
            connection, schema, f"it would be kept as {schema.original!r}, which is there"
        )
    quote = connection.dialect.identifier_preparer.quote
    old, new = quote(schema.table_name), quote(schema.original)
    connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
    if columns_of(connection, schema.key) and connection.dialect.name == "postgresql":
        key, kept = quote(schema.key), quote(f"{schema.original}_pkey")
        connection.exec_driver_sql(f"ALTER INDEX {key} RENAME TO {kept}")


def _is_table(connection: sa.Connection, table: str) -> bool:
    """Whether it is a table with rows of its own: no view, foreign or virtual table."""
    query = sa.text(
        "SELECT 1 FROM pragma_table_list(:table) WHERE schema = 'main' AND type = 'table'"
    )
    if connection.dialect.name == "postgresql":
        query = sa.text(
            "SELECT 1 FROM pg_class WHERE oid = to_regclass(quote_ident(:table))"
            " AND relkind IN ('r', 'p')"
        )
    return connection.scalar(query, {"table": table}) is not None


def _as_written(source: TableSource, rig: Rig) -> Rig:
    """The rig with the format of times that the table has: the files' one, or ISO 8601."""
    text = source.first_time
    if rig.files.time_format is None or text is None:
        return rig
    times = pl.DataFrame({"timestamp": [text]})
    parsed = parse_times(pl.col("timestamp"), pl.String(), None, rig.time_zone)
    if times.select(parsed).item() is None:
        return rig
    return rig.model_copy(update={"files": rig.files.model_copy(update={"time_format": None})})


def _refuse_if_nothing_is_accepted(
    connection: sa.Connection, schema: Schema, found: Transformed
) -> None:
    """Such a table holds something else, or is of another rig."""
    if found.incoming.rows or not found.rows_read:
        return
    first = next(iter(found.rejects()))
    raise foreign_table(
        connection,
        schema,
        f"none of its {counted(found.rows_read, 'row')} is a reading; "
        f"of the first one {first['detail'][0]}",
        _REMEDY,
    )


def _add_rejects(load: LoadWriter, found: Transformed) -> None:
    """Duplicates are read once more; a connection that is being copied into cannot read."""
    with closing(Spool()) as spool:
        for rejects in found.rejects():
            spool.append(rejects)
        load.add_rejects(spool)


def _verify(connection: sa.Connection, schema: Schema, outcome: LoadOutcome) -> None:
    """Raises DatabaseError unless every row of the table is a reading or a reject."""
    tables = (schema.original, schema.table_name, schema.rejects.name)
    rows, readings, rejects = (
        connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) for name in tables
    )
    rejected = sum(outcome.rejected_by_reason.values())
    if (rows, readings, rejects) != (outcome.rows_read, outcome.accepted, rejected) or (
        rows != outcome.accepted + rejected
    ):
        raise DatabaseError(
            f"table {schema.table_name!r} was not adopted, and is as it was: of {rows} rows "
            f"{outcome.rows_read} were read, {readings} stored and {rejects} rejected"
        )


def _say(schema: Schema, rig: Rig, source: TableSource, outcome: LoadOutcome) -> None:
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in outcome.rejected_by_reason.items())
    ignored = ", ".join(source.columns.ignored)
    logger.warning(
        "table %r was adopted: %s, %s, %s%s; z-scores and levels are made "
        "anew; times without an offset are in %s%s; the table as it was is kept as %r",
        schema.table_name,
        counted(outcome.rows_read, "row"),
        counted(outcome.accepted, "reading"),
        counted(sum(outcome.rejected_by_reason.values()), "reject"),
        f" ({reasons})" if reasons else "",
        rig.time_zone,
        f"; ignored columns: {ignored}" if ignored else "",
        schema.original,
    )
