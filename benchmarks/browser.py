"""The page in Chromium: how smoothly it moves, and whether it leaks.

    python benchmarks/browser.py [--only frames|heap] [--hours 8] [--updates 100] [--quick]

frames: the time between frames while a window of readings is panned (Shift and the mouse), without
a GPU; as many readings as the page asks for at most, and 10,000 a chart. A frame counts where the
pointer has moved before or after it: the browser moves it less often than the screen is drawn.

heap: hours of readings at 10 a second, written as fast as `--updates` of ten readings each a second
go, by the product's live source, through the server and the WebSocket. The heap of the page is
looked at after every hour of readings, when its garbage has been collected.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from playwright.sync_api import Browser, Page, Route

from benchmarks.backends import SqliteFile
from benchmarks.figures import median, quantile
from benchmarks.http_load import connected
from benchmarks.machine import print_machine
from benchmarks.processes import ROOT, simulated
from benchmarks.queries import load
from benchmarks.servers import settings_for
from tests.services import ServiceUnavailable
from tests.services.browser import open_watched, running_browser
from tests.services.server import Server, start_server

ROWS = 100_000
POINTS = (4_000, 10_000)
FRAME_MS = 33
SHARE = 0.95
FLAT = 0.2
HERTZ = 10
_READINGS_AN_HOUR = 3600 * HERTZ
_LOOK_MS = 250
_STEP_PX = 7
_FRAMES = """() => {
  const frames = window.panFrames = [];
  let moved = false;
  window.panMoved = () => (moved = true);
  document.addEventListener("pointermove", window.panMoved, true);
  const note = (time) => {
    frames.push({ time, moved });
    moved = false;
    window.frameNoted = requestAnimationFrame(note);
  };
  window.frameNoted = requestAnimationFrame(note);
}"""
# Where the pointer rests the page has nothing to do: such a frame says nothing about it.
_FRAMES_END = """() => {
  cancelAnimationFrame(window.frameNoted);
  document.removeEventListener("pointermove", window.panMoved, true);
  return window.panFrames.slice(3).flatMap(({ time, moved }, at) => {
    const before = window.panFrames[at + 2];
    return moved || before.moved ? [time - before.time] : [];
  });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("frames", "heap"))
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--updates", type=float, default=100, help="a second, of ten readings")
    parser.add_argument("--range", default="1h", help="what the page shows: 15min, 1h, 24h, all")
    parser.add_argument("--seconds", type=float, default=10, help="of panning")
    parser.add_argument("--quick", action="store_true", help="to try it: little, and imprecise")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.hours, arguments.seconds = 1, 3
    print_machine(ROWS)
    with tempfile.TemporaryDirectory() as name:
        found = SqliteFile(Path(name) / "benchmark.db")
        load(found, simulated(Path(name) / "source.csv", ROWS))
        try:
            with (
                start_server(Path(name), **settings_for(found)) as server,
                running_browser() as browser,
            ):
                print(f"Chromium {browser.version}, without a GPU\n")
                if arguments.only != "heap":
                    measure_frames(browser, server, arguments.seconds)
                if arguments.only != "frames":
                    measure_heap(browser, server, found, arguments)
        except ServiceUnavailable as error:
            sys.exit(f"no browser: {error}")


def measure_frames(browser: Browser, server: Server, seconds: float) -> None:
    """A table of the times between frames while panning."""
    print(f"{'ms between frames':28} {'median':>8} {'95 %':>8} {'longest':>8} {'below 33':>9}")
    for points in POINTS:
        page = open_watched(browser)
        addresses = ask_for(page, points)
        page.goto(f"{server.url}/dashboard?range={points - 10}s")
        page.wait_for_selector("body[data-state=ready]")
        page.wait_for_load_state("networkidle")
        drawn = readings_of(addresses[-1])
        times = panned(page, seconds)
        page.unroute_all(behavior="ignoreErrors")
        page.context.close()
        below = sum(each < FRAME_MS for each in times) / len(times)
        figures = f"{median(times):8.1f} {quantile(times, SHARE):8.1f} {max(times):8.1f}"
        verdict = "met" if below >= SHARE else "missed"
        label = f"{drawn:,} readings a chart"
        print(f"{label:28} {figures} {below:9.1%}  {verdict} ({len(times)} frames)", flush=True)


