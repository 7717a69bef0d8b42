"""The small application: `python main.py`, from an empty folder to a page that moves."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from pipeline import simulate
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.services.browser import OpenPage, assert_quiet, canvas_ink
from tests.services.server import MAIN, run_until_exit

NO_SIMULATION = (*MAIN, "--no-simulate")
OWN = "The database holds readings of your own: no simulation is added to them."
POINTS = (
    "id => window.smartSensor.charts[id].data.datasets[0].data.filter(p => p.y !== null).length"
)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Started where nothing is, with its simulation."""
    yield from asked(tmp_path_factory.mktemp("first"), *MAIN)


@pytest.fixture
def shown(first_run: Asked, page: Page) -> Page:
    """Its page, with all that belongs on it."""
    page.goto(first_run.server.url)
    page.wait_for_selector("body[data-state=ready]")
    return page


def test_it_says_where_it_is(first_run: Asked) -> None:
    assert f"http://localhost:{first_run.server.port}/" in first_run.server.log
    assert "Ctrl+C" in first_run.server.log
    assert OWN not in first_run.server.log


def test_the_page_is_at_two_addresses(first_run: Asked) -> None:
    first = first_run.get("/")
    assert first.status_code == 200
    assert first.text == first_run.get("/dashboard").text
    assert first_run.client.head("/").status_code == 200


def test_the_simulation_adds_a_reading_every_two_seconds(first_run: Asked) -> None:
    sample = 100
    deadline = time.monotonic() + 12
    while first_run.json("/api/kpis")["total_records"] < sample + 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    rows = first_run.sql("SELECT timestamp FROM sensor_data ORDER BY timestamp")
    times = [microseconds / 1e6 for (microseconds,) in rows]
    steps = [after - before for before, after in zip(times[sample:], times[sample + 1 :])]  # noqa: B905  # one shorter
    assert all(1.9 < step < 3 for step in steps), steps
    assert abs(times[-1] - time.time()) < 4
    # One row of the ledger, however many readings.
    loads = [(load["source"], load["status"]) for load in first_run.json("/api/loads")["loads"]]
    assert loads == [("simulation", "live"), ("simulation", "complete")]


def test_the_page_shows_charts_and_figures(first_run: Asked, shown: Page) -> None:
    for name in ("temperature", "pressure"):
        assert canvas_ink(shown, f"#{name}") > 0.005
        assert shown.evaluate(POINTS, name) >= 100
    # The stop of two hours is there, as a break.
    gaps = shown.evaluate(
        "window.smartSensor.charts.pressure.data.datasets[0].data.filter(p => p.y === null).length"
    )
    assert gaps >= 1
    tiles = shown.get_by_label("Key figures")
    for title in ("Average temperature", "Average pressure", "Alerts", "Uptime", "Readings"):
        assert tiles.get_by_role("heading", name=title).is_visible()
    assert shown.get_by_role("status").inner_text() == "live"
    assert shown.get_by_role("alert").count() == 0
    assert_quiet(shown)


def test_the_page_moves_by_itself(shown: Page) -> None:
    before = shown.evaluate(POINTS, "temperature")
    shown.wait_for_function(f"({POINTS})('temperature') >= {before} + 2", timeout=8_000)
    assert_quiet(shown)


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 844}, "timezone_id": "Europe/Berlin"},
    ],
    ids=["dark", "phone"],
)
def test_the_page_fits_everywhere(
    first_run: Asked, open_page: OpenPage, options: dict[str, Any]
) -> None:
    page = open_page(**options)
    page.goto(first_run.server.url)
    page.wait_for_selector("body[data-state=ready]")
    assert canvas_ink(page, "#temperature") > 0.005
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("window.innerWidth")
    assert_quiet(page)


def test_the_sample_ends_now_and_is_added_once(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    server = asked(tmp_path, *NO_SIMULATION)
    first = next(server).json("/api/rigs")["rigs"][0]
    last = datetime.fromisoformat(first["last_timestamp"])
    assert before - timedelta(seconds=1) <= last <= datetime.now(UTC)
    assert last - datetime.fromisoformat(first["first_timestamp"]) == simulate.SAMPLE_SPAN
    assert first["total_records"] == 100
    time.sleep(2.5)
    next(server, None)
    # The second time, and nothing has come in between.
    server = asked(tmp_path, *NO_SIMULATION)
    again = next(server)
    assert again.json("/api/rigs")["rigs"] == [first]
    values = again.sql("SELECT temperature, pressure, uptime FROM sensor_data ORDER BY timestamp")
    sample = simulate.sample()
    assert values == [(each.temperature, each.pressure, each.uptime) for each in sample]
    assert len(again.json("/api/loads")["loads"]) == 1
    next(server, None)


def test_nothing_is_added_to_somebodys_own_readings(tmp_path: Path) -> None:
    database = tmp_path / "readings.db"
    made.load(database, made.plain_csv(tmp_path / "own.csv", 5))
    server = asked(tmp_path, *MAIN, database=database)
    own = next(server)
    time.sleep(2.5)
    assert own.json("/api/kpis")["total_records"] == 5
    assert [load["accepted"] for load in own.json("/api/loads")["loads"]] == [5]
    assert OWN in own.server.log
    next(server, None)


def test_a_word_that_it_does_not_know_is_bad_use(tmp_path: Path) -> None:
    done = run_until_exit(tmp_path / "readings.db", *MAIN, "--simulat")
    assert done.returncode == 2
    assert "--simulat" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "readings.db").exists()
