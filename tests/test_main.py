"""The small application: `python main.py`, from an empty folder to a page that moves."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

import main
from pipeline import simulate
from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked
from tests.services.browser import OpenPage, assert_quiet, canvas_ink
from tests.services.server import MAIN

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


def wait_for_readings(server: Asked, least: int) -> int:
    """Wait until so many are stored; returns how many there are."""
    deadline = time.monotonic() + 12
    while (found := server.json("/api/kpis")["total_records"]) < least:
        assert time.monotonic() < deadline, f"{found} readings"
        time.sleep(0.1)
    return int(found)


def test_it_says_where_it_is(first_run: Asked) -> None:
    assert f"http://127.0.0.1:{first_run.server.port}/" in first_run.server.log
    assert "Ctrl+C" in first_run.server.log
    assert OWN not in first_run.server.log


def test_the_page_is_at_two_addresses(first_run: Asked) -> None:
    first = first_run.get("/")
    assert first.status_code == 200
    assert first.text == first_run.get("/dashboard").text
    assert first_run.client.head("/").status_code == 200


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


def test_the_simulation_adds_a_reading_every_two_seconds(first_run: Asked) -> None:
    sample = 100
    wait_for_readings(first_run, sample + 3)
    rows = first_run.sql("SELECT timestamp FROM sensor_data ORDER BY timestamp")
    times = [microseconds / 1e6 for (microseconds,) in rows]
    steps = [after - before for before, after in zip(times[sample:], times[sample + 1 :])]  # noqa: B905  # one shorter
    assert all(1.9 < step < 4 for step in steps), steps
    assert abs(times[-1] - time.time()) < 6
    # One row of the ledger, however many readings.
    loads = [(load["source"], load["status"]) for load in first_run.json("/api/loads")["loads"]]
    assert loads == [("simulation", "live"), ("simulation", "complete")]


def test_thinned_charts_mark_red_readings(tmp_path: Path, page: Page) -> None:
    made.load(tmp_path / "readings.db", made.hot_csv(tmp_path / "hot.csv"))
    server = asked(tmp_path, *MAIN)
    page.goto(next(server).server.url)
    page.wait_for_selector("body[data-state=ready]")
    found = page.evaluate(
        """() => {
            const { data, pointRadius } = window.smartSensor.charts.temperature.data.datasets[0];
            return data.filter((_, at) => pointRadius[at] > 0).map(({ x, y }) => [x, y]);
        }"""
    )
    seconds = range(20, made.HOT_ROWS, 40)[-100:]
    assert found == [[(made.START.timestamp() + second) * 1000, 90] for second in seconds]
    assert page.evaluate(POINTS, "temperature") < made.HOT_ROWS
    assert_quiet(page)
    page.close()
    next(server, None)


def test_the_sample_ends_now_and_is_added_once(tmp_path: Path) -> None:
    started = time.time()
    server = asked(tmp_path, *MAIN)
    first = next(server)
    ready = time.time()
    total = wait_for_readings(first, 101)
    next(server, None)
    server = asked(tmp_path, *MAIN)
    second = next(server)
    assert total < wait_for_readings(second, total + 1) < total + 5
    assert OWN not in second.server.log
    rows = second.sql(
        "SELECT timestamp, temperature, pressure, uptime FROM sensor_data ORDER BY timestamp"
    )
    sample = simulate.sample()
    assert [row[1:] for row in rows[:100]] == [
        (each.temperature, each.pressure, each.uptime) for each in sample
    ]
    seconds = [row[0] / 1e6 for row in rows[:100]]
    assert started - 1 <= seconds[-1] <= ready
    assert seconds[-1] - seconds[0] == simulate.SAMPLE_SPAN.total_seconds()
    loads = [(load["source"], load["status"]) for load in second.json("/api/loads")["loads"]]
    live = ("simulation", "live")
    assert loads == [live, live, ("simulation", "complete")]
    next(server, None)


def test_nothing_is_added_where_nobody_wants_it(tmp_path: Path) -> None:
    """To somebody's own readings, or with --no-simulate."""
    database = tmp_path / "own.db"
    made.load(database, made.plain_csv(tmp_path / "own.csv", 5))
    own = asked(tmp_path, *MAIN, database=database)
    still = asked(tmp_path, *MAIN, "--no-simulate")
    with_own, without = next(own), next(still)
    time.sleep(2.5)
    assert with_own.json("/api/kpis")["total_records"] == 5
    assert [load["accepted"] for load in with_own.json("/api/loads")["loads"]] == [5]
    assert OWN in with_own.server.log
    assert without.json("/api/kpis")["total_records"] == 100
    assert len(without.json("/api/loads")["loads"]) == 1
    assert OWN not in without.server.log
    next(own, None)
    next(still, None)


def test_a_word_that_it_does_not_know_is_bad_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["main.py", "--simulat"])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code == 2
    assert "--simulat" in capsys.readouterr().err
