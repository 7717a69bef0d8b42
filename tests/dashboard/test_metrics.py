"""Figures for Prometheus: counted by route, of this application alone, and of what is stored."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dashboard import metrics
from dashboard.app import create_app
from pipeline import __version__
from pipeline.db_utils import dispose_engines
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.dashboard.heard import client_of, next_of
from tests.services.server import running_server, settings_for

Labels = frozenset[tuple[str, str]]


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.samples: dict[tuple[str, Labels], float] = {}
        self.of: dict[str, list[Sample]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self.samples, f"twice: {key}"
                self.samples[key] = sample.value
                self.of.setdefault(sample.name.removeprefix("smart_sensor_"), []).append(sample)

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get((f"smart_sensor_{name}", frozenset(labels.items())), 0.0)

    def by(self, name: str, label: str) -> dict[str, float]:
        return {each.labels[label]: each.value for each in self.of.get(name, [])}


def scraped(client: httpx.Client) -> Scraped:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return Scraped(response.text)


def requests(found: Scraped, route: str, status: int = 200, method: str = "GET") -> float:
    return found.value("http_requests_total", method=method, route=route, status=str(status))


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("metrics")
    made.load(folder / "readings.db", made.sample_csv(folder / "sample.csv"))
    made.load(folder / "readings.db", made.faulty_csv(folder / "faulty.csv"))
    yield from asked(folder)


# Requests


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/kpis?date=2025-07-13", "/api/kpis", 200),
        ("/api/kpis?date=x", "/api/kpis", 400),
        ("/api/kpis?rig=nobody", "/api/kpis", 404),
        ("/api/download?format=parquet", "/api/download", 200),
        ("/metrics", "/metrics", 200),
        ("/dashboard", "/dashboard", 200),
        ("/static/main.js", "/static", 200),
        ("/static/none.js", "/static", 404),
    ],
)
def test_requests_are_counted_by_route_and_status(
    lone: Asked, path: str, route: str, status: int
) -> None:
    before = scraped(lone.client)
    for _ in range(3):
        assert lone.client.get(path).status_code == status
    after = scraped(lone.client)
    own = 1 if path == "/metrics" else 0
    assert requests(after, route, status) - requests(before, route, status) == 3 + own
    name, labels = "http_request_seconds_count", {"method": "GET", "route": route}
    assert after.value(name, **labels) - before.value(name, **labels) == 3 + own


def test_what_nobody_can_foresee_makes_no_new_label(lone: Asked) -> None:
    """Or whoever asks for made-up addresses fills the memory of server and Prometheus."""
    before = scraped(lone.client)
    for number in range(20):
        lone.get(f"/nothing/{number}")
    for method in ("PROPFIND", "REPORT", "SEARCH", "TRACE"):
        lone.client.request(method, "/api/kpis")
    after = scraped(lone.client)
    assert requests(after, "other", 404) - requests(before, "other", 404) == 20
    assert requests(after, "/api/kpis", 405, "other") == 4
    assert len(after.samples) - len(before.samples) < 60


def test_latency_is_that_of_the_first_byte(lone: Asked) -> None:
    lone.get("/api/kpis")
    found = scraped(lone.client)
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for sample in found.of["http_request_seconds_bucket"]
        if (sample.labels["method"], sample.labels["route"]) == ("GET", "/api/kpis")
    ]
    bounds = [bound for bound, _ in buckets]
    assert bounds == [*metrics._BUCKETS_S, float("inf")]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == found.value("http_request_seconds_count", method="GET", route="/api/kpis")


def test_an_error_of_ours_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(settings_for(tmp_path / "x.db"))

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app.state.context.store, "rigs", fail)

    async def ask() -> str:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            assert (await client.get("/api/rigs")).status_code == 500
            monkeypatch.undo()
            return (await client.get("/metrics")).text

    assert requests(Scraped(asyncio.run(ask())), "/api/rigs", 500) == 1
    dispose_engines()


def test_two_applications_count_for_themselves(tmp_path: Path) -> None:
    """In one process, as tests and larger applications have them."""

    async def count(name: str, times: int) -> float:
        app = create_app(settings_for(tmp_path / name))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            for _ in range(times):
                await client.get("/api/health")
            return requests(Scraped((await client.get("/metrics")).text), "/api/health")

    assert [asyncio.run(count("a.db", 2)), asyncio.run(count("b.db", 5))] == [2, 5]
    dispose_engines()


# The process


def test_kept_answers_are_counted(lone: Asked) -> None:
    question = "/api/trends?points=77&rig=rig-1"
    before = scraped(lone.client)
    first = lone.client.get(question)
    once = scraped(lone.client)
    for _ in range(4):
        lone.client.get(question)
    after = scraped(lone.client)
    assert once.value("answers_misses_total") - before.value("answers_misses_total") == 1
    assert after.value("answers_hits_total") - once.value("answers_hits_total") == 4
    assert after.value("answers_misses_total") == once.value("answers_misses_total")
    kept = after.value("answers_kept_bytes") - before.value("answers_kept_bytes")
    assert 0 < kept <= len(first.content)


def test_websockets_are_counted(lone: Asked) -> None:
    with client_of(lone.server.socket_url) as one, client_of(lone.server.socket_url) as other:
        next_of(one, "snapshot")
        next_of(other, "snapshot")
        found = scraped(lone.client)
        assert found.value("websocket_clients") == 2
        assert found.value("websocket_messages_dropped_total") == 0
    deadline = time.monotonic() + 10
    while scraped(lone.client).value("websocket_clients") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert scraped(lone.client).value("websocket_clients") == 0


def test_it_says_what_runs_here(lone: Asked) -> None:
    (info,) = scraped(lone.client).of["build_info"]
    assert info.value == 1
    assert (info.labels["version"], info.labels["backend"]) == (__version__, "sqlite")


def test_openmetrics_for_those_who_ask_for_it(lone: Asked) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = lone.client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics.text_string_to_metric_families(response.text)}
    assert {"smart_sensor_http_requests", "smart_sensor_readings"} <= names


# What is stored


def test_loads_rejects_and_readings_are_those_of_the_tables(lone: Asked) -> None:
    found = scraped(lone.client)
    loads = dict(lone.sql("SELECT status, count(*) FROM sensor_data_loads GROUP BY 1"))
    rejects = dict(lone.sql("SELECT reason, count(*) FROM sensor_data_rejects GROUP BY 1"))
    readings = dict(lone.sql("SELECT rig, count(*) FROM sensor_data GROUP BY 1"))
    assert found.by("loads", "status") == loads == {"complete": 2}
    assert found.by("rejected_rows", "reason") == rejects
    assert set(rejects) == {"missing_value", "out_of_range", "unparsable"}
    assert found.by("readings", "rig") == readings
    ((last,),) = lone.sql("SELECT max(timestamp) FROM sensor_data")
    assert found.value("last_reading_timestamp_seconds", rig="rig-1") == last / 1e6


def test_names_of_rigs_break_nothing(house: Asked) -> None:
    readings = dict(house.sql("SELECT rig, count(*) FROM sensor_data GROUP BY 1"))
    found = scraped(house.client)
    assert set(made.NASTY_NAMES) < set(readings)
    assert found.by("readings", "rig") == readings
    assert found.value("rigs") == len(readings)


def test_of_very_many_rigs_only_some_are_time_series(
    house: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_MOST_RIGS", 2)
    app = create_app(settings_for(house.database))
    text = metrics.choose_encoder("")[0](app.state.metrics.registry).decode()
    assert len(Scraped(text).of["readings"]) == 2
    assert Scraped(text).value("rigs") > 2
    dispose_engines()


def test_what_has_not_changed_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "x.db"
    app = create_app(settings_for(database))
    store, registry = app.state.context.store, app.state.metrics.registry
    asked_for = 0
    real = store.accounts

    def accounts() -> Any:
        nonlocal asked_for
        asked_for += 1
        return real()

    monkeypatch.setattr(store, "accounts", accounts)

    def scrape() -> Scraped:
        return Scraped(metrics.choose_encoder("")[0](registry).decode())

    assert asked_for == 0, "the start asks for nothing"
    assert [scrape().value("rigs") for _ in range(3)] == [0, 0, 0]
    assert asked_for == 1
    with made.live_writer(database) as writer:
        writer.write(made.live_rows(made.START, [50.0]))
    assert scrape().by("readings", "rig") == {"rig-1": 1}
    assert asked_for == 2
    store.close()


def test_without_a_database_the_rest_is_there(lone: Asked) -> None:
    away = lone.database.with_suffix(".away")
    lone.database.rename(away)
    found = scraped(lone.client)
    away.rename(lone.database)
    assert found.value("database_up") == 0
    assert "readings" not in found.of
    assert requests(found, "/metrics") > 0
    assert scraped(lone.client).value("database_up") == 1


def test_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    for make in (made.sample_csv, made.faulty_csv):
        made.load(tmp_path / "x.db", make(tmp_path / "x.csv"), database_url=postgres_url)
    dispose_engines()
    with (
        running_server(tmp_path, database_url=postgres_url, database_pool_size=3) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        assert len(client.get("/api/download").text.splitlines()) == 101
        found = scraped(client)
    with made.engine_of(postgres_url).connect() as connection:
        reasons = sa.text("SELECT reason, count(*) FROM sensor_data_rejects GROUP BY 1")
        assert found.by("rejected_rows", "reason") == dict(connection.execute(reasons).all())
    assert found.by("loads", "status") == {"complete": 2}
    assert found.by("readings", "rig") == {"rig-1": 100}
    (info,) = found.of["build_info"]
    assert info.labels["backend"] == "postgresql"
    for pool in ("questions", "files"):
        connections = {
            state: found.value("database_connections", pool=pool, state=state)
            for state in ("in_use", "idle", "overflow")
        }
        assert connections["in_use"] == connections["overflow"] == 0
        assert 1 <= connections["idle"] <= 3
