"""Live updates: each change, from any process, reaches every client soon."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.rig import Rig, load_rig
from pipeline.settings import default_rig_file
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.dashboard.heard import (
    SOON_S,
    Message,
    change_at,
    client_of,
    next_of,
    settled,
)

PROPULSION = load_rig(default_rig_file())

# Snapshots


def assert_reading(reading: Message, rig: Rig, row: tuple[Any, ...]) -> None:
    """A reading of a message is the row that plain SQL gives."""
    names = rig.value_columns
    values = dict(zip(names, row, strict=True))
    assert reading["values"] == {channel.name: values[channel.name] for channel in rig.channels}
    scored = rig.scored_channels
    assert reading["zscores"] == {channel.name: values[channel.zscore_column] for channel in scored}
    assert reading["levels"] == {channel.name: values[channel.alert_column] for channel in scored}


@pytest.mark.parametrize(
    ("query", "rig"),
    [
        ("", PROPULSION),
        ("?rig=rig-1", PROPULSION),
        ("?rig=shaker-7", made.vibration_rig()),
        ("?rig=static-fire", made.static_fire_rig()),
    ],
)
def test_the_snapshot_comes_at_once(house: Asked, query: str, rig: Rig) -> None:
    with client_of(house.server.socket_url + query) as client:
        message = json.loads(client.recv(timeout=SOON_S))
    assert (message["type"], message["rig"]) == ("snapshot", rig.name)
    assert message["total_records"] == house.rigs[rig.name]["total_records"]
    assert message["sequence"] == house.sql("SELECT max(sequence) FROM sensor_data_changes")[0][0]
    assert message["last_reading"]["timestamp"] == house.rigs[rig.name]["last_timestamp"]
    columns = ", ".join(rig.value_columns)
    row = house.sql(
        f"SELECT {columns} FROM sensor_data WHERE rig = ? ORDER BY timestamp DESC LIMIT 1",  # noqa: S608  # names from a rig file
        rig.name,
    )[0]
    assert_reading(message["last_reading"], rig, row)


@pytest.mark.parametrize("query", ["", "?rig=nobody"])
def test_the_snapshot_of_nothing(empty: Asked, query: str) -> None:
    with client_of(empty.server.socket_url + query) as client:
        message = json.loads(client.recv(timeout=SOON_S))
    assert message.pop("epoch")
    assert message == {
        "type": "snapshot",
        "resumed": False,
        "sequence": 0,
        "rig": None,
        "total_records": 0,
        "last_reading": None,
    }


# Changes that another process makes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server whose database the tests write to, each at another time."""
    folder = tmp_path_factory.mktemp("live")
    database = folder / "readings.db"
    made.load(database, made.plain_csv(folder / "first.csv", 10))
    made.load(database, made.vibration_csv(folder / "vibration.csv"), made.vibration_rig())
    yield from asked(folder, database=database)


HOURS = iter(range(1, 1000))


@pytest.fixture
def moment() -> datetime:
    """A time at which nothing is stored yet, after all that is."""
    return made.START + timedelta(hours=next(HOURS))


def test_a_reading_of_another_process_arrives_soon(written: Asked, moment: datetime) -> None:
    with (
        made.live_writer(written.database) as writer,
        client_of(written.server.socket_url) as client,
    ):
        sequence = next_of(client, "snapshot")["sequence"]
        writer.write(made.live_rows(moment, [55.5]))
        message = change_at(client, moment)
    assert message["sequence"] == sequence + 1
    assert (message["rig"], message["rows"]) == ("rig-1", 1)
    assert message["first_timestamp"] == message["last_timestamp"] == f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    assert [reading["timestamp"] for reading in message["readings"]] == [message["last_timestamp"]]
    assert message["readings"][0]["values"]["temperature"] == 55.5
    row = written.sql(
        "SELECT temperature, pressure, uptime, temperature_zscore, pressure_zscore,"
        " temperature_alert, pressure_alert FROM sensor_data WHERE temperature = 55.5"
    )[0]
    assert_reading(message["readings"][0], PROPULSION, row)


def test_changes_of_every_rig_arrive(written: Asked) -> None:
    rig = made.vibration_rig()
    with (
        made.live_writer(written.database, rig) as writer,
        client_of(f"{written.server.socket_url}?rig=rig-1") as client,
    ):
        next_of(client, "snapshot")
        writer.write(made.second_time())
        message = change_at(client, datetime(2025, 10, 26, 1, tzinfo=UTC))
    assert message["rig"] == "shaker-7"
    columns = ", ".join(rig.value_columns)
    row = written.sql(f"SELECT {columns} FROM sensor_data WHERE cycles = 900000")[0]  # noqa: S608  # names from a rig file
    assert_reading(message["readings"][0], rig, row)


