"""Clients of the live updates, and what they hear."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from websockets.sync.client import ClientConnection, connect

from dashboard.live import ASK_INTERVAL_S

# How long it may take where browsers, servers and other tests share two cores. What it usually
# takes is said by ASK_INTERVAL_S.
SOON_S = 10.0
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


def change_at(connection: ClientConnection, moment: datetime) -> Message:
    """The change that begins at a time, whatever of tests before may come first."""
    while True:
        message = next_of(connection, "change")
        if datetime.fromisoformat(message["first_timestamp"]) == moment:
            return message


def settled(connection: ClientConnection) -> None:
    """All that has been written until now has been told."""
    with suppress(TimeoutError):
        while True:
            connection.recv(timeout=2 * ASK_INTERVAL_S)


def small_socket(url: str) -> socket.socket:
    """One that takes little before somebody reads from it."""
    host, port = url[5:].split("/")[0].split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((host, int(port)))
    return narrow
