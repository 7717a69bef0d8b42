"""Headers for browsers: what a page of ours may do, and what others may do with it."""

import base64
import re
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.arrivals import STARTS

# Nothing but what the pages need: own scripts, styles, pictures and answers, and no inline code.
# 'self' is also the WebSocket of the same host and port.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_UNUSED = (
    "accelerometer camera geolocation gyroscope magnetometer microphone midi payment serial usb"
)


def policy(page: str = "") -> str:
    """A Content-Security-Policy for a page, whose inline scripts and styles are allowed by hash."""
    sources = dict(_POLICY)
    for kind, text in _INLINE.findall(page):
        digest = base64.b64encode(sha256(text.encode()).digest()).decode()
        sources[f"{kind}-src"] += f" 'sha256-{digest}'"
    return "; ".join(f"{name} {value}" for name, value in sources.items())


HEADERS = {
    "content-security-policy": policy(),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _UNUSED.split()),
    # Not no-referrer: browsers would send forms of ours without their origin.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class SecurityHeaders:
    """Middleware that gives every answer HEADERS, where it has not one of that name itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] in STARTS:
                given = list(message.get("headers", ()))
                names = {name for name, _ in given}
                missing = [header for header in _RAW if header[0] not in names]
                message = {**message, "headers": given + missing}
            await send(message)

        await self._app(scope, receive, send_with)
