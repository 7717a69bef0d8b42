"""The processed CSV: complete or not there at all."""

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest

from pipeline.errors import SmartSensorError
from pipeline.output import ProcessedCsv
from pipeline.rig import Rig
from pipeline.scoring import scored_schema


@pytest.fixture
def readings(rig: Rig) -> pl.DataFrame:
    first = datetime(2025, 7, 13, tzinfo=UTC)
    rows = [
        ("rig-1", first, 20.0, 1000.0, 0.1, 0.5, -0.25, "normal", "red"),
        ("rig-1", first.replace(microsecond=5), 0.1 + 0.2, 1e3, None, 0.0, 0.0, "red", "normal"),
    ]
    return pl.DataFrame(rows, schema=scored_schema(rig), orient="row")


def test_what_is_written(tmp_path: Path, rig: Rig, readings: pl.DataFrame) -> None:
    path = tmp_path / "new" / "folder" / "out.csv"
    with ProcessedCsv(path, rig) as processed:
        processed.add(readings)
        processed.publish()
    assert path.read_bytes().decode() == (
        "timestamp,temperature,pressure,uptime,temperature_zscore,pressure_zscore,"
        "temperature_alert,pressure_alert\n"
        "2025-07-13T00:00:00Z,20.0,1000.0,0.1,0.5,-0.25,normal,red\n"
        "2025-07-13T00:00:00.000005Z,0.30000000000000004,1000.0,,0.0,0.0,red,normal\n"
    )
    assert os.listdir(path.parent) == ["out.csv"]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_whoever_may_read_the_folder_may_read_the_file(
    tmp_path: Path, rig: Rig, readings: pl.DataFrame
) -> None:
    with ProcessedCsv(tmp_path / "out.csv", rig) as processed:
        processed.add(readings)
        processed.publish()
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o644


def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, rig: Rig, readings: pl.DataFrame
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    processed = ProcessedCsv(path, rig)
    with suppress(RuntimeError), processed:
        processed.add(readings)
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_no_readings_replace_nothing(tmp_path: Path, rig: Rig, readings: pl.DataFrame) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with ProcessedCsv(path, rig) as processed:
        processed.add(readings.clear())
        processed.publish()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_without_a_path_nothing_is_written(
    tmp_path: Path, rig: Rig, readings: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ProcessedCsv(None, rig) as processed:
        processed.add(readings)
        processed.publish()
    assert os.listdir(tmp_path) == []
    assert not processed.wanted


def test_a_source_is_never_replaced(tmp_path: Path, rig: Rig) -> None:
    (tmp_path / "raw.csv").write_text("raw")
    (tmp_path / "link.csv").symlink_to(tmp_path / "raw.csv")
    sources = ["-", str(tmp_path / "raw.csv"), str(tmp_path / "gone.csv")]
    for path in ("raw.csv", "link.csv"):
        with (
            pytest.raises(SmartSensorError, match="would replace its raw data"),
            ProcessedCsv(tmp_path / path, rig, sources),
        ):
            pass
    assert (tmp_path / "raw.csv").read_text() == "raw"


def test_what_a_killed_run_left_goes_when_it_is_old(
    tmp_path: Path, rig: Rig, readings: pl.DataFrame
) -> None:
    old, young = tmp_path / ".out.csv.old.partial", tmp_path / ".out.csv.young.partial"
    for leftover in (old, young):
        leftover.touch()
    os.utime(old, (0, 0))
    write(ProcessedCsv(tmp_path / "out.csv", rig), readings)
    assert sorted(os.listdir(tmp_path)) == [".out.csv.young.partial", "out.csv"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, rig: Rig) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "out.csv"
    with pytest.raises(SmartSensorError) as caught, ProcessedCsv(path, rig):
        pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def write(processed: ProcessedCsv, readings: pl.DataFrame, times: int = 1) -> None:
    with processed:
        for _ in range(times):
            processed.add(readings)
        processed.publish()


def test_a_folder_in_the_place_of_the_file_is_one_line(
    tmp_path: Path, rig: Rig, readings: pl.DataFrame
) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(SmartSensorError, match=r"out\.csv: is not a file"):
        write(ProcessedCsv(tmp_path / "out.csv", rig), readings)
    assert os.listdir(tmp_path) == ["out.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, rig: Rig, readings: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, mode: str, buffering: int) -> BinaryIO:
        os.close(handle)
        return open("/dev/full", mode, buffering)  # type: ignore[return-value]

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(SmartSensorError, match=r"out\.csv: .*No space left on device"):
        write(ProcessedCsv(tmp_path / "out.csv", rig), readings, times=20_000)
    assert os.listdir(tmp_path) == []
