"""When somebody sees something: from the start of the server, and from the navigation."""

import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession

from benchmarks.processes import ROOT
from tests.services.browser import open_watched, running_browser
from tests.services.server import DASHBOARD, Server, environment, free_port

_LISTENS_WITHIN_S = 60.0
_LOOK_S = 0.005
# The page marks its body when the figures are in it; they are painted in the frame after that.
_NOTE_READY = """
window.addEventListener("DOMContentLoaded", () => {
  const look = () => {
    if (document.body.dataset.state !== "ready") return requestAnimationFrame(look);
    requestAnimationFrame(() => { window.figuresVisible = performance.now(); });
  };
  look();
});
"""
_SEEN = """() => ({
  origin: performance.timeOrigin,
  painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
  visible: window.figuresVisible ?? null,
})"""
_LABELS = {
    "listens_ms": "server started to listening",
    "cold_painted_ms": "server started to first contentful paint",
    "cold_visible_ms": "server started to key figures visible",
    "painted_ms": "navigation to first contentful paint",
    "visible_ms": "navigation to key figures visible",
    "again_painted_ms": "second visit: first contentful paint",
    "again_visible_ms": "second visit: key figures visible",
}


def measure_paint(folder: Path, settings: dict[str, Any], repeat: int) -> None:
    """A table of times, each of a server and a browser profile that have just been started.

    Raises ServiceUnavailable where there is no Chromium.
    """
    with running_browser() as browser:
        runs = [first_visit(browser, folder, settings) for _ in range(repeat)]
    print(f"{'milliseconds':44} {'median':>8} {'least':>8} {'most':>8}")
    for name, label in _LABELS.items():
        values = [run[name] for run in runs]
        print(f"{label:44} {statistics.median(values):8.0f} {min(values):8.0f} {max(values):8.0f}")
    for label, name in (("first visit", "first"), ("second visit", "again")):
        requests, sent = runs[-1][f"{name}_requests"], runs[-1][f"{name}_bytes"]
        print(f"{label}: {requests} requests, {sent / 1000:,.0f} kB sent, headers included")


def first_visit(browser: Browser, folder: Path, settings: dict[str, Any]) -> dict[str, float]:
    """Start a server, open the page as soon as it listens, and once more."""
    port = free_port()
    log_file = folder / "paint.log"
    with log_file.open("ab") as log:
        started = time.time()
        process = subprocess.Popen(
            [sys.executable, *DASHBOARD],
            env=environment(folder / "unused.db", **settings, port=port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    with Server(process, port, folder, log_file) as server:
        wait_until_it_listens(server)
        listening = time.time()
        page = open_watched(browser)
        page.add_init_script(_NOTE_READY)
        session = page.context.new_cdp_session(page)
        first, first_traffic = visit(page, session, server.url)
        session = page.context.new_cdp_session(page)
        again, again_traffic = visit(page, session, server.url)
        page.context.close()
    since_start = first["origin"] - 1000 * started
    return {
        "listens_ms": 1000 * (listening - started),
        "cold_painted_ms": since_start + first["painted"],
        "cold_visible_ms": since_start + first["visible"],
        "painted_ms": first["painted"],
        "visible_ms": first["visible"],
        "again_painted_ms": again["painted"],
        "again_visible_ms": again["visible"],
        "first_requests": len(first_traffic),
        "first_bytes": sum(first_traffic),
        "again_requests": len(again_traffic),
        "again_bytes": sum(again_traffic),
    }


def visit(page: Any, session: CDPSession, url: str) -> tuple[dict[str, float], list[int]]:
    """What was seen when, and the bytes of each answer."""
    traffic: list[int] = []
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: traffic.append(event["encodedDataLength"]))
    page.goto(f"{url}/dashboard")
    page.wait_for_function("window.figuresVisible !== undefined")
    page.wait_for_load_state("networkidle")
    seen: dict[str, float] = page.evaluate(_SEEN)
    session.detach()
    return seen, traffic


def wait_until_it_listens(server: Server) -> None:
    deadline = time.monotonic() + _LISTENS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            if server.process.poll() is not None:
                break
            time.sleep(_LOOK_S)
        else:
            return
    sys.exit(f"the server does not start:\n{server.log}")
