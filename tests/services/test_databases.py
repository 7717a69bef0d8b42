"""Every test gets an empty database, on each kind that it can run on."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
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


PROBE = """
import psycopg
import pytest
from tests.services import ServiceUnavailable
from tests.services.timescale import TimescaleServer

@pytest.fixture(scope="session", autouse=True)
def nothing_for_this_system():
    def refuse(self):
        raise ServiceUnavailable("not for this system")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimescaleServer, "__enter__", refuse)
        yield

def test_all(database_url):
    pass

@pytest.mark.many_connections
def test_many(database_url):
    pass

@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one(database_url):
    pass

def test_fails(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SELECT nonsense")
"""


@pytest.mark.parametrize(
    ("ci", "missing"),
    [pytest.param("", "SKIPPED", id="at home"), pytest.param("true", "ERROR", id="in CI")],
)
def test_kinds_a_test_gets_and_what_it_is_told(tmp_path: Path, ci: str, missing: str) -> None:
    (tmp_path / "test_probe.py").write_text(PROBE, encoding="utf-8")
    plugins = ["-p", "tests.services.databases", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", *plugins, "-c", ROOT / "pyproject.toml", tmp_path],
        cwd=ROOT,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    summary = done.stdout.partition("short test summary info")[2]
    ran = {line.partition("::")[2] for line in summary.splitlines() if line.startswith("PASSED")}
    wanted = {"test_all[sqlite]", "test_all[postgres]", "test_many[sqlite]", "test_many[postgres]"}
    assert ran == {*wanted, "test_one[sqlite]"}, done.stdout
    told = [line for line in summary.splitlines() if line.startswith(missing)]
    assert ["not for this system" in line for line in told] == [True]
    log = done.stdout.partition("log of the database")[2]
    assert 'ERROR:  column "nonsense" does not exist' in log
