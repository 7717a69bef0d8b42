"""Questions about a range look up its key: no backend reads the whole table for them."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import event

from pipeline.rig import Rig
from pipeline.settings import load_settings
from pipeline.simulate import write_csv
from pipeline.stores import Store, open_store
from pipeline.stores.base import Range
from pipeline.stores.postgres import PostgresStore
from pipeline.stores.questions import Questions
from pipeline.stores.reject_queries import WantedRejects
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import Load, Sql

START = datetime(2025, 7, 13, tzinfo=UTC)
HOUR = Range("rig-1", START + timedelta(hours=2), START + timedelta(hours=3))
ROWS = 20_000


@pytest.fixture
def long(load: Load, home: Path, sql: Sql, database_url: str) -> Iterator[Questions]:
    """A store with so many readings that reading all of them is not the quickest way."""
    write_csv(home / "long.csv", ROWS, start=START, interval=timedelta(seconds=1))
    load((home / "long.csv").read_text())
    if not database_url.startswith("sqlite"):
        sql("ANALYZE sensor_data")
    with closing(open_store(load_settings())) as store:
        assert isinstance(store, Questions)
        yield store


def plans(
    store: Questions,
    ask: Callable[[Any], object],
    tables: str = r"(FROM|JOIN) sensor_data(_rollups)?\s",
    word: str = "EXPLAIN",
) -> list[str]:
    """What the database would do for each statement of a question about the readings."""
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        _, _, statement, parameters, _, _ = arguments
        if re.search(tables, statement):
            asked.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    try:
        ask(store)
    finally:
        event.remove(store._engine, "before_cursor_execute", note)
    assert asked
    return [explained(store, *each, word) for each in asked]


def explained(store: Questions, statement: str, parameters: Any, word: str = "EXPLAIN") -> str:
    if store._engine.dialect.name == "sqlite":
        word = "EXPLAIN QUERY PLAN"
    with store._engine.connect() as connection:
        backend = getattr(store, "backend", "")
        if backend == "timescaledb" or (
            backend != "sqlite" and re.search("_rollups|_rejects", statement)
        ):
            # Of so few batches, roll-ups or rejects it is quicker to read all: can it look them up?
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"{word} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


def whole_table_is_read(plan: str) -> bool:
    """SQLite says SCAN, PostgreSQL Seq Scan; of an index that holds all it is as bad."""
    return any(
        line.strip(" ->").startswith(("SCAN sensor_data", "SCAN found", "Seq Scan on sensor_data"))
        or "Seq Scan on compress_hyper" in line
        for line in plan.splitlines()
    )


QUESTIONS = [
    pytest.param(lambda store: store.kpis(HOUR), id="key figures of an hour"),
    pytest.param(lambda store: store.summary(HOUR), id="summary of an hour"),
    pytest.param(lambda store: store.extent(HOUR), id="count of an hour"),
    pytest.param(lambda store: store.trend(HOUR, 100), id="trend of an hour"),
    pytest.param(lambda store: store.alerts(HOUR, ["red"], 10), id="alerts of an hour"),
    pytest.param(lambda store: store.rigs(counted=False), id="first and latest reading"),
]


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_question_about_a_range_uses_the_key(
    ask: Callable[[Store], object], long: Questions
) -> None:
    for plan in plans(long, ask):
        assert not whole_table_is_read(plan), plan
        keys = ("sensor_data_pkey", "sensor_data_levels", "PRIMARY KEY", "compress_hyper")
        assert any(key in plan for key in keys), plan


def test_the_readings_of_a_range_for_trends_and_exports_use_the_key(long: Questions) -> None:
    query = long._readings_query(["rig", "timestamp", "temperature"], HOUR)
    compiled = query.compile(long._engine, compile_kwargs={"literal_binds": True})
    plan = explained(long, str(compiled), ())
    assert not whole_table_is_read(plan), plan


@pytest.mark.parametrize("database_url", ["timescale"], indirect=True)
def test_key_figures_after_a_live_reading_do_not_unpack_a_chunk(long: Questions, rig: Rig) -> None:
    """The chunk that it went into is no longer compressed as a whole, nor in order."""
    newest = START + timedelta(seconds=ROWS)
    values = {"temperature": [30.0], "pressure": [1000.0], "uptime": [1.0]}
    assert isinstance(long, PostgresStore)
    LiveWriter(long, rig, "live").write(pl.DataFrame({"timestamp": [newest], **values}))
    for plan in plans(long, lambda store: store.kpis(Range("rig-1")), word="EXPLAIN ANALYZE"):
        read = [float(number) for number in re.findall(r"actual time=\S+ rows=([\d.]+)", plan)]
        assert max(read) <= ROWS / 10, plan


def newest(**wanted: Any) -> Callable[[Any], object]:
    return lambda store: store.rejects(WantedRejects(**wanted), 10, 10**9)


REJECTS = [
    pytest.param(newest(), "PRIMARY KEY|_rejects_pkey", id="of all"),
    pytest.param(newest(rig="rig-1"), "_rejects_reason", id="of a rig"),
    pytest.param(newest(reason="outlier"), "_rejects_reason|_rejects_time", id="of a reason"),
    pytest.param(newest(load=1), "_rejects_load|_rejects_pkey", id="of a load"),
    pytest.param(
        newest(rig="rig-1", start=HOUR.start, end=HOUR.end), "_rejects_time", id="of an hour"
    ),
    pytest.param(newest(start=HOUR.start, end=HOUR.end), "_rejects_time", id="of all in an hour"),
    pytest.param(
        lambda store: store.reject_counts(WantedRejects("rig-1")),
        "_rejects_reason|_rejects_time",
        id="counts of a rig",
    ),
]


@pytest.fixture
def rejected(load: Load, sql: Sql, database_url: str) -> Iterator[Questions]:
    """A store with many rejects of several loads, at many times and for two reasons."""
    for number in range(3):
        lines = (
            f"{START + timedelta(minutes=5_000 * number + n):%Y-%m-%dT%H:%M:%SZ},"
            f"{'x' if n % 2 else '999'},1000,1"
            for n in range(5_000)
        )
        load("\n".join(lines) + "\n", name=f"{number}.csv")
    if not database_url.startswith("sqlite"):
        sql("ANALYZE sensor_data_rejects")
    with closing(open_store(load_settings())) as store:
        assert isinstance(store, Questions)
        yield store


@pytest.mark.parametrize(("ask", "keys"), REJECTS)
def test_rejects_are_found_by_an_index(
    ask: Callable[[Store], object], keys: str, rejected: Questions
) -> None:
    found = plans(rejected, ask, r"(FROM|JOIN) sensor_data_rejects")
    assert any(re.search(keys, plan) for plan in found), found
    for plan in found:
        # Down the index of the key to the first few is no reading of it all.
        lines = [line for line in plan.splitlines() if not re.search(keys, line)]
        assert not whole_table_is_read("\n".join(lines)), plan


def test_the_plan_of_a_question_without_a_range_reads_it_all(long: Questions) -> None:
    """The test above can fail."""
    plan = explained(long, "SELECT * FROM sensor_data WHERE uptime > 5", ())
    assert "sensor_data_pkey" not in plan
    assert "compress_hyper" in plan or whole_table_is_read(plan)
