"""`smart-sensor serve` and `run`: the dashboard, and the small application."""

import os
import runpy
import sys
from typing import Annotated

import typer

from pipeline.paths import resource
from pipeline.terminal import used_settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default PORT.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that serve it together; default WORKERS.")
    ] = None,
) -> None:
    """Serve the dashboard and its API, as `python dashboard/app.py` does."""
    for name, value in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if value is not None:
            os.environ[name] = str(value)
    used_settings()
    del sys.argv[1:]
    # By name: the pipeline knows nothing of the web, and does not import it.
    runpy.run_module("dashboard.app", run_name="__main__", alter_sys=True)


def run_main(context: typer.Context) -> None:
    """The small application in one command, with a live simulation: `python main.py`."""
    used_settings()
    sys.argv = ["main.py", *context.args]
    runpy.run_path(str(resource("main.py")), run_name="__main__")
