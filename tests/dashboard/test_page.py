"""The page in a real browser: drawn, true, alive, and quiet."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard import made
from tests.dashboard.conftest import Asked, asked, show
from tests.services.browser import OpenPage, assert_quiet, canvas_ink, watch_of
from tests.services.server import free_port, running_server, start_server

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}},
    "desktop dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "phone dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
SOON_MS = 2_000
POINTS = """() => Object.fromEntries([...window.smartSensor.charts].map(([name, chart]) =>
    [name, chart.data.datasets.map(({ series, data, pointRadius }) => series && !pointRadius
        ? series.times.map((time, at) => [time, series.values[at]])
        : data.map(point => [point.x, point.y]))]))"""
NEWEST = """() => {
    const { times, values } = window.smartSensor.charts.get("temperature").data.datasets[0].series;
    return Math.max(...times.filter((_, at) => values[at] !== null));
}"""


def drawn(page: Page) -> dict[str, list[list[Any]]]:
    """By channel, the points of the line, gaps as None; and those of the other data sets."""
    points: dict[str, list[list[Any]]] = page.evaluate(POINTS)
    return points


def milliseconds(moment: str | datetime) -> float:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.timestamp() * 1000


# What is drawn


@pytest.mark.parametrize("screen", SCREENS)
def test_the_dashboard_is_drawn(house: Asked, open_page: OpenPage, screen: str) -> None:
    page = show(open_page(**SCREENS[screen]), house)
    found = drawn(page)
    assert list(found) == ["temperature", "pressure", "uptime"]
    trends = house.json("/api/trends", rig="rig-1")
    for name, sets in found.items():
        values = trends["channels"][name]["values"]
        assert [y for _, y in sets[0]] == values
        assert [x for x, _ in sets[0]] == [milliseconds(text) for text in trends["timestamps"]]
        page.locator(f"#chart-{name}").scroll_into_view_if_needed()
        assert canvas_ink(page, f"#chart-{name} canvas") > 0.005, name
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    assert_quiet(page)


def test_red_and_yellow_readings_are_marked(house: Asked, page: Page) -> None:
    show(page, house)
    trends = house.json("/api/trends", rig="rig-1")
    labels = page.evaluate(
        "[...window.smartSensor.charts.get('temperature').data.datasets].map(set => set.label)"
    )
    for name in ("temperature", "pressure"):
        sets = dict(zip(labels, drawn(page)[name], strict=True))
        series = trends["channels"][name]
        for level in ("yellow", "red"):
            wanted = [
                [milliseconds(time), value]
                for time, value, found in zip(
                    trends["timestamps"], series["values"], series["levels"], strict=True
                )
                if found == level
            ]
            assert sets[level] == wanted
            assert wanted


def test_a_second_rig_has_all_its_charts(house: Asked, page: Page) -> None:
    show(page, house, "?rig=shaker-7&range=all")
    rig = made.vibration_rig()
    trends = house.json("/api/trends", rig="shaker-7")
    found = drawn(page)
    assert list(found) == [channel.name for channel in rig.channels]
    for channel in rig.channels:
        assert [y for _, y in found[channel.name][0]] == trends["channels"][channel.name]["values"]
        card = page.locator(f"#chart-{channel.name}")
        expect(card.get_by_role("heading", name=channel.label)).to_be_visible()
        card.scroll_into_view_if_needed()
        assert canvas_ink(page, f"#chart-{channel.name} canvas") > 0.003
    expect(page).to_have_title(re.compile("^shaker-7 · Shaker table"))
    expect(page.get_by_role("combobox", name="Rig")).to_have_value("shaker-7")
    assert_quiet(page)


def test_the_firing_shows_its_peak(house: Asked, page: Page) -> None:
    show(page, house, "?rig=static-fire&range=all")
    pressures = [y for _, y in drawn(page)["pressure"][0] if y is not None]
    assert len(pressures) == 2062
    assert max(pressures) == 46.16
    expect(page.get_by_role("region", name="Key figures")).to_contain_text("46.16")
    assert_quiet(page)


def test_a_spike_survives_among_twenty_thousand_readings(house: Asked, page: Page) -> None:
    show(page, house, "?rig=spiky&range=all")
    points, _, _, red = drawn(page)["temperature"]
    assert len(points) < made.SPIKY_ROWS / 2
    spikes = {x: y for x, y in points if y in made.SPIKES.values()}
    before_gap, after_gap = 777, 12_345
    assert spikes == {
        milliseconds(made.START + timedelta(seconds=before_gap)): 0.1,
        milliseconds(made.START + timedelta(seconds=after_gap + 3600)): 149.9,
    }
    assert dict(red) == spikes
    assert [y for _, y in points].count(None) == 1
    expect(page.get_by_label("State of the data")).to_contain_text("20,000")
    card = page.locator("#chart-temperature")
    expect(card).to_contain_text("thinned to 1 min: first, last, lowest, highest")
    expect(card).not_to_contain_text("marked")
    page.get_by_role("button", name="Temperature 149.9 °C").click()
    tooltip = page.locator(".tooltip")
    expect(tooltip).to_contain_text("69.900 °C above the high limit of 80 °C")
    expect(tooltip).to_contain_text(re.compile(r"z \d"))
    assert_quiet(page)


def test_a_thinned_chart_says_which_red_readings_it_marks(tmp_path: Path, page: Page) -> None:
    database = tmp_path / "readings.db"
    made.load(database, made.hot_csv(tmp_path / "hot.csv"))
    with running_server(tmp_path) as server:
        show(page, server, "?range=all")
        card = page.locator("#chart-temperature")
        expect(card).to_contain_text(f"100 newest of {made.HOT_ROWS // 40} red marked")
        expected = [
            [milliseconds(made.START + timedelta(seconds=second)), 90]
            for second in range(20, made.HOT_ROWS, 40)
        ]
        *_, red = drawn(page)["temperature"]
        assert red == expected[-100:]
        # From reading to reading, to the newest red one: only red ones say z, and why.
        plot = card.get_by_role("slider")
        plot.focus()
        plot.press("End")
        texts = [plot.get_attribute("aria-valuetext") or ""]
        while "red" not in texts[-1]:
            assert len(texts) < 40
            plot.press("ArrowLeft")
            texts.append(plot.get_attribute("aria-valuetext") or "")
        assert not any(" z " in text or "limit" in text for text in texts[:-1])
        assert re.fullmatch(
            r"90 °C, red, 13 Jul 2025 01:39:40 UTC, 10 °C above the high limit of 80 °C, z \d.\d\d",
            texts[-1],
        )
        expect(page.locator(".tooltip")).to_contain_text("10 °C above the high limit of 80 °C")
        # A new one, which the page appends by itself.
        moment = made.START + timedelta(seconds=made.HOT_ROWS)
        with made.live_writer(database) as writer:
            page.wait_for_timeout(500)
            writer.write(made.live_rows(moment, [88.0]))
            newest = milliseconds(moment)
            page.wait_for_function(f"({NEWEST})() === {newest}", timeout=SOON_MS)
        *_, red = drawn(page)["temperature"]
        assert red == [*expected[-100:], [newest, 88]]
        expect(card).to_contain_text(f"101 newest of {made.HOT_ROWS // 40 + 1} red marked")
        assert_quiet(page)
        page.close()


@pytest.mark.parametrize("name", [made.NASTY_NAMES[-1], made.NASTY_NAMES[-2]])
def test_a_rigs_name_is_text(house: Asked, page: Page, name: str) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    show(page, house)
    page.get_by_role("combobox", name="Rig").select_option(name)
    expect(page).to_have_title(re.compile("^" + re.escape(name)))
    page.wait_for_function(f"({POINTS})().temperature[0].length === 2")
    assert [y for _, y in drawn(page)["temperature"][0]] == [50.0, 56.0]
    page.get_by_role("tab", name="Loads").click()
    expect(page.get_by_role("tabpanel", name="Loads")).to_contain_text("nasty.csv")
    assert page.locator("img").count() == 0
    assert dialogs == []
    assert_quiet(page)


def test_a_day_can_be_shown(house: Asked, page: Page) -> None:
    show(page, house, f"?rig=shaker-7&date={made.SPRING}")
    times = [x for x, y in drawn(page)["cycles"][0] if y is not None]
    inside = house.json("/api/trends", rig="shaker-7", date=made.SPRING)["timestamps"]
    assert {milliseconds(time) for time in inside} <= set(times)
    assert_quiet(page)


def test_a_range_without_readings_says_so_and_leads_back(house: Asked, page: Page) -> None:
    show(page, house, "?date=1999-12-31", state="nothing")
    expect(page.get_by_role("heading", name="No readings in this range")).to_be_visible()
    page.get_by_role("button", name="Go to the last data").click()
    page.wait_for_selector("body[data-state=ready]")
    assert len(drawn(page)["temperature"][0]) == 101
    assert_quiet(page)


def test_the_file_is_the_shown_range(house: Asked, page: Page) -> None:
    show(page, house, "?date=2025-07-13")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("link", name="CSV, shown range").click()
    assert downloading.value.suggested_filename == "rig-1_2025-07-13.csv"
    text = Path(downloading.value.path()).read_text()
    assert text == house.get("/api/download", date="2025-07-13").text
    assert len(text.splitlines()) == 101


# When something is missing


def test_an_answer_that_fails_is_told_and_can_be_asked_again(house: Asked, page: Page) -> None:
    def fails(route: Route) -> None:
        problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
        body = json.dumps({**problem, "detail": "it is away", "instance": "/api/trends"})
        route.fulfill(status=503, content_type="application/problem+json", body=body)

    page.route("**/api/trends*", fails)
    show(page, house, state="failed")
    expect(page.get_by_text("it is away").first).to_be_visible()
    page.unroute("**/api/trends*")
    page.get_by_role("button", name="Retry").first.click()
    page.wait_for_selector("body[data-state=ready]")
    assert len(drawn(page)["temperature"][0]) == 101
    assert watch_of(page).errors == []


NOT_BUILT = """
import runpy
from dashboard import pages
pages.charts_built = lambda: False
runpy.run_module("dashboard.app", run_name="__main__")
"""


def test_without_the_chart_libraries_the_page_says_what_to_run(tmp_path: Path, page: Page) -> None:
    made.load(tmp_path / "readings.db", made.sample_csv(tmp_path / "sample.csv"))
    with running_server(tmp_path, "-c", NOT_BUILT) as server:
        show(page, server)
        expect(page.get_by_text("make charts")).to_be_visible()
        # The figures and the readings are there all the same.
        expect(page.get_by_role("region", name="Key figures")).to_contain_text("°C")
        expect(page.get_by_role("table").first).to_contain_text("84.3")
        assert drawn(page) == {}
        assert_quiet(page)
        page.close()
        assert "make charts" in server.log


# Alive


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server that begins with nothing."""
    yield from asked(tmp_path_factory.mktemp("fresh"))


