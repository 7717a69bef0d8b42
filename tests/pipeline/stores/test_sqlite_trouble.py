"""When the database is in the way: locked, damaged, read-only, or none at all."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import event

from pipeline import database_errors, db_utils
from pipeline.errors import DatabaseError, DatabaseFullError, DatabaseUnavailable
from pipeline.settings import Settings, load_settings
from pipeline.stores import open_store
from tests.pipeline.stores.conftest import CLEAN, Load, Sql

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextmanager
def another_process(path: Path, statement: str) -> Iterator[None]:
    """Hold a statement's lock from another process."""
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute(sys.argv[2])\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script, str(path), statement],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield
        process.communicate()


def test_a_locked_database_can_be_tried_again(load: Load, sql: Sql, home: Path) -> None:
    load(CLEAN)
    db_utils.dispose_engines()
    with (
        patch.object(db_utils, "_BUSY_TIMEOUT_S", 0.05),
        another_process(home / "readings.db", "BEGIN IMMEDIATE"),
        pytest.raises(DatabaseUnavailable, match="is locked by another program; try again when"),
    ):
        load("2025-07-13T01:00:00Z,20,1000,1\n", "y.csv", settings={"database_retry_s": 0.5})
    assert sql("SELECT count(*) FROM sensor_data") == [(5,)]
    assert load("2025-07-13T01:00:00Z,20,1000,1\n", "y.csv").accepted == 1


def test_readers_are_not_held_up_by_a_writer(load: Load, settings: Settings, home: Path) -> None:
    load(CLEAN)
    with (
        closing(open_store(settings)) as store,
        another_process(home / "readings.db", "BEGIN IMMEDIATE"),
    ):
        assert store.total_records() == 5


def test_a_file_that_is_no_database_is_refused(settings: Settings, home: Path) -> None:
    (home / "readings.db").write_text("These are my notes, all of them, since 2019.\n" * 10)
    with pytest.raises(DatabaseError, match="is not a SQLite database; set DATABASE_URL"):
        open_store(settings)
    assert "my notes" in (home / "readings.db").read_text()


def test_a_damaged_database_is_one_line(load: Load, settings: Settings, home: Path) -> None:
    load("".join(f"{n},20,1000,1\n" for n in range(5000)))
    db_utils.dispose_engines()
    path = home / "readings.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with (
        pytest.raises(DatabaseError, match="is damaged; restore it from a backup"),
        closing(open_store(settings)) as store,
    ):
        store.total_records()


def test_a_folder_in_the_place_of_the_database(settings: Settings, home: Path) -> None:
    (home / "readings.db").mkdir()
    with pytest.raises(DatabaseError, match="cannot be opened; check the path"):
        open_store(settings)


def test_a_folder_that_cannot_be_made(home: Path) -> None:
    (home / "file").touch()
    settings = load_settings(database_url=f"sqlite:///{home}/file/x.db")
    with pytest.raises(DatabaseError, match=r"file: .*; set DATABASE_URL$"):
        open_store(settings)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_READONLY, DatabaseError, "is read-only; change its permissions"),
        (
            sqlite3.SQLITE_FULL,
            DatabaseFullError,
            "the disk is full; nothing of this load was stored",
        ),
        (sqlite3.SQLITE_IOERR_WRITE, DatabaseError, "cannot be read or written; check the disk"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, DatabaseUnavailable, "is locked by another program"),
        (sqlite3.SQLITE_CANTOPEN, DatabaseError, "cannot be opened; check the path"),
    ],
)
def test_what_sqlite_says_is_one_line_told_apart_by_its_code(
    code: int, kind: type[DatabaseError], message: str, settings: Settings
) -> None:
    error = sqlite3.OperationalError("as SQLite words it")
    error.sqlite_errorcode = code
    url = db_utils.get_engine(settings).url
    with (
        pytest.raises(DatabaseError, match=message) as caught,
        database_errors.translated_errors(url),
    ):
        raise error
    assert type(caught.value) is kind


def test_a_read_only_database_is_one_line(load: Load, settings: Settings) -> None:
    load(CLEAN)
    engine = db_utils.get_engine(settings)
    engine.dispose()
    # Whoever runs the tests may be allowed to write everywhere.
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
    with pytest.raises(DatabaseError, match="is read-only; change its permissions or DATABASE_URL"):
        load("2025-07-13T01:00:00Z,20,1000,1\n", "y.csv")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN])
@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        ("readings.db-wal", "readings.db-wal is not writable, and it has to be; change its"),
        ("readings.db-shm", "readings.db-shm is not writable, and it has to be; change its"),
        ("", " is not writable, and it has to be; change its"),
    ],
)
def test_what_is_not_writable_beside_the_file_is_named(
    code: int, closed: str, expected: str, load: Load, settings: Settings, home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    load(CLEAN)
    (home / "readings.db-wal").touch()
    (home / "readings.db-shm").touch()
    # Whoever runs the tests may be allowed to write everywhere.
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != home / closed)
    error = sqlite3.OperationalError("as SQLite words it")
    error.sqlite_errorcode = code
    found = str(database_errors.translated(error, db_utils.get_engine(settings).url))
    assert found.startswith(f"{home}/readings.db: {home / closed}")
    assert expected in found