def ask_for(page: Page, readings: int) -> list[str]:
    """So many readings are asked for one by one, where the page would ask for fewer; the
    addresses that were asked, as they are asked."""
    addresses: list[str] = []

    def ask_for_more(route: Route) -> None:
        address = urlsplit(route.request.url)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        if "readings" not in asked:
            route.continue_()
            return
        query = urlencode(asked | {"readings": str(readings)})
        addresses.append(address._replace(query=query).geturl())
        route.continue_(url=addresses[-1])

    page.route("**/api/trends*", ask_for_more)
    return addresses


def readings_of(address: str) -> int:
    """How many readings of a channel an answer has."""
    channels = httpx.get(address, timeout=30).json()["channels"]
    return max(len(each["values"]) for each in channels.values())


def panned(page: Page, seconds: float) -> list[float]:
    """Milliseconds between frames while the window is moved to and fro."""
    box = page.locator("#chart-temperature .plot").bounding_box()
    assert box is not None
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reach = box["width"] / 3
    page.mouse.move(middle, height)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.evaluate(_FRAMES)
    at, step, ends = 0.0, _STEP_PX, time.monotonic() + seconds
    while time.monotonic() < ends:
        at += step
        if abs(at) > reach:
            step = -step
        page.mouse.move(middle + at, height)
    times: list[float] = page.evaluate(_FRAMES_END)
    page.mouse.up()
    page.keyboard.up("Shift")
    return times


def measure_heap(
    browser: Browser, server: Server, found: SqliteFile, arguments: argparse.Namespace
) -> None:
    """A table of the page's heap after each hour of readings."""
    hours, updates = arguments.hours, arguments.updates
    page = open_watched(browser)
    heard: dict[str, int] = {}

    def note(payload: str | bytes) -> None:
        kind = json.loads(payload)["type"]
        heard[kind] = heard.get(kind, 0) + 1

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    page.goto(f"{server.url}/dashboard?range={arguments.range}")
    page.wait_for_selector("[data-connection=live]")
    seconds = hours * 3600 / updates
    print(
        f"\n{hours} hours at {HERTZ} readings a second, {hours * 3600:,} updates in "
        f"{seconds:.0f} s or more; the page shows {arguments.range}"
    )
    names = ("hour", "heap MB", "nodes", "listeners", "changes", "refreshes")
    print("{:>5} {:>9} {:>8} {:>10} {:>9} {:>10}".format(*names))
    heaps = [look(page, 0, heard)]
    before = stored(server)
    writer = [sys.executable, "-m", "benchmarks.live_writer", str(updates), str(seconds)]
    with subprocess.Popen(
        [*writer, str(HERTZ)],
        env={**os.environ, **found.environment},
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        while process.poll() is None:
            page.wait_for_timeout(_LOOK_MS)
            if stored(server) - before >= len(heaps) * _READINGS_AN_HOUR:
                heaps.append(look(page, len(heaps), heard))
    if process.returncode:
        sys.exit("the live source has failed")
    page.wait_for_timeout(4 * _LOOK_MS)
    if len(heaps) <= hours:
        heaps.append(look(page, hours, heard))
    # Of the first hour on: by then everything has been used once.
    most = max(abs(each / heaps[1] - 1) for each in heaps[1:])
    verdict = "met" if most <= FLAT else "missed"
    print(f"within {most:.0%} of the heap after one hour; flat within {FLAT:.0%}: {verdict}")
    page.context.close()


def look(page: Page, hour: int, heard: dict[str, int]) -> float:
    """The heap in MB after its garbage has been collected; prints it."""
    session = page.context.new_cdp_session(page)
    # What finalisers let go of is collected the second time.
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"] / 2**20
    counted: dict[str, Any] = session.send("Memory.getDOMCounters")
    session.detach()
    print(
        f"{hour:5} {used:9.2f} {counted['nodes']:8,} {counted['jsEventListeners']:10,} "
        f"{heard.get('change', 0):9,} {heard.get('refresh', 0):10,}",
        flush=True,
    )
    return used


def stored(server: Server) -> int:
    """How many readings there are."""
    with connected(server.port) as connection:
        rows: int = json.loads(connection.ask("/api/health")[1])["rows"]
    return rows


if __name__ == "__main__":
    main()
