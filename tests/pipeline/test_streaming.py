"""Readings that arrive one by one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.errors import RigError
from pipeline.etl_pipeline import load_source
from pipeline.rig import Rig, parse_rig
from pipeline.settings import Settings
from pipeline.sources.simulation import simulation_source
from pipeline.stores import Store
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter

START = datetime(2025, 7, 14, tzinfo=UTC)
Rows = Callable[..., pl.DataFrame]


def rows(*temperatures: object, start: datetime = START) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [start + timedelta(seconds=n) for n in range(len(temperatures))],
            "temperature": [str(value) for value in temperatures],
            "pressure": ["1000"] * len(temperatures),
            "uptime": ["1"] * len(temperatures),
        }
    )


def test_each_write_is_a_change_and_all_of_them_one_row_of_the_ledger(
    store: Store, rig: Rig
) -> None:
    writer = LiveWriter(store, rig, "simulation")
    writer.write(rows(20, 21))
    writer.write(rows(22, start=START + timedelta(minutes=1)))
    assert [change.rows for change in store.changes_after(0, 10)] == [2, 1]
    (load,) = store.loads(10)
    assert (load["source"], load["status"], load["sha256"]) == ("simulation", "live", None)
    assert (load["rows_read"], load["accepted"], load["rejected"]) == (3, 3, 0)
    assert load["first_timestamp"] == START
    assert load["last_timestamp"] == START + timedelta(minutes=1)


def test_rejects_are_kept_and_counted(store: Store, rig: Rig) -> None:
    writer = LiveWriter(store, rig, "simulation")
    writer.write(rows(20, "x", 999))
    writer.write(rows("NaN", "y"))
    (load,) = store.loads(10)
    assert (load["rows_read"], load["accepted"], load["rejected"]) == (5, 1, 4)
    assert load["rejected_by_reason"] == {"unparsable": 2, "out_of_range": 1, "not_finite": 1}
    kpis = store.kpis(Range("rig-1"))
    assert kpis is not None
    assert kpis["rejected_records"] == 4


def test_scores_are_those_of_the_newest_load(store: Store, rig: Rig, settings: Settings) -> None:
    load_source(simulation_source(rig), rig, settings, store)
    known = store.baseline("rig-1")
    assert known is not None
    LiveWriter(store, rig, "live").write(rows(70))
    (frame,) = store.readings(Range("rig-1", START))
    expected = (70 - known["temperature"].mean) / known["temperature"].standard_deviation
    assert frame["temperature_zscore"].to_list() == [pytest.approx(expected)]


def test_without_a_load_only_limits_make_a_reading_red(store: Store, rig: Rig) -> None:
    LiveWriter(store, rig, "live").write(rows(20, 149))
    (frame,) = store.readings(Range("rig-1"))
    assert frame["temperature_zscore"].to_list() == [0.0, 0.0]
    assert frame["temperature_alert"].to_list() == ["normal", "red"]


def test_a_later_reading_of_the_same_time_takes_the_place_of_the_first(
    store: Store, rig: Rig
) -> None:
    writer = LiveWriter(store, rig, "live")
    writer.write(rows(20))
    writer.write(rows(30))
    (frame,) = store.readings(Range("rig-1"))
    assert frame["temperature"].to_list() == [30.0]


def test_of_two_readings_of_one_time_sent_together_the_first_stays(store: Store, rig: Rig) -> None:
    twice = pl.concat([rows(20), rows(30), rows(40)])
    LiveWriter(store, rig, "live").write(twice)
    (load,) = store.loads(1)
    assert (load["accepted"], load["rejected_by_reason"]) == (1, {"duplicate_timestamp": 2})
    (frame,) = store.readings(Range("rig-1"))
    assert frame["temperature"].to_list() == [20.0]


def test_a_rig_column_wins_over_the_rigs_name(store: Store, rig: Rig) -> None:
    sent = rows(20, 30).with_columns(rig=pl.Series(["a", "b"]))
    LiveWriter(store, rig, "live").write(sent)
    assert {change.rig: change.rows for change in store.changes_after(0, 9)} == {"a": 1, "b": 1}
    for name in ("a", "b"):
        assert sum(len(frame) for frame in store.readings(Range(name))) == 1


def test_another_unit_is_refused_from_the_start(store: Store, rig: Rig) -> None:
    LiveWriter(store, rig, "live")
    other = parse_rig('name = "rig-1"\n[channels.temperature]\nunit = "K"', "test")
    with pytest.raises(RigError, match="is stored as gauge in 'degC'"):
        LiveWriter(store, other, "live")
