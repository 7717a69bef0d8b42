"""Frames of three libraries: taken as they come, given back as the kind they were."""

from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeline.frames import from_polars, to_polars
from pipeline.rig import LEVELS

FRAME = pl.DataFrame(
    {
        "timestamp": [datetime(2025, 7, 13, tzinfo=UTC), None],
        "x": [1.5, None],
        "level": pl.Series(["red", None], dtype=pl.Enum(LEVELS)),
    }
)


@pytest.mark.parametrize("kind", ["polars", "pandas", "arrow"])
def test_there_and_back(kind: str) -> None:
    back, found = to_polars(from_polars(FRAME, kind))
    assert found == kind
    assert back["x"].to_list() == [1.5, None]
    assert back["timestamp"].to_list() == FRAME["timestamp"].to_list()
    assert back["level"].cast(pl.String).to_list() == ["red", None]


def test_a_lazy_frame_is_collected() -> None:
    frame, kind = to_polars(FRAME.lazy())
    assert kind == "polars"
    assert frame.equals(FRAME)


def test_nan_in_pandas_is_missing() -> None:
    frame, _ = to_polars(pd.DataFrame({"x": [1.0, float("nan")]}))
    assert frame["x"].to_list() == [1.0, None]


def test_nan_in_polars_and_arrow_is_not_finite() -> None:
    for given in (pl.DataFrame({"x": [float("nan")]}), pa.table({"x": [float("nan")]})):
        assert to_polars(given)[0]["x"].is_nan().all()


def test_a_pandas_column_of_numbers_and_text_becomes_text() -> None:
    frame, _ = to_polars(pd.DataFrame({"x": ["20", 3.5, None, 7], "y": [1, 2, 3, 4]}))
    assert frame["x"].to_list() == ["20", "3.5", None, "7"]
    assert frame["y"].to_list() == [1, 2, 3, 4]


@pytest.mark.parametrize("thing", [{"x": [1]}, [1, 2], None, "x.csv"])
def test_anything_else_is_refused(thing: object) -> None:
    with pytest.raises(TypeError, match="a pandas, Polars or Arrow table is needed, not builtins"):
        to_polars(thing)
