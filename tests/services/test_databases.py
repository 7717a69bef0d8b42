"""Every test gets an empty database, on each kind that it can run on."""

import sqlite3
from collections.abc import Iterator

import psycopg
import pytest

CREATE = "CREATE TABLE readings (temperature double precision)"


@pytest.fixture
def connection(database_url: str) -> Iterator[sqlite3.Connection | psycopg.Connection]:
    scheme, _, path = database_url.partition(":///")
    opened = sqlite3.connect(path) if scheme == "sqlite" else psycopg.connect(database_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("attempt", [1, 2])
def test_database_is_empty(
    connection: sqlite3.Connection | psycopg.Connection, attempt: int
) -> None:
    """The second attempt would find the table of the first."""
    connection.execute(CREATE)
    connection.commit()
    assert connection.execute("SELECT count(*) FROM readings").fetchone() == (0,)


@pytest.mark.many_connections
def test_kinds_that_a_test_gets(database_url: str, request: pytest.FixtureRequest) -> None:
    assert database_url.partition(":")[0] in {"sqlite", "postgresql"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_kind_that_a_test_chooses(database_url: str) -> None:
    assert database_url.startswith("sqlite:///")
