"""Parquet files: typed columns, in slices, and what is refused."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.rig import Rig
from pipeline.sources import parquet
from pipeline.sources.parquet import ParquetSource
from pipeline.transform import transform

TIMES = [datetime(2025, 7, 13, tzinfo=UTC) + timedelta(minutes=n) for n in range(5)]
FRAME = pl.DataFrame(
    {
        "Timestamp": TIMES,
        "temperature": [20.0, 21.0, float("nan"), 23.0, 24.0],
        "pressure": [1000, 1001, 1002, 1003, 1004],
        "uptime": ["0", "1", "2", "x", "4"],
        "note": ["ü", None, "c", "d", "e"],
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    FRAME.write_parquet(tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


@pytest.mark.parametrize("rows_a_slice", [131_072, 2])
def test_rows_are_judged_like_any_other(path: Path, rig: Rig, rows_a_slice: int) -> None:
    with (
        patch.object(parquet, "_ROWS", rows_a_slice),
        transform(ParquetSource(path, rig), rig) as outcome,
    ):
        readings = pl.concat(outcome.readings())
        rejects = pl.concat(outcome.rejects()).sort("line")
    assert readings.select("line", "temperature", "pressure", "uptime").rows() == [
        (1, 20.0, 1000.0, 0.0),
        (2, 21.0, 1001.0, 1.0),
        (5, 24.0, 1004.0, 4.0),
    ]
    assert readings["timestamp"].to_list() == [TIMES[0], TIMES[1], TIMES[4]]
    assert rejects.select("line", "reason").rows() == [(3, "not_finite"), (4, "unparsable")]
    assert outcome.rows_read == 5


def test_a_rejected_row_is_kept_as_json_with_all_its_columns(path: Path, rig: Rig) -> None:
    (batch,) = ParquetSource(path, rig).batches()
    row = json.loads(batch.raw([2])[0])
    assert row.pop("temperature") != row  # NaN stays NaN
    assert row == {
        "Timestamp": "2025-07-13 00:02:00+00:00",
        "pressure": 1002,
        "uptime": "2",
        "note": "c",
    }
    assert batch.raw([]) == []


def test_what_a_preview_says(path: Path, rig: Rig) -> None:
    source = ParquetSource(path, rig)
    assert source.describe() == {"format": "Parquet", "rows": "5"}
    assert source.columns.ignored == ("note",)
    list(source.batches())
    assert source.bytes_read == source.size_bytes
    assert len(source.sha256()) == 64


@pytest.mark.parametrize(
    ("column", "values", "accepted"),
    [
        pytest.param("temperature", pl.Series(["20"] * 5, dtype=pl.Categorical), 5, id="category"),
        pytest.param("temperature", pl.Series([Decimal("20.5")] * 5), 5, id="decimal"),
        pytest.param("temperature", pl.Series([20] * 5, dtype=pl.UInt8), 5, id="small integer"),
        pytest.param("temperature", pl.Series([None] * 5), 0, id="nothing"),
        pytest.param("timestamp", pl.Series([t.date() for t in TIMES]), 0, id="days"),
        pytest.param("timestamp", pl.Series([t.timestamp() for t in TIMES]), 0, id="float epoch"),
        pytest.param("timestamp", pl.Series([int(t.timestamp()) for t in TIMES]), 5, id="epoch"),
    ],
)
def test_column_types(
    column: str, values: pl.Series, accepted: int, tmp_path: Path, rig: Rig
) -> None:
    frame = FRAME.rename({"Timestamp": "timestamp"}).with_columns(
        pl.lit(20.0).alias("temperature"), pl.lit(1).alias("uptime")
    )
    frame.with_columns(values.alias(column)).write_parquet(tmp_path / "x.parquet")
    with transform(ParquetSource(tmp_path / "x.parquet", rig), rig) as outcome:
        list(outcome.readings())
    assert (outcome.accepted, outcome.rejected.total()) == (accepted, 5 - accepted)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("temperature", pl.Series([True] * 5), "holds Boolean; numbers or text are needed"),
        ("temperature", pl.Series([[1.0]] * 5), r"holds List\(Float64\); numbers or text"),
        ("temperature", pl.Series([timedelta(1)] * 5), "holds Duration.*; numbers or text"),
        ("temperature", pl.Series(TIMES), "holds Datetime.*; numbers or text are needed"),
        ("Timestamp", pl.Series([b"x"] * 5), "holds Binary; times, whole numbers or text"),
    ],
    ids=["boolean", "list", "duration", "times", "bytes"],
)
def test_a_column_of_another_kind_is_refused(
    column: str, values: pl.Series, message: str, tmp_path: Path, rig: Rig
) -> None:
    FRAME.with_columns(values.alias(column)).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=f"column '{column}' {message}"):
        list(ParquetSource(tmp_path / "x.parquet", rig).batches())


def test_a_file_without_rows_is_refused(tmp_path: Path, rig: Rig) -> None:
    FRAME.clear().write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"x\.parquet: has columns but no rows$"):
        ParquetSource(tmp_path / "x.parquet", rig)


def test_a_file_without_a_required_column_is_refused(tmp_path: Path, rig: Rig) -> None:
    FRAME.drop("pressure").write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="required column missing: 'pressure'"):
        ParquetSource(tmp_path / "x.parquet", rig)


@pytest.mark.parametrize("kept", [6, 200])
def test_a_file_cut_off_is_one_clear_line(kept: int, path: Path, rig: Rig) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SourceError, match="not a readable Parquet file") as caught:
        ParquetSource(path, rig)
    assert "\n" not in str(caught.value)


def test_a_file_damaged_inside_is_one_clear_line(tmp_path: Path, rig: Rig) -> None:
    path = tmp_path / "x.parquet"
    FRAME.write_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[8:60] = b"\xff" * 52
    path.write_bytes(content)
    source = ParquetSource(path, rig)
    with pytest.raises(SourceError, match=r"x\.parquet: row 1: ") as caught:
        list(source.batches())
    assert "\n" not in str(caught.value)
