"""The TimescaleDB that other tests rely on: real, empty, for one client at a time."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.services.timescale import TimescaleServer

ROOT = Path(__file__).parents[2]
START = datetime(2025, 1, 1, tzinfo=UTC)
HYPERTABLE = """
    CREATE TABLE readings (rig text NOT NULL, timestamp timestamptz NOT NULL, temperature float8)
    WITH (tsdb.hypertable, tsdb.partition_column='timestamp', tsdb.segmentby='rig',
        tsdb.orderby='timestamp desc', tsdb.chunk_interval='1 day')
"""
STARTUP = b"\0\0\0\x2d\0\3\0\0user\0postgres\0database\0smart_sensor\0\0"
# Starts a server, says where, and waits to be killed.
WAITS = """
import time
from tests.services.timescale import TimescaleServer
with TimescaleServer() as server:
    print(server.port, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def connection(timescale_url: str) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(timescale_url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def own_server() -> Iterator[TimescaleServer]:
    """A server that these tests may crash; nobody waits long for it."""
    with TimescaleServer(wait_s=0.1) as server:
        yield server


def _one(connection: psycopg.Connection, statement: str, *parameters: Any) -> Any:
    row = connection.execute(statement.encode(), parameters or None).fetchone()
    assert row is not None
    return row[0]


def test_it_is_timescaledb_on_postgresql(connection: psycopg.Connection) -> None:
    extension = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
    assert _one(connection, extension).startswith("2.23.")
    assert connection.info.server_version // 10_000 == 17
    assert connection.info.parameter_status("TimeZone") == "UTC"
    assert _one(connection, "SHOW timescaledb.license") == "timescale"


def test_hypertable_with_compression_settings(connection: psycopg.Connection) -> None:
    connection.execute(HYPERTABLE)
    row = connection.execute(
        "SELECT segmentby, orderby FROM timescaledb_information.hypertable_compression_settings"
    ).fetchone()
    assert row == ("rig", '"timestamp" DESC')


def test_continuous_aggregate(connection: psycopg.Connection) -> None:
    connection.autocommit = True
    connection.execute(HYPERTABLE)
    connection.execute(
        "INSERT INTO readings SELECT 'rig-1', %s, g FROM generate_series(1, 9) g", [START]
    )
    connection.execute(
        "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS"
        " SELECT rig, time_bucket('1 hour', timestamp) AS hour, sum(temperature)"
        " FROM readings GROUP BY 1, 2 WITH NO DATA"
    )
    assert _one(connection, "SELECT count(*) FROM hourly") == 0
    connection.execute("CALL refresh_continuous_aggregate('hourly', NULL, NULL)")
    assert connection.execute("SELECT * FROM hourly").fetchall() == [("rig-1", START, 45.0)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"user": "somebody"}, 'role "somebody" does not exist', id="user"),
        pytest.param({"dbname": "other"}, 'database "other" does not exist', id="database"),
    ],
)
def test_wrong_names_are_refused(timescale_url: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=message):
        psycopg.connect(timescale_url, **wrong)


def test_second_client_waits_for_the_first(timescale_url: str) -> None:
    first = psycopg.connect(timescale_url)
    answers: list[int] = []

    def second() -> None:
        with psycopg.connect(timescale_url) as connection:
            answers.append(_one(connection, "SELECT 2"))

    thread = threading.Thread(target=second)
    thread.start()
    time.sleep(0.2)
    assert _one(first, "SELECT 1") == 1
    assert answers == []
    first.close()
    thread.join(5)
    assert answers == [2]


def test_client_that_waits_too_long_is_told_why(own_server: TimescaleServer) -> None:
    with (
        psycopg.connect(own_server.url),
        pytest.raises(psycopg.OperationalError, match=r"not free within 0\.1 s"),
    ):
        psycopg.connect(own_server.url)


