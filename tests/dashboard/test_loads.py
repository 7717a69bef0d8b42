"""Files that are sent to a server: previewed, loaded in the background, refused with the reason."""

import gzip
import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.db_utils import dispose_engines
from pipeline.simulate import write_csv
from pipeline.stores import open_store
from tests.dashboard import made
from tests.dashboard.heard import client_of
from tests.dashboard.sent import REJECTED, Loader, answer_to, faulty_text, left_on_disk, until
from tests.services.server import running_server, settings_for

SOURCE = "run7.csv"
SAMPLE = (made.ROOT / "data" / "simulated_raw.csv").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    """A server that takes files of a megabyte at the most."""
    folder = tmp_path_factory.mktemp("loads")
    with running_server(folder, max_upload_mb=1) as server:
        yield Loader(server)


@pytest.fixture
def one_load(tmp_path: Path, database_url: str) -> Iterator[Loader]:
    """A server with an empty database of each kind in turn."""
    with running_server(tmp_path, database_url=database_url) as server:
        yield Loader(server)


# What is said before, and what is done


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_a_load_does_what_its_preview_says(one_load: Loader, database_url: str) -> None:
    text = faulty_text()
    before = one_load.preview(text, name=SOURCE)
    assert before["source"] == SOURCE
    assert before["format"] == {"format": "CSV", "delimiter": "comma", "encoding": "utf-8"}
    assert [each["name"] for each in before["columns"]] == made.HEADER.split(",")
    assert (before["rig"], before["time_zone"]) == ("rig-1", "UTC")
    assert (before["size_bytes"], before["known_load"]) == (len(text), None)
    assert before["complete"] is True
    assert before["first_readings"][0]["temperature"] == 50.0
    assert before["first_rejects"][0]["line"] == 22
    assert one_load.get("/api/loads")["loads"] == []

    job = one_load.load(upload=before["upload"])
    assert (job["status"], job["source"], job["error"]) == ("complete", SOURCE, None)
    assert (job["rows_read"], job["accepted"]) == (before["rows_read"], before["accepted"])
    assert job["rejected_by_reason"] == before["rejected_by_reason"] == REJECTED
    assert job["bytes_read"] == job["size_bytes"] == len(text)

    (row,) = one_load.get("/api/loads")["loads"]
    assert (row["id"], row["source"], row["status"]) == (job["load_id"], SOURCE, "complete")
    assert row["sha256"] == before["sha256"]
    assert row["settings"] == {"outliers": "flag"}
    assert (row["rows_read"], row["accepted"], row["rejected"]) == (25, 20, 5)
    assert row["rejected_by_reason"] == REJECTED
    for end in ("first_timestamp", "last_timestamp"):
        assert row[end] == before[end]
    assert one_load.get("/api/kpis")["total_records"] == 20
    assert one_load.preview(text, name=SOURCE)["known_load"] == job["load_id"]
    with closing(open_store(settings_for(Path("x"), database_url=database_url))) as store:
        assert store.check() == []
    dispose_engines()


def test_the_same_content_is_loaded_once(loader: Loader) -> None:
    first = loader.load(SAMPLE, name="a.csv", rig="once")
    again = loader.load(SAMPLE, name="b.csv", rig="once")
    assert (first["status"], again["status"]) == ("complete", "known")
    assert again["load_id"] == first["load_id"]
    forced = loader.load(SAMPLE, name="b.csv", rig="once", force="true")
    assert forced["status"] == "complete"
    assert forced["load_id"] > first["load_id"]
    ledger = loader.get("/api/loads", rig="once")["loads"]
    assert [row["status"] for row in ledger] == ["complete", "superseded"]


ROW = st.tuples(
    st.sampled_from([*(f"2025-07-13T0{n}:00:00Z" for n in range(8)), "2025-07-13 09:30", "", "x"]),
    st.sampled_from(["50", "80.5", "1e9", "", "NaN", "n/a", "=1"]),
    st.sampled_from(["1000", "900,5", " 1000 ", "-1", ""]),
    st.sampled_from(["1", "-1", "2.5"]),
)


