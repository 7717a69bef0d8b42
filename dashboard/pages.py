"""The page for people: one template, filled with settings; everything else comes by the API."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from dashboard.answers import ContextDependency
from pipeline import __version__
from pipeline.paths import resource

STATIC = Path(__file__).parent / "static"


class StaticPages(StaticFiles):
    """Static files that browsers ask for again (by ETag), so that an upgrade shows at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


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
        },
    )
