"""Whatever goes wrong is said in one shape, and a database that is away is waited for."""

import asyncio
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dashboard import problems
from dashboard.arrivals import Arrivals
from pipeline.errors import SmartSensorError
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked

FILTERED = ("/api/kpis", "/api/trends", "/api/summary", "/api/alerts", "/api/download")
LIMITED = ("/api/alerts", "/api/loads")


def assert_problem(response: httpx.Response, status: int, *words: str) -> None:
    """The one shape of RFC 9457, with words that help, and nothing of the inside."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"] == HTTPStatus(status).phrase
    assert body["instance"] == httpx.URL(response.request.url).path
    for word in words:
        assert word in body["detail"], body["detail"]
    assert "Traceback" not in response.text
    assert 'File "' not in response.text


# 400


@pytest.mark.parametrize("path", FILTERED)
@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("date=13.07.2025", ["13.07.2025", "YYYY-MM-DD"], id="day of another kind"),
        pytest.param("date=2025-02-30", ["2025-02-30", "YYYY-MM-DD"], id="no such day"),
        pytest.param("date=2025-7-3", ["YYYY-MM-DD"], id="day of one digit"),
        pytest.param("date=20250713", ["YYYY-MM-DD"], id="day without hyphens"),
        pytest.param("date=", ["YYYY-MM-DD"], id="empty day"),
        pytest.param("date=2025-07-13%00", ["YYYY-MM-DD"], id="null character"),
        pytest.param("date=%D9%A2025-07-13", ["YYYY-MM-DD"], id="digit of another script"),
        pytest.param("start=yesterday", ["start", "yesterday", "2025-07-13T08:00:00Z"], id="word"),
        pytest.param("end=2025-07-13T25:00:00", ["end", "2025-07-13T25:00:00"], id="hour 25"),
        pytest.param("start=", ["start"], id="empty start"),
        pytest.param(
            "start=2025-07-14&end=2025-07-13", ["2025-07-14", "2025-07-13", "before"], id="reversed"
        ),
        pytest.param("start=2025-07-13&end=2025-07-13", ["before"], id="nothing between"),
        pytest.param("date=2025-07-13&start=2025-07-13", ["date", "start"], id="both"),
        pytest.param("date=2025-07-13&end=2025-07-13", ["date", "end"], id="both ends"),
        pytest.param("start=0001-01-01T00:00:00%2B14:00", ["start"], id="before all years"),
        pytest.param("end=9999-12-31T23:59:59-14:00", ["end"], id="after all years"),
    ],
)
def test_a_malformed_filter_is_a_bad_request(
    house: Asked, path: str, query: str, words: list[str]
) -> None:
    assert_problem(house.client.get(f"{path}?{query}"), 400, *words)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("/api/trends?points=9", ["points", "9", "10"]),
        ("/api/trends?points=10001", ["points", "10001", "10000"]),
        ("/api/trends?points=many", ["points", "many"]),
        ("/api/trends?points=1e3", ["points"]),
        ("/api/trends?points=", ["points"]),
        ("/api/alerts?limit=0", ["limit", "0"]),
        ("/api/alerts?limit=-1", ["limit"]),
        ("/api/alerts?level=normal", ["level", "normal", "yellow", "red"]),
        ("/api/loads?limit=1001", ["limit", "1001"]),
        ("/api/download?format=xlsx", ["format", "xlsx", "csv"]),
    ],
)
def test_a_parameter_that_is_not_allowed_is_a_bad_request(
    house: Asked, query: str, words: list[str]
) -> None:
    assert_problem(house.client.get(query), 400, *words)


def test_a_malformed_date_is_one_even_where_nothing_is_stored(empty: Asked) -> None:
    for path in FILTERED:
        assert_problem(empty.get(path, date="13.07.2025"), 400, "YYYY-MM-DD")


# 404


@pytest.mark.parametrize("path", FILTERED)
@pytest.mark.parametrize(
    "name", ["nobody", "", "RIG-1", "' OR 1=1 --", '"; DROP TABLE sensor_data; --', "\u0000", "%"]
)
def test_an_unknown_rig_is_not_found(house: Asked, path: str, name: str) -> None:
    assert_problem(house.get(path, rig=name), 404, repr(name), "rig-1", "shaker-7")


@pytest.mark.parametrize("path", FILTERED)
def test_an_empty_range_is_not_found_and_says_what_there_is(house: Asked, path: str) -> None:
    there = ("rig-1", "2025-07-13T00:00:00Z", "2025-07-13T11:54:00Z")
    assert_problem(house.get(path, date="1999-12-31"), 404, *there)
    assert_problem(house.get(path, start="2025-07-13T11:54:00.000001Z"), 404, *there)
    assert_problem(house.get(path, end="2025-07-13T00:00:00Z"), 404, *there)


@pytest.mark.parametrize("path", FILTERED)
def test_an_empty_database_is_not_found_and_says_what_to_do(empty: Asked, path: str) -> None:
    assert_problem(empty.get(path), 404, "smart-sensor etl")
    assert_problem(empty.get(path, rig="rig-1"), 404, "rig-1", "none yet")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/",
        "/api/nothing",
        "/static/nothing.js",
        "/static/",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/../../pyproject.toml",
        "/docs",
        "/redoc",
        "/.env",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
def test_an_unknown_path_is_not_found(house: Asked, path: str) -> None:
    # As it is written: httpx would tidy up the dots.
    request = house.client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    response = house.client.send(request)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith("there is no page /")


# 405


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [*FILTERED, "/api/rigs", "/api/rejects", "/api/health", "/dashboard", "/", "/static/x.js"],
)
def test_nothing_can_be_written(house: Asked, method: str, path: str) -> None:
    response = house.client.request(method, path)
    assert_problem(response, 405, method)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_ledger_is_only_added_to(house: Asked, method: str) -> None:
    assert_problem(house.client.request(method, "/api/loads"), 405, method)


def test_a_method_that_is_not_possible_says_which_are(house: Asked) -> None:
    assert house.client.post("/api/kpis").headers["allow"] == "GET"
    assert set(house.client.post("/dashboard").headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_a_web_socket_is_no_page(house: Asked) -> None:
    assert house.get("/ws/data").status_code == 404


# 500


def test_an_error_of_ours_says_nothing_of_the_inside() -> None:
    """No such error is known: one is put in, in this process."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Arrivals)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret")

    @app.get("/refused")
    def refused() -> None:
        raise SmartSensorError("the rig file says so")

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    assert_problem(asyncio.run(ask("/broken")), 500, "log")
    assert "secret" not in asyncio.run(ask("/broken")).text
    assert_problem(asyncio.run(ask("/refused")), 500, "the rig file says so")


