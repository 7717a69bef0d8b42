"""Readings into a file, and back as they were."""

import csv
import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.rig import Rig
from pipeline.settings import load_settings
from pipeline.stores.base import Range
from pipeline.transfer import export, files
from pipeline.transfer.export import export_readings
from pipeline.transfer.imports import import_readings
from pipeline.words import counted
from tests.conftest import Command
from tests.pipeline.transfer.conftest import Fill, everything, opened, tables

VALUES = pl.exclude("load_id")


@pytest.fixture
def stored(home: Path, fill: Fill) -> pl.DataFrame:
    """What the database of the settings is filled with."""
    return fill(f"sqlite:///{home / 'processed.db'}")["readings"]


def test_from_database_to_database_through_files(
    database_url: str,
    home: Path,
    stored: pl.DataFrame,
    smart_sensor: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert smart_sensor("export", "one.parquet").err == "one.parquet: 2,183 readings\n"
    monkeypatch.setenv("DATABASE_URL", database_url)
    finished = smart_sensor("import", "one.parquet")
    assert finished.code == 0, finished.err
    assert smart_sensor("export", "two.parquet").code == 0
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{home / 'last.db'}")
    assert smart_sensor("import", "two.parquet").code == 0
    found = everything(f"sqlite:///{home / 'last.db'}")
    assert found["readings"].select(stored.columns).select(VALUES).equals(stored.select(VALUES))
    # Of rigs with different channels each is a load, whose statistics are those of its readings.
    assert found["loads"]["accepted"].to_list() == [121, 2062]
    assert found["loads"]["rejected"].to_list() == [0, 0]
    again = smart_sensor("import", "two.parquet")
    assert again.err.splitlines()[0] == (
        "two.parquet: already imported as load 1, nothing to do (--force imports it again)"
    )
    assert smart_sensor("import", "two.parquet", "--force").code == 0
    assert everything(f"sqlite:///{home / 'last.db'}")["readings"].height == 2183


def test_an_import_is_refused_before_its_first_load(
    home: Path, stored: pl.DataFrame, smart_sensor: Command
) -> None:
    url = f"sqlite:///{home / 'processed.db'}"
    assert smart_sensor("export", "one.parquet").code == 0
    # Of the rig whose readings would be stored last.
    fired = stored.group_by("rig").len().sort("len")["rig"][-1]
    assert smart_sensor("prune", "--rig", fired, "--older-than", "1h", "--yes").code == 0
    before = everything(url)
    refused = smart_sensor("import", "one.parquet")
    assert refused.code == 2
    assert refused.err.startswith(f"smart-sensor: rig {fired!r}: readings before 20")
    assert everything(url)["loads"].equals(before["loads"])


@hypothesis_settings(max_examples=8)
@given(data=st.data())
def test_any_reading_comes_back_to_the_last_bit(
    data: Any, rig: Rig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    number = st.floats(0, 150) | st.sampled_from([0.1 + 0.2, 5e-324, 149.99999999999997])
    moment = st.datetimes(datetime(1600, 1, 1), datetime(2999, 1, 1)).map(  # noqa: DTZ001  # made aware
        lambda each: each.replace(tzinfo=UTC)
    )
    times = sorted(data.draw(st.sets(moment, min_size=1, max_size=20)))
    rows = len(times)
    frame = pl.DataFrame(
        {
            "rig": ["rig-1"] * rows,
            "timestamp": times,
            **{
                name: data.draw(st.lists(st.none() | number, min_size=rows, max_size=rows))
                for name in rig.value_columns
                if not name.endswith("_alert")
            },
            **{
                name: data.draw(
                    st.lists(st.sampled_from(["normal", "yellow", "red"]), min_size=rows,
                             max_size=rows)
                )
                for name in rig.value_columns
                if name.endswith("_alert")
            },
        },
        schema_overrides={
            "timestamp": pl.Datetime("us", "UTC"),
            **{n: pl.Float64() for n in rig.value_columns if not n.endswith("_alert")},
        },
    )  # fmt: skip
    from pipeline.etl_pipeline import load_data

    first = load_settings(database_url=f"sqlite:///{folder / 'a.db'}")
    second = load_settings(database_url=f"sqlite:///{folder / 'b.db'}")
    load_data(frame, settings=first, rig=rig)
    path = folder / "x.parquet"
    with opened(first.database_url) as store:
        chosen = [(each, Range(each.rig.name)) for each in store.rigs(counted=False)]
        assert export_readings(store, path, "parquet", chosen) == rows
    with opened(second.database_url) as store:
        list(import_readings(store, path))
        found = tables(store)["readings"]
    assert found.select(frame.columns).equals(frame)


def test_csv_has_a_rig_where_there_are_several(
    stored: pl.DataFrame, smart_sensor: Command, home: Path
) -> None:
    one = smart_sensor("export", "-", "--format", "csv", "--rig", "rig-2")
    assert one.out.splitlines()[0].split(",")[:3] == ["timestamp", "temperature", "pressure"]
    assert len(one.out.splitlines()) == 61
    several = smart_sensor("export", "all.csv")
    assert several.code == 0
    rows = list(csv.DictReader(io.StringIO((home / "all.csv").read_text(encoding="utf-8"))))
    assert [row["rig"] for row in rows] == stored["rig"].to_list()
    assert rows[0]["timestamp"] == "2025-07-12T22:00:00Z"
    assert float(rows[1]["pressure"]) == stored["pressure"][1]
    assert rows[-121]["timestamp"]


def test_csv_can_be_zipped(stored: pl.DataFrame, smart_sensor: Command, home: Path) -> None:
    for name in ("x.csv.gz", "x.csv"):
        assert smart_sensor("export", name).code == 0
    zipped = (home / "x.csv.gz").read_bytes()
    assert gzip.decompress(zipped) == (home / "x.csv").read_bytes()
    assert smart_sensor("export", "x.csv.gz", "--force").code == 0
    assert (home / "x.csv.gz").read_bytes() == zipped


def test_a_format_goes_before_the_ending(
    stored: pl.DataFrame, smart_sensor: Command, home: Path
) -> None:
    assert smart_sensor("export", "x.csv.gz", "--format", "parquet").code == 0
    assert pq.read_metadata(home / "x.csv.gz").num_rows == 2183
    assert smart_sensor("export", "x.txt", "--format", "csv").code == 0
    assert (home / "x.txt").read_text().startswith("rig,timestamp,")


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], 2183),
        (["--rig", "rig-1"], 60),
        (["--rig", "rig-1", "--date", "2025-07-12"], 9),
        (["--start", "2025-07-13T00:00:00Z"], 102),
        (["--start", "2025-07-13T00:00:00", "--end", "2025-07-13T02:00:00+02:00"], None),
        (["--end", "1970-01-01"], 1),
    ],
)
def test_what_is_exported(
    arguments: list[str], count: int | None, stored: pl.DataFrame, smart_sensor: Command, home: Path
) -> None:
    finished = smart_sensor("export", "x.parquet", *arguments)
    if count is None:
        assert finished.code == 2
        return
    assert finished.err == f"x.parquet: {counted(count, 'reading')}\n"
    assert pq.read_metadata(home / "x.parquet").num_rows == count


