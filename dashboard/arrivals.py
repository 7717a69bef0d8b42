"""What every request gets first: who asks, and an id. What every answer has: that id, one shape.

The outermost of our middleware but for the headers: also what other middleware answers, or fails
to, goes through it.
"""

import logging
import os
import re
from collections.abc import Sequence
from contextvars import ContextVar

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.clients import Client, client_of, scheme_of
from dashboard.problems import problem, too_large
from pipeline.hosts import Network

logger = logging.getLogger(__name__)

STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
_NAMED = STARTS | {"websocket.accept"}
_HARMLESS = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LOGGERS = (
    "uvicorn.error",
    __name__,
    "dashboard.access",
    "dashboard.exports",
    "dashboard.known_tokens",
    "dashboard.live",
    "dashboard.problems",
)
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def name_in_log(record: logging.LogRecord) -> bool:
    """A filter of loggers: a line that is written for a request names it."""
    request_id = _current.get()
    if request_id is not None:
        record.msg = f"{record.msg} [request {request_id}]"
    return True


class Arrivals:
    """Middleware that knows the client, names the request, and answers what nobody expected."""

    def __init__(self, app: ASGIApp, proxies: Sequence[Network] = ()) -> None:
        self._app = app
        self._proxies = proxies
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(name_in_log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        client = client_of(scope, self._proxies)
        request_id = _taken_over(scope, client) or os.urandom(8).hex()
        scope.setdefault("state", {}).update(client=client, request_id=request_id)
        if self._proxies and client.is_believed:
            scope["scheme"] = scheme_of(scope) or scope["scheme"]
        _current.set(request_id)
        answer = _Answer(scope, receive, send, request_id)
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            pass
        except Exception:
            if answer.started or scope["type"] != "http":
                raise  # the server ends the connection, and writes it down
            logger.exception("%s %r", scope["method"], scope["path"])
            await answer.send_problem(500, "an error of ours; it is in the server's log")


class _Answer:
    """The way out: a header for the id, and a problem in the place of an error in plain text."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._header = (b"x-request-id", request_id.encode())
        self._plain: Message | None = None
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] in _NAMED:
            self.started = True
            if _is_plain_error(message):
                self._plain = message
                return
            headers = [*message.get("headers", ()), self._header]
            message = {**message, "headers": headers}
        elif self._plain is not None:
            if not message.get("more_body"):
                await self._send_shaped(self._plain, message.get("body", b""))
            return
        await self._send(message)

    async def send_problem(
        self, status: int, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        response = problem(HTTPConnection(self._scope), status, detail, headers)
        await response(self._scope, self._receive, self.send)

    async def _send_shaped(self, start: Message, body: bytes) -> None:
        """What a library has said in plain text, as a problem; its headers stay."""
        self._plain = None
        kept = {
            name.decode(): value.decode("latin-1")
            for name, value in start["headers"]
            if not name.startswith(b"content-")
        }
        detail = body.decode("utf-8", "replace")
        if start["status"] == 413:
            detail = too_large(self._scope)
        await self.send_problem(start["status"], detail, kept)


def _is_plain_error(message: Message) -> bool:
    if message.get("status", 0) < 400:
        return False
    kinds = [value for name, value in message.get("headers", ()) if name == b"content-type"]
    return not kinds or kinds[0].startswith(b"text/plain")


def _taken_over(scope: Scope, client: Client) -> str | None:
    """The id that the request has already, where whoever gave it is believed."""
    if not client.is_believed:
        return None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _HARMLESS.fullmatch(value):
            return str(value.decode())
    return None
