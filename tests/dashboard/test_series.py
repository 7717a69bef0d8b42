"""Trends, statistics and alerts of the API, compared with plain SQL."""

import statistics
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.episodes import episodes
from pipeline.etl_pipeline import run_etl
from pipeline.rig import load_rig
from pipeline.settings import default_rig_file
from pipeline.stores import open_store
from pipeline.stores.base import Range
from pipeline.timestamps import EPOCH
from tests.dashboard import made
from tests.dashboard.conftest import Asked
from tests.dashboard.stored import RIG_FILES, RIGS, Row, moment, rows_of
from tests.services.server import settings_for

# Trends


@pytest.mark.parametrize("name", ["rig-1", "shaker-7", "static-fire"])
def test_trends_are_the_stored_readings_with_an_empty_entry_a_gap(house: Asked, name: str) -> None:
    rig = RIG_FILES[name]
    interval = timedelta(seconds=house.rigs[name]["interval_s"])
    nothing = dict.fromkeys(rig.value_columns)
    expected: list[Row] = []
    gaps = []
    for row in rows_of(house, name):
        if expected and row["timestamp"] - expected[-1]["timestamp"] > 1.5 * interval:
            start = expected[-1]["timestamp"] + interval
            expected.append({**nothing, "timestamp": start})
            gaps.append((start, row["timestamp"]))
        expected.append(row)
    found = house.json("/api/trends", rig=name, points=10_000)
    assert [moment(text) for text in found["timestamps"]] == [row["timestamp"] for row in expected]
    assert set(found["channels"]) == {channel.name for channel in rig.channels}
    for channel in rig.channels:
        series = found["channels"][channel.name]
        assert series["timestamps"] == found["timestamps"]
        assert (series["label"], series["unit"]) == (channel.title, channel.unit)
        assert series["values"] == [row[channel.name] for row in expected]
        for key, column in (("zscores", channel.zscore_column), ("levels", channel.alert_column)):
            wanted = [row[column] for row in expected] if channel.scored else None
            assert series[key] == wanted
        red = [row for row in expected if channel.scored and row[channel.alert_column] == "red"]
        assert series["red_count"] == len(red)
        assert [moment(text) for text in series["red"]["timestamps"]] == [
            row["timestamp"] for row in red[-100:]
        ]
    assert [(moment(gap["start"]), moment(gap["end"])) for gap in found["gaps"]] == gaps
    for gap in found["gaps"]:
        length = moment(gap["end"]) - moment(gap["start"])
        assert gap["hours"] == pytest.approx(length.total_seconds() / 3600)
    assert found["gap_count"] == len(gaps)
    assert found["record_count"] == len(expected) - len(gaps)
    assert (found["downsampled"], found["resolution_s"]) == (False, None)


def test_the_sample_stops_for_two_hours(house: Asked) -> None:
    found = house.json("/api/trends", rig="rig-1")
    assert found["gaps"] == [
        {"start": "2025-07-13T05:00:00Z", "end": "2025-07-13T07:00:00Z", "hours": 2.0}
    ]
    at = found["timestamps"].index("2025-07-13T05:00:00Z")
    assert found["temperatures"][at] is found["pressures"][at] is found["uptime_hours"][at] is None
    assert None not in found["temperatures"][:at] + found["temperatures"][at + 1 :]
    kpis = house.json("/api/kpis", rig="rig-1")
    assert (kpis["gap_count"], kpis["gap_hours"]) == (1, 2.0)


@pytest.mark.parametrize("points", [50, 10_000])
def test_the_plain_lists_can_be_left_out(house: Asked, points: int) -> None:
    whole = house.json("/api/trends", points=points)
    found = house.json("/api/trends", points=points, plain="false")
    lists = [name for name, value in whole.items() if isinstance(value, list) and name != "gaps"]
    assert {"timestamps", "temperatures", "pressure_levels"} <= set(lists)
    assert found == {**whole, **{name: [] for name in lists}}


