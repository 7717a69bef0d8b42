"""The hypertable: arrives compressed, in the right order, in chunks that fit the data's rate."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.db_utils import create_timescale_hypertable, dispose_engines, is_timescale
from pipeline.settings import load_settings
from pipeline.simulate import write_csv
from pipeline.stores import open_store, timescale
from pipeline.stores.base import Range
from tests.pipeline.stores.conftest import CLEAN, Load, Sql

pytestmark = pytest.mark.parametrize("database_url", ["timescale"], indirect=True)

START = datetime(2025, 7, 13, tzinfo=UTC)
CHUNKS = "SELECT is_compressed FROM timescaledb_information.chunks ORDER BY range_start"
HEADER = "timestamp,rig,temperature,pressure,uptime\n"


def row(seconds: float, rig: str = "rig-1") -> str:
    return f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ},{rig},20,1000,1\n"


def in_order(rig: str) -> list[datetime]:
    """Times of a rig's readings as the server gives them, which has to be their order."""
    with closing(open_store(load_settings())) as store:
        frames = list(store.readings(Range(rig)))
    times = pl.concat(frames)["timestamp"]
    assert times.is_sorted()
    assert times.n_unique() == len(times)
    return times.to_list()


def newest_first(sql: Sql, rig: str) -> list[int]:
    query = "SELECT timestamp FROM sensor_data WHERE rig = ? ORDER BY timestamp DESC"
    return [time for (time,) in sql(query, rig)]


def test_it_is_segmented_by_rig_and_ordered_by_time_newest_first(load: Load, sql: Sql) -> None:
    load(CLEAN)
    assert sql(
        "SELECT segmentby, orderby FROM timescaledb_information.hypertable_compression_settings"
    ) == [("rig", '"timestamp" DESC')]
    assert is_timescale(load_settings())
    assert create_timescale_hypertable(load_settings())
    policies = "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name LIKE '%policy%'"
    assert sql(f"{policies} AND hypertable_name = 'sensor_data'") == [(1,)]


def test_the_first_load_arrives_compressed_and_in_order(load: Load, sql: Sql, home: Path) -> None:
    write_csv(home / "long.csv", 5_000, start=START, interval=timedelta(seconds=1))
    load((home / "long.csv").read_text())
    assert sql(CHUNKS) == [(True,)]
    # Compressed, and known to be in order: nothing is left to be compressed again.
    assert sql("SELECT status FROM _timescaledb_catalog.chunk WHERE compressed_chunk_id > 0") == [
        (1,)
    ]
    assert len(in_order("rig-1")) == 5_000
    assert newest_first(sql, "rig-1") == sorted(newest_first(sql, "rig-1"), reverse=True)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(n, f"r{n % 3}") for n in range(3_000)], id="three rigs in turn"),
        pytest.param([(n, "r0") for n in reversed(range(3_000))], id="backwards"),
        pytest.param([(n * 1_237 % 3_001, "r0") for n in range(3_000)], id="shuffled"),
        pytest.param(
            [(n, "r0") for n in [*range(2_000, 3_000), *range(2_000)]], id="a part too early"
        ),
    ],
)
def test_whatever_the_order_of_the_source_answers_are_in_order(
    rows: list[tuple[int, str]], load: Load, sql: Sql
) -> None:
    load(HEADER + "".join(row(*each) for each in rows))
    assert all(compressed for (compressed,) in sql(CHUNKS))
    for rig in {rig for _, rig in rows}:
        assert len(in_order(rig)) == sum(name == rig for _, name in rows)
        assert newest_first(sql, rig) == sorted(newest_first(sql, rig), reverse=True)


@pytest.mark.parametrize(
    ("step_s", "interval"),
    [(0.01, timedelta(days=1)), (1, timedelta(days=30)), (86_400, timedelta(days=365))],
)
def test_chunks_are_as_long_as_ten_million_readings(
    step_s: float, interval: timedelta, load: Load, sql: Sql, home: Path
) -> None:
    write_csv(home / "x.csv", 500, start=START, interval=timedelta(seconds=step_s))
    load((home / "x.csv").read_text())
    assert sql(
        "SELECT extract(epoch FROM time_interval)::integer FROM timescaledb_information.dimensions"
    ) == [(interval.total_seconds(),)]


def test_a_later_load_is_compressed_when_it_is_in(
    load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timescale, "_WORTH_COMPRESSING", 100)
    monkeypatch.setattr(timescale, "_ROWS_A_CHUNK", 100)
    load(HEADER + "".join(row(n * 60) for n in range(300)))
    load(HEADER + "".join(row(100_000 + n * 60) for n in range(300)), "y.csv")
    found = [compressed for (compressed,) in sql(CHUNKS)]
    assert len(found) > 6
    # All but the last, which is not complete.
    assert found[:-1] == [True] * (len(found) - 1)
    assert len(in_order("rig-1")) == 600


def test_a_table_that_was_plain_becomes_one_with_its_rows(load: Load, sql: Sql) -> None:
    load(CLEAN, settings={"timescale": "off"})
    dispose_engines()
    assert sql("SELECT count(*) FROM timescaledb_information.hypertables") == [(0,)]
    load("2025-07-13T01:00:00Z,20,1000,1\n", "y.csv")
    assert sql("SELECT hypertable_name FROM timescaledb_information.hypertables") == [
        ("sensor_data",)
    ]
    assert len(in_order("rig-1")) == 6


def test_compressed_readings_are_replaced_like_all_others(load: Load, sql: Sql) -> None:
    load(HEADER + "".join(row(n) for n in range(3_000)))
    again = [row(n).replace(",20,", ",30,") for n in range(1_000, 1_500)]
    load(HEADER + "".join(again), "y.csv")
    assert sql("SELECT temperature, count(*) FROM sensor_data GROUP BY 1 ORDER BY 1") == [
        (20.0, 2_500),
        (30.0, 500),
    ]
    assert sql("SELECT readings_replaced FROM sensor_data_loads ORDER BY id") == [(500,), (0,)]
    assert len(in_order("rig-1")) == 3_000
