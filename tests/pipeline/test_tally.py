"""What is counted on the way to the database (its key figures: test_kpis.py)."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import polars as pl
import pytest

from pipeline import tally
from pipeline.rig import parse_rig
from pipeline.tally import Steps, Tally

RIG = parse_rig(
    '[channels.x]\n[channels.age]\nkind = "counter"\nunit = "h"\nrequired = false', "test"
)
START = datetime(2025, 7, 13, tzinfo=UTC)


def tallied(*frames: list[tuple[int, float | None]]) -> Tally:
    """A tally of frames of (second, age)."""
    found = Tally(RIG)
    for rows in frames:
        found.add(
            pl.DataFrame(
                {
                    "timestamp": [START + timedelta(seconds=second) for second, _ in rows],
                    "x": [1.0] * len(rows),
                    "age": pl.Series([age for _, age in rows], dtype=pl.Float64),
                    "x_alert": ["normal"] * len(rows),
                }
            )
        )
    return found


def steps(*frames: list[int]) -> Steps:
    """The steps of frames of times in seconds."""
    found = Steps()
    for seconds in frames:
        found.add(pl.Series(seconds, dtype=pl.Int64) * 1_000_000)
    return found


@pytest.mark.parametrize(
    ("frames", "interval_s"),
    [
        pytest.param([[0]], None, id="one reading"),
        pytest.param([[0, 2]], 2.0, id="two"),
        pytest.param([[0, 2, 3, 13]], 2.0, id="odd number of steps"),
        pytest.param([[0, 2, 5]], 2.5, id="even number of steps"),
        pytest.param([[0], [2], [4, 9]], 2.0, id="across frames"),
        pytest.param([[5, 0]], None, id="not in order"),
        pytest.param([[0, 5], [5]], None, id="not in order across frames"),
        pytest.param([[5], [0], [9]], None, id="in order again"),
    ],
)
def test_the_usual_interval(frames: list[list[int]], interval_s: float | None) -> None:
    assert steps(*frames).median_s == interval_s


def test_memory_for_steps_is_bounded() -> None:
    with patch.object(tally, "_MOST_STEPS", 3):
        assert steps([0, 1, 3, 6]).median_s == 2.0
        assert steps([0, 1, 3, 6, 10]).median_s is None


@pytest.mark.parametrize(
    ("frames", "running"),
    [
        pytest.param([[(0, 5), (1, 6), (2, 2), (3, 3)]], 4.0, id="within a frame"),
        pytest.param([[(0, 5), (1, 6)], [(2, 2)], [(3, 3)]], 4.0, id="across frames"),
        pytest.param([[(0, 5), (1, None)], [(2, None)], [(3, 7)]], 2.0, id="over missing values"),
        pytest.param([[(0, None)]], 0.0, id="none at all"),
    ],
)
def test_running_hours_count_on_across_resets(
    frames: list[list[tuple[int, float | None]]], running: float
) -> None:
    moments = {channel.name: tally.Moments() for channel in RIG.channels}
    assert tallied(*frames).kpis(moments, None, None)["running_hours"] == running