# A database that is away


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server whose database comes to harm."""
    folder = tmp_path_factory.mktemp("lone")
    database = folder / "readings.db"
    made.load(database, made.plain_csv(folder / "plain.csv", 10))
    yield from asked(folder, database=database)


def files_of(database: Path) -> list[Path]:
    beside = [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]
    return [path for path in beside if path.exists()]


@pytest.fixture
def away(lone: Asked, tmp_path: Path) -> Iterator[Path]:
    """The path of the database, from which it has been taken away until the test ends."""
    lone.json("/api/kpis")
    taken = [(path, tmp_path / path.name) for path in files_of(lone.database)]
    for path, elsewhere in taken:
        path.rename(elsewhere)
    yield lone.database
    for path in files_of(lone.database):
        path.unlink()
    for path, elsewhere in taken:
        elsewhere.rename(path)


def asked_anew(server: Asked, path: str) -> httpx.Response:
    """Over a connection of its own: after an error of the server the old one may be closed."""
    return httpx.get(f"{server.server.url}{path}", timeout=10.0)


def assert_unavailable(server: Asked) -> None:
    started = time.monotonic()
    response = asked_anew(server, "/api/health")
    assert time.monotonic() - started < 2
    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["database"]) == ("unavailable", "unreachable")
    assert (body["rows"], body["last_reading"], body["backend"]) == (None, None, "sqlite")
    for path in (*FILTERED, "/api/rigs", "/api/loads"):
        response = asked_anew(server, path)
        assert_problem(response, 503)
        assert response.headers["retry-after"]


def test_without_its_database_the_server_says_so_and_the_page_still_comes(
    lone: Asked, away: Path
) -> None:
    assert_unavailable(lone)
    assert lone.get("/dashboard").status_code == 200
    assert not away.exists(), "asking has made a new database"


def test_when_the_database_is_back_it_is_used_again(
    lone: Asked, away: Path, tmp_path: Path
) -> None:
    assert_unavailable(lone)
    for path in files_of(tmp_path / away.name):
        shutil.copy(path, away.parent / path.name)
    # A copy, so another file: it is opened anew.
    assert lone.json("/api/health")["rows"] == 10
    assert lone.json("/api/kpis")["total_records"] == 10


def test_live_clients_are_told_to_try_again_and_those_that_are_there_wait(
    lone: Asked, away: Path, tmp_path: Path
) -> None:
    url = lone.server.socket_url
    with connect(url, open_timeout=5) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=5)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1013
    for path in files_of(tmp_path / away.name):
        shutil.copy(path, away.parent / path.name)
    with connect(url, open_timeout=5) as client:
        assert json.loads(client.recv(timeout=5))["total_records"] == 10
        for path in files_of(away):
            path.unlink()
        assert_unavailable(lone)
        for path in files_of(tmp_path / away.name):
            shutil.copy(path, away.parent / path.name)
        with made.live_writer(away) as writer:
            writer.write(made.live_rows(made.START + timedelta(hours=1), [50.0]))
        # Whether as a change or as a refresh: it hears of it.
        assert json.loads(client.recv(timeout=5))["type"] in ("change", "refresh")


@pytest.mark.parametrize("first", ["/api/download", "/api/kpis", "/api/rigs"])
def test_another_database_in_its_place_is_seen_at_once(
    lone: Asked, away: Path, tmp_path: Path, first: str
) -> None:
    """Whatever is asked first: no answer comes from the file that is no longer there."""
    other = tmp_path / "other.db"
    made.load(other, made.plain_csv(tmp_path / "other.csv", 7))
    other.rename(away)
    response = lone.get(first)
    assert response.status_code == 200
    assert response.text.count("rig-1") in (1, 7)
    assert lone.json("/api/kpis")["total_records"] == 7


def no_database(path: Path) -> None:
    path.write_text("no database\n" * 500)


def a_strangers_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE sensor_data (id INTEGER)")


@pytest.mark.parametrize("put", [no_database, a_strangers_database])
def test_what_is_not_our_database_is_as_good_as_none(
    lone: Asked, away: Path, put: Callable[[Path], None]
) -> None:
    put(away)
    assert_unavailable(lone)


def test_after_all_that_the_server_is_as_it_was(lone: Asked) -> None:
    assert lone.json("/api/health")["rows"] == 10
    assert lone.json("/api/kpis")["total_records"] == 10


@pytest.fixture
def writing(lone: Asked) -> Iterator[sqlite3.Connection]:
    """A long write of another program, which is not finished."""
    with closing(sqlite3.connect(lone.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM sensor_data")
        yield connection
        connection.execute("ROLLBACK")


def test_somebodys_write_delays_no_answer(
    lone: Asked, writing: sqlite3.Connection, tmp_path: Path
) -> None:
    for question in range(2):
        end = f"2025-07-13T00:0{question + 3}:00Z"
        for path in FILTERED:
            started = time.monotonic()
            response = lone.get(path, end=end)
            assert response.status_code == 200, path
            assert time.monotonic() - started < 2
    assert lone.json("/api/health")["rows"] == 10
    assert writing.in_transaction


def test_somebodys_write_delays_no_start(
    lone: Asked, writing: sqlite3.Connection, tmp_path: Path
) -> None:
    """A load of an hour must not keep people from looking at what is there."""
    started = time.monotonic()
    server: Any = asked(tmp_path, database=lone.database)
    other = next(server)
    assert other.json("/api/health")["rows"] == 10
    assert time.monotonic() - started < 15
    next(server, None)
    assert writing.in_transaction


def test_a_folder_in_the_place_of_the_database_is_as_good_as_none(tmp_path: Path) -> None:
    """It cannot even be opened; when the database is back, so is everything."""
    database, elsewhere = tmp_path / "readings.db", tmp_path / "elsewhere.db"
    made.load(database, made.plain_csv(tmp_path / "plain.csv", 10))
    server = asked(tmp_path, database=database)
    other = next(server)
    database.rename(elsewhere)
    database.mkdir()
    assert_unavailable(other)
    database.rmdir()
    elsewhere.rename(database)
    assert other.json("/api/health")["rows"] == 10
    next(server, None)
