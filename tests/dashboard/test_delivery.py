"""What waits for a client, and in which order it comes: without a network."""

import asyncio
import json
from typing import Any, cast

from fastapi import WebSocket
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from dashboard import delivery
from dashboard.delivery import Client, Message, News


def numbered(*numbers: int) -> News:
    return News([Message(number, b"%d" % number) for number in numbers])


def texts(client: Client) -> list[Any]:
    waiting = []
    while not client.messages.empty():
        waiting.append(json.loads(client.messages.get_nowait().body))
    return waiting


def test_messages_wait_in_order() -> None:
    client = Client()
    for number in range(64):
        client.offer(numbered(number))
    assert texts(client) == list(range(64))
    assert client.dropped == 0


def test_a_full_queue_gives_way_to_one_refresh() -> None:
    client = Client()
    for number in range(65):
        client.offer(numbered(number))
    assert client.dropped == 65
    assert texts(client) == [{"type": "refresh", "sequence": 64, "dropped": 65}]


def test_after_a_refresh_messages_go_on() -> None:
    client = Client()
    for number in range(200):
        client.offer(numbered(number))
    waiting = texts(client)
    assert waiting[0]["type"] == "refresh"
    assert waiting[1:] == list(range(waiting[0]["sequence"] + 1, 200))
    assert waiting[0]["dropped"] == client.dropped
    assert client.messages.maxsize == 64


class Connection:
    """A WebSocket whose server lets us write frames, while it is writable."""

    def __init__(self) -> None:
        self.scope = {"extensions": {delivery.WRITE_FRAME: {"write": self.write}}}
        self.received: list[str] = []
        self.writable = asyncio.Event()
        self.writable.set()

    def write(self, frame: bytes) -> bool:
        if not self.writable.is_set():
            return False
        while frame:
            end = 2 + frame[1]
            self.received.append(frame[2:end].decode())
            assert frame[:end] == Frame(Opcode.TEXT, frame[2:end]).serialize(mask=False)
            frame = frame[end:]
        return True

    async def send_text(self, text: str) -> None:
        await self.writable.wait()
        self.received.append(text)


STEPS = ["offer one", "offer three", "wait", "block", "unblock"]


@given(st.lists(st.sampled_from(STEPS), max_size=20))
def test_no_message_overtakes_another_or_is_lost(steps: list[str]) -> None:
    """Whichever way each of them takes."""

    async def run() -> tuple[int, list[str]]:
        connection = Connection()
        socket = cast(WebSocket, connection)
        client = Client(socket)
        delivering = asyncio.create_task(client.deliver(socket, 2, [b"greeting"]))
        offered = 0
        for step in steps:
            if step.startswith("offer"):
                count = 1 if step.endswith("one") else 3
                client.offer(numbered(*range(offered + 1, offered + count + 1)))
                offered += count
            elif step == "wait":
                await asyncio.sleep(0)
            elif step == "block":
                connection.writable.clear()
            else:
                connection.writable.set()
        connection.writable.set()
        for _ in range(offered + 5):
            await asyncio.sleep(0)
        delivering.cancel()
        return offered, connection.received

    offered, received = asyncio.run(run())
    # The greeting includes the first two.
    assert received == ["greeting", *map(str, range(3, offered + 1))]


def test_a_refresh_is_sent_whatever_its_number() -> None:
    """After it sequence numbers may begin anew: the database may be another one."""

    async def run() -> list[str]:
        connection = Connection()
        socket = cast(WebSocket, connection)
        client = Client(socket)
        delivering = asyncio.create_task(client.deliver(socket, 100, []))
        await asyncio.sleep(0.01)
        client.offer(numbered(7))
        client.offer(News([Message(3, b'{"type":"refresh"}')]))
        client.offer(numbered(4))
        delivering.cancel()
        return connection.received

    assert asyncio.run(run()) == ['{"type":"refresh"}', "4"]
