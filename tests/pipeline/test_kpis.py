"""The key figures: the same whoever adds them up, and those of the design."""

import math
import statistics
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline import db_utils
from pipeline.data_utils import compute_kpis, load_sensor_data
from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig, load_rig, parse_rig
from pipeline.settings import default_rig_file, load_settings
from pipeline.simulate import raw_csv, sample
from pipeline.stores import open_store
from pipeline.stores.base import Range
from tests.conftest import DATA

START = datetime(2025, 7, 13, tzinfo=UTC)
HEADER = "timestamp,temperature,pressure,uptime"
RIG = load_rig(default_rig_file())
MINUTES = parse_rig(
    '[channels.speed]\nrequired = false\n[channels.age]\nkind = "counter"\nunit = "min"', "test"
)


@dataclass(frozen=True)
class Figures:
    """The key figures of one file, found in three ways."""

    stored: dict[str, Any]
    computed: dict[str, Any]
    summary: dict[str, Any]


def figures(text: str, folder: Path, rig: Rig = RIG, **overrides: Any) -> Figures:
    path = folder / "readings.csv"
    path.write_text(text)
    settings = load_settings(database_url=f"sqlite:///{folder}/readings.db", **overrides)
    (source,) = run_etl([str(path)], settings=settings, rig=rig).sources
    with closing(open_store(settings)) as store:
        stored = store.kpis(Range(rig.name))
    assert stored is not None
    computed = compute_kpis(load_sensor_data(settings=settings), rig=rig)
    db_utils.dispose_engines()
    return Figures(stored, computed, source.kpis[rig.name])


def flat(kpis: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in kpis.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def assert_same(found: dict[str, Any], expected: dict[str, Any], but: set[str]) -> None:
    """Equal figures, except those whose first name is in `but`."""
    mine, theirs = dict(flat(found)), dict(flat(expected))
    for name, value in theirs.items():
        if name.partition(".")[0] not in but:
            approximate = isinstance(value, float)
            assert mine[name] == (pytest.approx(value, rel=1e-9) if approximate else value), name


REJECTS = {"data_quality_score", "rejected_records", "rejected_by_reason"}


def csv(rows: list[tuple[int, float, float, float]]) -> str:
    times = (START + timedelta(seconds=second) for second, *_ in rows)
    lines = [
        f"{time.isoformat()},{t:g},{p:g},{u:g}"
        for time, (_, t, p, u) in zip(times, rows, strict=True)
    ]
    return "\n".join([HEADER, *lines, ""])


DATA_SETS = {
    "sample": raw_csv(sample()),
    "one reading": csv([(0, 20, 1000, 5)]),
    "two readings": csv([(0, 20, 1000, 5), (60, 30, 1001, 6)]),
    "constant": csv([(n, 20, 1000, 5) for n in range(10)]),
    "gaps": csv([(n, 20 + n % 7, 1000, n) for n in (0, 1, 2, 10, 11, 12, 500, 501)]),
    "a step of 1.5 intervals": csv([(n, 20, 1000, n) for n in (0, 10, 20, 35, 45)]),
    "a step just longer": csv([(n, 20, 1000, n) for n in (0, 10, 20, 36, 46)]),
    "counter resets": csv([(n, 20, 1000, u) for n, u in enumerate([5, 6, 7, 0.5, 1, 0, 0, 9])]),
    "limits": csv([(n, t, p, 1) for n, (t, p) in enumerate([(5, 850), (90, 1150), (20, 1000)])]),
    "not in order": csv([(n, 20 + n, 1000, n) for n in (3, 1, 2, 0, 9)]),
    "rejects": csv([(0, 20, 1000, 1), (1, 999, 1000, 2), (2, 21, 1000, -1), (3, 22, 1000, 4)]),
}


@pytest.mark.parametrize("text", DATA_SETS.values(), ids=DATA_SETS.keys())
def test_the_same_in_sql_in_a_frame_and_in_a_summary(text: str, home: Path) -> None:
    found = figures(text, home)
    assert_same(found.computed, found.stored, REJECTS)
    # What depends on the order of time is not known in a summary where the file is not in order.
    in_order = found.summary["gap_count"] is not None
    assert in_order == (text != DATA_SETS["not in order"])
    of_time = {"gap_count", "gap_hours", "running_hours", "channels"}
    assert_same(found.summary, found.stored, set() if in_order else of_time)


readings = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.integers(0, 1500).map(lambda n: n / 10),
        st.integers(8000, 12000).map(lambda n: n / 10),
        st.integers(0, 50).map(float),
    ),
    min_size=1,
    max_size=20,
)


@given(readings)
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_those_of_the_design(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, float, float, float]]
) -> None:
    second, rows = 0, []
    for step, *values in steps:
        second += step
        rows.append((second, *values))
    found = figures(csv(rows), tmp_path_factory.mktemp("kpis"))
    expected = by_hand(rows)
    assert_same(found.stored, expected, set())
    assert_same(found.computed, expected, set())
    assert_same(found.summary, expected, set())


