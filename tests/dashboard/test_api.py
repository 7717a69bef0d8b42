"""The answers of the API, compared with the frame functions and with plain SQL."""

import statistics
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.data_utils import compute_kpis, load_sensor_data
from pipeline.rig import Rig, load_rig
from pipeline.settings import default_rig_file
from pipeline.timestamps import EPOCH, to_microseconds
from tests.dashboard import made
from tests.dashboard.conftest import Asked
from tests.services.server import settings_for

RIG_FILES: dict[str, Rig] = {
    "rig-1": load_rig(default_rig_file()),
    "shaker-7": made.vibration_rig(),
    "static-fire": made.static_fire_rig(),
    "spiky": load_rig(default_rig_file()),
}
RIGS = tuple(RIG_FILES)
Row = dict[str, Any]


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def rows_of(house: Asked, rig: str) -> list[Row]:
    """All that is stored of a rig, by plain SQL."""
    columns = ["timestamp", *RIG_FILES[rig].value_columns]
    found = house.sql(
        f"SELECT {', '.join(columns)} FROM sensor_data WHERE rig = ? ORDER BY timestamp",  # noqa: S608  # names from a rig file
        rig,
    )
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    return [{**row, "timestamp": EPOCH + timedelta(microseconds=row["timestamp"])} for row in rows]


@pytest.fixture(scope="module")
def stored(house: Asked) -> pl.DataFrame:
    frame = load_sensor_data(settings=settings_for(house.database), kind="polars")
    assert isinstance(frame, pl.DataFrame)
    return frame


# Rigs


@pytest.mark.parametrize("name", RIGS)
def test_rigs_are_described_as_their_files_say(house: Asked, name: str) -> None:
    found, rig, rows = house.rigs[name], RIG_FILES[name], rows_of(house, name)
    assert found["label"] == rig.label
    assert found["time_zone"] == rig.time_zone
    assert found["total_records"] == len(rows)
    assert moment(found["first_timestamp"]) == rows[0]["timestamp"]
    assert moment(found["last_timestamp"]) == rows[-1]["timestamp"]
    assert [channel["name"] for channel in found["channels"]] == [c.name for c in rig.channels]
    for described, channel in zip(found["channels"], rig.channels, strict=True):
        assert described == {
            "name": channel.name,
            "label": channel.title,
            "unit": channel.unit,
            "kind": channel.kind,
            "required": channel.required,
            "scored": channel.scored,
            "valid_range": {"min": channel.valid.min, "max": channel.valid.max},
            "limits": {"low": channel.limits.low, "high": channel.limits.high},
            "z_score": {
                "yellow": channel.z_score and channel.z_score.yellow,
                "red": channel.z_score and channel.z_score.red,
            },
        }


def test_intervals_are_the_rig_files_or_the_median_step(house: Asked) -> None:
    intervals = {name: house.rigs[name]["interval_s"] for name in RIGS}
    assert intervals == {"rig-1": 360, "shaker-7": 3600, "static-fire": 0.1, "spiky": 1}


def test_an_empty_database_has_no_rigs_and_no_loads(empty: Asked) -> None:
    assert empty.json("/api/rigs") == {"rigs": []}
    assert empty.json("/api/loads") == {"loads": []}


# Key figures


def expected_kpis(stored: pl.DataFrame, name: str, interval_s: float, **given: Any) -> Row:
    rig = RIG_FILES[name].model_copy(update={"interval_s": interval_s})
    frame = stored.filter(pl.col("rig") == name)
    for key, compare in (("start", pl.Expr.ge), ("end", pl.Expr.lt)):
        if key in given:
            frame = frame.filter(compare(pl.col("timestamp"), pl.lit(given[key])))
    return compute_kpis(frame, rig=rig)


def assert_same_figures(found: Row, expected: Row) -> None:
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_same_figures(found[key], value)
        elif isinstance(value, datetime):
            assert moment(found[key]) == value
        elif isinstance(value, float):
            assert found[key] == pytest.approx(value, rel=1e-12), key
        # What is rejected is not in a frame.
        elif "reject" not in key and key != "data_quality_score":
            assert found[key] == value, key


