"""Downloads that do not come to their end: clients that go or stall, databases that go away."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from dashboard import exports
from dashboard.app import create_app
from pipeline.db_utils import dispose_engines
from pipeline.errors import DatabaseUnavailable
from pipeline.stores.base import Range
from tests.dashboard import made
from tests.dashboard.conftest import Asked, database_in_turn, download_scope
from tests.services.server import Server, running_server, settings_for

# More than the system keeps on the way between a server and a client that reads nothing.
ROWS = 300_000
SOON_S = 5.0


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with many readings, on each kind in turn."""
    folder = tmp_path_factory.mktemp("departures")
    found = database_in_turn(request, folder, "departures")
    long = made.plain_csv(folder / "long.csv", ROWS, step_s=1.0)
    made.load(folder / "x.db", long, database_url=found)
    dispose_engines()
    return found


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("departures-server")
    with running_server(folder, database_url=url) as started:
        yield started


@contextmanager
def begun(server: Server, format: str) -> Iterator[socket.socket]:
    """A download of which only the beginning is taken."""
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.settimeout(30)
        client.connect(("127.0.0.1", server.port))
        request = f"GET /api/download?format={format} HTTP/1.1\r\nHost: here\r\n\r\n"
        client.sendall(request.encode())
        assert client.recv(1 << 12).startswith(b"HTTP/1.1 200 OK")
        yield client


def asking_of(url: str, server: Server) -> Callable[[], int]:
    """How many questions are under way, as the database says, or for SQLite the server."""
    if url.startswith("sqlite"):

        def of_the_server() -> int:
            text = httpx.get(f"{server.url}/metrics").text
            line = 'smart_sensor_database_connections{pool="questions",state="in_use"} '
            return int(float(text.partition(line)[2].partition("\n")[0]))

        return of_the_server

    statement = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND (query LIKE 'FETCH%' OR query LIKE 'DECLARE%')"
        " AND state IN ('active', 'idle in transaction')"
    )
    engine = made.engine_of(url)

    def of_the_database() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(statement) or 0)

    return of_the_database


def wait_for(number: int, asking: Callable[[], int]) -> None:
    deadline = time.monotonic() + SOON_S
    while (found := asking()) != number:
        assert time.monotonic() < deadline, f"{found} questions are under way"
        time.sleep(0.02)


@pytest.mark.parametrize("format", ["csv", "parquet", "json", "ndjson"])
def test_a_client_that_goes_away_stops_the_question(server: Server, url: str, format: str) -> None:
    asking = asking_of(url, server)
    wait_for(0, asking)
    with begun(server, format):
        # It reads nothing: the question waits for it, and is not answered into memory. Parquet of
        # these readings is so small that it may be on its way as a whole.
        if format != "parquet":
            wait_for(1, asking)
            time.sleep(0.5)
            assert asking() == 1
    wait_for(0, asking)


def test_a_bounded_number_at_once(server: Server, url: str) -> None:
    asking = asking_of(url, server)
    with ExitStack() as clients:
        for _ in range(exports._MOST_AT_ONCE):
            clients.enter_context(begun(server, "csv"))
        refused = httpx.get(f"{server.url}/api/download")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert f"{exports._MOST_AT_ONCE} downloads" in refused.json()["detail"]
        # Everything else goes on.
        assert httpx.get(f"{server.url}/api/kpis").status_code == 200
    wait_for(0, asking)
    query = {"end": "2025-07-13T00:01:00Z"}
    assert httpx.get(f"{server.url}/api/download", params=query).status_code == 200


def test_parquet_comes_in_groups_of_bounded_size(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    path.write_bytes(httpx.get(f"{server.url}/api/download?format=parquet", timeout=60).content)
    found = pq.ParquetFile(path).metadata
    groups = [found.row_group(number).num_rows for number in range(found.num_row_groups)]
    assert groups == [100_000] * (ROWS // 100_000)


# In this process, where a client and a database do exactly what a test says


@pytest.fixture
def app(house: Asked) -> Iterator[FastAPI]:
    made_here = create_app(settings_for(house.database))
    yield made_here
    store = made_here.state.context.store
    assert store._engine.pool.checkedout() == 0
    assert exports._at_once._value == exports._MOST_AT_ONCE  # type: ignore[attr-defined]  # a count
    store.close()


def ask(app: FastAPI, send: Any) -> list[dict[str, Any]]:
    """Ask for a download; what was sent, when `send` has seen it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def noting(message: dict[str, Any]) -> None:
        sent.append(message)
        await send(message)

    asyncio.run(app(download_scope("rig-1"), receive, noting))  # type: ignore[arg-type]  # typed as a mapping
    return sent


async def at_once(_: dict[str, Any]) -> None:
    """A client that takes everything."""


def test_a_client_that_takes_nothing_is_given_up(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exports, "_STALLED_S", 0.2)

    async def never(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    begun_at = time.monotonic()
    ask(app, never)
    assert time.monotonic() - begun_at < 10
    assert "took nothing for 0.2 s" in caplog.text


def test_a_database_that_goes_away_cuts_the_file_off(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not look complete: the last chunk, which would end it, is never sent."""
    store = app.state.context.store
    real = store.readings

    def readings(selection: Range) -> Iterator[pl.DataFrame]:
        yield from real(selection)
        raise DatabaseUnavailable("the server has gone")

    monkeypatch.setattr(store, "readings", readings)
    sent = ask(app, at_once)
    assert sent[0]["status"] == 200
    assert sum(message["body"].count(b"\n") for message in sent[1:]) == 101
    assert all(message["more_body"] for message in sent[1:])
    assert "cut off: the server has gone" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_database_that_has_gone_before_is_a_problem(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readings(selection: Range) -> Iterator[pl.DataFrame]:
        raise DatabaseUnavailable("the server has gone")
        yield

    monkeypatch.setattr(app.state.context.store, "readings", readings)
    start, *bodies = ask(app, at_once)
    assert start["status"] == 503
    assert json.loads(b"".join(each["body"] for each in bodies))["detail"] == "the server has gone"
