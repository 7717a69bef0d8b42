"""A table is adopted once, by whichever process comes first, or by the next if that is killed."""

import os
import time
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.stores import open_store
from tests.pipeline.stores.conftest import Sql, tables

if os.name == "nt":
    pytest.skip("kill -9 and forks are of POSIX", allow_module_level=True)

from tests.pipeline.child_process import loading, moments

pytestmark = pytest.mark.many_connections

ROWS = 20_000
KILLS = 5
FILE = "timestamp,temperature,pressure,uptime\n1970-02-01T00:00:00Z,20,1000,1\n"


@pytest.fixture
def table(sql: Sql, home: Path) -> None:
    """Somebody's table: seconds from 1970 on, the tenth a second time, each hundredth too hot."""
    sql(
        "CREATE TABLE sensor_data (timestamp integer, temperature double precision,"
        " pressure integer, uptime integer)"
    )
    sql(
        "INSERT INTO sensor_data WITH RECURSIVE numbers (n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
        " SELECT CASE WHEN n = 10 THEN 9 ELSE n END,"
        " CASE WHEN n - n / 100 * 100 = 0 THEN 200 ELSE 20 END, 1000, 1 FROM numbers",
        ROWS,
    )
    (home / "later.csv").write_text(FILE)


def is_untouched(sql: Sql, database_url: str) -> bool:
    """Whether all is as before; else it has to be adopted, wholly."""
    ((rows,),) = sql("SELECT count(*) FROM sensor_data")
    if tables(sql, database_url) == {"sensor_data"}:
        assert rows == ROWS
        return True
    assert sql("SELECT count(*) FROM sensor_data_original") == [(ROWS,)]
    assert sql("SELECT count(*) FROM sensor_data_rejects") == [(1 + ROWS // 100,)]
    ledger = sql("SELECT source, accepted, rejected FROM sensor_data_loads ORDER BY id")
    assert ledger[0] == ("table sensor_data", ROWS - ROWS // 100 - 1, 1 + ROWS // 100)
    assert rows == sum(accepted for _, accepted, _ in ledger)
    return False


def test_ten_processes_at_once_adopt_it_once(
    table: None, home: Path, settings: Settings, sql: Sql, database_url: str
) -> None:
    processes = [loading(home / "later.csv", database_url) for _ in range(10)]
    for process in processes:
        process.begin()
    assert [process.finish() for process in processes] == [0] * 10
    assert not is_untouched(sql, database_url)
    assert len(sql("SELECT id FROM sensor_data_loads")) == 2


def test_killed_at_any_moment_it_is_as_it_was_or_adopted(
    table: None, home: Path, settings: Settings, sql: Sql, database_url: str
) -> None:
    untouched = 0
    for moment in moments(0.4, KILLS):
        process = loading(home / "later.csv", database_url)
        process.begin()
        time.sleep(moment)
        process.kill()
        if not is_untouched(sql, database_url):
            break
        untouched += 1
    assert untouched
    open_store(settings).close()
    assert not is_untouched(sql, database_url)
