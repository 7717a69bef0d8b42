"""Extract, transform, load: the functions, alone and together."""

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeline.errors import SourceError
from pipeline.etl_pipeline import extract_data, load_data, run_etl, transform_data
from pipeline.frames import from_polars
from pipeline.rig import Rig, parse_rig
from pipeline.scoring import scored_schema
from pipeline.settings import Settings, load_settings
from pipeline.simulate import raw_csv, sample
from pipeline.stores import open_store
from pipeline.stores.base import Range
from pipeline.timestamps import UTC_DATETIME
from tests.conftest import DATA, ROOT

HEADER = "timestamp,temperature,pressure,uptime"
ROWS = (
    "2025-07-13T00:00:00Z,20,1000,1\n2025-07-13T00:01:00Z, 21 ,1001,2\n"
    "2025-07-13T00:02:00Z,x,1002,3\n"
)
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.Table}


@pytest.fixture
def path(home: Path) -> Path:
    (home / "x.csv").write_text(f"{HEADER}\n{ROWS}1,2\n")
    return home / "x.csv"


def stored(settings: Settings, rig: str = "rig-1") -> list[tuple[Any, ...]]:
    with closing(open_store(settings)) as store:
        frames = list(store.readings(Range(rig)))
    return pl.concat(frames).rows() if frames else []


@pytest.mark.parametrize("kind", LIBRARIES)
def test_extracted_rows_come_as_the_kind_asked_for(kind: Any, path: Path, rig: Rig) -> None:
    assert isinstance(extract_data(str(path), rig=rig, kind=kind), LIBRARIES[kind])


