"""Loads whose database is away: what was taken waits, and is done when the database is back."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from pipeline.db_utils import dispose_engines
from pipeline.etl_pipeline import run_etl
from pipeline.simulate import write_csv
from pipeline.stores import open_store
from tests.dashboard import made
from tests.dashboard.heard import Message, client_of, next_of
from tests.dashboard.sent import REJECTED, Loader, faulty_text, left_of, until
from tests.services.disks import grow, small_disk
from tests.services.postgres import PostgresServer
from tests.services.server import running_server, settings_for


def is_sound(url: str) -> None:
    with closing(open_store(settings_for(Path("x"), database_url=url))) as store:
        assert store.check() == []
    dispose_engines()


def waiting(loader: Loader, job: str) -> dict[str, Any]:
    """A job that has been tried, and waits for its database."""

    def found() -> dict[str, Any] | None:
        shown: dict[str, Any] = loader.get(f"/api/loads/jobs/{job}")
        return shown if shown["status"] == "queued" and shown["error"] else None

    shown: dict[str, Any] = until(found, within_s=60)
    return shown


def count_of(url: str, what: LiteralString) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608  # names of ours
    assert found is not None
    return int(found[0])


def waits_for_a_lock(url: str, more_than: int = 0) -> bool:
    return count_of(url, "pg_locks WHERE NOT granted") > more_than


@contextmanager
def ledger_held(url: str) -> Iterator[None]:
    """Nobody else writes to the ledger meanwhile; whoever only reads it may."""
    # Closed, not committed: the server may have gone in between.
    with closing(psycopg.connect(url)) as connection:
        connection.execute("LOCK TABLE sensor_data_loads IN EXCLUSIVE MODE")
        yield


def test_what_is_sent_while_the_database_is_away_is_loaded_when_it_is_back(tmp_path: Path) -> None:
    with PostgresServer() as postgres:
        url = postgres.fresh_database()
        with (
            running_server(tmp_path, database_url=url) as server,
            client_of(server.socket_url) as client,
        ):
            next_of(client, "snapshot")
            loader = Loader(server)
            postgres.stop("immediate")
            # What cannot be known without the database is not promised.
            for query in ({"rig": "other"}, {"preview": "true"}):
                response = loader.post(faulty_text(), name="x.csv", **query)
                assert response.status_code == 503, response.text
                assert int(response.headers["retry-after"]) > 0
            assert left_of(url) == []
            texts = [faulty_text(rows) for rows in (20, 21)]
            responses = [loader.post(text, name=f"{n}.csv") for n, text in enumerate(texts)]
            assert [response.status_code for response in responses] == [202, 202]
            first, second = (response.json()["job"] for response in responses)
            shown = waiting(loader, first)
            assert (shown["position"], shown["started_at"], shown["finished_at"]) == (1, None, None)
            assert "smart_sensor:***@" in shown["error"]
            assert loader.get(f"/api/loads/jobs/{second}")["position"] == 2
            assert len(left_of(url)) == 4
            postgres.start()
            ended = [loader.ended(job) for job in (first, second)]
            assert [(job["status"], job["error"]) for job in ended] == [("complete", None)] * 2
            assert [job["rejected_by_reason"] for job in ended] == [REJECTED] * 2
            # In the order in which they came.
            loads = loader.get("/api/loads")["loads"]
            assert [load["source"] for load in loads] == ["1.csv", "0.csv"]
            assert loader.get("/api/kpis")["total_records"] == 21
            told = told_of(client, first)
        assert [message["status"] for message in told][:3] == ["queued", "running", "queued"]
        assert told[2]["error"] == shown["error"]
        assert [message["status"] for message in told][-2:] == ["running", "complete"]
        is_sound(url)
    assert left_of(url) == []


def told_of(client: Any, job: str) -> list[Message]:
    """What is said of a job, to its end."""
    told: list[Message] = []
    while not told or told[-1]["status"] != "complete":
        message = next_of(client, "load")
        if message["job"] == job:
            told.append(message)
    return told


def test_a_database_that_goes_away_while_a_load_is_stored(tmp_path: Path) -> None:
    with PostgresServer() as postgres:
        url = postgres.fresh_database()
        # That the load waits is looked at, not that a write is tried again.
        with running_server(tmp_path, database_url=url, database_retry_s=0) as server:
            loader = Loader(server)
            with ledger_held(url):
                job = loader.post(faulty_text(), name="run.csv").json()["job"]
                until(lambda: waits_for_a_lock(url))
                postgres.stop("immediate")
            waiting(loader, job)
            postgres.start()
            ended = loader.ended(job)
            assert (ended["status"], ended["accepted"]) == ("complete", 20)
            assert loader.get("/api/kpis")["total_records"] == 20
        is_sound(url)
    assert left_of(url) == []


def impatient(url: str) -> str:
    """Of a server that waits for nobody's lock."""
    return f"{url}?options=-c%20lock_timeout%3D100"


