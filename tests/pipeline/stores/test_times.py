"""Times that no answer can show, written by other programs: infinite, or not of a `datetime`."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.settings import Settings
from pipeline.stores import Store, open_store
from pipeline.stores.base import Extent, Pruned, Range
from tests.conftest import Command
from tests.pipeline.stores.conftest import CLEAN, Load, Sql

START = datetime(2025, 7, 13, tzinfo=UTC)
SQLITE = ["-9223372036854775808", "-62135596800000001", "253402300800000000", "'infinity'"]
SERVER = ["'-infinity'", "'0001-12-31 BC'", "'10000-01-01'", "'infinity'"]


@pytest.fixture
def beyond(load: Load, sql: Sql, store: Store) -> int:
    """Five readings, and beside them those of another program; how many."""
    load(CLEAN)
    times = SQLITE if store.backend == "sqlite" else SERVER
    if store.backend == "timescaledb":
        times = times[1:]  # a hypertable has no chunk for -infinity
    for time in times:
        sql(
            "INSERT INTO sensor_data (rig, timestamp, temperature, pressure, uptime)"  # noqa: S608
            f" VALUES ('rig-1', {time}, 149, 1000, 1)"
        )
    return len(times)


def test_they_are_left_out_of_every_answer(beyond: int, settings: Settings) -> None:
    last = START + timedelta(minutes=4)
    with closing(open_store(settings)) as store:
        for selection in (
            Range("rig-1"), Range("rig-1", start=START), Range("rig-1", end=last + timedelta(1))
        ):  # fmt: skip
            readings = pl.concat(store.readings(selection))
            assert readings["temperature"].to_list() == [20, 21, 22, 23, 24]
            assert store.extent(selection) == Extent(5, START, last)
            kpis = store.kpis(selection)
            assert kpis is not None
            assert (kpis["total_records"], kpis["gap_count"]) == (5, 0)
            assert (kpis["first_timestamp"], kpis["last_timestamp"]) == (START, last)
            assert store.summary(selection)["temperature"]["maximum"] == 24
            assert store.alerts(selection, ["red"], 10).is_empty()
        (stored,) = store.rigs()
        assert (stored.total_records, stored.first_timestamp, stored.last_timestamp) == (
            5, START, last,
        )  # fmt: skip
        assert store.status().last_timestamp == last
        assert store.status().readings == {"rig-1": 5}


def test_the_check_says_how_many_there_are(beyond: int, settings: Settings, sql: Sql) -> None:
    text = f"{beyond} readings have a time outside the years 1 to 9999, and are in no answer"
    with closing(open_store(settings)) as store:
        found = {finding.text: finding.wrong for finding in store.check()}
        assert found == {text: False, f"{beyond} readings are of no load: foreign": False}
        sql("UPDATE sensor_data SET load_id = 1 WHERE temperature = 149")
        assert {finding.text: finding.wrong for finding in store.check()}[text]


def test_commands_that_read_everything(beyond: int, smart_sensor: Command, home: Path) -> None:
    exported = smart_sensor("export", "out.csv", "--format", "csv")
    assert exported.code == 0, exported.err
    assert len((home / "out.csv").read_text().splitlines()) == 6
    # These promise to bring everything.
    for command in (["backup", "all.zip"], ["migrate", "--to", "sqlite:///other.db"]):
        finished = smart_sensor(*command)
        assert finished.code == 2
        (line,) = finished.err.splitlines()
        assert (
            f"{beyond} readings have a time outside the years 1 to 9999; delete them, or give "
            "them another time"
        ) in line
    assert not (home / "all.zip").exists()


def test_pruning_leaves_them(beyond: int, settings: Settings, sql: Sql) -> None:
    with closing(open_store(settings)) as store:
        before = START + timedelta(hours=6)
        assert store.expired(before, None) == Pruned(5, 0)
        assert store.prune_some(before, None) == Pruned(5, 0)
        assert store.prune_some(before, None) == Pruned()
    assert sql("SELECT count(*) FROM sensor_data") == [(beyond,)]
