"""The simulated rig: the committed sample byte by byte, and what the readings must look like.

Levels are computed here in plain Python, from the numbers of the design.
"""

import itertools
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeline import simulate
from pipeline.rig import Rig
from pipeline.simulate import Reading
from pipeline.sources.csv import CsvSource
from pipeline.transform import transform
from tests.conftest import ROOT

pytestmark = pytest.mark.timezone

# Channel -> valid range, limits, red z-score; yellow is 1.5 for both.
RULES = {"temperature": ((0, 150), (10, 80), 2.0), "pressure": ((800, 1200), (900, 1100), 2.5)}
SPREAD = {
    name: (statistics.mean(values), statistics.stdev(values))
    for name in RULES
    for values in [[getattr(reading, name) for reading in simulate.sample()]]
}


def level(name: str, value: float) -> str:
    """Of one value as scored against the sample."""
    _, (low, high), red = RULES[name]
    mean, deviation = SPREAD[name]
    z = abs(value - mean) / deviation
    if z > red or value < low or value > high:
        return "red"
    return "yellow" if z > 1.5 else "normal"


def levels(readings: list[Reading], name: str) -> list[str]:
    return [level(name, getattr(reading, name)) for reading in readings]


def test_committed_raw_file_is_the_sample() -> None:
    made = simulate.raw_csv(simulate.sample()).encode()
    assert made == (ROOT / "data" / "simulated_raw.csv").read_bytes()


def test_sample_has_100_readings_on_a_grid_of_six_minutes_with_a_stop_of_two_hours() -> None:
    start = datetime(2025, 7, 13, tzinfo=UTC)
    times = [reading.timestamp for reading in simulate.sample()]
    slots = [*range(50), *range(70, 120)]
    assert times == [start + slot * timedelta(minutes=6) for slot in slots]


def test_counter_begins_again_after_the_stop() -> None:
    uptimes = [reading.uptime for reading in simulate.sample()]
    assert uptimes == [tenth / 10 for tenth in range(50)] * 2


@pytest.mark.parametrize("name", RULES)
def test_sample_shows_every_level_in_each_channel(name: str) -> None:
    assert set(levels(simulate.sample(), name)) == {"normal", "yellow", "red"}


def test_reds_of_the_sample_are_few_and_where_the_story_has_them() -> None:
    sample = simulate.sample()
    found = [
        (name, f"{reading.timestamp:%H:%M}", getattr(reading, name))
        for name in RULES
        for reading, found in zip(sample, levels(sample, name), strict=True)
        if found == "red"
    ]
    assert found == [
        ("temperature", "02:48", 84.3),
        ("temperature", "02:54", 81.2),
        ("temperature", "09:36", 28.6),
        ("pressure", "03:48", 1108.0),
        ("pressure", "10:24", 934.0),
    ]


def test_sample_drifts_slowly() -> None:
    """Neighbours are alike, hours differ: the noise is small against the drift."""
    readings = [reading.temperature for reading in simulate.sample()]
    hours = [statistics.median(readings[at : at + 10]) for at in range(0, 100, 10)]
    steps = [abs(b - a) for a, b in itertools.pairwise(readings)]
    assert max(hours) - min(hours) > 3 * statistics.median(steps)
    after_the_stop = hours[5:]
    assert after_the_stop[0] < after_the_stop[2] < after_the_stop[4]