@pytest.mark.parametrize("name", RIGS)
def test_kpis_are_those_of_compute_kpis(house: Asked, stored: pl.DataFrame, name: str) -> None:
    found = house.json("/api/kpis", rig=name)
    assert_same_figures(found, expected_kpis(stored, name, house.rigs[name]["interval_s"]))
    assert found["rig"] == name
    assert (found["date_filter"], found["start"], found["end"]) == (None, None, None)
    assert moment(found["timestamp"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("rig-1", datetime(2025, 7, 13, 2, 48, tzinfo=UTC), datetime(2025, 7, 13, 9, tzinfo=UTC)),
        ("shaker-7", datetime(2025, 3, 30, 1, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)),
        ("static-fire", datetime(2025, 1, 18, 19, 34, tzinfo=UTC), None),
        ("spiky", None, datetime(2025, 7, 13, 0, 20, tzinfo=UTC)),
    ],
)
def test_kpis_of_a_range(
    house: Asked, stored: pl.DataFrame, name: str, start: datetime | None, end: datetime | None
) -> None:
    given = {key: value for key, value in (("start", start), ("end", end)) if value}
    texts = {key: value.isoformat() for key, value in given.items()}
    found = house.json("/api/kpis", rig=name, **texts)
    interval_s = house.rigs[name]["interval_s"]
    assert_same_figures(found, expected_kpis(stored, name, interval_s, **given))
    for key, value in (("start", start), ("end", end)):
        assert (found[key] and moment(found[key])) == value


def test_kpis_of_a_rig_without_the_known_channels_are_null(house: Asked) -> None:
    found = house.json("/api/kpis", rig="shaker-7")
    nothing = {"min": None, "max": None}
    assert found["avg_temp"] is found["avg_pressure"] is None
    assert found["temperature_range"] == found["pressure_range"] == nothing
    assert set(found["channels"]) == {
        "acceleration",
        "displacement",
        "coil_current",
        "coil_warmth",
        "cycles",
    }
    # 250.5 m/s^2 is beyond the high limit of 200.
    assert found["channels"]["acceleration"]["alert_count"] == 1
    assert found["channels"]["acceleration"]["max"] == 250.5
    # micrometers in the file
    assert 14 < found["channels"]["displacement"]["max"] <= 15


def test_the_firing_is_as_it_was(house: Asked) -> None:
    found = house.json("/api/kpis", rig="static-fire")
    assert found["total_records"] == 2062
    assert found["pressure_range"]["max"] == 46.16
    assert found["uptime_hours"] is found["running_hours"] is None


@pytest.mark.parametrize(
    ("given", "score", "reasons"),
    [
        # The one whose time cannot be read counts only without a range.
        pytest.param(
            {},
            100 * 100 / 103,
            {"missing_value": 1, "out_of_range": 1, "unparsable": 1},
            id="everything",
        ),
        pytest.param({"date": "2025-07-13"}, 100 * 100 / 101, {"missing_value": 1}, id="the day"),
        pytest.param({"end": "2025-07-13T12:30:00Z"}, 100.0, {}, id="just before a reject"),
        pytest.param(
            {"start": "2025-07-13T11:00:00Z", "end": "2025-07-14T09:00:00.000001Z"},
            100 * 10 / 12,
            {"missing_value": 1, "out_of_range": 1},
            id="half-open",
        ),
    ],
)
def test_quality_counts_rejects(
    house: Asked, given: dict[str, str], score: float, reasons: dict[str, int]
) -> None:
    found = house.json("/api/kpis", rig="rig-1", **given)
    assert found["data_quality_score"] == pytest.approx(score)
    assert found["rejected_by_reason"] == reasons
    assert found["rejected_records"] == sum(reasons.values())


# Rigs and days that are asked for


def test_without_a_rig_the_configured_one_answers(house: Asked) -> None:
    for path in ("kpis", "trends", "summary", "alerts"):
        assert house.json(f"/api/{path}")["rig"] == "rig-1"


@pytest.mark.parametrize("name", made.NASTY_NAMES)
def test_any_name_of_a_rig_can_be_asked_for(house: Asked, name: str) -> None:
    found = house.json("/api/kpis", rig=name)
    assert (found["rig"], found["total_records"]) == (name, 2)