@pytest.mark.parametrize("retry_s", [0, 60], ids=["it waits", "it is tried again"])
def test_stops_of_the_server_while_a_load_waits_are_not_held_against_it(
    tmp_path: Path, postgres_url: str, retry_s: int
) -> None:
    """A file that has ended the server three times is given up; these have not."""
    url = postgres_url if retry_s else impatient(postgres_url)
    options = {"database_url": url, "database_retry_s": retry_s}
    with running_server(tmp_path, **options):
        pass  # which makes the tables
    with ledger_held(postgres_url):
        job = ""
        for stops in range(3):
            with running_server(tmp_path, **options) as server:
                loader = Loader(server)
                job = job or loader.post(faulty_text(), name="run.csv").json()["job"]
                if retry_s:
                    # Connections of servers that are no more wait as well.
                    until(partial(waits_for_a_lock, url, more_than=stops))
                else:
                    waiting(loader, job)
            assert "1 load goes on at the next start" in server.log
    with running_server(tmp_path, **options) as server:
        ended = Loader(server).ended(job)
        assert (ended["status"], ended["error"]) == ("complete", None)
        assert "1 load goes on" in server.log
    is_sound(postgres_url)
    assert left_of(url) == []


def test_a_database_that_goes_away_during_retention(tmp_path: Path) -> None:
    """By then the load before it has ended, and stays so; and the next one comes."""
    old = made.plain_csv(tmp_path / "old.csv", 5, datetime(1990, 1, 1, tzinfo=UTC))
    with PostgresServer() as postgres:
        url = postgres.fresh_database()
        options = {"database_url": url, "database_retry_s": 0, "retention": "20y"}
        with running_server(tmp_path, **options) as server:
            loader = Loader(server)
            run_etl([str(old)], settings=settings_for(tmp_path / "x", database_url=url))
            dispose_engines()
            with closing(psycopg.connect(url)) as connection:
                connection.execute("SELECT 1 FROM sensor_data FOR UPDATE")
                first = loader.load(faulty_text(20), name="20.csv")
                until(lambda: waits_for_a_lock(url))
                postgres.stop("immediate")
            until(lambda: "RETENTION waits" in server.log)
            postgres.start()
            second = loader.load(faulty_text(21), name="21.csv")
            assert [job["status"] for job in (first, second)] == ["complete"] * 2
            assert loader.get("/api/loads/jobs")["jobs"] == [second, first]
            # What was too old has gone by now.
            until(lambda: count_of(url, "sensor_data") == 21)
        is_sound(url)


def test_a_load_waits_for_room_on_the_disk_of_its_database(tmp_path: Path) -> None:
    long = tmp_path / "long.csv"
    write_csv(long, 100_000)
    with PostgresServer() as postgres, small_disk(postgres.folder / "small", 6) as disk:
        url = postgres.fresh_database()
        with psycopg.connect(postgres.url("postgres", "postgres"), autocommit=True) as admin:
            subprocess.run(["chown", "nobody", disk], check=False)  # noqa: S607
            admin.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(disk)))
            admin.execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")
            name = sql.Identifier(sa.make_url(url).database or "")
            admin.execute(sql.SQL("ALTER DATABASE {} SET default_tablespace = small").format(name))
        with running_server(tmp_path, database_url=url) as server:
            loader = Loader(server)
            job = loader.post(long.read_bytes(), name="long.csv").json()["job"]
            assert "disk is full" in waiting(loader, job)["error"]
            grow(disk, 100)
            ended = loader.ended(job)
            assert (ended["status"], ended["accepted"]) == ("complete", 100_000)
        is_sound(url)
    assert left_of(url) == []
