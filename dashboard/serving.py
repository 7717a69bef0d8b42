"""Serving an application: in this process, or in several that share its sockets."""

import errno
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from dashboard import pages
from dashboard.delivery import FrameProtocol
from dashboard.worker_figures import FOLDER_VARIABLE
from pipeline.errors import SettingsError, SmartSensorError
from pipeline.rig import configured_rig
from pipeline.settings import Settings, get_settings
from pipeline.stores import open_store

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

# How long answers that are under way may take when the server is told to stop.
GRACE_S = 3
_BACKLOG = 2048


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve an application until Ctrl+C or SIGTERM; what is under way may end, for a moment.

    Says where it is to be found. Where it cannot listen it says why, and exits with code 2.
    """
    listeners = _ready_to_listen(settings)
    server = uvicorn.Server(uvicorn.Config(app, **_options(settings)))
    _keep_what_is_there()
    # When it has stopped in order, uvicorn raises the signal again: that would be an exit code.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run(sockets=listeners)


def serve_workers(settings: Settings) -> None:
    """Serve the dashboard in WORKERS processes, each with an application of its own.

    One that dies is started anew. What keeps all of them from starting is said once, here.
    """
    or_exit(lambda: configured_rig(settings))
    or_exit(lambda: open_store(settings).close())
    listeners = _ready_to_listen(settings)
    config = uvicorn.Config(
        "dashboard.serving:make_worker",
        factory=True,
        workers=settings.workers,
        **_options(settings),
    )
    with tempfile.TemporaryDirectory(prefix="smart-sensor-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        Multiprocess(config, listeners).run()


def make_worker() -> FastAPI:
    """The application of one of several processes."""
    from dashboard.app import create_dashboard

    settings = get_settings()
    _log(settings)
    app = or_exit(create_dashboard)
    _keep_what_is_there()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return app


def _end_with_parent() -> None:
    """Nobody would stop or restart us without it, and we would hold the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _ready_to_listen(settings: Settings) -> list[socket.socket]:
    """Sockets that listen, once it is said where they are. Exits with code 2 when none can."""
    _log(settings)
    listeners = or_exit(lambda: listen(settings))
    if not pages.charts_built():
        logger.warning("the chart libraries are not built: run `make charts`")
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        # An address that stands for all of this machine is none that a browser can open.
        name = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared only
        shown = f"[{name}]" if ":" in name else name
        print(f"Smart Sensor: http://{shown}:{port}/  (Ctrl+C stops it)", flush=True)
    return listeners


def _log(settings: Settings) -> None:
    logging.basicConfig(level=settings.log_level, format="%(levelname)s:     %(message)s")


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "log_level": settings.log_level.lower(),
        # A line a request would drown everything else.
        "access_log": settings.log_level == "DEBUG",
        "timeout_graceful_shutdown": GRACE_S,
        # Who is behind a proxy: dashboard/clients.py.
        "proxy_headers": False,
        "server_header": False,
        # Each message would be compressed for each client anew, which takes longer than to send
        # it, and keeps memory for each of them.
        "ws_per_message_deflate": False,
        "ws": FrameProtocol,
    }


def _keep_what_is_there() -> None:
    """To look for garbage among it would hold up answers for 0.1 s each time."""
    gc.collect()
    gc.freeze()


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