@pytest.mark.parametrize(
    ("day", "hours", "first", "readings"),
    [
        pytest.param(made.SPRING, 23, "2025-03-29T23:00:00Z", 23, id="an hour less"),
        pytest.param(made.AFTER_SPRING, 24, "2025-03-30T22:00:00Z", 24, id="an ordinary day"),
        pytest.param(made.AUTUMN, 25, "2025-10-25T22:00:00Z", 25, id="an hour more"),
    ],
)
def test_a_date_is_a_day_of_the_rigs_zone(
    house: Asked, day: str, hours: int, first: str, readings: int
) -> None:
    found = house.json("/api/trends", rig="shaker-7", date=day)
    assert found["date_filter"] == day
    assert found["start"] == first
    assert moment(found["end"]) - moment(found["start"]) == timedelta(hours=hours)
    assert found["record_count"] == readings
    assert found["gaps"] == []
    steps = [moment(first) + timedelta(hours=hour) for hour in range(hours)]
    assert [moment(text) for text in found["timestamps"]] == steps


@pytest.mark.parametrize(
    ("start", "first"),
    [
        pytest.param("2025-03-30T04:00:00", "2025-03-30T02:00:00Z", id="naive: the rig's zone"),
        pytest.param("2025-03-30T04:00:00+05:00", "2025-03-29T23:00:00Z", id="with offset"),
        pytest.param("2025-03-30", "2025-03-29T23:00:00Z", id="a day's beginning"),
        pytest.param("2025-03-30T02:00:00.000001Z", "2025-03-30T03:00:00Z", id="microseconds"),
    ],
)
def test_start_is_a_moment(house: Asked, start: str, first: str) -> None:
    assert house.json("/api/trends", rig="shaker-7", start=start)["timestamps"][0] == first


def test_a_range_is_half_open(house: Asked) -> None:
    edges = {"start": "2025-07-13T00:06:00Z", "end": "2025-07-13T00:18:00Z"}
    found = house.json("/api/trends", rig="rig-1", **edges)
    assert found["timestamps"] == ["2025-07-13T00:06:00Z", "2025-07-13T00:12:00Z"]


def test_the_sign_of_an_offset_may_be_unescaped(house: Asked) -> None:
    response = house.client.get("/api/trends?rig=rig-1&start=2025-07-13T11:00:00+01:00")
    assert response.json()["timestamps"][0] == "2025-07-13T10:00:00Z"


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
        assert (series["label"], series["unit"]) == (channel.title, channel.unit)
        assert series["values"] == [row[channel.name] for row in expected]
        for key, column in (("zscores", channel.zscore_column), ("levels", channel.alert_column)):
            wanted = [row[column] for row in expected] if channel.scored else None
            assert series[key] == wanted
    assert [(moment(gap["start"]), moment(gap["end"])) for gap in found["gaps"]] == gaps
    for gap in found["gaps"]:
        length = moment(gap["end"]) - moment(gap["start"])
        assert gap["hours"] == pytest.approx(length.total_seconds() / 3600)
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


@pytest.mark.parametrize("name", RIGS)
def test_the_fields_that_people_know_are_those_of_the_channels(house: Asked, name: str) -> None:
    found = house.json("/api/trends", rig=name, points=500)
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
    length = len(found["timestamps"])
    for series in channels.values():
        for key in ("values", "zscores", "levels"):
            assert series[key] is None or len(series[key]) == length


