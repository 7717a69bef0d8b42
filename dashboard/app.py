"""The application, for `python dashboard/app.py` and for `uvicorn dashboard.app:app`."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import uvicorn
from anyio.to_thread import run_sync
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES

from dashboard import (
    api,
    buckets,
    exports,
    guards,
    live,
    loads,
    metrics,
    pages,
    problems,
    ready,
    rejects,
    sign_in,
)
from dashboard.answers import Context
from dashboard.export_formats import FORMATS
from dashboard.jobs import Jobs
from dashboard.kept import Answers, KeptAnswers
from dashboard.uploads import Uploads
from pipeline import __version__
from pipeline.errors import SettingsError, SmartSensorError
from pipeline.retention import apply_retention
from pipeline.rig import configured_rig
from pipeline.settings import Settings, get_settings
from pipeline.stores import Store, open_store

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

# How long answers that are under way may take when the server is told to stop.
_GRACE_S = 3
_BACKLOG = 2048
_RETENTION_INTERVAL_S = 3600


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API, live updates and static files; the page is added by `create_dashboard`.

    Opens the database and brings its schema up to date. Raises SmartSensorError.
    """
    settings = settings or get_settings()
    store = open_store(settings)
    context = Context(settings, configured_rig(settings), store, Answers(store))

    uploads = Uploads(settings.uploads_folder, settings.max_upload_mb << 20)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def tell(message: dict[str, Any]) -> None:
            # The loop may have ended before the thread that tells it something.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(app.state.live.broadcast, message)

        jobs = Jobs(context, uploads, tell)
        app.state.jobs = jobs
        jobs.start(uploads.open())
        tasks = [
            asyncio.create_task(work) for work in (app.state.live.watch(), _retain(store, settings))
        ]
        yield
        app.state.stopping = True
        await run_sync(jobs.stop, _GRACE_S)
        uploads.close()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        store.close()

    app = FastAPI(
        title="Smart Sensor Dashboard",
        description="Readings of test rigs: key figures, trends, alerts with reasons, raw data.",
        version=__version__,
        lifespan=lifespan,
        # FastAPI's pages for it would load scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    app.state.uploads = uploads
    app.state.live = live.Live(context)
    app.state.stopping = False
    app.add_middleware(
        GZipMiddleware,
        minimum_size=1000,
        compresslevel=4,
        # Parquet is compressed already.
        exclude_content_types=(
            *DEFAULT_EXCLUDED_CONTENT_TYPES,
            FORMATS["parquet"].media_type,
        ),
    )
    app.add_middleware(KeptAnswers, answers=context.answers)
    problems.install(app)
    guards.install(app, settings, store)
    for router in (
        api.router,
        buckets.router,
        exports.router,
        rejects.router,
        live.router,
        ready.router,
        sign_in.router,
    ):
        app.include_router(router)
    # How large a file may be is looked at while it is written: no other limit is in the way.
    app.include_router(loads.router, max_body_size=sys.maxsize)
    metrics.install(app)
    app.mount("/static", pages.StaticPages(directory=pages.STATIC), name="static")
    return app


async def _retain(store: Store, settings: Settings) -> None:
    """Once an hour, from the start on, delete what is older than RETENTION."""
    while True:
        try:
            await run_sync(apply_retention, store, settings)
        except SmartSensorError as error:
            logger.warning("RETENTION waits: %s", error)
        await asyncio.sleep(_RETENTION_INTERVAL_S)


def create_dashboard(settings: Settings | None = None) -> FastAPI:
    """The whole application with its page."""
    app = create_app(settings)
    app.include_router(pages.router)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve an application until Ctrl+C or SIGTERM; what is under way may end, for a moment.

    Says where it is to be found. Where it cannot listen it says why, and exits with code 2.
    """
    logging.basicConfig(level=settings.log_level, format="%(levelname)s:     %(message)s")
    listeners = or_exit(lambda: listen(settings))
    if not pages.charts_built():
        logger.warning("the chart libraries are not built: run `make charts`")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level=settings.log_level.lower(),
            # A line a request would drown everything else.
            access_log=settings.log_level == "DEBUG",
            timeout_graceful_shutdown=_GRACE_S,
            # Who is behind a proxy: dashboard/clients.py.
            proxy_headers=False,
            server_header=False,
            # Each message would be compressed for each client anew, which takes longer than to send
            # it, and keeps memory for each of them.
            ws_per_message_deflate=False,
        )
    )
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        # An address that stands for all of this machine is none that a browser can open.
        name = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared only
        shown = f"[{name}]" if ":" in name else name
        print(f"Smart Sensor: http://{shown}:{port}/  (Ctrl+C stops it)", flush=True)
    # What is there now stays: to look for garbage in it would hold up answers for 0.1 s each time.
    gc.collect()
    gc.freeze()
    # When it has stopped in order, uvicorn raises the signal again: that would be an exit code.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run(sockets=listeners)


def listen(settings: Settings) -> list[socket.socket]:
    """Sockets that listen on PORT of each address that HOST stands for.

    Raises SettingsError where that is not possible.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [
            socket.create_server(address[:2], family=family, backlog=_BACKLOG)
            for family, _, _, _, address in found
        ]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"PORT={port} is taken on {host}; stop the program that has it, "
                "or set PORT to another one (0 takes a free one)"
            ) from None
        raise SettingsError(
            f"HOST={host}, PORT={port}: cannot listen there: {error.strerror}"
        ) from None


def or_exit(make: Callable[[], Made]) -> Made:
    """What `make` gives, or one line that says why not, and exit code 2."""
    try:
        return make()
    except SmartSensorError as error:
        print(f"smart-sensor: {error}", file=sys.stderr)
        sys.exit(2)


def __getattr__(name: str) -> FastAPI:
    """`app`, for ASGI servers: made when one asks, not when somebody imports this module."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return or_exit(create_dashboard)


if __name__ == "__main__":
    serve(or_exit(create_dashboard), get_settings())