def test_an_empty_database_says_what_to_do_and_fills_by_itself(
    fresh: Asked, page: Page, tmp_path: Path
) -> None:
    show(page, fresh, state="empty")
    expect(page.get_by_role("heading", name="No readings yet")).to_be_visible()
    expect(page.get_by_text("smart-sensor etl your.csv")).to_be_visible()
    assert_quiet(page)
    # Another process loads a file; nobody touches the page.
    made.load(fresh.database, made.sample_csv(tmp_path / "sample.csv"))
    page.wait_for_selector("body[data-state=ready]", timeout=2 * SOON_MS)
    assert len(drawn(page)["temperature"][0]) == 101
    assert_quiet(page)


@pytest.fixture
def filled(fresh: Asked, tmp_path: Path) -> Asked:
    """The same with the sample in it, whoever was first."""
    made.load(fresh.database, made.sample_csv(tmp_path / "sample.csv"))
    return fresh


def after_all(server: Asked, minutes: float = 6) -> datetime:
    """A time after all readings."""
    last = server.json("/api/rigs")["rigs"][0]["last_timestamp"]
    return datetime.fromisoformat(last) + timedelta(minutes=minutes)


def test_a_reading_of_another_process_appears_soon(filled: Asked, page: Page) -> None:
    show(page, filled)
    expect(page.locator("[data-connection=live]")).to_be_visible()
    with made.live_writer(filled.database) as writer:
        # What it says of itself at first is no reading, and has to be over.
        page.wait_for_timeout(500)
        moment = after_all(filled)
        writer.write(made.live_rows(moment, [66.6]))
        newest = milliseconds(moment)
        page.wait_for_function(f"({NEWEST})() === {newest}", timeout=SOON_MS)
        assert drawn(page)["temperature"][0][-1] == [newest, 66.6]
        total = filled.json("/api/kpis")["total_records"]
        expect(page.get_by_label("State of the data")).to_contain_text(
            str(total), timeout=2 * SOON_MS
        )
    assert_quiet(page)


