"""Loads that meet: readers go on beside them, and two first loads both get in, once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from unittest.mock import patch

import polars as pl
import pytest

from pipeline.rig import Rig, parse_rig
from pipeline.settings import Settings, load_settings
from pipeline.stores import Store, open_store, sqlite
from pipeline.stores.base import Range
from pipeline.streaming import LiveWriter
from pipeline.summary import SourceSummary
from pipeline.transform import Transformed
from tests.pipeline.stores.conftest import CLEAN, Load, Sql, account, live, until, until_waiting

pytestmark = pytest.mark.many_connections

# Its first two readings have the times of CLEAN's last two.
OVERLAPPING = "".join(f"2025-07-13T00:{n:02}:00Z,{50 + n},1000,{n}\n" for n in range(3, 8))
COPYING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^COPY'"
# A load that closes its store would close these, were its settings the same.
OTHERS = {"database_pool_recycle_s": 1000}


@contextmanager
def during(while_sent: Callable[[], object], when_in: Callable[[], object]) -> Iterator[None]:
    """Do something while a load sends its readings, and when all of them are in."""
    readings, rejects = Transformed.readings, Transformed.rejects

    def sent(outcome: Transformed) -> Iterator[pl.DataFrame]:
        yield from readings(outcome)
        while_sent()

    def followed(outcome: Transformed) -> Iterator[pl.DataFrame]:
        when_in()
        yield from rejects(outcome)

    with (
        patch.object(Transformed, "readings", sent),
        patch.object(Transformed, "rejects", followed),
    ):
        yield


@pytest.fixture
def reader(settings: Settings) -> Iterator[Store]:
    """A store whose questions fail soon where they have to wait."""
    with closing(open_store(load_settings(database_statement_timeout_s=1))) as opened:
        yield opened


@pytest.mark.parametrize("first", [True, False], ids=["first load", "new columns"])
def test_readers_go_on_until_a_load_is_committed(
    first: bool, reader: Store, load: Load, sql: Sql, database_url: str
) -> None:
    if not first:
        load(CLEAN)
    before, asked = 0 if first else 5, 0

    def ask() -> None:
        nonlocal asked
        assert reader.total_records() == before
        assert sum(map(len, reader.readings(Range("rig-1")))) == before
        assert (reader.kpis(Range("rig-1")) is None) == first
        asked += 1

    def ask_while_it_copies() -> None:
        if database_url.startswith("postgres"):
            until(lambda: sql(COPYING))
        ask()

    with during(ask_while_it_copies, ask):
        flow = parse_rig('name = "flow"\n[channels.flow]', "test")
        load("timestamp,flow\n1,1\nx,1\n", "flow.csv", flow)
    assert asked == 2
    assert reader.total_records() == before + 1


@pytest.mark.parametrize(
    ("rows", "temperatures"),
    [
        pytest.param(OVERLAPPING, [20, 21, 22, 53, 54, 55, 56, 57], id="overlapping"),
        pytest.param(OVERLAPPING[-64:], [20, 21, 22, 23, 24, 56, 57], id="apart"),
    ],
)
def test_two_first_loads_of_different_sources_both_get_in(
    rows: str, temperatures: list[float], load: Load, sql: Sql, database_url: str
) -> None:
    """The second one finds the table empty and without its key, and waits; then it has both."""
    others: list[Future[SourceSummary]] = []

    def begin_the_other() -> None:
        if not others:
            others.append(thread.submit(load, rows, "other.csv", settings=OTHERS))
            if database_url.startswith("postgres"):
                until_waiting(sql, "advisory")

    with ThreadPoolExecutor(1) as thread, during(begin_the_other, lambda: None):
        assert load(CLEAN).accepted == 5
        assert others[0].result(30).status == "loaded"
    found = sql("SELECT temperature FROM sensor_data ORDER BY timestamp")
    assert [temperature for (temperature,) in found] == temperatures
    account(sql)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("same", [False, True], ids=["different sources", "the same source"])
def test_two_loads_that_are_both_staged_before_they_take_the_lock(
    same: bool, store: Store, rig: Rig, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LONG_LOAD_ROWS", 1)
    LiveWriter(store, rig, "live").write(live(0))
    others: list[SourceSummary] = []

    def load_the_other() -> None:
        if not others:
            others.append(SourceSummary("", ""))  # its own readings are sent here as well
            rows = CLEAN if same else OVERLAPPING
            others[0] = thread.submit(load, rows, "other.csv", settings=OTHERS).result(30)

    with ThreadPoolExecutor(1) as thread, during(load_the_other, lambda: None):
        ours = load(CLEAN)
    assert others[0].status == "loaded"
    assert ours.status == ("already loaded" if same else "loaded")
    assert sql("SELECT count(*) FROM sensor_data") == [(6 if same else 9,)]
    account(sql)
