"""A FastAPI application with one route that returns bytes it was given: the rival of web.py.

`python -m benchmarks.empty_route FILE`: served by the function that serves the dashboard, so that
all options of uvicorn are the same. It is asked at any path, and has no middleware.
"""

import sys
from pathlib import Path

from fastapi import FastAPI, Response

from dashboard.app import serve
from pipeline.settings import get_settings


def application(body: bytes) -> FastAPI:
    """One route, as short as it can be; on the event loop, which is quicker than a thread."""
    app = FastAPI()

    @app.get("/api/health")
    async def answer() -> Response:
        return Response(body, media_type="application/json")

    return app


if __name__ == "__main__":
    serve(application(Path(sys.argv[1]).read_bytes()), get_settings())
