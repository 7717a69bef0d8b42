"""Summaries are the same whatever they are merged from, and say what the readings say."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data_utils import compute_kpis
from pipeline.rig import LEVELS, parse_rig
from pipeline.rollups import (
    LEVELS_S,
    SECOND,
    channels_among,
    joined,
    levels_of,
    merged,
    of_frame,
    of_readings,
    whole,
)
from pipeline.timestamps import UTC_DATETIME

RIG = parse_rig(
    "interval_s = 1.0\n[channels.x]\n[channels.age]\nkind = 'counter'\nunit = 'h'\n"
    "required = false",
    "test",
)
CHANNELS = ["x", "age"]
SCHEMA = {
    "timestamp": UTC_DATETIME,
    "x": pl.Float64(),
    "age": pl.Float64(),
    "x_alert": pl.Enum(LEVELS),
}

values = st.floats(-1e6, 1e6, allow_nan=False)
ages = st.none() | st.floats(0, 1e4, allow_nan=False)
# Readings of up to a day, some of them seconds apart, some hours.
steps = st.one_of(st.integers(1, 3_000_000), st.integers(1, 7_200_000_000))
rows = st.lists(st.tuples(steps, values, ages, st.sampled_from(LEVELS)), min_size=1, max_size=60)


def frame_of(found: Sequence[tuple[int, float, float | None, str]]) -> pl.DataFrame:
    """Readings in time order; each row begins with the microseconds since the one before."""
    times = np.cumsum([step for step, *_ in found]) - 5_000_000_000
    rest = [row[1:] for row in found]
    return pl.DataFrame(
        [(int(time), *row) for time, row in zip(times, rest, strict=True)],
        schema={**SCHEMA, "timestamp": pl.Int64()},
        orient="row",
    ).with_columns(pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Counts, extremes and times exactly; means to 1e-12 of the largest absolute value.

    Sums grow with the readings, and so does what they may differ by.
    """
    for name, value in expected.items():
        channel, _, field = name.rpartition("_")
        if value is None or field not in ("mean", "m2", "gained"):
            assert found[name] == value, name
            continue
        extremes = (expected[f"{channel}_min"], expected[f"{channel}_max"])
        largest = max(map(abs, extremes)) or 1.0
        readings = expected["readings"]
        scale = {"mean": largest, "m2": largest**2 * readings, "gained": largest * readings}[field]
        assert abs(found[name] - value) <= 1e-12 * scale, name


@given(rows, st.data())
def test_any_split_gives_the_summary_of_the_whole(
    found: list[tuple[int, float, float | None, str]], data: st.DataObject
) -> None:
    frame = frame_of(found)
    expected = whole(of_readings(frame, CHANNELS), CHANNELS, 1.0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=5)))
    pieces = [frame.slice(a, b - a) for a, b in pairwise([0, *cuts, len(frame)]) if b > a]
    parts = []
    for piece in pieces:
        part = of_readings(piece, CHANNELS)
        for level in sorted(data.draw(st.sets(st.sampled_from(LEVELS_S)))):
            # Pieces may end within a bucket: merging does not mind.
            part = of_frame(merged(part, CHANNELS, level * SECOND, 1.0), CHANNELS)
        parts.append(part)
    assert_same(whole(joined(parts), CHANNELS, 1.0), expected)


@given(rows)
def test_a_summary_says_what_the_key_figures_say(
    found: list[tuple[int, float, float | None, str]],
) -> None:
    frame = frame_of(found)
    kpis = compute_kpis(frame, rig=RIG)
    summary = whole(of_readings(frame, CHANNELS), CHANNELS, 1.0)
    x, age = kpis["channels"]["x"], kpis["channels"]["age"]
    assert summary["readings"] == kpis["total_records"]
    assert summary["gaps"] == kpis["gap_count"]
    assert summary["gap_us"] / 3.6e9 == pytest.approx(kpis["gap_hours"], abs=1e-9)
    assert (summary["x_min"], summary["x_max"]) == (x["min"], x["max"])
    assert (summary["x_red"], summary["x_yellow"]) == (x["alert_count"], x["warning_count"])
    largest = max(abs(x["min"]), abs(x["max"]))
    assert abs(summary["x_mean"] - x["mean"]) <= 1e-12 * largest
    assert summary["x_m2"] == pytest.approx(
        float(((frame["x"] - frame["x"].mean()) ** 2).sum()), rel=1e-9, abs=1e-3
    )
    assert (summary["age_min"], summary["age_max"]) == (age["min"], age["max"])
    assert (summary["age_gained"] or 0) == pytest.approx(kpis["running_hours"], rel=1e-9, abs=1e-6)
    lowest = frame.filter(pl.col("x") == x["min"])["timestamp"].dt.epoch("us")[0]
    assert summary["x_min_at"] == lowest
    assert (summary["x_first"], summary["x_last"]) == (frame["x"][0], frame["x"][-1])


@given(rows)
def test_a_bucket_depends_on_its_readings_alone(
    found: list[tuple[int, float, float | None, str]],
) -> None:
    frame = frame_of(found)
    for level in (1, 60, 900):
        all_of_them = merged(of_readings(frame, CHANNELS), CHANNELS, level * SECOND, 1.0)
        bucket = pl.col("timestamp").dt.epoch("us") // (level * 1_000_000)
        one_by_one = [
            merged(of_readings(part, CHANNELS), CHANNELS, level * SECOND, 1.0)
            for part in frame.with_columns(bucket.alias("b")).partition_by("b", maintain_order=True)
        ]
        # To the last bit.
        assert pl.concat(one_by_one).equals(all_of_them)


def test_a_mean_of_large_numbers_keeps_its_digits() -> None:
    frame = frame_of([(1_000_000, 1e9 + n % 2, None, "normal") for n in range(10_000)])
    levels = of_readings(frame, CHANNELS)
    for level in (60, 900, 21_600):
        levels = of_frame(merged(levels, CHANNELS, level * SECOND, 1.0), CHANNELS)
    found = whole(levels, CHANNELS, 1.0)
    assert found["x_mean"] == 1e9 + 0.5
    assert found["x_m2"] == pytest.approx(2500, rel=1e-9)


@pytest.mark.parametrize(
    ("interval_s", "levels"),
    [
        (None, ()),
        (0.001, (1, 10, 60, 300, 900, 3_600, 21_600)),
        (0.1, (10, 60, 300, 900, 3_600, 21_600)),
        (1.0, (60, 300, 900, 3_600, 21_600)),
        (1.1, (300, 900, 3_600, 21_600)),
        (360.0, (21_600,)),
        (3600.0, ()),
    ],
)
def test_a_bucket_holds_at_least_sixty_readings(
    interval_s: float | None, levels: tuple[int, ...]
) -> None:
    assert levels_of(interval_s) == levels


def test_levels_are_at_most_24_times_apart_and_fit_into_days_and_offsets() -> None:
    assert all(b % a == 0 and b // a <= 24 for a, b in pairwise(LEVELS_S))
    assert 900 in LEVELS_S
    assert 86_400 % LEVELS_S[-1] == 0


def test_channels_are_found_among_the_columns() -> None:
    columns = ["rig", "timestamp", "load_id", "x", "x_zscore", "x_alert", "age"]
    assert channels_among(columns) == ["x", "age"]


def test_times_before_1970_have_buckets_too() -> None:
    frame = frame_of([(1, 1.0, None, "red")])
    found = merged(of_readings(frame, CHANNELS), CHANNELS, 900 * SECOND, 1.0)
    assert found["bucket"][0] == datetime(1969, 12, 31, 22, 30, tzinfo=UTC)
