"""Empty databases for tests, of every kind that we support.

`database_url` runs a test once for each kind; `postgres_url` and `timescale_url` are of one kind.
A test that opens several connections at a time is marked `many_connections`, and does not run on
TimescaleDB, which has one. One that takes some kinds only says so:
`@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)`.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.services import ServiceUnavailable
from tests.services.postgres import PostgresServer
from tests.services.timescale import TimescaleServer

Server = PostgresServer | TimescaleServer
ServerT = TypeVar("ServerT", PostgresServer, TimescaleServer)

KINDS = ("sqlite", "postgres", "timescale")
ONE_CONNECTION = frozenset({"timescale"})
_SERVER = pytest.StashKey[Server]()
_SHOWN_OF_LOG = 4000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `database_url`, directly or through a fixture, runs on each kind."""
    if "database_url" not in metafunc.fixturenames:
        return
    marks = metafunc.definition.iter_markers("parametrize")
    if any("database_url" in str(mark.args[0]) for mark in marks):
        return  # the test chooses by itself
    many = metafunc.definition.get_closest_marker("many_connections") is not None
    kinds = [kind for kind in KINDS if not (many and kind in ONE_CONNECTION)]
    metafunc.parametrize("database_url", kinds, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failed test comes what the server of its database has written last."""
    report = yield
    server = item.stash.get(_SERVER, None)
    if report.failed and server is not None:
        report.sections.append(("log of the database", server.log[-_SHOWN_OF_LOG:]))
    return report


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests of a process; a test that stops it makes one of its own."""
    with ExitStack() as stack:
        yield _entered(stack, PostgresServer())


@pytest.fixture(scope="session")
def timescale_server() -> Iterator[TimescaleServer]:
    """One TimescaleDB for all tests of a process, which has one connection."""
    with ExitStack() as stack:
        yield _entered(stack, TimescaleServer())


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> str:
    """The URL of an empty PostgreSQL database for this test alone."""
    request.node.stash[_SERVER] = postgres_server
    return postgres_server.fresh_database()


@pytest.fixture
def timescale_url(request: pytest.FixtureRequest, timescale_server: TimescaleServer) -> str:
    """The URL of an empty TimescaleDB database for this test alone, on one connection."""
    request.node.stash[_SERVER] = timescale_server
    return timescale_server.fresh_database()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of one kind, for this test alone."""
    kind: str = request.param
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'readings.db'}"
    url: str = request.getfixturevalue(f"{kind}_url")
    return url


def _entered(stack: ExitStack, server: ServerT) -> ServerT:
    """In CI a missing service is a failure: a test that is always skipped proves nothing."""
    try:
        return stack.enter_context(server)
    except ServiceUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