@given(rows=st.lists(ROW, min_size=1, max_size=12), outliers=st.booleans())
@hypothesis_settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_any_file_is_loaded_as_its_preview_says(
    loader: Loader, rows: list[tuple[str, ...]], outliers: bool
) -> None:
    text = "\n".join([made.HEADER, *map(",".join, rows)]) + "\n"
    before = loader.preview(text, name="any.csv", rig="any")
    after = loader.load(upload=before["upload"], rig="any", force="true")
    assert after["status"] == "complete"
    for field in ("rows_read", "accepted", "rejected_by_reason"):
        assert after[field] == before[field]
    listed = loader.get("/api/rejects", load=after["load_id"])
    assert listed["by_reason"] == before["rejected_by_reason"]
    raw = [reject["raw"] for reject in listed["rejects"]]
    assert all(reject["raw"] in raw for reject in before["first_rejects"])
    row = loader.get("/api/loads", limit=1)["loads"][0]
    assert row["first_timestamp"] == before["first_timestamp"]
    assert row["last_timestamp"] == before["last_timestamp"]


@pytest.mark.parametrize("kind", ["csv.gz", "parquet"])
def test_other_formats(loader: Loader, kind: str) -> None:
    content = gzip.compress(SAMPLE.encode(), mtime=0)
    if kind == "parquet":
        buffer = io.BytesIO()
        pl.read_csv(io.StringIO(SAMPLE)).write_parquet(buffer)
        content = buffer.getvalue()
    before = loader.preview(content, name=f"run.{kind}", rig=kind)
    assert before["format"]["format"] == {"csv.gz": "CSV, gzip-compressed"}.get(kind, "Parquet")
    job = loader.load(upload=before["upload"], rig=kind)
    assert (job["status"], job["accepted"]) == ("complete", 100)


def test_a_stored_rig_reads_its_own_columns(tmp_path: Path) -> None:
    made.load(
        tmp_path / "readings.db", made.DATA / "KNSB_250220_pressure_raw.csv", made.static_fire_rig()
    )
    recording = (made.DATA / "KNSB_250220_pressure_raw.csv").read_bytes()
    with running_server(tmp_path) as server:
        found = Loader(server).preview(recording, name="KNSB.csv", rig="static-fire")
        assert found["known_load"] == 1
        assert Loader(server).post(recording, name="KNSB.csv").status_code == 422


def test_of_a_large_file_the_preview_reads_the_first_rows(tmp_path: Path) -> None:
    rows = 1_300_000
    write_csv(tmp_path / "long.csv", rows)
    with running_server(tmp_path) as server:
        found = Loader(server).preview((tmp_path / "long.csv").read_bytes(), name="long.csv")
        assert found["complete"] is False
        assert 1_000_000 <= found["rows_read"] < rows


# What is refused


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "is empty"),
    "no rows": (made.HEADER.encode(), 422, "has a header but no rows"),
    "other columns": (b"a,b\n1,2\n", 422, "required column missing: 'timestamp'"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 415, "but a picture"),
    "a binary file": (b"abc\0def\n", 415, "a binary file, not CSV"),
    "a workbook": (b"PK\x03\x04" + bytes(99), 415, "an Excel workbook"),
    "half a Parquet file": (b"PAR1abcd", 415, "not a readable Parquet file"),
    "damaged gzip": (gzip.compress(SAMPLE.encode())[:500], 422, "damaged gzip"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("preview", ["false", "true"])
def test_what_cannot_be_loaded_is_refused_at_once(loader: Loader, what: str, preview: str) -> None:
    content, status, words = REFUSED[what]
    response = loader.post(content, name="x.csv", preview=preview)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]
    assert left_on_disk_of(loader) == []


def left_on_disk_of(loader: Loader) -> list[str]:
    """What is there besides files that previews have kept."""
    return [
        name for name in left_on_disk(loader.server.database.parent) if not name.endswith(".upload")
    ]


def test_a_form_is_refused_with_the_command_that_works(loader: Loader) -> None:
    response = httpx.post(loader.url, files={"file": SAMPLE.encode()})
    assert response.status_code == 415
    assert "curl -X POST -T" in response.json()["detail"]


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(loader: Loader) -> None:
    connection = loader.begin(10 << 20, name="large.csv")
    status, problem = answer_to(connection)
    assert status == 413
    assert problem["detail"].startswith("10,485,760 bytes are more than 1,048,576")
    assert "MAX_UPLOAD_MB" in problem["detail"]


