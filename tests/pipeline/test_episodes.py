"""Consecutive alerts are one entry, with the reason of the farthest reading."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.episodes import Episode, episodes
from pipeline.rig import parse_rig

RIG = parse_rig(
    """
    [channels.x]
    unit = "degC"
    limits = { low = 10, high = 80 }
    z_score = { red = 2 }
    [channels.y]
    """,
    "test",
)
START = datetime(2025, 7, 13, tzinfo=UTC)
Alert = tuple[int, str, str, float, float | None]


def found(alerts: list[Alert], interval_s: float | None = 10.0) -> list[Episode]:
    # There is no other reading than these.
    places = {second: place for place, second in enumerate(sorted({a[0] for a in alerts}), 1)}
    rows = pl.DataFrame(
        [(START + timedelta(seconds=a[0]), *a[1:], places[a[0]]) for a in alerts],
        schema={
            "timestamp": pl.Datetime("us", "UTC"),
            "channel": pl.String,
            "level": pl.String,
            "value": pl.Float64,
            "zscore": pl.Float64,
            "place": pl.Int64,
        },
        orient="row",
    )
    return episodes(rows, RIG, interval_s)


def spans(alerts: list[Alert], interval_s: float | None = 10.0) -> list[tuple[int, int, int]]:
    """(first second, last second, count) of each entry."""
    return [
        (
            (entry.timestamp - START).seconds,
            (entry.last_timestamp - START).seconds,
            entry.count,
        )
        for entry in found(alerts, interval_s)
    ]


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(s, "x", "red", 90, 1) for s in (0, 10, 20)], [(0, 20, 3)], id="a row"),
        pytest.param([(s, "x", "red", 90, 1) for s in (20, 0, 10)], [(0, 20, 3)], id="any order"),
        pytest.param([(s, "x", "red", 90, 1) for s in (0, 15)], [(0, 15, 2)], id="no gap yet"),
        pytest.param(
            [(s, "x", "red", 90, 1) for s in (0, 10, 30)], [(30, 30, 1), (0, 10, 2)], id="a gap"
        ),
        pytest.param(
            [(0, "x", "red", 90, 1), (10, "x", "yellow", 70, 1.7), (20, "x", "red", 90, 1)],
            [(20, 20, 1), (10, 10, 1), (0, 0, 1)],
            id="a level each",
        ),
        pytest.param(
            [(0, "x", "red", 90, 1), (10, "y", "red", 5, 9), (20, "x", "red", 90, 1)],
            [(20, 20, 1), (10, 10, 1), (0, 0, 1)],
            id="a channel each",
        ),
    ],
)
def test_what_belongs_together(alerts: list[Alert], expected: list[tuple[int, int, int]]) -> None:
    assert spans(alerts) == expected


def test_without_an_interval_neighbours_are_one_entry() -> None:
    assert spans([(s, "x", "red", 90, 1) for s in (0, 5000)], None) == [(0, 5000, 2)]


@pytest.mark.parametrize(
    ("values", "farthest"),
    [
        pytest.param([(85, 2.1), (95, 2.5), (90, 2.3)], 95.0, id="above"),
        pytest.param([(8, -2.1), (2, -2.5), (5, -2.3)], 2.0, id="below"),
        pytest.param([(60, 2.1), (20, -2.5)], 20.0, id="by z within the limits"),
        pytest.param([(81, 2.1), (20, -9.0)], 81.0, id="a limit counts more"),
        pytest.param([(60, None), (81, None)], 81.0, id="without z"),
    ],
)
def test_the_farthest_reading_stands_for_the_entry(
    values: list[tuple[float, float | None]], farthest: float
) -> None:
    (entry,) = found([(10 * n, "x", "red", v, z) for n, (v, z) in enumerate(values)])
    assert entry.value == farthest


def test_an_entry_says_why() -> None:
    (entry,) = found([(0, "x", "red", 84.3, 2.62)])
    assert (entry.channel, entry.label, entry.unit) == ("x", "X", "degC")
    assert entry.reason == "4.3 °C above the high limit of 80 °C; z = 2.62."
