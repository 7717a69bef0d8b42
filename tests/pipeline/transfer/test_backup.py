"""Backups of one moment, verified before anything is replaced, and put back in one step."""

import gc
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.errors import SmartSensorError
from pipeline.settings import load_settings
from pipeline.transfer import archive, restore
from pipeline.transfer.backup import back_up
from tests.conftest import Command
from tests.pipeline.transfer.conftest import (
    Fill,
    Tables,
    assert_same,
    everything,
    opened,
    settings_of,
    tables,
)

KEPT = ("readings", "rejects", "loads", "rigs")


@pytest.fixture
def url(home: Path) -> str:
    """The database of the settings."""
    return f"sqlite:///{home / 'processed.db'}"


@pytest.fixture
def filled(url: str, fill: Fill) -> Tables:
    return fill(url)


def test_an_archive_brings_back_everything_into_any_database(
    database_url: str, url: str, filled: Tables, smart_sensor: Command, home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(archive, "_ROWS_A_PART", 300)
    assert smart_sensor("backup", "a.zip").code == 0
    monkeypatch.setenv("DATABASE_URL", database_url)
    finished = smart_sensor("restore", "a.zip")
    assert finished.code == 0, finished.err
    assert "2,183 readings, 2 rejects, 5 loads" in finished.err
    assert_same(everything(database_url), filled)
    assert smart_sensor("backup", "b.zip").code == 0
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{home / 'back.db'}")
    assert smart_sensor("restore", "b.zip").code == 0
    assert_same(everything(f"sqlite:///{home / 'back.db'}"), filled)
    with zipfile.ZipFile(home / "b.zip") as found:
        manifest = json.loads(found.read("manifest.json"))
    parts = [part["rows"] for part in manifest["tables"]["readings"]["parts"]]
    assert parts == [300] * 7 + [83]


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize("name", ["a.zip", "a.db"])
def test_what_is_there_is_replaced_only_when_it_is_said(
    name: str, database_url: str, url: str, filled: Tables, smart_sensor: Command, home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    smart_sensor("backup", name)
    monkeypatch.setenv("DATABASE_URL", database_url)
    (home / "c.csv").write_text(
        "timestamp,temperature,pressure,uptime\n2031-01-01T00:00:00Z,20,1000,1\n"
    )
    smart_sensor("etl", "c.csv", "--rig", "gone")
    before = everything(database_url)
    refused = smart_sensor("restore", name)
    assert refused.code == 2
    assert refused.err == (
        "smart-sensor: the database is not empty; --replace puts the backup in the place of what "
        "is there\n"
    )
    unasked = smart_sensor("restore", name, "--replace")
    assert unasked.code == 2
    assert "Nobody can be asked here: say --yes to go ahead" in unasked.err
    assert "secret" not in unasked.err
    assert_same(everything(database_url), before)
    with opened(database_url) as store:
        version, sequence = store.version(), store.last_sequence()
        assert smart_sensor("restore", name, "--replace", "--yes").code == 0
        changes = store.changes_after(sequence, 100)
        assert store.version() != version
    # Whoever followed the changes reads all of it again.
    assert {change.rig for change in changes} == {
        "gone", "rig-1", "rig-2", "rig-é ' \"", "static-fire",
    }  # fmt: skip
    assert_same(everything(database_url), filled, *KEPT)


def test_a_backup_is_of_one_moment_while_others_write(
    url: str, filled: Tables, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from pipeline.transfer.backup import back_up

    settings = settings_of(url)
    for name in ("a.zip", "a.db"):
        with opened(url) as writer:
            wrote = []

            def write(*_: Any, writer: Any = writer, wrote: list[bool] = wrote) -> None:
                if not wrote:
                    wrote.append(True)
                    writer.prune_some(datetime(2025, 2, 1, tzinfo=UTC), None)

            monkeypatch.setattr("pipeline.transfer.backup._PAGES_AT_ONCE", 1)
            before = tables(writer)
            back_up(settings, home / name, write)
            assert wrote
        with restore.opened(home / name, settings) as found:
            assert found.count("readings") == before["readings"].height


@hypothesis_settings(max_examples=60)
@given(place=st.floats(0, 1), bit=st.integers(0, 7), cut=st.booleans())
def test_whatever_is_damaged_is_said_or_does_not_matter(
    place: float, bit: int, cut: bool, small_archive: tuple[bytes, Tables, Path]
) -> None:
    good, expected, folder = small_archive
    position = int(place * (len(good) - 1))
    flipped = bytes([good[position] ^ (1 << bit)])
    bad = good[:position] if cut else good[:position] + flipped + good[position + 1 :]
    (folder / "bad.zip").write_bytes(bad)
    try:
        with restore.opened(folder / "bad.zip", load_settings()) as found:
            for name in expected:
                rows = [row for frame in found.frames(name) for row in frame.rows()]
                assert rows == expected[name].rows()
    except SmartSensorError as error:
        said = str(error)
    else:
        return
    assert "\n" not in said
    assert said.startswith(f"{folder}/bad.zip: ")


@pytest.fixture(scope="module")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Tables, Path]:
    """A small archive, and what is in it."""
    from pipeline.etl_pipeline import run_etl
    from pipeline.transfer.backup import back_up

    folder = tmp_path_factory.mktemp("archive")
    settings = load_settings(database_url=f"sqlite:///{folder / 'x.db'}")
    (folder / "x.csv").write_text(
        "timestamp,temperature,pressure,uptime\n2025-07-13T00:00:00Z,20,1000,1\n,1,1,1\n"
    )
    run_etl([str(folder / "x.csv")], settings=settings)
    back_up(settings, folder / "x.zip")
    return (folder / "x.zip").read_bytes(), everything(settings.database_url), folder


def _zip_of(**files: bytes) -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return buffer.getvalue()


def test_what_cannot_be_restored_is_one_line_and_changes_nothing(
    url: str, filled: Tables, smart_sensor: Command, home: Path
) -> None:
    smart_sensor("backup", "good.zip")
    smart_sensor("backup", "good.db")
    manifest = json.loads(zipfile.ZipFile(home / "good.zip").read("manifest.json"))
    newer = json.dumps({**manifest, "version": 99}).encode()
    damaged = bytearray((home / "good.db").read_bytes())
    damaged[20_000:60_000] = bytes(40_000)
    with closing(sqlite3.connect(home / "other.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    files = {
        "newer.zip": _zip_of(**{"manifest.json": newer}),
        "empty.zip": _zip_of(**{"x": b""}),
        "foreign.zip": _zip_of(**{"manifest.json": b'{"format": "else"}'}),
        "text.zip": b"text",
        "damaged.db": bytes(damaged),
        "cut.zip": (home / "good.zip").read_bytes()[:-500],
    }
    shutil.copy(home / "good.db", home / "future.db")
    with closing(sqlite3.connect(home / "future.db")) as connection, connection:
        connection.execute("INSERT INTO sensor_data_migrations VALUES ('9999_future', 0)")
    for name, content in files.items():
        (home / name).write_bytes(content)
    for name, message in {
        "newer.zip": "newer.zip: was made by a newer version (smart-sensor",
        "empty.zip": "empty.zip: the backup is damaged: it is cut off, or parts of it were changed",
        "cut.zip": "cut.zip: the backup is damaged: it is cut off, or parts of it were changed",
        "foreign.zip": "foreign.zip: the backup is damaged: its manifest is of something else",
        "text.zip": "text.zip: is no backup of Smart Sensor; `smart-sensor import` reads",
        "damaged.db": "damaged.db: the backup is damaged: SQLite finds its content contradictory;",
        "future.db": "future.db: table 'sensor_data' was made by a newer version of Smart Sensor",
        "other.db": "other.db: has no table of readings 'sensor_data'; it has none: set TABLE_NAME",
        "none.zip": "none.zip: No such file or directory",
    }.items():
        finished = smart_sensor("restore", name, "--replace", "--yes")
        assert finished.code == 2, name
        (line,) = finished.err.splitlines()
        assert line.startswith(f"smart-sensor: {message}"), line
    assert_same(everything(url), filled)


def test_where_a_backup_is_not_written(
    url: str, filled: Tables, smart_sensor: Command, home: Path, postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copy(home / "processed.db", home / "before.db")
    itself = smart_sensor("backup", "processed.db")
    assert itself.err == "smart-sensor: processed.db: is the database itself; give another name\n"
    assert smart_sensor("backup", "a.csv/b.zip").code == 2
    assert smart_sensor("backup", "-").err == (
        "smart-sensor: -: a backup goes to a file only; give its name\n"
    )
    for name in ("x.zip", "x.db"):
        (home / name).write_text("precious")
        assert smart_sensor("backup", name).err == (
            f"smart-sensor: {name}: is there already; give another name, or --force to replace it\n"
        )
        assert (home / name).read_text() == "precious"
        assert smart_sensor("backup", name, "--force").code == 0
        assert (home / name).read_bytes()[:8] != b"precious"
        (home / name).unlink()
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    sqlite_of_postgres = smart_sensor("backup", "x.db")
    assert sqlite_of_postgres.code == 2
    assert "a SQLite file is a backup of a SQLite database only" in sqlite_of_postgres.err
    monkeypatch.setenv("DATABASE_URL", "sqlite:///none.db")
    assert "there is no such database" in smart_sensor("backup", "x.zip").err
    assert not (home / "x.zip").exists()
    assert not (home / "none.db").exists()


def test_an_interrupted_archive_leaves_nothing_and_complains_of_nothing(
    filled: Tables, home: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(load_settings(), home / "new" / "x.zip", interrupt)
    gc.collect()  # whatever a writer says that was left open is a warning, and fails the test
    assert list((home / "new").iterdir()) == []
