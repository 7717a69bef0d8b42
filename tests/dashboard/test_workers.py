"""Several processes behind one port: one server for all who ask, whoever of them answers."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from pipeline.simulate import write_csv
from tests.dashboard.conftest import database_in_turn
from tests.dashboard.sent import Loader, faulty_text, until
from tests.services.server import (
    Server,
    environment,
    free_port,
    launch,
    run_until_exit,
    running_server,
)

SAMPLE = faulty_text()


def long_load(loader: Loader, folder: Path, rows: int, **query: str) -> str:
    """The job of a load that has begun, and takes a moment."""
    path = folder / "long.csv"
    write_csv(path, rows)
    job: str = loader.post(path.read_bytes(), **query).json()["job"]
    until(lambda: loader.get(f"/api/loads/jobs/{job}")["status"] == "running")
    return job


def children(server: Server) -> list[int]:
    """The processes that serve."""
    parent = server.process.pid
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found}
    return [pid for pid, command in commands.items() if b"spawn_main" in command]


def is_alive(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


# Two processes of whom it is known which one is asked: two servers on one database.


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loader, Loader]]:
    folder = tmp_path_factory.mktemp("pair")
    with running_server(folder) as one, running_server(folder) as other:
        yield Loader(one), Loader(other)


def test_what_one_process_has_previewed_another_one_loads(pair: tuple[Loader, Loader]) -> None:
    one, other = pair
    upload = one.preview(SAMPLE, name="run7.csv", rig="rig-7")["upload"]
    assert other.preview(upload=upload, rig="rig-7")["source"] == "run7.csv"
    job = other.load(upload=upload, rig="rig-7")
    assert (job["status"], job["source"], job["accepted"]) == ("complete", "run7.csv", 20)
    for each in pair:
        assert each.post(upload=upload).status_code == 404
        assert each.get("/api/loads")["loads"][0]["source"] == "run7.csv"
        assert each.get("/api/kpis", rig="rig-7")["total_records"] == 20


def test_any_process_knows_each_job_and_tells_its_clients(
    pair: tuple[Loader, Loader], tmp_path: Path
) -> None:
    one, other = pair
    path = tmp_path / "long.csv"
    write_csv(path, 300_000)
    with connect(other.server.socket_url) as socket:
        started = one.post(path.read_bytes(), name="long.csv").json()
        told = []
        while not told or told[-1]["status"] != "complete":
            message = json.loads(socket.recv(timeout=30))
            if message["type"] == "load":
                told.append(message)
    assert {each["job"] for each in told} == {started["job"]}
    assert "running" in {each["status"] for each in told}
    shown = one.get(f"/api/loads/jobs/{started['job']}")
    assert other.get(f"/api/loads/jobs/{started['job']}") == shown
    assert other.get("/api/loads/jobs") == one.get("/api/loads/jobs")


def test_processes_load_one_after_the_other(pair: tuple[Loader, Loader], tmp_path: Path) -> None:
    one, other = pair
    first = long_load(one, tmp_path, 200_000, name="long.csv")
    second = other.post(SAMPLE, rig="other").json()
    assert second["position"] == 1
    ended = [one.ended(first), other.ended(second["job"])]
    assert [job["status"] for job in ended] == ["complete", "complete"]
    assert ended[0]["finished_at"] <= ended[1]["started_at"]


def test_what_was_sent_first_is_loaded_first_whoever_has_it(
    pair: tuple[Loader, Loader], tmp_path: Path
) -> None:
    one, other = pair
    long_load(one, tmp_path, 200_000, name="first.csv", rig="order")
    wrong = other.post(faulty_text(10), name="wrong.csv", rig="order").json()
    corrected = one.post(faulty_text(11), name="corrected.csv", rig="order").json()
    assert (wrong["position"], corrected["position"]) == (1, 2)
    one.ended(corrected["job"])
    loads = other.get("/api/loads", rig="order")["loads"]
    assert [load["source"] for load in loads] == ["corrected.csv", "wrong.csv", "first.csv"]


def test_after_a_start_it_is_known_how_the_last_loads_ended(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        job = Loader(server).load(SAMPLE, name="run7.csv")
    with running_server(tmp_path) as server:
        assert Loader(server).get(f"/api/loads/jobs/{job['job']}") == job


# WORKERS

if os.name == "nt":
    pytest.skip("looks at processes as Linux shows them", allow_module_level=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, workers=2) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    url = database_in_turn(request, tmp_path, "workers")
    with running_server(tmp_path, workers=2, database_url=url) as server:
        yield server


def test_workers_are_processes_that_share_the_work(shared: Server) -> None:
    assert len(children(shared)) == 2
    loader = Loader(shared)
    for number in range(5):
        upload = loader.preview(SAMPLE, name="run.csv", rig=f"rig {number}")["upload"]
        job = loader.load(upload=upload, rig=f"rig {number}")
        assert (job["status"], job["accepted"]) == ("complete", 20)
        # Each question on a connection of its own, which any of them may get.
        totals = {
            httpx.get(f"{shared.url}/api/kpis?rig=rig {number}").json()["total_records"]
            for _ in range(8)
        }
        assert totals == {20}


def test_any_worker_has_the_figures_of_all(server: Server) -> None:
    """Prometheus keeps its connection: it would only ever see one of them."""
    route = "/api/health"
    for _ in range(30):
        httpx.get(f"{server.url}{route}")

    def counted() -> dict[str, float]:
        families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)
        return {
            sample.labels["worker"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == "smart_sensor_http_requests_total" and sample.labels["route"] == route
        }

    openmetrics = {"accept": "application/openmetrics-text"}
    text = httpx.get(f"{server.url}/metrics", headers=openmetrics).text
    assert list(openmetrics_families(text))

    # Those who wait for the server to answer have asked the same.
    until(lambda: sum(counted().values()) >= 31)
    assert set(counted()) <= {str(pid) for pid in children(server)}


def test_a_worker_that_dies_is_started_anew_and_its_load_goes_on(
    server: Server, tmp_path: Path
) -> None:
    loader = Loader(server)
    job = long_load(loader, tmp_path, 400_000, name="long.csv")
    before = children(server)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(children(server)) - set(before)) == 2)

    def ended() -> bool:
        try:
            return bool(loader.get(f"/api/loads/jobs/{job}")["status"] == "complete")
        except httpx.HTTPError:
            return False  # nobody listens for a moment

    until(ended, within_s=60)
    assert loader.get("/api/kpis")["total_records"] == 400_000
    assert [load["status"] for load in loader.get("/api/loads")["loads"]] == ["complete"]


def test_without_their_parent_workers_end(tmp_path: Path) -> None:
    port = free_port()
    server = launch(
        tmp_path,
        [str(Path(sys.executable).parent / "smart-sensor"), "serve", "--workers", "2"],
        port,
        tmp_path / "readings.db",
        env=environment(tmp_path / "readings.db", port=port),
    )
    workers = children(server)
    assert len(workers) == 2
    server.process.kill()
    server.process.wait()
    until(lambda: not any(map(is_alive, workers)))


def test_what_keeps_all_of_them_from_starting_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "readings.db").write_text("no database", encoding="utf-8")
    ended = run_until_exit(tmp_path / "readings.db", "dashboard/app.py", workers=2)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stderr
