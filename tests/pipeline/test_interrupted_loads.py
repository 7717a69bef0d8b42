"""A load is there as a whole or not at all, whatever happens to its process, and beside others."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pipeline.db_utils import dispose_engines
from pipeline.etl_pipeline import run_etl
from pipeline.settings import load_settings
from pipeline.simulate import write_csv
from pipeline.stores import open_store
from tests.services.postgres import PostgresServer

if os.name == "nt":
    pytest.skip("kill -9 and forks are of POSIX", allow_module_level=True)

from tests.pipeline.child_process import loading, moments

ROWS = 100_000
KILLS = 8


@dataclass(frozen=True)
class State:
    """What is in the tables."""

    readings: int
    rejects: int
    loads: int
    changes: int
    warmest: float


def ask(url: str, statement: str) -> list[Any]:
    engine = sa.create_engine(load_settings(database_url=url).database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).all())


def state(url: str) -> State:
    """The state of a database, which must be sound and agree with its ledger."""
    with closing(open_store(load_settings(database_url=url))) as store:
        assert store.check() == []
    dispose_engines()
    loads = ask(
        url, "SELECT id, status, accepted, readings_replaced, rejected FROM sensor_data_loads"
    )
    stored = dict(map(tuple, ask(url, "SELECT load_id, count(*) FROM sensor_data GROUP BY 1")))
    counts = [
        ask(url, f"SELECT count(*) FROM sensor_data{table}")[0][0]  # noqa: S608  # names of ours
        for table in ("", "_rejects", "_changes")
    ]
    ((warmest,),) = ask(url, "SELECT max(temperature) FROM sensor_data")
    assert {load.status for load in loads} == {"complete"}
    for load in loads:
        assert stored.get(load.id, 0) == load.accepted - load.readings_replaced
    assert counts[1] == sum(load.rejected for load in loads)
    assert counts[2] == len(loads)
    return State(counts[0], counts[1], len(loads), counts[2], warmest)


class Databases:
    """Databases of one kind that begin with what an earlier load has left."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self._folder = folder
        self._server = server
        self._number = 0
        self.old = self._new()

    def fresh(self) -> str:
        """Another one, with the same beginning."""
        dispose_engines()
        if self._server is None:
            url = self._new()
            shutil.copy(self.old.removeprefix("sqlite:///"), url.removeprefix("sqlite:///"))
            return url
        return self._new(template=str(sa.make_url(self.old).database))

    def empty(self) -> str:
        return self._new()

    def _new(self, template: str = "template0") -> str:
        self._number += 1
        if self._server is None:
            return f"sqlite:///{self._folder}/{self._number}.db"
        name = f"interrupted_{self._number}"
        self._server._administer(
            f"CREATE DATABASE {name} OWNER smart_sensor TEMPLATE {template} STRATEGY file_copy"
        )
        return self._server.url(name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large file with faults, and a small one: its beginning."""
    made = tmp_path_factory.mktemp("interrupted")
    write_csv(made / "large.csv", ROWS, fault_rate=0.01)
    with (made / "large.csv").open("rb") as large:
        beginning = b"".join(next(large) for _ in range(1000))
    (made / "small.csv").write_bytes(beginning.replace(b"uptime", b"UPTIME"))
    return made


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest, folder: Path) -> Databases:
    """Databases that have the beginning of the large file, loaded from the small one."""
    server = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
    found = Databases(folder, server)
    run_etl([str(folder / "small.csv")], settings=load_settings(database_url=found.old))
    dispose_engines()
    return found


@pytest.fixture
def loaded(folder: Path, databases: Databases) -> tuple[str, float]:
    """A database with both files, and how long an undisturbed load of the large one takes."""
    url = databases.fresh()
    process = loading(folder / "large.csv", url)
    start = time.perf_counter()
    process.begin()
    assert process.finish() == 0
    return url, time.perf_counter() - start


def test_killed_at_any_moment_a_load_leaves_the_old_state_or_the_new_one(
    folder: Path, databases: Databases, loaded: tuple[str, float]
) -> None:
    url, seconds = loaded
    old, new = state(databases.old), state(url)
    assert (old.loads, new.loads) == (1, 2)
    assert new.readings > 0.98 * ROWS
    found = []
    for moment in moments(seconds, KILLS):
        url = databases.fresh()
        process = loading(folder / "large.csv", url)
        process.begin()
        time.sleep(moment)
        process.kill()
        found.append(state(url))
    assert set(found) <= {old, new}
    assert old in found
    # And the next one goes on as if nothing had been.
    process = loading(folder / "large.csv", url)
    process.begin()
    assert process.finish() == 0
    assert state(url) == new


@pytest.mark.parametrize("fresh", [True, False], ids=["new database", "old database"])
def test_two_processes_that_load_overlapping_files_at_once(
    fresh: bool, folder: Path, databases: Databases, tmp_path: Path
) -> None:
    url = databases.empty() if fresh else databases.fresh()
    lines = (folder / "large.csv").read_text().splitlines(keepends=True)
    parts = {"first.csv": lines[1:30_000], "second.csv": lines[20_000:50_000]}
    for name, part in parts.items():
        (tmp_path / name).write_text(lines[0] + "".join(part))
    both = [loading(tmp_path / name, url) for name in parts]
    for process in both:
        process.begin()
    assert [process.finish() for process in both] == [0, 0]
    assert 0.98 * 50_000 < state(url).readings <= 50_000
    query = "SELECT source, accepted, rejected_by_reason FROM sensor_data_loads ORDER BY id"
    ledger = ask(url, query)[0 if fresh else 1 :]
    assert {Path(source).name for source, *_ in ledger} == set(parts)
    for source, accepted, rejected in ledger:
        counts = json.loads(rejected) if isinstance(rejected, str) else rejected
        assert accepted + sum(counts.values()) == len(parts[Path(source).name])


def test_two_processes_that_load_the_same_file_at_once(folder: Path, databases: Databases) -> None:
    url = databases.empty()
    both = [loading(folder / "small.csv", url) for _ in range(2)]
    for process in both:
        process.begin()
    assert [process.finish() for process in both] == [0, 0]
    assert state(url) == state(databases.old)


def test_ten_workers_that_open_an_empty_database_at_once(
    folder: Path, databases: Databases
) -> None:
    url = databases.empty()
    workers = [loading(folder / "small.csv", url) for _ in range(10)]
    for worker in workers:
        worker.begin()
    assert [worker.finish() for worker in workers] == [0] * 10
    assert state(url).loads == 1


@pytest.fixture
def durable_server() -> Iterator[PostgresServer]:
    """A server of its own, which may be stopped as in a crash."""
    with PostgresServer(durable=True) as server:
        yield server
    dispose_engines()


def copied(server: PostgresServer) -> int:
    """Rows that a COPY which is under way has taken so far."""
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
        query = "SELECT coalesce(max(tuples_processed), 0) FROM pg_stat_progress_copy"
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("beginning", [0, 1000], ids=["straight into the table", "staged"])
def test_a_server_that_crashes_in_the_middle_of_a_copy_and_comes_back(
    beginning: int, folder: Path, durable_server: PostgresServer
) -> None:
    url = durable_server.fresh_database()
    if beginning:
        run_etl([str(folder / "small.csv")], settings=load_settings(database_url=url))
        dispose_engines()
    process = loading(folder / "large.csv", url)
    process.begin()
    deadline = time.monotonic() + 30
    while copied(durable_server) < ROWS // 10 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert time.monotonic() < deadline
    durable_server.stop("immediate")
    time.sleep(0.3)
    durable_server.start()
    assert process.finish() == 0
    found = state(url)
    assert found.loads == found.changes == (2 if beginning else 1)
    newest = "SELECT rows_read, accepted, rejected FROM sensor_data_loads ORDER BY id DESC LIMIT 1"
    ((read, accepted, rejected),) = ask(url, newest)
    assert (read, found.readings) == (ROWS, accepted)
    assert accepted + rejected == ROWS