def test_extracted_rows_are_pandas_unless_asked_otherwise(
    path: Path, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    found = extract_data(str(path), rig=rig)
    assert list(found.columns) == ["timestamp", "temperature", "pressure", "uptime"]
    assert found["temperature"].to_list() == ["20", " 21 ", "x"]
    assert found["pressure"].to_list() == [1000.0, 1001.0, 1002.0]
    assert found["timestamp"].iloc[0] == "2025-07-13T00:00:00Z"
    assert "x.csv: 1 row with the wrong number of fields" in caplog.text


def test_the_name_of_a_rig_stays_text(home: Path, settings: Settings) -> None:
    (home / "x.csv").write_text("timestamp,rig,x\n1,007,5\n")
    rig = parse_rig("[channels.x]", "test")
    found = transform_data(extract_data(str(home / "x.csv"), rig=rig), rig=rig)
    assert found["rig"].to_list() == ["007"]


def test_with_a_decimal_comma_a_point_makes_no_number(home: Path, settings: Settings) -> None:
    (home / "x.csv").write_text("timestamp;x\n1;1.234\n2;5.678\n")
    rig = parse_rig('[files]\ndecimal = ","\n[channels.x]', "test")
    found = transform_data(extract_data(str(home / "x.csv"), rig=rig), rig=rig)
    assert len(found) == 0


def test_without_a_path_data_path_is_read(home: Path) -> None:
    (home / "mine.csv").write_text(f"{HEADER}\n{ROWS}")
    assert len(extract_data(settings=load_settings(data_path="mine.csv"))) == 3


def test_without_data_path_the_simulation_is_read_and_it_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(extract_data(settings=settings)) == 100
    assert "simulated_raw.csv does not exist: reading the simulation instead" in caplog.text


@pytest.mark.parametrize("kind", LIBRARIES)
def test_a_frame_comes_back_as_the_kind_it_was(kind: Any, path: Path, settings: Settings) -> None:
    found = transform_data(extract_data(str(path), kind=kind))
    assert isinstance(found, LIBRARIES[kind])
    columns = found.column_names if kind == "arrow" else list(found.columns)
    assert columns[:5] == ["rig", "timestamp", "temperature", "pressure", "uptime"]
    assert len(found) == 2


def test_rejected_rows_are_counted_in_a_log_line(
    path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    transform_data(extract_data(str(path)))
    assert "rejected: {'unparsable': 1}" in caplog.text


@pytest.mark.parametrize("kind", LIBRARIES)
def test_nothing_acceptable_is_an_empty_frame_of_the_right_types(
    kind: Any, rig: Rig, settings: Settings
) -> None:
    given = pl.DataFrame({"timestamp": ["x"], "temperature": [1], "pressure": [1], "uptime": [1]})
    found = transform_data(from_polars(given, kind), rig=rig)
    assert isinstance(found, LIBRARIES[kind])
    assert len(found) == 0
    if kind == "polars":
        assert found.schema == pl.Schema(scored_schema(rig))


def test_a_frame_without_a_required_column_is_refused(rig: Rig, settings: Settings) -> None:
    with pytest.raises(SourceError, match="required column missing: 'temperature'"):
        transform_data(pl.DataFrame({"timestamp": [1], "pressure": [1], "uptime": [1]}), rig=rig)


def test_the_frame_given_is_not_changed(rig: Rig, settings: Settings) -> None:
    given = pd.DataFrame({"timestamp": [1], "temperature": [20], "pressure": [1000], "uptime": [1]})
    before = given.copy()
    transform_data(given, rig=rig)
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize("kind", LIBRARIES)
def test_step_by_step_as_in_one_go(kind: Any, path: Path, home: Path, rig: Rig) -> None:
    steps = load_settings(database_url="sqlite:///steps.db")
    whole = load_settings(database_url="sqlite:///whole.db")
    frame = transform_data(extract_data(str(path), settings=steps, kind=kind), settings=steps)
    summary = load_data(frame, settings=steps)
    run_etl([str(path)], settings=whole)
    assert stored(steps) == stored(whole)
    assert (summary.status, summary.load_id, summary.accepted) == ("loaded", 1, 2)


def test_loading_a_frame_again_changes_nothing_but_the_ledger(
    path: Path, settings: Settings
) -> None:
    frame = transform_data(extract_data(str(path)))
    load_data(frame)
    before = stored(settings)
    load_data(frame)
    assert stored(settings) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda frame: frame.drop("pressure_zscore", "uptime"),
            "the frame has no column uptime, pressure_zscore; pass it through transform_data first",
            id="raw",
        ),
        pytest.param(
            lambda frame: frame.with_columns(pl.lit("2025-07-13").alias("timestamp")),
            "column timestamp holds no times with a zone; pass the frame through transform_data",
            id="text",
        ),
        pytest.param(
            lambda frame: frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
            "column timestamp holds no times with a zone; pass the frame through transform_data",
            id="no zone",
        ),
        pytest.param(
            lambda frame: frame.with_columns(timestamp=pl.lit(None, UTC_DATETIME)),
            "a row has no time or no rig; pass the frame through transform_data",
            id="no time",
        ),
        pytest.param(
            lambda frame: frame.with_columns(rig=pl.lit(None, pl.String)),
            "a row has no time or no rig; pass the frame through transform_data",
            id="no rig",
        ),
        pytest.param(
            lambda frame: pl.concat([frame, frame.tail(1)]),
            "^the frame has a time twice; pass it through transform_data first$",
            id="a time twice",
        ),
        pytest.param(
            lambda frame: frame.with_columns(
                timestamp=pl.Series([1, 2]).cast(pl.Datetime("ns", "UTC"))
            ),
            "^the frame has a time twice; pass it through transform_data first$",
            id="two nanoseconds of one microsecond",
        ),
    ],
)
def test_a_frame_that_was_not_transformed_is_refused(
    change: Any, message: str, path: Path, settings: Settings
) -> None:
    frame = transform_data(extract_data(str(path), kind="polars"))
    with pytest.raises(SourceError, match=message):
        load_data(change(frame))


def test_a_time_of_two_rigs_is_not_twice(path: Path, settings: Settings) -> None:
    frame = transform_data(extract_data(str(path), kind="polars"))
    other = frame.with_columns(rig=pl.lit("other"))
    assert load_data(pl.concat([frame, other])).accepted == 2 * len(frame)


def test_a_frame_without_rig_belongs_to_the_configured_one(path: Path, settings: Settings) -> None:
    load_data(transform_data(extract_data(str(path), kind="polars")).drop("rig"))
    assert len(stored(settings)) == 2


