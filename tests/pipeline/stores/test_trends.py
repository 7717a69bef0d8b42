"""A trend says what the readings say, whether it comes from them or from roll-ups."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.episodes import episodes
from pipeline.kpis import GAP_FACTOR
from pipeline.rig import Rig, parse_rig
from pipeline.settings import default_rig_file
from pipeline.stores import Store
from pipeline.stores.base import Range, Trend
from pipeline.stores.figures import alerts_query
from pipeline.stores.inside_buckets import MOST_GAPS, MOST_RED
from pipeline.stores.questions import Questions
from pipeline.timestamps import EPOCH
from tests.pipeline.stores.conftest import Load

START = datetime(2025, 7, 13, 5, 0, 7, tzinfo=UTC)
SECONDS = 9_000
SECOND = timedelta(seconds=1)
Point = tuple[datetime, float]
Gap = tuple[datetime, datetime]


# Silences: the second at which one begins -> its length.
CASES = {
    "few gaps": {30: 2, 100: 4, 2_000: 61, 5_400: 1_900, 8_990: 3},
    "many gaps": dict.fromkeys(range(40, SECONDS, 60), 3) | {5_400: 1_900},
}


@pytest.fixture
def rig() -> Rig:
    """The default one; pressure comes now and then."""
    text = default_rig_file().read_text()
    return parse_rig(
        text.replace("[channels.pressure]", "[channels.pressure]\nrequired = false"), "seldom"
    )


def rows(silences: dict[int, int]) -> str:
    """Temperature is often red, pressure twice, long ago."""
    silent = {at + n for at, length in silences.items() for n in range(length)}
    lines = []
    for second in range(SECONDS):
        if second in silent:
            continue
        temperature = 85 if second % 17 in (3, 4) else 40 + second * 7919 % 1009 / 100
        pressure = {70: 1150.0, 1_400: 850.0}.get(second, 1000 + second % 13)
        told = f"{pressure}" if second % 7 == 0 else ""
        time = (START + second * SECOND).isoformat()
        lines.append(f"{time},{temperature},{told},{second % 4_000 / 3600:.4f}")
    return "\n".join(lines) + "\n"


@pytest.fixture(params=CASES)
def stored(request: pytest.FixtureRequest, load: Load, store: Store) -> Store:
    load(rows(CASES[request.param]))
    return store


moments = st.none() | st.integers(-100, SECONDS + 100).map(lambda s: START + s * SECOND)


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=moments, end=moments, points=st.sampled_from((10, 30, 150, 1_500, 4_000, 9_000)))
def test_any_range_and_any_number_of_buckets(
    start: datetime | None, end: datetime | None, points: int, stored: Store, rig: Rig
) -> None:
    selection = Range("rig-1", start, end)
    frames = list(stored.readings(selection))
    found = stored.trend(selection, points)
    if not frames:
        assert found is None
        return
    assert found is not None
    readings = pl.concat(frames)
    assert found.records == len(readings)
    is_thinned = len(readings) > points
    assert (found.bucket_s is not None) is is_thinned
    if is_thinned:
        assert len(found.rows) <= points
        assert_extremes_of(found, readings, rig)
    else:
        assert found.rows.equals(readings)
    assert_gaps_of(found, readings)
    assert_red_of(found, readings, rig)


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=moments,
    end=moments,
    levels=st.sampled_from((["red"], ["yellow"], ["red", "yellow"])),
    limit=st.sampled_from((5, 100, 20_000)),
)
def test_alerts_of_any_range_are_those_among_all_readings(
    start: datetime | None,
    end: datetime | None,
    levels: list[str],
    limit: int,
    stored: Questions,
    rig: Rig,
) -> None:
    selection = Range("rig-1", start, end)
    found = stored.alerts(selection, levels, limit)
    query = alerts_query(stored._schema, rig, selection, levels).limit(limit)
    with stored._reading() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    expected = pl.DataFrame(rows, schema=found.schema, orient="row")
    assert found.drop("place").equals(expected.drop("place"))
    assert episodes(found, rig, 1.0) == episodes(expected, rig, 1.0)


def test_the_ways_are_all_gone(stored: Store) -> None:
    """The test above proves something: of all readings each of these comes in another way."""
    widths = [_trend(stored, points).bucket_s for points in (10, 4_000, 9_000)]
    assert widths[0] is not None
    assert widths[0] % 60 == 0
    assert widths[1] is not None
    assert widths[1] % 60 != 0
    assert widths[2] is None


def _trend(store: Store, points: int) -> Trend:
    found = store.trend(Range("rig-1"), points)
    assert found is not None
    return found


def assert_extremes_of(found: Trend, readings: pl.DataFrame, rig: Rig) -> None:
    assert found.bucket_s is not None
    width = timedelta(seconds=found.bucket_s)
    for channel in rig.channels:
        points = _points(readings, channel.name)
        by_bucket: dict[datetime, list[Point]] = {}
        for time, value in points:
            by_bucket.setdefault(EPOCH + (time - EPOCH) // width * width, []).append((time, value))
        expected = {
            bucket: [
                members[0],
                members[-1],
                min(members, key=lambda point: point[1]),
                max(members, key=lambda point: point[1]),
            ]
            for bucket, members in by_bucket.items()
        }
        rows = found.rows.filter(pl.col(f"{channel.name}_count") > 0)
        assert expected == {
            row["bucket"]: [
                (row[f"{channel.name}_{field}_at"], row[f"{channel.name}_{field}"])
                for field in ("first", "last", "min", "max")
            ]
            for row in rows.iter_rows(named=True)
        }


def _points(readings: pl.DataFrame, name: str) -> list[Point]:
    return readings.select("timestamp", name).drop_nulls().rows()


def assert_gaps_of(found: Trend, readings: pl.DataFrame) -> None:
    """All of them; of very many at least those that are longer than a bucket."""
    times: Iterable[datetime] = readings["timestamp"].to_list()
    gaps = [(a + SECOND, b) for a, b in pairwise(times) if b - a > GAP_FACTOR * SECOND]
    listed: list[Gap] = found.gaps.rows()
    assert found.gap_count == len(gaps)
    if found.bucket_s is None or len(gaps) <= MOST_GAPS:
        assert listed == gaps
        return
    longest = timedelta(seconds=2 * found.bucket_s)
    assert listed == sorted(listed)
    assert {(a, b) for a, b in gaps if b - a > longest} <= set(listed) <= set(gaps)


def assert_red_of(found: Trend, readings: pl.DataFrame, rig: Rig) -> None:
    """The newest of each channel, and the number of all."""
    assert found.red["timestamp"].is_sorted()
    for channel in rig.scored_channels:
        red = readings.filter(pl.col(channel.alert_column) == "red")
        assert found.red_counts[channel.name] == len(red)
        newest: Sequence[Any] = red.select("timestamp", channel.name, channel.zscore_column).rows()[
            -MOST_RED:
        ]
        mine = found.red.filter(pl.col("channel") == channel.name)
        assert mine.select("timestamp", "value", "zscore").rows() == newest


def test_a_seldom_red_channel_keeps_its_marks_beside_one_that_often_is(stored: Store) -> None:
    found = _trend(stored, 10)
    assert dict(found.red.group_by("channel").len().iter_rows()) == {
        "temperature": MOST_RED,
        "pressure": 2,
    }