def test_client_that_gives_up_waiting_is_forgotten(
    timescale_server: TimescaleServer, timescale_url: str
) -> None:
    first = psycopg.connect(timescale_url)
    with socket.create_connection(("127.0.0.1", timescale_server.port)) as second:
        second.sendall(STARTUP)
        time.sleep(0.1)
    first.close()
    with psycopg.connect(timescale_url) as third:
        assert _one(third, "SELECT 3") == 3


@pytest.mark.parametrize("at", ["transaction", "copy", "message"])
def test_client_that_vanishes_leaves_nothing(timescale_url: str, at: str) -> None:
    connection = psycopg.connect(timescale_url)
    connection.execute("CREATE TABLE notes (id int)")
    connection.commit()
    connection.execute("INSERT INTO notes VALUES (1)")
    connection.execute("CREATE TEMPORARY TABLE staged (id int)")
    connection.execute("SET search_path = nowhere")
    if at == "copy":
        connection.pgconn.exec_(b"COPY public.notes FROM STDIN")
        connection.pgconn.put_copy_data(b"2\n")
    if at == "message":
        os.write(connection.fileno(), b"Q\0\0\0\x40SELECT")
    with socket.socket(fileno=os.dup(connection.fileno())) as raw:
        raw.shutdown(socket.SHUT_RDWR)
    with psycopg.connect(timescale_url) as other:
        assert _one(other, "SELECT count(*) FROM notes") == 0
        assert _one(other, "SELECT to_regclass('staged')") is None
    connection.close()


def test_database_is_empty_again(timescale_server: TimescaleServer) -> None:
    """All in place, without starting the server again."""
    with psycopg.connect(timescale_server.fresh_database(), autocommit=True) as connection:
        for statement in (
            HYPERTABLE,
            "INSERT INTO readings SELECT 'rig-1', now() + g * interval '1 hour', g"
            " FROM generate_series(1, 100) g",
            "SELECT compress_chunk(chunk) FROM show_chunks('readings') chunk",
            "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS"
            " SELECT time_bucket('1 hour', timestamp) AS hour, sum(temperature)"
            " FROM readings GROUP BY 1",
            "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS"
            " SELECT time_bucket('1 day', hour) AS day, sum(sum) FROM hourly GROUP BY 1",
            "SELECT add_continuous_aggregate_policy('hourly', NULL, '1 hour', '1 hour')",
            "SELECT add_retention_policy('readings', interval '1 year')",
            "CREATE TYPE level AS ENUM ('normal', 'red')",
            "CREATE TABLE alerts (id serial PRIMARY KEY, level level)",
            "CREATE VIEW red AS SELECT * FROM alerts WHERE level = 'red'",
            "CREATE FUNCTION wake() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER wake AFTER INSERT ON alerts EXECUTE FUNCTION wake()",
            "CREATE SCHEMA other CREATE TABLE things (id int)",
        ):
            connection.execute(statement.encode())
    port = timescale_server.port
    assert timescale_server._cleaned()
    with psycopg.connect(timescale_server.fresh_database(), autocommit=True) as connection:
        connection.execute(HYPERTABLE)
    assert timescale_server.port == port


def test_server_starts_again_where_something_cannot_be_dropped(own_server: TimescaleServer) -> None:
    with psycopg.connect(own_server.fresh_database()) as connection:
        connection.execute("CREATE ROLE somebody")
    with psycopg.connect(own_server.fresh_database()) as connection:
        assert _one(connection, "SELECT count(*) FROM pg_roles WHERE rolname = 'somebody'") == 0


def test_server_starts_again_after_a_crash(own_server: TimescaleServer) -> None:
    """The engine knows no encoding but its own, and dies of any other."""
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own_server.fresh_database(), client_encoding="LATIN1")
    with psycopg.connect(own_server.fresh_database()) as connection:
        assert _one(connection, "SELECT 1") == 1
    assert "TypeError" in own_server.log


def test_it_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _listens(port):
        time.sleep(0.02)
    assert not _listens(port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
