"""The version of a database never shows an earlier value again, whatever is done to it."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.rig import Rig
from pipeline.settings import Settings
from pipeline.stores import Store
from pipeline.streaming import LiveWriter
from tests.pipeline.stores.conftest import CLEAN, DIRTY, Load, Sql, live, tables

START = datetime(2025, 7, 13, tzinfo=UTC)


def test_it_is_new_after_each_commit_and_stays_without_one(
    store: Store, rig: Rig, load: Load, sql: Sql
) -> None:
    """Each step leaves less than was there before, or the same as before."""
    seen = [store.version()]

    def is_new() -> bool:
        version = store.version()
        assert store.version() == version
        seen.append(version)
        return version not in seen[:-1]

    load(CLEAN + DIRTY)
    assert is_new()
    for _ in range(2):
        load(CLEAN + DIRTY, force=True)  # supersedes the one before
        assert is_new()
    LiveWriter(store, rig, "live").write(live(0))
    assert is_new()
    load("2025-07-13T06:30:00Z,20,1000,1\n2025-07-13T12:30:00Z,20,1000,1\n", "later.csv")
    assert is_new()
    for hours, readings in ((6, 5), (12, 1)):
        assert store.prune_some(START + timedelta(hours=hours), None).readings == readings
        assert is_new()
    assert store.prune_some(START + timedelta(days=1), None).readings == 1
    assert is_new()
    assert store.prune_some(START + timedelta(days=1), None).rejects
    assert is_new()
    load(CLEAN + DIRTY)  # is known, and does nothing
    assert store.version() == seen[-1]
    sql("DELETE FROM sensor_data")
    assert is_new()


def test_it_is_new_when_the_tables_were_made_anew(
    store: Store, load: Load, sql: Sql, database_url: str, settings: Settings
) -> None:
    load(CLEAN)
    seen = {store.version()}
    for _ in range(2):
        view = "DROP VIEW sensor_data_readable"
        for statement in [view] * database_url.startswith("sqlite"):
            sql(statement)
        for table in tables(sql, database_url):
            sql(f'DROP TABLE "{table}"')
        if not database_url.startswith("sqlite"):
            sql("DROP FUNCTION sensor_data_noticed, sensor_data_gives_notice")
        # Everything is numbered as it was.
        load(CLEAN)
        assert store.last_sequence() == 1
        assert store.version() not in seen
        seen.add(store.version())


def test_it_is_known_at_once_until_somebody_commits(store: Store, rig: Rig, load: Load) -> None:
    """In PostgreSQL notices are heard in a thread; one session alone cannot listen."""
    load(CLEAN)

    def settled() -> int | None:
        """What is known at once, as soon as that is the version."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            known = store.version_at_once()
            if store.version() == known:
                return known
            time.sleep(0.01)
        return None

    before = settled()
    if before is None:
        assert store.backend == "timescaledb"
        pytest.skip("no connection to listen on")
    LiveWriter(store, rig, "live").write(live(0))
    after = settled()
    assert after is not None
    assert after != before
