"""A load generator for HTTP/1.1: connections that are kept, each with one request under way.

Of a request it writes bytes that were made before, and of an answer it reads no more than its
length: on the loop of libuv it asks several times as fast as a FastAPI route can answer, which
`bare_server` shows in the same run.
"""

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import uvloop

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_TIMEOUT_S = 60.0
# What browsers say: an answer that is kept compressed is sent so.
_HEADERS = "Host: 127.0.0.1:{port}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\r\n"


class UnexpectedAnswerError(RuntimeError):
    """The server said something else than 200, or something that cannot be read."""


@dataclass(frozen=True)
class Load:
    """What a number of connections got: when each answer was complete, and how long it took."""

    seconds: float
    latencies_s: list[float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds


def request_of(port: int, path: str) -> bytes:
    """The bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\n{_HEADERS.format(port=port)}".encode()


def answer_length(received: bytes | bytearray) -> int | None:
    """Bytes of the first answer, its head included; None until its head is complete.

    Raises UnexpectedAnswerError where it is not 200, or does not say how long it is.
    """
    head = received.find(_END)
    if head < 0:
        return None
    if not received.startswith(b"HTTP/1.1 200"):
        raise UnexpectedAnswerError(bytes(received[:1000]).decode(errors="replace"))
    lower = received[:head].lower()
    at = lower.find(_LENGTH)
    if at < 0:
        raise UnexpectedAnswerError("an answer without Content-Length")
    return head + len(_END) + int(lower[at + len(_LENGTH) :].split(b"\r\n", 1)[0])


class Connection:
    """One connection that is asked now and then, and waits for each answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str) -> tuple[float, bytes]:
        """Seconds until the answer was complete, and its body as it was sent."""
        request = request_of(self._port, path)
        received = bytearray()
        started = time.perf_counter()
        self._socket.sendall(request)
        length = None
        while length is None or len(received) < length:
            part = self._socket.recv(1 << 20)
            if not part:
                raise UnexpectedAnswerError(f"{path}: the connection ended")
            received += part
            length = length or answer_length(received)
        seconds = time.perf_counter() - started
        return seconds, bytes(received[received.find(_END) + len(_END) :])

    def close(self) -> None:
        self._socket.close()


@contextmanager
def connected(port: int) -> Iterator[Connection]:
    """A connection for the block."""
    connection = Connection(port)
    try:
        yield connection
    finally:
        connection.close()


class _Asker(asyncio.Protocol):
    """Asks again as soon as it has an answer, until the deadline."""

    def __init__(self, request: bytes, deadline: float, latencies_s: list[float]) -> None:
        self._request = request
        self._deadline = deadline
        self._latencies_s = latencies_s
        self._received = bytearray()
        self._length: int | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            self._length = self._length or answer_length(self._received)
        except UnexpectedAnswerError as error:
            self._end(error)
            return
        if self._length is None or len(self._received) < self._length:
            return
        now = time.perf_counter()
        self._latencies_s.append(now - self._started)
        del self._received[: self._length]
        self._length = None
        if now < self._deadline:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or UnexpectedAnswerError("the connection ended"))

    def _ask(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None) if error is None else self.done.set_exception(error)
        self._transport.close()


def load(port: int, path: str, connections: int, seconds: float) -> Load:
    """Ask one question on so many connections for so many seconds.

    Raises UnexpectedAnswerError where an answer is not 200.
    """

    async def run() -> Load:
        latencies_s: list[float] = []
        request, started = request_of(port, path), time.perf_counter()
        loop = asyncio.get_running_loop()
        askers = []
        for _ in range(connections):
            _, asker = await loop.create_connection(
                lambda: _Asker(request, started + seconds, latencies_s), "127.0.0.1", port
            )
            askers.append(asker.done)
        async with asyncio.timeout(seconds + _TIMEOUT_S):
            await asyncio.gather(*askers)
        return Load(time.perf_counter() - started, latencies_s)

    return uvloop.run(run())


@contextmanager
def bare_server(body: bytes) -> Iterator[int]:
    """A process that sends this body to whatever it receives, and nothing else; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve_bare, args=(listener, body), daemon=True)
        process.start()
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.join()


class _Bare(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)


def _serve_bare(listener: socket.socket, body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Bare(head + body), sock=listener)
        await server.serve_forever()

    uvloop.run(serve())
