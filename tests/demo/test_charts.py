"""What a chart shows: every reading, or the ones that matter, and axes that hold them."""

import itertools
from datetime import timedelta

import pytest

from demo.charts import make_chart, time_ticks, value_axis
from demo.readings import CHANNELS, COLUMNS, Record, Row, parse_time, read_rows
from tests.demo.process import SAMPLE


def test_every_reading_is_in_the_chart() -> None:
    rows = read_rows(SAMPLE)
    chart = make_chart(CHANNELS[1], Record(rows))
    assert [len(segment) for segment in chart.segments] == [50, 50]
    points = [point for segment in chart.segments for point in segment]
    assert [point[1] for point in points] == [row["pressure"] for row in rows]
    assert [point[3] for point in points] == [row["pressure_alert"] for row in rows]
    assert [start for start, *_ in chart.gaps] == [
        parse_time("2025-07-13T05:00Z").timestamp() * 1e3
    ]


def long_record(spike_at: int, value: float) -> Record:
    start = parse_time("2025-07-13T00:00:00Z")
    step = parse_time("2025-07-13T00:00:02Z") - start
    normal = dict.fromkeys(COLUMNS, 0.0) | {f"{c.name}_alert": "normal" for c in CHANNELS}
    rows: list[Row] = [
        {**normal, "timestamp": start + number * step, "temperature": 50.0 + number % 7}
        for number in range(10_000)
    ]
    rows[spike_at] |= {"temperature": value, "temperature_alert": "red"}
    return Record(rows)


@pytest.mark.parametrize("value", [99.0, 1.0])
@pytest.mark.parametrize("spike_at", [0, 4_321, 9_999])
def test_a_spike_survives_where_readings_are_too_many(spike_at: int, value: float) -> None:
    chart = make_chart(CHANNELS[0], long_record(spike_at, value))
    points = [point for segment in chart.segments for point in segment]
    assert len(points) <= 2_000
    assert [point[1] for point in points if point[3] == "red"] == [value]
    assert [point[0] for point in points] == sorted({point[0] for point in points})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([28.6, 84.3], (0, 100, 20), id="sample: both limits are near"),
        pytest.param([50, 60], (47.5, 62.5, 2.5), id="limits are far"),
        pytest.param([50, 50], (49, 51, 0.5), id="all the same"),
        pytest.param([1e-9, 2e-9], (7.5e-10, 2.25e-9, 2.5e-10), id="tiny"),
    ],
)
def test_value_axis_is_round_and_holds_all(
    values: list[float], expected: tuple[float, float, float]
) -> None:
    low, high, ticks = value_axis(CHANNELS[0], values)
    places = [value for value, _ in ticks]
    assert low < min(values)
    assert max(values) < high
    assert (low, high) == (places[0], places[-1])
    assert 3 <= len(ticks) <= 9
    assert (low, high, places[1] - places[0]) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        pytest.param(timedelta(milliseconds=40), ["23:30", "23:30:00.01"], id="40 ms"),
        pytest.param(timedelta(minutes=2), ["23:30", "23:30:15"], id="2 min"),
        pytest.param(timedelta(hours=3), ["23:30", "23:45", "14 Jul", "00:15"], id="over midnight"),
        pytest.param(timedelta(days=9), ["14 Jul", "15 Jul"], id="days"),
        pytest.param(timedelta(days=400), ["29 Jul", "1 Sep"], id="a year"),
    ],
)
def test_time_ticks_are_round_and_at_most_thirteen(length: timedelta, labels: list[str]) -> None:
    first = parse_time("2025-07-13T23:30Z")
    ticks = time_ticks(first, first + length)
    assert [label for _, label in ticks][: len(labels)] == labels
    assert 2 <= len(ticks) <= 13
    ends = first.timestamp() * 1e3, (first + length).timestamp() * 1e3
    assert all(ends[0] - 1e-3 <= time <= ends[1] + 1e-3 for time, _ in ticks)
    steps = {round(b - a, 3) for (a, _), (b, _) in itertools.pairwise(ticks)}
    assert len(steps) == 1
