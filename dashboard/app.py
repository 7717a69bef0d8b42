"""The application, for `python dashboard/app.py` and for `uvicorn dashboard.app:app`."""

import asyncio
import logging
import runpy
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

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
from dashboard.kept import Answers
from dashboard.renewal import KeptAnswers
from dashboard.serving import GRACE_S, or_exit, serve, serve_workers
from dashboard.uploads import Uploads
from pipeline import __version__
from pipeline.errors import SmartSensorError
from pipeline.retention import apply_retention
from pipeline.rig import configured_rig
from pipeline.settings import Settings, get_settings
from pipeline.stores import Store, open_store

logger = logging.getLogger(__name__)

_RETENTION_INTERVAL_S = 3600
_PAUSE_S = 2


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
            asyncio.create_task(_without_end(work))
            for work in (
                app.state.live.watch,
                jobs.watch,
                app.state.metrics.watch,
                partial(_retain, store, settings),
            )
        ]
        yield
        app.state.stopping = True
        await run_sync(jobs.stop, GRACE_S)
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


async def _without_end(work: Callable[[], Awaitable[None]]) -> None:
    """Work that goes on after an error of ours: nobody would begin it again."""
    while True:
        try:
            await work()
            return
        except Exception:
            logger.exception("it goes on in %d s", _PAUSE_S)
            await asyncio.sleep(_PAUSE_S)


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


def __getattr__(name: str) -> FastAPI:
    """`app`, for ASGI servers: made when one asks, not when somebody imports this module."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return or_exit(create_dashboard)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        # Options and --help are those of the command, which comes back here.
        sys.argv.insert(1, "serve")
        runpy.run_module("pipeline.cli", run_name="__main__")
    elif get_settings().workers > 1:
        serve_workers(get_settings())
    else:
        serve(or_exit(create_dashboard), get_settings())
