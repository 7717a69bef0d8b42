"""Thinned readings: extremes stay exact at their exact times, and so do gaps."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kpis import GAP_FACTOR
from pipeline.rig import LEVELS, parse_rig
from pipeline.rollups import SECOND, in_buckets
from pipeline.timestamps import UTC_DATETIME
from pipeline.trends import every_reading, gaps_of, red_marks, thinned

RIG = parse_rig('[channels.x]\n[channels.y]\nrequired = false\nlabel = "Y"\nunit = "mm"', "test")
START = datetime(2025, 7, 13, 0, 0, 3, tzinfo=UTC)
Row = tuple[int, float, float | None, str]
Point = tuple[int, float | None]
VALUES: dict[str, Callable[[Row], float | None]] = {
    "x": lambda row: row[1],
    "y": lambda row: row[2],
}
CHANNELS = list(VALUES)

SCHEMA = {
    "timestamp": UTC_DATETIME,
    "x": pl.Float64(),
    "y": pl.Float64(),
    "x_alert": pl.Enum(LEVELS),
}


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    times = [(START + timedelta(seconds=second), *rest) for second, *rest in rows]
    return pl.DataFrame(times, schema=SCHEMA, orient="row")


def cut(rows: Sequence[Row], size: int) -> list[pl.DataFrame]:
    return [frame(rows[start : start + size]) for start in range(0, len(rows), size)]


@st.composite
def rows_in_order(draw: st.DrawFn) -> list[Row]:
    steps = draw(st.lists(st.sampled_from((1, 1, 1, 1, 2, 7, 40)), min_size=1, max_size=60))
    values = st.integers(-5, 5).map(float)
    second = 0
    rows: list[Row] = []
    for step in steps:
        second += step
        level = draw(st.sampled_from(LEVELS))
        rows.append((second, draw(values), draw(st.none() | values), level))
    return rows


sizes = st.sampled_from((1, 3, 60))
widths = st.sampled_from((1, 5, 60, 3600))


def thin(rows: Sequence[Row], size: int, width_s: int, interval_s: float = 1.0) -> dict[str, Any]:
    buckets = pl.concat(
        in_buckets(cut(rows, size), CHANNELS, width_s * SECOND, interval_s), how="vertical"
    )
    gaps = gaps_of(frame(rows)["timestamp"], interval_s)
    return thinned(buckets, width_s, RIG, gaps)


def every(rows: Sequence[Row], interval_s: float | None = 1.0) -> dict[str, Any]:
    readings = frame(rows)
    return every_reading(readings, RIG, gaps_of(readings["timestamp"], interval_s))


def second_of(text: str) -> int:
    return (datetime.fromisoformat(text) - START) // timedelta(seconds=1)


def points_of(found: dict[str, Any], name: str) -> list[Point]:
    series = found["channels"][name]
    return list(zip(map(second_of, series["timestamps"]), series["values"], strict=True))


def bucket_of(second: int, width_s: int) -> int:
    return int(START.timestamp() + second) // width_s


def by_bucket(points: Sequence[Point], width_s: int) -> dict[int, list[tuple[int, float]]]:
    """Of each bucket the readings that have a value."""
    found: dict[int, list[tuple[int, float]]] = {}
    for second, value in points:
        if value is not None:
            found.setdefault(bucket_of(second, width_s), []).append((second, value))
    return found


def gaps_among(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """(second at which it begins, second of the reading that ends it), an interval being 1 s."""
    steps = pairwise(second for second, *_ in rows)
    return [(before + 1, after) for before, after in steps if after - before > GAP_FACTOR]


def gaps_in(found: dict[str, Any]) -> list[tuple[int, int]]:
    return [(second_of(gap["start"]), second_of(gap["end"])) for gap in found["gaps"]]


@given(rows_in_order(), sizes, widths)
def test_of_each_bucket_first_last_lowest_and_highest_stay(
    rows: list[Row], size: int, width_s: int
) -> None:
    found = thin(rows, size, width_s)
    for name, value_of in VALUES.items():
        raw = by_bucket([(row[0], value_of(row)) for row in rows], width_s)
        kept = by_bucket(points_of(found, name), width_s)
        assert set(kept) == set(raw)
        for bucket, members in raw.items():
            values = [value for _, value in members]
            # Of several equal ones the first.
            lowest = next(point for point in members if point[1] == min(values))
            highest = next(point for point in members if point[1] == max(values))
            assert kept[bucket] == sorted({members[0], members[-1], lowest, highest})


@given(rows_in_order(), sizes, widths)
def test_every_gap_is_there_and_no_line_crosses_one(
    rows: list[Row], size: int, width_s: int
) -> None:
    gaps = gaps_among(rows)
    for found in (every(rows), thin(rows, size, width_s)):
        assert gaps_in(found) == gaps
        for name in CHANNELS:
            points = points_of(found, name)
            empty = {second for second, value in points if value is None}
            assert {start for start, _ in gaps} <= empty
            assert [second for second, _ in points] == sorted({second for second, _ in points})


@given(rows_in_order(), sizes, widths)
def test_plain_lists_have_lowest_and_highest_of_each_bucket_as_they_came(
    rows: list[Row], size: int, width_s: int
) -> None:
    rig = parse_rig("[channels.temperature]\n[channels.uptime]\nrequired = false", "test")
    names = {"x": "temperature", "y": "uptime", "x_alert": "temperature_alert"}
    frames = (each.rename(names) for each in cut(rows, size))
    channels = ["temperature", "uptime"]
    buckets = pl.concat(in_buckets(frames, channels, width_s * SECOND, 1.0))
    found = thinned(buckets, width_s, rig, gaps_of(frame(rows)["timestamp"], 1.0))
    starts = sorted({bucket_of(row[0], width_s) for row in rows})
    times: list[datetime] = []
    expected: dict[str, list[float | None]] = {"temperatures": [], "uptime_hours": []}
    for bucket, after in zip(starts, [*starts[1:], starts[-1] + 1], strict=True):
        start = datetime.fromtimestamp(bucket * width_s, UTC)
        times += [start, start + timedelta(seconds=width_s / 2)]
        is_followed_by_empty = after > bucket + 1
        if is_followed_by_empty:
            times.append(start + timedelta(seconds=width_s))
        inside = [row for row in rows if bucket_of(row[0], width_s) == bucket]
        values = {"temperatures": [x for _, x, _, _ in inside]}
        values["uptime_hours"] = [y for _, _, y, _ in inside if y is not None]
        for field, expected_values in expected.items():
            expected_values += [*pair_of(values[field]), *[None] * is_followed_by_empty]
    assert [datetime.fromisoformat(text) for text in found["timestamps"]] == times
    for field, expected_values in expected.items():
        assert found[field] == expected_values
    for field in ("temperature_zscores", "temperature_levels"):
        assert found[field] == [None] * len(times)


def pair_of(values: list[float]) -> tuple[float | None, float | None]:
    """Lowest and highest in the order in which they came first."""
    if not values:
        return None, None
    low, high = min(values), max(values)
    return (high, low) if values.index(high) < values.index(low) else (low, high)


@given(rows_in_order(), sizes, widths)
def test_the_buckets_with_red_readings_are_told(rows: list[Row], size: int, width_s: int) -> None:
    channels = thin(rows, size, width_s)["channels"]
    red = {bucket_of(row[0], width_s) for row in rows if row[3] == "red"}
    starts = [datetime.fromtimestamp(bucket * width_s, UTC) for bucket in sorted(red)]
    assert [datetime.fromisoformat(text) for text in channels["x"]["red_buckets"]] == starts
    assert channels["y"]["red_buckets"] == []


@given(rows_in_order())
def test_every_reading_is_there_with_one_empty_entry_a_gap(rows: list[Row]) -> None:
    found = every(rows)
    breaks: list[Any] = [(start, None, None, None) for start, _ in gaps_among(rows)]
    expected: list[Any] = sorted([*rows, *breaks], key=lambda row: row[0])
    assert [second_of(text) for text in found["timestamps"]] == [row[0] for row in expected]
    for name, value_of in VALUES.items():
        assert points_of(found, name) == [(row[0], value_of(row)) for row in expected]
    assert found["channels"]["x"]["levels"] == [row[3] for row in expected]
    assert found["channels"]["x"]["red_buckets"] is None


def test_a_wrong_interval_does_not_keep_everything() -> None:
    rows: list[Row] = [(n * 10, float(n % 3), None, "normal") for n in range(10_000)]
    buckets = pl.concat(in_buckets(cut(rows, 5000), CHANNELS, 10_000 * SECOND, 1.0))
    # As the store does it with so many gaps: those inside of buckets are left out.
    found = thinned(buckets, 10_000, RIG, gaps_of(frame([])["timestamp"], 1.0))
    assert len(found["channels"]["x"]["values"]) < 12 * 4


def test_thinning_leaves_little() -> None:
    rows: list[Row] = [(n, float(n % 977), None, "normal") for n in range(100_000)]
    found = thin(rows, 50_000, 1000)
    assert len(found["channels"]["x"]["values"]) <= 101 * 4
    assert len(found["timestamps"]) <= 101 * 2


def test_at_a_gap_there_is_one_empty_entry_an_interval_after_the_last_reading() -> None:
    normal = "normal"
    found = every([(0, 1.0, 2.0, normal), (10, 3.0, None, normal), (40, 5.0, 6.0, normal)], 10.0)
    assert found["timestamps"] == [
        "2025-07-13T00:00:03Z",
        "2025-07-13T00:00:13Z",
        "2025-07-13T00:00:23Z",
        "2025-07-13T00:00:43Z",
    ]
    for channel in found["channels"].values():
        assert channel["timestamps"] == found["timestamps"]
    assert found["channels"]["x"]["values"] == [1.0, 3.0, None, 5.0]
    assert found["channels"]["y"]["values"] == [2.0, None, None, 6.0]
    (gap,) = found["gaps"]
    assert (gap["start"], gap["end"]) == ("2025-07-13T00:00:23Z", "2025-07-13T00:00:43Z")
    assert gap["hours"] == pytest.approx(20 / 3600)


@pytest.mark.parametrize(("second", "count"), [(15, 0), (16, 1)])
def test_a_gap_is_longer_than_one_and_a_half_intervals(second: int, count: int) -> None:
    times = frame([(0, 1.0, None, "normal"), (second, 1.0, None, "normal")])["timestamp"]
    assert len(gaps_of(times, 10.0)) == count


@pytest.mark.parametrize("interval_s", [None, 0.0])
def test_without_a_usual_interval_there_are_no_gaps(interval_s: float | None) -> None:
    times = frame([(0, 1.0, None, "normal"), (10_000, 1.0, None, "normal")])["timestamp"]
    assert gaps_of(times, interval_s).is_empty()


@pytest.mark.parametrize("find", [every, lambda rows: thin(rows, 1, 60)], ids=["every", "thinned"])
def test_channels_have_their_label_and_unit_and_unknown_names_are_empty(find: Any) -> None:
    found = find([(0, 1.0, 2.0, "normal")])
    y = found["channels"]["y"]
    assert {name: y[name] for name in ("label", "unit", "timestamps", "values")} == {
        "label": "Y",
        "unit": "mm",
        "timestamps": ["2025-07-13T00:00:03Z"],
        "values": [2.0],
    }
    assert y["zscores"] is y["levels"] is None
    assert found["temperatures"] == found["pressure_levels"] == found["uptime_hours"] == []


def test_no_readings_are_empty_lists() -> None:
    assert every([])["timestamps"] == []
    assert every([])["channels"]["x"]["values"] == []


def test_red_readings_are_marks_of_their_channel() -> None:
    red = pl.DataFrame(
        {
            "timestamp": pl.Series([START, START + timedelta(0, 1)], dtype=UTC_DATETIME),
            "channel": ["x", "y"],
            "value": [1.0, 2.0],
            "zscore": [3.0, None],
        }
    )
    x, y = RIG.channels
    assert red_marks(red, x) == {
        "timestamps": ["2025-07-13T00:00:03Z"],
        "values": [1.0],
        "zscores": [3.0],
    }
    assert red_marks(red, y)["zscores"] == [None]


def test_microseconds_are_written_only_where_there_are_any() -> None:
    rows = frame([(0, 1.0, None, "normal"), (1, 2.0, None, "normal")])
    shifted = rows.with_columns(pl.col("timestamp") + pl.Series([timedelta(0), timedelta(0, 0, 5)]))
    found = every_reading(shifted, RIG, gaps_of(shifted["timestamp"], None))
    assert found["timestamps"] == ["2025-07-13T00:00:03Z", "2025-07-13T00:00:04.000005Z"]
