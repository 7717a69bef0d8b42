"""The application, for `python dashboard/app.py` and for `uvicorn dashboard.app:app`."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.staticfiles import StaticFiles

from dashboard import api, exports, live, pages, problems
from dashboard.answers import Answers, Context
from pipeline import __version__
from pipeline.errors import SmartSensorError
from pipeline.rig import configured_rig
from pipeline.settings import Settings, get_settings
from pipeline.stores import open_store

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API, live updates and static files; the page is added by `create_dashboard`.

    Opens the database and brings its schema up to date. Raises SmartSensorError.
    """
    settings = settings or get_settings()
    store = open_store(settings)
    context = Context(settings, configured_rig(settings), store, Answers(store))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(app.state.live.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
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
    app.state.live = live.Live(context)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    problems.install(app)
    for router in (api.router, exports.router, live.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    return app


def create_dashboard(settings: Settings | None = None) -> FastAPI:
    """The whole application with its page."""
    app = create_app(settings)
    app.include_router(pages.router)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve an application until it is interrupted; says where it is to be found."""
    if not pages.charts_built():
        logger.warning("the chart libraries are not built: run `make charts`")
    uvicorn.run(app, host=settings.host, port=settings.port, log_level=settings.log_level.lower())


def or_exit(create: Callable[[], FastAPI]) -> FastAPI:
    """An application, or one line that says why not, and exit code 2."""
    try:
        return create()
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
