"""The simulated sample as a source."""

from datetime import UTC, datetime

from pipeline.rig import Rig
from pipeline.sources.simulation import simulation_source
from pipeline.transform import transform


def test_all_hundred_readings_are_acceptable(rig: Rig) -> None:
    source = simulation_source(rig)
    assert source.name == "simulation"
    with transform(source, rig) as outcome:
        readings = list(outcome.readings())
    assert sum(map(len, readings)) == 100
    assert not outcome.rejected
    assert readings[0]["timestamp"][0] == datetime(2025, 7, 13, tzinfo=UTC)


def test_it_can_begin_at_another_time(rig: Rig) -> None:
    start = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    (batch,) = simulation_source(rig, start).batches()
    assert batch.rows["timestamp"][0] == "2026-01-02T03:04:00Z"
