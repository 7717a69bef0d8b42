"""The questions people ask: readings of a day, key figures (test_kpis.py), series for a chart."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeline.data_utils import compute_kpis, load_sensor_data, prepare_trend_data
from pipeline.errors import UnknownTableError
from pipeline.etl_pipeline import run_etl
from pipeline.frames import from_polars
from pipeline.rig import Rig, parse_rig
from pipeline.settings import Settings, load_settings
from pipeline.simulate import raw_csv, sample

pytestmark = pytest.mark.timezone

COLUMNS = [
    "rig",
    "timestamp",
    "temperature",
    "pressure",
    "uptime",
    "temperature_zscore",
    "pressure_zscore",
    "temperature_alert",
    "pressure_alert",
]


@pytest.fixture
def loaded(settings: Settings, home: Path, rig: Rig) -> Settings:
    """The sample, and readings of a rig in Berlin around its midnight."""
    (home / "sample.csv").write_text(raw_csv(sample()))
    run_etl([str(home / "sample.csv")], settings=settings, rig=rig)
    berlin = parse_rig('name = "berlin"\ntime_zone = "Europe/Berlin"\n[channels.flow]', "test")
    hours = "".join(f"2025-07-12T{hour}:00:00Z,{hour}\n" for hour in (21, 22, 23))
    (home / "berlin.csv").write_text("timestamp,flow\n" + hours)
    run_etl([str(home / "berlin.csv")], settings=settings, rig=berlin)
    return settings


@pytest.mark.parametrize(
    ("kind", "library"),
    [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)],
)
def test_readings_come_as_the_kind_asked_for(kind: Any, library: type, loaded: Settings) -> None:
    found = load_sensor_data(settings=loaded, kind=kind)
    assert isinstance(found, library)
    assert len(found) == 103


def test_pandas_is_what_one_gets_unless_asked_otherwise(loaded: Settings) -> None:
    found = load_sensor_data("sensor_data", settings=loaded)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns[:9]) == COLUMNS
    assert str(found["timestamp"].dtype) == "datetime64[us, UTC]"
    assert set(found["temperature_alert"].dropna()) == {"normal", "yellow", "red"}


def test_the_settings_are_read_where_none_are_given(loaded: Settings) -> None:
    assert len(load_sensor_data()) == 103


def test_a_day_is_that_of_each_rigs_zone(loaded: Settings) -> None:
    found = load_sensor_data(date_filter="2025-07-12", settings=loaded, kind="polars")
    assert found.select("rig", "flow").rows() == [("berlin", 21.0)]
    found = load_sensor_data(date_filter="2025-07-13", settings=loaded, kind="polars")
    assert found["rig"].value_counts(sort=True).rows() == [("rig-1", 100), ("berlin", 2)]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_day_without_readings_is_an_empty_frame(kind: Any, loaded: Settings) -> None:
    found = load_sensor_data(date_filter="1999-01-01", settings=loaded, kind=kind)
    assert len(found) == 0
    assert list(found.columns)[:9] == COLUMNS


@pytest.mark.parametrize("day", ["13.07.2025", "2025-07-32", "yesterday", ""])
def test_a_malformed_date_is_a_value_error_that_says_the_format(day: str, loaded: Settings) -> None:
    with pytest.raises(ValueError, match="write it as YYYY-MM-DD"):
        load_sensor_data(date_filter=day, settings=loaded)


def test_a_malformed_date_is_one_even_where_nothing_is_stored(store: Any, home: Path) -> None:
    with pytest.raises(ValueError, match="write it as YYYY-MM-DD"):
        load_sensor_data(date_filter="x")
    assert len(load_sensor_data(date_filter="2025-07-13")) == 0


def test_an_unknown_table_names_those_there_are(loaded: Settings, home: Path, rig: Rig) -> None:
    other = load_settings(table_name="order")
    run_etl([str(home / "sample.csv")], settings=other, rig=rig)
    with pytest.raises(UnknownTableError) as caught:
        load_sensor_data("sensors", settings=loaded)
    assert str(caught.value) == (
        "no table of readings is named 'sensors'; there are: order, sensor_data"
    )
    assert len(load_sensor_data("order", settings=loaded)) == 100


@pytest.mark.parametrize("name", ["sensor_data_loads", 'x"; DROP TABLE sensor_data; --', "' OR 1"])
def test_other_tables_and_attacks_are_unknown_too(name: str, loaded: Settings) -> None:
    with pytest.raises(UnknownTableError, match="no table of readings is named"):
        load_sensor_data(name, settings=loaded)
    assert len(load_sensor_data(settings=loaded)) == 103


def test_in_a_new_database_one_is_told_what_to_run(settings: Settings) -> None:
    with pytest.raises(UnknownTableError, match="there are: none yet: run `smart-sensor etl`"):
        load_sensor_data(settings=settings)


START = datetime(2025, 7, 13, tzinfo=UTC)


def frame(seconds: list[int], rig: list[str] | None = None) -> pl.DataFrame:
    times = [START + timedelta(seconds=second) for second in seconds]
    values = {"timestamp": times, "temperature": [float(second) for second in seconds]}
    return pl.DataFrame({"rig": rig, **values} if rig else values)


KINDS: list[Callable[[pl.DataFrame], Any]] = [
    lambda frame: frame,
    lambda frame: frame.lazy(),
    lambda frame: from_polars(frame, "pandas"),
    lambda frame: from_polars(frame, "arrow"),
    lambda frame: frame.with_columns(pl.col("timestamp").dt.convert_time_zone("Asia/Kolkata")),
    lambda frame: frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
    lambda frame: frame.with_columns(pl.col("timestamp").dt.cast_time_unit("ns")),
]


@pytest.mark.parametrize(
    "as_kind", KINDS, ids=["polars", "lazy", "pandas", "arrow", "another zone", "naive UTC", "ns"]
)
def test_frames_of_any_kind(as_kind: Callable[[pl.DataFrame], Any], rig: Rig) -> None:
    given = as_kind(frame([40, 0, 10]))
    assert compute_kpis(given, rig=rig)["first_timestamp"] == START
    trend = prepare_trend_data(given, rig=rig)
    assert trend["timestamps"][0] == "2025-07-13T00:00:00Z"
    assert trend["temperatures"][:2] == [0.0, 10.0]


@pytest.mark.parametrize("question", [compute_kpis, prepare_trend_data])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pl.DataFrame({"time": [1]}), "a column `timestamp` of times is needed; there are: time"),
        (pl.DataFrame({"timestamp": ["2025"]}), "a column `timestamp` of times is needed"),
        (frame([]), "no readings in this frame"),
    ],
    ids=["no timestamp", "text", "empty"],
)
def test_what_cannot_be_answered(
    question: Callable[..., Any], given: pl.DataFrame, message: str, rig: Rig
) -> None:
    typed = given.cast({"timestamp": pl.Datetime("us", "UTC")}) if given.is_empty() else given
    with pytest.raises(ValueError, match=message):
        question(typed, rig=rig)


def test_steps_of_several_rigs_are_not_mixed(rig: Rig) -> None:
    given = frame([0, 5, 10, 15, 20, 25], ["a", "b"] * 3)
    found = compute_kpis(given, rig=rig)
    assert (found["gap_count"], found["total_records"]) == (0, 6)


def test_a_trend_is_null_at_a_gap(rig: Rig) -> None:
    found = prepare_trend_data(frame([0, 10, 20, 60, 70]), rig=rig)
    assert found["record_count"] == 5
    assert found["timestamps"][3] == "2025-07-13T00:00:30Z"
    assert found["temperatures"] == [0.0, 10.0, 20.0, None, 60.0, 70.0]
    assert len(found["gaps"]) == 1


def test_the_interval_can_be_given(rig: Rig) -> None:
    found = prepare_trend_data(frame([0, 10, 20, 60]), rig=rig, interval_s=40.0)
    assert found["gaps"] == []


def test_a_trend_of_the_sample(loaded: Settings, rig: Rig) -> None:
    stored = load_sensor_data(date_filter="2025-07-13", settings=loaded, kind="polars")
    found = prepare_trend_data(stored.filter(pl.col("rig") == "rig-1"), rig=rig)
    assert found["record_count"] == 100
    lists = [value for value in found.values() if isinstance(value, list) and len(value) > 1]
    assert {len(values) for values in lists} == {101}
    assert [gap["hours"] for gap in found["gaps"]] == [2.0]
    assert set(found["temperature_levels"]) == {"normal", "yellow", "red", None}
