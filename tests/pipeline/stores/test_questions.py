"""What a store answers: ranges, figures, summaries, alerts, the ledger."""

import statistics
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from pipeline.errors import DatabaseUnavailable
from pipeline.rig import LEVELS, Rig, parse_rig
from pipeline.settings import Settings
from pipeline.stores import Store, open_store, questions
from pipeline.stores.base import Extent, Range
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import Load, Sql

START = datetime(2025, 7, 13, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
def minutes(load: Load, settings: Settings) -> Iterator[Store]:
    """Ten readings of rig-1, a minute apart, one of them very warm; and one of another rig."""
    rows = [
        f"{at(n):%Y-%m-%dT%H:%M:%SZ},{20 + n if n != 7 else 90},{1000 + n % 2},{n}\n"
        for n in range(10)
    ]
    load("".join(rows))
    load("timestamp,flow\n1,5\n", "y.csv", parse_rig('name = "b"\n[channels.flow]', "test"))
    with closing(open_store(settings)) as store:
        yield store


RANGES = [
    pytest.param(None, None, 10, id="all"),
    pytest.param(at(2), at(5), 3, id="half-open"),
    pytest.param(at(2), None, 8, id="from"),
    pytest.param(None, at(5), 5, id="until"),
    pytest.param(at(2), at(2), 0, id="empty"),
    pytest.param(at(5), at(2), 0, id="backwards"),
    pytest.param(at(2).astimezone(), at(5).astimezone(), 3, id="in another zone"),
]


@pytest.mark.parametrize(("start", "end", "count"), RANGES)
def test_a_range(start: datetime | None, end: datetime | None, count: int, minutes: Store) -> None:
    selection = Range("rig-1", start, end)
    frames = list(minutes.readings(selection))
    assert sum(map(len, frames)) == count
    extent = minutes.extent(selection)
    kpis = minutes.kpis(selection)
    if not count:
        assert frames == []
        assert extent is kpis is None
        return
    times = pl.concat(frames)["timestamp"]
    assert times.is_sorted()
    assert extent == Extent(count, times[0], times[-1])
    assert kpis is not None
    assert (kpis["total_records"], kpis["first_timestamp"]) == (count, times[0])
    assert minutes.summary(selection)["temperature"]["count"] == count


def test_readings_are_typed_frames_of_bounded_size(minutes: Store) -> None:
    with patch.object(questions, "ROWS_AT_ONCE", 4):
        frames = list(minutes.readings(Range("rig-1")))
    assert [len(frame) for frame in frames] == [4, 4, 2]
    schema = frames[0].schema
    assert schema["timestamp"] == pl.Datetime("us", "UTC")
    assert schema["temperature"] == schema["temperature_zscore"] == pl.Float64()
    assert schema["temperature_alert"] == pl.Enum(LEVELS)
    assert frames[0]["flow"].null_count() == 4


@pytest.mark.parametrize("name", ["nobody", "' OR 1=1 --", ""])
def test_of_an_unknown_rig_there_is_nothing(name: str, minutes: Store) -> None:
    selection = Range(name)
    assert list(minutes.readings(selection)) == []
    assert minutes.extent(selection) is None
    assert minutes.kpis(selection) is None
    assert minutes.summary(selection) == {}
    assert minutes.alerts(selection, LEVELS, 10).is_empty()
    assert minutes.baseline(name) is None


def test_faulty_rows_without_a_time_are_as_many_as_they_are(load: Load, settings: Settings) -> None:
    """They look the same; in a file that has grown they are on the same lines."""
    load("2025-07-13T00:00:00Z,20,1000,1\n1,2\n1,2\n1,2\n")
    load("2025-07-13T00:00:00Z,20,1000,1\n1,2\n1,2\n1,2\n2025-07-13T00:01:00Z,20,1000,1\n1,2\n")
    with closing(open_store(settings)) as store:
        kpis = store.kpis(Range("rig-1"))
    assert kpis is not None
    assert kpis["rejected_by_reason"] == {"wrong_field_count": 4}


def test_the_figures_of_a_range_are_of_that_range(minutes: Store) -> None:
    kpis = minutes.kpis(Range("rig-1", at(2), at(5)))
    assert kpis is not None
    assert kpis["avg_temp"] == 23.0
    assert kpis["temperature_range"] == {"min": 22.0, "max": 24.0}
    assert (kpis["uptime_hours"], kpis["running_hours"]) == (4.0, 2.0)
    assert kpis["channels"]["pressure"]["last"] == 1000.0


def test_rejects_count_in_their_range_and_without_a_time_only_without_a_range(
    load: Load, settings: Settings
) -> None:
    load("2025-07-13T00:00:00Z,20,1000,1\n2025-07-13T00:05:00Z,x,1000,1\nx,20,1000,1\n1,2\n")
    load("2025-07-13T00:01:00Z,20,1000,1\n2025-07-13T00:02:00Z,999,1000,1\n", "y.csv")
    with closing(open_store(settings)) as store:
        found = [
            store.kpis(Range("rig-1", start, end))
            for start, end in ((None, None), (None, at(5)), (at(0), at(2)), (at(0), None))
        ]
    assert [kpis and kpis["rejected_by_reason"] for kpis in found] == [
        {"unparsable": 2, "wrong_field_count": 1, "out_of_range": 1},
        {"out_of_range": 1},
        {},
        {"unparsable": 1, "out_of_range": 1},
    ]
    assert [kpis and kpis["data_quality_score"] for kpis in found] == [
        pytest.approx(100 * 2 / 6),
        pytest.approx(100 * 2 / 3),
        100.0,
        50.0,
    ]


def test_a_summary(minutes: Store) -> None:
    values = [20.0, 21, 22, 23, 24, 25, 26, 90, 28, 29]
    slope = statistics.linear_regression([n / 60 for n in range(10)], values).slope
    assert minutes.summary(Range("rig-1"))["temperature"] == {
        "count": 10,
        "mean": pytest.approx(statistics.mean(values)),
        "standard_deviation": pytest.approx(statistics.stdev(values)),
        "minimum": 20.0,
        "median": pytest.approx(statistics.median(values)),
        "maximum": 90.0,
        "slope_per_hour": pytest.approx(slope),
    }


def test_a_summary_of_one_reading(minutes: Store) -> None:
    found = minutes.summary(Range("rig-1", at(3), at(4)))["temperature"]
    assert (found["count"], found["mean"], found["median"]) == (1, 23.0, 23.0)
    assert found["standard_deviation"] is None
    assert found["slope_per_hour"] is None


def test_a_summary_of_a_channel_without_values(load: Load, settings: Settings) -> None:
    load("timestamp\n1\n", rig=parse_rig('name = "n"\n[channels.x]\nrequired = false', "test"))
    with closing(open_store(settings)) as store:
        found = store.summary(Range("n"))["x"]
        kpis = store.kpis(Range("n"))
    assert found["count"] == 0
    assert {value for name, value in found.items() if name != "count"} == {None}
    assert kpis is not None
    assert kpis["channels"]["x"]["mean"] is None


def test_alerts_are_the_newest_readings_of_the_levels(minutes: Store) -> None:
    found = minutes.alerts(Range("rig-1"), ["red", "yellow"], 10)
    assert found.columns == ["timestamp", "channel", "level", "value", "zscore", "place"]
    (alert,) = found.rows(named=True)
    assert (alert["timestamp"], alert["channel"], alert["level"]) == (at(7), "temperature", "red")
    assert (alert["value"], alert["zscore"] > 2) == (90.0, True)
    assert minutes.alerts(Range("rig-1"), ["yellow"], 10).is_empty()
    assert minutes.alerts(Range("rig-1", at(8), None), ["red"], 10).is_empty()


def test_the_baseline_is_that_of_the_newest_complete_load(minutes: Store, load: Load) -> None:
    first = minutes.baseline("rig-1")
    assert first is not None
    assert (first["temperature"].count, first["temperature"].maximum) == (10, 90.0)
    load("2025-07-14T00:00:00Z,50,1000,1\n", "z.csv")
    second = minutes.baseline("rig-1")
    assert second is not None
    assert (second["temperature"].count, second["temperature"].mean) == (1, 50.0)
    load("x,50,1000,1\n", "nothing.csv")
    assert minutes.baseline("rig-1") == second


def test_the_ledger_newest_first(minutes: Store) -> None:
    found = minutes.loads(10)
    assert [load["id"] for load in found] == [2, 1]
    assert [load["id"] for load in minutes.loads(1)] == [2]
    assert found[1]["rig"] == "rig-1"
    assert found[1]["first_timestamp"] == START
    assert found[1]["started_at"] <= found[1]["finished_at"] <= datetime.now(UTC)


def test_the_version_changes_with_every_commit_of_anybody(minutes: Store, load: Load) -> None:
    before = minutes.version()
    assert minutes.version() == before
    load("2025-07-14T00:00:00Z,50,1000,1\n", "z.csv")
    assert minutes.version() != before


def test_the_version_changes_with_a_live_row_that_is_rejected(minutes: Store, rig: Rig) -> None:
    writer = LiveWriter(minutes, rig, "live")
    before = minutes.version()
    values = {"temperature": [999.0], "pressure": [1000.0], "uptime": [1.0]}
    writer.write(pl.DataFrame({"timestamp": [at(50)], **values}))
    assert minutes.version() != before


def test_a_write_of_somebody_else_changes_the_version_too(
    minutes: Store, sql: Sql, load: Load
) -> None:
    before = minutes.version()
    sequence = minutes.last_sequence()
    sql("UPDATE sensor_data SET temperature = 21 WHERE temperature = 20")
    after = minutes.version()
    assert after != before
    # Nothing says what it was: whoever looks reads everything again.
    assert all(change.rows == 0 for change in minutes.changes_after(sequence, 10))
    sql("DELETE FROM sensor_data WHERE temperature = 21")
    assert minutes.version() != after


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_its_file_the_store_is_unavailable(minutes: Store, home: Path) -> None:
    minutes.version()
    for path in home.glob("readings.db*"):
        path.unlink()
    with pytest.raises(DatabaseUnavailable, match=r"readings\.db: No such file"):
        minutes.version()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_another_file_in_its_place_is_noticed(minutes: Store, load: Load, home: Path) -> None:
    before = minutes.version()
    for path in home.glob("readings.db*"):
        path.unlink()
    (home / "readings.db").touch()
    assert minutes.version() != before
    assert minutes.total_records() == 0
    load("2025-07-14T00:00:00Z,50,1000,1\n", "z.csv")
    assert minutes.total_records() == 1
