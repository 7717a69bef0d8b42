"""The page for people: one template, filled with settings; everything else comes by the API."""

import mimetypes
import os
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.datastructures import Headers
from starlette.staticfiles import PathLike
from starlette.types import Scope

from dashboard.answers import ContextDependency
from dashboard.kept import Answer
from pipeline import __version__
from pipeline.paths import resource

STATIC = Path(__file__).parent / "static"


class StaticPages(StaticFiles):
    """Static files: compressed once, and asked for again (by ETag), so that an upgrade shows."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        path = Path(os.fsdecode(full_path))
        media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return _kept(path, stat_result.st_mtime_ns).response(Headers(scope=scope), media_type)


@lru_cache(maxsize=256)
def _kept(path: Path, written: int) -> Answer:
    return Answer.of(path.read_bytes())


# Asked for at once, and not when the module that imports them has been read, six deep.
_MODULES = sorted({path.name for path in STATIC.glob("*.js")} - {"theme-early.js", "main.js"})

router = APIRouter(include_in_schema=False)
_templates = Jinja2Templates(resource("templates"))


def charts_built() -> bool:
    """Whether the chart libraries were there to be installed with us."""
    return (STATIC / "vendor" / "charts.bundle.min.js").is_file()


@router.api_route("/", methods=["GET", "HEAD"])
def root() -> Response:
    return RedirectResponse("/dashboard")


@router.api_route("/dashboard", methods=["GET", "HEAD"])
def dashboard(request: Request, context: ContextDependency) -> Response:
    return _templates.TemplateResponse(
        request,
        "dashboard.html",
        {
            "title": "Smart Sensor Dashboard",
            "refresh_interval_s": context.settings.dashboard_refresh_interval,
            "version": __version__,
            "charts_built": charts_built(),
            "modules": _MODULES,
        },
    )