@pytest.mark.parametrize("name", RIGS)
def test_the_fields_that_people_know_are_those_of_the_channels(house: Asked, name: str) -> None:
    found = house.json("/api/trends", rig=name, points=1_000, readings=50_000)
    assert found["downsampled"] is False
    channels = found["channels"]
    for channel, field in (
        ("temperature", "temperatures"),
        ("pressure", "pressures"),
        ("uptime", "uptime_hours"),
    ):
        series = channels.get(channel, {"values": [], "zscores": [], "levels": []})
        assert found[field] == series["values"]
        if channel != "uptime":
            assert found[f"{channel}_zscores"] == series["zscores"]
            assert found[f"{channel}_levels"] == series["levels"]
    for series in channels.values():
        assert series["timestamps"] == found["timestamps"]
        for key in ("values", "zscores", "levels"):
            assert series[key] is None or len(series[key]) == len(found["timestamps"])
        assert series["red_buckets"] is None


# From roll-ups, and from the readings themselves.
THINNED = pytest.mark.parametrize("points", [20, 50, 4_000])


def spiky(house: Asked, points: int) -> tuple[Any, list[Row], timedelta]:
    """The thinned answer, what is stored, and the width of a bucket."""
    found = house.json("/api/trends", rig="spiky", points=points)
    assert found["record_count"] == made.SPIKY_ROWS
    assert found["downsampled"] is True
    assert found["resolution_s"] > 1
    return found, rows_of(house, "spiky"), timedelta(seconds=found["resolution_s"])


def in_buckets(rows: Iterable[Row], width: timedelta) -> dict[datetime, list[Row]]:
    found: dict[datetime, list[Row]] = {}
    for row in rows:
        found.setdefault(start_of(row["timestamp"], width), []).append(row)
    return found


def start_of(time: datetime, width: timedelta) -> datetime:
    return EPOCH + (time - EPOCH) // width * width


@THINNED
def test_thinned_trends_keep_what_matters(house: Asked, points: int) -> None:
    found, rows, width = spiky(house, points)
    buckets = in_buckets(rows, width)
    assert len(buckets) <= points
    gap = moment(found["gaps"][0]["start"])
    for name, series in found["channels"].items():
        expected: dict[datetime, float | None] = {gap: None}
        for members in buckets.values():
            lowest = min(members, key=lambda row: row[name])
            highest = max(members, key=lambda row: row[name])
            for row in (members[0], members[-1], lowest, highest):
                expected[row["timestamp"]] = row[name]
        times = [moment(text) for text in series["timestamps"]]
        assert list(zip(times, series["values"], strict=True)) == sorted(expected.items())
        assert series["zscores"] is series["levels"] is None
    assert {149.9, 0.1} <= set(found["channels"]["temperature"]["values"])


@THINNED
def test_thinned_trends_tell_of_red_readings(house: Asked, points: int) -> None:
    found, rows, width = spiky(house, points)
    for channel in RIG_FILES["spiky"].scored_channels:
        red = [row for row in rows if row[channel.alert_column] == "red"]
        series = found["channels"][channel.name]
        assert series["red_count"] == len(red)
        assert [moment(text) for text in series["red_buckets"]] == list(in_buckets(red, width))
        newest = red[-100:]
        assert [moment(text) for text in series["red"]["timestamps"]] == [
            row["timestamp"] for row in newest
        ]
        assert series["red"]["values"] == [row[channel.name] for row in newest]
        assert series["red"]["zscores"] == [row[channel.zscore_column] for row in newest]
    assert found["channels"]["temperature"]["red_count"] == len(made.SPIKES)
    assert found["channels"]["uptime"]["red_count"] == 0


@THINNED
def test_thinned_plain_lists_have_two_entries_a_bucket(house: Asked, points: int) -> None:
    """The lowest and the highest value as they came; and one empty entry for empty buckets."""
    found, rows, width = spiky(house, points)
    fields = {"temperature": "temperatures", "pressure": "pressures", "uptime": "uptime_hours"}
    buckets = in_buckets(rows, width)
    times: list[datetime] = []
    expected: dict[str, list[float | None]] = {name: [] for name in fields}
    after = None
    for start, members in buckets.items():
        is_after_empty = after is not None and start > after
        if after is not None and is_after_empty:
            times.append(after)
        times += [start, start + width / 2]
        after = start + width
        for name, values in expected.items():
            found_there = [row[name] for row in members]
            low, high = min(found_there), max(found_there)
            falls = found_there.index(high) < found_there.index(low)
            values += [*[None] * is_after_empty, *((high, low) if falls else (low, high))]
    assert [moment(text) for text in found["timestamps"]] == times
    for name, field in fields.items():
        assert found[field] == expected[name]
    nothing = [None] * len(times)
    for field in ("temperature_zscores", "temperature_levels", "pressure_levels"):
        assert found[field] == nothing


