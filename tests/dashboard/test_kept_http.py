"""Kept answers over HTTP, with a writer in another process."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.rig import configured_rig
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.services.server import settings_for


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server whose database the tests write to."""
    folder = tmp_path_factory.mktemp("written")
    database = folder / "readings.db"
    made.load(database, made.plain_csv(folder / "first.csv", 10))
    yield from asked(folder, database=database)


PATHS = ("/api/kpis", "/api/trends", "/api/summary", "/api/alerts", "/api/rigs", "/api/health")


def computed(server: Asked) -> str:
    """When the key figures were computed: the same as before where they were kept."""
    moment: str = server.json("/api/kpis")["timestamp"]
    return moment


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_an_answer_that_somebody_has_is_not_sent_again(written: Asked, encoding: str) -> None:
    for path in PATHS[:-1]:
        first = written.client.get(path, headers={"Accept-Encoding": encoding})
        etag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "no-cache"
        assert first.headers["Vary"] == "Accept-Encoding"
        for known in (etag, f'"other", W/{etag}', "*"):
            headers = {"Accept-Encoding": encoding, "If-None-Match": known}
            again = written.client.get(path, headers=headers)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == etag
        other = written.client.get(path, headers={"If-None-Match": '"other"'})
        assert other.json() == first.json()


def test_compressed_and_plain_are_the_same_and_have_their_own_etags(written: Asked) -> None:
    plain, zipped = (
        written.client.get("/api/trends", headers={"Accept-Encoding": encoding})
        for encoding in ("identity", "gzip")
    )
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert plain.content == zipped.content  # httpx has decompressed it
    assert int(plain.headers["Content-Length"]) > int(zipped.headers["Content-Length"])
    assert plain.headers["ETag"] != zipped.headers["ETag"]


def test_a_new_reading_is_a_new_etag(written: Asked) -> None:
    before = written.client.get("/api/kpis").headers["ETag"]
    with made.live_writer(written.database) as writer:
        writer.write(made.live_rows(made.START + timedelta(minutes=5, seconds=1), [50.0]))
    after = written.client.get("/api/kpis", headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["ETag"] != before


def test_answers_are_kept_while_nobody_writes(written: Asked) -> None:
    assert len({computed(written) for _ in range(5)}) == 1
    # Another question has its own answer.
    other = written.json("/api/kpis", date="2025-07-13")["timestamp"]
    assert other != computed(written)


def test_a_reading_of_another_process_is_in_the_next_answer(written: Asked) -> None:
    with made.live_writer(written.database) as writer:
        for number in range(5):
            before = {path: written.get(path).text for path in PATHS}
            total = written.json("/api/kpis")["total_records"]
            writer.write(made.live_rows(made.START + timedelta(hours=1, minutes=number), [95.5]))
            assert written.json("/api/kpis")["total_records"] == total + 1
            for path in PATHS:
                assert written.get(path).text != before[path], path
            assert written.json("/api/trends")["temperatures"][-1] == 95.5


def test_a_normal_reading_between_two_red_ones_parts_them(written: Asked) -> None:
    """However near they are: live readings may come much faster than the rig's usual interval."""
    first = made.START + timedelta(hours=2)
    with made.live_writer(written.database) as writer:
        writer.write(made.live_rows(first, [95.0, 95.0, 50.0, 95.0, 50.0]))
    start = first.isoformat()
    for level in ({}, {"level": "red"}):
        found = written.json("/api/alerts", start=start, **level)["alerts"]
        assert [(alert["level"], alert["count"]) for alert in found] == [("red", 1), ("red", 2)]


def test_a_load_of_another_process_is_in_the_next_answer(written: Asked, tmp_path: Path) -> None:
    ledger = written.json("/api/loads")["loads"]
    total = written.json("/api/health")["rows"]
    path = made.plain_csv(tmp_path / "more.csv", 200, made.START + timedelta(days=1))
    made.load(written.database, path)
    loads = written.json("/api/loads")["loads"]
    assert (loads[0]["accepted"], loads[1:]) == (200, ledger)
    assert written.json("/api/health")["rows"] == total + 200
    assert len(written.get("/api/download").text.splitlines()) == total + 200 + 1


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        pytest.param(
            "UPDATE sensor_data SET temperature = 77.7 WHERE timestamp ="
            " (SELECT min(timestamp) FROM sensor_data)",
            77.7,
            id="changed",
        ),
        pytest.param(
            "DELETE FROM sensor_data WHERE timestamp = (SELECT min(timestamp) FROM sensor_data)",
            51.0,
            id="deleted",
        ),
    ],
)
def test_a_write_that_is_not_ours_is_in_the_next_answer(
    written: Asked, statement: str, found: float
) -> None:
    """By somebody with the `sqlite3` command, who knows nothing of our tables of changes."""
    written.json("/api/trends")
    with closing(sqlite3.connect(written.database)) as connection, connection:
        connection.execute(statement)
    assert written.json("/api/trends")["temperatures"][0] == found
    row = written.get("/api/download").text.splitlines()[1]
    assert f",{found}," in row


def test_a_rig_that_comes_is_there_at_once(written: Asked, tmp_path: Path) -> None:
    assert written.get("/api/kpis", rig="shaker-7").status_code == 404
    path = made.vibration_csv(tmp_path / "vibration.csv")
    made.load(written.database, path, made.vibration_rig())
    assert written.json("/api/kpis", rig="shaker-7")["total_records"] == 143


def test_a_question_is_answered_for_the_rig_as_it_is_now(written: Asked, tmp_path: Path) -> None:
    """Times without an offset are in its zone, which another rig file may change."""
    rig = configured_rig(settings_for(written.database)).renamed("moved")
    # A reading at each full hour, and half an hour later a row without its temperature.
    rows = [f"2025-07-13T{hour:02}:{rest}:00Z" for hour in range(8, 16) for rest in ("00", "30")]
    lines = [f"{time},{50 if ':00:00' in time else ''},1000,1" for time in rows]
    path = tmp_path / "moved.csv"
    path.write_text("\n".join([made.HEADER, *lines]) + "\n", encoding="utf-8")
    noon = {"rig": "moved", "start": "2025-07-13T12:00:00", "end": "2025-07-13T13:00:00"}
    for zone, hour in (("UTC", 12), ("Europe/Berlin", 10), ("UTC", 12)):
        made.load(written.database, path, rig.model_copy(update={"time_zone": zone}))
        for _ in range(2):
            found = written.json("/api/rejects", **noon)
            assert found["by_reason"] == {"missing_value": 1}
            assert found["rejects"][0]["timestamp"] == f"2025-07-13T{hour}:30:00Z"
            kpis = written.json("/api/kpis", **noon)
            assert kpis["first_timestamp"] == f"2025-07-13T{hour}:00:00Z"


def test_a_rig_without_readings_says_so(written: Asked) -> None:
    """It has connected, and not sent anything yet."""
    with made.live_writer(written.database, made.static_fire_rig()):
        pass
    response = written.get("/api/kpis", rig="static-fire")
    assert response.status_code == 404
    assert response.json()["detail"] == "rig 'static-fire' has no readings yet"
    assert written.json("/api/kpis")["rig"] == "rig-1"


def test_a_write_that_is_rolled_back_changes_nothing(written: Asked) -> None:
    before = computed(written)
    with closing(sqlite3.connect(written.database)) as connection:
        connection.execute("DELETE FROM sensor_data")
        assert computed(written) == before
        connection.rollback()
    assert computed(written) == before
