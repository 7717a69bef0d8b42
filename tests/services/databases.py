"""Empty databases for tests, of every kind that we support.

`database_url` runs a test once for each kind. A test that takes only some of them says
`@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)`; one that opens several
connections at a time says `@pytest.mark.many_connections`.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import ServiceUnavailable
from tests.services.postgres import PostgresServer

KINDS = ("sqlite", "postgres")
_SERVER = pytest.StashKey[PostgresServer]()
_SHOWN_OF_LOG = 4000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `database_url`, directly or through a fixture, runs on each kind."""
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "database_url" not in metafunc.fixturenames or "database_url" in chosen:
        return
    metafunc.parametrize("database_url", KINDS, indirect=True)


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


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of one kind, for this test alone."""
    kind: str = request.param
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'readings.db'}"
    server: PostgresServer = request.getfixturevalue(f"{kind}_server")
    request.node.stash[_SERVER] = server
    return server.fresh_database()


def _entered(stack: ExitStack, server: PostgresServer) -> PostgresServer:
    """In CI a missing service is a failure: a test that is always skipped proves nothing."""
    try:
        return stack.enter_context(server)
    except ServiceUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