@pytest.mark.parametrize(
    ("rows", "with_readings"), [(2, True), (100, True), (101, False), (500, False)]
)
def test_many_rows_come_without_their_readings(
    written: Asked, moment: datetime, tmp_path: Path, rows: int, with_readings: bool
) -> None:
    path = made.plain_csv(tmp_path / "load.csv", rows, moment, step_s=1)
    with client_of(written.server.socket_url) as client:
        next_of(client, "snapshot")
        made.load(written.database, path)
        message = change_at(client, moment)
    assert message["rows"] == rows
    if not with_readings:
        assert message["readings"] is None
        return
    times = [reading["timestamp"] for reading in message["readings"]]
    assert len(times) == rows
    assert times == sorted(times)
    assert times[-1] == message["last_timestamp"]


def test_few_rows_between_many_come_without_readings(
    written: Asked, moment: datetime, tmp_path: Path
) -> None:
    made.load(written.database, made.plain_csv(tmp_path / "many.csv", 200, moment, step_s=2))
    around = pl.concat(
        [made.live_rows(moment + timedelta(seconds=after), [60.0]) for after in (1, 301)]
    )
    with (
        made.live_writer(written.database) as writer,
        client_of(written.server.socket_url) as client,
    ):
        next_of(client, "snapshot")
        writer.write(around)
        message = change_at(client, moment + timedelta(seconds=1))
    assert (message["rows"], message["readings"]) == (2, None)


def test_a_write_that_is_not_ours_is_a_refresh(written: Asked, moment: datetime) -> None:
    with client_of(written.server.socket_url) as client:
        settled(client)
        with closing(sqlite3.connect(written.database)) as connection, connection:
            connection.execute(
                "INSERT INTO sensor_data (rig, timestamp, temperature) VALUES ('rig-1', ?, 50)",
                (int(moment.timestamp() * 1e6),),
            )
        message = json.loads(client.recv(timeout=SOON_S))
    assert (message["type"], message["dropped"]) == ("refresh", 0)


def test_every_client_hears_the_same(written: Asked, moment: datetime) -> None:
    url = written.server.socket_url
    with (
        made.live_writer(written.database) as writer,
        client_of(url) as first,
        client_of(url) as second,
        client_of(f"{url}?rig=shaker-7") as third,
    ):
        clients = (first, second, third)
        for client in clients:
            next_of(client, "snapshot")
        moments = [moment + timedelta(seconds=number) for number in range(3)]
        for number, each in enumerate(moments):
            writer.write(made.live_rows(each, [51.0 + number]))
        heard = [[change_at(client, each) for each in moments] for client in clients]
    assert heard[0] == heard[1] == heard[2]
    temperatures = [message["readings"][0]["values"]["temperature"] for message in heard[0]]
    assert temperatures == [51.0, 52.0, 53.0]


def test_nothing_is_missed_between_snapshot_and_changes(written: Asked, moment: datetime) -> None:
    """Clients come while somebody writes: the snapshot and the changes after it are all."""
    stop = threading.Event()
    with made.live_writer(written.database) as writer:

        def write() -> None:
            for number in count():
                writer.write(made.live_rows(moment + timedelta(seconds=number), [50.0]))
                if stop.wait(0.02):
                    return

        writing = threading.Thread(target=write)
        writing.start()
        try:
            for _ in range(4):
                with client_of(written.server.socket_url) as client:
                    last = next_of(client, "snapshot")["sequence"]
                    for _ in range(5):
                        message = next_of(client, "change", "refresh")
                        # The change that the snapshot has may come once more; none is left out.
                        assert message["type"] == "refresh" or message["sequence"] <= last + 1
                        last = max(last, message["sequence"])
        finally:
            stop.set()
            writing.join()


def test_what_clients_say_is_of_no_interest(written: Asked, moment: datetime) -> None:
    with (
        made.live_writer(written.database) as writer,
        client_of(written.server.socket_url) as client,
    ):
        next_of(client, "snapshot")
        client.send("{}")
        client.send(b"\x00" * 1000)
        writer.write(made.live_rows(moment, [50.0]))
        assert change_at(client, moment)["rows"] == 1
