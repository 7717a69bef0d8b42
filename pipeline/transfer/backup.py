"""Backups: SQLite's own copy of its file, or an archive that fits every database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from pipeline.database_errors import translated_errors
from pipeline.errors import SmartSensorError
from pipeline.settings import Settings
from pipeline.stores import Store, open_store
from pipeline.transfer.archive import write_archive
from pipeline.transfer.files import (
    Progress,
    no_progress,
    one_line_errors,
    refuse_existing,
    replacing,
)

SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_PAGES_AT_ONCE = 4096


def back_up(
    settings: Settings, path: Path, progress: Progress = no_progress, force: bool = False
) -> int:
    """Write a backup of one moment of the database to `path`; returns its size in bytes.

    With one of SQLITE_SUFFIXES it is a SQLite file, with any other name an archive. Others go on
    reading and writing. A file that is there is replaced only by `force`. Raises SmartSensorError,
    DatabaseError.
    """
    url = make_url(settings.database_url)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and path.exists() and path.samefile(str(url.database)):
        raise SmartSensorError(f"{path}: is the database itself; give another name")
    if str(path) == "-":
        raise SmartSensorError("-: a backup goes to a file only; give its name")
    refuse_existing(path, force)
    if path.suffix.lower() not in SQLITE_SUFFIXES:
        with closing(open_store(settings)) as store:
            _archive(store, path, progress)
    elif is_sqlite:
        with translated_errors(url), replacing(path) as temporary:
            _copy_file(Path(str(url.database)), temporary, progress)
    else:
        raise SmartSensorError(
            f"{path}: a SQLite file is a backup of a SQLite database only; name an archive, "
            "such as backup.zip, or copy into SQLite with `smart-sensor migrate`"
        )
    return path.stat().st_size


def _archive(store: Store, path: Path, progress: Progress) -> None:
    with replacing(path) as temporary, one_line_errors(path), store.snapshot() as records:
        write_archive(records, temporary, store.backend, progress)


def _copy_file(database: Path, target: Path, progress: Progress) -> None:
    """SQLite's online backup, of one moment: others may write meanwhile, and it ends."""
    source = sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=30.0)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        # Without a transaction of ours it would begin anew whenever somebody writes.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_master").fetchone()

        def show(_status: int, remaining: int, total: int) -> None:
            progress("backing up", total - remaining, total)

        source.backup(copy, pages=_PAGES_AT_ONCE, progress=show, sleep=0)
        # One file, which needs no other beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
