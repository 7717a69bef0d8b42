"""Every accepted row is there once, whoever gets in the way while it is written."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa

from pipeline import db_utils
from pipeline.errors import DatabaseConflict, DatabaseError, DatabaseUnavailable
from pipeline.rig import Rig
from pipeline.settings import Settings, load_settings
from pipeline.simulate import write_csv
from pipeline.stores import Store, open_store, sqlite
from pipeline.stores.load import Load as StoreLoad
from pipeline.streaming import LiveWriter
from pipeline.transform import Transformed
from tests.conftest import Command
from tests.pipeline.stores.conftest import CLEAN, Load, Sql, account, live
from tests.services.disks import small_disk
from tests.services.postgres import PostgresServer
from tests.services.proxy import CuttingProxy

POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.many_connections
def test_a_live_source_goes_on_while_a_long_load_is_written(
    store: Store, rig: Rig, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LONG_LOAD_ROWS", 1)
    # Were it to wait, it would wait in vain.
    monkeypatch.setattr(db_utils, "_BUSY_TIMEOUT_S", 0.2)
    writer = LiveWriter(store, rig, "live")
    writer.write(live(0))
    readings = Transformed.readings

    def slowly(outcome: Transformed) -> Iterator[pl.DataFrame]:
        for frame in readings(outcome):
            writer.write(live(1))
            yield frame

    monkeypatch.setattr(Transformed, "readings", slowly)
    assert load(CLEAN).accepted == 5
    assert sql("SELECT count(*) FROM sensor_data") == [(7,)]
    account(sql)


def test_the_ledger_says_what_later_loads_have_replaced(
    store: Store, rig: Rig, load: Load, sql: Sql
) -> None:
    load(CLEAN)
    load("2025-07-13T00:03:00Z,50,1000,4\n2025-07-13T00:05:00Z,51,1000,5\n", "y.csv")
    load("2025-07-13T00:03:00Z,60,1000,4\n2025-07-13T00:04:00Z,61,1000,5\n", "z.csv")
    replaced = "SELECT id, readings_replaced FROM sensor_data_loads ORDER BY id"
    assert sql(replaced) == [(1, 2), (2, 1), (3, 0)]
    writer = LiveWriter(store, rig, "live")
    late = live(0).with_columns(timestamp=datetime(2025, 7, 13, tzinfo=UTC))
    writer.write(late)
    writer.write(late)
    assert sql(replaced) == [(1, 3), (2, 1), (3, 0), (4, 1)]
    account(sql)
    load(CLEAN, force=True)
    account(sql)


def test_a_live_reading_that_comes_after_a_later_load_has_brought_its_time(
    store: Store, rig: Rig, load: Load, sql: Sql
) -> None:
    writer = LiveWriter(store, rig, "live")
    load(CLEAN)
    writer.write(live(0).with_columns(timestamp=datetime(2025, 7, 13, tzinfo=UTC)))
    assert sql("SELECT accepted, readings_replaced FROM sensor_data_loads ORDER BY id") == [
        (1, 1),
        (5, 0),
    ]
    account(sql)


def test_readings_of_somebody_else_give_way(load: Load, sql: Sql) -> None:
    load(CLEAN)
    sql("UPDATE sensor_data SET load_id = NULL")
    sql("UPDATE sensor_data_loads SET readings_replaced = accepted")
    load("2025-07-13T00:03:00Z,50,1000,4\n", "y.csv")
    assert sql("SELECT temperature FROM sensor_data WHERE load_id = 2") == [(50.0,)]


ERRORS = [DatabaseUnavailable("away"), DatabaseConflict("met another")]


@pytest.mark.parametrize("error", ERRORS, ids=["unavailable", "conflict"])
@pytest.mark.parametrize("outliers", ["flag", "reject"])
def test_what_may_pass_is_tried_again_from_the_beginning(
    error: DatabaseError, outliers: str, load: Load, sql: Sql, home: Path
) -> None:
    rows = CLEAN + "x,20,1000,1\n2025-07-13T01:00:00Z,149,1000,1\n"
    output = home / "out.csv"
    finish, tries = StoreLoad.finish, [error, error]

    def failing(load: StoreLoad, outcome: Any) -> None:
        finish(load, outcome)
        if tries:
            raise tries.pop()

    with patch.object(StoreLoad, "finish", failing):
        summary = load(rows, settings={"outliers": outliers}, output=output)
    assert (summary.rows_read, summary.accepted) == (7, 6 if outliers == "flag" else 5)
    assert sum(summary.rejected_by_reason.values()) == 7 - summary.accepted
    assert sql("SELECT count(*) FROM sensor_data") == [(summary.accepted,)]
    assert sql("SELECT count(*) FROM sensor_data_loads") == [(1,)]
    assert len(output.read_text().splitlines()) == 1 + summary.accepted
    account(sql)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(DatabaseUnavailable("away"), 0.3), (DatabaseError("refused"), 60.0), (RuntimeError(), 60.0)],
    ids=["for no longer than the setting says", "not what will not pass", "nor an error of ours"],
)
def test_others_stop_it_with_nothing_stored(
    error: Exception, seconds: float, load: Load, sql: Sql
) -> None:
    with (
        patch.object(StoreLoad, "finish", side_effect=error) as finish,
        pytest.raises(type(error)),
    ):
        load(CLEAN, settings={"database_retry_s": seconds})
    assert (finish.call_count > 1) == (seconds < 1)
    assert sql("SELECT count(*) FROM sensor_data") == [(0,)]
    assert sql("SELECT count(*) FROM sensor_data_loads") == [(0,)]


@POSTGRES
@pytest.mark.parametrize("kilobytes", [100, 900])
@pytest.mark.parametrize("earlier", [False, True], ids=["straight in", "staged"])
def test_a_connection_that_is_cut_in_the_middle_of_a_copy(
    earlier: bool, kilobytes: int, database_url: str, smart_sensor: Command, home: Path, sql: Sql,
    load: Load, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_csv(home / "long.csv", 10_000, fault_rate=0.01)
    if earlier:
        lines = (home / "long.csv").read_text().splitlines(keepends=True)
        load("".join(lines[:100]), "beginning.csv")
        db_utils.dispose_engines()
    url = sa.make_url(database_url)
    assert url.port
    with CuttingProxy(url.port, kilobytes * 1000) as proxy:
        through = url.set(port=proxy.port).render_as_string(hide_password=False)
        monkeypatch.setenv("DATABASE_URL", through)
        finished = smart_sensor("etl", "long.csv")
        db_utils.dispose_engines()
        assert finished.code == 0, finished.err
        assert proxy.cuts == 1
    assert "Traceback" not in finished.err
    monkeypatch.setenv("DATABASE_URL", database_url)
    ((accepted, rejected),) = sql(
        "SELECT accepted, rejected FROM sensor_data_loads WHERE source LIKE '%long.csv'"
    )
    assert accepted + rejected == 10_000
    account(sql)


@POSTGRES
def test_two_writers_that_hold_each_other_up_both_get_through(
    load: Load, sql: Sql, settings: Settings
) -> None:
    """A real deadlock: the server ends the transaction that waited first, and it is tried again."""
    load(CLEAN)
    touch = "UPDATE sensor_data SET uptime = uptime + 100 WHERE timestamp = %s"
    url = settings.database_url.replace("+psycopg", "")
    with ThreadPoolExecutor(1) as thread, psycopg.connect(url) as other:
        # Our merge takes the keys in their order. The other one has the last, and wants the first.
        other.execute(touch, ["2025-07-13T00:04:00Z"])
        rows = "".join(f"2025-07-13T00:{n:02}:00Z,50,1000,{n}\n" for n in range(5))
        loading = thread.submit(load, rows, "y.csv")
        while not sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'"):
            time.sleep(0.02)
        other.execute(touch, ["2025-07-13T00:00:00Z"])
        other.commit()
        assert loading.result(30).accepted == 5
    assert sql("SELECT DISTINCT temperature FROM sensor_data") == [(50.0,)]
    account(sql)


@SQLITE
def test_a_full_disk_stores_nothing_and_loses_nothing(
    home: Path, tmp_path: Path, smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(home / "long.csv", 100_000)
    (home / "short.csv").write_text((home / "long.csv").read_text()[:5000].rpartition("\n")[0])
    with small_disk(tmp_path / "disk", 4) as disk:
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{disk}/x.db")
        assert smart_sensor("etl", "short.csv").code == 0
        finished = smart_sensor("etl", "long.csv")
        assert finished.code == 2
        (line,) = finished.err.splitlines()
        assert "the disk is full; nothing of this load was stored" in line
        settings = load_settings()
        with closing(open_store(settings)) as store:
            assert [load["status"] for load in store.loads(10)] == ["complete"]
            assert store.total_records() > 50
        db_utils.dispose_engines()


@POSTGRES
def test_a_full_disk_of_the_server_stores_nothing_and_loses_nothing(
    database_url: str, postgres_server: PostgresServer, tmp_path: Path, load: Load, home: Path,
    smart_sensor: Command, sql: Sql,
) -> None:  # fmt: skip
    write_csv(home / "long.csv", 100_000)
    name = sa.make_url(database_url).database
    with (
        small_disk(postgres_server.folder / "small", 4) as disk,
        psycopg.connect(postgres_server.url("postgres", "postgres"), autocommit=True) as admin,
    ):
        subprocess.run(["chown", "nobody", disk], check=False)  # noqa: S607
        admin.execute(psycopg.sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(disk)))
        admin.execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")
        admin.execute(f"ALTER DATABASE {name} SET default_tablespace = small".encode())
        try:
            load(CLEAN)
            finished = smart_sensor("etl", "long.csv")
            assert finished.code == 2
            (line,) = finished.err.splitlines()
            assert "the server's disk is full; nothing of this load was stored (53100)" in line
            assert sql("SELECT count(*) FROM sensor_data") == [(5,)]
            account(sql)
        finally:
            db_utils.dispose_engines()
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            admin.execute("DROP TABLESPACE small")
