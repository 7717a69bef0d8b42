"""What live sources send, beside loads and beside each other: each row once, in any database."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from pipeline.etl_pipeline import run_etl
from pipeline.rig import Rig
from pipeline.settings import load_settings
from pipeline.stores import Store
from pipeline.stores.ledger import Ledger
from pipeline.streaming import LiveWriter
from pipeline.transform import Transformed
from tests.pipeline.stores.conftest import CLEAN, Load, Sql, account, live, until_waiting

TWO = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def until_it_waits(sql: Sql, database_url: str) -> Callable[[str], None]:
    """Wait until a thread waits for a lock; in SQLite nobody can see who waits for the file."""
    if database_url.startswith("sqlite"):
        return lambda lock: None
    return lambda lock: until_waiting(sql, lock)


@pytest.mark.many_connections
def test_a_source_that_begins_during_the_first_load_waits_for_its_end(
    other_store: Store,
    rig: Rig,
    load: Load,
    sql: Sql,
    until_it_waits: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = Transformed.readings
    begun: list[Future[LiveWriter]] = []

    def slowly(outcome: Transformed) -> Iterator[pl.DataFrame]:
        for frame in readings(outcome):
            begun.append(thread.submit(LiveWriter, other_store, rig, "live"))
            until_it_waits("advisory")
            assert not begun[0].done()
            yield frame

    monkeypatch.setattr(Transformed, "readings", slowly)
    with ThreadPoolExecutor(1) as thread:
        assert load(CLEAN).accepted == 5
        writer = begun[0].result(30)
    writer.write(live(0).with_columns(timestamp=datetime(2025, 7, 13, tzinfo=UTC)))
    writer.write(live(0))
    assert sql("SELECT count(*) FROM sensor_data") == [(6,)]
    assert sql("SELECT id, status, readings_replaced FROM sensor_data_loads ORDER BY id") == [
        (1, "complete", 1),
        (2, "live", 0),
    ]
    account(sql)


@pytest.mark.many_connections
@pytest.mark.parametrize("first", [0, 1], ids=["lower number first", "higher number first"])
def test_two_sources_that_bring_the_same_key_at_once(
    first: int, store: Store, rig: Rig, sql: Sql, until_it_waits: Callable[[str], None]
) -> None:
    """The higher number wins, whoever comes first, and the ledger knows what has given way."""
    writers = [LiveWriter(store, rig, f"live {n}") for n in range(2)]
    rows = [live(0).with_columns(temperature=pl.lit(40.0 + n)) for n in range(2)]
    announce = Ledger.announce
    others: list[Future[None]] = []

    def met(ledger: Ledger) -> None:
        # The first one has written its row, and not committed it.
        if not others:
            others.append(thread.submit(writers[1 - first].write, rows[1 - first]))
            until_it_waits("transactionid")
        announce(ledger)

    with ThreadPoolExecutor(1) as thread, patch.object(Ledger, "announce", met):
        writers[first].write(rows[first])
        others[0].result(30)
    assert sql("SELECT load_id, temperature FROM sensor_data") == [(2, 41.0)]
    assert sql("SELECT accepted, readings_replaced FROM sensor_data_loads ORDER BY id") == [
        (1, 1),
        (1, 0),
    ]
    account(sql)


STRANGE = pl.DataFrame(
    {
        "timestamp": ["2025-07-13T00:00:00Z", "2025-07-13T00:01:00Z", "\0", "2025-07-13T00:03:00Z"],
        "rig": ["a", "a", "a", "b\0"],
        "temperature": ["20", "2\0", "20", "20"],
        "pressure": ["1000"] * 4,
        "uptime": ["1"] * 4,
        "note\0": ["\0"] * 4,
    }
)


@TWO
@pytest.mark.parametrize("way", ["live", "file"])
def test_a_character_that_postgresql_cannot_keep(
    way: str, store: Store, rig: Rig, load: Load, sql: Sql, home: Path
) -> None:
    if way == "live":
        LiveWriter(store, rig, "live").write(STRANGE)
    else:
        STRANGE.write_parquet(home / "strange.parquet")
        run_etl([str(home / "strange.parquet")], settings=load_settings(), rig=rig)
    assert sql("SELECT rig FROM sensor_data") == [("a",)]
    rejects = sql("SELECT rig, reason, detail, raw FROM sensor_data_rejects ORDER BY line")
    assert [row[:2] for row in rejects] == [
        ("a", "unparsable"),
        ("a", "unparsable"),
        ("b\N{SYMBOL FOR NULL}", "unparsable"),
    ]
    assert rejects[0][2] == "temperature '2\N{SYMBOL FOR NULL}' is not a number"
    assert all(r'"note\u0000": "\u0000"' in raw for _, _, _, raw in rejects)
    account(sql)
