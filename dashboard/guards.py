"""What stands before the routes, from the inside to the outside."""

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware

from dashboard.access import Access
from dashboard.arrivals import Arrivals
from dashboard.headers import SecurityHeaders
from dashboard.known_tokens import KnownTokens
from dashboard.limits import PlainBodies, RateLimit
from pipeline.hosts import parse_networks, parse_origins
from pipeline.settings import Settings
from pipeline.stores import Store


def install(app: FastAPI, settings: Settings, store: Store) -> None:
    """Put an application behind its guards; each one stands before those that came before it.

    A route that takes larger bodies than MAX_REQUEST_KB says so: `max_body_size` of FastAPI's
    routes and of `include_router`.
    """
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_request_kb * 1024)
    app.add_middleware(PlainBodies)
    app.state.tokens = KnownTokens(store)
    app.add_middleware(Access, settings=settings, tokens=app.state.tokens)
    if settings.requests_per_minute:
        app.add_middleware(RateLimit, per_minute=settings.requests_per_minute)
    origins = parse_origins(settings.allowed_origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization"],
            expose_headers=["Content-Disposition", "ETag", "Retry-After", "X-Request-Id"],
        )
    app.add_middleware(Arrivals, proxies=parse_networks(settings.trusted_proxies))
    app.add_middleware(SecurityHeaders)
