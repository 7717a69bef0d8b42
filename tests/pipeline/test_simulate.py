"""The simulated rig: reproducible, and with everything in it that a first look should show."""

import itertools
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline import simulate

ROOT = Path(__file__).parents[2]


def levels(values: list[float], red: float, low: float, high: float) -> list[str]:
    """Levels by the rules of the design, in plain Python."""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    scores = [abs(value - mean) / deviation for value in values]
    return [
        "red" if z > red or not low <= value <= high else "yellow" if z > 1.5 else "normal"
        for value, z in zip(values, scores, strict=True)
    ]


def test_committed_sample_is_what_the_simulator_makes() -> None:
    committed = (ROOT / "data" / "simulated_raw.csv").read_bytes()
    assert simulate.raw_csv(simulate.sample()).encode() == committed


def test_sample_has_a_hundred_readings_and_one_stop_of_two_hours() -> None:
    readings = simulate.sample()
    times = [reading.timestamp for reading in readings]
    assert len(times) == 100
    assert times[0] == datetime(2025, 7, 13, tzinfo=UTC)
    assert times[-1] - times[0] == simulate.SAMPLE_SPAN == timedelta(hours=11, minutes=54)
    steps = [after - before for before, after in itertools.pairwise(times)]
    six_minutes = timedelta(minutes=6)
    assert [s for s in steps if s != six_minutes] == [timedelta(hours=2) + six_minutes]


def test_uptime_counts_and_begins_again_after_the_stop() -> None:
    uptimes = [reading.uptime for reading in simulate.sample()]
    assert uptimes == [round(i / 10, 1) for i in range(50)] * 2


@pytest.mark.parametrize(
    ("channel", "red", "low", "high"),
    [("temperature", 2.0, 10, 80), ("pressure", 2.5, 900, 1100)],
)
def test_sample_shows_every_level_and_few_reds(
    channel: str, red: float, low: float, high: float
) -> None:
    values = [getattr(reading, channel) for reading in simulate.sample()]
    found = levels(values, red, low, high)
    assert set(found) == {"normal", "yellow", "red"}
    assert found.count("red") <= 4


def test_sample_moves_in_time_and_depends_on_its_seed() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moved, other = simulate.sample(start), simulate.sample(seed=1)
    usual = simulate.sample()
    assert moved[0].timestamp == start
    assert [r.temperature for r in moved] == [r.temperature for r in usual]
    assert [r.temperature for r in other] != [r.temperature for r in usual]


def ticks(start: datetime, count: int) -> list[datetime]:
    return [start + i * timedelta(seconds=2) for i in range(1, count + 1)]


def test_stream_goes_on_from_the_last_reading() -> None:
    last = simulate.sample()[-1]
    readings = list(simulate.stream(7, last, iter(ticks(last.timestamp, 1800))))
    assert len(readings) == 1800
    assert readings[-1].uptime == pytest.approx(last.uptime + 1, abs=0.001)
    assert abs(readings[0].pressure - last.pressure) < 100
    steps = [
        abs(after.temperature - before.temperature)
        for before, after in itertools.pairwise(readings)
    ]
    assert statistics.median(steps) < 1
    assert readings == list(simulate.stream(7, last, iter(ticks(last.timestamp, 1800))))
    assert all(0 <= r.temperature <= 150 and 800 <= r.pressure <= 1200 for r in readings)


def test_stream_survives_a_clock_that_jumps() -> None:
    last = simulate.sample()[-1]
    back, far = last.timestamp - timedelta(hours=1), last.timestamp + timedelta(days=1)
    set_back, after_silence = simulate.stream(7, last, iter([back, far]))
    assert set_back.uptime == last.uptime
    assert after_silence.uptime == 0.0


def test_big_files_are_reproducible_and_whole(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        simulate.write_csv(tmp_path / name, 5_000, interval=timedelta(milliseconds=100))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    frame = pl.read_csv(tmp_path / "a.csv", try_parse_dates=True)
    assert len(frame) == 5_000
    assert frame["timestamp"].diff().drop_nulls().unique().to_list() == [
        timedelta(milliseconds=100)
    ]
    assert frame["temperature"].is_between(0, 150).all()
    assert frame["pressure"].is_between(800, 1200).all()


def test_faulty_rows_have_the_share_asked_for(tmp_path: Path) -> None:
    simulate.write_csv(tmp_path / "faulty.csv", 20_000, fault_rate=0.1)
    frame = pl.read_csv(tmp_path / "faulty.csv", infer_schema=False)
    temperature = frame["temperature"]
    missing = temperature.is_null().sum()
    unparsable = (temperature == "n.a.").sum()
    outside = (temperature == "999").sum()
    repeated = len(frame) - frame["timestamp"].n_unique()
    for count in (missing, unparsable, outside, repeated):
        assert 300 < count < 700