def test_a_run_is_what_its_summary_says(path: Path, settings: Settings) -> None:
    summary = run_etl([str(path)])
    (source,) = summary.sources
    assert summary.succeeded
    assert (source.status, source.load_id) == ("loaded", 1)
    assert (source.rows_read, source.accepted, source.rejected) == (4, 2, 2)
    assert source.rejected_by_reason == {"unparsable": 1, "wrong_field_count": 1}
    assert set(source.seconds) == {"read", "load", "total"}
    assert source.rows_per_second is not None
    assert summary.as_dict()["sources"][0]["rejected"] == 2


def test_several_sources_are_several_loads(home: Path, settings: Settings) -> None:
    for day in (1, 2):
        text = f"{HEADER}\n2025-07-0{day}T00:00:00Z,20,1000,1\nx,1,1,1\n"
        (home / f"{day}.csv").write_text(text)
    summary = run_etl([str(home / "*.csv")])
    assert [source.load_id for source in summary.sources] == [1, 2]
    assert (summary.rows_read, summary.accepted) == (4, 2)
    assert summary.rejected_by_reason == {"unparsable": 2}


def test_an_error_in_one_source_of_several_keeps_none_of_the_others_away(
    home: Path, path: Path, settings: Settings
) -> None:
    other = home / "other.csv"
    other.write_text(f"{HEADER}\n1,20,1000,1\n")
    summary = run_etl([str(path), str(home / "missing.csv"), str(other)])
    assert [source.status for source in summary.sources] == ["loaded", "failed", "loaded"]
    assert "missing.csv: no such file" in str(summary.failed[0].error)
    assert len(stored(settings)) == 3


def test_progress_is_told_by_stage(path: Path, settings: Settings) -> None:
    told: list[tuple[str, int, int]] = []
    run_etl([str(path)], progress=lambda *step: told.append(step))
    size = path.stat().st_size
    assert ("reading", size, size) in told
    assert told[-1] == ("loading", 2, 4)


@pytest.fixture
def default_run(home: Path) -> Settings:
    (home / "data").mkdir()
    (home / "data" / "simulated_raw.csv").write_text(raw_csv(sample()))
    return load_settings()


def test_the_default_run_writes_the_processed_csv(default_run: Settings) -> None:
    run_etl()
    committed = ROOT / "data" / "simulated_processed.csv"
    assert default_run.processed_data_path.read_bytes() == committed.read_bytes()


def test_the_processed_csv_is_always_that_of_the_data_path(default_run: Settings) -> None:
    run_etl()
    content = default_run.processed_data_path.read_bytes()
    default_run.processed_data_path.write_text("of another file")
    (source,) = run_etl().sources
    assert source.status == "already loaded"
    assert default_run.processed_data_path.read_bytes() == content


def test_a_processed_csv_that_is_gone_is_written_again(default_run: Settings) -> None:
    run_etl()
    content = default_run.processed_data_path.read_bytes()
    default_run.processed_data_path.unlink()
    assert run_etl().sources[0].status == "already loaded"
    assert default_run.processed_data_path.read_bytes() == content


def test_with_paths_the_processed_csv_is_written_only_where_it_is_asked_for(
    default_run: Settings, home: Path
) -> None:
    path = str(default_run.data_path)
    run_etl([path])
    assert not default_run.processed_data_path.exists()
    run_etl([path], output=home / "out.csv")
    committed = ROOT / "data" / "simulated_processed.csv"
    assert (home / "out.csv").read_bytes() == committed.read_bytes()


def test_outliers_are_flagged_or_rejected_as_the_settings_say(home: Path) -> None:
    rows = "".join(f"{n},{20 + n % 2},1000,1\n" for n in range(20)) + "20,79,1000,1\n"
    (home / "x.csv").write_text(f"{HEADER}\n{rows}")
    flagged = load_settings(database_url="sqlite:///a.db")
    rejected = load_settings(database_url="sqlite:///b.db", outliers="reject")
    assert run_etl([str(home / "x.csv")], settings=flagged).accepted == 21
    (source,) = run_etl([str(home / "x.csv")], settings=rejected).sources
    assert (source.accepted, source.rejected_by_reason) == (20, {"outlier": 1})
    # The scores are those of all acceptable rows either way.
    assert stored(flagged)[:20] == stored(rejected)


