"""A TCP proxy between a client and a server, which can cut connections in the middle."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self


@dataclass(frozen=True)
class Cut:
    """Where to cut: at the first text that this side sends, with it or without it delivered."""

    sender: Literal["client", "server"]
    text: bytes
    delivered: bool = False


class CuttingProxy:
    """Forwards connections to a port of this machine; a context manager.

    `cut_after` is how many bytes from clients it lets through; then it cuts every connection
    that it has, once, and forwards the later ones without a limit. `cuts_at` are cuts to come,
    one after the other.
    """

    def __init__(self, port: int, cut_after: int | None = None) -> None:
        self._target = port
        self._left = cut_after
        self.cuts_at: list[Cut] = []
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.cuts = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Closing alone would leave a thread that waits in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._open += [client, server]
                for source, sink, counted in ((client, server, True), (server, client, False)):
                    work = (source, sink, counted)
                    threading.Thread(target=self._forward, args=work, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                cut = self._cut_at("client" if counted else "server", data)
                if cut is not None and cut.delivered:
                    sink.sendall(data)
                if cut is not None or (counted and self._is_too_much(len(data))):
                    self.cuts += 1
                    self._cut()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _cut_at(self, sender: str, data: bytes) -> Cut | None:
        with self._lock:
            if self.cuts_at and self.cuts_at[0].sender == sender and self.cuts_at[0].text in data:
                return self.cuts_at.pop(0)
        return None

    def _is_too_much(self, count: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            self._left -= count
            if self._left > 0:
                return False
            self._left = None
            return True

    def _cut(self) -> None:
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            # So that the other side sees it at once, whoever waits in recv().
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
