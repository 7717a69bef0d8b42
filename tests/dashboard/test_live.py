"""Live updates: each change reaches every client soon, and no client delays another."""

import json
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from dashboard.answers import Context
from dashboard.app import create_app
from dashboard.live import Client, Live
from pipeline.rig import Rig, load_rig
from pipeline.settings import default_rig_file
from pipeline.stores.base import Change, StoredRig
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.services.server import free_port, settings_for, start_server

PROPULSION = load_rig(default_rig_file())
SOON_S = 2.0
Message = dict[str, Any]


@contextmanager
def client_of(url: str, **options: Any) -> Iterator[ClientConnection]:
    with connect(url, open_timeout=5, close_timeout=2, **options) as connection:
        yield connection


def next_of(connection: ClientConnection, *kinds: str, within_s: float = SOON_S) -> Message:
    """The next message of these kinds; it has to come soon."""
    deadline = time.monotonic() + within_s
    while True:
        text = connection.recv(timeout=max(0.0, deadline - time.monotonic()))
        message: Message = json.loads(text)
        if message["type"] in kinds:
            return message


# The queue of one client


def texts(client: Client) -> list[Message]:
    waiting = []
    while not client.messages.empty():
        waiting.append(json.loads(client.messages.get_nowait()[1]))
    return waiting


def test_messages_wait_in_order() -> None:
    client = Client()
    for number in range(64):
        client.offer(number, b"%d" % number)
    assert texts(client) == list(range(64))
    assert client.dropped == 0


def test_a_full_queue_gives_way_to_one_refresh() -> None:
    client = Client()
    for number in range(65):
        client.offer(number, b"%d" % number)
    assert client.dropped == 65
    assert texts(client) == [{"type": "refresh", "sequence": 64, "dropped": 65}]


def test_after_a_refresh_messages_go_on() -> None:
    client = Client()
    for number in range(200):
        client.offer(number, b"%d" % number)
    waiting = texts(client)
    assert waiting[0]["type"] == "refresh"
    assert waiting[1:] == list(range(waiting[0]["sequence"] + 1, 200))
    assert waiting[0]["dropped"] == client.dropped
    assert client.messages.maxsize == 64


# What is news


@dataclass
class Told:
    """A store that says what a test tells it to."""

    now: int = 1
    changes: list[Change] = field(default_factory=list)
    fails: Exception | None = None
    stored: tuple[Rig, ...] = (PROPULSION,)

    def version(self) -> int:
        return self.now

    def last_sequence(self) -> int:
        return self.changes[-1].sequence if self.changes else 0

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        if self.fails:
            raise self.fails
        return [each for each in self.changes if each.sequence > sequence][:limit]

    def rigs(self) -> list[StoredRig]:
        return [StoredRig(rig, 1.0, 1, made.START, made.START) for rig in self.stored]

    def readings(self, selection: Any) -> Iterator[pl.DataFrame]:
        return iter(())

    def commit(self, rows: int = 1, rig: str = PROPULSION.name) -> None:
        sequence = self.last_sequence() + 1
        self.changes.append(Change(sequence, rig, made.START, made.START, rows))
        self.now += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def live(told: Told) -> Live:
    """It has looked once, so that all that comes is news."""
    context = cast("Context", Context(settings_for(Path("x.db")), PROPULSION, told, told))  # type: ignore[arg-type]
    watching = Live(context)
    assert news_of(watching) == []
    return watching


def news_of(live: Live) -> list[Message]:
    return [json.loads(text) for _, text in live._news()]


def test_nothing_is_news_until_somebody_commits(told: Told, live: Live) -> None:
    assert news_of(live) == []
    told.commit()
    assert [message["type"] for message in news_of(live)] == ["change"]
    assert news_of(live) == []


def test_a_commit_without_a_change_is_a_refresh(told: Told, live: Live) -> None:
    told.now += 1
    assert news_of(live) == [{"type": "refresh", "sequence": 0, "dropped": 0}]


def test_many_changes_at_once_are_one_refresh(told: Told, live: Live) -> None:
    for _ in range(32):
        told.commit()
    assert len(news_of(live)) == 32
    for _ in range(33):
        told.commit()
    assert news_of(live) == [{"type": "refresh", "sequence": 65, "dropped": 0}]
    told.commit()
    assert [message["sequence"] for message in news_of(live)] == [66]


def test_a_change_that_could_not_be_read_is_looked_for_again(told: Told, live: Live) -> None:
    told.commit()
    told.fails = RuntimeError("away for a moment")
    with pytest.raises(RuntimeError):
        news_of(live)
    told.fails = None
    assert [message["sequence"] for message in news_of(live)] == [1]


def test_a_change_of_a_rig_that_is_not_there_is_a_refresh(told: Told, live: Live) -> None:
    told.commit(rig="nobody")
    assert [message["type"] for message in news_of(live)] == ["refresh"]


