"""From a backup into a store: verified as a whole first, then in one transaction."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from pipeline.db_utils import existing_tables, get_engine
from pipeline.errors import DatabaseError, SmartSensorError
from pipeline.settings import Settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import Range
from pipeline.stores.records import TABLES, Records
from pipeline.transfer.archive import Archive
from pipeline.transfer.files import Progress, no_progress, one_line_errors

_SQLITE = b"SQLite format 3\0"
_ZIP = b"PK\x03\x04"


class Backup(Protocol):
    """Tables that can be read, as they were."""

    def columns(self, table: str) -> dict[str, pl.DataType]: ...

    def count(self, table: str) -> int: ...

    def frames(self, table: str) -> Iterator[pl.DataFrame]: ...


def restore(
    store: Store, backup: Backup, replace: bool, progress: Progress = no_progress
) -> dict[str, int]:
    """Put the tables of a backup into the place of those of a store, in one transaction.

    Returns the number of rows of each. Raises DatabaseError for a store that is not empty, unless
    it is to `replace` what is there.
    """
    counts = {table: backup.count(table) for table in TABLES}
    with store.rewriting() as records:
        before = _Before(records)
        if not before.is_empty and not replace:
            raise DatabaseError(
                "the database is not empty; --replace puts the backup in the place of what is there"
            )
        if not before.is_empty:
            records.clear()
        if records.copy_of() is not None:
            records.end_copy()
        records.make_columns(backup.columns("readings"))
        total, done = sum(counts.values()), 0

        def watched(table: str) -> Iterator[pl.DataFrame]:
            nonlocal done
            for frame in backup.frames(table):
                yield frame
                done += len(frame)
                progress("restoring", done, total)

        for table in TABLES:
            records.add(table, watched(table))
        _refuse_other_counts(records, counts)
        records.settle()
        if not before.is_empty:
            before.announce(records)
            records.settle()
    return counts


@contextmanager
def opened(path: Path, settings: Settings, progress: Progress = no_progress) -> Iterator[Backup]:
    """A backup, after all of it was verified. Raises SmartSensorError in one line."""
    with one_line_errors(path), path.open("rb") as file:
        beginning = file.read(len(_SQLITE))
    if beginning == _SQLITE:
        with _sqlite(path, settings) as records:
            yield records
    elif beginning.startswith(_ZIP):
        with closing(Archive(path)) as archive:
            archive.verify(progress)
            yield archive
    else:
        raise SmartSensorError(
            f"{path}: is no backup of Smart Sensor; `smart-sensor import` reads an export, "
            "`smart-sensor etl` files of readings"
        )


@contextmanager
def _sqlite(path: Path, settings: Settings) -> Iterator[Records]:
    """A SQLite file. A copy is opened: opening may bring its schema up to date."""
    with tempfile.TemporaryDirectory(prefix="smart-sensor-") as folder:
        copy = Path(folder) / "backup.db"
        with one_line_errors(path):
            shutil.copyfile(path, copy)
        _refuse_damaged(path, copy)
        theirs = settings.model_copy(update={"database_url": f"sqlite:///{copy}"})
        tables = existing_tables(get_engine(theirs))
        if settings.table_name not in tables:
            raise DatabaseError(
                f"{path}: has no table of readings {settings.table_name!r}; "
                f"it has {', '.join(tables) or 'none'}: set TABLE_NAME"
            )
        try:
            store = open_store(theirs)
        except DatabaseError as error:
            raise DatabaseError(f"{path}: {str(error).replace(str(copy), 'it')}") from None
        with closing(store), store.snapshot() as records:
            yield records


def _refuse_damaged(path: Path, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error:
        found = None
    if found != "ok":
        raise SmartSensorError(
            f"{path}: the backup is damaged: SQLite finds its content contradictory; "
            "nothing was changed, use another backup"
        )


def _refuse_other_counts(records: Records, counts: dict[str, int]) -> None:
    for table, expected in counts.items():
        found = records.count(table)
        if found != expected:
            raise DatabaseError(
                f"{found:,} {table} were restored, not {expected:,}; nothing was changed"
            )


class _Before:
    """What was there before, so that whoever knows it learns that all of it has changed."""

    def __init__(self, records: Records) -> None:
        self.is_empty = records.is_empty()
        # Behind every number that somebody may have seen.
        self._sequence = records.last_sequence()
        self._rigs = {} if self.is_empty else _spans(records)

    def announce(self, records: Records) -> None:
        """One change for each rig, over all its readings of before and of now."""
        now = _spans(records)
        sequence = max(self._sequence, records.last_sequence())
        rows = []
        for place, rig in enumerate(sorted({*self._rigs, *now}), 1):
            spans = [each for each in (self._rigs.get(rig), now.get(rig)) if each]
            rows.append(
                {
                    "sequence": sequence + place,
                    "rig": rig,
                    "first_timestamp": min(first for first, _, _ in spans),
                    "last_timestamp": max(last for _, last, _ in spans),
                    "rows": now[rig][2] if rig in now else 0,
                    "committed_at": datetime.now(UTC),
                }
            )
        if rows:
            records.add("changes", [pl.DataFrame(rows, schema=records.columns("changes"))])


def _spans(records: Records) -> dict[str, tuple[datetime, datetime, int]]:
    """First and last time of each rig that has readings, and their number."""
    found = {}
    for rig in records.rigs():
        extent = records.extent(Range(rig))
        if extent is not None:
            found[rig] = extent.first_timestamp, extent.last_timestamp, extent.records
    return found
