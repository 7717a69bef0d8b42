"""Clients that come back: told what they have missed, or that there is too much of it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.dashboard.heard import Message, change_at, client_of, next_of, settled
from tests.dashboard.test_page import NEWEST

HOURS = count(1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("resume")
    database = folder / "readings.db"
    made.load(database, made.plain_csv(folder / "first.csv", 10))
    yield from asked(folder, database=database)


@pytest.fixture
def writer(written: Asked) -> Iterator[Any]:
    """It has begun already: that is no change of readings, and told as a refresh."""
    with made.live_writer(written.database) as writer:
        with client_of(written.server.socket_url) as client:
            writer.write(made.live_rows(made.START + timedelta(hours=next(HOURS)), [50.0]))
            settled(client)
        yield writer


def first_of(written: Asked, heard: Message | None = None) -> Message:
    with client_of(address(written, heard)) as client:
        return next_of(client, "snapshot")


def address(written: Asked, heard: Message | None) -> str:
    url = written.server.socket_url
    return f"{url}?after={heard['sequence']}&epoch={heard['epoch']}" if heard else url


def test_who_was_away_is_told_what_came_meanwhile(written: Asked, writer: Any) -> None:
    heard = first_of(written)
    assert heard["resumed"] is False
    away = [made.START + timedelta(hours=next(HOURS)) for _ in range(3)]
    for moment in away:
        writer.write(made.live_rows(moment, [51.0]))
    with client_of(address(written, heard)) as client:
        snapshot = next_of(client, "snapshot")
        assert snapshot["resumed"] is True
        assert snapshot["sequence"] == heard["sequence"] + 3
        told = [next_of(client, "change") for _ in away]
        assert [each["first_timestamp"] for each in told] == [
            f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in away
        ]
        assert [each["sequence"] for each in told] == [heard["sequence"] + n for n in (1, 2, 3)]
        assert all(len(each["readings"]) == 1 for each in told)
        # And then what comes now.
        moment = made.START + timedelta(hours=next(HOURS))
        writer.write(made.live_rows(moment, [52.0]))
        assert change_at(client, moment)["sequence"] == heard["sequence"] + 4


def test_who_comes_back_again_and_again_is_told_each_change_once(
    written: Asked, writer: Any
) -> None:
    """While somebody writes: what comes during a greeting is in it or after it, not in both."""
    begin = made.START + timedelta(hours=next(HOURS))
    stop = threading.Event()
    heard = first = first_of(written)
    told: list[int] = []
    resumed = 0

    def write() -> None:
        for second in count():
            writer.write(made.live_rows(begin + timedelta(seconds=second), [54.0]))
            # Never so many more than the client knows that they would be one refresh.
            while second - len(told) > 16 or stop.is_set():
                if stop.wait(0.001):
                    return

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for visit in range(40):
            with client_of(address(written, heard)) as client:
                snapshot = next_of(client, "snapshot")
                assert snapshot["resumed"] is True
                resumed += snapshot["sequence"] - heard["sequence"]
                # It goes in the middle of what it has missed, at its end, or a little later.
                messages = [next_of(client, "change", "refresh") for _ in range(1 + visit % 8)]
            told += [message["sequence"] for message in messages]
            heard = {"sequence": told[-1], "epoch": snapshot["epoch"]}
    finally:
        stop.set()
        writing.join()
    assert told == list(range(first["sequence"] + 1, first["sequence"] + 1 + len(told)))
    assert resumed > 0


def test_who_has_missed_nothing_is_told_so(written: Asked, writer: Any) -> None:
    heard = first_of(written)
    with client_of(address(written, heard)) as client:
        assert next_of(client, "snapshot")["resumed"] is True
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.5)


def test_too_much_is_not_told_one_by_one(written: Asked, writer: Any) -> None:
    heard = first_of(written)
    begin = made.START + timedelta(hours=next(HOURS))
    for second in range(301):
        writer.write(made.live_rows(begin + timedelta(seconds=second), [50.0]))
    assert first_of(written, heard)["resumed"] is False


def test_what_somebody_else_has_changed_is_not_resumed(written: Asked, writer: Any) -> None:
    """It has left no change, so that nobody can say what it was."""
    with client_of(written.server.socket_url) as other:
        heard = next_of(other, "snapshot")
        with closing(sqlite3.connect(written.database)) as connection, connection:
            connection.execute("UPDATE sensor_data SET pressure = pressure + 1")
        refresh = next_of(other, "refresh")
    assert first_of(written, heard)["resumed"] is False
    assert refresh["epoch"] != heard["epoch"]
    # Whoever has heard of it may.
    assert first_of(written, refresh)["resumed"] is True


@pytest.mark.parametrize(
    "change", [{"epoch": "0" * 16}, {"epoch": ""}, {"sequence": 1 << 40}], ids=str
)
def test_who_has_heard_of_another_database_or_server_is_not(
    written: Asked, writer: Any, change: dict[str, Any]
) -> None:
    assert first_of(written, first_of(written) | change)["resumed"] is False


def test_after_a_restart_it_begins_anew(tmp_path: Path) -> None:
    made.load(tmp_path / "readings.db", made.plain_csv(tmp_path / "first.csv", 10))
    for server in asked(tmp_path, database=tmp_path / "readings.db"):
        heard = first_of(server)
    for server in asked(tmp_path, database=tmp_path / "readings.db"):
        assert first_of(server, heard)["resumed"] is False


def test_a_page_that_was_away_asks_for_nothing_again(
    written: Asked, writer: Any, page: Page
) -> None:
    sockets: list[WebSocketRoute] = []
    away = False

    def opened(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if away:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket("**/ws/data*", opened)
    page.goto(f"{written.server.url}/dashboard?range=all")
    page.wait_for_selector("body[data-state=ready]")
    expect(page.locator("[data-connection=live]")).to_be_visible()
    away = True
    sockets[-1].close()
    expect(page.locator("[data-connection=live]")).to_have_count(0)
    moment = made.START + timedelta(hours=next(HOURS))
    writer.write(made.live_rows(moment, [53.0]))
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    away = False
    newest = int(moment.timestamp() * 1000)
    page.wait_for_function(f"({NEWEST})() === {newest}", timeout=10_000)
    expect(page.locator("[data-connection=live]")).to_be_visible()
    assert [url for url in asked_for if "/api/trends" in url] == []
