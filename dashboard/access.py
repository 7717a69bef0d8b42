"""Who may do what: this machine may write, others with a token; no page of another site may."""

import logging
import socket
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.clients import Client, address_of, host_of, is_loopback_name
from dashboard.delivery import WRITE_FRAME
from dashboard.known_tokens import KnownTokens
from dashboard.problems import problem, problem_of, refuse, shown
from pipeline.errors import SmartSensorError
from pipeline.hosts import parse_hosts, parse_origins
from pipeline.settings import Settings
from pipeline.tokens import Scope as TokenScope

logger = logging.getLogger(__name__)

COOKIE = "smart_sensor_token"
SIGN_IN = "/sign-in"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What anybody may ask: it says nothing of readings then, or is how one signs in.
_OPEN = frozenset({"/api/health", "/api/ready", SIGN_IN, "/sign-out"})
_OPEN_FOLDER = "/static/"
_MAKE = "`smart-sensor token create NAME --scope {}` makes one"


class Access:
    """Middleware that decides by client, host, origin and token whether a request goes on."""

    def __init__(self, app: ASGIApp, settings: Settings, tokens: KnownTokens) -> None:
        self._app = app
        self._reading_needs_token = settings.require_token_to_read
        self._origins = parse_origins(settings.allowed_origins)
        self._hosts = parse_hosts(settings.allowed_hosts) | names_of_this_machine(settings.host)
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            refusal = await self._refusal(scope)
        except SmartSensorError as error:
            refusal = problem_of(HTTPConnection(scope), error)
        if refusal is not None:
            await refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket" and "token" in scope["state"]:
            send = _until_revoked(scope["state"]["secret"], self._tokens, send)
            # What is written beside `send` would be heard after the token was revoked.
            scope.get("extensions", {}).pop(WRITE_FRAME, None)
        await self._app(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        """What is answered to a request that does not go on; None for one that does."""
        writes = scope["type"] == "http" and scope["method"] not in _SAFE
        if writes or scope["type"] == "websocket":
            reason = self._foreign(scope)
            if reason is not None:
                return _refused(scope, 403, reason)
        is_open = scope["path"] in _OPEN or scope["path"].startswith(_OPEN_FOLDER)
        client: Client = scope["state"]["client"]
        scope["state"]["may_read"] = client.is_local or not self._reading_needs_token
        if client.is_local or is_open or not (writes or self._reading_needs_token):
            return None
        return await self._without_token(scope, TokenScope.WRITE if writes else TokenScope.READ)

    def _foreign(self, scope: Scope) -> str | None:
        """Why a request may come from a page of somebody else, in the browser of one of ours."""
        connection = HTTPConnection(scope)
        host = host_of(scope)
        if not (host in self._hosts or address_of(host) or is_loopback_name(host)):
            return (
                f"Host={shown(connection.headers.get('host', ''))} is no name of this server; "
                "use its address, or add the name to ALLOWED_HOSTS"
            )
        origin = connection.headers.get("origin")
        if origin is None or origin in self._origins or _is_of(origin, scope):
            return None
        return (
            f"Origin={shown(origin)} is another site; use the page of this server, or "
            "add that site to ALLOWED_ORIGINS"
        )

    async def _without_token(self, scope: Scope, needed: TokenScope) -> Response | None:
        """What is answered where a token is needed; None where a good one is there."""
        secret, by_cookie = _secret_of(HTTPConnection(scope))
        token = await self._tokens.find(secret) if secret else None
        if token is None:
            return _token_wanted(scope, needed, given=bool(secret))
        if not token.may(needed):
            return _refused(
                scope,
                403,
                f"token {token.name!r} may only {token.scope}; this takes one that may {needed}: "
                + _MAKE.format(needed.value),
            )
        if by_cookie and needed is not TokenScope.READ and not _has_origin(scope):
            return _refused(
                scope, 403, "a cookie is good for pages only; send `Authorization: Bearer TOKEN`"
            )
        scope["state"].update(token=token, secret=secret)
        return None


def names_of_this_machine(host: str) -> frozenset[str]:
    """Names under which browsers of the neighbourhood find this machine; HOST may be one."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local", host.lower()})


def _is_of(origin: str, scope: Scope) -> bool:
    """Whether an origin is the host and port that are asked for."""
    scheme, _, netloc = origin.partition("://")
    asked = HTTPConnection(scope).headers.get("host", "")
    return scheme in ("http", "https") and bool(netloc) and netloc.lower() == asked.lower()


def _has_origin(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


def _secret_of(connection: HTTPConnection) -> tuple[str, bool]:
    """The token that a request brings, and whether it is a browser's cookie."""
    kind, _, secret = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip(), False
    return connection.cookies.get(COOKIE, ""), True


def _token_wanted(scope: Scope, needed: TokenScope, given: bool) -> Response:
    headers = HTTPConnection(scope).headers
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        if "text/html" in headers.get("accept", ""):
            return _to_sign_in(scope, headers.get("sec-fetch-site"))
    error = ', error="invalid_token"' if given else ""
    challenge = {"WWW-Authenticate": f'Bearer realm="Smart Sensor"{error}'}
    what = "the token is not known, or was revoked" if given else "this takes a token"
    detail = (
        f"{what}: send `Authorization: Bearer TOKEN`, or sign in at {SIGN_IN}; "
        f"{_MAKE.format(needed.value)}, and on the server's own machine http://localhost needs none"
    )
    return _refused(scope, 401, detail, challenge)


def _to_sign_in(scope: Scope, fetch_site: str | None) -> Response:
    """Where a person is led who has not signed in."""
    query = scope["query_string"].decode("latin-1")
    # Two slashes at the beginning would be another host.
    target = "/" + quote(scope["path"].lstrip("/")) + (f"?{query}" if query else "")
    if fetch_site == "cross-site":
        # Someone has followed a link of another site: browsers keep the cookie back. Asked for
        # again by our own answer it is sent, if it is there.
        return Response(headers={"Refresh": f"0; url={target}"})
    return RedirectResponse(f"{SIGN_IN}?next={quote(target, safe='')}", 303)


def _refused(
    scope: Scope, status: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    client: Client = scope["state"]["client"]
    what = scope.get("method", "WebSocket")
    logger.info("%s %r from %s: %s %s", what, scope["path"], client.address, status, detail)
    return problem(HTTPConnection(scope), status, detail, headers)


def _until_revoked(secret: str, tokens: KnownTokens, send: Send) -> Send:
    """A way to send on a WebSocket for as long as its token is good."""

    async def send_while_valid(message: Message) -> None:
        if message["type"] == "websocket.send" and await tokens.find(secret) is None:
            await send({"type": "websocket.close", "code": 1008, "reason": "the token was revoked"})
            raise OSError("the token of this connection was revoked")
        await send(message)

    return send_while_valid