def test_a_database_that_begins_again_is_a_refresh(told: Told, live: Live) -> None:
    for _ in range(3):
        told.commit()
    assert len(news_of(live)) == 3
    told.changes, told.now = [], 1 << 32
    assert news_of(live) == [{"type": "refresh", "sequence": 0, "dropped": 0}]
    told.commit()
    assert [message["sequence"] for message in news_of(live)] == [1]


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
    assert message == {
        "type": "snapshot",
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
        message = next_of(client, "change")
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
        message = next_of(client, "change")
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
        message = next_of(client, "change", "refresh")
    assert (message["type"], message["rows"]) == ("change", rows)
    assert message["first_timestamp"] == f"{moment:%Y-%m-%dT%H:%M:%SZ}"
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
        # The load may come once more: it is in the snapshot.
        while (message := next_of(client, "change"))["rows"] == 200:
            pass
    assert (message["rows"], message["readings"]) == (2, None)


def test_a_write_that_is_not_ours_is_a_refresh(written: Asked, moment: datetime) -> None:
    with client_of(written.server.socket_url) as client:
        next_of(client, "snapshot")
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
        for number in range(3):
            writer.write(made.live_rows(moment + timedelta(seconds=number), [51.0 + number]))
        heard = [[next_of(client, "change") for _ in range(3)] for client in clients]
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
        assert next_of(client, "change")["rows"] == 1


# Clients that are slow, or go


@dataclass
class Inside:
    """A server in this process, so that a test can look into it."""

    live: Live
    url: str
    database: Path

    def clients(self, number: int) -> None:
        """Wait until so many clients are there."""
        deadline = time.monotonic() + 5
        while len(self.live._clients) != number:
            assert time.monotonic() < deadline, f"{len(self.live._clients)} clients are there"
            time.sleep(0.01)


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    database = tmp_path / "readings.db"
    made.load(database, made.plain_csv(tmp_path / "first.csv", 10))
    app = create_app(settings_for(database))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Inside(app.state.live, f"ws://127.0.0.1:{port}/ws/data", database)
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def test_a_client_that_goes_leaves_nothing_behind(inside: Inside) -> None:
    with client_of(inside.url), client_of(inside.url):
        inside.clients(2)
    inside.clients(0)


@pytest.mark.parametrize("say", [b"", b"\x88\x00", b"no frame at all"])
def test_a_client_that_goes_without_a_word_leaves_nothing_behind(
    inside: Inside, say: bytes
) -> None:
    handshake = (
        b"GET /ws/data HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with closing(socket.create_connection(inside.url[5:].split("/")[0].split(":"))) as rude:
        rude.sendall(handshake)
        assert rude.recv(100).startswith(b"HTTP/1.1 101")
        inside.clients(1)
        rude.sendall(say)
    inside.clients(0)


def small_socket(url: str) -> socket.socket:
    """One that takes little before somebody reads from it."""
    host, port = url[5:].split("/")[0].split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((host, int(port)))
    return narrow


def test_a_client_that_does_not_read_delays_nobody_and_is_told(inside: Inside) -> None:
    narrow = small_socket(inside.url)
    with (
        made.live_writer(inside.database) as writer,
        client_of(inside.url, sock=narrow, max_queue=1, compression=None) as slow,
        client_of(inside.url) as quick,
    ):
        inside.clients(2)
        moments = (made.START + timedelta(days=1, minutes=10 * number) for number in count())
        deadline = time.monotonic() + 20
        while not inside.live.dropped:
            assert time.monotonic() < deadline
            for _ in range(25):
                writer.write(made.live_rows(next(moments), [50.0] * 100))
            for _ in range(25):
                # As they come, and always soon, whatever the other one does.
                assert next_of(quick, "change", "refresh")["type"] == "change"
        dropped = inside.live.dropped
        assert dropped > 64
        message = next_of(slow, "refresh", within_s=5)
        while not message["dropped"]:
            message = next_of(slow, "refresh", within_s=5)
        assert message["dropped"] == dropped
        # It has caught up, and hears what comes next.
        writer.write(made.live_rows(next(moments), [50.0]))
        while next_of(slow, "change")["rows"] != 1:
            pass


# The end


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_server_with_clients_ends_in_order(tmp_path: Path, with_signal: signal.Signals) -> None:
    made.load(tmp_path / "readings.db", made.plain_csv(tmp_path / "first.csv", 10))
    with start_server(tmp_path) as server:
        narrow = small_socket(server.socket_url)
        with (
            client_of(server.socket_url) as client,
            client_of(server.socket_url, sock=narrow, max_queue=1),
        ):
            next_of(client, "snapshot")
            started = time.monotonic()
            assert server.stop(with_signal) == 0
            assert time.monotonic() - started < 5
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=1)
            # Service restart: come again.
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 1012
        assert "Traceback" not in server.log
        assert "ERROR" not in server.log
