"""Clients that are slow or go, and the end of a server that has clients."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboard import delivery, live
from dashboard.app import create_app
from dashboard.delivery import FrameProtocol
from dashboard.live import Live
from pipeline.errors import DatabaseUnavailable
from tests.dashboard import made
from tests.dashboard.heard import client_of, next_of, small_socket
from tests.services.server import settings_for, start_server


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


@pytest.fixture(params=["auto", FrameProtocol], ids=["asgi", "frames"])
def inside(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Inside]:
    """Of any server that speaks ASGI, and of ours."""
    database = tmp_path / "readings.db"
    made.load(database, made.plain_csv(tmp_path / "first.csv", 10))
    app = create_app(settings_for(database))
    options = {"ws": request.param, "ws_per_message_deflate": False}
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # What the system would take for a client that does not read is megabytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = listener.getsockname()[1]
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


def test_more_clients_than_there_is_room_for_are_asked_to_come_later(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_MOST_CLIENTS", 2)
    with client_of(inside.url) as first:
        next_of(first, "snapshot")
        with client_of(inside.url):
            inside.clients(2)
            with pytest.raises(InvalidStatus) as refused, client_of(inside.url):
                pass
            answer = refused.value.response
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert b"2 clients" in answer.body
        inside.clients(1)
        with client_of(inside.url) as another:
            next_of(another, "snapshot")
        # Who was there has missed nothing by that.
        with made.live_writer(inside.database) as writer:
            moment = made.START + timedelta(days=1)
            writer.write(made.live_rows(moment, [50.0]))
            next_of(first, "change", "refresh")


def test_who_goes_before_it_is_told_that_the_database_is_away_is_no_error_of_ours(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that is away may take long to be found away."""
    gone = threading.Event()

    def greeting(*_: object) -> None:
        gone.wait(10)
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(inside.live, "greeting", greeting)
    with client_of(inside.url):
        inside.clients(1)
    gone.set()
    inside.clients(0)
    time.sleep(0.2)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


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
            (newest,) = made.query(
                inside.database, "SELECT max(sequence) FROM sensor_data_changes"
            )[0]
            # As they come, and always soon, whatever the other one does.
            while (message := next_of(quick, "change", "refresh"))["sequence"] < newest:
                assert not message.get("dropped")
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


def test_a_client_that_takes_nothing_for_too_long_is_let_go(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_SEND_TIMEOUT_S", 0.5)
    narrow = small_socket(inside.url)
    with (
        made.live_writer(inside.database) as writer,
        client_of(inside.url, sock=narrow, max_queue=1, compression=None),
        client_of(inside.url, max_queue=None) as quick,  # it always reads
    ):
        inside.clients(2)
        moments = (made.START + timedelta(days=1, minutes=10 * number) for number in count())
        deadline = time.monotonic() + 20
        while inside.live.clients == 2:
            assert time.monotonic() < deadline
            for _ in range(25):
                writer.write(made.live_rows(next(moments), [50.0] * 100))
            next_of(quick, "change", "refresh")
        # The other one, which has had nothing to hear for as long, stays.
        time.sleep(1)
        inside.clients(1)


# The end


def test_messages_are_sent_as_they_are(tmp_path: Path) -> None:
    """Compressed for each client anew they would take longer than everything else together."""
    with start_server(tmp_path) as server, client_of(server.socket_url) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


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
