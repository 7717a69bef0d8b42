"""The dashboard's API on PostgreSQL: the same answers as on SQLite, live, and back after a fall."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from pipeline.db_utils import dispose_engines
from pipeline.etl_pipeline import run_etl
from pipeline.rig import load_rig
from pipeline.settings import Settings, default_rig_file
from pipeline.stores import open_store
from pipeline.streaming import LiveWriter
from tests.dashboard import made
from tests.dashboard.heard import SOON_S, change_at, client_of, next_of
from tests.services.postgres import PostgresServer
from tests.services.server import Server, running_server, settings_for

QUESTIONS = (
    "/api/kpis?rig=%00",
    "/api/kpis",
    "/api/kpis?date=2025-07-13&rig=rig-1",
    "/api/trends?rig=rig-1",
    "/api/trends?rig=spiky&points=500",
    "/api/summary?rig=rig-1&start=2025-07-13T02:00:00Z&end=2025-07-13T05:00:00Z",
    "/api/alerts?rig=spiky",
    "/api/rigs",
    "/api/download?rig=spiky",
    "/api/kpis?rig=nobody",
    "/api/trends?rig=rig-1&date=1999-01-01",
)


def load_all(settings: Settings, folder: Path) -> None:
    spiky = load_rig(default_rig_file()).renamed("spiky")
    for path, rig in ((made.sample_csv(folder / "sample.csv"), None),
                      (made.spiky_csv(folder / "spiky.csv"), spiky)):  # fmt: skip
        run_etl([str(path)], settings=settings, rig=rig)
    dispose_engines()


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the sample and a long series, of which the tests add to the end only."""
    found = postgres_server.create_database("dashboard")
    folder = tmp_path_factory.mktemp("postgres")
    load_all(settings_for(folder / "x.db", database_url=found), folder)
    return found


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, database_url=url) as started:
        yield started


def answer(client: httpx.Client, question: str) -> Any:
    """Status and content, without the time at which it was given, and its id."""
    response = client.get(question)
    if response.headers["content-type"].startswith("text/csv"):
        return response.status_code, response.text
    body = response.json()
    for its_own in ("timestamp", "request_id"):
        body.pop(its_own, None)
    return response.status_code, body


def test_every_answer_is_that_of_sqlite(server: Server, tmp_path: Path) -> None:
    database = tmp_path / "same.db"
    load_all(settings_for(database), tmp_path)
    with (
        running_server(tmp_path, database=database) as other,
        httpx.Client(base_url=server.url, timeout=30) as postgres,
        httpx.Client(base_url=other.url, timeout=30) as sqlite,
    ):
        for question in QUESTIONS:
            assert answer(postgres, question) == answer(sqlite, question), question
        assert postgres.get("/api/health").json()["backend"] == "postgresql"


def test_what_another_process_writes_is_heard_at_once(
    server: Server, url: str, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path / "x.db", database_url=url)
    moment = made.START + timedelta(days=30)
    with client_of(server.socket_url) as listener, closing(open_store(settings)) as store:
        assert next_of(listener, "snapshot")["rig"] == "rig-1"
        writer = LiveWriter(store, load_rig(default_rig_file()), "live")
        writer.write(made.live_rows(moment, [85.0]))
        change = change_at(listener, moment)
        assert change["readings"][0]["values"]["temperature"] == 85.0
        assert change["readings"][0]["levels"]["temperature"] == "red"
        # Somebody else's write says nothing but that all is to be read again.
        with store._engine.begin() as connection:  # type: ignore[attr-defined]
            connection.exec_driver_sql("UPDATE sensor_data SET uptime = 2 WHERE uptime = 1")
        next_of(listener, "refresh")
    dispose_engines()


def test_live_clients_are_told_to_try_again_and_those_that_are_there_wait(tmp_path: Path) -> None:
    with PostgresServer() as postgres:
        url = postgres.fresh_database()
        settings = settings_for(tmp_path / "x.db", database_url=url)
        load_all(settings, tmp_path)
        with running_server(tmp_path, database_url=url) as server:
            with client_of(server.socket_url) as there:
                heard = next_of(there, "snapshot")
                postgres.stop("immediate")
                resuming = f"?after={heard['sequence']}&epoch={heard['epoch']}"
                for query in ("", "?rig=spiky", resuming):
                    with (
                        client_of(server.socket_url + query) as client,
                        pytest.raises(ConnectionClosed) as closed,
                    ):
                        client.recv(timeout=SOON_S)
                    assert closed.value.rcvd
                    assert closed.value.rcvd.code == 1013
                    assert closed.value.rcvd.reason == "the database is not reachable; try again"
                postgres.start()
                with closing(open_store(settings)) as store:
                    writer = LiveWriter(store, load_rig(default_rig_file()), "live")
                    writer.write(made.live_rows(made.START + timedelta(days=30), [50.0]))
                # Whether as a change or as a refresh: it hears of it.
                next_of(there, "change", "refresh")
            with client_of(server.socket_url) as client:
                assert next_of(client, "snapshot")["total_records"] == 101
    dispose_engines()


def test_a_server_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    with PostgresServer() as postgres:
        url = postgres.fresh_database()
        load_all(settings_for(tmp_path / "x.db", database_url=url), tmp_path)
        with (
            running_server(tmp_path, database_url=url) as server,
            httpx.Client(base_url=server.url, timeout=30) as client,
        ):
            assert client.get("/api/kpis").status_code == 200
            postgres.stop("immediate")
            for question in ("/api/kpis", "/api/health", "/api/trends"):
                response = client.get(question)
                assert response.status_code == 503, response.text
                assert "Traceback" not in response.text
            assert response.headers["retry-after"]
            postgres.start()
            deadline = time.monotonic() + 15
            while client.get("/api/health").status_code != 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert client.get("/api/kpis").json()["total_records"] == 100
            assert "smart_sensor:***@" in server.log
