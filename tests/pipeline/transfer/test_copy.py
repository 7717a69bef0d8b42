"""Everything into another database, whichever the two are."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import DatabaseError
from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter
from pipeline.transfer import copy, days
from tests.conftest import Command
from tests.pipeline.stores.conftest import live
from tests.pipeline.transfer.conftest import (
    Fill,
    assert_same,
    everything,
    opened,
    settings_of,
    tables,
)


@pytest.fixture
def sqlite_url(home: Path) -> str:
    return f"sqlite:///{home / 'other.db'}"


def test_there_and_back_everything_is_as_it_was(
    database_url: str,
    sqlite_url: str,
    home: Path,
    fill: Fill,
    smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = fill(sqlite_url)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    finished = smart_sensor("migrate", "--to", database_url)
    assert finished.code == 0, finished.err
    assert "2,183 readings" in finished.err
    assert "counts and checksums agree" in finished.err
    assert_same(everything(database_url), before)
    monkeypatch.setenv("DATABASE_URL", database_url)
    back = f"sqlite:///{home / 'back.db'}"
    assert smart_sensor("migrate", "--to", back).code == 0
    assert_same(everything(back), before)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_the_copy_goes_on_with_new_numbers(
    database_url: str, sqlite_url: str, home: Path, fill: Fill, smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = fill(sqlite_url)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    smart_sensor("migrate", "--to", database_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    row = "2025-07-13T00:00:00Z,20,1000,1\n2025-07-13T00:01:00Z,x,1000,1\n"
    (home / "c.csv").write_text(f"timestamp,temperature,pressure,uptime\n{row}")
    assert smart_sensor("etl", "c.csv").code == 0
    after = everything(database_url)
    for name, number in (("loads", "id"), ("rejects", "id"), ("changes", "sequence")):
        added = after[name].filter(~pl.col(number).is_in(before[name][number].to_list()))
        assert added[number].min() > before[name][number].max(), name  # type: ignore[operator]


def test_what_is_written_meanwhile_comes_too(
    sqlite_url: str, home: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"sqlite:///{home / 'target.db'}"
    fill(sqlite_url)
    compare = copy._compare_all

    def write_then_compare(*arguments: object) -> int:
        sequence = compare(*arguments)  # type: ignore[arg-type]
        with opened(sqlite_url) as writer:
            assert writer.prune_some(datetime(2025, 7, 13, tzinfo=UTC), "rig-2")
        (home / "new.csv").write_text((home / "a.csv").read_text().replace(",20,", ",21,"))
        run_etl([str(home / "new.csv")], settings=settings_of(sqlite_url))
        return sequence

    monkeypatch.setattr(copy, "_compare_all", write_then_compare)
    with opened(sqlite_url) as source, opened(target) as store:
        copied = copy.copy_store(source, store)
        assert copied.missed_changes == 0
    assert_same(everything(target), everything(sqlite_url))


def test_a_value_that_changed_without_a_trace_is_found_by_its_checksum(
    sqlite_url: str, home: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fill(sqlite_url)
    copy_missing = copy._copy_missing

    def copy_then_spoil(source: object, target: object, *rest: object) -> None:
        copy_missing(source, target, *rest)  # type: ignore[arg-type]
        with target.rewriting() as records:  # type: ignore[attr-defined]
            readings = records._schema.readings_with(["pressure"])
            first = readings.update().where(readings.c.rig == "rig-1").values(pressure=1)
            records._connection.execute(first)

    monkeypatch.setattr(copy, "_copy_missing", copy_then_spoil)
    target = f"sqlite:///{home / 'target.db'}"
    with opened(sqlite_url) as source, opened(target) as store:
        copied = copy.copy_store(source, store)
    assert copied.copied_readings > copied.readings
    assert_same(everything(target), before)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_stopped_it_says_so_and_goes_on(
    database_url: str, sqlite_url: str, home: Path, fill: Fill, smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = fill(sqlite_url)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setattr(days, "_ROWS_A_SPAN", 10)
    finish = copy._finish
    monkeypatch.setattr(copy, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    stopped = smart_sensor("migrate", "--to", database_url)
    assert stopped.code == 130
    assert stopped.err == "smart-sensor: interrupted; the same command goes on from here\n"
    with opened(database_url) as store:
        assert "this is an unfinished copy; start `smart-sensor migrate` again" in [
            finding.text for finding in store.check()
        ]
        with store.rewriting() as records:  # and some of it is lost
            records.remove(Range("rig-2"))
    monkeypatch.setattr(copy, "_finish", finish)
    finished = smart_sensor("migrate", "--to", database_url)
    assert finished.code == 0, finished.err
    assert "(60 readings copied by this run)" in finished.err
    assert_same(everything(database_url), before)


def test_what_is_refused_is_left_alone(
    sqlite_url: str, home: Path, fill: Fill, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fill(sqlite_url)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    full, other = f"sqlite:///{home / 'full.db'}", f"sqlite:///{home / 'half.db'}"
    fill(full)
    kept = everything(full)
    with opened(other) as store, store.rewriting() as records:
        records.begin_copy("somebody")
    (home / "link.db").symlink_to(home / "other.db")
    for target, message in (
        (sqlite_url, f"--to={home}/other.db: is DATABASE_URL itself"),
        (
            f"sqlite:///{home}/link.db",
            f"{home}/link.db: is the source itself; give another database",
        ),
        (full, f"{home}/full.db: is not empty; give an empty database"),
        (other, f"{home}/half.db: is an unfinished copy of another database; give an empty"),
        (f"sqlite:///{home}/b.csv", f"{home}/b.csv: is not a SQLite database; set --to to"),
        (
            "mysql://me:secret@host/x",
            "--to=mysql://***: not allowed; allowed is sqlite:///path/to/file.db",
        ),
    ):
        finished = smart_sensor("migrate", "--to", target)
        assert finished.code == 2
        (line,) = finished.err.splitlines()
        assert line.startswith(f"smart-sensor: {message}"), line
        assert "secret" not in line
    assert_same(everything(full), kept)
    assert_same(everything(sqlite_url), before)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_an_unfinished_copy_takes_no_loads(
    database_url: str, sqlite_url: str, fill: Fill, smart_sensor: Command, rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    fill(sqlite_url)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    assert smart_sensor("export", "x.parquet").code == 0
    monkeypatch.setattr(copy, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert smart_sensor("migrate", "--to", database_url).code == 130
    monkeypatch.setenv("DATABASE_URL", database_url)
    words = "is an unfinished copy; start `smart-sensor migrate` again"
    for arguments in (["etl", "b.csv"], ["import", "x.parquet"]):
        finished = smart_sensor(*arguments)
        assert (finished.code, len(finished.err.splitlines())) == (2, 1)
        assert words in finished.err
    with opened(database_url) as store:
        with pytest.raises(DatabaseError, match=words):
            LiveWriter(store, rig, "live").write(live(0))
        assert sum(store.status().loads.values()) == 0
    assert "an unfinished copy" in smart_sensor("db", "status").out
    assert json.loads(smart_sensor("db", "status", "--json").out)["unfinished_copy"] is True


def test_a_copy_that_got_loads_of_its_own_is_refused(
    sqlite_url: str, home: Path, fill: Fill, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sqlite_url)
    target = f"sqlite:///{home / 'target.db'}"
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setattr(copy, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    smart_sensor("migrate", "--to", target)
    with opened(target) as store:
        with store.rewriting() as records:  # an older version did not refuse them
            identity = str(records.copy_of())
            records.end_copy()
        run_etl(["b.csv"], settings=settings_of(target))
        with store.rewriting() as records:
            records.begin_copy(identity)
        mine = tables(store)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    finished = smart_sensor("migrate", "--to", target)
    assert finished.code == 2
    assert "an unfinished copy that has got loads of its own" in finished.err
    with opened(target) as store:
        assert_same(tables(store), mine)


def test_without_a_source_nothing_is_made(smart_sensor: Command, home: Path) -> None:
    finished = smart_sensor("migrate", "--to", "sqlite:///target.db")
    assert finished.code == 2
    assert "there is no such database; load something first" in finished.err
    assert not (home / "target.db").exists()
