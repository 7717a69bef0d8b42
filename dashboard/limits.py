"""How often a client may ask, and what a request may bring."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.clients import address_of
from dashboard.problems import problem, refuse

# A bucket takes about 300 bytes. Whoever has not asked for the longest time is forgotten first.
_MOST_CLIENTS = 10_000
# What belongs to one network at the least: its hosts choose the rest of an address themselves.
_IPV6_NETWORK_BITS = 64


@dataclass(slots=True)
class _Bucket:
    """What is left of a client's requests at a time."""

    left: float
    at: float


class Rates:
    """A token bucket a client, which holds a minute's requests and fills as they pass."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[int | str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, client: str) -> float:
        """Take a request of a client: 0 where it may ask, else the seconds until it may."""
        now = self._clock()
        key = _network(client)
        bucket = self._buckets.pop(key, None) or _Bucket(self._per_minute, now)
        filled = bucket.left + (now - bucket.at) * self._per_second
        bucket.left, bucket.at = min(filled, self._per_minute), now
        self._buckets[key] = bucket
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            return (1 - bucket.left) / self._per_second
        bucket.left -= 1
        return 0


class RateLimit:
    """Middleware that tells clients on other machines to wait when they ask too often."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._per_minute = per_minute
        self._rates = Rates(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope["state"]["client"] if scope["type"] != "lifespan" else None
        if client is not None and not client.is_local:
            wait_s = self._rates.wait_s(client.address)
            if wait_s:
                detail = (
                    f"more than {self._per_minute:,} requests a minute from {client.address}; "
                    f"wait {wait_s:.1f} s, or ask whoever runs this for more REQUESTS_PER_MINUTE"
                )
                after = {"Retry-After": str(math.ceil(wait_s))}
                response = problem(HTTPConnection(scope), 429, detail, after)
                await refuse(response, scope, receive, send)
                return
        await self._app(scope, receive, send)


class PlainBodies:
    """Middleware that takes no compressed bodies: what arrives is what is counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            encoding = Headers(scope=scope).get("content-encoding", "identity")
            if encoding.lower() != "identity":
                detail = f"Content-Encoding={encoding!r}: bodies are taken as they are; send it so"
                accepted = {"Accept-Encoding": "identity"}
                response = problem(HTTPConnection(scope), 415, detail, accepted)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _network(client: str) -> int | str:
    """What is counted as one client: an address, or of IPv6 a network."""
    address = address_of(client)
    if isinstance(address, IPv6Address):
        return -(int(address) >> (128 - _IPV6_NETWORK_BITS))
    return client if address is None else int(address)