def by_hand(rows: list[tuple[int, float, float, float]]) -> dict[str, Any]:
    """The figures as the design words them."""
    seconds, temperatures, pressures, uptimes = zip(*rows, strict=True)
    steps = [after - before for before, after in pairwise(seconds)]
    usual = statistics.median(steps) if steps else math.inf
    gaps = [step - usual for step in steps if step > 1.5 * usual]
    gained = [after - before if after >= before else after for before, after in pairwise(uptimes)]
    return {
        "avg_temp": statistics.mean(temperatures),
        "avg_pressure": statistics.mean(pressures),
        "uptime_hours": max(uptimes),
        "running_hours": sum(gained),
        "total_records": len(rows),
        "temperature_range": {"min": min(temperatures), "max": max(temperatures)},
        "pressure_range": {"min": min(pressures), "max": max(pressures)},
        "gap_count": len(gaps),
        "gap_hours": sum(gaps) / 3600,
        "first_timestamp": START + timedelta(seconds=seconds[0]),
        "last_timestamp": START + timedelta(seconds=seconds[-1]),
    }


def test_alerts_are_counted_per_channel(home: Path) -> None:
    found = figures(DATA_SETS["limits"], home).stored
    assert (found["alert_count"], found["warning_count"]) == (4, 0)
    assert found["channels"]["temperature"]["alert_count"] == 2
    assert found["channels"]["uptime"]["alert_count"] == 0


def test_the_share_of_accepted_rows(home: Path) -> None:
    found = figures(DATA_SETS["rejects"], home)
    assert found.stored["data_quality_score"] == found.summary["data_quality_score"] == 50.0
    assert found.stored["rejected_records"] == 2
    assert found.stored["rejected_by_reason"] == {"out_of_range": 2}
    assert found.computed["data_quality_score"] is None
    assert found.computed["rejected_by_reason"] is None


def test_rejected_outliers_are_in_no_figure(home: Path) -> None:
    rows = [(n, 20 + n % 2, 1000, n) for n in range(20)] + [(20, 79, 1000, 20)]
    found = figures(csv(rows), home, outliers="reject")
    assert found.stored["temperature_range"] == {"min": 20, "max": 21}
    assert found.stored["rejected_by_reason"] == {"outlier": 1}
    assert_same(found.computed, found.stored, REJECTS)
    assert_same(found.summary, found.stored, set())


def test_a_counter_in_minutes_gives_hours(home: Path) -> None:
    found = figures("timestamp,age\n0,30\n60,90\n120,15\n", home, MINUTES)
    assert found.stored["uptime_hours"] == found.computed["uptime_hours"] == 1.5
    assert found.stored["running_hours"] == found.computed["running_hours"] == 1.25
    assert_same(found.summary, found.stored, set())


@pytest.mark.parametrize("unit", ["", "cycles", "m", "degC"])
def test_a_counter_of_anything_but_time_is_no_uptime(unit: str, home: Path) -> None:
    rig = parse_rig(f'[channels.count]\nkind = "counter"\nunit = "{unit}"', "test")
    found = figures("timestamp,count\n0,30\n60,90\n120,15\n", home, rig)
    for kpis in (found.stored, found.computed, found.summary):
        assert kpis["uptime_hours"] is None
        assert kpis["running_hours"] is None
        assert kpis["channels"]["count"]["max"] == 90


def test_a_rig_without_the_usual_channels_has_none_of_their_figures(home: Path) -> None:
    found = figures("timestamp,age,speed\n0,30,\n60,90,\n", home, MINUTES)
    for kpis in (found.stored, found.computed, found.summary):
        assert kpis["avg_temp"] is None
        assert kpis["temperature_range"] == {"min": None, "max": None}
        assert kpis["channels"]["speed"]["mean"] is None
        assert kpis["channels"]["speed"]["last"] is None


def test_the_interval_of_the_rig_file_wins_over_the_median(home: Path) -> None:
    rig = RIG.model_copy(update={"interval_s": 5.0})
    text = csv([(n, 20, 1000, n) for n in (0, 1, 2, 9)])
    found = figures(text, home, rig)
    for kpis in (found.stored, found.computed, found.summary):
        assert (kpis["gap_count"], kpis["gap_hours"]) == (0, 0.0)
    assert figures(text, home, RIG.renamed("other")).stored["gap_count"] == 1


def test_the_recording(home: Path, static_fire: Rig) -> None:
    text = (DATA / "KNSB_250220_pressure_raw.csv").read_text(encoding="utf-8")
    found = figures(text, home, static_fire)
    assert found.stored["total_records"] == 2062
    assert found.stored["pressure_range"] == {"min": 1.265, "max": 46.16}
    assert_same(found.computed, found.stored, REJECTS)
    assert_same(found.summary, found.stored, set())


def test_a_frame_of_times_only_has_a_count(home: Path) -> None:
    found = compute_kpis(pl.DataFrame({"timestamp": [START]}), rig=RIG)
    assert found["total_records"] == 1
    assert found["avg_temp"] is None
    assert found["channels"] == {}