def test_a_load_that_takes_the_place_of_another_takes_back_what_it_rejects(home: Path) -> None:
    rows = "".join(f"{n},{20 + n % 2},1000,1\n" for n in range(20)) + "20,79,1000,1\n"
    (home / "x.csv").write_text(f"{HEADER}\n{rows}")
    run_etl([str(home / "x.csv")], settings=load_settings())
    run_etl([str(home / "x.csv")], settings=load_settings(outliers="reject"))
    assert len(stored(load_settings())) == 20


def test_the_recording_is_loaded_whole(settings: Settings, static_fire: Rig) -> None:
    path = DATA / "KNSB_250220_pressure_raw.csv"
    (source,) = run_etl([str(path)], rig=static_fire).sources
    assert (source.rows_read, source.accepted, source.rejected) == (2062, 2062, 0)
    kpis = source.kpis["static-fire"]
    assert kpis["pressure_range"] == {"min": 1.265, "max": 46.16}
    assert kpis["alert_count"] == 0
    rows = stored(settings, "static-fire")
    assert len(rows) == 2062
    assert rows[0][1].isoformat() == "2025-01-18T19:33:06.564000+00:00"


VIBRATION = (
    "Zeitpunkt;Beschleunigung;Auslenkung (µm);Spulenstrom;Spule (°F);Zyklen;Prüfer\r\n"
    "13.07.2025 14:00:00;1,5;2500;3,25;212;1;Jürgen\r\n"
    "13.07.2025 14:00:01;-250,25;-20000;;;2;Jürgen\r\n"
    "13.07.2025 14:00:02;1.234;100;3,25;212;3;Jürgen\r\n"
    "30.03.2025 02:30:00;1,5;100;3,25;212;4;Jürgen\r\n"
    "26.10.2025 02:30:00;1,5;25000;40,0;284;5;Jürgen\r\n"
    "13.07.2025 14:00:03;1,5;25001;3,25;212;6;Jürgen\r\n"
)


def test_a_second_rig_with_other_channels(home: Path, settings: Settings, vibration: Rig) -> None:
    (home / "x.csv").write_bytes(VIBRATION.encode("cp1252"))
    (source,) = run_etl([str(home / "x.csv")], rig=vibration).sources
    assert source.rejected_by_reason == {"unparsable": 2, "out_of_range": 1}
    with closing(open_store(settings)) as store:
        (frame,) = store.readings(Range("shaker-7"))
        kpis = store.kpis(Range("shaker-7"))
    names = ["acceleration", "displacement", "coil_current", "coil_warmth", "cycles"]
    assert frame.select(names).rows() == [
        (1.5, 2.5, 3.25, 100.0, 1.0),
        (-250.25, -20.0, None, None, 2.0),
        (1.5, 25.0, 40.0, 140.0, 5.0),
    ]
    assert [time.isoformat() for time in frame["timestamp"]] == [
        "2025-07-13T12:00:00+00:00",
        "2025-07-13T12:00:01+00:00",
        "2025-10-26T00:30:00+00:00",
    ]
    assert frame["acceleration_alert"].to_list() == ["normal", "red", "normal"]
    assert frame["displacement_alert"].to_list() == ["normal", "normal", "red"]
    assert kpis is not None
    assert kpis["avg_temp"] is kpis["uptime_hours"] is None
    assert kpis["channels"]["coil_warmth"]["mean"] == 120.0


def test_a_row_of_a_rig_that_cannot_be_named_is_rejected(home: Path, settings: Settings) -> None:
    (home / "x.csv").write_text(f"{HEADER},rig\n1,20,1000,1,ok\n2,20,1000,1,a\x07b\n")
    (source,) = run_etl([str(home / "x.csv")]).sources
    assert source.rejected_by_reason == {"unparsable": 1}
    assert len(stored(settings, "ok")) == 1