def test_bad_use_is_one_clear_line(stored: pl.DataFrame, smart_sensor: Command, home: Path) -> None:
    (home / "folder").mkdir()
    for arguments, message in (
        (["-"], "-: only CSV goes to standard output; add --format csv"),
        (["x.csv", "--rig", "r9"], "--rig='r9': there is no such rig; there are: rig-1, rig-2, "),
        (["x.csv", "--date", "July"], "--date='July' is not a day; write it as YYYY-MM-DD"),
        (["x.csv", "--start", "noon"], "--start='noon' is not a time; write it as 2025-07-13T08"),
        (["x.csv", "--date", "2025-07-13", "--end", "2026"], "--date goes alone, without --start"),
        (["x.csv", "--date", "2001-01-01"], "no reading is stored in that selection"),
        (["folder"], "folder: is not a file; give another name"),
        (["x.csv/y.parquet"], None),
        (["x.csv/y.parquet"], "x.csv/y.parquet: is there already; give another name, or --force"),
        (["a.json"], "a.json: what is it to be? Allowed are the endings .parquet, .csv, .csv.gz"),
        (["a.gz"], "a.gz: what is it to be?"),
        (["a.csv/y.csv"], "a.csv/y.csv: "),
    ):
        finished = smart_sensor("export", *arguments)
        if message is None:
            assert finished.code == 0
            continue
        assert finished.code == 2
        (line,) = finished.err.splitlines()
        assert line.startswith(f"smart-sensor: {message}"), line


def test_what_is_not_an_export_is_for_etl(
    stored: pl.DataFrame, smart_sensor: Command, home: Path
) -> None:
    pl.DataFrame({"timestamp": [1]}).write_parquet(home / "foreign.parquet")
    smart_sensor("export", "good.parquet")
    good = (home / "good.parquet").read_bytes()
    (home / "cut.parquet").write_bytes(good[:-100])
    middle = len(good) // 3
    spoiled = good[:middle] + bytes(64) + good[middle + 64 :]
    (home / "spoiled.parquet").write_bytes(spoiled)
    before = everything(f"sqlite:///{home / 'processed.db'}")["readings"]
    for name, message in (
        ("a.csv", "a.csv: is not an export of Smart Sensor; `smart-sensor etl a.csv` reads"),
        ("foreign.parquet", "foreign.parquet: is not an export of Smart Sensor; `smart-sensor etl"),
        ("processed.db", "processed.db: is a SQLite file; `smart-sensor restore` brings it back"),
        ("cut.parquet", "cut.parquet: not a readable Parquet file: "),
        ("spoiled.parquet", "spoiled.parquet: "),
        ("none.parquet", "none.parquet: No such file or directory"),
    ):
        finished = smart_sensor("import", name)
        assert finished.code == 2, name
        (line,) = finished.err.splitlines()
        assert line.startswith(f"smart-sensor: {message}"), line
    assert everything(f"sqlite:///{home / 'processed.db'}")["readings"].equals(before)


def test_a_failed_export_leaves_what_was_there(
    stored: pl.DataFrame, smart_sensor: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "x.parquet").write_text("precious")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.ExportWriter, "write", fail)
    finished = smart_sensor("export", "x.parquet", "--force")
    assert finished.err == "smart-sensor: x.parquet: No space left on device\n"
    assert (home / "x.parquet").read_text() == "precious"
    assert [path.name for path in home.glob(".*")] == []


def test_leftovers_of_killed_runs_go(home: Path) -> None:
    import os

    old, new = home / ".x.csv.1.partial", home / ".x.csv.2.partial"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    with files.replacing(home / "x.csv") as temporary:
        temporary.write_text("x")
    assert not old.exists()
    assert new.exists()


def test_an_export_of_a_newer_version_is_refused(
    stored: pl.DataFrame, smart_sensor: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "VERSION", 2)
    smart_sensor("export", "newer.parquet")
    finished = smart_sensor("import", "newer.parquet")
    assert finished.err == (
        "smart-sensor: newer.parquet: was exported by a newer version of Smart Sensor\n"
    )
