"""A frame in memory as a source."""

import json

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.rig import Rig
from pipeline.sources.frame import FrameSource

FRAME = pl.DataFrame(
    {
        "TIMESTAMP": ["2025-07-13T00:00:00Z", "x"],
        "temperature": [20, None],
        "pressure": [1000.0, 1001.0],
        "uptime": ["1", "2"],
        "line": ["left", "right"],
    }
)


def test_rows_are_numbered_from_one(rig: Rig) -> None:
    (batch,) = FrameSource(FRAME, rig).batches()
    assert batch.rows.columns == ["line", "timestamp", "temperature", "pressure", "uptime"]
    assert batch.rows["line"].to_list() == [1, 2]


def test_raw_has_all_columns(rig: Rig) -> None:
    (batch,) = FrameSource(FRAME, rig).batches()
    assert json.loads(batch.raw([1])[0]) == FRAME.row(1, named=True)


def test_the_hash_tells_contents_apart(rig: Rig) -> None:
    other = FRAME.with_columns(pl.lit(21).alias("temperature"))
    assert FrameSource(FRAME, rig).sha256() == FrameSource(FRAME.clone(), rig).sha256()
    assert FrameSource(FRAME, rig).sha256() != FrameSource(other, rig).sha256()


def test_what_a_preview_says(rig: Rig) -> None:
    source = FrameSource(FRAME, rig)
    assert source.describe() == {"format": "frame", "rows": "2"}
    assert source.columns.ignored == ("line",)


def test_a_missing_column_is_an_error(rig: Rig) -> None:
    with pytest.raises(SourceError, match=r"^frame: required column missing: 'uptime'"):
        FrameSource(FRAME.drop("uptime"), rig)
