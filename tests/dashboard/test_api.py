"""Rigs, key figures, loads and health: compared with the frame functions and with plain SQL."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipeline.data_utils import compute_kpis, load_sensor_data
from pipeline.timestamps import to_microseconds
from tests.dashboard import made
from tests.dashboard.conftest import Asked
from tests.dashboard.stored import RIG_FILES, RIGS, Row, moment, rows_of
from tests.services.server import settings_for


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


def test_the_configured_rig_comes_first_and_the_others_by_name(house: Asked) -> None:
    names = [rig["name"] for rig in house.json("/api/rigs")["rigs"]]
    others = [*RIGS, *made.NASTY_NAMES]
    others.remove("rig-1")
    assert names == ["rig-1", *sorted(others)]


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


def test_key_figures_beside_those_of_the_range_before(house: Asked) -> None:
    middle, end = "2025-07-13T05:00:00Z", "2025-07-13T10:00:00Z"
    start = "2025-07-13T00:00:00Z"
    for asked in ({"start": middle, "end": end}, {"start": middle}):
        found = house.json("/api/kpis", rig="rig-1", compare="previous", **asked)
        before = found["previous"]
        assert before["end"] == middle
        expected = house.json("/api/kpis", rig="rig-1", start=before["start"], end=middle)
        same = before.keys() - {"start", "end"}
        assert {name: before[name] for name in same} == {name: expected[name] for name in same}
    day = house.json("/api/kpis", rig="rig-1", compare="previous", date="2025-07-13")
    assert day["previous"] is None
    assert house.json("/api/kpis", rig="rig-1", compare="previous")["previous"] is None
    assert "previous" not in house.json("/api/kpis", rig="rig-1")
    found = house.json("/api/kpis", rig="rig-1", compare="previous", start=middle, end=end)
    assert found["previous"]["start"] == start


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
