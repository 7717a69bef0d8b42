"""What a live source sends, batch by batch: the same account in every database."""

from collections.abc import Callable

import polars as pl
import sqlalchemy as sa

from pipeline.stores.base import SourceIdentity, span
from pipeline.stores.ledger import GivenWay, Ledger
from pipeline.stores.migrations import add_channels
from pipeline.stores.rollup_builder import begin_rollups, keep_rollups
from pipeline.stores.schema import Schema

# Writes readings of one rig, of which so many are expected to replace others or to give way.
Upsert = Callable[[pl.DataFrame, GivenWay], None]


def begin(connection: sa.Connection, schema: Schema, identity: SourceIdentity) -> int:
    """Register the rig and open the ledger row of a live source; returns its number."""
    add_channels(connection, schema, identity.rig)
    ledger = Ledger(connection, schema)
    ledger.register(identity.rig)
    begin_rollups(connection, schema, identity.rig.name)
    return ledger.open(identity, "live")


def append(
    connection: sa.Connection,
    schema: Schema,
    load_id: int,
    source: SourceIdentity,
    readings: pl.DataFrame,
    rejects: pl.DataFrame,
    upsert: Upsert,
) -> None:
    """Write readings by `upsert`, and account for them and for rejects that are written already."""
    ledger = Ledger(connection, schema)
    ledger.add_live_rejects(load_id, dict(rejects["reason"].value_counts().iter_rows()))
    # Every writer in this order: rows, the ledger, roll-ups by name, changes.
    parts = sorted(readings.partition_by("rig"), key=lambda part: str(part["rig"][0]))
    for part in parts:
        rig = source.rig.renamed(part["rig"][0])
        if rig is not source.rig:
            ledger.register(rig)
            begin_rollups(connection, schema, rig.name)
        upsert(part, ledger.count_replaced(load_id, rig.name, part["timestamp"]))
        ledger.add_live_readings(load_id, rig.name, *span(part))
    for part in parts:
        keep_rollups(connection, schema, source.name, part)
    ledger.announce()
