"""Servers that the tests of the dashboard ask."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from dashboard.app import create_dashboard
from tests.dashboard import made
from tests.services.postgres import PostgresServer
from tests.services.server import Server, running_server, settings_for


@dataclass
class Asked:
    """A server and a client for it."""

    server: Server
    client: httpx.Client

    @property
    def database(self) -> Path:
        return self.server.database

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.client.get(path, params=parameters)

    def json(self, path: str, **parameters: Any) -> Any:
        """The answer to a question that has one."""
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        return response.json()

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return made.query(self.database, statement, *values)

    @cached_property
    def rigs(self) -> dict[str, Any]:
        return {rig["name"]: rig for rig in self.json("/api/rigs")["rigs"]}


def asked(folder: Path, *command: str, **options: Any) -> Iterator[Asked]:
    """For fixtures: a server in `folder` and a client for it."""
    with running_server(folder, *command, **options) as server:
        with httpx.Client(base_url=server.url, timeout=30.0) as client:
            yield Asked(server, client)


def show(page: Page, server: Server | Asked, query: str = "", state: str = "ready") -> Page:
    """The dashboard of a server, once it is in the state."""
    url = server.url if isinstance(server, Server) else server.server.url
    page.goto(f"{url}/dashboard{query}")
    page.wait_for_selector(f"body[data-state={state}]", timeout=10_000)
    return page


def database_in_turn(request: pytest.FixtureRequest, folder: Path, name: str) -> str:
    """The URL of a database of its own, on the kind that the parameter of a fixture says."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'readings.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(name)


def download_scope(rig: str) -> dict[str, Any]:
    """A request for a download, as a server hands it to an application."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/api/download",
        "query_string": f"rig={rig}".encode(),
        "headers": [],
    }


def dashboard_page(folder: Path, **settings: Any) -> str:
    """The page's HTML as this process makes it."""
    app = create_dashboard(settings_for(folder / "page.db", **settings))

    async def ask() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get("/dashboard")).text

    # In a thread of its own: beside a browser no other event loop can run.
    with ThreadPoolExecutor(1) as threads:
        text = threads.submit(asyncio.run, ask()).result()
    app.state.context.store.close()
    return text


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server whose database has many rigs, which nobody writes to."""
    folder = tmp_path_factory.mktemp("house")
    database = folder / "readings.db"
    made.load(database, made.sample_csv(folder / "sample.csv"))
    made.load(database, made.faulty_csv(folder / "faulty.csv"))
    made.load(database, made.vibration_csv(folder / "vibration.csv"), made.vibration_rig())
    made.load(database, made.DATA / "KNSB_250220_pressure_raw.csv", made.static_fire_rig())
    made.load(database, made.spiky_csv(folder / "spiky.csv"))
    made.load(database, made.nasty_csv(folder / "nasty.csv"))
    # The second time of an hour that occurs twice.
    with made.live_writer(database, made.vibration_rig()) as writer:
        writer.write(made.second_time())
    yield from asked(folder, database=database)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server whose database has no readings, and gets none."""
    yield from asked(tmp_path_factory.mktemp("empty"))