def test_a_body_that_becomes_too_large_is_refused_on_the_way(loader: Loader) -> None:
    connection = loader.begin(None, name="large.csv")
    piece = b"x" * 65_536
    sent = 0
    with suppress(OSError):  # when it has stopped listening
        while sent < 100 << 20:
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            sent += len(piece)
    assert sent < 50 << 20
    assert answer_to(connection)[0] == 413
    assert left_on_disk_of(loader) == []


def test_what_is_too_large_when_it_is_unpacked_is_refused(loader: Loader) -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert len(bomb) < 1 << 20
    parquet = io.BytesIO()
    pl.DataFrame({"timestamp": pl.zeros(10_000_000, pl.Int64, eager=True)}).write_parquet(parquet)
    texts = io.BytesIO()
    long = [f"{number:04}" + "x" * 50_000 for number in range(4_000)]
    pl.DataFrame({"note": long}).write_parquet(texts, compression="zstd")
    assert max(len(each.getvalue()) for each in (parquet, texts)) < 1 << 20
    for content in (bomb, parquet.getvalue(), texts.getvalue()):
        response = loader.post(content, name="bomb")
        assert response.status_code == 413, response.text
        assert "unpacked" in response.json()["detail"]


def test_what_the_disk_has_no_room_for_is_refused(tmp_path: Path) -> None:
    most = 1_000_000
    if shutil.disk_usage(tmp_path).free > most << 20:
        pytest.skip("this disk has room for everything")
    with running_server(tmp_path, max_upload_mb=most) as server:
        status, problem = answer_to(Loader(server).begin(most << 20, name="huge.csv"))
    assert status == 507
    assert "1,048,844,435,456 are needed" in problem["detail"]
    assert "bytes free" in problem["detail"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\\b", "<img src=x>.csv"])
def test_a_name_is_only_shown(loader: Loader, name: str, tmp_path: Path) -> None:
    job = loader.load(SAMPLE, name=name, rig=f"named {name}")
    assert (job["status"], job["source"]) == ("complete", name)
    assert loader.get("/api/loads", limit=1)["loads"][0]["source"] == name
    passwd = Path("/etc/passwd")
    assert not passwd.exists() or "timestamp,temperature" not in passwd.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\u202egnp.csv"])
def test_a_name_that_cannot_be_read_is_refused(loader: Loader, name: str) -> None:
    response = loader.post(SAMPLE, name=name)
    assert response.status_code == 400
    assert "control characters" in response.json()["detail"]


def test_an_upload_that_is_not_kept_is_said_to_be_gone(loader: Loader) -> None:
    response = loader.post(upload="nothing")
    assert response.status_code == 404
    assert "send it again" in response.json()["detail"]


def test_an_upload_is_loaded_once(loader: Loader) -> None:
    upload = loader.preview(SAMPLE, name="twice.csv", rig="twice")["upload"]
    assert loader.load(upload=upload, rig="twice")["status"] == "complete"
    assert loader.post(upload=upload, rig="twice").status_code == 404


def test_only_the_last_previews_are_kept(loader: Loader) -> None:
    uploads = [loader.preview(SAMPLE, name="kept.csv", rig="kept")["upload"] for _ in range(12)]
    there = [loader.post(upload=each, preview="true").status_code for each in uploads]
    assert there == [404] * 4 + [200] * 8


def test_a_job_that_is_not_there(loader: Loader) -> None:
    response = httpx.get(f"{loader.url}/jobs/nothing")
    assert response.status_code == 404
    assert "the ledger, /api/loads" in response.json()["detail"]


# In the background


def test_jobs_queue_up_and_are_refused_when_they_are_too_many(tmp_path: Path) -> None:
    write_csv(tmp_path / "long.csv", 600_000)
    long = (tmp_path / "long.csv").read_bytes()
    with running_server(tmp_path) as server:
        loader = Loader(server)
        upload = loader.preview(SAMPLE, name="small.csv")["upload"]
        first = loader.post(long, name="long.csv").json()
        until(
            lambda: loader.get(f"/api/loads/jobs/{first['job']}")["status"] == "running",
            within_s=20,
        )
        jobs = []
        for number in range(40):
            response = loader.post(SAMPLE, name=f"{number}.csv", rig=f"rig {number}")
            if response.status_code == 503:
                break
            jobs.append(response.json())
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert "16 loads are waiting" in response.json()["detail"]
        assert [job["position"] for job in jobs[:3]] == [1, 2, 3]
        assert len(loader.get("/api/loads/jobs")["jobs"]) == len(jobs) + 1
        # What a preview has kept is not lost by that.
        assert loader.post(upload=upload).status_code == 503
        assert loader.preview(upload=upload)["accepted"] == 100
        ended = [loader.ended(job["job"]) for job in jobs]
        assert {job["status"] for job in ended} == {"complete"}
        order = [job["started_at"] for job in ended]
        assert order == sorted(order)
        assert loader.load(upload=upload)["status"] == "complete"
    assert left_on_disk(tmp_path) == []


def test_progress_is_told_to_all(tmp_path: Path) -> None:
    write_csv(tmp_path / "long.csv", 600_000)
    content = (tmp_path / "long.csv").read_bytes()
    with running_server(tmp_path) as server, client_of(server.socket_url) as one:
        with client_of(server.socket_url) as other:
            began = time.monotonic()
            job = Loader(server).load(content, name="long.csv")
            took = time.monotonic() - began
            heard = [messages(each, job["job"]) for each in (one, other)]
    for told in heard:
        states = [message["status"] for message in told]
        assert states[:2] == ["queued", "running"]
        assert states[-1] == "complete"
        assert told[-1]["load_id"] == job["load_id"]
        reading = [each["bytes_read"] for each in told if each["stage"] == "reading"]
        assert reading == sorted(reading)
        assert max(reading) > 0
        assert any(each["stage"] == "loading" for each in told)
        assert len(told) <= 4 * took + 4


def messages(connection: Any, job: str) -> list[dict[str, Any]]:
    """What is said of a job, to its end."""
    told = []
    while True:
        message = json.loads(connection.recv(timeout=10))
        if message["type"] == "load" and message["job"] == job:
            told.append(message)
            if message["status"] not in ("queued", "running"):
                return told


def test_a_load_that_fails_says_why_and_the_next_goes_on(tmp_path: Path) -> None:
    """The end of the file is looked at in the background only."""
    rows = "".join(f"2025-07-13T00:{n // 60 % 60:02}:{n % 60:02}Z,50,1000,1\n" for n in range(3000))
    damaged = f"{made.HEADER}\n{rows * 200}".encode() + b"2025-07-13T09:00:00Z,5\xff,1000,1\n"
    with running_server(tmp_path) as server:
        loader = Loader(server)
        failed = loader.load(damaged, name="damaged.csv")
        assert failed["status"] == "failed"
        assert failed["error"].startswith("damaged.csv: line 600002: byte 0xFF is not UTF-8")
        assert loader.load(SAMPLE, name="good.csv")["status"] == "complete"
        assert loader.get("/api/kpis")["total_records"] == 100
    assert left_on_disk(tmp_path) == []


def test_the_server_answers_while_it_loads(tmp_path: Path) -> None:
    write_csv(tmp_path / "long.csv", 600_000)
    with running_server(tmp_path) as server:
        loader = Loader(server)
        job = loader.post((tmp_path / "long.csv").read_bytes(), name="long.csv").json()
        slowest = 0.0
        while loader.get(f"/api/loads/jobs/{job['job']}")["status"] in ("queued", "running"):
            began = time.monotonic()
            loader.get("/api/health")
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2


def test_a_client_that_goes_away_leaves_nothing(loader: Loader) -> None:
    connection = loader.begin(1 << 20, name="half.csv")
    connection.send(SAMPLE.encode())
    until(lambda: len([n for n in left_on_disk_of(loader) if n.endswith(".part")]) == 1)
    connection.close()
    until(lambda: left_on_disk_of(loader) == [])


def test_many_files_at_once_are_refused(loader: Loader) -> None:
    held = [loader.begin(1 << 20, name="slow.csv") for _ in range(4)]
    until(lambda: len(left_on_disk_of(loader)) == 4)
    response = loader.post(SAMPLE, name="fifth.csv")
    for connection in held:
        connection.close()
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    until(
        lambda: loader.post(SAMPLE, name="sixth.csv", preview="true").status_code == 200,
    )