@THINNED
def test_thinned_trends_keep_the_gap_exact(house: Asked, points: int) -> None:
    found, _, _ = spiky(house, points)
    before = made.START + timedelta(seconds=made.SPIKY_ROWS // 2 - 1)
    start = before + timedelta(seconds=1)
    after = made.START + timedelta(seconds=made.SPIKY_ROWS // 2 + 3600)
    assert [(moment(gap["start"]), moment(gap["end"])) for gap in found["gaps"]] == [(start, after)]
    assert found["gap_count"] == 1
    for series in found["channels"].values():
        times = [moment(text) for text in series["timestamps"]]
        at = times.index(start)
        assert times[at - 1 : at + 2] == [before, start, after]
        assert series["values"][at] is None


@pytest.mark.parametrize(("points", "thinned"), [(2062, False), (2061, True)])
def test_as_many_points_as_readings_thin_nothing(house: Asked, points: int, thinned: bool) -> None:
    found = house.json("/api/trends", rig="static-fire", points=points)
    assert found["downsampled"] is thinned
    series = found["channels"]["pressure"]
    assert (series["levels"] is None) is thinned
    assert max(value for value in series["values"] if value is not None) == 46.16


# Statistics


@pytest.mark.parametrize("name", RIGS)
def test_summary_is_what_numpy_says(house: Asked, name: str) -> None:
    rows = rows_of(house, name)
    found = house.json("/api/summary", rig=name)
    assert found["record_count"] == len(rows)
    for channel in RIG_FILES[name].channels:
        pairs = [
            (row["timestamp"], row[channel.name]) for row in rows if row[channel.name] is not None
        ]
        values = [value for _, value in pairs]
        hours = np.array([(time - pairs[0][0]).total_seconds() / 3600 for time, _ in pairs])
        slope = np.polyfit(hours - hours.mean(), values, 1)[0]
        expected = {
            "count": len(values),
            "mean": np.mean(values),
            "standard_deviation": np.std(values, ddof=1),
            "minimum": min(values),
            "median": statistics.median(values),
            "maximum": max(values),
        }
        figures = dict(found["channels"][channel.name])
        assert (figures.pop("label"), figures.pop("unit")) == (channel.title, channel.unit)
        assert figures.pop("slope_per_hour") == pytest.approx(slope, rel=1e-6, abs=1e-9)
        assert figures == pytest.approx(expected, rel=1e-9)


def test_summary_of_one_reading_has_no_deviation_and_no_slope(house: Asked) -> None:
    edges = {"start": "2025-07-13T00:00:00Z", "end": "2025-07-13T00:06:00Z"}
    figures = house.json("/api/summary", rig="rig-1", **edges)["channels"]["temperature"]
    assert figures["count"] == 1
    assert figures["mean"] == figures["median"] == figures["minimum"] == figures["maximum"]
    assert figures["standard_deviation"] is figures["slope_per_hour"] is None


# Alerts


def expected_alerts(house: Asked, name: str) -> list[Row]:
    """Consecutive readings of a channel at one level, by going through them."""
    longest = timedelta(seconds=1.5 * house.rigs[name]["interval_s"])
    entries: list[Row] = []
    for channel in RIG_FILES[name].scored_channels:
        before: tuple[datetime, str] | None = None
        for row in rows_of(house, name):
            time, level = row["timestamp"], row[channel.alert_column]
            if level in ("red", "yellow"):
                if before is None or before[1] != level or time - before[0] > longest:
                    entries.append(
                        {"channel": channel.name, "level": level, "first": time, "values": []}
                    )
                entries[-1]["values"].append(row[channel.name])
                entries[-1]["last"] = time
            before = (time, level) if level else None
    return entries


@pytest.mark.parametrize("name", RIGS)
def test_alerts_are_the_red_and_yellow_readings(house: Asked, name: str) -> None:
    found = house.json("/api/alerts", rig=name, limit=1000)
    kpis = house.json("/api/kpis", rig=name)
    assert (found["total_red"], found["total_yellow"]) == (
        kpis["alert_count"],
        kpis["warning_count"],
    )
    assert found["truncated"] is False
    expected = {
        (entry["channel"], entry["level"], entry["first"], entry["last"], len(entry["values"]))
        for entry in expected_alerts(house, name)
    }
    assert {
        (
            entry["channel"],
            entry["level"],
            moment(entry["timestamp"]),
            moment(entry["last_timestamp"]),
            entry["count"],
        )
        for entry in found["alerts"]
    } == expected
    times = [moment(entry["timestamp"]) for entry in found["alerts"]]
    assert times == sorted(times, reverse=True)


def test_an_alert_says_why(house: Asked) -> None:
    alerts = house.json("/api/alerts", rig="rig-1")["alerts"]
    hot = next(alert for alert in alerts if alert["timestamp"] == "2025-07-13T02:48:00Z")
    assert (hot["channel"], hot["label"], hot["unit"]) == ("temperature", "Temperature", "degC")
    # The next reading, 81.2, is red as well; 84.3 is the farther one.
    assert (hot["count"], hot["last_timestamp"]) == (2, "2025-07-13T02:54:00Z")
    assert (hot["level"], hot["value"]) == ("red", 84.3)
    z = f"{hot['zscore']:.2f}"
    assert hot["reason"] == f"4.3 °C above the high limit of 80 °C; z = {z}."


def test_a_limit_truncates_alerts_and_says_so(house: Asked) -> None:
    every = house.json("/api/alerts", rig="rig-1")
    first = house.json("/api/alerts", rig="rig-1", limit=1)
    assert len(every["alerts"]) > 1
    assert first["alerts"] == every["alerts"][:1]
    assert first["truncated"] is True
    assert first["total_red"] == every["total_red"]


def test_a_long_episode_is_one_entry_however_few_are_asked_for(tmp_path: Path) -> None:
    """And one that goes on over the epoch, as that of a clock which was not set."""
    beginning = datetime(1969, 12, 31, 23, 50, tzinfo=UTC)
    lines = ["timestamp,temperature,pressure,uptime"]
    for second in range(3000):
        time = (beginning + timedelta(seconds=second)).isoformat()
        lines.append(f"{time},{85 if 300 <= second < 900 else 20},1000,1")
    source = tmp_path / "long.csv"
    source.write_text("\n".join(lines) + "\n")
    settings = settings_for(tmp_path / "readings.db")
    run_etl([str(source)], settings=settings, rig=load_rig(default_rig_file()))
    with closing(open_store(settings)) as store:
        rows = store.alerts(Range("rig-1"), ["red"], 1_000)
        assert len(rows) == 600
        (stored,) = store.rigs()
        (entry,) = episodes(rows, stored.rig, stored.interval_s)
    assert (entry.count, entry.timestamp) == (600, beginning + timedelta(seconds=300))


@pytest.mark.parametrize("level", ["red", "yellow"])
def test_alerts_of_one_level(house: Asked, level: str) -> None:
    every = house.json("/api/alerts", rig="rig-1")
    found = house.json("/api/alerts", rig="rig-1", level=level)
    assert found["alerts"] == [alert for alert in every["alerts"] if alert["level"] == level]
    assert found["alerts"]
    assert (found["total_red"], found["total_yellow"]) == (
        every["total_red"],
        every["total_yellow"],
    )
    assert found["truncated"] is False


def test_no_alerts_are_an_answer(house: Asked) -> None:
    edges = {"start": "2025-07-13T00:00:00Z", "end": "2025-07-13T00:06:00Z"}
    found = house.json("/api/alerts", rig="rig-1", **edges)
    assert (found["alerts"], found["total_red"], found["total_yellow"]) == ([], 0, 0)
