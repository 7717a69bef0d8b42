"""A server that is stopped or killed while it takes or loads files: nothing half, nothing lost."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.db_utils import dispose_engines
from pipeline.settings import load_settings
from pipeline.simulate import write_csv
from pipeline.stores import open_store
from tests.dashboard.sent import Loader, faulty_text, left_of, left_on_disk, until
from tests.services.server import Server, running_server, settings_for, start_server

if os.name == "nt":
    pytest.skip("kill -9 is of POSIX", allow_module_level=True)

ROWS = 250_000
BACKENDS = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file whose load takes a moment."""
    path = tmp_path_factory.mktemp("long") / "long.csv"
    write_csv(path, ROWS)
    return path.read_bytes()


def stored(database_url: str) -> tuple[int, int]:
    """Readings and finished rows of the ledger, of a database that has to be sound."""
    with closing(open_store(settings_for(Path("x"), database_url=database_url))) as store:
        assert store.check() == []
    dispose_engines()
    url = load_settings(database_url=database_url).database_url
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        readings, loads = (
            connection.exec_driver_sql(f"SELECT count(*) FROM sensor_data{table}").scalar_one()  # noqa: S608  # names of ours
            for table in ("", "_loads")
        )
    return readings, loads


def kill(server: Server) -> None:
    server.process.kill()
    server.process.wait()


def is_at(loader: Loader, job: str, stage: str) -> bool:
    return bool(loader.get(f"/api/loads/jobs/{job}")["stage"] == stage)


def test_of_a_file_that_had_not_arrived_nothing_is_left(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    loader = Loader(server)
    kept = loader.preview("timestamp,temperature,pressure,uptime\n0,50,1000,1\n", name="kept.csv")
    connection = loader.begin(1 << 30, name="half.csv")
    connection.send(b"timestamp,temperature\n" * 200_000)
    until(lambda: [name for name in left_on_disk(tmp_path) if name.endswith(".part")])
    kill(server)
    connection.close()
    assert len(left_on_disk(tmp_path)) == 2
    with running_server(tmp_path) as again:
        assert left_on_disk(tmp_path) == []
        assert Loader(again).get("/api/loads/jobs") == {"jobs": []}
        assert Loader(again).post(upload=kept["upload"]).status_code == 404
    assert stored(f"sqlite:///{tmp_path}/readings.db") == (0, 0)


@BACKENDS
@pytest.mark.parametrize("stage", ["reading", "loading"])
def test_a_load_that_is_killed_is_rolled_back_and_done_at_the_next_start(
    tmp_path: Path, database_url: str, long: bytes, stage: str
) -> None:
    server = start_server(tmp_path, database_url=database_url)
    loader = Loader(server)
    first = loader.post(long, name="first.csv").json()["job"]
    second = loader.post(long, name="second.csv", rig="other").json()["job"]
    until(lambda: is_at(loader, first, stage))
    kill(server)
    assert stored(database_url) in ((0, 0), (ROWS, 1))
    with running_server(tmp_path, database_url=database_url) as again:
        loader = Loader(again)
        assert [loader.ended(job)["status"] for job in (first, second)][1] == "complete"
        assert loader.ended(first)["status"] in ("complete", "known")
        assert [row["source"] for row in loader.get("/api/loads")["loads"]] == [
            "second.csv",
            "first.csv",
        ]
        assert [rig["total_records"] for rig in loader.get("/api/rigs")["rigs"]] == [ROWS, ROWS]
    assert stored(database_url) == (2 * ROWS, 2)
    assert left_of(database_url) == []


@BACKENDS
@pytest.mark.parametrize("stage", ["reading", "loading"])
def test_a_server_that_is_told_to_stop_ends_the_load_in_order(
    tmp_path: Path, database_url: str, long: bytes, stage: str
) -> None:
    with running_server(tmp_path, database_url=database_url) as server:
        loader = Loader(server)
        job = loader.post(long, name="long.csv").json()["job"]
        until(lambda: is_at(loader, job, stage))
        began = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 10
    assert stored(database_url) in ((0, 0), (ROWS, 1))
    with running_server(tmp_path, database_url=database_url) as again:
        assert Loader(again).ended(job)["status"] in ("complete", "known")
    assert stored(database_url) == (ROWS, 1)
    assert left_of(database_url) == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_files_that_wait_keep_their_order(tmp_path: Path, long: bytes, end: signal.Signals) -> None:
    """A file that corrects one before it has to come after it."""
    with start_server(tmp_path) as server:
        loader = Loader(server)
        rows = [faulty_text(rows) for rows in (10, 11)]
        files = [long, *(row.encode() for row in rows)]
        jobs = [loader.post(file, name=f"{n}.csv").json() for n, file in enumerate(files)]
        until(lambda: is_at(loader, jobs[0]["job"], "reading"))
        server.process.send_signal(end)
        server.process.wait()
    with running_server(tmp_path) as server:
        loader = Loader(server)
        ended = [loader.ended(job["job"]) for job in jobs]
        assert [job["created_at"] for job in ended] == [job["created_at"] for job in jobs]
        loads = loader.get("/api/loads")["loads"]
        assert [load["source"] for load in loads] == ["2.csv", "1.csv", "0.csv"]


def test_a_file_that_ends_the_server_again_and_again_is_given_up(
    tmp_path: Path, long: bytes
) -> None:
    with start_server(tmp_path) as server:
        job = Loader(server).post(long, name="poison.csv").json()["job"]
        until(lambda: is_at(Loader(server), job, "reading"))
        kill(server)
    for _ in range(2):
        with start_server(tmp_path) as server:
            until(lambda: is_at(Loader(server), job, "reading"))
            kill(server)
    with running_server(tmp_path) as server:
        found = Loader(server).ended(job)
        assert found["status"] == "failed"
        assert found["error"].startswith("poison.csv: the server has ended 3 times")
    assert stored(f"sqlite:///{tmp_path}/readings.db") == (0, 0)
    assert left_on_disk(tmp_path) == []


def test_two_servers_on_one_database_leave_each_others_files_alone(
    tmp_path: Path, long: bytes
) -> None:
    """Of a live process nothing is taken; of a dead one everything, once."""
    one = start_server(tmp_path)
    job = Loader(one).post(long, name="long.csv").json()["job"]
    until(lambda: is_at(Loader(one), job, "reading"))
    with running_server(tmp_path):
        kill(one)
        with running_server(tmp_path) as third:
            assert Loader(third).ended(job)["status"] == "complete"
    assert stored(f"sqlite:///{tmp_path}/readings.db") == (ROWS, 1)
