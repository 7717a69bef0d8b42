"""Thinned readings: extremes stay exact, and so do the gaps that are shown."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kpis import GAP_FACTOR
from pipeline.rig import parse_rig
from pipeline.trends import trend_rows, trend_series

RIG = parse_rig('[channels.x]\n[channels.y]\nrequired = false\nlabel = "Y"\nunit = "mm"', "test")
START = datetime(2025, 7, 13, tzinfo=UTC)
Row = tuple[int, float, float | None]


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [START + timedelta(seconds=second) for second, _, _ in rows],
            "x": [x for _, x, _ in rows],
            "y": [y for _, _, y in rows],
        },
        schema={"timestamp": pl.Datetime("us", "UTC"), "x": pl.Float64, "y": pl.Float64},
    )


def cut(rows: list[Row], size: int) -> list[pl.DataFrame]:
    return [frame(rows[start : start + size]) for start in range(0, len(rows), size)]


@st.composite
def rows_in_order(draw: st.DrawFn) -> list[Row]:
    steps = draw(st.lists(st.sampled_from((1, 1, 1, 1, 2, 7, 40)), min_size=1, max_size=60))
    values = st.integers(-5, 5).map(float)
    second, rows = 0, []
    for step in steps:
        second += step
        rows.append((second, draw(values), draw(st.none() | values)))
    return rows


def times(found: pl.DataFrame) -> list[datetime]:
    return found["timestamp"].to_list()


def bucket_of(second: int, bucket_s: float) -> int:
    return int((START.timestamp() + second) // bucket_s)


@given(rows_in_order(), st.sampled_from((1, 3, 60)), st.sampled_from((1.0, 5.0, 3600.0)))
def test_of_each_bucket_first_last_and_extremes_stay(
    rows: list[Row], size: int, bucket_s: float
) -> None:
    kept = trend_rows(cut(rows, size), RIG, 1.0, bucket_s)
    seconds = [(time - START) // timedelta(seconds=1) for time in times(kept)]
    by_bucket: dict[int, list[Row]] = {}
    for row in rows:
        by_bucket.setdefault(bucket_of(row[0], bucket_s), []).append(row)
    whole = {row[0]: row for row in rows}
    for bucket in by_bucket.values():
        left = [whole[second] for second in seconds if whole[second] in bucket]
        assert left[0] == bucket[0]
        assert left[-1] == bucket[-1]
        for column in (1, 2):
            assert extremes(left, column) == extremes(bucket, column)


def extremes(rows: list[Row], column: int) -> tuple[float | None, float | None]:
    values = [row[column] for row in rows if row[column] is not None]
    return min(values, default=None), max(values, default=None)


def gaps_of(rows: list[Row]) -> list[tuple[int, int]]:
    """(second at which it begins, second of the reading that ends it), an interval being 1 s."""
    steps = pairwise(second for second, *_ in rows)
    return [(before + 1, after) for before, after in steps if after - before > GAP_FACTOR]


def gaps_in(found: dict[str, Any]) -> list[tuple[int, int]]:
    ends = [(gap["start"], gap["end"]) for gap in found["gaps"]]
    return [tuple(map(second_of, pair)) for pair in ends]  # type: ignore[misc]


def second_of(text: str) -> int:
    return (datetime.fromisoformat(text) - START) // timedelta(seconds=1)


@given(rows_in_order(), st.sampled_from((1, 3, 60)))
def test_every_gap_is_there_and_exact(rows: list[Row], size: int) -> None:
    found = trend_series(trend_rows(cut(rows, size), RIG, 1.0), RIG, 1.0)
    assert gaps_in(found) == gaps_of(rows)


@given(rows_in_order(), st.sampled_from((1, 3, 60)), st.sampled_from((5.0, 60.0, 3600.0)))
def test_of_each_bucket_the_two_longest_gaps_stay_and_are_exact(
    rows: list[Row], size: int, bucket_s: float
) -> None:
    kept = trend_rows(cut(rows, size), RIG, 1.0, bucket_s)
    gaps = gaps_in(trend_series(kept, RIG, 1.0))
    assert set(gaps) <= set(gaps_of(rows))
    assert longest_two(gaps, bucket_s) == longest_two(gaps_of(rows), bucket_s)


def longest_two(gaps: list[tuple[int, int]], bucket_s: float) -> dict[int, list[int]]:
    """Bucket in which gaps end -> the lengths of the two longest."""
    lengths: dict[int, list[int]] = {}
    for start, end in gaps:
        lengths.setdefault(bucket_of(end, bucket_s), []).append(end - start)
    return {bucket: sorted(found)[-2:] for bucket, found in lengths.items()}


def test_the_readings_on_both_sides_of_a_gap_stay() -> None:
    rows: list[Row] = [(n, float(n % 3), None) for n in range(60) if n not in range(30, 40)]
    kept = trend_rows([frame(rows)], RIG, 1.0, 3600.0)
    assert {START + timedelta(seconds=second) for second in (29, 40)} <= set(times(kept))


def test_a_wrong_interval_does_not_keep_everything() -> None:
    rows: list[Row] = [(n * 10, float(n % 3), None) for n in range(10_000)]
    assert len(trend_rows(cut(rows, 5000), RIG, 1.0, 10_000.0)) < 10 * 15


@given(rows_in_order(), st.sampled_from((1, 3, 60)))
def test_what_stays_was_measured_and_is_in_order(rows: list[Row], size: int) -> None:
    kept = trend_rows(cut(rows, size), RIG, 1.0, 10.0)
    whole = frame(rows).rows()
    assert set(kept.select("timestamp", "x", "y").rows()) <= set(whole)
    assert times(kept) == sorted(set(times(kept)))


@given(rows_in_order(), st.sampled_from((1, 3, 60)))
def test_without_buckets_everything_stays(rows: list[Row], size: int) -> None:
    kept = trend_rows(cut(rows, size), RIG, 1.0)
    assert kept.select("timestamp", "x", "y").equals(frame(rows))


def test_thinning_leaves_little() -> None:
    rows: list[Row] = [(n, float(n % 977), None) for n in range(100_000)]
    kept = trend_rows(cut(rows, 50_000), RIG, 1.0, 1000.0)
    assert len(kept) < 101 * 4 + 2


def series(rows: list[Row], interval_s: float | None) -> dict[str, Any]:
    return trend_series(trend_rows([frame(rows)], RIG, interval_s), RIG, interval_s)


def test_at_a_gap_there_is_one_empty_entry_an_interval_after_the_last_reading() -> None:
    found = series([(0, 1.0, 2.0), (10, 3.0, None), (40, 5.0, 6.0)], 10.0)
    assert found["timestamps"] == [
        "2025-07-13T00:00:00Z",
        "2025-07-13T00:00:10Z",
        "2025-07-13T00:00:20Z",
        "2025-07-13T00:00:40Z",
    ]
    assert found["channels"]["x"]["values"] == [1.0, 3.0, None, 5.0]
    assert found["channels"]["y"]["values"] == [2.0, None, None, 6.0]
    (gap,) = found["gaps"]
    assert (gap["start"], gap["end"]) == ("2025-07-13T00:00:20Z", "2025-07-13T00:00:40Z")
    assert gap["hours"] == pytest.approx(20 / 3600)


def test_a_gap_is_longer_than_one_and_a_half_intervals() -> None:
    assert series([(0, 1.0, None), (15, 1.0, None)], 10.0)["gaps"] == []
    assert len(series([(0, 1.0, None), (16, 1.0, None)], 10.0)["gaps"]) == 1


@pytest.mark.parametrize("interval_s", [None, 0.0])
def test_without_a_usual_interval_there_are_no_gaps(interval_s: float | None) -> None:
    assert series([(0, 1.0, None), (10_000, 1.0, None)], interval_s)["gaps"] == []


def test_channels_have_their_label_and_unit_and_unknown_names_are_empty() -> None:
    found = series([(0, 1.0, 2.0)], None)
    assert found["channels"]["y"] == {
        "label": "Y",
        "unit": "mm",
        "values": [2.0],
        "zscores": None,
        "levels": None,
    }
    assert found["temperatures"] == found["pressure_levels"] == found["uptime_hours"] == []


def test_no_readings_are_empty_lists() -> None:
    rows = trend_rows([], RIG, 1.0, 10.0)
    assert rows.is_empty()
    assert trend_series(rows, RIG, 1.0)["timestamps"] == []


def test_microseconds_are_written_only_where_there_are_any() -> None:
    rows = frame([(0, 1.0, None), (1, 2.0, None)])
    shifted = rows.with_columns(pl.col("timestamp") + pl.Series([timedelta(0), timedelta(0, 0, 5)]))
    found = trend_series(trend_rows([shifted], RIG, None), RIG, None)
    assert found["timestamps"] == ["2025-07-13T00:00:00Z", "2025-07-13T00:00:01.000005Z"]
