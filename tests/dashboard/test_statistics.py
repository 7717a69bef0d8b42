"""Hours, days, weeks and months of any zone, compared with readings counted one by one."""

import csv
import io
import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.calendar_buckets import calendar_bounds
from pipeline.timestamps import to_microseconds
from tests.dashboard import made
from tests.dashboard.conftest import Asked
from tests.dashboard.conftest import asked as ask

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
# Around the changes of the clocks of those zones.
SPANS = [
    (datetime(2025, 3, 7, 5, tzinfo=UTC), timedelta(days=4)),
    (datetime(2025, 3, 28, 5, tzinfo=UTC), timedelta(days=4)),
    (datetime(2025, 4, 4, 5, tzinfo=UTC), timedelta(days=4)),
    (datetime(2025, 10, 3, 5, tzinfo=UTC), timedelta(days=4)),
    (datetime(2025, 10, 24, 5, tzinfo=UTC), timedelta(days=4)),
    (datetime(2025, 10, 31, 5, tzinfo=UTC), timedelta(days=4)),
]
# 10 s between readings: there are roll-ups of 15 minutes and 6 hours.
STEP = timedelta(seconds=10)


def readings() -> Iterator[tuple[datetime, float]]:
    number = 0
    for start, length in SPANS:
        time = start
        while time < start + length:
            yield time, 20 + number * 7919 % 601 / 10
            time, number = time + STEP, number + 1


@pytest.fixture(scope="module")
def rows() -> list[tuple[datetime, float]]:
    return list(readings())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("statistics")
    path = folder / "x.csv"
    lines = (f"{time.isoformat()},{value},1000,1\n" for time, value in rows)
    path.write_text("timestamp,temperature,pressure,uptime\n" + "".join(lines))
    made.load(folder / "readings.db", path)
    yield from ask(folder, database=folder / "readings.db")


def label(time: datetime, bucket: str, zone: ZoneInfo) -> Any:
    """What a person would call the bucket."""
    local = time.astimezone(zone)
    day = local.date()
    return {
        "1h": (day, local.hour, local.utcoffset()),
        "1d": day,
        "1w": day - timedelta(days=day.weekday()),
        "1mo": (day.year, day.month),
    }[bucket]


def test_buckets_are_those_of_the_zone(client: Asked, rows: Any) -> None:
    for zone_name in ZONES:
        zone = ZoneInfo(zone_name)
        for bucket in ("1h", "1d", "1w", "1mo"):
            start, end = rows[0][0], rows[-1][0] + STEP
            if bucket == "1h":
                end = start + timedelta(days=4)
            expected: dict[Any, list[float]] = defaultdict(list)
            for time, value in rows:
                if start <= time < end:
                    expected[label(time, bucket, zone)].append(value)
            asked = {"bucket": bucket, "tz": zone_name}
            asked |= {"start": start.isoformat(), "end": end.isoformat()}
            answer = client.get("/api/statistics", **asked)
            assert answer.status_code == 200, answer.text
            buckets = [each for each in answer.json()["buckets"] if each["record_count"]]
            assert len(buckets) == len(expected)
            for found, values in zip(buckets, expected.values(), strict=True):
                channel = found["channels"]["temperature"]
                assert found["record_count"] == channel["count"] == len(values)
                assert (channel["minimum"], channel["maximum"]) == (min(values), max(values))
                assert channel["mean"] == pytest.approx(statistics.fmean(values), rel=1e-12)
                if len(values) > 1:
                    deviation = statistics.stdev(values)
                    assert channel["standard_deviation"] == pytest.approx(deviation, rel=1e-9)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", datetime(2025, 3, 30, tzinfo=UTC), 23),
        ("Europe/Berlin", datetime(2025, 10, 26, tzinfo=UTC), 25),
        ("America/New_York", datetime(2025, 3, 9, 12, tzinfo=UTC), 23),
        ("America/New_York", datetime(2025, 11, 2, 12, tzinfo=UTC), 25),
        ("Asia/Kathmandu", datetime(2025, 3, 30, tzinfo=UTC), 24),
        ("Australia/Lord_Howe", datetime(2025, 4, 5, 18, tzinfo=UTC), 24.5),
        ("Australia/Lord_Howe", datetime(2025, 10, 4, 18, tzinfo=UTC), 23.5),
    ],
)
def test_a_local_day_is_as_long_as_its_clock_says(zone: str, day: datetime, hours: float) -> None:
    bounds = calendar_bounds(day, day, "1d", ZoneInfo(zone))
    assert [(b - a) / 3.6e9 for a, b in pairwise(bounds)] == [hours]
    local = day.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0)
    assert bounds[0] == to_microseconds(local.astimezone(UTC))


def test_empty_buckets_are_there_and_csv_has_the_same(client: Asked) -> None:
    asked = {"bucket": "1d", "tz": "Europe/Berlin"}
    found = client.get("/api/statistics", **asked).json()
    empty = [each for each in found["buckets"] if not each["record_count"]]
    assert empty
    assert empty[0]["channels"]["temperature"] == {
        "count": 0, "mean": None, "standard_deviation": None, "minimum": None,
        "minimum_at": None, "maximum": None, "maximum_at": None, "alert_count": 0,
        "warning_count": 0,
    }  # fmt: skip
    answer = client.get("/api/statistics", **asked, format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(lines) == len(found["buckets"])
    first, line = found["buckets"][0], lines[0]
    assert (line["start"], int(line["record_count"])) == (first["start"], first["record_count"])
    # Summer begins on the 30th of March.
    days = [each["local_start"] for each in found["buckets"]]
    assert [each["local_start"] for each in lines] == days
    assert (days[0], days[23], days[24]) == (
        "2025-03-07T00:00:00+01:00",
        "2025-03-30T00:00:00+01:00",
        "2025-03-31T00:00:00+02:00",
    )
    assert float(line["temperature_mean"]) == first["channels"]["temperature"]["mean"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"bucket": "2d"}, ["bucket", "2d"]),
        ({"tz": "Mars/Olympus"}, ["tz='Mars/Olympus'", "Europe/Berlin"]),
        ({"bucket": "15m"}, ["bucket='15m'", "5,000", "longer"]),
        ({"start": "1999-01-01", "end": "1999-01-02"}, ["no readings"]),
    ],
)
def test_what_cannot_be_answered_is_one_clear_problem(
    client: Asked, asked: dict[str, str], words: list[str]
) -> None:
    answer = client.get("/api/statistics", **asked)
    assert answer.status_code in (400, 404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(word in answer.text for word in words), answer.text
