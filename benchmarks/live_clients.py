"""Clients of the WebSocket, and users who poll; `python -m benchmarks.live_clients PORT ...`.

Each client says what browsers say, that it takes compressed messages, answers pings, and notes when
each change arrived. A client that never reads has the smallest buffers that the system gives, so
that it is noticed soon. Prints a line when all are connected; ends when its input does, and then
prints as JSON what they have noted.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import socket
import sys
import time
import zlib
from typing import cast

import uvloop

from benchmarks.http_load import answer_length, request_of

_END = b"\r\n\r\n"
_FIRST = b'"first_timestamp":"'
_AT_ONCE = 50
_SMALLEST_SEGMENT = 536
_TEXT, _CLOSE, _PING = 1, 8, 9


class Client(asyncio.Protocol):
    """A client of /ws/data; `arrivals` are of all clients, by the first reading of a change."""

    def __init__(self, port: int, arrivals: dict[str, list[float]]) -> None:
        self._port = port
        self._arrivals = arrivals
        self._received = bytearray()
        self._upgraded = False
        self._inflate: zlib._Decompress | None = None
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.refreshes = 0
        self.bytes = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(upgrade(self._port))

    def data_received(self, data: bytes) -> None:
        self._received += data
        self.bytes += len(data)
        if not self._upgraded:
            head = self._received.find(_END)
            if head < 0:
                return
            self._upgraded = self._received.startswith(b"HTTP/1.1 101")
            if not self._upgraded:
                self.connection_lost(None)
                return
            if b"permessage-deflate" in self._received[:head].lower():
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            del self._received[: head + len(_END)]
        while (length := self._frame()) > 0:
            del self._received[:length]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.greeted.done():
            self.greeted.set_exception(exc or ConnectionError("not accepted"))

    def _frame(self) -> int:
        """Take one frame; its length, or 0 where it is not complete."""
        received = self._received
        if len(received) < 2:
            return 0
        length, start = received[1], 2
        if length == 126:
            length, start = int.from_bytes(received[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(received[2:10]), 10
        if len(received) < start or len(received) < start + length:
            return 0
        kind, payload = received[0] & 0x0F, bytes(received[start : start + length])
        if kind == _TEXT:
            if received[0] & 0x40 and self._inflate is not None:
                payload = self._inflate.decompress(payload + b"\0\0\xff\xff")
            self._message(payload)
        elif kind == _PING:
            self._transport.write(bytes([0x8A, 0x80 | length, 0, 0, 0, 0]) + payload)
        return start + length

    def _message(self, message: bytes) -> None:
        if message.startswith(b'{"type":"change"'):
            at = message.index(_FIRST) + len(_FIRST)
            moment = message[at : message.index(b'"', at)].decode()
            self._arrivals.setdefault(moment, []).append(time.monotonic())
        elif message.startswith(b'{"type":"refresh"'):
            self.refreshes += 1
        elif not self.greeted.done():
            self.greeted.set_result(None)


def upgrade(port: int) -> bytes:
    """What a browser asks for a WebSocket with."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "GET /ws/data HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def never_reads(port: int) -> socket.socket:
    """A client that opens a WebSocket and reads nothing from then on, not even the answer."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SMALLEST_SEGMENT)
    opened.connect(("127.0.0.1", port))
    opened.sendall(upgrade(port))
    return opened


async def poll(port: int, paths: list[str], every_s: float, latencies: list[float]) -> None:
    """Ask these questions in every period, from a random moment of the first one on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic() + every_s * random.random()  # noqa: S311  # not secrets
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        for path in paths:
            writer.write(request_of(port, path))
            received = await reader.readuntil(_END)
            length = answer_length(received)
            assert length is not None
            await reader.readexactly(length - len(received))
            # From when it was due: a slow answer delays the next question, and that counts.
            latencies.append(time.monotonic() - due)
        due += every_s


async def run(port: int, clients: int, silent: int, users: int, paths: list[str]) -> None:
    loop = asyncio.get_running_loop()
    arrivals: dict[str, list[float]] = {}
    latencies: list[float] = []
    limit = asyncio.Semaphore(_AT_ONCE)

    async def join() -> Client:
        async with limit:
            _, client = await loop.create_connection(
                lambda: Client(port, arrivals), "127.0.0.1", port
            )
            await asyncio.wait_for(client.greeted, 60)
            return client

    unread = [never_reads(port) for _ in range(silent)]
    joined = await asyncio.gather(*(join() for _ in range(clients)))
    tasks = [loop.create_task(poll(port, paths, 1.0, latencies)) for _ in range(users)]
    print("connected", flush=True)
    ended = loop.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = [str(task.exception()) for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    for each in unread:
        each.close()
    result = {
        "arrivals": arrivals,
        "latencies_s": latencies,
        "refreshes": sum(each.refreshes for each in joined),
        "lost": sum(each.lost for each in joined),
        "bytes": sum(each.bytes for each in joined),
        "failed": failed,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--silent", type=int, default=0, help="clients that never read")
    parser.add_argument("--users", type=int, default=0)
    parser.add_argument("--path", action="append", default=[])
    asked = parser.parse_args()
    uvloop.run(run(asked.port, asked.clients, asked.silent, asked.users, asked.path))