@pytest.mark.parametrize("points", [50, 500, 4000])
def test_thinned_trends_keep_what_matters(house: Asked, points: int) -> None:
    rows = {row["timestamp"]: row for row in rows_of(house, "spiky")}
    found = house.json("/api/trends", rig="spiky", points=points)
    assert found["record_count"] == made.SPIKY_ROWS
    assert found["downsampled"] is True
    assert found["resolution_s"] > 1
    assert len(found["timestamps"]) < 2 * points + 10
    assert {149.9, 0.1} <= set(found["temperatures"])
    channels = {name: series["values"] for name, series in found["channels"].items()}
    times = [moment(text) for text in found["timestamps"]]
    assert times == sorted(set(times))
    kept = {}
    for number, time in enumerate(times):
        values = {name: column[number] for name, column in channels.items()}
        if set(values.values()) == {None}:
            assert time == moment(found["gaps"][0]["start"])
            continue
        assert values == {name: rows[time][name] for name in channels}
        kept[time] = values
    bucket = round(found["resolution_s"] * 1e6)
    buckets: dict[int, list[Row]] = {}
    for row in rows.values():
        buckets.setdefault(to_microseconds(row["timestamp"]) // bucket, []).append(row)
    for members in buckets.values():
        there = [row for row in members if row["timestamp"] in kept]
        assert members[0] in there
        assert members[-1] in there
        for name in channels:
            values = [row[name] for row in members]
            assert {min(values), max(values)} <= {row[name] for row in there}


def test_thinned_trends_keep_the_gap_exact(house: Asked) -> None:
    found = house.json("/api/trends", rig="spiky", points=20)
    before = made.START + timedelta(seconds=made.SPIKY_ROWS // 2 - 1)
    after = made.START + timedelta(seconds=made.SPIKY_ROWS // 2 + 3600)
    assert [(moment(gap["start"]), moment(gap["end"])) for gap in found["gaps"]] == [
        (before + timedelta(seconds=1), after)
    ]
    times = [moment(text) for text in found["timestamps"]]
    at = times.index(before + timedelta(seconds=1))
    assert times[at - 1 : at + 2] == [before, before + timedelta(seconds=1), after]
    assert found["temperatures"][at] is None


def test_as_many_points_as_readings_thin_nothing(house: Asked) -> None:
    found = house.json("/api/trends", rig="spiky", points=made.SPIKY_ROWS)
    assert found["downsampled"] is False
    assert len(found["timestamps"]) == made.SPIKY_ROWS + 1


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


def test_no_alerts_are_an_answer(house: Asked) -> None:
    edges = {"start": "2025-07-13T00:00:00Z", "end": "2025-07-13T00:06:00Z"}
    found = house.json("/api/alerts", rig="rig-1", **edges)
    assert (found["alerts"], found["total_red"], found["total_yellow"]) == ([], 0, 0)


# Loads and health


def test_loads_are_the_ledger(house: Asked) -> None:
    found = house.json("/api/loads")["loads"]
    ledger = house.sql(
        "SELECT id, source, rig, status, rows_read, accepted, rejected FROM sensor_data_loads"
        " ORDER BY id DESC"
    )
    keys = ("id", "source", "rig", "status", "rows_read", "accepted", "rejected")
    assert [tuple(load[key] for key in keys) for load in found] == ledger
    faulty = next(load for load in found if load["source"].endswith("faulty.csv"))
    assert faulty["rejected_by_reason"] == {"missing_value": 1, "out_of_range": 1, "unparsable": 1}
    assert moment(faulty["started_at"]) <= moment(faulty["finished_at"]) <= datetime.now(UTC)
    assert faulty["first_timestamp"] == faulty["last_timestamp"] == "2025-07-13T00:00:00Z"
    assert house.json("/api/loads", limit=2)["loads"] == found[:2]


def test_health_counts_what_is_there(house: Asked, empty: Asked) -> None:
    found = house.json("/api/health")
    (rows,) = house.sql("SELECT count(*), max(timestamp) FROM sensor_data")
    assert found["rows"] == rows[0]
    assert to_microseconds(moment(found["last_reading"])) == rows[1]
    assert (found["status"], found["database"], found["backend"]) == ("ok", "reachable", "sqlite")
    nothing = empty.json("/api/health")
    assert (nothing["status"], nothing["rows"], nothing["last_reading"]) == ("ok", 0, None)


# Delivery


def test_large_answers_are_compressed_for_those_who_take_it(house: Asked) -> None:
    plain = house.client.get("/api/trends?rig=spiky", headers={"accept-encoding": "identity"})
    packed = house.client.get("/api/trends?rig=spiky", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert "accept-encoding" in plain.headers.get("vary", "").lower()


def test_the_days_of_the_firing_and_of_the_sample_do_not_meet(house: Asked) -> None:
    day = moment(house.rigs["static-fire"]["first_timestamp"]).date()
    assert day == date(2025, 1, 18)
    assert house.json("/api/kpis", rig="static-fire", date=str(day))["total_records"] == 2062
    assert house.get("/api/kpis", rig="rig-1", date=str(day)).status_code == 404