def test_a_load_of_another_process_appears_soon(filled: Asked, page: Page, tmp_path: Path) -> None:
    """More readings than a message carries."""
    show(page, filled)
    expect(page.locator("[data-connection=live]")).to_be_visible()
    first = after_all(filled)
    made.load(filled.database, made.plain_csv(tmp_path / "more.csv", 150, first, step_s=60))
    newest = milliseconds(first + timedelta(minutes=149))
    page.wait_for_function(f"({NEWEST})() === {newest}", timeout=2 * SOON_MS)
    times = [x for x, y in drawn(page)["temperature"][0] if y is not None]
    assert len([x for x in times if x >= milliseconds(first)]) == 150
    assert_quiet(page)


def test_a_page_outlives_its_server(tmp_path: Path, page: Page) -> None:
    database, port = tmp_path / "readings.db", free_port()
    made.load(database, made.sample_csv(tmp_path / "sample.csv"))
    with start_server(tmp_path, database=database, port=port) as server:
        show(page, server)
        expect(page.locator("[data-connection=live]")).to_be_visible()
        before = drawn(page)
        server.process.kill()
        expect(page.locator("[data-connection=reconnecting]")).to_be_visible(timeout=5_000)
    assert drawn(page) == before
    # While nobody serves it, a reading comes.
    moment = made.START + timedelta(hours=12)
    with made.live_writer(database) as writer:
        writer.write(made.live_rows(moment, [44.4]))
    started = time.monotonic()
    with start_server(tmp_path, database=database, port=port):
        page.wait_for_selector("[data-connection=live]", timeout=20_000)
        newest = milliseconds(moment)
        page.wait_for_function(f"({NEWEST})() === {newest}", timeout=2 * SOON_MS)
        assert time.monotonic() - started < 20
        assert page.get_by_role("alert").filter(has_text="refresh").count() == 0
    assert watch_of(page).errors == []
