"""Messages on their way to WebSocket clients: each has a bounded queue, so that none delays others.

Where the server lets us, a message is put into its frame once, and that is written to the
connection of every client that has nothing waiting: through ASGI, and a task of each client's own,
the same takes several times as long.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from fastapi import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from dashboard.kept import to_json

# In the scope of a WebSocket whose server lets us write frames.
WRITE_FRAME = "smart_sensor.write_frame"
_QUEUE_LENGTH = 64
_SEND_TIMEOUT_S = 10.0
_REFRESH = b'{"type":"refresh"'


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own protocol, and a way to write frames. Not for compressed messages."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application is a task, which begins later.
            self.scope["extensions"][WRITE_FRAME] = {"write": self.write_frame}

    def write_frame(self, frame: bytes) -> bool:
        """Write it at once; False where it must wait, or the connection ends."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        try:
            self.transport.write(frame)
        except (RuntimeError, OSError):
            return False  # it has just ended: nobody else is to miss anything by it
        return True


@dataclass(frozen=True)
class Message:
    """What all clients are sent, and the number of the change that it tells of."""

    sequence: int
    body: bytes

    @cached_property
    def is_refresh(self) -> bool:
        return self.body.startswith(_REFRESH)


@dataclass(frozen=True)
class News:
    """Messages that all clients are sent, in this order: in one write where several have come."""

    messages: Sequence[Message]

    @cached_property
    def frames(self) -> bytes:
        frames = (Frame(Opcode.TEXT, message.body) for message in self.messages)
        return b"".join(frame.serialize(mask=False) for frame in frames)


class Client:
    """One connection: the messages that wait for it, and how many it has missed."""

    def __init__(self, socket: WebSocket | None = None) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue(_QUEUE_LENGTH)
        self.dropped = 0
        extensions = (socket and socket.scope.get("extensions")) or {}
        self._write: Callable[[bytes], bool] | None = extensions.get(WRITE_FRAME, {}).get("write")
        # What it has been sent includes the changes up to this one.
        self._included = 0
        # Whether it has been sent everything that was queued.
        self._is_even = False

    def offer(self, news: News) -> None:
        """Send messages; when its queue is full, all that wait give way to one `refresh`."""
        if self._sent_at_once(news):
            return
        for message in news.messages:
            if self.messages.full():
                self.dropped += self.messages.qsize() + 1
                while not self.messages.empty():
                    self.messages.get_nowait()
                self.messages.put_nowait(_refresh(message.sequence, self.dropped))
            else:
                self.messages.put_nowait(message)

    def offer_if_quick(self, news: News) -> None:
        """Send messages that a client may do without, when it is too slow for them."""
        if self._sent_at_once(news):
            return
        for message in news.messages:
            if self.messages.full():
                self.dropped += 1
            else:
                self.messages.put_nowait(message)

    def _sent_at_once(self, news: News) -> bool:
        if self._write is None or not self._is_even or not self.messages.empty():
            return False
        needed = [message for message in news.messages if self._needs(message)]
        if not needed:
            return True
        whole = len(needed) == len(news.messages)
        return self._write(news.frames if whole else News(needed).frames)

    def _needs(self, message: Message) -> bool:
        if message.is_refresh:
            # After it sequence numbers may begin anew: the database may be another one.
            self._included = message.sequence
            return True
        return message.sequence > self._included

    async def deliver(self, socket: WebSocket, included: int, greeting: list[bytes]) -> None:
        """Send a greeting, which includes the changes up to a number, and then what waits, until
        the client goes or takes longer than we wait."""
        with suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            # One for all messages: a timeout of its own for each would take as long as sending it.
            async with asyncio.timeout(None) as limit:
                for body in greeting:
                    await _send(socket, body, limit)
                self._included = included
                while True:
                    message = await self._next()
                    if self._needs(message):
                        await _send(socket, message.body, limit)

    async def _next(self) -> Message:
        self._is_even = self.messages.empty()
        try:
            return await self.messages.get()
        finally:
            self._is_even = False


def _refresh(sequence: int, dropped: int) -> Message:
    body = {"type": "refresh", "sequence": sequence, "dropped": dropped}
    return Message(sequence, to_json(body))


async def _send(socket: WebSocket, message: bytes, limit: asyncio.Timeout) -> None:
    limit.reschedule(asyncio.get_running_loop().time() + _SEND_TIMEOUT_S)
    await socket.send_text(message.decode())
    limit.reschedule(None)