def test_rounding_leaves_no_room_for_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A last digit that differs in sin, exp or gauss must not reach the file."""
    unrounded: list[float] = []

    def noting(value: float, digits: int) -> float:
        unrounded.append(value)
        return round(value, digits)

    monkeypatch.setattr(simulate, "round", noting, raising=False)
    simulate.sample()
    assert len(unrounded) == 300
    assert all(abs((10 * value) % 1 - 0.5) > 1e-9 for value in unrounded)


def test_sample_depends_on_the_seed_alone() -> None:
    assert simulate.sample(seed=7) == simulate.sample(seed=7)
    assert simulate.sample(seed=7) != simulate.sample(seed=8)


def test_sample_moves_with_its_start() -> None:
    by = timedelta(days=400, seconds=3)
    moved = simulate.sample(simulate.SAMPLE_START + by)
    assert moved == [replace(r, timestamp=r.timestamp + by) for r in simulate.sample()]
    assert moved[-1].timestamp == moved[0].timestamp + simulate.SAMPLE_SPAN


def test_raw_csv_is_plain_text_for_the_etl() -> None:
    reading = Reading(datetime(2025, 7, 13, 9, 36, tzinfo=UTC), 28.6, 1008.0, 2.6)
    expected = "timestamp,temperature,pressure,uptime\n2025-07-13T09:36:00Z,28.6,1008.0,2.6\n"
    assert simulate.raw_csv([reading]) == expected


def every(seconds: float, start: datetime, count: int) -> Iterator[datetime]:
    """Times after `start`."""
    return (start + number * timedelta(seconds=seconds) for number in range(1, count + 1))


def streamed(seed: int, count: int = 6_000) -> list[Reading]:
    last = simulate.sample()[-1]
    return list(simulate.stream(seed, last, every(2, last.timestamp, count)))


@pytest.fixture(scope="module", params=[1, 42, 739_000])
def live(request: pytest.FixtureRequest) -> list[Reading]:
    """Some three hours, a reading every two seconds."""
    return streamed(request.param)


def test_stream_goes_on_from_the_last_reading(live: list[Reading]) -> None:
    last = simulate.sample()[-1]
    assert live[0].timestamp == last.timestamp + timedelta(seconds=2)
    assert live[0].temperature == pytest.approx(last.temperature, abs=1)
    assert live[0].pressure == pytest.approx(last.pressure, abs=4)
    assert live[-1].uptime == pytest.approx(last.uptime + 12_000 / 3600, abs=1e-4)


@pytest.mark.parametrize(("name", "longest"), [("temperature", 8), ("pressure", 26)])
def test_two_seconds_are_a_small_step(live: list[Reading], name: str, longest: float) -> None:
    steps = [abs(getattr(b, name) - getattr(a, name)) for a, b in itertools.pairwise(live)]
    assert max(steps) < longest
    assert statistics.median(steps) < longest / 20
    assert statistics.median(steps) > 0


@pytest.mark.parametrize("name", RULES)
def test_stream_is_mostly_normal_with_some_yellow_and_red(live: list[Reading], name: str) -> None:
    counts = Counter(levels(live, name))
    assert counts["normal"] > 0.9 * len(live)
    assert counts["yellow"] > 0
    assert counts["red"] > 0


@pytest.mark.parametrize("name", RULES)
def test_stream_stays_near_its_usual_value_and_in_the_valid_range(
    live: list[Reading], name: str
) -> None:
    (low, high), _, _ = RULES[name]
    values = [getattr(reading, name) for reading in live]
    mean, deviation = SPREAD[name]
    assert low <= min(values)
    assert max(values) <= high
    assert statistics.mean(values) == pytest.approx(mean, abs=deviation / 2)


def test_stream_returns_from_the_edge_of_the_valid_range() -> None:
    last = Reading(simulate.SAMPLE_START, 150.0, 800.0, 1.0)
    found = list(simulate.stream(1, last, every(2, last.timestamp, 400)))
    assert all(0 <= reading.temperature <= 150 for reading in found)
    assert all(800 <= reading.pressure <= 1200 for reading in found)
    assert level("temperature", statistics.median(r.temperature for r in found[-50:])) == "normal"
    assert level("pressure", statistics.median(r.pressure for r in found[-50:])) == "normal"


def test_stream_depends_on_its_seed_alone() -> None:
    assert streamed(7, 500) == streamed(7, 500)
    assert streamed(7, 500) != streamed(8, 500)


def test_stream_is_endless_and_lazy() -> None:
    last = simulate.sample()[-1]
    clock = (last.timestamp + timedelta(seconds=2 * number) for number in itertools.count(1))
    first_two = list(itertools.islice(simulate.stream(1, last, clock), 2))
    assert len(first_two) == 2
    assert next(clock) == last.timestamp + timedelta(seconds=6)


@pytest.mark.parametrize(
    ("passed", "uptime"),
    [
        pytest.param(timedelta(minutes=30), 3.0, id="counts what passes"),
        pytest.param(timedelta(hours=-5), 2.5, id="never backwards"),
        pytest.param(timedelta(hours=6), 0.0, id="begins again after a long silence"),
    ],
)
def test_uptime_of_the_stream(passed: timedelta, uptime: float) -> None:
    last = Reading(datetime(2025, 7, 13, tzinfo=UTC), 58.0, 1012.0, 2.5)
    (found,) = simulate.stream(1, last, iter([last.timestamp + passed]))
    assert found.uptime == uptime


@pytest.mark.parametrize("faults", [0.0, 0.2])
def test_file_has_every_row_and_as_many_faults_as_asked_for(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch, faults: float
) -> None:
    """Also where it is written in several blocks."""
    monkeypatch.setattr(simulate, "_ROWS_AT_ONCE", 700)
    path = tmp_path / "many.csv"
    simulate.write_csv(path, 5_000, fault_rate=faults)
    with transform(CsvSource(str(path), rig, path=path), rig) as found:
        assert found.rows_read == 5_000
        accepted = sum(len(readings) for readings in found.readings())
        assert accepted + found.rejected.total() == 5_000
        assert found.rejected.total() == pytest.approx(5_000 * faults, rel=0.1)
        kinds = {"missing_value", "unparsable", "out_of_range", "duplicate_timestamp"}
        assert set(found.rejected) == (kinds if faults else set())
        assert min(found.rejected.values(), default=5_000) > 150


def test_faults_change_nothing_but_the_faulty_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readings that remain are the same, so that loads can be compared."""
    monkeypatch.setattr(simulate, "_ROWS_AT_ONCE", 700)
    for name, rate in (("sound", 0.0), ("faulty", 0.1)):
        simulate.write_csv(tmp_path / name, 3_000, fault_rate=rate)
    sound = (tmp_path / "sound").read_text().splitlines()
    faulty = (tmp_path / "faulty").read_text().splitlines()
    same = sum(a == b for a, b in zip(sound, faulty, strict=True))
    assert same == pytest.approx(0.9 * 3_000, rel=0.03)


def test_file_depends_on_its_seed_alone(tmp_path: Path) -> None:
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        path = tmp_path / str(number)
        simulate.write_csv(path, 1_000, seed=seed, fault_rate=0.05)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    assert b"\r" not in texts[0]


def test_times_of_a_file_are_exact(tmp_path: Path) -> None:
    """Whatever zone the start is given in, down to the microsecond."""
    start = datetime(2025, 7, 13, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    path = tmp_path / "fast.csv"
    simulate.write_csv(path, 3, start=start, interval=timedelta(milliseconds=100))
    times = [line.split(",")[0] for line in path.read_text().splitlines()]
    assert times == [
        "timestamp",
        "2025-07-13T00:00:00.000001Z",
        "2025-07-13T00:00:00.100001Z",
        "2025-07-13T00:00:00.200001Z",
    ]
