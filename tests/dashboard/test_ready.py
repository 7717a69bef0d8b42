"""Ready, or not and why: what a load balancer needs to know."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dashboard import ready
from dashboard.app import create_app
from pipeline.db_utils import dispose_engines
from pipeline.errors import DatabaseUnavailable
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.services.postgres import PostgresServer
from tests.services.server import running_server, settings_for


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server of which the tests take the database away."""
    folder = tmp_path_factory.mktemp("ready")
    made.load(folder / "readings.db", made.plain_csv(folder / "plain.csv", 10))
    yield from asked(folder)


def answer(client: httpx.Client, status: int, within_s: float = 10.0) -> list[str]:
    """The reasons, when it has come to this status."""
    deadline = time.monotonic() + within_s
    while (response := client.get("/api/ready")).status_code != status:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)
    body = response.json()
    assert body["status"] == ("ready" if status == 200 else "unavailable")
    assert isinstance(body["reasons"], list)
    assert client.head("/api/ready").status_code == status
    return body["reasons"]  # type: ignore[no-any-return]  # JSON


def test_a_server_with_a_database_is_ready(lone: Asked) -> None:
    assert answer(lone.client, 200) == []


def test_without_its_database_it_is_not(lone: Asked) -> None:
    away = lone.database.with_suffix(".away")
    lone.database.rename(away)
    (reason,) = answer(lone.client, 503)
    assert reason.startswith("database: ")
    assert str(lone.database) in reason
    away.rename(lone.database)
    assert answer(lone.client, 200) == []


def test_with_the_schema_of_another_version_it_is_not(lone: Asked) -> None:
    with closing(sqlite3.connect(lone.database)) as connection, connection:
        connection.execute("INSERT INTO sensor_data_migrations VALUES ('9999_future', 0)")
    (reason,) = answer(lone.client, 503)
    assert reason.startswith("schema: ")
    with closing(sqlite3.connect(lone.database)) as connection, connection:
        connection.execute("DELETE FROM sensor_data_migrations WHERE name = '9999_future'")
    assert answer(lone.client, 200) == []


def test_a_postgres_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    with PostgresServer() as postgres:
        url = postgres.fresh_database()
        with (
            running_server(tmp_path, database_url=url) as server,
            httpx.Client(base_url=server.url, timeout=30) as client,
        ):
            assert answer(client, 200) == []
            postgres.stop("immediate")
            reasons = answer(client, 503)
            assert reasons[0].startswith("database: ")
            assert "smart_sensor:***@" in reasons[0]
            postgres.start()
            assert answer(client, 200) == []


# In this process, where its parts can be stopped one by one


def in_process(app: FastAPI, *wanted: int) -> list[Any]:
    """Answers while the application runs, in the order of `wanted`; the last one afterwards."""

    async def ask() -> list[Any]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            found = [await client.get("/api/ready")]
            async with app.router.lifespan_context(app):
                for status in wanted:
                    found.append(await client.get("/api/ready"))
                    deadline = time.monotonic() + 10
                    while found[-1].status_code != status and time.monotonic() < deadline:
                        await asyncio.sleep(0.05)
                        found[-1] = await client.get("/api/ready")
            return [*found, await client.get("/api/ready")]

    return [(each.status_code, each.json()["reasons"]) for each in asyncio.run(ask())]


def test_before_its_first_look_and_while_it_shuts_down_it_is_not(tmp_path: Path) -> None:
    before, running, after = in_process(create_app(settings_for(tmp_path / "x.db")), 200)
    assert before == (503, ["live updates: have not looked for changes yet"])
    assert running == (200, [])
    assert after == (503, ["stopping: this server is shutting down"])
    dispose_engines()


def test_when_live_updates_do_not_look_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "_LOOKED_WITHIN_S", 1.0)
    app = create_app(settings_for(tmp_path / "x.db"))
    looked = app.state.live._news
    tries = 0

    def news() -> Any:
        nonlocal tries
        tries += 1
        if tries > 1:
            raise DatabaseUnavailable("away for live updates only")
        return looked()

    monkeypatch.setattr(app.state.live, "_news", news)
    # As where a server must be asked: then it looks each time.
    monkeypatch.setattr(app.state.context.store, "version_at_once", lambda: None)
    _, running, silent, _ = in_process(app, 200, 503)
    assert running == (200, [])
    assert silent == (503, ["live updates: have not looked for changes for 1 s"])
    dispose_engines()
