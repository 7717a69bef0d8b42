"""The PostgreSQL that other tests rely on: real, empty, separate, and gone when they are."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import adbc_driver_postgresql.dbapi
import psycopg
import pyarrow as pa
import pytest

from tests.services import ServiceUnavailable, postgres
from tests.services.postgres import SUPERUSER, PostgresServer
from tests.services.server import free_port

ROOT = Path(__file__).parents[2]
RELATIONS = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      AND relnamespace <> 'pg_toast'::regnamespace
"""
# Starts a server, says where, and waits to be killed.
WAITS = """
import sys, time
from tests.services.postgres import PostgresServer
with PostgresServer() as server:
    print(server.folder, server.port, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that these tests may stop."""
    with PostgresServer() as server:
        yield server


def _one(url: str, *statements: str) -> object:
    """Run them; the one value that the last of them gives."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        row = cursor.fetchone()
    assert row is not None
    return row[0]


def test_it_is_postgresql_18_and_what_tests_expect(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_database()
    assert str(_one(url, "SHOW server_version")).startswith("18.")
    assert _one(url, "SHOW server_encoding") == "UTF8"
    assert _one(url, "SHOW TimeZone") == "UTC"
    assert _one(url, "SHOW max_connections") == "100"
    assert _one(url, "SELECT 'a' < 'B'") is False, "texts sort by code point"


def test_databases_belong_to_a_user_who_may_little_else(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_database()
    assert _one(url, "SELECT usesuper FROM pg_user WHERE usename = current_user") is False
    assert _one(url, "CREATE TABLE mine AS SELECT 1", "SELECT count(*) FROM mine") == 1


@pytest.mark.parametrize("user", [postgres.USER, SUPERUSER])
def test_wrong_password_is_refused(postgres_server: PostgresServer, user: str) -> None:
    parts = urlsplit(postgres_server.url("postgres", user))
    wrong = urlunsplit(parts._replace(netloc=f"{user}:wrong@{parts.hostname}:{parts.port}"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_fresh_databases_are_empty_and_separate(postgres_server: PostgresServer) -> None:
    first = postgres_server.fresh_database()
    assert _one(first, "CREATE TABLE readings (value float8)", RELATIONS) == 1
    second = postgres_server.fresh_database()
    assert _one(second, RELATIONS) == 0
    assert _one(first, RELATIONS) == 1


def test_forgotten_connections_do_not_keep_a_database(postgres_server: PostgresServer) -> None:
    forgotten = psycopg.connect(postgres_server.fresh_database())
    forgotten.execute("CREATE TABLE readings (value float8)")
    for _ in range(2):
        url = postgres_server.fresh_database()
    assert _one(url, "SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'") == 2
    forgotten.close()


def test_arrow_goes_in_and_comes_out(postgres_server: PostgresServer) -> None:
    """ADBC has a libpq of its own."""
    table = pa.table({"temperature": pa.array([20.5, None, 80.25])})
    url = postgres_server.fresh_database()
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest("readings", table, mode="create") == 3
        cursor.execute("SELECT temperature FROM readings")
        assert cursor.fetch_arrow_table() == table


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_what_was_committed_survives_a_stop(own_server: PostgresServer, mode: str) -> None:
    url = own_server.fresh_database()
    connection = psycopg.connect(url)
    connection.execute("CREATE TABLE readings AS SELECT generate_series(1, 1000)")
    connection.commit()
    connection.execute("INSERT INTO readings VALUES (-1)")
    own_server.stop(mode)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)
    own_server.start()
    assert ("was not properly shut down" in own_server.log) is (mode == "immediate")
    assert _one(url, "SELECT count(*) FROM readings") == 1000


def test_durable_server_syncs() -> None:
    with PostgresServer(durable=True, settings={"work_mem": "8MB"}) as server:
        url = server.url("postgres")
        assert _one(url, "SHOW fsync") == _one(url, "SHOW full_page_writes") == "on"
        assert _one(url, "SHOW synchronous_commit") == "on"
        assert _one(url, "SHOW work_mem") == "8MB"
        folder = server.folder
        assert not folder.is_relative_to(postgres.MEMORY)
    assert not folder.exists()


def test_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(ServiceUnavailable, match='invalid value for parameter "shared_buffers"'),
        PostgresServer(settings={"shared_buffers": "none"}),
    ):
        pass


def test_another_port_where_one_was_taken(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding a free port and listening, somebody else may have been faster."""
    ports = iter([postgres_server.port, free_port()])
    monkeypatch.setattr("tests.services.postgres.free_port", lambda: next(ports))
    with PostgresServer() as server:
        assert server.port != postgres_server.port
        assert _one(server.url("postgres"), "SELECT 1") == 1


def test_programs_that_the_user_cannot_read_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout below /root."""
    if os.geteuid() != 0:
        pytest.skip("runs as the same user")
    monkeypatch.setattr(postgres, "_reachable", lambda path: False)
    with PostgresServer() as server:
        assert server._software.is_relative_to(server._folders[1])
        assert _one(server.url("postgres"), "SELECT 1") == 1


def test_what_is_below_a_private_folder_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "postgres"
    path.touch(0o755)
    tmp_path.chmod(0o700)
    assert not postgres._reachable(path)
    assert postgres._reachable(Path("/bin/sh"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        folder, port = starter.stdout.readline().split()
        postmaster = int(Path(folder, "data", "postmaster.pid").read_text().split()[0])
        starter.send_signal(number)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (_runs(postmaster) or Path(folder).exists()):
        time.sleep(0.02)
    assert not _runs(postmaster)
    assert not Path(folder).exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
